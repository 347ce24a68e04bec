"""CSV with a header line: RFC 4180. The columns may be in any order, and there may be others."""

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from handlers.batch import Bad, Batch, Piece
from handlers.diagnose import check_utf8, read_record
from handlers.formats.rows import Row, portions
from handlers.record import MAX_RECORD_BYTES, FlowRecord
from handlers.web import Fault, RequestError, invalid

_NUMBERS = ("hour", "bytes_tx", "bytes_rx")
_BLANK = re.compile(rb"(?:\r?\n)+")
# The expression needs 100 bytes of memory for each line that it passes.
_BLANK_STEP = 2_048
_MEMBERS = {field.name for field in msgspec.structs.fields(FlowRecord)}

MAX_COLUMNS = 100
"""Columns that a header line may name: the six of a record, and those that are ignored."""


def decode_table(body: bytes, max_flows: int, lenient: bool) -> Batch:
    """Read a flow object from each row, one at a time; each error has its ``line``."""
    return Batch(_pieces(body), max_flows, lenient)


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


class _Lines:
    """The lines of a body as text, for the library, which would put rows of any length together from them."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._place = self._row = len(BOM_UTF8) if body.startswith(BOM_UTF8) else 0
        self.number = 1
        """The next line's, from 1."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Give the next line. Raises csv.Error where its row is longer than a record may be."""
        start, most = self._place, self._row + MAX_RECORD_BYTES
        if start == len(self._body):
            raise StopIteration
        self._place = self._body.find(b"\n", start, most + 1) + 1
        if not self._place:
            if len(self._body) > most:
                raise csv.Error(f"a row is longer than {MAX_RECORD_BYTES} bytes")
            self._place = len(self._body)
        self.number += 1
        return self._body[start : self._place].decode()

    def end_row(self) -> None:
        """Begin another row, after empty lines, which may be millions."""
        while self._body.startswith((b"\n", b"\r\n"), self._place):
            blank = _BLANK.match(self._body, self._place, self._place + _BLANK_STEP)
            if blank is None:
                break
            self.number += blank[0].count(b"\n")
            self._place = blank.end()
        self._row = self._place


def _pieces(body: bytes) -> Iterator[Piece]:
    check_utf8(body)
    lines = _Lines(body)
    rows = csv.reader(lines, strict=True)
    names = _header(rows)
    lines.end_row()
    line = lines.number
    try:
        for row in rows:
            if row:
                what = _read(names, row)
                yield [what] if isinstance(what, FlowRecord) else Bad(what, line)
            lines.end_row()
            line = lines.number
    except csv.Error as error:
        raise _no_table(f"No CSV: {error}", line) from None


def _header(rows: "Iterator[list[str]]") -> list[str]:
    try:
        names = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise _no_table(f"No CSV: {error}", 1) from None
    if len(names) > MAX_COLUMNS:
        raise _no_table(f"The header line names {len(names)} columns, more than {MAX_COLUMNS}", 1)
    if missing := sorted(_MEMBERS - set(names)):
        raise _no_table(f"Expected a header line with {', '.join(missing)}", 1)
    if len(set(names) & _MEMBERS) < sum(name in _MEMBERS for name in names):
        raise _no_table("Expected each column once in the header line", 1)
    return names


def _no_table(message: str, line: int) -> RequestError:
    return invalid([Fault(("body",), message, line)], 1)


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
