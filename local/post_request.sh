#!/bin/sh
# POST a file of flow objects: local/post_request.sh FILE [URL]
exec "$(dirname "$0")/request.sh" /flows "${2:-}" --header 'Content-Type: application/json' --data-binary "@$1"
