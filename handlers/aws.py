"""The Lambda edge: carries events of API Gateway and of function URLs to the handlers, and their answers back.

template.yaml names its functions: two for requests, and one that a schedule calls. Each instance of one opens the store
once, at its first question.
"""

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode

from handlers.access import Access, read_access
from handlers.access_log import log_access
from handlers.emf import metrics_line
from handlers.request_id import HEADER, begin, mark_log_records
from handlers.routes import METHODS, answer
from handlers.settings import Settings, SettingsError, read_settings
from handlers.web import Fault, Request, RequestError, Response, invalid, respond
from storage import LazyStore

if TYPE_CHECKING:
    from handlers.stream import Stream

MAX_EVENT_BYTES = 6 * 1024 * 1024
"""Bytes of JSON that Lambda takes as an event, and gives back as an answer.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

Event = Mapping[str, Any]

_WRITES = frozenset({"POST"})
_READS = METHODS - _WRITES
# How Lambda's runtime client writes an answer; up to 3.11 a character beyond the basic plane took 12 bytes for its 4.
_ESCAPES_ALL = sys.version_info < (3, 12)
_LONGEST_ESCAPE = 3
_OVERHEAD = 4_096
_SPARE_MILLISECONDS = 30_000
"""Time that one transaction may take when the database hangs, and its end."""

logger = logging.getLogger(__name__)


def write(event: Event, _: object) -> dict[str, Any]:
    """Answer an event of a POST route; see ``_carry``."""
    return _carry(event, _WRITES)


def read(event: Event, _: object) -> dict[str, Any]:
    """Answer an event of a GET route, or of any path and method that has no route; see ``_carry``."""
    return _carry(event, _READS)


def prune(_event: Event, context: Any) -> dict[str, Any]:
    """Remove the hours that are older than KEEP_HOURS, for an event of a schedule, and tell how many.

    Stops before the function's time is up, and then is not done. Raises what makes it an error of the function.
    """
    from handlers.emf import size_line
    from handlers.retention import oldest_kept

    store, settings, _ = _service()
    told = {"removed": 0, "hours": 0, "done": True}
    for step in store.prune(oldest_kept(int(time.time()), settings.keep_hours)):
        told["removed"] += step.flows
        told["hours"] += step.ended
        if context.get_remaining_time_in_millis() < _SPARE_MILLISECONDS:
            told["done"] = False
            break
    logger.info("removed %(removed)d flows in %(hours)d hours, done: %(done)s", told)
    print(size_line(store.size(), time.time()), flush=True)
    return told


def _carry(event: Event, methods: frozenset[str]) -> dict[str, Any]:
    """Answer an event by the route table, as the local edge does. Raises ValueError when it is none of HTTP."""
    started = time.perf_counter()
    _commits.clear()
    request = _request(event)
    request = request._replace(id=begin(request.headers.get(HEADER), request.id))
    response = respond(lambda: _answer(request, methods))
    result = _result(request, response)
    seconds = time.perf_counter() - started
    log_access(request, response, seconds)
    print(metrics_line(request, response, seconds, sum(_commits) if _commits else None, time.time()), flush=True)
    return result


_commits: list[float] = []
"""Seconds of the transactions of the request that is being answered: an instance answers one at a time."""


@cache
def _service() -> tuple[LazyStore, Settings, Access]:
    """Read the settings, and name the store, which is opened when it is first used.

    Raises SettingsError, or OSError where API_TOKENS_FILE cannot be read.
    """
    settings = read_settings(os.environ)
    if os.environ.get("AWS_LAMBDA_FUNCTION_NAME") and settings.database_url.startswith("sqlite:"):
        raise SettingsError(
            "DATABASE_URL names a SQLite file, which would be one instance's own and vanish with it: name PostgreSQL"
        )
    store = LazyStore(
        settings.database_url,
        settings.citus_shards,
        settings.idempotency_hours,
        lambda _, seconds: _commits.append(seconds),
    )
    return store, settings, read_access(settings, _tokens(settings.api_tokens_file), time.monotonic)


def _tokens(path: str) -> str:
    if not path:
        return ""
    # Not by pathlib, whose import is a twentieth of a cold start.
    with open(path, errors="replace") as file:
        return file.read()


# While an instance starts it has more of a processor than later, so the driver is imported here. A setting that is
# wrong is told by the answers, not by a function that does not start.
mark_log_records()
with contextlib.suppress(SettingsError, OSError):
    _service()


def _answer(request: Request, methods: frozenset[str]) -> Response:
    response = answer(request, *_service(), methods)
    if response.chunks is not None:
        response = _joined(response, response.chunks)
    if len(response.body) * _LONGEST_ESCAPE + _OVERHEAD > MAX_EVENT_BYTES:
        size = _size(response)
        if size > MAX_EVENT_BYTES:
            raise _too_large(f"{size}")
    return response


def _joined(response: Response, stream: "Stream") -> Response:
    """Put together what the local edge would stream, as far as it may go. Raises what the stream raises."""
    parts = []
    size = 0
    try:
        for part in stream:
            size += len(part)
            if size > MAX_EVENT_BYTES:
                raise _too_large(f"more than {MAX_EVENT_BYTES}")
            parts.append(part)
    finally:
        stream.close()
    return response._replace(body=b"".join(parts), records=stream.records, chunks=None)


def _size(response: Response) -> int:
    """Tell how many bytes an answer takes within JSON."""
    if response.binary:
        return -(-len(response.body) // 3) * 4 + _OVERHEAD
    return len(json.dumps(response.body.decode(), ensure_ascii=_ESCAPES_ALL).encode()) + _OVERHEAD


def _too_large(size: str) -> RequestError:
    message = f"The answer would take {size} bytes, and a function may give {MAX_EVENT_BYTES}: ask for less"
    return invalid([Fault(("query", "size"), message)], 1)


def _request(event: Event) -> Request:
    if event.get("version") == "2.0":
        return _http_api_request(event)
    # Payload 1.0 of an HTTP API has a version; an event of a load balancer says "elb", and escapes otherwise.
    if "httpMethod" in event and "version" not in event and "elb" not in event.get("requestContext", {}):
        return _rest_api_request(event)
    raise ValueError(
        "The event is neither of a REST API nor of payload format 2.0, which an HTTP API and a function URL have"
    )


def _http_api_request(event: Event) -> Request:
    """Read payload format 2.0: of an HTTP API, whose path comes decoded, or of a function URL, whose path does not.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    context = event["requestContext"]
    path = event["rawPath"]
    if ".lambda-url." in context.get("domainName", ""):
        path = unquote(path)
    stage = context.get("stage", "$default")
    if stage != "$default" and f"{path}/".startswith(f"/{stage}/"):
        path = path.removeprefix(f"/{stage}") or "/"
    headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
    http = context["http"]
    peer = http.get("sourceIp", "")
    query = event.get("rawQueryString", "")
    return Request(http["method"], path, query, headers, _body(event), peer, context.get("requestId", ""))


