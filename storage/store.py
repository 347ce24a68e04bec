"""The store: add, read, prune, clear, the same on every engine."""

from collections.abc import Iterator, Sequence

from peewee import Value, fn

from handlers.question import Found, Hours, Question, Row
from handlers.record import Delivery, FlowSum, HourPage, HourTotal, StoreSize
from storage import asking, retention, totals
from storage.engine import Engine
from storage.model import DeliveryRow, FlowSumRow, HourCount
from storage.probe import Probe

NEAR = 1_000
"""Sums that are walked over in less time than it takes to look from which end a page is nearer."""

_KEY = (FlowSumRow.src_app, FlowSumRow.dest_app, FlowSumRow.vpc_id)


class SumStore:
    """A FlowStore over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.writers = engine.writers
        self._probe = Probe(lambda: self.read(0, 0, 1))
        # Peewee takes longer to write a statement than SQLite to run it, so each is written once.
        hour = Value(0)
        of_hour = FlowSumRow.select().where(FlowSumRow.hour == hour)
        forwards = of_hour.order_by(*_KEY).limit(1).offset(0)
        backwards = of_hour.order_by(*(name.desc() for name in _KEY)).limit(1).offset(0)
        # PostgreSQL's sum of bigints is a numeric.
        kept = HourCount.select(fn.SUM(HourCount.flows).cast("bigint")).where(HourCount.hour == hour)
        self._count_sql = engine.sql(kept)
        self._page_sql = totals.page_counts(engine.dialect)
        self._sums_sql = engine.sql(HourCount.select(fn.SUM(HourCount.flows).cast("bigint")))
        self._forwards_sql = engine.sql(forwards)
        self._backwards_sql = engine.sql(backwards)

    def add(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery] = ()) -> None:
        """Add sums and their deliveries in one transaction; see FlowStore."""
        if sums or deliveries:
            self._engine.add(sums, deliveries)

    def find(self, scope: str, key: str) -> Delivery | None:
        """Find a delivery that is stored; see FlowStore."""
        return self._engine.find(scope, key)

    def read(self, hour: int, offset: int, limit: int) -> HourPage:
        """Read a part of an hour's sums, and the kept count of them; see FlowStore."""
        # An offset is walked row by row: a far page is walked to from the end, where that is nearer.
        total = self._engine.count(self._count_sql, hour) if offset > NEAR else 0
        if NEAR < offset >= total:
            return self._engine.page(self._page_sql, self._forwards_sql, hour, 0, 0)
        if offset > total // 2 > 0:
            here = min(limit, total - offset)
            found = self._engine.page(self._page_sql, self._backwards_sql, hour, here, total - offset - here)
            # Where sums came in between, the place counted from the end is another.
            if found.total == total:
                return found._replace(sums=found.sums[::-1])
        return self._engine.page(self._page_sql, self._forwards_sql, hour, limit, offset)

    def ask(self, question: Question) -> Found:
        """Answer a question; see FlowStore."""
        return asking.ask(self._engine, question)

    def stream(self, question: Question) -> Iterator[list[Row]]:
        """Answer with rows alone; see FlowStore."""
        return asking.stream(self._engine, question)

    def hours(self, hours: Hours, offset: int, limit: int) -> tuple[int, list[HourTotal]]:
        """Read the kept totals of some hours; see FlowStore."""
        return totals.hours(self._engine, hours, offset, limit)

    def version(self, hours: Hours) -> str:
        """Tell the version of some hours; see FlowStore."""
        return totals.version(self._engine, hours)

    def answers(self, seconds: float) -> bool:
        """Tell whether a question is answered in time; see FlowStore."""
        return self._probe.answers(seconds)

    def size(self) -> StoreSize:
        """Tell how many sums there are, by their kept counts, and their bytes on disk; see FlowStore."""
        return StoreSize(self._engine.count(self._sums_sql), self._engine.bytes_on_disk())

    def prune(self, before: int) -> Iterator[retention.Removed]:
        """Remove the hours before one, the oldest first, a transaction a step: it goes on while it is iterated over.

        Sums that come in meanwhile may stay, and are counted. Raises StoreUnavailable or OutcomeUnknown.
        """
        for hour in self._engine.hours(before):
            yield from self.remove(hour)

    def remove(self, hour: int) -> Iterator[retention.Removed]:
        """Remove one hour; see ``prune``."""
        return retention.remove(self._engine, hour)

    def give_back(self) -> Iterator[int]:
        """Give removed sums' space back to the file system where the engine does not by itself; see ``prune``."""
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
