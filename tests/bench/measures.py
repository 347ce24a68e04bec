"""What is measured: each function asks both servers in turn and returns lines of the table."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec

from handlers.record import FlowRecord
from tests.bench import traffic
from tests.bench.line import Line
from tests.bench.load import Connection, get, post, requests_a_second
from tests.process import Running, megabytes

ROUNDS = 7
LARGE_ROUNDS = 15
AT_ONCE = 16
SECONDS = 2.0
RECORDS = 100_000
LARGE_HOUR = traffic.HOUR + 1_000
SMALL_HOUR = traffic.HOUR + 2_000
LARGE_HOUR_FLOWS = 1_000_000


def milliseconds(action: Callable[[], object]) -> float:
    """Time one call."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1e3


def _answered(connection: Connection, request: bytes) -> float:
    return milliseconds(lambda: connection.ask(request))


def large_posts(noop: Running, ours: Running) -> Iterator[Line]:
    """One POST after another of 100,000 records over 10,000 keys, against receiving plus decoding alone."""
    body = traffic.make_batch(traffic.make_keys(10_000, 1), RECORDS, 1)
    decoder = msgspec.json.Decoder(list[FlowRecord])
    request, empty, full = post(body), Connection(noop.port), Connection(ours.port)
    received: list[float] = []
    decoded: list[float] = []
    taken: list[float] = []
    # The first time the keys are new.
    full.ask(request)
    for _ in range(LARGE_ROUNDS):
        received.append(_answered(empty, request))
        decoded.append(milliseconds(lambda: decoder.decode(body)))
        taken.append(_answered(full, request))
    limit, median = statistics.median(received) + statistics.median(decoded), statistics.median(taken)
    figures = (
        f"{median:.0f} ms ({RECORDS / median * 1e3:,.0f} records/s); "
        f"receive {statistics.median(received):.0f} + decode {statistics.median(decoded):.0f} ms"
    )
    yield _at_most("POST of 100,000 records, 10,000 keys", figures, median / limit, 2.2)


def distinct_posts(ours: Running) -> Iterator[Line]:
    """POSTs of 100,000 records with as many keys, new in their hour each time."""
    keys = traffic.make_keys(RECORDS, 2)
    connection = Connection(ours.port)
    requests = [post(traffic.make_batch(keys, RECORDS, 2, traffic.HOUR + 100 + number)) for number in range(ROUNDS)]
    taken = [_answered(connection, request) for request in requests]
    rate = RECORDS / statistics.median(taken) * 1e3
    figures = f"{statistics.median(taken):.0f} ms ({rate:,.0f} records/s)"
    yield Line("POST of 100,000 records, all keys new", figures, "", ">= 180,000 records/s", rate >= 180_000)


def small_posts(noop: Running, ours: Running) -> Iterator[Line]:
    """POSTs of 10 records, each an agent's report, synced to disk, from many connections."""
    reports = [post(traffic.make_report(10, seed)) for seed in range(3_000)]
    for connections, least in ((16, 0.45), (64, 0.6)):
        rates = _rates(noop, ours, reports, reports, connections, (201, 201))
        yield _at_least(f"POSTs of 10 records, {connections} connections", *rates, least)
    yield _keyed_posts(ours)


def _keyed_posts(ours: Running) -> Line:
    """The same from 16 connections, each with a key of its own, against those without, in turn."""
    bodies = [traffic.make_report(10, seed) for seed in range(3_000)]
    plain = itertools.cycle([post(body) for body in bodies])
    keyed = (post(body, f"agent-{number:09}") for number, body in enumerate(itertools.cycle(bodies)))
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for requests, seen in zip((plain, keyed), rates, strict=True):
            seen.append(requests_a_second(ours.port, requests, 16, SECONDS, 201))
    without, with_key = map(statistics.median, rates)
    figures = f"{with_key:,.0f}/s; without {without:,.0f}/s"
    return Line("POSTs of 10 records with keys, 16 connections", figures, f"{with_key / without:.2f}", "", True)


