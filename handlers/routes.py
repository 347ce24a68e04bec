"""The one route table, and the way from a request to its answer: both edges are made from it."""

from collections.abc import Callable, Container, Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

from handlers import request_id
from handlers.access import ANYBODY, Access, Role
from handlers.flows import check_head, get_flows, post_flows
from handlers.header_limits import check_lengths
from handlers.health import get_healthz, get_readyz
from handlers.record import FlowStore
from handlers.root import get_root
from handlers.settings import Settings
from handlers.web import GUARDS, Request, RequestError, Response, Unready, respond

Handler = Callable[[Request, FlowStore, Settings], Response]


def _later(module: str, name: str) -> Handler:
    """Import a handler where it is asked for: a function that starts for another question starts the sooner."""

    def handle(request: Request, store: FlowStore, settings: Settings) -> Response:
        handler: Handler = getattr(import_module(f"handlers.{module}"), name)
        return handler(request, store, settings)

    return handle


class Route(NamedTuple):
    """Which handler answers a method on a path, and the role that a token needs for it; "" is open to everybody.

    The functions have no route that is ``local``.
    """

    path: str
    method: str
    handler: Handler
    role: Role
    local: bool = False


ROUTES = (
    Route("/", "GET", get_root, ""),
    Route("/healthz", "GET", get_healthz, ""),
    Route("/readyz", "GET", get_readyz, ""),
    Route("/metrics", "GET", _later("metrics", "get_metrics"), "read", local=True),
    # It tells no more than the README does, and a client is made of it before there is a token.
    Route("/openapi.json", "GET", _later("openapi", "get_openapi"), ""),
    Route("/flows", "GET", get_flows, "read"),
    Route("/flows", "POST", post_flows, "write"),
    Route("/v1/flows", "GET", get_flows, "read"),
    Route("/v1/flows", "POST", post_flows, "write"),
    Route("/hours", "GET", _later("hours", "get_hours"), "read"),
    Route("/apps", "GET", _later("names", "get_apps"), "read"),
    Route("/vpcs", "GET", _later("names", "get_vpcs"), "read"),
    Route("/graph", "GET", _later("graph", "get_graph"), "read"),
)


Table = Mapping[str, Mapping[str, Route]]
"""Routes by path and method."""


_WITHOUT_HEAD = frozenset({"/", "/flows", "/v1/flows"})
"""Paths that answer the methods of their routes and no other, by contract."""


def table(routes: Sequence[Route]) -> Table:
    """Put routes into the shape in which they are looked up; HEAD goes where GET does (RFC 9110, 9.3.2)."""
    made: dict[str, dict[str, Route]] = {}
    for route in routes:
        methods = made.setdefault(route.path, {})
        methods[route.method] = route
        if route.method == "GET" and route.path not in _WITHOUT_HEAD:
            methods["HEAD"] = route
    return made


LOCAL = table(ROUTES)
_FUNCTIONS = table([route for route in ROUTES if not route.local])

METHODS = frozenset(method for methods in LOCAL.values() for method in methods)


def answer(
    request: Request,
    store: FlowStore,
    settings: Settings,
    access: Access = ANYBODY,
    methods: Container[str] | None = None,
    routes: Table = LOCAL,
) -> Response:
    """Answer a request, errors included: this never raises. ``methods`` are those that a function answers.

    ``routes`` are those of an edge that has more than this table: pages, which are files. The answer names the
    request's id, which the edge has begun, or else this does.
    """
    named = ("X-Request-Id", request.id or request_id.begin(request.headers.get(request_id.HEADER)))
    caller = ""

    def admitted() -> Response:
        nonlocal caller
        route = _route(request, routes if methods is None else _FUNCTIONS, methods)
        check_lengths(request.headers)
        caller = access.admit(request, route.role)
        if request.dropped and route.method == "POST":
            check_head(request, settings.max_body_bytes)
            raise RuntimeError("a body was dropped for which there is no refusal")
        return route.handler(request._replace(caller=caller) if caller else request, store, settings)

    response = respond(admitted)
    if request.method == "HEAD":
        response = _without_body(response)
    path = request.path if request.path in routes else response.route
    return response._replace(headers=(*GUARDS, *response.headers, named), caller=caller, route=path)


def _without_body(response: Response) -> Response:
    """Make a GET's answer that of HEAD: its stream is closed, and it gives no records out.

    A body stays, since its length is Content-Length; the edge does not send it.
    """
    if response.chunks is not None:
        response.chunks.close()
    return response._replace(records=0)


def takes_body(head: Request, settings: Settings, access: Access = ANYBODY, routes: Table = LOCAL) -> bool:
    """Return whether to receive a request's body: not where ``answer`` refuses the request by its head alone.

    The caller's rate is left uncounted, since ``answer`` counts it.
    """
    try:
        route = _route(head, routes, None)
        if route.method != "POST":
            return False
        check_lengths(head.headers)
        access.identify(head, route.role)
        check_head(head, settings.max_body_bytes)
    except (RequestError, Unready):
        return False
    return True


def _route(request: Request, routes: Table, methods_here: Container[str] | None) -> Route:
    methods = routes.get(request.path)
    if methods is None:
        raise RequestError(404, _nothing_at(request.path, routes))
    if request.method not in methods:
        allowed = ", ".join(methods)
        raise RequestError(405, f"This path answers {allowed} only", headers=(("Allow", allowed),))
    if methods_here is not None and request.method not in methods_here:
        # RFC 9110, 15.5.20. One who may only read must not write by asking the function that reads.
        raise RequestError(421, "Another function answers this method here")
    return methods[request.method]


def _nothing_at(path: str, routes: Table) -> str:
    """Say what there is instead: the path that was surely meant, or all of them but the files of pages."""
    near = path.rstrip("/").lower()
    if near in routes:
        return f"There is nothing at this path; ask {near}"
    paths = ", ".join(path for path in routes if path in LOCAL or "." not in path)
    return f"There is nothing at this path; there are {paths}"
