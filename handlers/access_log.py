"""One line of the log for each request, the same at every edge."""

import logging

from handlers.web import Request, Response

access = logging.getLogger("access")


def log_access(request: Request, response: Response, seconds: float) -> None:
    """Write a request's line: method, path, status, milliseconds, the flow records it carried, and whose it was.

    A log of JSON has them one by one. What came in a header or the query, where secrets are, is not told.
    """
    # A path may hold line breaks and worse once it is percent-decoded.
    path = request.path if request.path.isprintable() else ascii(request.path)
    line = {
        "method": request.method,
        "path": path,
        "status": response.status,
        "milliseconds": round(seconds * 1e3, 1),
        "records": response.records,
        "caller": response.caller,
    }
    text = "%(method)s %(path)s %(status)d %(milliseconds).1fms %(records)d records"
    access.info(f"{text} caller=%(caller)s" if response.caller else text, line, extra={"access": line})
