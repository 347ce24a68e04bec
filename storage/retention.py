"""Removing old hours: some rows a transaction, in which they are taken off their hour's count too."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from storage.engine import Engine

MOST = 2_000
"""Sums that one transaction removes: measured 3 ms on SQLite, for which writers wait, and 6 on PostgreSQL."""

MOST_PAGES = 500
"""Pages that one transaction gives back to the file system: 2 MB."""

LONGEST_PAUSE = 0.5

Names = tuple[str, str, str]
"""A sum's place within its hour: src_app, dest_app, vpc_id."""

BEFORE_ALL: Names = ("", "", "")
"""Before every sum: no name is empty."""

_NAMES = "src_app, dest_app, vpc_id"


class Removed(NamedTuple):
    """How many sums of an hour one transaction has removed, and whether it was the hour's last."""

    hour: int
    flows: int
    ended: bool


class Removal:
    """The statements that remove a part of an hour, in a database's own placeholders."""

    def __init__(self, placeholder: str, put_back: str) -> None:
        """Write the statements; ``put_back`` adds to the count of an hour, and takes both."""
        names = f"({placeholder}, {placeholder}, {placeholder})"
        rest = f"FROM flow_sum WHERE hour = {placeholder} AND ({_NAMES}) > {names}"
        # Beyond the rows that are removed already: where they lie dead, PostgreSQL would walk over them every time.
        self._find = f"SELECT {_NAMES} {rest} ORDER BY {_NAMES} LIMIT 1 OFFSET {placeholder}"
        self._remove_rest = f"DELETE {rest}"
        self._remove_part = f"DELETE {rest} AND ({_NAMES}) <= {names}"
        self._take_count = f"DELETE FROM hour_count WHERE hour = {placeholder} RETURNING flows"
        self._put_back = put_back

    def run(self, connection: Any, hour: int, after: Names, most: int) -> tuple[int, Names | None]:
        """Remove an hour's next sums, inside a transaction; see Engine.

        A writer that has just added to the hour either has its row in the count that is taken, or adds it afterwards.
        """
        last = connection.execute(self._find, (hour, *after, most - 1)).fetchone()
        if last:
            removed: int = connection.execute(self._remove_part, (hour, *after, *last)).rowcount
        else:
            removed = connection.execute(self._remove_rest, (hour, *after)).rowcount
        counted = sum(flows for (flows,) in connection.execute(self._take_count, (hour,)).fetchall())
        # Less than none where another removes from the hour too: its part of the count is in another row then.
        if counted != removed:
            connection.execute(self._put_back, (hour, counted - removed))
        return removed, last


def remove(engine: "Engine", hour: int) -> Iterator[Removed]:
    """Remove an hour, a transaction a step, with pauses in which writers have their turn."""
    after: Names | None = BEFORE_ALL
    while after is not None:
        started = time.monotonic()
        flows, after = engine.remove(hour, after, MOST)
        took = time.monotonic() - started
        yield Removed(hour, flows, after is None)
        _pause(took)


def give_back(engine: "Engine") -> Iterator[int]:
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
