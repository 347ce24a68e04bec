"""The / resource: which service this is."""

import msgspec

from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.web import Request, Response

_BODY = msgspec.json.encode({"message": "Flow Aggregation Service, version 1"})


def get_root(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Say which service answers here."""
    return Response(200, _BODY)
