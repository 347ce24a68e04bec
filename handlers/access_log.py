"""One line of the log for each request, the same at every edge."""

import logging

from handlers.web import Request, Response

access = logging.getLogger("access")


def log_access(request: Request, response: Response, seconds: float) -> None:
    """Write a request's line: method, path, status, milliseconds, and the flow records it carried."""
    # A path may hold line breaks and worse once it is percent-decoded.
    path = request.path if request.path.isprintable() else ascii(request.path)
    access.info("%s %s %d %.1fms %d records", request.method, path, response.status, seconds * 1e3, response.records)
