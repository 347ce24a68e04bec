"""The kept totals of hours: what a batch adds to them, and what they say of some hours.

A total may pass what an engine's integer holds where no sum does, so it is kept as two: ``low``, from 0 up to 2^32, and
``high``, in units of 2^32. What is added carries over from the one to the other; so ``low`` cannot overflow, nor
``high`` before an hour has 2^32 sums.
"""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from os import urandom
from typing import TYPE_CHECKING, Any

import msgspec

from handlers.question import SUMS, Hours, Question
from handlers.record import FlowSum, HourTotal

if TYPE_CHECKING:
    from storage.engine import Dialect, Engine, Read

TOTALS = ("records", "bytes_rx", "bytes_tx")
HALVES = ", ".join(f"{name}_low, {name}_high" for name in TOTALS)
"""The columns of the three totals."""

_BITS = 32
_LOW = 2**_BITS - 1
_HOUR = itemgetter(0)
_SUMMED = tuple(itemgetter(place) for place in (4, 5, 6))

# PostgreSQL's sum of bigints is a numeric.
SUM_OF_HALVES = ", ".join(f"CAST(sum({half}) AS bigint) AS {half}" for half in HALVES.split(", "))
SUM_OF_ROWS = ", ".join(
    f"CAST(sum({name} & {_LOW}) AS bigint), CAST(sum({name} >> {_BITS}) AS bigint)" for name in TOTALS
)
"""The halves of the totals of rows of ``flow_sum``, NULL where there are none; 2^31 rows at most."""

ADD_HALVES = ", ".join(
    f"{name}_low = (hour_count.{name}_low + EXCLUDED.{name}_low) & {_LOW}, {name}_high = hour_count.{name}_high"
    f" + EXCLUDED.{name}_high + ((hour_count.{name}_low + EXCLUDED.{name}_low) >> {_BITS})"
    for name in TOTALS
)
"""What an upsert of ``hour_count`` sets, which is right where what is added is negative too."""

ADD_WRITE = "writes = hour_count.writes + 1 + (EXCLUDED.writes >> 16)"
"""Raises the counter of writes by a random step, where a new row's would be a random number of 40 bits.

So it does not come back to a value that readers have seen, also not when an hour was removed and is filled again, or
the database was brought back to an earlier moment: but for one chance in eight million.
"""

_ROWS = msgspec.json.Decoder(list[tuple[int, ...]])


def random_writes() -> int:
    """Make a counter of writes for a new row."""
    return int.from_bytes(urandom(5), "big")


def next_writes(writes: int) -> int:
    """Raise a counter of writes, as ADD_WRITE does."""
    return writes + 1 + (random_writes() >> 16)


def halves(values: Sequence[int]) -> list[int]:
    """Split integers, each into its low and its high part."""
    return [half for value in values for half in (value & _LOW, value >> _BITS)]


def whole(row: Sequence[int | None]) -> list[int]:
    """Put the parts of integers together."""
    return [(low or 0) + ((high or 0) << _BITS) for low, high in zip(row[::2], row[1::2], strict=True)]


def of_batch(sums: Sequence[FlowSum]) -> list[tuple[int, int, int, int]]:
    """Add up the records, bytes_rx and bytes_tx of each hour of a batch, which is in key order."""
    found = []
    start = 0
    while start < len(sums):
        hour = sums[start][0]
        end = len(sums) if sums[-1][0] == hour else bisect_right(sums, hour, start, key=_HOUR)
        part = sums if end - start == len(sums) else sums[start:end]
        records, bytes_rx, bytes_tx = (sum(map(member, part)) for member in _SUMMED)
        found.append((hour, records, bytes_rx, bytes_tx))
        start = end
    return found


