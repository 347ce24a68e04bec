"""Deadlines: the time until which the store may still wait on behalf of a request, whatever it waits for."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic

ANSWER_SECONDS = 20
"""The longest wait for any one answer, and for all that one call of a store waits for: turns, retries, statements."""

_deadline: ContextVar[float] = ContextVar("deadline", default=inf)


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """Have waits in the block end at a time of the monotonic clock, or at the deadline around it, if that is sooner."""
    token = _deadline.set(min(deadline, _deadline.get()))
    try:
        yield
    finally:
        _deadline.reset(token)


def from_now() -> float:
    """Return the deadline of a call that begins now."""
    return monotonic() + ANSWER_SECONDS


def left() -> float:
    """Return the seconds until the deadline: infinitely many where there is none, negative once it has passed."""
    return _deadline.get() - monotonic()
