"""waitress's connection, with our error shape, a cap on what is kept of a body, and an end that is heard."""

import logging
import socket
import struct
import time
from typing import Any

from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError, split_uri
from waitress.task import WSGITask
from waitress.utilities import Error

from local.chunked import StrictChunkedReceiver
from local.http_rules import OtherVersion, VersionRefused, check_head, keep_escaped_slashes, settle_host
from local.refusal import Behind, NoRoom, RefusalTask, TooSlow

UNREAD_BODIES = 16
"""How many times the longest body waitress reads of one, so as to answer it, while one is kept."""

AHEAD = 1 << 18
"""Bytes of a streamed answer that are made before those ahead of them are taken.

waitress would go on to 16 MiB, most of it in a temporary file, and keep what is sent as well until it had sent as much.
"""

STALLED_SECONDS = 60.0
"""How long a reader may take for one part of a streamed answer, about 100 kB, while a thread waits for it."""

_LINGER_SECONDS = 5.0
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing drops what is unsent, and resets."""

logger = logging.getLogger(__name__)


class _CappedBuffer(OverflowableBuffer):  # type: ignore[misc]
    """A body's buffer that forgets what comes after its limit, so that a long body costs no disk and gets its 413."""

    def __init__(self, overflow: int, room: int) -> None:
        super().__init__(overflow)
        self._room = room
        self.failed = False

    def append(self, data: bytes) -> None:
        if self._room <= 0:
            return
        try:
            super().append(data[: self._room])
            self._room -= len(data)
        except OSError:
            # The temporary folder is full, or gone.
            logger.exception("a body could not be kept")
            self.failed, self._room = True, 0


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """waitress's parser with a cap on what it keeps of a body: one byte past the limit, for the handler to see."""

    completed: bool
    error: Error | None
    body_rcv: Any
    # What is refused may have none of its own.
    command = path = "-"
    began: float | None = None
    """When its first byte came, or rather when it was seen that more were to follow."""

    def received(self, data: bytes) -> int:
        consumed = int(super().received(data))
        self._check_body()
        if self.completed:
            # waitress would bid the client go on, and wait for a body that is whole or refused already.
            self.expect_continue = False
        return consumed

    def _check_body(self) -> None:
        """Refuse a body for which there is no room."""
        if self.error is not None or self.body_rcv is None:
            return
        if self.body_rcv.buf.failed:
            self.error = NoRoom("the body could not be kept; try again")
        self.completed = self.completed or self.error is not None

    def parse_header(self, header_plus: bytes) -> None:
        try:
            check_head(header_plus)
            super().parse_header(header_plus)
        except VersionRefused as refused:
            self.error = OtherVersion(str(refused))
            return
        except ValueError as error:
            # An unclosed [ in the URI, a length of thousands of digits: waitress would close without a word.
            raise ParsingError("Request line or Content-Length is invalid") from error
        settle_host(self.headers, self.version, self.command, self.proxy_scheme, self.proxy_netloc)
        if "%" in self.request_uri:
            self.path = split_uri(keep_escaped_slashes(self.request_uri).encode("latin-1"))[2]
        if self.body_rcv is not None:
            buffer = _CappedBuffer(self.adj.inbuf_overflow, self.adj.max_request_body_size // UNREAD_BODIES)
            self.body_rcv.buf = buffer
            if self.chunked:
                self.body_rcv = StrictChunkedReceiver(buffer)


class _Task(WSGITask):  # type: ignore[misc]
    """An answer sent in one piece where waitress would send head and body apart: a fifth more small POSTs a second."""

    wrote_header: bool

    def execute(self) -> None:
        try:
            super().execute()
        except BaseException:
            # Before HTTP/1.1 an answer ends where the connection does, and this one must not look whole.
            self.channel.resets = self.wrote_header and self.content_length is None and not self.chunked_response
            raise

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        # waitress makes one slash of those a path begins with, and a proxy's rule for /flows does not match //flows.
        environ["PATH_INFO"] = self.request.path
        return environ

    def build_response_header(self) -> bytes:
        head = bytes(super().build_response_header())
        if self.request.command == "HEAD":
            # It names the coding that GET's body has; waitress would send the last chunk of it too.
            self.chunked_response = False
        return head

    def set_close_on_finish(self) -> None:
        # waitress closes after whatever has no length, and a 304 has none to tell.
        asked = self.version != "1.1" or self.request.headers.get("CONNECTION", "").lower() == "close"
        if asked or not self.status.startswith("304"):
            super().set_close_on_finish()

    def write(self, data: bytes) -> None:
        if data and not self.wrote_header and self.complete and self.content_length == len(data) and self.has_body:
            self.wrote_header = True
            self.content_bytes_written = len(data)
            self.channel.write_soon(self.build_response_header() + data)
        else:
            if data and self.content_length is None and self.has_body:
                self.channel.make_room()
            super().write(data)


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that can be drained, and that reads on for a while after a refusal."""

    parser_class = _Parser
    task_class = _Task
    error_task_class = RefusalTask
    request: _Parser | None
    refused = False
    resets = False
    lingers_until: float | None = None
    waits_since: float | None = None
    """When a thread began to wait for the reader of a streamed answer."""

    def handle_close(self) -> None:
        """Close, but after a refusal only say the end, and read on until the client has heard it."""
        # Closing with bytes unread resets the connection, and the client may lose the answer that it was refused.
        if self.refused and self.connected and self.lingers_until is None:
            self.lingers_until = time.monotonic() + _LINGER_SECONDS
            self.will_close = False
            self.socket.shutdown(socket.SHUT_WR)
            self.server.lingering.append(self)
        else:
            if self.resets and self.connected:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            super().handle_close()

    def make_room(self) -> None:
        """Wait until little of a streamed answer is left to send, or the connection is closed."""
        with self.outbuf_lock:
            self.waits_since = time.monotonic()
            while self.connected and self.total_outbufs_len > AHEAD:
                self.server.pull_trigger()
                self.outbuf_lock.wait()
            self.waits_since = None
            # A buffer keeps what it has sent: the next part begins another.
            self.current_outbuf_count = self.adj.outbuf_high_watermark

    def received(self, data: bytes) -> bool:
        """Take bytes in, unless they come after a refusal."""
        if self.lingers_until is not None:
            return False
        taken = bool(super().received(data))
        # Most requests come whole, and need no clock.
        if self.request is not None and self.request.began is None:
            self.request.began = time.monotonic()
        return taken

    def refuse(self) -> None:
        """Make the answer to the first request a 503: too many wait before it."""
        self.requests[0].error = Behind("too many requests are waiting, and this one was not looked at; try again")

    def look(self, now: float, seconds: float) -> None:
        """Refuse a request that is not complete within ``seconds``; close on a client that takes no answer.

        Or none in good time, where a thread waits for it.
        """
        since = self.waits_since
        if since is not None and now - since > STALLED_SECONDS:
            logger.info("closed on a reader that takes no more of its answer")
            super().handle_close()
        elif self.will_close or self.close_when_flushed:
            self._close_if_deaf()
        elif self.request is not None:
            if self.requests or self.total_outbufs_len:
                # Others are before it, and for so long it is not read, nor bidden go on.
                self.request.began = now
            elif self.request.began is not None and now - self.request.began > seconds:
                self._refuse_slow(self.request, seconds)

    def _close_if_deaf(self) -> None:
        """Close what waitress would keep open until the last byte is sent, though none of them can be."""
        patience = _LINGER_SECONDS if self.refused else self.adj.channel_timeout
        if time.time() - self.last_activity > patience:
            super().handle_close()

    def _refuse_slow(self, request: _Parser, seconds: float) -> None:
        with self.requests_lock:
            self.request = None
            request.error = TooSlow(f"the request was not complete within {seconds:.0f} s")
            self.requests.append(request)
        # By the loop itself: it is short, and a thread may not be free.
        self.service()

    def writable(self) -> bool:
        """Tell whether the loop has something to send, and is the one to send it."""
        if not (self.total_outbufs_len or self.will_close or self.close_when_flushed):
            return False
        # A thread that is sending holds the lock, and wakes the loop when it is done. waitress would have the loop
        # spin until then, and starve that very thread of the interpreter lock: a tenth of the requests a second.
        if not self.outbuf_lock.acquire(blocking=False):
            return False
        self.outbuf_lock.release()
        return True

    def read_no_more(self) -> None:
        """Leave what is still to come unread; a test of a flag in ``readable`` would cost every turn of the loop."""
        self.readable = lambda: False

    def busy(self) -> bool:
        """Tell whether a received request is still unanswered, or its answer unsent."""
        return bool(self.requests) or self.total_outbufs_len > 0
