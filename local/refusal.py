"""What the server itself refuses, before any handler sees it, in the one shape that every error has."""

import logging
import time

from waitress.task import ErrorTask
from waitress.utilities import Error

from handlers.request_id import HEADER, begin
from handlers.web import GUARDS, Request, Response, busy, error_response, internal_error, unavailable
from local.observed import observe

logger = logging.getLogger(__name__)


class NoRoom(Error):  # type: ignore[misc]
    """waitress's kind of error for a body that could not be kept."""

    code = 503
    reason = "Service Unavailable"


class Behind(NoRoom):
    """The error for a request that would wait too long for a thread."""


class TooSlow(Error):  # type: ignore[misc]
    """The error for a request that does not come to its end (RFC 9110, 15.5.9)."""

    code = 408
    reason = "Request Timeout"


class RefusalTask(ErrorTask):  # type: ignore[misc]
    """The answer to what is refused: 400, 408, 413, 431, 501, 503, 505, and the edge's own faults."""

    def execute(self) -> None:
        """Write the answer, say that the connection ends with it, and write the request's line of the log."""
        error = self.request.error
        named = begin(self.request.headers.get(HEADER.upper().replace("-", "_")))
        response = _response(error)
        self.status = f"{error.code} {error.reason}"
        told = (("Content-Type", "application/json"), ("X-Request-Id", named))
        self.response_headers += [*told, *GUARDS, *response.headers]
        self.set_close_on_finish()
        self.channel.refused = True
        self.content_length = len(response.body)
        self.write(response.body)
        observe(Request(self.request.command, "-"), response, time.time() - self.start_time)


def _response(error: Error) -> Response:
    message = f"{error.reason}: {error.body}"
    if error.code == 500:
        return internal_error()
    if isinstance(error, Behind):
        # There may be hundreds of these a second, each no fault: an error's line, written out at once, is too much.
        logger.info("refused: %s", error.body)
        return busy(message)
    if error.code == 503:
        return unavailable(message)
    return error_response(error.code, message)
