"""Flow records out of files, as JSON objects: JSON arrays, NDJSON or CSV with a header line, plain or gzip."""

import csv
import gzip
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import msgspec

STANDARD_INPUT = "-"
_GZIP = b"\x1f\x8b"
_NUMBERS = {"hour", "bytes_tx", "bytes_rx"}


class Unreadable(Exception):
    """A file is not what can be read; the message is a sentence for whoever named it."""


class Source(NamedTuple):
    """An open file: its records, each the bytes of a JSON object, and how much of the file has been read."""

    records: Iterator[bytes]
    read: Callable[[], int]
    size: int | None


@contextmanager
def open_source(name: str) -> Iterator[Source]:
    """Open a file, or standard input, of whatever kind its beginning says it is. Raises Unreadable.

    NDJSON and CSV are read line by line, a JSON array as a whole.
    """
    try:
        raw = cast(BinaryIO, sys.stdin.buffer) if name == STANDARD_INPUT else open(name, "rb")  # noqa: SIM115
    except OSError as error:
        raise Unreadable(f"{name} cannot be read: {error.strerror}") from None
    with raw:
        counted = _Counted(raw)
        size = None if name == STANDARD_INPUT else Path(name).stat().st_size
        try:
            yield Source(_records(io.BufferedReader(counted, 1 << 16), name), lambda: counted.count, size)
        except (gzip.BadGzipFile, EOFError, UnicodeDecodeError, csv.Error) as error:
            raise Unreadable(f"{name} cannot be read: {error}") from None


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


def _records(file: io.BufferedReader, name: str) -> Iterator[bytes]:
    if file.peek(2).startswith(_GZIP):
        file = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=file)))
    start = file.peek(1 << 12).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"[":
        return _array(file, name)
    return _lines(file) if start in (b"{", b"") else _table(file)


def _array(file: io.BufferedReader, name: str) -> Iterator[bytes]:
    try:
        yield from map(bytes, msgspec.json.decode(file.read().removeprefix(b"\xef\xbb\xbf"), type=list[msgspec.Raw]))
    except msgspec.DecodeError as error:
        raise Unreadable(f"{name} is no JSON array: {error}") from None


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    for line in file:
        if record := line.strip(b"\xef\xbb\xbf \t\r\n"):
            yield record


def _table(file: io.BufferedReader) -> Iterator[bytes]:
    """Make objects of rows; what should be a number and is none stays text, for the server to refuse by name."""
    for row in csv.DictReader(io.TextIOWrapper(file, "utf-8-sig", newline="")):
        yield msgspec.json.encode({name: _value(name, value) for name, value in row.items() if name})


def _value(name: str, value: str | None) -> object:
    if value is not None and name in _NUMBERS and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    return value
