"""One line of the log for each request, the same at every edge."""

import logging
import re

from handlers.request_id import TOKEN_PREFIX
from handlers.web import Request, Response

NAMES = ("method", "path", "status", "milliseconds", "records", "caller")
"""What the arguments of a request's line are, for a log of JSON."""

LONGEST = 2_000
LONGEST_PATH = 200
"""Characters of a message, and of a path or a method in it: a client must not fill the log with one request."""

_ANYBODYS = "%s %s %d %.1fms %d records%s"
_CALLERS = "%s %s %d %.1fms %d records caller=%s"

access = logging.getLogger("access")


def clean(text: str, longest: int = LONGEST) -> str:
    """Make text fit for a line of the log: no line breaks or control characters, no token, and cut with a mark.

    ``/aaa...(84001 characters)`` is what a path of 84,001 characters becomes.
    """
    kept = text[:longest]
    if TOKEN_PREFIX in kept:
        kept = re.sub(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]+", f"{TOKEN_PREFIX}...", kept)
    if not kept.isprintable():
        kept = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in kept)
    if len(text) <= longest and len(kept) <= longest:
        return kept
    return f"{kept[:longest]}...({len(text)} characters)"


def log_access(request: Request, response: Response, seconds: float) -> None:
    """Write a request's line: method, path, status, milliseconds, the flow records it carried, and whose it was.

    What came in a header or the query, where secrets are, is not told.
    """
    # Once it is percent-decoded, a path may hold what looks like the rest of the line.
    path = clean(request.path.replace(" ", "%20"), LONGEST_PATH)
    method = clean(request.method, LONGEST_PATH)
    line = (method, path, response.status, round(seconds * 1e3, 1), response.records, response.caller)
    access.info(_CALLERS if response.caller else _ANYBODYS, *line)
