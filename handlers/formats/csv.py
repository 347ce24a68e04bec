"""CSV with a header line: RFC 4180. The columns may be in any order, and there may be others."""

import csv
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from handlers.batch import Batch
from handlers.diagnose import Found, check_utf8, read_record, sifted_batch
from handlers.formats.ndjson import lines_of
from handlers.formats.rows import Row, portions
from handlers.record import FlowRecord
from handlers.web import Fault, invalid

_NUMBERS = ("hour", "bytes_tx", "bytes_rx")
_MEMBERS = {field.name for field in msgspec.structs.fields(FlowRecord)}


def decode_table(body: bytes, max_flows: int, lenient: bool) -> Batch:
    """Read a flow object from each row. Raises RequestError 422 or 406; errors tell their ``line``."""
    check_utf8(body)
    return sifted_batch(_found(body), max_flows, lenient)


def write_table(members: Sequence[str], chunks: Iterable[Sequence[Row]]) -> Iterator[bytes]:
    """Write a header line and a line a row, some at a time, as ``decode_table`` reads them; None is an empty field.

    Lines end with CR LF, so that either is quoted within a name. Names are given as they are: a spreadsheet may take
    one for a formula, and whoever changed it would count another flow when it is posted again.
    """
    head = _lines([members])
    for rows in portions(chunks):
        yield head + _lines(rows)
        head = b""
    if head:
        yield head


def _lines(rows: Sequence[Sequence[object]]) -> bytes:
    sink = _Sink()
    csv.writer(sink, lineterminator="\r\n").writerows(rows)
    return "".join(sink.parts).encode()


class _Sink:
    """Where the library writes to: a list, by its own method."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.write = self.parts.append


def _found(body: bytes) -> Iterator[Found]:
    rows = csv.reader((line.decode() for line in lines_of(body.removeprefix(BOM_UTF8))), strict=True)
    names = _header(rows)
    line = rows.line_num + 1
    try:
        for row in rows:
            if row:
                yield Found(_read(names, row), line)
            line = rows.line_num + 1
    except csv.Error as error:
        raise invalid([Fault(("body",), f"No CSV: {error}", line)], 1) from None


def _header(rows: "Iterator[list[str]]") -> list[str]:
    try:
        names = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise invalid([Fault(("body",), f"No CSV: {error}", 1)], 1) from None
    if missing := sorted(_MEMBERS - set(names)):
        raise invalid([Fault(("body",), f"Expected a header line with {', '.join(missing)}", 1)], 1)
    if len(set(names) & _MEMBERS) < sum(name in _MEMBERS for name in names):
        raise invalid([Fault(("body",), "Expected each column once in the header line", 1)], 1)
    return names


def _read(names: list[str], row: list[str]) -> FlowRecord | list[Fault]:
    if len(row) != len(names):
        return [Fault((), f"Expected {len(names)} fields, as the header line has, got {len(row)}")]
    flow = {name: read_value(name, text) for name, text in zip(names, row, strict=True) if name in _MEMBERS}
    return read_record(msgspec.json.encode(flow))


def read_value(name: str, text: str) -> str | int:
    """Read a number where one belongs; what is none stays text, and is refused as that."""
    if name in _NUMBERS and text.isascii() and text.isdigit() and len(text) <= 19:
        return int(text)
    return text
