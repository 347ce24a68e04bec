"""Deadlines: the time until which the store may still wait on behalf of a request, whatever it waits for."""

from contextvars import ContextVar
from math import inf
from time import monotonic

ANSWER_SECONDS = 20
"""The longest wait for any one answer, and for all that one call of a store waits for: turns, retries, statements."""

_deadline: ContextVar[float] = ContextVar("deadline", default=inf)


class until:  # noqa: N801 (it is used as a function, and costs half of a generator's context manager)
    """Have waits in the block end at a time of the monotonic clock, or at the deadline around it, if that is sooner."""

    __slots__ = ("_outer", "_own")

    def __init__(self, deadline: float) -> None:
        self._own = deadline

    def __enter__(self) -> None:
        outer = _deadline.get()
        self._outer = _deadline.set(self._own if self._own < outer else outer)

    def __exit__(self, *_: object) -> None:
        _deadline.reset(self._outer)


def from_now() -> float:
    """Return the deadline of a call that begins now."""
    return monotonic() + ANSWER_SECONDS


def left() -> float:
    """Return the seconds until the deadline: infinitely many where there is none, negative once it has passed."""
    return _deadline.get() - monotonic()
