"""Asking a database a question: one statement for the rows, how many there are, and what the rest of them come to."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from handlers.question import Found, Hours, Question, Rest, Row
from handlers.record import MAX_INTEGER
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
        columns = _columns(engine, read, question)
        sql, parameters = engine.statement(rows_of(question, columns))
        return _part(engine, columns, question, f"({sql})", parameters)

    for rows in engine.stream(choose, CHUNK):
        yield list(map(columns.whole, rows))


def _columns(engine: Engine, read: Read, question: Question) -> Columns:
    """Choose the columns: sums in two parts where they could overflow, which is half as fast.

    A flow counts twice where it is looked at from either end.
    """
    parted = engine.dialect.sums_overflow and 2 * bound(read, question.hours) > MAX_INTEGER
    return Columns(question.members, parted=parted)


def bound(_read: Read, _hours: Hours) -> int:
    """Tell what no sum over some hours is greater than; for now, that this is not known."""
    return MAX_INTEGER


def _answer(engine: Engine, read: Read, question: Question) -> Found:
    columns = _columns(engine, read, question)
    sql, parameters = _whole(engine, columns, question)
    ((listed, total, rest),) = read(sql, parameters)
    rows: list[Row] = [columns.whole(row) for row in _LISTED.decode(listed)] if listed else []
    return Found(rows, total, _rest(columns, rest, rows) if question.rest else None)


def _rest(columns: Columns, overall: str, rows: list[Row]) -> Rest:
    """Take the rows that are told from the sums over all."""
    count, *sums = _NUMBERS.decode(overall)
    at = len(columns.members)
    totals = columns.whole((*columns.members, *sums))[at:]
    told = [sum(column) for column in zip(*(row[at:] for row in rows), strict=True)] or [0] * len(totals)
    return Rest(count - len(rows), *(total - own for total, own in zip(totals, told, strict=True)))


def _whole(engine: Engine, columns: Columns, question: Question) -> tuple[str, Sequence[Any]]:
    """Write one statement that gives the rows as JSON, their number, and the sums over all of them.

    Rows that are put together first are so once for all three; others are better looked for anew.
    """
    found, parameters = engine.statement(rows_of(question, columns))
    kept = "" if question.merges else "NOT "
    dialect = engine.dialect
    part, limits = _part(engine, columns, question, "found", ())
    listed = f"SELECT {dialect.rows_as_json.format(', '.join(columns.names))} FROM ({part}) AS part"
    counted = "SELECT count(*) FROM found" if question.counted else "SELECT NULL"
    overall = f"count(*), {columns.totals()}"
    rest = f"SELECT {dialect.array_as_json.format(overall)} FROM found" if question.rest else "SELECT NULL"
    sql = f"WITH found AS {kept}MATERIALIZED ({found}) SELECT ({listed}), ({counted}), ({rest})"
    return sql, (*parameters, *limits)


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
