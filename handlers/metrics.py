"""The /metrics resource: what the local server counts, as Prometheus reads it.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from functools import cache
from typing import TYPE_CHECKING

from handlers.record import FlowStore, StoreUnavailable
from handlers.settings import Settings
from handlers.web import Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"})
"""The methods with a count of their own: a client may make up others without end."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """What one process has counted."""

    def __init__(self) -> None:
        """Begin at nothing, beside what the process itself has used."""
        # Imported here: the functions have no such library.
        from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        by_route = ("route", "method")
        self._requests = Counter("flows_http_requests", "Requests answered", (*by_route, "status"), registry=registry)
        self._seconds = Histogram(
            "flows_http_request_duration_seconds",
            "From the last byte of a request to its answer",
            by_route,
            buckets=SECONDS,
            registry=registry,
        )
        self._accepted = Counter("flows_records_accepted", "Flow records counted", registry=registry)
        self._refused = Counter("flows_records_refused", "Flow records refused", registry=registry)
        self._batches = Histogram("flows_commit_batches", "Batches a commit", buckets=BATCHES, registry=registry)
        self._commits = Histogram("flows_commit_seconds", "Seconds a commit", buckets=SECONDS, registry=registry)

    def count_request(self, request: Request, response: Response, seconds: float) -> None:
        """Count an answered request."""
        method = request.method if request.method in METHODS else "other"
        self._requests.labels(response.route, method, response.status).inc()
        self._seconds.labels(response.route, method).observe(seconds)
        if request.method == "POST":
            self._accepted.inc(response.records)
            self._refused.inc(response.refused)

    def count_commit(self, batches: int, seconds: float) -> None:
        """Count a transaction of so many batches that took so long."""
        self._batches.observe(batches)
        self._commits.observe(seconds)


@cache
def metrics() -> Metrics:
    """Begin to count when first asked, for the whole process."""
    return Metrics()


def get_metrics(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Write the counts in Prometheus's text format, and how large the store is, unless it does not answer."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    of_store = CollectorRegistry()
    of_store.register(_StoreSize(store))
    body = generate_latest(metrics().registry) + generate_latest(of_store)
    return Response(200, body, content_type=CONTENT_TYPE_LATEST)


class _StoreSize:
    """How large a store is, asked when it is told."""

    def __init__(self, store: FlowStore) -> None:
        self._store = store

    def collect(self) -> "Iterable[Metric]":
        from prometheus_client.core import GaugeMetricFamily

        try:
            size = self._store.size()
        except StoreUnavailable:
            return
        yield GaugeMetricFamily("flows_store_sums", "Sums stored", size.sums)
        yield GaugeMetricFamily("flows_store_bytes", "Bytes that the store takes on disk", size.bytes)
