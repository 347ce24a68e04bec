"""What is not kept: an index by dest_app, a roll-up by app. What each would give, and what it would cost to write."""

import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

from handlers.record import FlowSum
from storage import SumStore, open_store
from tests.bench import traffic
from tests.bench.line import Line
from tests.bench.measures import milliseconds

SUMS = 100_000
HOURS = 5

_BY_DEST = "SELECT dest_app, sum(bytes_rx), sum(bytes_tx), sum(records) FROM flow_sum GROUP BY dest_app"
_ROLL_UP = """\
CREATE TABLE app_hour (
    hour INTEGER NOT NULL, app TEXT NOT NULL, records INTEGER NOT NULL, bytes_rx INTEGER NOT NULL,
    bytes_tx INTEGER NOT NULL, PRIMARY KEY (hour, app)
) STRICT, WITHOUT ROWID"""
_ADD = """\
INSERT INTO app_hour VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    records = records + excluded.records, bytes_rx = bytes_rx + excluded.bytes_rx,
    bytes_tx = bytes_tx + excluded.bytes_tx"""


class _Kept(NamedTuple):
    """Something that could be kept: how it is made, how a batch is added to it besides, and what it answers."""

    made: str
    add: Callable[[Any, Sequence[FlowSum]], None]
    asked: str


class _Taken(NamedTuple):
    """Milliseconds that a batch takes, of new keys and of stored ones, and a question; and the file's megabytes."""

    new: float
    stored: float
    question: float
    size: float


def indexes() -> Iterator[Line]:
    """Measure SQLite without any of them and with each."""
    alone = _measure(_Kept("SELECT 1", _nothing, _BY_DEST))
    kept = {
        "an index by dest_app": _Kept("CREATE INDEX by_dest ON flow_sum (hour, dest_app)", _nothing, _BY_DEST),
        "one with the sums in it": _Kept(
            "CREATE INDEX by_dest ON flow_sum (dest_app, bytes_rx, bytes_tx, records)", _nothing, _BY_DEST
        ),
        "a roll-up by app": _Kept(_ROLL_UP, _roll_up, "SELECT app, sum(bytes_rx) FROM app_hour GROUP BY app"),
    }
    for name, each in kept.items():
        taken = _measure(each)
        figures = (
            f"question {taken.question:.0f} ms, without {alone.question:.0f}; new keys {taken.new / alone.new:.2f} x, "
            f"stored keys {taken.stored / alone.stored:.2f} x; file {taken.size:.0f} MB, without {alone.size:.0f}"
        )
        yield Line(f"Not kept: {name}", figures, "", "", True)


def _measure(kept: _Kept) -> _Taken:
    keys = sorted(traffic.make_keys(SUMS, 6))
    with tempfile.TemporaryDirectory() as folder, closing(open_store(f"sqlite:///{folder}/flows.db")) as store:
        with store._engine.writing() as connection:
            connection.execute(kept.made)
        new = [milliseconds(partial(_add, store, kept, keys, hour)) for hour in range(HOURS)]
        some = [sorted(random.Random(seed).sample(keys, SUMS // 10)) for seed in range(HOURS)]
        stored = [milliseconds(partial(_add, store, kept, part, 0)) for part in some]
        question = [milliseconds(partial(store._engine.fetch, kept.asked, ())) for _ in range(3)]
        size = store.size().bytes / 1e6
    return _Taken(statistics.median(new), statistics.median(stored), statistics.median(question), size)


def _add(store: SumStore, kept: _Kept, keys: Sequence[traffic.Key], hour: int) -> None:
    sums: list[FlowSum] = [(hour, *key, 1, 5_000, 700) for key in keys]
    store.add(sums)
    with store._engine.writing() as connection:
        kept.add(connection, sums)


def _nothing(_: Any, __: Sequence[FlowSum]) -> None:
    pass


def _roll_up(connection: Any, sums: Sequence[FlowSum]) -> None:
    found: dict[tuple[int, str], list[int]] = {}
    for hour, src_app, dest_app, _, records, bytes_rx, bytes_tx in sums:
        for app, received, sent in ((src_app, bytes_rx, bytes_tx), (dest_app, bytes_tx, bytes_rx)):
            total = found.setdefault((hour, app), [0, 0, 0])
            total[0] += records
            total[1] += received
            total[2] += sent
    connection.executemany(_ADD, [(*key, *found[key]) for key in sorted(found)])
