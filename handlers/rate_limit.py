"""How often each caller may ask: a steady rate with room for a burst."""

import threading
from collections.abc import Callable

from handlers.web import RequestError

_SECOND = 1_000_000_000

Clock = Callable[[], float]
"""Seconds since some moment, never going back."""

MOST_CALLERS = 10_000
"""Callers remembered: beyond it the one forgotten is that who has asked least lately."""


class RateLimit:
    """A leaky bucket for each caller.

    It is the generic cell rate algorithm of ITU-T I.371: all there is to keep is when the bucket will be empty.
    """

    def __init__(self, a_minute: int, burst: int, clock: Clock) -> None:
        """Let each caller ask ``a_minute`` times in the long run, and ``burst`` times at once."""
        # Whole nanoseconds: sums of fractions drift, and would let one less through.
        self._interval = 60 * _SECOND // a_minute
        self._room = self._interval * (burst - 1)
        self._clock = clock
        self._lock = threading.Lock()
        self._empty_at: dict[str, int] = {}

    def take(self, caller: str) -> None:
        """Count a request. Raises RequestError (429) that says when to come again."""
        with self._lock:
            now = round(self._clock() * _SECOND)
            empty_at = max(now, self._empty_at.pop(caller, now))
            wait = empty_at - now - self._room
            # The one that has just asked goes to the end of the dict.
            self._empty_at[caller] = empty_at + self._interval if wait <= 0 else empty_at
            if len(self._empty_at) > MOST_CALLERS:
                del self._empty_at[next(iter(self._empty_at))]
        if wait > 0:
            seconds = str(-(-wait // _SECOND))
            message = f"Too many requests; come again in {seconds} s"
            raise RequestError(429, message, headers=(("Retry-After", seconds),))
