#!/bin/sh
# POST a file of flow objects: local/post_request.sh FILE [URL]
set -eu
# A token, where TOKEN holds one, stays off the command line, which everybody on the machine can read.
printf '%s' "${TOKEN:+header = \"Authorization: Bearer $TOKEN\"}" | curl --config - --silent --show-error --max-time 60 --header 'Content-Type: application/json' --data-binary "@$1" \
    "${2:-http://${HOST:-127.0.0.1}:${PORT:-8080}}/flows"
echo
