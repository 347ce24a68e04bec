"""What is kept of each answered request: its line of the log, and its part in the metrics."""

from handlers.access_log import log_access
from handlers.metrics import metrics
from handlers.web import Request, Response


def observe(request: Request, response: Response, seconds: float) -> None:
    """Write a request's line, and count it, whoever has answered it: a handler, or the server itself."""
    log_access(request, response, seconds)
    metrics().count_request(request, response, seconds)
