"""Every status that is an error: when it is answered, in which shape, and with which headers."""

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from handlers.record import FlowKey
from handlers.settings import Settings
from handlers.web import ToldFault

if TYPE_CHECKING:
    from handlers.routes import Route

KeyTold = msgspec.defstruct("FlowKey", list(FlowKey.__annotations__.items()))
"""A flow key as it is answered."""


class Error(msgspec.Struct):
    """What every error has: the reason in words, and the status again."""

    error_message: str
    status_code: int


class Invalid(Error):
    """What is wrong, member by member: the first 100 of ``errors_total``; ``loc`` begins with body, query or header."""

    errors: list[ToldFault]
    errors_total: int


class Conflict(Error):
    """The key whose sum would be too large."""

    key: KeyTold  # type: ignore[valid-type]


class Fault(Error):
    """The name under which the log has the cause."""

    request_id: str


class Refusal(NamedTuple):
    """One status."""

    when: str
    shape: type | None = Error
    """What its body is; None where it has none."""

    headers: tuple[str, ...] = ()


REFUSALS = {
    304: Refusal("What the caller has, by If-None-Match, is still right.", None, ("Cache-Control", "ETag", "Vary")),
    400: Refusal("The request is not HTTP, or could be read in two ways."),
    401: Refusal("A token is needed, or is not known.", headers=("WWW-Authenticate",)),
    403: Refusal("The token's role does not reach.", headers=("WWW-Authenticate",)),
    404: Refusal("There is nothing at this path."),
    406: Refusal(
        "More flow objects than one POST may hold, all of them valid; or no format that would be accepted.",
        headers=("Vary",),
    ),
    408: Refusal("The request did not come to its end in time."),
    409: Refusal("A sum would pass 2^63-1; nothing of the batch is stored.", Conflict),
    413: Refusal("The body is too long, as it is or unpacked."),
    415: Refusal("The body's Content-Type or Content-Encoding is not known."),
    421: Refusal(
        "The service does not answer to this name; or, of two cloud functions, the other answers this method."
    ),
    422: Refusal("Something in the body, the query or a header is not valid; nothing of a batch is stored.", Invalid),
    429: Refusal("The caller has asked too often.", headers=("Retry-After",)),
    431: Refusal("The request's headers are too long."),
    500: Refusal("A fault; the log has it under the request_id.", Fault),
    501: Refusal("The request's transfer coding is not known."),
    503: Refusal("Busy, full, or out of reach for now.", Fault, ("Retry-After",)),
    505: Refusal("The version of HTTP is neither 1.1 nor 1.0."),
}
_ELSEWHERE = Refusal("Without tokens: the request is to no local name, or from another site's page.")

# 400, 408, 431, 501, 505 and some 503 are the server's own, before there is a route.
_ANY_ROUTE = (400, 403, 408, 421, 431, 500, 501, 503, 505)


def refusals_here(settings: Settings) -> dict[int, Refusal]:
    """Tell every refusal, in the words that fit a service that is set up so."""
    return REFUSALS if has_tokens(settings) else {**REFUSALS, 403: _ELSEWHERE}


def statuses_of(route: "Route", own: tuple[int, ...], settings: Settings) -> list[int]:
    """Tell with which statuses a route may refuse as the service is set up: its ``own``, and those of any route."""
    statuses = {*own, *_ANY_ROUTE, *((404,) if route.local else ())}
    if has_tokens(settings):
        # Who has a token somewhere is not asked for it at an open route.
        statuses ^= {401} if route.role else {403}
    if route.role and settings.rate_limit:
        statuses.add(429)
    return sorted(statuses)


def has_tokens(settings: Settings) -> bool:
    """Tell whether callers need tokens."""
    return bool(settings.api_tokens or settings.api_tokens_file)
