"""waitress, tuned for large bodies and many connections, and stopped without loss of what it has received."""

import errno
import logging
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from waitress import wasyncore

from handlers.settings import Settings
from local.bodies import TakesBody, takes_all
from local.channel import LOOKAHEAD, UNREAD_BODIES
from local.dispatcher import Dispatcher
from local.listener import Listener

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
    "channel_request_lookahead": LOOKAHEAD,
    # Nothing here reads a proxy's headers, so they need no clearing either.
    "clear_untrusted_proxy_headers": False,
}
_SWEEP_SECONDS = 1.0
_LOOK_SECONDS = 0.5
_IDLE_SECONDS = 120

logger = logging.getLogger(__name__)


class CannotListen(Exception):
    """The address cannot be listened on; the message is a sentence for the operator."""


class Server:
    """A WSGI application served over HTTP until a signal, or ``stop``, ends it."""

    def __init__(
        self,
        application: Callable[..., Any],
        settings: Settings,
        connections: int = CONNECTIONS,
        takes_body: TakesBody = takes_all,
    ) -> None:
        """Start to listen; at most ``connections`` are served at once, and bodies kept that ``takes_body`` lets in.

        Raises CannotListen.
        """
        self._seconds = settings.shutdown_seconds
        self._request_seconds = settings.request_timeout
        self._next_look = 0.0
        self._refusing = False
        self._stopping = threading.Event()
        self.stopped_by = ""
        listener = _listen(settings.host, settings.port)
        host, self.port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        self._dispatcher = Dispatcher(settings.threads, settings.max_waiting)
        self._server = Listener(
            application,
            listener,
            self._dispatcher,
            takes_body,
            connection_limit=connections,
            # Above ours, so that a long body gets our 413 and not a reset; its parser keeps no more than ours of it.
            max_request_body_size=UNREAD_BODIES * (settings.max_body_bytes + 1),
            # Later than a request that stands still is refused, so that it gets its 408.
            channel_timeout=max(_IDLE_SECONDS, settings.request_timeout + 1),
            **TUNING,
        )

    def stop(self) -> None:
        """Make ``run`` drain and return; from any thread, or a signal handler."""
        self._stopping.set()
        self._dispatcher.drain()
        self._server.pull_trigger()

    def run(self) -> bool:
        """Serve until stopped, then answer what was wholly received; tell whether all of it was, in time."""
        while not self._stopping.is_set():
            self._poll(_LOOK_SECONDS)
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
        self._dispatcher.shutdown(timeout=0.5)
        wasyncore.close_all(self._server._map)
        return not unanswered

    def _poll(self, seconds: float) -> None:
        wasyncore.loop(timeout=0 if self._refusing else seconds, use_poll=True, map=self._server._map, count=1)
        self._refusing = self._dispatcher.answer_refused()
        now = time.monotonic()
        self._server.make_room(now)
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            self._look(now)

    def _look(self, now: float) -> None:
        """Look for what has taken too long: to wait for a thread, to be sent, to be heard."""
        self._dispatcher.look(now)
        for channel in list(self._server.active_channels.values()):
            channel.look(now, self._request_seconds)
        self._server.look(now)

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


def is_loopback(host: str) -> bool:
    """Tell whether an address, or all that a name stands for, can be reached from this machine only."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        # It cannot be listened on either, which is told then.
        return True
    return all(ip_address(address[0]).is_loopback for *_, address in found)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except UnicodeError:
        raise CannotListen(f"HOST {host} is no name of a host") from None
    except OSError as error:
        # socket.create_server() adds the address in brackets, which the sentence has already.
        reason = str(error.strerror).partition(" (")[0]
        if error.errno == errno.EADDRINUSE:
            reason += f"; choose another port: make start_server PORT={port + 1 if port < 65_535 else 8_080}"
        raise CannotListen(f"HOST {host}, PORT {port} cannot be listened on: {reason}") from error


def stop_on_signals(server: Server) -> None:
    """Let SIGTERM and SIGINT stop the server; a second one ends the process at once, as it would without us."""

    def handle(number: int, _: Any) -> None:
        server.stopped_by = signal.Signals(number).name
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
