"""The / resource: which service this is."""

import msgspec

from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.web import Request, Response


class Greeting(msgspec.Struct):
    """Which service this is."""

    message: str


_BODY = msgspec.json.encode(Greeting("Flow Aggregation Service, version 1"))


def get_root(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Say which service answers here."""
    return Response(200, _BODY)
