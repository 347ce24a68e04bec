"""The /openapi.json resource: what the API is, in OpenAPI 3.1, made from what validates and routes."""

from functools import lru_cache

import msgspec

from handlers.openapi.document import describe
from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.web import Request, Response


def get_openapi(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Describe the service as it is set up here."""
    return Response(200, _written(settings))


@lru_cache(maxsize=8)
def _written(settings: Settings) -> bytes:
    # The table has this resource's route, and so is not there yet when this module is imported.
    from handlers.routes import ROUTES

    return msgspec.json.encode(describe(ROUTES, settings))
