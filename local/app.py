"""The Falcon edge: carries requests to the handlers and their answers back, and writes the access line."""

import time
from typing import Any

import falcon

from handlers.access import ANYBODY, Access
from handlers.record import FlowStore
from handlers.request_id import HEADER, begin, current
from handlers.routes import ROUTES, answer, table
from handlers.settings import Settings
from handlers.web import Request, Response, internal_error
from local.docs import DOCS
from local.observed import observe

PAGES = DOCS
"""The routes that only this edge has, since their answers are files."""

_TABLE = table((*ROUTES, *PAGES))


def create_app(
    store: FlowStore, settings: Settings, access: Access = ANYBODY
) -> falcon.App[falcon.Request, falcon.Response]:
    """Make the WSGI application over a store, for those who have access.

    Falcon has no routes of its own here: the route table in ``handlers`` has them all but the pages, and answers every
    other path and method too.
    """

    def carry(req: falcon.Request, resp: falcon.Response, *_: Any, **__: Any) -> None:
        started = time.perf_counter()
        # First of all: whatever fails from here on is told under this request's id, not the last one's.
        named = begin(req.get_header(HEADER))
        request = _request(req, settings.max_body_bytes, named)
        response = answer(request, store, settings, access, routes=_TABLE)
        _write(resp, response)
        observe(request, response, time.perf_counter() - started)

    app = falcon.App()
    app.add_sink(carry, "/")
    # What Falcon refuses before any sink (the path of `OPTIONS *`, the method WEBSOCKET) is answered by the table too.
    app.add_error_handler(falcon.HTTPError, carry)
    app.add_error_handler(Exception, _fail)
    return app


def _fail(_: falcon.Request, resp: falcon.Response, *__: Any) -> None:
    """Answer a fault of the edge itself in the shape that every error has."""
    _write(resp, internal_error())
    resp.set_header(HEADER, current())


def _write(resp: falcon.Response, response: Response) -> None:
    resp.status = response.status
    if response.status != 304:
        resp.content_type = response.content_type
    resp.data = response.body
    for name, value in response.headers:
        resp.set_header(name, value)


def _request(req: falcon.Request, max_body_bytes: int, named: str) -> Request:
    # One byte past the limit is enough for the handler to see that it was passed.
    body = req.bounded_stream.read(max_body_bytes + 1) if req.content_length else b""
    return Request(req.method, req.path, req.query_string, req.headers_lower, body, req.remote_addr, named)
