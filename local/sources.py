"""Flow records out of files, as JSON objects: JSON arrays, NDJSON or CSV with a header line, plain or gzip."""

import csv
import gzip
import io
import os
import sys
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, TypeAlias, cast

import msgspec

from handlers.formats.csv import read_value
from handlers.record import FlowRecord

STANDARD_INPUT = "-"
_GZIP = b"\x1f\x8b"
_BLANK = BOM_UTF8 + b" \t\r\n"
_UNREADABLE = (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error)


class Unreadable(Exception):
    """A file is not what can be read; the message is a sentence for whoever named it."""


class Bad(NamedTuple):
    """What stands where a record should, and is none that could be sent."""

    why: str
    text: bytes


Item: TypeAlias = "bytes | Bad"
"""A record, as the bytes of a JSON object, or what stands in its place."""


class Source:
    """An open file.

    ``items`` are its records in order, ``size`` its bytes where these are known, and ``held`` tells, at the end,
    whether its last line was held back: it had no end, so whoever writes the file may not be done with it.
    """

    def __init__(self, raw: BinaryIO, name: str, size: int | None, final: bool) -> None:
        """Read from an open file of whatever kind its beginning says it is; ``final`` holds nothing back."""
        self.size = size
        self.held = False
        self._raw = raw
        self._counted = _Counted(raw)
        self._final = final
        self.items = self._told(name)

    @property
    def read(self) -> int:
        """How many bytes of the file have been read."""
        return self._counted.count

    def _told(self, name: str) -> Iterator[Item]:
        try:
            yield from self._items(io.BufferedReader(self._counted, 1 << 16))
        except _UNREADABLE as error:
            raise Unreadable(f"{name} cannot be read: {_reason(error)}") from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unreadable(f"{name} is no JSON array: {error}") from None
        if self.size is not None and os.fstat(self._raw.fileno()).st_size < self.size:
            raise Unreadable(f"{name} became shorter while it was read: see what of it has been counted")

    def _items(self, file: io.BufferedReader) -> Iterator[Item]:
        head, file = _begun(file)
        if head.startswith(_GZIP):
            head, file = _begun(io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=file))))
        start = head.lstrip(_BLANK)[:1]
        if start == b"[":
            elements = msgspec.json.decode(file.read().lstrip(_BLANK), type=list[msgspec.Raw])
            return map(_checked, map(bytes, elements))
        return self._lines(file) if start in (b"{", b"") else self._rows(file)

    def _lines(self, file: io.BufferedReader) -> Iterator[Item]:
        for line in file:
            text = line.strip(_BLANK)
            item = _checked(text)
            # Of an object that is whole there is no more to come, whether its line has an end or not.
            if isinstance(item, Bad) and not line.endswith(b"\n") and not self._final:
                self.held = bool(text)
            elif text:
                yield item

    def _rows(self, file: io.BufferedReader) -> Iterator[Item]:
        """Make objects of rows; what should be a number and is none stays text, for the service to refuse by name."""
        rows = csv.reader(self._whole_lines(file), strict=True)
        names: list[str] = []
        try:
            for row in rows:
                if row and names:
                    yield _object(names, row)
                elif row:
                    names = _header(row)
        except csv.Error:
            # A quoted field that has not been closed may yet be.
            if not self.held:
                raise

    def _whole_lines(self, file: io.BufferedReader) -> Iterator[str]:
        for number, line in enumerate(file):
            if line.endswith(b"\n") or self._final:
                yield (line.removeprefix(BOM_UTF8) if number == 0 else line).decode()
            else:
                self.held = True


@contextmanager
def open_source(name: str, *, final: bool = False) -> Iterator[Source]:
    """Open a file, or standard input. NDJSON and CSV are read line by line, a JSON array as a whole.

    Raises Unreadable, as reading the items does.
    """
    if name == STANDARD_INPUT:
        yield Source(cast(BinaryIO, sys.stdin.buffer), name, None, final=True)
        return
    try:
        raw = open(name, "rb")  # noqa: SIM115
        size = os.fstat(raw.fileno()).st_size
    except OSError as error:
        raise Unreadable(f"{name} cannot be read: {error.strerror}") from None
    with raw:
        yield Source(raw, name, size, final)


class _Counted(io.RawIOBase):
    """Counts the bytes that are read."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        part = self._raw.read(len(buffer))
        buffer[: len(part)] = part
        self.count += len(part)
        return len(part)


class _Again(io.RawIOBase):
    """Gives what has been read of a file once more, and then the rest."""

    def __init__(self, head: bytes, file: io.BufferedReader) -> None:
        self._head = head
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        part = self._head[: len(buffer)] or self._file.read1(len(buffer))
        self._head = self._head[len(part) :] if self._head else b""
        buffer[: len(part)] = part
        return len(part)


def _begun(file: io.BufferedReader) -> tuple[bytes, io.BufferedReader]:
    """Read until it shows what a file is, however little of it comes at a time."""
    head = b""
    while len(head) < len(_GZIP) or not head.strip(_BLANK):
        part = file.read1(1 << 12)
        if not part:
            break
        head += part
    return head, io.BufferedReader(_Again(head, file), 1 << 16)


def _checked(text: bytes) -> Item:
    """See whether a record can be part of an array: one that cannot would spoil the whole batch."""
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return Bad(f"no JSON: {error}", text)
    return text


def _header(row: list[str]) -> list[str]:
    """Read the header line of a CSV file. Raises csv.Error when it lacks a column: the file is of another kind."""
    names = [name.strip() for name in row]
    if missing := [name for name in FlowRecord.__struct_fields__ if name not in names]:
        raise csv.Error(
            f"it is neither JSON nor CSV with the columns of flow records; its first line lacks {', '.join(missing)}"
        )
    return names


def _reason(error: Exception) -> str:
    """Say in a user's words why a file cannot be read."""
    match error:
        case UnicodeDecodeError():
            return "it is neither JSON nor CSV in UTF-8"
        case EOFError():
            return "its gzip data ends too early"
        case gzip.BadGzipFile() | zlib.error():
            return "its gzip data is damaged"
        case OSError(strerror=str(reason)):
            return reason
    return str(error)


def _object(names: list[str], row: list[str]) -> Item:
    if len(row) != len(names):
        return Bad(f"{len(row)} fields, where the header line has {len(names)}", repr(row).encode())
    return msgspec.json.encode({name: read_value(name, text) for name, text in zip(names, row, strict=True) if name})
