"""The store alone, on each engine side by side: rows a second by size of batch, and by number of writers."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import count, cycle
from pathlib import Path

from handlers.record import FlowSum
from storage import SumStore, open_store
from tests.bench import traffic
from tests.bench.line import Line
from tests.bench.load import get, post, requests_a_second
from tests.postgresql import postgresql
from tests.process import running

DURABLE = ("shared_buffers=512MB", "max_wal_size=4GB")
"""PostgreSQL's defaults, synced like them, but with the memory that anybody would give it."""

STORED = 500_000
BATCHES = {1_000: 40, 100_000: 5}
WRITERS = (1, 2, 4)
WRITERS_ROWS = 10_000
SECONDS = 2.0

_hours = count(traffic.HOUR)


@contextmanager
def stores() -> Iterator[dict[str, SumStore]]:
    """Open a store on each engine, on the disk that holds temporary files."""
    with (
        tempfile.TemporaryDirectory() as folder,
        postgresql(DURABLE) as server,
        closing(open_store(f"sqlite:///{folder}/flows.db")) as sqlite,
        closing(open_store(server.url)) as other,
    ):
        yield {"SQLite": sqlite, "PostgreSQL": other}


def engines() -> Iterator[Line]:
    """Measure the store on SQLite and PostgreSQL in turn, with a table of 500,000 sums and more."""
    keys = traffic.make_keys(STORED, 4)
    hour = next(_hours)
    with stores() as opened:
        for store in opened.values():
            for start in range(0, STORED, 100_000):
                store.add(_sums(keys[start : start + 100_000], hour))
        for rows, batches in BATCHES.items():
            for kind, make in (("new", _new), ("existing", _existing)):
                rates = {name: _rate(store, make(keys, hour, rows, batches)) for name, store in opened.items()}
                yield _side_by_side(f"Store: {kind} keys, {rows:,} rows a batch", rates, kind, rows)
        yield from _growth(opened["PostgreSQL"], keys, hour)


def served() -> Iterator[Line]:
    """Ask the local server on PostgreSQL what it is asked on SQLite elsewhere in the table."""
    reports = [post(traffic.make_report(10, seed)) for seed in range(3_000)]
    page = [get(f"/flows?hour={traffic.HOUR}")]
    with (
        tempfile.TemporaryDirectory() as folder,
        postgresql(DURABLE) as database,
        running(Path(folder), DATABASE_URL=database.url) as server,
    ):
        for name, requests, status in (("POSTs of 10 records", reports, 201), ("GET page 1", page, 200)):
            rates = {
                connections: statistics.median(
                    requests_a_second(server.port, cycle(requests), connections, SECONDS, status) for _ in range(3)
                )
                for connections in (16, 64)
            }
            figures = ", ".join(f"{connections}: {rate:,.0f}/s" for connections, rate in rates.items())
            yield Line(f"{name} on PostgreSQL, by connections", figures, "", "", True)


def _side_by_side(name: str, rates: dict[str, float], kind: str, rows: int) -> Line:
    figures = "; ".join(f"{engine} {rate:,.0f} rows/s" for engine, rate in rates.items())
    if (kind, rows) == ("existing", 100_000):
        return Line(name, figures, "", ">= 100,000 PostgreSQL", rates["PostgreSQL"] >= 100_000)
    return Line(name, figures, "", "", True)


def _growth(store: SumStore, keys: Sequence[traffic.Key], hour: int) -> Iterator[Line]:
    """Let one, two and four threads write existing keys: first the same ones, then each its own."""
    shares = {"the same keys": [keys] * 4, "keys of their own": [keys[number::4] for number in range(4)]}
    for name, share in shares.items():
        rates = {}
        for writers in WRITERS:
            batches = [list(_existing(own, hour, WRITERS_ROWS, 10)) for own in share[:writers]]
            started = time.perf_counter()
            with ThreadPoolExecutor(writers) as pool:
                list(pool.map(partial(_write, store), batches))
            rates[writers] = writers * 10 * WRITERS_ROWS / (time.perf_counter() - started)
        figures = ", ".join(f"{writers}: {rate:,.0f}" for writers, rate in rates.items()) + " rows/s"
        growth = rates[4] / rates[1]
        yield Line(f"Store: PostgreSQL, writers of {name}", figures, f"{growth:.2f}", ">= 1", growth >= 1)


def _write(store: SumStore, batches: Sequence[list[FlowSum]]) -> None:
    for sums in batches:
        store.add(sums)


def _rate(store: SumStore, batches: Iterator[list[FlowSum]]) -> float:
    return statistics.median(len(sums) / _seconds(store.add, sums) for sums in batches)


def _seconds(add: Callable[[Sequence[FlowSum]], None], sums: list[FlowSum]) -> float:
    started = time.perf_counter()
    add(sums)
    return time.perf_counter() - started


def _new(keys: Sequence[traffic.Key], hour: int, rows: int, batches: int) -> Iterator[list[FlowSum]]:
    """Make batches of keys that are new in their hour; each hour gets as many batches as come in it."""
    for start in range(batches):
        if start * rows % STORED == 0:
            fresh = next(_hours)
        place = start * rows % STORED
        yield _sums(keys[place : place + rows], fresh)


def _existing(keys: Sequence[traffic.Key], hour: int, rows: int, batches: int) -> Iterator[list[FlowSum]]:
    """Make batches of keys that are stored already, drawn from the whole hour."""
    rng = random.Random(rows)
    for _ in range(batches):
        yield _sums(rng.sample(keys, rows), hour)


def _sums(keys: Sequence[traffic.Key], hour: int) -> list[FlowSum]:
    rng = random.Random(len(keys))
    return sorted(
        (hour, *key, 1 + rng.randrange(5), int(rng.lognormvariate(13, 2)), int(rng.lognormvariate(12, 2)))
        for key in keys
    )