def _rest_api_request(event: Event) -> Request:
    """Read payload format 1.0, of a REST API, which hands over a query that it has taken apart and decoded.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    """
    query = urlencode(event.get("multiValueQueryStringParameters") or {}, doseq=True, errors="surrogatepass")
    headers = {name.lower(): ", ".join(values) for name, values in (event.get("multiValueHeaders") or {}).items()}
    context = event.get("requestContext", {})
    peer = context.get("identity", {}).get("sourceIp") or ""
    body, request_id = _body(event), context.get("requestId", "")
    return Request(event["httpMethod"], unquote(event["path"]), query, headers, body, peer, request_id)


def _body(event: Event) -> bytes:
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        import base64

        return base64.b64decode(body)
    # A lone surrogate, which JSON can spell, becomes bytes that the handlers refuse.
    return str(body).encode("utf-8", "surrogatepass")


def _result(request: Request, response: Response) -> dict[str, Any]:
    # A 304 has no content, and so no type.
    typed = {} if response.status == 304 else {"Content-Type": response.content_type}
    return {
        "statusCode": response.status,
        "headers": {**typed, **dict(response.headers)},
        "body": "" if request.method == "HEAD" else _text(response),
        "isBase64Encoded": response.binary,
    }


def _text(response: Response) -> str:
    if response.binary:
        import base64

        return base64.b64encode(response.body).decode()
    return response.body.decode()
