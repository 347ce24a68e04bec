"""NDJSON: a flow object a line.

https://github.com/ndjson/ndjson-spec
"""

import re
from collections.abc import Iterator

import msgspec

from handlers.batch import Batch
from handlers.diagnose import Found, check_utf8, read_record, sifted_batch
from handlers.record import FlowRecord, well_named
from handlers.web import Fault

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_LINES = msgspec.json.Decoder(FlowRecord)


def decode_lines(body: bytes, max_flows: int, lenient: bool) -> Batch:
    """Read a flow object from each line that is not blank.

    Raises RequestError 422 or 406; errors tell their ``line``.
    """
    check_utf8(body)
    try:
        records = _LINES.decode_lines(body)
        # What is spread over several lines, or shares one, is no line.
        if len(records) == sum(1 for line in lines_of(body) if line.strip()) and all(map(well_named, records)):
            return Batch(records, lenient)
    except (msgspec.MsgspecError, RecursionError):
        pass
    return sifted_batch(_found(body), max_flows, lenient)


def lines_of(body: bytes) -> Iterator[bytes]:
    """Cut a body into its lines, one at a time: a list of them would take several times the body."""
    for line in _LINE.finditer(body):
        yield line[0]


def _found(body: bytes) -> Iterator[Found]:
    for number, line in enumerate(lines_of(body), start=1):
        if line.strip():
            yield Found(_read(line), number)


def _read(line: bytes) -> FlowRecord | list[Fault]:
    try:
        return read_record(line)
    except msgspec.DecodeError as error:
        return [Fault((), str(error))]
    except RecursionError:
        return [Fault((), "JSON is nested too deeply")]
