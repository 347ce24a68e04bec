"""The few words of HTTP spoken here: Request, Response, the error type, and respond(), where errors become answers."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict

import msgspec

from handlers import request_id
from handlers.record import (
    MAX_INTEGER,
    SECONDS_AN_HOUR,
    OutcomeUnknown,
    StoreMissing,
    StoreUnavailable,
    SumTooLarge,
    TookTooLong,
    TooManyQuestions,
)

if TYPE_CHECKING:
    from handlers.stream import Stream

MAX_ERRORS_TOLD = 100
RETRY_AFTER_SECONDS = 1
_ASK_AGAIN = (("Retry-After", str(RETRY_AFTER_SECONDS)),)
TOO_MANY = "Too many flow objects are being registered"
"""The message of every 406 to a POST, and all there is in it."""

GUARDS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "frame-ancestors 'none'"),
    ("X-Frame-Options", "DENY"),
)
"""Headers of every answer, by which browsers keep it from other sites' pages; a header of the same name comes after.

https://fetch.spec.whatwg.org/#cross-origin-resource-policy-header, https://www.w3.org/TR/CSP3/#directive-frame-ancestors
"""

METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"})
"""The methods with a count of their own in the metrics: a client may make up others without end."""

logger = logging.getLogger(__name__)

Location = tuple[str | int, ...]
"""Where in a request an error is: ``("body", 3, "hour")``, with 0-based indexes."""


class Request(NamedTuple):
    """One HTTP request as an edge carries it: nothing in it is interpreted.

    ``path`` is percent-decoded, ``query`` is raw, header names are lower case. ``body`` may be cut short once it is
    longer than ``MAX_BODY_BYTES``. ``peer`` is the address at the other end of the connection, and ``id`` is the
    request's, where the edge has begun one. ``caller`` is whose request it is, once that is known. ``received`` is when
    the edge received it, in seconds since the Unix epoch: handlers have no clock of their own. A body that was
    ``dropped`` is empty here: the edge did not keep it, since `takes_body` had refused it.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    peer: str = ""
    id: str = ""
    caller: str = ""
    received: float = 0.0
    dropped: bool = False

    @property
    def hour(self) -> int:
        """The hour in which the request was received, in hours since the Unix epoch."""
        return int(self.received // SECONDS_AN_HOUR)


class Response(NamedTuple):
    """One HTTP answer; its body is JSON, unless ``content_type`` says otherwise, and text, unless it is ``binary``.

    Where there are ``chunks``, they are the body, made while it is sent, and they are to be closed; to HEAD they are
    closed already. The rest is for
    the log and the metrics: how many records it took in or gave out, how many it refused, to whom, and by which route.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    records: int = 0
    refused: int = 0
    caller: str = ""
    route: str = "other"
    content_type: str = "application/json"
    binary: bool = False
    chunks: "Stream | None" = None


class ToldFault(TypedDict):
    """One bad member, as the caller is told: where, what is wrong, and in which line, where the body has lines."""

    loc: Location
    msg: str
    line: NotRequired[int]


class Fault(NamedTuple):
    """One bad member of a request, and the line of the body that it is in, where the body has lines."""

    loc: Location
    msg: str
    line: int | None = None

    def told(self) -> ToldFault:
        """Put it into the shape in which it is told."""
        if self.line is None:
            return {"loc": self.loc, "msg": self.msg}
        return {"loc": self.loc, "msg": self.msg, "line": self.line}


class RequestError(Exception):
    """The caller's mistake, in words fit for the caller. ``members`` go into the answer beside the two usual ones."""

    def __init__(
        self, status: int, message: str, *, headers: tuple[tuple[str, str], ...] = (), members: Mapping[str, Any] = {}
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers
        self.members = members


class Unready(Exception):
    """The service cannot answer yet; the message is fit for the caller."""


def invalid(faults: Sequence[Fault], total: int, note: str = "") -> RequestError:
    """Make the 422 that names the bad members: the first ``MAX_ERRORS_TOLD`` of ``total``, and the first in words."""
    first = ".".join(map(str, faults[0].loc)) + ": " + faults[0].msg
    message = f"The request is invalid: {first}" if total == 1 else f"The request has {total} errors, first: {first}"
    return RequestError(422, message + note, members={"errors": told_faults(faults), "errors_total": total})


def told_faults(faults: Sequence[Fault]) -> list[ToldFault]:
    """Put the first ``MAX_ERRORS_TOLD`` bad members into the shape in which they are told."""
    return [fault.told() for fault in faults[:MAX_ERRORS_TOLD]]


def error_response(
    status: int, message: str, headers: tuple[tuple[str, str], ...] = (), members: Mapping[str, Any] = {}
) -> Response:
    """Put an error into the one shape that every error of the service has."""
    body = msgspec.json.encode({"error_message": message, "status_code": status, **members})
    return Response(status, body, headers)


def fault_response(status: int, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Answer a 5xx that tells nothing of the inside; the exception being handled is logged under its request_id."""
    # Outside of any request it begins one, before the line that is marked with it.
    named = request_id.current()
    logger.error("answered %d", status, exc_info=True)
    return error_response(status, message, headers, {"request_id": named})


def internal_error() -> Response:
    """Answer a fault whose cause only the log tells."""
    return fault_response(500, "Internal error; the server's log has it under this request_id")


def unavailable(message: str) -> Response:
    """Answer a fault that passes, and when to ask again."""
    return fault_response(503, message, _ASK_AGAIN)


def busy(message: str) -> Response:
    """Answer what is refused for now, and when to ask again: it is no fault, and there may be hundreds a second."""
    return error_response(503, message, _ASK_AGAIN, {"request_id": request_id.current()})


def respond(handle: Callable[[], Response]) -> Response:
    """Answer what ``handle`` answers, or the error it raises: the one place where errors become answers."""
    try:
        return handle()
    except RequestError as error:
        return error_response(error.status, error.message, error.headers, error.members)
    except SumTooLarge as error:
        key = error.key
        message = (
            f"A sum would pass {MAX_INTEGER}: hour {key.hour}, from {key.src_app} to {key.dest_app} in {key.vpc_id}; "
            "nothing of the batch was stored"
        )
        return error_response(409, message, members={"key": key._asdict()})
    except Unready as error:
        return unavailable(str(error))
    except OutcomeUnknown:
        return unavailable("The store was lost while it committed; whether the batch was stored is not known")
    except StoreMissing:
        # The store has logged it once; every request meets it.
        return busy("The database file was removed, renamed or replaced; nothing was stored")
    except TookTooLong:
        return unavailable("The answer took too long; ask for fewer hours or names, or try again later")
    except TooManyQuestions:
        return busy("Too many questions that read many sums are waiting; ask for fewer hours, or again later")
    except StoreUnavailable:
        return unavailable("The store is busy or out of reach; nothing was stored")
    except Exception:
        return internal_error()
