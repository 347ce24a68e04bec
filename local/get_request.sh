#!/bin/sh
# GET sums: local/get_request.sh QUERY [URL], for instance local/get_request.sh 'hour=1&size=10'
set -eu
# A token, where TOKEN holds one, stays off the command line, which everybody on the machine can read.
printf '%s' "${TOKEN:+header = \"Authorization: Bearer $TOKEN\"}" | curl --config - --silent --show-error --max-time 60 "${2:-http://${HOST:-127.0.0.1}:${PORT:-8080}}/flows?$1"
echo
