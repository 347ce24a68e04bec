"""Questions of a database of 10,000,000 sums over 100 hours, asked over HTTP, one at a time."""

import itertools
import random
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from handlers.record import FlowSum
from storage import open_store
from tests.bench import traffic
from tests.bench.line import Line
from tests.bench.load import Connection, get
from tests.bench.measures import milliseconds
from tests.process import Running, running

HOURS = 100
SUMS_AN_HOUR = 100_000
_FIRST = traffic.HOUR
_DAY = f"from={_FIRST}&to={_FIRST + 24}"

LIMITED = (
    ("GET top 10 edges of an hour", f"/graph?hour={_FIRST + 50}&top=10", 150),
    ("GET totals by hour, 100 hours", "/flows?from=0&group_by=hour&size=1000", 50),
    ("GET by src_app, 24 hours", f"/flows?{_DAY}&group_by=src_app", 1_500),
)
"""What is asked, and how many milliseconds it may take."""

TOLD = (
    ("GET by dest_app, 24 hours", f"/flows?{_DAY}&group_by=dest_app"),
    ("GET /apps, either end, 24 hours", f"/apps?{_DAY}"),
    ("GET /apps of an hour by prefix", f"/apps?hour={_FIRST}&prefix=web-00"),
    ("GET an app's bytes by hour, 24 hours", f"/flows?{_DAY}&app=web-0022&group_by=hour"),
    ("GET top 10 edges, 24 hours", f"/graph?{_DAY}&top=10"),
    ("GET /hours", "/hours"),
    ("GET a step by cursor, 100 hours", "/flows?from=0&cursor=&size=1000"),
)


def questions() -> Iterator[Line]:
    """Fill a database, and ask."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/flows.db"
        _fill(url)
        with running(Path(folder), DATABASE_URL=url) as full, tempfile.TemporaryDirectory() as other:
            with running(Path(other)) as empty:
                yield _page(full, empty)
            yield from _asked(full)


def _fill(url: str) -> None:
    keys = sorted(traffic.make_keys(SUMS_AN_HOUR, 5))
    rng = random.Random(5)
    sizes = [int(rng.lognormvariate(13, 2)) for _ in range(SUMS_AN_HOUR + 1)]
    with closing(open_store(url)) as store:
        for hour in range(_FIRST, _FIRST + HOURS):
            some = itertools.cycle(sizes)
            sums: list[FlowSum] = [(hour, *key, 1 + hour % 5, next(some), next(some)) for key in keys]
            store.add(sums)


def _page(full: Running, empty: Running) -> Line:
    """A page of an hour, against the same question to a database that has nothing."""
    asked = get(f"/flows?hour={_FIRST}")
    connections = [Connection(server.port) for server in (full, empty)]
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(500):
        for connection, seen in zip(connections, taken, strict=True):
            seen.append(milliseconds(partial(connection.ask, asked)))
    full_ms, empty_ms = map(statistics.median, taken)
    ratio = full_ms / empty_ms
    figures = f"{full_ms:.2f} ms; {empty_ms:.2f} ms"
    return Line("GET a page, 10,000,000 sums against none", figures, f"{ratio:.2f}", "<= 1.5", ratio <= 1.5)


def _asked(full: Running) -> Iterator[Line]:
    connection = Connection(full.port)
    for name, path, most in LIMITED:
        taken = _median(connection, path)
        yield Line(name, f"{taken:,.0f} ms", "", f"<= {most:,} ms", taken <= most)
    for name, path in TOLD:
        yield Line(name, f"{_median(connection, path):,.1f} ms", "", "", True)


def _median(connection: Connection, path: str) -> float:
    request = get(path)
    connection.ask(request)
    return statistics.median(milliseconds(partial(connection.ask, request)) for _ in range(5))
