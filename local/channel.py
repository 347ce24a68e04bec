"""waitress's connection, with our error shape, bounds on what is kept of requests, and an end that is heard."""

import logging
import socket
import struct
import time
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError, split_uri
from waitress.task import WSGITask
from waitress.utilities import BadRequest, Error, RequestHeaderFieldsTooLarge

from local.bodies import CappedBuffer, is_wanted
from local.chunked import StrictChunkedReceiver
from local.head_limits import excess
from local.http_rules import OtherVersion, VersionRefused, check_head, keep_escaped_slashes, settle_host
from local.refusal import Behind, NoRoom, RefusalTask, TooSlow
from local.unsent import BoundedChannel

UNREAD_BODIES = 16
"""How many times the longest body waitress reads of one, so as to answer it, while one is kept."""

LOOKAHEAD = 8
"""Requests of a connection that are parsed before the first of them is answered; their bytes may hold thousands."""

STALLED_SECONDS = 60.0
"""How long a client may take for 64 KiB of its answers, or for what is left of them."""

_LINGER_SECONDS = 5.0
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing drops what is unsent, and resets."""
# A longer answer is not copied: it may be a file that many leave unread.
_JOINED = 65_536
# Each chunk costs two microseconds of the loop, whatever it holds: what is around them may be so long, and an eighth of
# what they hold. It is looked at after each step.
_CHUNK_OVERHEAD = _CHUNK_STEP = 8_192
_CHUNK_SHARE = 8

logger = logging.getLogger(__name__)


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """waitress's parser with a cap on what it keeps of a body: one byte past the limit, for the handler to see."""

    completed: bool
    error: Error | None
    body_rcv: Any
    # What is refused may have none of its own.
    command = path = "-"
    began: float | None = None
    """When its first byte came, or rather when it was seen that more were to follow."""
    wanted = True
    """Whether its body may matter to the answer."""
    cut = False
    """Whether it is answered before its body has come."""

    def received(self, data: bytes) -> int:
        consumed = int(super().received(data[:_CHUNK_STEP] if self.chunked else data))
        self._check_body()
        if self.completed:
            # waitress would bid the client go on, and wait for a body that is whole or refused already.
            self.expect_continue = False
            if not self.wanted:
                # Its length decides nothing any more.
                self.body_bytes_received = 0
        return consumed

    def _check_body(self) -> None:
        """Refuse a body for which there is no room."""
        if self.error is not None or self.body_rcv is None:
            return
        if self.body_rcv.buf.failed:
            self.error = NoRoom("the body could not be kept; try again")
        elif self.chunked and self._overhead() > _CHUNK_OVERHEAD + self.body_rcv.buf.received // _CHUNK_SHARE:
            self.error = BadRequest("chunks are too short")
        self.completed = self.completed or self.error is not None

    def _overhead(self) -> int:
        return int(self.body_bytes_received) - int(self.body_rcv.buf.received)

    def parse_header(self, header_plus: bytes) -> None:
        if passed := excess(header_plus):
            self.error = RequestHeaderFieldsTooLarge(passed)
            return
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
        if "%2f" in self.request_uri.lower():
            self.path = split_uri(keep_escaped_slashes(self.request_uri).encode("latin-1"))[2]
        if self.body_rcv is not None:
            self._limit_body()

    def _limit_body(self) -> None:
        """Decide how much of the body is kept: nothing, where its head is enough for the answer."""
        self.wanted = is_wanted(self, self.adj.takes_body)
        room = self.adj.max_request_body_size // UNREAD_BODIES if self.wanted else 0
        buffer = CappedBuffer(self.adj.inbuf_overflow, room)
        if self.chunked:
            self.body_rcv = StrictChunkedReceiver(buffer)
        else:
            self.body_rcv.buf = buffer
        if self.expect_continue and not self.wanted:
            # Whether the body follows all the same is not known, so the connection ends with the answer.
            self.cut = self.completed = True
            self.headers["CONNECTION"] = "close"


class _Task(WSGITask):  # type: ignore[misc]
    """An answer sent in one piece where waitress would send head and body apart: a fifth more small POSTs a second."""

    wrote_header: bool

    def execute(self) -> None:
        self.channel.refused = self.request.cut
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
        if not self.wrote_header and 0 < len(data) <= _JOINED and self._is_whole(data):
            self.wrote_header = True
            self.content_bytes_written = len(data)
            self.channel.write_soon(self.build_response_header() + data)
        else:
            if data and self.content_length is None and self.has_body:
                self.channel.make_room()
            super().write(data)

    def _is_whole(self, data: bytes) -> bool:
        return bool(self.complete and self.content_length == len(data) and self.has_body)


