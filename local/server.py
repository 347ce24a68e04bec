"""waitress, tuned for large bodies and many connections, with our error shape and a stop that loses nothing."""

import logging
import select
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from waitress import wasyncore
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import create_server
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, Error

from handlers.settings import Settings
from handlers.web import RETRY_AFTER_SECONDS, Request, error_response, fault_response
from local.app import log_access

BACKLOG = 1_024
CONNECTIONS = 1_000
"""waitress takes 100 at most by default, which stalled senders soon fill."""

TUNING: dict[str, Any] = {
    "backlog": BACKLOG,
    # select() ends at file descriptor 1,024.
    "asyncore_use_poll": True,
    # A 13 MB body in steps of waitress's 8 KiB takes twice as long to receive; buffers from 128 KiB on are mapped
    # and unmapped for every request, however short.
    "recv_bytes": 65_536,
    "ident": None,
    # A pipelined request is read while the one before it is worked on, and so is known when the server is stopped.
    "channel_request_lookahead": 8,
    # Nothing here reads a proxy's headers, so they need no clearing either.
    "clear_untrusted_proxy_headers": False,
}
_SWEEP_SECONDS = 1.0
_LINGER_SECONDS = 5.0
# waitress looks through a chunk's size line, and what follows the last chunk, anew at each step.
_CHUNK_LINE = 1_024
_TRAILER = 65_536
_UNREAD_BODIES = 16

logger = logging.getLogger(__name__)


class CannotListen(Exception):
    """The address cannot be listened on; the message is a sentence for the operator."""


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


