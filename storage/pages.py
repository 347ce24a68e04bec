"""A page of one hour's sums: the question that is asked most, so its statements are written once."""

import msgspec
from peewee import Value

from handlers.question import HourPage, Hours
from handlers.record import FlowSum
from storage.engine import Engine
from storage.kept import count, page_counts, version_of_rows
from storage.model import SUM_COLUMNS, FlowSumRow

NEAR = 1_000
"""Sums that are walked over in less time than it takes to look from which end a page is nearer."""

_COUNTS = msgspec.json.Decoder(tuple[int, int, int | None, int | None])
_ROWS = msgspec.json.Decoder(list[FlowSum])
_KEY = (FlowSumRow.src_app, FlowSumRow.dest_app, FlowSumRow.vpc_id)


class Pages:
    """The statements that read pages from one engine. Peewee takes longer to write one than SQLite to run it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        hour = Value(0)
        of_hour = FlowSumRow.select().where(FlowSumRow.hour == hour)
        self._count_sql, _ = count(engine.dialect, Hours((0,)))
        forwards = engine.sql(of_hour.order_by(*_KEY).limit(1).offset(0))
        backwards = engine.sql(of_hour.order_by(*(name.desc() for name in _KEY)).limit(1).offset(0))
        # Counts and rows are of one moment as they are of one statement. Several, in a transaction, would each give up
        # the interpreter lock: measured half the pages a second from 16 connections.
        counts = page_counts(engine.dialect)
        self._forwards_sql = f"SELECT ({counts}), ({engine.dialect.listed(SUM_COLUMNS, forwards)})"
        self._backwards_sql = f"SELECT ({counts}), ({engine.dialect.listed(SUM_COLUMNS, backwards)})"

    def read(self, hour: int, offset: int, limit: int) -> HourPage:
        """Read a part of an hour's sums, and the kept count of them; see FlowStore."""
        # An offset is walked row by row: a far page is walked to from the end, where that is nearer.
        total = self._engine.count(self._count_sql, hour) if offset > NEAR else 0
        if NEAR < offset >= total:
            return self._fetch(self._forwards_sql, hour, 0, 0)
        if offset > total // 2 > 0:
            here = min(limit, total - offset)
            found = self._fetch(self._backwards_sql, hour, here, total - offset - here)
            # Where sums came in between, the place counted from the end is another.
            if found.total == total:
                return found._replace(sums=found.sums[::-1])
        return self._fetch(self._forwards_sql, hour, limit, offset)

    def _fetch(self, sql: str, hour: int, limit: int, offset: int) -> HourPage:
        ((counts, rows),) = self._engine.fetch(sql, (hour, hour, limit, offset))
        total, kept, *writes = _COUNTS.decode(counts)
        version = version_of_rows(self._engine, kept, writes) if self._engine.dialect.one_moment else ""
        return HourPage(total, _ROWS.decode(rows) if rows else [], version)
