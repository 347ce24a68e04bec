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
from functools import cache
from typing import TYPE_CHECKING, Any

from handlers.access import Access, read_access
from handlers.access_log import log_access
from handlers.emf import metrics_line
from handlers.events import read_event
from handlers.request_id import HEADER, begin, mark_log_records
from handlers.routes import METHODS, answer
from handlers.settings import Settings, SettingsError, read_settings
from handlers.web import GUARDS, Fault, Request, RequestError, Response, error_response, invalid, respond
from storage import LazyStore

if TYPE_CHECKING:
    from handlers.stream import Stream

MAX_EVENT_BYTES = 6 * 1024 * 1024
"""Bytes of JSON that Lambda takes as an event, and gives back as an answer.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

_WRITES = frozenset({"POST"})
_READS = METHODS - _WRITES
# How Lambda's runtime client writes an answer; up to 3.11 a character beyond the basic plane took 12 bytes for its 4.
_ESCAPES_ALL = sys.version_info < (3, 12)
_LONGEST_ESCAPE = 3
_OVERHEAD = 4_096
_ID_HEADER = "X-Request-Id"
_SPARE_MILLISECONDS = 30_000
"""Time that one transaction may take when the database hangs, and its end."""

logger = logging.getLogger(__name__)


def write(event: object, _: object) -> dict[str, Any]:
    """Answer an event of a POST route; see ``_carry``."""
    return _carry(event, _WRITES)


def read(event: object, _: object) -> dict[str, Any]:
    """Answer an event of a GET route, or of any path and method that has no route; see ``_carry``."""
    return _carry(event, _READS)


def prune(_event: object, context: Any) -> dict[str, Any]:
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


def _carry(event: object, methods: frozenset[str]) -> dict[str, Any]:
    """Answer an event by the route table, as the local edge does; an event that is no HTTP request is answered 400."""
    started = time.perf_counter()
    _commits.clear()
    request, response = _respond(event, methods)
    result = _result(request, response)
    seconds = time.perf_counter() - started
    log_access(request, response, seconds)
    print(metrics_line(request, response, seconds, sum(_commits) if _commits else None, time.time()), flush=True)
    return result


def _respond(event: object, methods: frozenset[str]) -> tuple[Request, Response]:
    try:
        request, signed = read_event(event)
    except RequestError as error:
        request = Request("-", "-", id=begin(None))
        # Nobody may read this answer: a queue or a schedule takes it for success. So the log has it as an error.
        logger.error("refused an event: %s", error.message)
        return request, error_response(error.status, error.message, ((_ID_HEADER, request.id),))
    request = request._replace(id=begin(request.headers.get(HEADER), request.id), received=time.time())
    return request, respond(lambda: _answer(request, signed, methods))


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


def _answer(request: Request, signed: bool, methods: frozenset[str]) -> Response:
    store, settings, access = _service()
    if signed and access.anonymous == "no":
        # AWS has checked who it is, and that they may; what comes by another door, such as a URL without
        # authentication that is added to the function later, needs a token as ever.
        access = access._replace(anonymous="yes")
    response = answer(request, store, settings, access, methods)
    if response.chunks is not None and request.method != "HEAD":
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


def _result(request: Request, response: Response) -> dict[str, Any]:
    # A 304 has no content, and so no type.
    typed = {} if response.status == 304 else {"Content-Type": response.content_type}
    return {
        "statusCode": response.status,
        # An error that is raised here, such as an answer that is too large, has none of these headers yet.
        "headers": {**dict(GUARDS), "X-Request-Id": request.id, **typed, **dict(response.headers)},
        "body": "" if request.method == "HEAD" else _text(response),
        "isBase64Encoded": response.binary,
    }


def _text(response: Response) -> str:
    if response.binary:
        import base64

        return base64.b64encode(response.body).decode()
    return response.body.decode()
