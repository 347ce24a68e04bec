"""GET /apps and GET /vpcs: the names that flows have, with their totals, also by their beginning."""

from handlers.language import read_names_query
from handlers.question import APP
from handlers.reads import answer_asked
from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.web import Request, Response


def get_apps(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Answer with apps: each with the flows that it is an end of, as seen from it; one to itself counts once.

    Raises RequestError 422 on a bad query, 406 where no format would be accepted, and what the store raises.
    """
    return _names(request, store, settings, APP)


def get_vpcs(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Answer with VPCs; raises what ``get_apps`` does."""
    return _names(request, store, settings, "vpc_id")


def _names(request: Request, store: FlowStore, settings: Settings, member: str) -> Response:
    return answer_asked(request, read_names_query(request.query, settings, member, request.hour), store)
