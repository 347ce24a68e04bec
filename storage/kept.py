"""What the kept totals say of some hours, without a look at a sum."""

from collections.abc import Sequence
from typing import Any

import msgspec

from handlers.question import SUMS, Hours, HourTotal, Question
from storage.engine import Dialect, Engine, Read
from storage.totals import BITS, HALVES, LOW, version_of, whole

# PostgreSQL's sum of bigints is a numeric.
_SUM_OF_HALVES = ", ".join(f"CAST(sum({half}) AS bigint) AS {half}" for half in HALVES.split(", "))
# In halves too: a hundred thousand hours may come in one batch.
_VERSION = f"count(*), CAST(sum(writes & {LOW}) AS bigint), CAST(sum(writes >> {BITS}) AS bigint)"

_ROWS = msgspec.json.Decoder(list[tuple[int, ...]])


def hours(engine: Engine, asked: Hours, offset: int, limit: int) -> tuple[int, list[HourTotal]]:
    """Read how many hours have sums, and the totals of some, newest first; see FlowStore."""
    condition, parameters = _where(asked, engine.dialect.placeholder)
    # An hour whose count lies in several rows may be gone while they do not yet cancel.
    kept = (
        f"SELECT hour, CAST(sum(flows) AS bigint) AS flows, {_SUM_OF_HALVES} FROM hour_count WHERE {condition}"
        " GROUP BY hour HAVING sum(flows) > 0"
    )
    place = engine.dialect.placeholder
    some = f"SELECT * FROM kept ORDER BY hour DESC LIMIT {place} OFFSET {place}"
    rows = engine.dialect.listed(f"hour, flows, {HALVES}", some)
    sql = f"WITH kept AS ({kept}) SELECT (SELECT count(*) FROM kept), ({rows})"
    ((total, found),) = engine.fetch(sql, (*parameters, limit, offset))
    return total, [HourTotal(*row[:2], *whole(row[2:])) for row in (_ROWS.decode(found) if found else ())]


def span(engine: Engine) -> Hours | None:
    """Read the range from the first hour that has sums to the last; see FlowStore."""
    # Each stops at the first hour that it meets in key order.
    kept = "SELECT hour FROM hour_count GROUP BY hour HAVING sum(flows) > 0 ORDER BY hour"
    ((first, last),) = engine.fetch(f"SELECT ({kept} LIMIT 1), ({kept} DESC LIMIT 1)", ())
    return None if first is None or last is None else Hours((), first, last + 1)


def version(engine: Engine, asked: Hours) -> str:
    """Return hours' version; see FlowStore."""
    if not engine.dialect.one_moment:
        return ""
    condition, parameters = _where(asked, engine.dialect.placeholder)
    ((rows, *writes),) = engine.fetch(f"SELECT {_VERSION} FROM hour_count WHERE {condition}", parameters)
    return version_of_rows(engine, rows, writes)


def version_of_rows(engine: Engine, rows: int, writes: Sequence[int | None]) -> str:
    """Make hours' version; that of hours that hold nothing is also of the span, which an answer about them names."""
    version = version_of(rows, writes)
    return version if rows else f"{version} {span(engine)}"


def page_counts(dialect: Dialect) -> str:
    """Write the query for what a page tells of its hour, as JSON: its flows, and what its version is of."""
    counts = f"coalesce(sum(flows), 0), {_VERSION}"
    return f"SELECT {dialect.array_as_json.format(counts)} FROM hour_count WHERE hour = {dialect.placeholder}"


def bound(dialect: Dialect, read: Read, asked: Hours) -> int:
    """Tell what no sum over sums of some hours exceeds, whichever of their numbers it adds up.

    By it one knows whether an engine's integers hold that sum.
    """
    condition, parameters = _where(asked, dialect.placeholder)
    (row,) = read(f"SELECT {_SUM_OF_HALVES} FROM hour_count WHERE {condition}", parameters)
    return sum(whole(row))


def tells(question: Question) -> bool:
    """Tell whether the totals of hours are all that is asked for."""
    alike = not (question.filters or question.prefix or question.both)
    return alike and question.members in ((), ("hour",))


def rows(dialect: Dialect, question: Question) -> tuple[str, tuple[Any, ...]]:
    """Write the query for the rows that a question means, out of the totals; in parts where sums could overflow."""
    condition, parameters = _where(question.hours, dialect.placeholder)
    if question.after:
        condition, parameters = f"{condition} AND hour > {dialect.placeholder}", (*parameters, *question.after)
    columns = ", ".join((*question.members, *(_told(name, parted=dialect.sums_overflow) for name in SUMS)))
    grouped = " GROUP BY hour HAVING sum(flows) > 0" if question.members else ""
    return f"SELECT {columns} FROM hour_count WHERE {condition}{grouped}", parameters


def count(dialect: Dialect, asked: Hours) -> tuple[str, tuple[Any, ...]]:
    """Write the query for how many sums some hours have."""
    condition, parameters = _where(asked, dialect.placeholder)
    return f"SELECT CAST(coalesce(sum(flows), 0) AS bigint) FROM hour_count WHERE {condition}", parameters


def _told(name: str, *, parted: bool) -> str:
    high, low = f"coalesce(sum({name}_high), 0)", f"coalesce(sum({name}_low), 0)"
    if parted:
        return f"{high} + ({low} >> {BITS}) AS {name}_high, {low} & {LOW} AS {name}_low"
    return f"{high} * {LOW + 1} + {low} AS {name}"


def _where(asked: Hours, placeholder: str) -> tuple[str, tuple[Any, ...]]:
    """Write the condition that hours fulfil, and its parameters."""
    if asked.chosen:
        return f"hour IN ({', '.join([placeholder] * len(asked.chosen))})", asked.chosen
    if asked.end is None:
        return f"hour >= {placeholder}", (asked.first,)
    return f"hour >= {placeholder} AND hour < {placeholder}", (asked.first, asked.end)
