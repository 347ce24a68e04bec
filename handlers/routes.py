"""The one route table, and the way from a request to its answer: both edges are made from it."""

from collections.abc import Callable, Container
from typing import NamedTuple

from handlers.flows import get_flows, post_flows
from handlers.record import FlowStore
from handlers.root import get_root
from handlers.settings import Settings
from handlers.web import Request, RequestError, Response, respond

Handler = Callable[[Request, FlowStore, Settings], Response]


class Route(NamedTuple):
    """Which handler answers a method on a path."""

    path: str
    method: str
    handler: Handler


ROUTES = (
    Route("/", "GET", get_root),
    Route("/flows", "GET", get_flows),
    Route("/flows", "POST", post_flows),
    Route("/v1/flows", "GET", get_flows),
    Route("/v1/flows", "POST", post_flows),
)

_HANDLERS = {path: {route.method: route.handler for route in ROUTES if route.path == path} for path, _, _ in ROUTES}


METHODS = frozenset(route.method for route in ROUTES)


def answer(request: Request, store: FlowStore, settings: Settings, methods: Container[str] = METHODS) -> Response:
    """Answer a request, errors included: this never raises. ``methods`` are those that are answered here."""
    return respond(lambda: _handler(request, methods)(request, store, settings))


def _handler(request: Request, methods_here: Container[str]) -> Handler:
    methods = _HANDLERS.get(request.path)
    if methods is None:
        raise RequestError(404, "There is nothing at this path")
    if request.method not in methods:
        allowed = ", ".join(methods)
        raise RequestError(405, f"This path answers {allowed} only", headers=(("Allow", allowed),))
    if request.method not in methods_here:
        # RFC 9110, 15.5.20. One who may only read must not write by asking the function that reads.
        raise RequestError(421, "Another function answers this method here")
    return methods[request.method]
