"""The Falcon edge: carries requests to the handlers and their answers back, and writes the access line."""

import threading
import time
from typing import Any

import falcon

from handlers.access import ANYBODY, Access
from handlers.record import FlowStore
from handlers.request_id import HEADER, begin, current
from handlers.routes import ROUTES, answer, table, takes_body
from handlers.settings import Settings
from handlers.web import GUARDS, Request, Response, internal_error
from local.bodies import DroppedBody, TakesBody
from local.dashboard import DASHBOARD
from local.dispatcher import others_at_once
from local.docs import DOCS
from local.observed import observe
from local.streamed import Streamed, refused

PAGES = (*DASHBOARD, *DOCS)
"""The routes that only this edge has, since their answers are files."""

_TABLE = table((*ROUTES, *PAGES))


def create_app(
    store: FlowStore, settings: Settings, access: Access = ANYBODY
) -> falcon.App[falcon.Request, falcon.Response]:
    """Make the WSGI application over a store, for those who have access.

    Falcon has no routes of its own here: the route table in ``handlers`` has them all but the pages, and answers every
    other path and method too.
    """
    # Each holds a thread for as long as its reader takes; what is no POST shall never find all of them held so.
    streams = threading.Semaphore(max(1, others_at_once(settings.threads) // 2))

    def carry(req: falcon.Request, resp: falcon.Response, *_: Any, **__: Any) -> None:
        started = time.perf_counter()
        # First of all: whatever fails from here on is told under this request's id, not the last one's.
        named = begin(req.get_header(HEADER))
        request = _request(req, settings.max_body_bytes, named)
        response = answer(request, store, settings, access, routes=_TABLE)
        streamed = response.chunks if request.method != "HEAD" else None
        if streamed is not None and not streams.acquire(blocking=False):
            response, streamed = refused(response, streamed), None
        _write(resp, response)
        if streamed is None:
            observe(request, response, time.perf_counter() - started)
        else:
            resp.stream = Streamed(request, response, streamed, started, streams.release)

    app = falcon.App()
    app.add_sink(carry, "/")
    # What Falcon refuses before any sink (the path of `OPTIONS *`, the method WEBSOCKET) is answered by the table too.
    app.add_error_handler(falcon.HTTPError, carry)
    app.add_error_handler(Exception, _fail)
    return app


def body_gate(settings: Settings, access: Access = ANYBODY) -> TakesBody:
    """Return the function that decides from a request's head whether its body is kept or dropped."""
    return lambda head: takes_body(head, settings, access, _TABLE)


def _fail(_: falcon.Request, resp: falcon.Response, *__: Any) -> None:
    """Answer a fault of the edge itself in the shape that every error has."""
    response = internal_error()
    _write(resp, response._replace(headers=(*GUARDS, *response.headers, (HEADER, current()))))


def _write(resp: falcon.Response, response: Response) -> None:
    resp.status = response.status
    # A 304 has no content, and so no type. What is made while it is sent is not there yet.
    if response.status != 304:
        resp.content_type = response.content_type
    if response.chunks is None:
        resp.data = response.body
    else:
        # To HEAD it stays so: a length that is not known must not be 0.
        resp.stream = iter(())
    for name, value in response.headers:
        resp.set_header(name, value)


def _request(req: falcon.Request, max_body_bytes: int, named: str) -> Request:
    # One byte past the limit is enough for the handler to see that it was passed. No other method has use for one.
    body = req.bounded_stream.read(max_body_bytes + 1) if req.content_length and req.method == "POST" else b""
    headers, received = req.headers_lower, time.time()
    request = Request(req.method, req.path, req.query_string, headers, body, req.remote_addr, named, received=received)
    return request._replace(dropped=True) if isinstance(req.env["wsgi.input"], DroppedBody) else request
