"""An answer that is made while it is sent: the body that waitress iterates over, and its end, whatever that is."""

import time
from collections.abc import Callable, Iterator

from handlers.request_id import current
from handlers.stream import Stream
from handlers.web import GUARDS, Request, Response, busy
from local.observed import observe

_BREATH_SECONDS = 0.0002
"""Between two parts, when other threads have the interpreter: they would wait 5 ms for it each time they need it."""


class Streamed:
    """A WSGI body. It is closed once its last bytes are on their way, it has failed, or the client has gone."""

    def __init__(
        self, request: Request, response: Response, stream: Stream, started: float, release: Callable[[], None]
    ) -> None:
        """Carry a stream; ``started`` is when its request was, and ``release`` is called at its end."""
        self._request = request
        self._response = response
        self._stream = stream
        self._started = started
        self._release = release

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        time.sleep(_BREATH_SECONDS)
        try:
            return next(self._stream)
        except StopIteration:
            raise
        except BaseException:
            # The client has a 200, cut off. What went wrong is logged by waitress, which has it from here.
            self._response = self._response._replace(status=500)
            raise

    def close(self) -> None:
        """Let go of the store, and only now write the request's line: how many records, and how long it took."""
        try:
            self._stream.close()
        finally:
            self._release()
            answered = self._response._replace(records=self._stream.records)
            observe(self._request, answered, time.perf_counter() - self._started)


def refused(response: Response, stream: Stream) -> Response:
    """Answer 503 in place of a stream, where as many are under way as there may be."""
    stream.close()
    told = busy("As many answers are being streamed as may be at once; ask again, or for a page")
    named = ("X-Request-Id", current())
    return told._replace(headers=(*GUARDS, *told.headers, named), caller=response.caller, route=response.route)
