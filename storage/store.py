"""The store: add, read, prune, clear, the same on every engine."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from handlers.record import Delivery, FlowSum
from storage.engine import Engine
from storage.model import DeliveryRow, FlowSumRow, HourCount
from storage.probe import Probe

if TYPE_CHECKING:
    from handlers.question import Found, HourPage, Hours, HourTotal, Question, Row, StoreSize
    from storage.pages import Pages
    from storage.retention import Removed


class SumStore:
    """A FlowStore over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.writers = engine.writers
        self._probe = Probe(lambda: self.read(0, 0, 1))

    @cached_property
    def _pages(self) -> "Pages":
        # Imported and made where it is asked for, as below: a function that only counts starts the sooner without.
        from storage.pages import Pages

        return Pages(self._engine)

    def add(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery] = ()) -> None:
        """Add sums and their deliveries in one transaction; see FlowStore."""
        if sums or deliveries:
            self._engine.add(sums, deliveries)

    def find(self, scope: str, key: str) -> Delivery | None:
        """Find a delivery that is stored; see FlowStore."""
        return self._engine.find(scope, key)

    def read(self, hour: int, offset: int, limit: int) -> "HourPage":
        """Read a part of an hour's sums, and the kept count of them; see FlowStore."""
        return self._pages.read(hour, offset, limit)

    def ask(self, question: "Question") -> "Found":
        """Answer a question; see FlowStore."""
        from storage import asking

        return asking.ask(self._engine, question)

    def stream(self, question: "Question") -> "Iterator[list[Row]]":
        """Answer with rows alone; see FlowStore."""
        from storage import asking

        return asking.stream(self._engine, question)

    def hours(self, hours: "Hours", offset: int, limit: int) -> "tuple[int, list[HourTotal]]":
        """Read the kept totals of some hours; see FlowStore."""
        from storage import kept

        return kept.hours(self._engine, hours, offset, limit)

    def span(self) -> "Hours | None":
        """Read the range from the first hour that has sums to the last; see FlowStore."""
        from storage import kept

        return kept.span(self._engine)

    def version(self, hours: "Hours") -> str:
        """Tell the version of some hours; see FlowStore."""
        from storage import kept

        return kept.version(self._engine, hours)

    def answers(self, seconds: float) -> bool:
        """Tell whether a question is answered in time; see FlowStore."""
        return self._probe.answers(seconds)

    def size(self) -> "StoreSize":
        """Tell how many sums there are, by their kept counts, and their bytes on disk; see FlowStore."""
        from handlers.question import Hours, StoreSize

        return StoreSize(self.count(Hours()), self._engine.bytes_on_disk())

    def count(self, hours: "Hours") -> int:
        """Return how many sums some hours have, from the hourly totals. Raises StoreUnavailable."""
        from storage import kept

        sql, parameters = kept.count(self._engine.dialect, hours)
        return self._engine.count(sql, *parameters)

    def prune(self, before: int) -> "Iterator[Removed]":
        """Remove the hours before one, the oldest first, a transaction a step: it goes on while it is iterated over.

        Sums that come in meanwhile may stay, and are counted. Raises StoreUnavailable or OutcomeUnknown.
        """
        for hour in self._engine.hours(before):
            yield from self.remove(hour)

    def remove(self, hour: int) -> "Iterator[Removed]":
        """Remove one hour; see ``prune``."""
        from storage import retention

        return retention.remove(self._engine, hour)

    def give_back(self) -> Iterator[int]:
        """Give removed sums' space back to the file system where the engine does not by itself; see ``prune``."""
        from storage import retention

        return retention.give_back(self._engine)

    def clear(self) -> int:
        """Remove every sum and delivery, give the space back, and return how many sums there were.

        Raises StoreUnavailable.
        """
        with self._engine.writing() as connection:
            removed: int = connection.execute(self._engine.sql(FlowSumRow.delete())).rowcount
            connection.execute(self._engine.sql(HourCount.delete()))
            connection.execute(self._engine.sql(DeliveryRow.delete()))
        self._engine.shrink()
        return removed

    def close(self) -> None:
        """Close every connection; see FlowStore."""
        self._engine.close()
