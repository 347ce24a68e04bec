"""One line of the log for each request, the same at every edge."""

import logging

from handlers.web import Request, Response

_NAMES = ("method", "path", "status", "milliseconds", "records", "caller")
_ANYBODYS = "%s %s %d %.1fms %d records%s"
_CALLERS = "%s %s %d %.1fms %d records caller=%s"

access = logging.getLogger("access")


def log_access(request: Request, response: Response, seconds: float) -> None:
    """Write a request's line: method, path, status, milliseconds, the flow records it carried, and whose it was.

    A log of JSON has them one by one. What came in a header or the query, where secrets are, is not told.
    """
    # A path may hold line breaks and worse once it is percent-decoded.
    path = request.path if request.path.isprintable() else ascii(request.path)
    line = (request.method, path, response.status, round(seconds * 1e3, 1), response.records, response.caller)
    access.info(
        _ANYBODYS if not response.caller else _CALLERS, *line, extra={"access": dict(zip(_NAMES, line, strict=True))}
    )
