"""How long the headers may be that are taken apart: the work grows with their length, and no client needs more."""

from collections.abc import Mapping

from handlers.web import RequestError

LONGEST = 4_096

_TAKEN_APART = ("accept", "accept-encoding", "content-type", "if-none-match", "prefer", "x-forwarded-for")


def check_lengths(headers: Mapping[str, str]) -> None:
    """Refuse a header that is longer than ``LONGEST``. Raises RequestError (431) that names it."""
    for name in _TAKEN_APART:
        if len(headers.get(name, "")) > LONGEST:
            raise RequestError(431, f"The header {name} is longer than {LONGEST} bytes")
