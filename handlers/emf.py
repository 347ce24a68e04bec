"""The functions' metrics: a line of CloudWatch's embedded metric format for each request.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from typing import TYPE_CHECKING, Any

import msgspec

from handlers import request_id
from handlers.web import METHODS, Request, Response

if TYPE_CHECKING:
    from handlers.question import StoreSize

NAMESPACE = "FlowAggregation"


def metrics_line(
    request: Request, response: Response, seconds: float, commit_seconds: float | None, epoch_seconds: float
) -> str:
    """Write a request's counts: the same as the local server's /metrics has. A function commits a batch at a time.

    Each combination of dimensions is a metric that is paid for, so that only requests are told by status.
    """
    counts: dict[str, float] = {"Requests": 1, "DurationSeconds": round(seconds, 6)}
    told = [
        _directive(["Route", "Method", "Status"], {"Requests": "Count"}),
        _directive(["Route", "Method"], {"DurationSeconds": "Seconds"}),
    ]
    if request.method == "POST":
        counts |= {"RecordsAccepted": response.records, "RecordsRefused": response.refused}
        told.append(_directive([], {"RecordsAccepted": "Count", "RecordsRefused": "Count"}))
    if commit_seconds is not None:
        counts |= {"CommitBatches": 1, "CommitSeconds": round(commit_seconds, 6)}
        told.append(_directive([], {"CommitBatches": "Count", "CommitSeconds": "Seconds"}))
    line = {
        "_aws": {"Timestamp": int(epoch_seconds * 1_000), "CloudWatchMetrics": told},
        "Route": response.route,
        "Method": request.method if request.method in METHODS else "other",
        "Status": str(response.status),
        "request_id": request_id.current(),
        **counts,
    }
    return msgspec.json.encode(line).decode()


def size_line(size: "StoreSize", epoch_seconds: float) -> str:
    """Write how large the store is: asking at each request would take longer than most of them."""
    told = [_directive([], {"StoreSums": "Count", "StoreBytes": "Bytes"})]
    line = {
        "_aws": {"Timestamp": int(epoch_seconds * 1_000), "CloudWatchMetrics": told},
        "StoreSums": size.sums,
        "StoreBytes": size.bytes,
    }
    return msgspec.json.encode(line).decode()


def _directive(dimensions: list[str], metrics: dict[str, str]) -> dict[str, Any]:
    named = [{"Name": name, "Unit": unit} for name, unit in metrics.items()]
    return {"Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": named}
