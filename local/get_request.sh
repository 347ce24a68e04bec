#!/bin/sh
# GET sums: local/get_request.sh QUERY [URL], for instance local/get_request.sh 'hour=1&size=10'
exec "$(dirname "$0")/request.sh" "/flows?$1" "${2:-}"