def pages(noop: Running, ours: Running) -> Iterator[Line]:
    """Pages of an hour of 1,000,000 flows."""
    fill(ours)
    first = [get(f"/flows?hour={LARGE_HOUR}")]
    yield _at_least("GET page 1 of 1,000,000, 16 connections", *_rates(noop, ours, first, first, 16, (201, 200)), 0.6)
    connection = Connection(ours.port)
    asked = {name: get(path) for name, path in _page_paths()}
    taken = {name: statistics.median(_answered(connection, asked[name]) for _ in range(200)) for name in asked}
    for name in ("last", "middle"):
        yield Line(f"GET {name} page of 1,000,000", f"{taken[name]:.2f} ms", "", "<= 50 ms", taken[name] <= 50)
    yield _at_most(
        "GET page 1 of 1,000,000, against one of 100",
        f"{taken['first']:.2f} ms; {taken['small']:.2f} ms",
        taken["first"] / taken["small"],
        1.5,
    )


def _page_paths() -> Iterable[tuple[str, str]]:
    last = LARGE_HOUR_FLOWS // 50
    return (
        ("first", f"/flows?hour={LARGE_HOUR}"),
        ("middle", f"/flows?hour={LARGE_HOUR}&page={last // 2}"),
        ("last", f"/flows?hour={LARGE_HOUR}&page={last}"),
        ("small", f"/flows?hour={SMALL_HOUR}"),
    )


def fill(ours: Running) -> None:
    """Post an hour of 1,000,000 flows and one of 100."""
    keys = traffic.make_keys(LARGE_HOUR_FLOWS, 3)
    connection = Connection(ours.port)
    for start in range(0, LARGE_HOUR_FLOWS, RECORDS):
        body = traffic.make_batch(keys[start : start + RECORDS], RECORDS, start, LARGE_HOUR)
        if connection.ask(post(body)) != 201:
            raise RuntimeError("the server refused a batch")
    connection.ask(post(traffic.make_batch(keys[:100], 100, 4, SMALL_HOUR)))


def memory(ours: Running) -> Iterator[Line]:
    """Peak resident memory of a fresh server that takes large POSTs one after another, then many at once."""
    few = post(traffic.make_batch(traffic.make_keys(10_000, 1), RECORDS, 1))
    many = post(traffic.make_batch(traffic.make_keys(RECORDS, 2), RECORDS, 2))
    connection = Connection(ours.port)
    for request in (few, many) * ROUNDS:
        connection.ask(request)
    yield _peak(ours, "Peak memory in 100,000-record POSTs")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # Some of them may have to wait for longer than a request does: what is refused costs nothing.
        list(pool.map(lambda _: ours.talk(many.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)), range(AT_ONCE)))
    yield _peak(ours, f"The same, {AT_ONCE} at once")


def _peak(ours: Running, name: str) -> Line:
    peak = megabytes(ours.process.pid, "VmHWM")
    return Line(name, f"{peak:.0f} MB", "", "<= 200 MB", peak <= 200)


def _rates(
    noop: Running,
    ours: Running,
    to_noop: Iterable[bytes],
    to_ours: Iterable[bytes],
    connections: int,
    statuses: tuple[int, int],
) -> tuple[float, float]:
    """Take turns between the servers; the medians of their requests a second."""
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for server, requests, status, seen in zip((noop, ours), (to_noop, to_ours), statuses, rates, strict=True):
            seen.append(requests_a_second(server.port, itertools.cycle(requests), connections, SECONDS, status))
    return statistics.median(rates[0]), statistics.median(rates[1])


def _at_least(name: str, limit: float, rate: float, least: float) -> Line:
    ratio = rate / limit
    return Line(name, f"{rate:,.0f}/s; no-op {limit:,.0f}/s", f"{ratio:.2f}", f">= {least}", ratio >= least)


def _at_most(name: str, figures: str, ratio: float, most: float) -> Line:
    return Line(name, figures, f"{ratio:.2f}", f"<= {most}", ratio <= most)