class Channel(BoundedChannel):
    """A connection that can be drained, and that reads on for a while after a refusal."""

    parser_class = _Parser
    task_class = _Task
    error_task_class = RefusalTask
    request: _Parser | None
    refused = False
    resets = False
    lingers_until: float | None = None
    requests: list[_Parser]
    _unparsed = b""

    def handle_close(self) -> None:
        """Close, but after a refusal only say the end, and read on until the client has heard it."""
        self._unparsed = b""
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

    def received(self, data: bytes) -> bool:
        """Take bytes in, unless they come after a refusal."""
        if self.lingers_until is not None:
            return False
        with self.requests_lock:
            if self.will_close or self.close_when_flushed:
                return False
            self._parse(data)
        # Most requests come whole, and need no clock.
        if self.request is not None and self.request.began is None:
            self.request.began = time.monotonic()
        return True

    def _parse(self, data: bytes) -> None:
        """Make requests of bytes, and keep what comes after ``LOOKAHEAD`` of them for later."""
        while data and len(self.requests) <= LOOKAHEAD:
            if self.request is None:
                self.request = self.parser_class(self.adj)
            request = self.request
            data = data[request.received(data) :]
            if request.expect_continue and request.headers_finished and not self.requests and not self.sent_continue:
                self.send_continue()
            if request.completed:
                self.request = None
                self._queue(request)
        self._unparsed = data

    def _queue(self, request: _Parser) -> None:
        self.sent_continue = False
        if not request.empty:
            self.requests.append(request)
            # Otherwise the one before it has its successor begun.
            if len(self.requests) == 1:
                self.server.add_task(self)

    def readable(self) -> bool:
        """Return whether to read on: only when what was read has been parsed, and no answer is left to send."""
        return not (
            self.total_outbufs_len
            or self._unparsed
            or len(self.requests) > LOOKAHEAD
            or self.will_close
            or self.close_when_flushed
        )

    def handle_write(self) -> None:
        """Send what is left to send, then go on with what was read and not parsed."""
        super().handle_write()
        if self._parses_on():
            self.received(self._unparsed)

    def _parses_on(self) -> bool:
        return bool(self._unparsed) and not self.total_outbufs_len and len(self.requests) <= LOOKAHEAD

    def refuse(self) -> None:
        """Make the answer to the first request a 503: too many wait before it."""
        self.requests[0].error = Behind("too many requests are waiting, and this one was not looked at; try again")

    def look(self, now: float, seconds: float) -> None:
        """Refuse a request that is not complete within ``seconds``; close on a client that takes too little."""
        if self.reader.measure(now, self.unsent, self.socket) > STALLED_SECONDS:
            logger.info("closed on a reader that takes no more of its answer")
            super().handle_close()
        elif self.will_close or self.close_when_flushed:
            self._close_if_deaf()
        elif self.request is not None:
            if self.requests or self.total_outbufs_len:
                # Others are before it, and for so long it is not read, nor bidden go on.
                self.request.began = now
            elif self.request.began is not None and now - self.request.began > seconds:
                self._refuse_slow(self.request, f"the request was not complete within {seconds:.0f} s")

    def still(self, now: float) -> float:
        """Return for how many seconds the client has made no progress, -1 where it waits for the server."""
        if self.total_outbufs_len:
            return now - (self.reader.since or now)
        if self.requests:
            return -1.0
        request = self.request
        if request is None or (request.headers_finished and request.wanted):
            return time.time() - float(self.last_activity)
        # The bytes of a head, or of a body that nobody wants, are no progress.
        return now - (request.began or now)

    def make_way(self) -> None:
        """Close at once; answer 408 first where a request is incomplete."""
        if self.request is not None and not self.total_outbufs_len and not self.requests:
            self._refuse_slow(self.request, "the request was not complete, and others waited for its connection")
        super().handle_close()

    def _close_if_deaf(self) -> None:
        """Close what waitress would keep open until the last byte is sent, though none of them can be."""
        patience = _LINGER_SECONDS if self.refused else self.adj.channel_timeout
        if time.time() - self.last_activity > patience:
            super().handle_close()

    def _refuse_slow(self, request: _Parser, why: str) -> None:
        with self.requests_lock:
            self.request = None
            request.error = TooSlow(why)
            self.requests.append(request)
        # By the loop itself: it is short, and a thread may not be free.
        self.service()

    def writable(self) -> bool:
        """Return whether the loop has something to send or to parse, and no thread is sending it already."""
        if not (self.total_outbufs_len or self._unparsed or self.will_close or self.close_when_flushed):
            return False
        # A thread that is sending holds the lock, and wakes the loop when it is done. waitress would have the loop
        # spin until then, and starve that very thread of the interpreter lock: a tenth of the requests a second.
        if not self.outbuf_lock.acquire(blocking=False):
            return False
        self.outbuf_lock.release()
        return bool(self.total_outbufs_len or self.will_close or self.close_when_flushed) or self._parses_on()

    def read_no_more(self) -> None:
        """Leave what is still to come unread; a test of a flag in ``readable`` would cost every turn of the loop."""
        self.readable = lambda: False  # type: ignore[method-assign]

    def busy(self) -> bool:
        """Tell whether a received request is still unanswered, or its answer unsent."""
        return bool(self.requests or self._unparsed) or self.total_outbufs_len > 0