class _NoRoom(Error):  # type: ignore[misc]
    """waitress's kind of error for a body that could not be kept."""

    code = 503
    reason = "Service Unavailable"


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """waitress's parser with a cap on what it keeps of a body: one byte past the limit, for the handler to see."""

    completed: bool
    error: Error | None

    def received(self, data: bytes) -> int:
        consumed = int(super().received(data))
        self._check_body()
        if self.completed:
            # waitress would bid the client go on, and wait for a body that is whole or refused already.
            self.expect_continue = False
        return consumed

    def _check_body(self) -> None:
        """Refuse a body for which there is no room, or whose chunks say more about themselves than they hold."""
        if self.error is not None or self.body_rcv is None:
            return
        if self.body_rcv.buf.failed:
            self.error = _NoRoom("the body could not be kept; try again")
        elif len(getattr(self.body_rcv, "control_line", b"")) > _CHUNK_LINE:
            self.error = BadRequest("chunk line is too long")
        elif len(getattr(self.body_rcv, "trailer", b"")) > _TRAILER:
            self.error = BadRequest("trailer is too long")
        self.completed = self.completed or self.error is not None

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            # An unclosed [ in the URI, a length of thousands of digits: waitress would close without a word.
            raise ParsingError("Request line or Content-Length is invalid") from error
        if self.body_rcv is not None:
            self.body_rcv.buf = _CappedBuffer(self.adj.inbuf_overflow, self.adj.max_request_body_size // _UNREAD_BODIES)


class _Task(WSGITask):  # type: ignore[misc]
    """An answer sent in one piece where waitress would send head and body apart: a fifth more small POSTs a second."""

    wrote_header: bool

    def write(self, data: bytes) -> None:
        if data and not self.wrote_header and self.complete and self.content_length == len(data) and self.has_body:
            self.wrote_header = True
            self.content_bytes_written = len(data)
            self.channel.write_soon(self.build_response_header() + data)
        else:
            super().write(data)


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    """waitress's own refusals (400, 413, 431, 501) and faults, in the one shape that every error has."""

    def execute(self) -> None:
        error = self.request.error
        if error.code == 500:
            response = fault_response(500, "Internal error; the server's log has it under this request_id")
        elif error.code == 503:
            response = fault_response(503, f"{error.reason}: {error.body}")
            self.response_headers.append(("Retry-After", str(RETRY_AFTER_SECONDS)))
        else:
            response = error_response(error.code, f"{error.reason}: {error.body}")
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.channel.refused = True
        self.content_length = len(response.body)
        self.write(response.body)
        log_access(Request(getattr(self.request, "command", "-"), "-"), response, time.time() - self.start_time)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that can be drained, and that reads on for a while after a refusal."""

    parser_class = _Parser
    task_class = _Task
    error_task_class = _ErrorTask
    refused = False
    lingers_until: float | None = None

    def handle_close(self) -> None:
        # Closing with bytes unread resets the connection, and the client may lose the answer that it was refused.
        if self.refused and self.connected and self.lingers_until is None:
            self.lingers_until = time.monotonic() + _LINGER_SECONDS
            self.will_close = False
            self.socket.shutdown(socket.SHUT_WR)
            self.server.lingering.append(self)
        else:
            super().handle_close()

    def received(self, data: bytes) -> bool:
        return self.lingers_until is None and bool(super().received(data))

    def writable(self) -> bool:
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


class Server:
    """A WSGI application served over HTTP until a signal, or ``stop``, ends it."""

    def __init__(self, application: Callable[..., Any], settings: Settings, connections: int = CONNECTIONS) -> None:
        """Start to listen; at most ``connections`` are served at once. Raises CannotListen."""
        self._seconds = settings.shutdown_seconds
        self._stopping = threading.Event()
        listener = _listen(settings.host, settings.port)
        host, self.port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        self._server = create_server(
            application,
            sockets=[listener],
            threads=settings.threads,
            connection_limit=connections,
            # Above ours, so that a long body gets our 413 and not a reset; _Parser keeps no more than ours of it.
            max_request_body_size=_UNREAD_BODIES * (settings.max_body_bytes + 1),
            **TUNING,
        )
        self._server.channel_class = _Channel
        self._server.lingering = deque()

    def stop(self) -> None:
        """Make ``run`` drain and return; from any thread, or a signal handler."""
        self._stopping.set()
        self._server.pull_trigger()

    def run(self) -> bool:
        """Serve until stopped, then answer what was wholly received; tell whether all of it was, in time."""
        while not self._stopping.is_set():
            self._poll(1.0)
        deadline = time.monotonic() + self._seconds
        self._sweep(min(deadline, time.monotonic() + _SWEEP_SECONDS))
        # A connection made from here on is refused by the kernel, and its request can go elsewhere.
        wasyncore.dispatcher.close(self._server)
        for channel in list(self._server.active_channels.values()):
            channel.read_no_more()
        while self._busy() and time.monotonic() < deadline:
            self._poll(0.02)
        unanswered = self._busy()
        if unanswered:
            logger.error("stopped with %d connections still waiting for an answer", unanswered)
        self._server.task_dispatcher.shutdown(timeout=0.5)
        wasyncore.close_all(self._server._map)
        return not unanswered

    def _poll(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._server._map, count=1)
        lingering = self._server.lingering
        while lingering and lingering[0].lingers_until < time.monotonic():
            lingering.popleft().handle_close()

    def _busy(self) -> int:
        return sum(channel.busy() for channel in list(self._server.active_channels.values()))

    def _sweep(self, deadline: float) -> None:
        """Take in what the kernel has already received: connections not yet accepted, requests not yet read."""
        while self._unread() and time.monotonic() < deadline:
            self._poll(0)

    def _unread(self) -> bool:
        poller = select.poll()
        poller.register(self._server.socket, select.POLLIN)
        for channel in list(self._server.active_channels.values()):
            if channel.readable():
                poller.register(channel.socket, select.POLLIN)
        return bool(poller.poll(0))


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except UnicodeError:
        raise CannotListen(f"HOST {host} is no name of a host") from None
    except OSError as error:
        # socket.create_server() adds the address in brackets, which the sentence has already.
        reason = str(error.strerror).partition(" (")[0]
        raise CannotListen(f"HOST {host}, PORT {port} cannot be listened on: {reason}") from error


def stop_on_signals(server: Server) -> None:
    """Let SIGTERM and SIGINT stop the server; a second one ends the process at once, as it would without us."""

    def handle(*_: Any) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
