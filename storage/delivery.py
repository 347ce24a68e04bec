"""Deliveries: the sender's key of each batch, kept with its answer in the transaction of its sums."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from handlers.record import AlreadyDelivered, Delivery
from storage.clock import Clock

COLUMNS = "scope, key, fingerprint, answer, stored_at"

FIND = "SELECT scope, key, fingerprint, answer FROM delivery WHERE (scope, key) IN ({keys})"
"""Finds the deliveries of some keys."""

PRUNE = (
    "DELETE FROM delivery WHERE (scope, key) IN "
    "(SELECT scope, key FROM delivery WHERE stored_at < {seconds} ORDER BY stored_at LIMIT {most})"
)
"""Removes the oldest of those stored before a time, in seconds since the Unix epoch, and so many at most."""

PRUNE_EVERY_SECONDS = 1.0
_BACKLOG = 100
_MOST = 5_000


class Pruning:
    """Notes when deliveries are stored; says when old ones are to be removed, and how many.

    That is more than have come, and few enough to be quick.
    """

    def __init__(self, hours: int) -> None:
        """Keep deliveries for some hours."""
        self._seconds = hours * 3_600
        self._clock = Clock(self._seconds)
        self._next = 0.0
        self._come = 0

    def due(self, come: int) -> tuple[int, int] | None:
        """Note that some have come; tell what PRUNE takes when it is time to remove others."""
        self._come += come
        now = time.monotonic()
        if now < self._next:
            return None
        most = min(2 * self._come + _BACKLOG, _MOST)
        self._come, self._next = 0, now + PRUNE_EVERY_SECONDS
        return self._clock.earliest() - self._seconds, most

    def rest(self, seconds: float) -> None:
        """Let some time go by, since removing is not possible."""
        self._next = time.monotonic() + seconds

    def rows(self, deliveries: Sequence[Delivery]) -> list[tuple[str, str, bytes, bytes, int]]:
        """Make the rows of deliveries that are stored now, in the order in which every writer takes them."""
        now = self._clock.latest()
        return sorted((*delivery, now) for delivery in deliveries)


def known(rows: Iterable[Sequence[Any]]) -> AlreadyDelivered:
    """Make the exception that tells which deliveries are stored already, from what FIND finds."""
    found = [Delivery(*row) for row in rows]
    return AlreadyDelivered({delivery.name: delivery for delivery in found})
