"""Flow records <-> bytes: an array of flow objects in, answers out."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from handlers.batch import Batch, BatchAccepted, BatchSifted
from handlers.record import FlowRecord, well_named

if TYPE_CHECKING:
    from handlers.question import HourPage

_BATCH = msgspec.json.Decoder(list[FlowRecord])
_ENCODER = msgspec.json.Encoder()

_REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_PART = 1 << 18


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


def decode(body: bytes, max_flows: int) -> Iterator[FlowRecord]:
    """Read a JSON array of flow objects, a part at a time.

    Raises RequestError (422), possibly after some records, that names each bad record and member, or only the first
    where the array holds more than ``max_flows`` elements: naming all of a hostile 12 MB would take 500 MB. Unknown
    members are ignored; of a repeated member the last counts (RFC 8259 leaves it open).
    """
    return chain.from_iterable(_decode_parts(body, max_flows))


def decode_leniently(body: bytes, max_flows: int) -> Batch:
    """Read a JSON array of flow objects, leaving out those that are bad.

    Raises RequestError 422 where the body is no JSON array, 406 where it holds more than ``max_flows`` elements.
    """
    _is_suspect(body)
    return _decode_whole(body, max_flows, lenient=True)


def _decode_parts(body: bytes, max_flows: int) -> Iterator[list[FlowRecord]]:
    suspect = _is_suspect(body)
    done = 0
    for part in _parts(body):
        try:
            records = _BATCH.decode(part)
        except _REFUSALS:
            records = []
        if not records or (suspect and not all(map(well_named, records))):
            yield list(_decode_whole(body, max_flows).records)[done:]
            return
        done += len(records)
        yield records


def _parts(body: bytes) -> Iterator[bytes]:
    """Cut an array of objects into smaller ones: fresh records then stay in the processor's cache until summed.

    A cut is made where an object ends before a comma. Where that is within a string or a member, the part before it
    is no JSON, since what it leaves open is not closed; where it is before a stray comma, a later part is empty or
    no JSON. So when every part is an array of at least one, the whole is that of them all.
    """
    view = memoryview(body)
    start = 0
    while (end := body.rfind(b"},", start, start + _PART) + 1) and len(body) - start > _PART:
        yield b"".join((b"[" if start else b"", view[start:end], b"]"))
        start = end + 1
    yield b"[" + body[start:] if start else body


def _is_suspect(body: bytes) -> bool:
    """Tell whether a body may hold what the types do not rule out. Raises RequestError (422) where it is no UTF-8."""
    suspect = b"\\u" in body or not body.isascii()
    if suspect:
        # Imported where it is needed, as below: a cold start of a function is a third more than its libraries.
        from handlers.diagnose import check_utf8

        check_utf8(body)
    return suspect


def _decode_whole(body: bytes, max_flows: int, *, lenient: bool = False) -> Batch:
    try:
        records = _BATCH.decode(body)
    except _REFUSALS:
        records = None
    if records is not None and all(map(well_named, records)):
        return Batch(records, lenient)
    from handlers.diagnose import look_again

    return look_again(body, max_flows, lenient=lenient)
