"""Flow records <-> bytes: an array of flow objects in, answers out."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from handlers.batch import Batch, BatchAccepted, BatchSifted, Piece
from handlers.record import MAX_RECORD_BYTES, FlowRecord, well_named

if TYPE_CHECKING:
    from handlers.question import HourPage

_BATCH = msgspec.json.Decoder(list[FlowRecord])
_ENCODER = msgspec.json.Encoder()

_REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_PART = MAX_RECORD_BYTES
"""Bytes decoded at a time. A longer record fits into no part, and so is found where it is read by itself."""


class AggregatedFlow(msgspec.Struct):
    """A sum as it is answered; its members come in this order."""

    src_app: str
    dest_app: str
    vpc_id: str
    hour: int
    bytes_rx: int
    bytes_tx: int


class FlowPage(msgspec.Struct):
    """The answer to a question about an hour."""

    items: list[AggregatedFlow]
    total: int
    page: int
    size: int


def encode(answer: FlowPage | BatchAccepted | BatchSifted) -> bytes:
    """Write an answer as compact JSON."""
    return _ENCODER.encode(answer)


def flow_page(found: "HourPage", page: int, size: int) -> FlowPage:
    """Put an hour's sums into the shape of the answer."""
    items = [AggregatedFlow(src, dest, vpc, hour, rx, tx) for hour, src, dest, vpc, _, rx, tx in found.sums]
    return FlowPage(items, found.total, page, size)


def decode(body: bytes, max_flows: int, lenient: bool = False) -> Batch:
    """Read a JSON array of flow objects, a part at a time, while the batch's records are taken.

    Unknown members are ignored; of a repeated member the last counts (RFC 8259 leaves it open).
    """
    return Batch(_pieces(body), max_flows, lenient)


def _pieces(body: bytes) -> Iterator[Piece]:
    """Cut an array of objects into smaller ones: fresh records then stay in the processor's cache until summed.

    A cut is made where an object ends before a comma. Where that is within a string or a member, the part before it
    is no JSON, since what it leaves open is not closed; where it is before a stray comma, a later part is empty or
    no JSON. So when every part is an array of at least one, the whole is that of them all. A part that is none is read
    element by element.
    """
    if not body.isascii():
        # Imported where it is needed, as below: a cold start of a function is a third more than its libraries.
        from handlers.diagnose import check_utf8

        check_utf8(body)
    view = memoryview(body)
    start = 0
    while start < len(body) or not start:
        last = len(body) - start <= _PART
        end = len(body) if last else body.rfind(b"},", start, start + _PART) + 1
        records = _decode_part(b"".join((b"[" if start else b"", view[start:end], b"" if last else b"]")))
        if records or (records == [] and last and not start):
            yield records
            start = end + 1
        else:
            from handlers.diagnose import read_elements

            start = yield from read_elements(body, start, end or start + _PART)


def _decode_part(part: bytes) -> Sequence[FlowRecord] | None:
    """Read an array of good records, or return None where anything in it is not."""
    try:
        records = _BATCH.decode(part)
    except _REFUSALS:
        return None
    # What the types do not rule out is only in a part that looks like this.
    if (b"\\u" in part or not part.isascii()) and not all(map(well_named, records)):
        return None
    return records
