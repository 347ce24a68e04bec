"""The /metrics resource: what the local server counts, as Prometheus reads it.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import threading
from bisect import bisect_left
from collections import Counter, deque
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

from handlers.record import FlowStore, StoreUnavailable
from handlers.settings import Settings
from handlers.web import METHODS, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client import Metric

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCHES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
_GATHERED = 1_000


class Distribution:
    """How many values were at most each bound, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Begin without any."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Tell how many there were up to each bound, as Prometheus wants it."""
        names = [*map(str, self._bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))


class Metrics:
    """What one process has counted.

    Requests are gathered, and counted many at once: the library's own counters, a lock and a look-up each, took 14 µs
    a request, a tenth of what a small POST takes.
    """

    def __init__(self) -> None:
        """Begin at nothing."""
        self._lock = threading.Lock()
        self._gathered: deque[tuple[str, str, int, float, int, int]] = deque()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._seconds: dict[tuple[str, str], Distribution] = {}
        self._accepted = self._refused = 0
        self._batches = Distribution(BATCHES)
        self._commits = Distribution(SECONDS)

    def count_request(self, request: Request, response: Response, seconds: float) -> None:
        """Count an answered request."""
        posted = request.method == "POST"
        taken = (response.records, response.refused) if posted else (0, 0)
        self._gathered.append((response.route, request.method, response.status, seconds, *taken))
        if len(self._gathered) >= _GATHERED:
            self._count_gathered()

    def count_commit(self, batches: int, seconds: float) -> None:
        """Count a transaction of so many batches that took so long."""
        with self._lock:
            self._batches.observe(batches)
            self._commits.observe(seconds)

    def answered(self) -> int:
        """Return how many requests have been answered."""
        self._count_gathered()
        return self._requests.total()

    def _count_gathered(self) -> None:
        with self._lock:
            # Others may still append.
            for _ in range(len(self._gathered)):
                route, method, status, seconds, accepted, refused = self._gathered.popleft()
                method = method if method in METHODS else "other"
                self._requests[route, method, str(status)] += 1
                if (route, method) not in self._seconds:
                    self._seconds[route, method] = Distribution(SECONDS)
                self._seconds[route, method].observe(seconds)
                self._accepted += accepted
                self._refused += refused

    def describe(self) -> "Iterable[Metric]":
        """Tell no names beforehand: see StoreGauges."""
        return ()

    def collect(self) -> "Iterator[Metric]":
        """Tell the counts, in the library's words."""
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        self._count_gathered()
        with self._lock:
            requests = CounterMetricFamily(
                "flows_http_requests", "Requests answered", labels=("route", "method", "status")
            )
            for labels, count in self._requests.items():
                requests.add_metric(labels, count)
            duration = HistogramMetricFamily(
                "flows_http_request_duration_seconds",
                "From the last byte of a request to its answer",
                labels=("route", "method"),
            )
            for route, seen in self._seconds.items():
                duration.add_metric(route, seen.buckets(), seen.total)
            yield from (requests, duration)
            yield CounterMetricFamily("flows_records_accepted", "Flow records counted", self._accepted)
            yield CounterMetricFamily("flows_records_refused", "Flow records refused", self._refused)
            for name, text, seen in (
                ("flows_commit_batches", "Batches a commit", self._batches),
                ("flows_commit_seconds", "Seconds a commit", self._commits),
            ):
                yield HistogramMetricFamily(name, text, seen.buckets(), seen.total)


@cache
def metrics() -> Metrics:
    """Begin to count when first asked, for the whole process."""
    return Metrics()


class StoreGauges:
    """How large a store is, asked when it is told; nothing where it does not answer."""

    def __init__(self, store: FlowStore) -> None:
        """Name the store."""
        self._store = store

    def describe(self) -> "Iterable[Metric]":
        """Tell no names beforehand: else the registry would ask the store twice."""
        return ()

    def collect(self) -> "Iterable[Metric]":
        """Ask, and tell."""
        from prometheus_client.core import GaugeMetricFamily

        try:
            size = self._store.size()
        except StoreUnavailable:
            return
        yield GaugeMetricFamily("flows_store_sums", "Sums stored", size.sums)
        yield GaugeMetricFamily("flows_store_bytes", "Bytes that the store takes on disk", size.bytes)


def get_metrics(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Write what was counted, how large the store is, and what the process uses, in Prometheus's text format."""
    # Imported here: the functions have no such library.
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for collector in (metrics(), StoreGauges(store)):
        registry.register(collector)
    return Response(200, generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
