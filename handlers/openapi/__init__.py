"""The /openapi.json resource: what the API is, in OpenAPI 3.1, made from what validates and routes."""

import hashlib
from functools import lru_cache

import msgspec

from handlers.accept import shape_of
from handlers.openapi.document import describe
from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.table import answer_unless_known
from handlers.web import Request, Response


def get_openapi(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Describe the service as it is set up here. Raises RequestError 406 where no coding would be accepted."""
    written = _written(settings)
    # It is of no sums: its version is what it says.
    version = hashlib.sha256(written).hexdigest
    return answer_unless_known(request, shape_of(request, "json"), (), version, lambda: Response(200, written))


@lru_cache(maxsize=8)
def _written(settings: Settings) -> bytes:
    # The table has this resource's route, and so is not there yet when this module is imported.
    from handlers.routes import ROUTES

    return msgspec.json.encode(describe(ROUTES, settings))
