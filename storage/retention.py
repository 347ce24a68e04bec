"""Removing old hours: some rows a transaction, in which they are taken off their hour's totals too."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from storage.engine import Engine, Names
from storage.totals import HALVES, halves, next_writes, whole

MOST = 2_000
"""Sums that one transaction removes: measured 3 ms on SQLite, for which writers wait, and 6 on PostgreSQL."""

MOST_PAGES = 500
"""Pages that one transaction gives back to the file system: 2 MB."""

LONGEST_PAUSE = 0.5

BEFORE_ALL: Names = ("", "", "")
"""Before every sum: no name is empty."""

_NONE = (0,) * 8

_NAMES = "src_app, dest_app, vpc_id"


class Removed(NamedTuple):
    """How many sums of an hour one transaction has removed, and whether it was the hour's last."""

    hour: int
    flows: int
    ended: bool


def _first(connection: Any, statements: Sequence[str], parameters: Sequence[Any]) -> tuple[Any, ...]:
    """Run statements; fetch what the first gives."""
    first, *others = statements
    row: tuple[Any, ...] = connection.execute(first, parameters).fetchone()
    for statement in others:
        connection.execute(statement, parameters)
    return row


class Removal:
    """The statements that remove a part of an hour, in a database's own placeholders."""

    def __init__(self, placeholder: str, remove: Sequence[str], put_back: str) -> None:
        """Write the statements.

        ``remove`` are those that remove the ``{rest}`` of an hour; the first tells how many rows these are, and the
        halves of their totals. ``put_back`` adds to an hour's totals, and to its counter of writes.
        """
        names = f"({placeholder}, {placeholder}, {placeholder})"
        rest = f"FROM flow_sum WHERE hour = {placeholder} AND ({_NAMES}) > {names}"
        # Beyond the rows that are removed already: where they lie dead, PostgreSQL would walk over them every time.
        self._find = f"SELECT {_NAMES} {rest} ORDER BY {_NAMES} LIMIT 1 OFFSET {placeholder}"
        self._remove_rest = [statement.format(rest=rest) for statement in remove]
        self._remove_part = [statement.format(rest=f"{rest} AND ({_NAMES}) <= {names}") for statement in remove]
        self._take_totals = f"DELETE FROM hour_count WHERE hour = {placeholder} RETURNING flows, {HALVES}, writes"
        self._put_back = put_back

    def run(self, connection: Any, hour: int, after: Names, most: int) -> tuple[int, Names | None]:
        """Remove an hour's next sums, inside a transaction; see Engine.

        A writer that has just added to the hour either has its sums in the totals that are taken, or adds them later.
        """
        last = connection.execute(self._find, (hour, *after, most - 1)).fetchone()
        if last:
            flows, *gone = _first(connection, self._remove_part, (hour, *after, *last))
        else:
            flows, *gone = _first(connection, self._remove_rest, (hour, *after))
        kept = connection.execute(self._take_totals, (hour,)).fetchall()
        counted, *summed, writes = map(sum, zip(*kept, strict=True)) if kept else _NONE
        left = [a - b for a, b in zip((counted, *whole(summed)), (flows, *whole(gone)), strict=True)]
        # Less than none where another removes from the hour too: its part of the totals is in another row then.
        if any(left):
            connection.execute(self._put_back, (hour, left[0], *halves(left[1:]), next_writes(writes)))
        return flows, last


def remove(engine: Engine, hour: int) -> Iterator[Removed]:
    """Remove an hour, a transaction a step, with pauses in which writers have their turn."""
    after: Names | None = BEFORE_ALL
    while after is not None:
        started = time.monotonic()
        flows, after = engine.remove(hour, after, MOST)
        took = time.monotonic() - started
        yield Removed(hour, flows, after is None)
        _pause(took)


def give_back(engine: Engine) -> Iterator[int]:
    """Give free pages back to the file system, a transaction a step; tell how many each gave."""
    pages = MOST_PAGES
    while pages == MOST_PAGES:
        started = time.monotonic()
        pages = engine.give_back(MOST_PAGES)
        took = time.monotonic() - started
        yield pages
        _pause(took)


def _pause(took: float) -> None:
    """Leave the database alone for as long as it was held: on SQLite another process only looks now and then."""
    time.sleep(min(took, LONGEST_PAUSE))
