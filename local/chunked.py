"""Decodes chunked bodies strictly (RFC 9112, 7.1): waitress skips blank lines and accepts a bare LF after a size."""

import re

from waitress.buffers import OverflowableBuffer
from waitress.receiver import ChunkedReceiver
from waitress.utilities import BadRequest, Error

_LONGEST_LINE = 1_024
_LONGEST_TRAILER = 65_536
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TEXT = rb"[\t \x21-\x7e\x80-\xff]"
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\' + _TEXT + rb')*"'
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?)*" % (_TOKEN, _TOKEN, _QUOTED))
_FIELD = re.compile(_TOKEN + rb":" + _TEXT + rb"*")


class StrictChunkedReceiver(ChunkedReceiver):  # type: ignore[misc]
    """waitress's receiver of a chunked body, whose buffer and end it shares, with a decoder of its own."""

    buf: OverflowableBuffer
    error: Error | None

    def __init__(self, buf: OverflowableBuffer) -> None:
        super().__init__(buf)
        self._pending = b""
        self._left = 0
        """Bytes of the current chunk that are still to come."""
        self._after_chunk = False
        self._trailer_bytes = -1
        """Bytes of the trailer so far; below 0 before the last chunk."""

    def received(self, data: bytes) -> int:
        """Consume bytes of the body, and return how many of them belong to it; the rest is the next request's."""
        if self.completed:
            return 0
        start = 0
        while start < len(data) and not self.completed:
            if self._left:
                part = data[start : start + self._left]
                self.buf.append(part)
                self._left -= len(part)
                start += len(part)
                self._after_chunk = not self._left
            else:
                start = self._take_line(data, start)
        return start

    def _take_line(self, data: bytes, start: int) -> int:
        """Consume a line, or its beginning, and return where the next one starts."""
        end = data.find(b"\n", start) + 1
        self._pending += data[start : end or len(data)]
        if len(self._pending) > _LONGEST_LINE + 2:
            self._refuse("a line between chunks is too long")
        elif end:
            line, self._pending = self._pending, b""
            self._read_line(line)
        return end or len(data)

    def _read_line(self, line: bytes) -> None:
        text = line[:-2]
        if not line.endswith(b"\r\n"):
            self._refuse("a line ends in a bare LF")
        elif self._after_chunk:
            self._after_chunk = False
            if text:
                self._refuse("a chunk is longer than its size")
        elif self._trailer_bytes < 0:
            self._begin_chunk(text)
        else:
            self._read_trailer(text)

    def _begin_chunk(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if found is None:
            self._refuse("a chunk's size or extension is invalid")
        else:
            self._left = int(found[1], 16)
            if not self._left:
                self._trailer_bytes = 0

    def _read_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if not line:
            self.completed = True
        elif _FIELD.fullmatch(line) is None:
            self._refuse("a line of the trailer is invalid")
        elif self._trailer_bytes > _LONGEST_TRAILER:
            self._refuse("the trailer is too long")

    def _refuse(self, reason: str) -> None:
        self.error = BadRequest(f"Chunked body: {reason}")
        self.completed = True
