"""NDJSON: a flow object a line.

https://github.com/ndjson/ndjson-spec
"""

from collections.abc import Iterator, Sequence

import msgspec

from handlers.batch import Bad, Batch, Piece
from handlers.diagnose import TOO_LONG, check_utf8, read_record
from handlers.record import MAX_RECORD_BYTES, FlowRecord, well_named
from handlers.web import Fault

_LINES = msgspec.json.Decoder(FlowRecord)


def decode_lines(body: bytes, max_flows: int, lenient: bool) -> Batch:
    """Read a flow object from each line that is not blank, some lines at a time; each error has its ``line``."""
    return Batch(_pieces(body), max_flows, lenient)


def _pieces(body: bytes) -> Iterator[Piece]:
    """Read as many whole lines at once as one record may take bytes, and line by line where one of them is bad."""
    check_utf8(body)
    start, number = 0, 1
    while start < len(body):
        end = len(body)
        if end - start > MAX_RECORD_BYTES:
            end = body.rfind(b"\n", start, start + MAX_RECORD_BYTES + 1) + 1
        if not end:
            yield Bad((TOO_LONG,), number)
            start, number = (body.find(b"\n", start) + 1) or len(body), number + 1
            continue
        part = body[start:end]
        if (records := _decode_part(part)) is None:
            yield from _decode_lines(part, number)
        elif records:
            yield records
        start, number = end, number + part.count(b"\n")


def _decode_part(part: bytes) -> Sequence[FlowRecord] | None:
    """Read lines of good records, or return None where any of them is bad."""
    if part.isspace():
        return ()
    try:
        records = _LINES.decode_lines(part)
    except (msgspec.MsgspecError, RecursionError):
        return None
    # What is spread over several lines, or shares one, is no line.
    lines = sum(map(bool, map(bytes.strip, part.split(b"\n"))))
    return records if len(records) == lines and all(map(well_named, records)) else None


def _decode_lines(part: bytes, number: int) -> Iterator[Piece]:
    for line in part.split(b"\n"):
        if line.strip():
            what = _read(line)
            yield [what] if isinstance(what, FlowRecord) else Bad(what, number)
        number += 1


def _read(line: bytes) -> FlowRecord | list[Fault]:
    try:
        return read_record(line)
    except msgspec.DecodeError as error:
        return [Fault((), str(error))]
    except RecursionError:
        return [Fault((), "JSON is nested too deeply")]
