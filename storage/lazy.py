"""A store that is opened when it is first used, and again when that has failed."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from handlers.record import Delivery, FlowSum, StoreUnavailable
from storage.engine import CannotOpen, engine_of
from storage.probe import Probe
from storage.store import SumStore

if TYPE_CHECKING:
    from handlers.question import Found, HourPage, Hours, HourTotal, Question, Row, StoreSize
    from storage.retention import Removed


class LazyStore:
    """A FlowStore at a database URL, for a process that starts before its first question and outlives its database."""

    def __init__(
        self,
        url: str,
        citus_shards: int,
        idempotency_hours: int,
        observe: Callable[[int, float], None] = lambda _, __: None,
    ) -> None:
        """Import the engine, and connect to nothing yet.

        ``observe`` is called with the batches, always 1, and the seconds, of each transaction that was committed.
        """
        self._observe = observe
        self._probe = Probe(lambda: self.read(0, 0, 1))
        self._url = url
        self._parameters = citus_shards, idempotency_hours
        self._lock = threading.Lock()
        self._store: SumStore | None = None
        # What is wrong with the URL is told when the store is used.
        with contextlib.suppress(CannotOpen):
            engine_of(url)

    def add(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery] = ()) -> None:
        """Add sums and their deliveries; see FlowStore."""
        started = time.perf_counter()
        self._opened().add(sums, deliveries)
        self._observe(1, time.perf_counter() - started)

    def read(self, hour: int, offset: int, limit: int) -> "HourPage":
        """Read a part of an hour's sums; see FlowStore."""
        return self._opened().read(hour, offset, limit)

    def hours(self, hours: "Hours", offset: int, limit: int) -> "tuple[int, list[HourTotal]]":
        """Read the kept totals of some hours; see FlowStore."""
        return self._opened().hours(hours, offset, limit)

    def span(self) -> "Hours | None":
        """Read the range from the first hour that has sums to the last; see FlowStore."""
        return self._opened().span()

    def version(self, hours: "Hours") -> str:
        """Tell the version of some hours; see FlowStore."""
        return self._opened().version(hours)

    def find(self, scope: str, key: str) -> Delivery | None:
        """Find a delivery that is stored; see FlowStore."""
        return self._opened().find(scope, key)

    def ask(self, question: "Question") -> "Found":
        """Answer a question; see FlowStore."""
        return self._opened().ask(question)

    def stream(self, question: "Question") -> "Iterator[list[Row]]":
        """Answer with rows alone; see FlowStore."""
        return self._opened().stream(question)

    def answers(self, seconds: float) -> bool:
        """Tell whether a store can be opened, and answers, in time; see FlowStore."""
        return self._probe.answers(seconds)

    def size(self) -> "StoreSize":
        """Tell how large the store is; see FlowStore."""
        return self._opened().size()

    def prune(self, before: int) -> "Iterator[Removed]":
        """Remove the hours before one; see SumStore."""
        return self._opened().prune(before)

    def close(self) -> None:
        """Close what has been opened; see FlowStore."""
        with self._lock:
            if self._store is not None:
                self._store.close()

    def _opened(self) -> SumStore:
        with self._lock:
            if self._store is None:
                try:
                    self._store = SumStore(engine_of(self._url)(self._url, *self._parameters))
                except CannotOpen as error:
                    raise StoreUnavailable(str(error)) from error
            return self._store
