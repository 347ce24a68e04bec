"""What a connection's client has not taken of its answers: a bound on it, and since when it takes too little."""

import contextlib
import fcntl
import struct
import termios
from collections import deque
from typing import TYPE_CHECKING, Any

from waitress.channel import ClientDisconnected, HTTPChannel

if TYPE_CHECKING:
    import socket

AHEAD = 1 << 18
"""Bytes of a streamed answer that are made before those ahead of them are taken; waitress would go on to 16 MiB."""

LEAST_TAKEN = 1 << 16
"""Bytes of its answers that a client has to take for progress, or else all that is left of them."""


class Unsent:
    """Bytes on their way to a client: takes the place of waitress's output buffer.

    waitress copies what it cannot send at once, and from a megabyte on into a temporary file. Here an answer stays the
    object that the handler returned, so a file that a thousand clients leave unread is held once.
    """

    def __init__(self) -> None:
        """Begin with nothing to send."""
        self.taken = 0
        """Bytes that the system has accepted so far."""
        self._parts: deque[bytes | memoryview] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, data: bytes) -> None:
        """Add bytes at the end; they are not copied."""
        self._parts.append(data)
        self._length += len(data)

    def get(self, most: int) -> bytes | memoryview:
        """Return the next bytes to send, at most ``most``; there has to be one."""
        first = self._parts[0]
        return first if len(first) <= most else memoryview(first)[:most]

    def skip(self, count: int, _allow_prune: bool = False) -> None:
        """Drop ``count`` of the bytes that ``get`` has returned."""
        first = self._parts[0]
        if count == len(first):
            self._parts.popleft()
        else:
            self._parts[0] = memoryview(first)[count:]
        self._length -= count
        self.taken += count

    def close(self) -> None:
        """Drop everything."""
        self._parts.clear()
        self._length = 0


class Reader:
    """Measures whether a client makes progress with the answers it has not taken yet."""

    __slots__ = ("_mark", "since")

    def __init__(self) -> None:
        """Begin before the first measurement."""
        self.since: float | None = None
        """When the client had last taken enough, None while there is nothing for it to take."""
        self._mark = 0

    def measure(self, now: float, unsent: Unsent, connection: "socket.socket") -> float:
        """Return for how many seconds the client has taken less than ``LEAST_TAKEN`` bytes; to be called regularly."""
        if not unsent:
            self.since = None
            return 0.0
        taken = unsent.taken - _queued(connection)
        if self.since is None or taken - self._mark >= LEAST_TAKEN:
            self.since, self._mark = now, taken
        return now - self.since


def _queued(connection: "socket.socket") -> int:
    """Return how many sent bytes the other side has not acknowledged: the system's buffer alone may take megabytes.

    Without it a slow reader would seem to stand still until a third of that buffer is free. See tcp(7), SIOCOUTQ.
    """
    with contextlib.suppress(OSError):
        return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])
    return 0


class BoundedChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that keeps one whole answer at most for a slow client, and no thread but that of a stream."""

    def __init__(self, *words: Any, **named: Any) -> None:
        """Take a connection that has been accepted."""
        super().__init__(*words, **named)
        self.unsent = Unsent()
        self.outbufs = [self.unsent]
        self.reader = Reader()
        # Whether a request waits until the answers before it are taken.
        self._held_back = False

    def write_soon(self, data: bytes) -> int:
        """Send what the system takes at once and keep the rest, without waiting for the reader."""
        with self.outbuf_lock:
            if not self.connected:
                raise ClientDisconnected
            self.unsent.append(data)
            self.total_outbufs_len += len(data)
            self._flush_exception(self._flush_some, do_close=False)
            if self.total_outbufs_len or self.will_close:
                self.server.pull_trigger()
        return len(data)

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Do nothing: waitress would have a thread wait here before the next request, which is held back instead."""

    def make_room(self) -> None:
        """Wait until little of a streamed answer is left to send, or the connection is closed."""
        with self.outbuf_lock:
            while self.connected and self.total_outbufs_len > AHEAD:
                self.server.pull_trigger()
                self.outbuf_lock.wait()

    def holds_back(self) -> bool:
        """Return whether the next request has to wait until the answers before it are taken; no thread waits then."""
        if not self.total_outbufs_len:
            return False
        # The loop sends under this lock while there are requests, so it either has sent all by now, or will see this.
        with self.outbuf_lock:
            self._held_back = self.total_outbufs_len > 0
            return self._held_back

    def handle_write(self) -> None:
        """Send what is left to send, then begin the request that waits for that."""
        super().handle_write()
        if self._held_back and not self.total_outbufs_len:
            self._held_back = False
            if self.connected:
                self.server.add_task(self)
