#!/bin/sh
# Send a request with curl, and say what to do where nothing listens: local/request.sh PATH URL CURL-OPTIONS...
set -u
path=$1 url=${2:-http://${HOST:-127.0.0.1}:${PORT:-8080}}
shift 2
status=0
# A token, where TOKEN holds one, stays off the command line, which everybody on the machine can read.
printf '%s' "${TOKEN:+header = \"Authorization: Bearer $TOKEN\"}" |
    curl --config - --silent --show-error --fail-with-body --max-time 60 "$@" "$url$path" || status=$?
if [ "$status" = 7 ]; then
    echo "Nothing listens at $url: start it with make start_server." >&2
else
    echo
fi
exit "$status"
