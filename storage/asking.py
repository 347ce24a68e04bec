"""Asking a database a question: one statement for the rows, how many there are, and what the rest of them come to."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from handlers.question import Found, Question, Rest, Row
from handlers.record import MAX_INTEGER
from storage import kept
from storage.engine import Engine, Read
from storage.statements import Columns, rows_of

CHUNK = 1_000
"""Rows of a stream that are fetched at a time."""

_LISTED = msgspec.json.Decoder(list[tuple[str | int, ...]])
_NUMBERS = msgspec.json.Decoder(tuple[int, ...])


def ask(engine: Engine, question: Question) -> Found:
    """Answer a question. Raises StoreUnavailable."""
    return engine.look(lambda read: _answer(engine, read, question))


def stream(engine: Engine, question: Question) -> Iterator[list[Row]]:
    """Answer with rows alone, all of one moment, some at a time. Raises StoreUnavailable, also while it goes on."""
    columns: Columns

    def choose(read: Read) -> tuple[str, Sequence[Any]]:
        nonlocal columns
        columns, sql, parameters = _rows(engine, read, question)
        return _part(engine, columns, question, f"({sql})", parameters)

    for rows in engine.stream(choose, CHUNK):
        yield list(map(columns.whole, rows))


def _rows(engine: Engine, read: Read, question: Question) -> tuple[Columns, str, Sequence[Any]]:
    """Write the query for all the rows that are meant: in parts where a sum could overflow, which is half as fast.

    A flow counts twice where it is looked at from either end.
    """
    dialect = engine.dialect
    if kept.tells(question):
        return Columns(question.members, parted=dialect.sums_overflow), *kept.rows(dialect, question)
    parted = dialect.sums_overflow and 2 * kept.bound(dialect, read, question.hours) > MAX_INTEGER
    columns = Columns(question.members, parted=parted)
    return columns, *engine.statement(rows_of(question, columns))


def _answer(engine: Engine, read: Read, question: Question) -> Found:
    columns, sql, parameters = _rows(engine, read, question)
    ((listed, total, rest),) = read(*_whole(engine, columns, question, sql, parameters))
    rows: list[Row] = [columns.whole(row) for row in _LISTED.decode(listed)] if listed else []
    return Found(rows, total, _rest(columns, rest, rows) if question.rest else None)


def _rest(columns: Columns, overall: str, rows: list[Row]) -> Rest:
    """Take the rows that are told from the sums over all."""
    count, *sums = _NUMBERS.decode(overall)
    at = len(columns.members)
    over_all = columns.whole((*columns.members, *sums))[at:]
    told = [sum(column) for column in zip(*(row[at:] for row in rows), strict=True)] or [0] * len(over_all)
    return Rest(count - len(rows), *(total - own for total, own in zip(over_all, told, strict=True)))


def _whole(
    engine: Engine, columns: Columns, question: Question, found: str, parameters: Sequence[Any]
) -> tuple[str, Sequence[Any]]:
    """Write one statement that gives the rows as JSON, their number, and the sums over all of them.

    Rows that are put together first are so once for all three; others are better looked for anew.
    """
    once = "" if question.merges else "NOT "
    dialect = engine.dialect
    part, limits = _part(engine, columns, question, "found", ())
    listed = dialect.listed(", ".join(columns.names), part)
    counted, counting = _counted(engine, question)
    overall = f"count(*), {columns.totals()}"
    rest = f"SELECT {dialect.array_as_json.format(overall)} FROM found" if question.rest else "SELECT NULL"
    sql = f"WITH found AS {once}MATERIALIZED ({found}) SELECT ({listed}), ({counted}), ({rest})"
    return sql, (*parameters, *limits, *counting)


def _counted(engine: Engine, question: Question) -> tuple[str, Sequence[Any]]:
    """Write the query for how many rows there are; of all the sums of hours that is known."""
    if not question.counted:
        return "SELECT NULL", ()
    if question.merges or question.filters or question.prefix:
        return "SELECT count(*) FROM found", ()
    return kept.count(engine.dialect, question.hours)


def _part(
    engine: Engine, columns: Columns, question: Question, source: str, parameters: Sequence[Any]
) -> tuple[str, Sequence[Any]]:
    """Write the statement that gives a question's part of the rows of ``source``, in its order."""
    sql = f"SELECT {', '.join(columns.names)} FROM {source} AS rows_found"
    if question.order:
        sql += f" {columns.order(question.order)}"
    if question.limit is None:
        return sql, parameters
    place = engine.dialect.placeholder
    return f"{sql} LIMIT {place} OFFSET {place}", (*parameters, question.limit, question.offset)