def hours(engine: "Engine", asked: Hours, offset: int, limit: int) -> tuple[int, list[HourTotal]]:
    """Read how many hours have sums, and the totals of some, newest first; see FlowStore."""
    condition, parameters = _where(asked, engine.dialect.placeholder)
    # An hour whose count lies in several rows may be gone while they do not yet cancel.
    kept = (
        f"SELECT hour, CAST(sum(flows) AS bigint) AS flows, {SUM_OF_HALVES} FROM hour_count WHERE {condition}"
        " GROUP BY hour HAVING sum(flows) > 0"
    )
    some = (
        f"SELECT * FROM kept ORDER BY hour DESC LIMIT {engine.dialect.placeholder} OFFSET {engine.dialect.placeholder}"
    )
    rows = engine.dialect.listed(f"hour, flows, {HALVES}", some)
    sql = f"WITH kept AS ({kept}) SELECT (SELECT count(*) FROM kept), ({rows})"
    ((total, found),) = engine.fetch(sql, (*parameters, limit, offset))
    return total, [HourTotal(*row[:2], *whole(row[2:])) for row in (_ROWS.decode(found) if found else ())]


def version(engine: "Engine", asked: Hours) -> str:
    """Tell hours' version; see FlowStore."""
    condition, parameters = _where(asked, engine.dialect.placeholder)
    # In halves too: a hundred thousand hours may come in one batch.
    summed = f"CAST(sum(writes & {_LOW}) AS bigint), CAST(sum(writes >> {_BITS}) AS bigint)"
    ((rows, *writes),) = engine.fetch(f"SELECT count(*), {summed} FROM hour_count WHERE {condition}", parameters)
    return version_of(rows, writes)


def version_of(rows: int, writes: Sequence[int | None]) -> str:
    """Make hours' version of their rows of ``hour_count``: how many there are, and the halves of all their writes."""
    return f"{rows:x}-{whole(writes)[0]:x}"


def page_counts(dialect: "Dialect") -> str:
    """Write the query for what a page tells of its hour, as JSON: its flows, and what its version is of."""
    counts = f"coalesce(sum(flows), 0), count(*), sum(writes & {_LOW}), sum(writes >> {_BITS})"
    return f"SELECT {dialect.array_as_json.format(counts)} FROM hour_count WHERE hour = {dialect.placeholder}"


def bound(dialect: "Dialect", read: "Read", asked: Hours) -> int:
    """Tell what no sum over sums of some hours exceeds, whichever of their numbers it adds up.

    By it one knows whether an engine's integers hold that sum.
    """
    condition, parameters = _where(asked, dialect.placeholder)
    (row,) = read(f"SELECT {SUM_OF_HALVES} FROM hour_count WHERE {condition}", parameters)
    return sum(whole(row))


def tells(question: Question) -> bool:
    """Tell whether the totals of hours are all that is asked for."""
    alike = not (question.filters or question.prefix or question.both)
    return alike and question.members in ((), ("hour",))


def rows(dialect: "Dialect", question: Question) -> tuple[str, tuple[Any, ...]]:
    """Write the query for the rows that a question means, out of the totals; in parts where sums could overflow."""
    condition, parameters = _where(question.hours, dialect.placeholder)
    if question.after:
        condition, parameters = f"{condition} AND hour > {dialect.placeholder}", (*parameters, *question.after)
    columns = ", ".join((*question.members, *(_told(name, parted=dialect.sums_overflow) for name in SUMS)))
    grouped = " GROUP BY hour HAVING sum(flows) > 0" if question.members else ""
    return f"SELECT {columns} FROM hour_count WHERE {condition}{grouped}", parameters


def count(dialect: "Dialect", asked: Hours) -> tuple[str, tuple[Any, ...]]:
    """Write the query for how many sums some hours have."""
    condition, parameters = _where(asked, dialect.placeholder)
    return f"SELECT CAST(coalesce(sum(flows), 0) AS bigint) FROM hour_count WHERE {condition}", parameters


def _told(name: str, *, parted: bool) -> str:
    high, low = f"coalesce(sum({name}_high), 0)", f"coalesce(sum({name}_low), 0)"
    if parted:
        return f"{high} + ({low} >> {_BITS}) AS {name}_high, {low} & {_LOW} AS {name}_low"
    return f"{high} * {_LOW + 1} + {low} AS {name}"


def _where(asked: Hours, placeholder: str) -> tuple[str, tuple[Any, ...]]:
    """Write the condition that hours fulfil, and its parameters."""
    if asked.chosen:
        return f"hour IN ({', '.join([placeholder] * len(asked.chosen))})", asked.chosen
    if asked.end is None:
        return f"hour >= {placeholder}", (asked.first,)
    return f"hour >= {placeholder} AND hour < {placeholder}", (asked.first, asked.end)
