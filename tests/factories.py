"""What tests are made from: one valid thing each, with changes."""

from typing import Any

import msgspec

from handlers.record import Delivery, FlowRecord, FlowSum

SAMPLE = [
    {"src_app": "foo", "dest_app": "bar", "vpc_id": "vpc-0", "bytes_tx": 100, "bytes_rx": 300, "hour": 1},
    {"src_app": "foo", "dest_app": "bar", "vpc_id": "vpc-0", "bytes_tx": 200, "bytes_rx": 600, "hour": 1},
    {"src_app": "baz", "dest_app": "qux", "vpc_id": "vpc-0", "bytes_tx": 100, "bytes_rx": 500, "hour": 1},
    {"src_app": "baz", "dest_app": "qux", "vpc_id": "vpc-0", "bytes_tx": 100, "bytes_rx": 500, "hour": 2},
    {"src_app": "baz", "dest_app": "qux", "vpc_id": "vpc-1", "bytes_tx": 100, "bytes_rx": 500, "hour": 2},
]
SAMPLE_HOUR_2 = (
    b'{"items":[{"src_app":"baz","dest_app":"qux","vpc_id":"vpc-0","hour":2,"bytes_rx":500,"bytes_tx":100},'
    b'{"src_app":"baz","dest_app":"qux","vpc_id":"vpc-1","hour":2,"bytes_rx":500,"bytes_tx":100}],'
    b'"total":2,"page":1,"size":50}'
)


def make_flow(**changes: Any) -> dict[str, Any]:
    """Make a flow object as an agent would send it."""
    return {
        "src_app": "foo",
        "dest_app": "bar",
        "vpc_id": "vpc-0",
        "hour": 1,
        "bytes_tx": 100,
        "bytes_rx": 300,
        **changes,
    }


def make_record(**changes: Any) -> FlowRecord:
    """Make a flow record."""
    return FlowRecord(**make_flow(**changes))


def make_sum(
    src_app: str = "foo",
    dest_app: str = "bar",
    vpc_id: str = "vpc-0",
    *,
    hour: int = 1,
    records: int = 1,
    bytes_rx: int = 300,
    bytes_tx: int = 100,
) -> FlowSum:
    """Make a key's sum as the store takes it."""
    return hour, src_app, dest_app, vpc_id, records, bytes_rx, bytes_tx


def make_delivery(
    key: str = "key-1", *, scope: str = "", fingerprint: bytes = b"sent", answer: bytes = b"{}"
) -> Delivery:
    """Make a batch's mark."""
    return Delivery(scope, key, fingerprint, answer)


def to_json(value: Any) -> bytes:
    """Write a body."""
    return msgspec.json.encode(value)


def from_json(body: bytes) -> Any:
    """Read an answer."""
    return msgspec.json.decode(body)
