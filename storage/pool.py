"""Connections for as many threads as are busy at once: lent to one thread at a time, the last given back first."""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class _Closable(Protocol):
    def close(self) -> object: ...


Connection = TypeVar("Connection", bound=_Closable)


class Pool(Generic[Connection]):
    """Idle connections of one kind. What a thread has taken is its own until it gives it back or closes it."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        """Make an empty pool; ``connect`` opens a connection when none is idle."""
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    def take(self) -> Connection:
        """Take an idle connection, or a new one. Raises what ``connect`` raises."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        # Not under the lock: a host that does not answer would hold up those that only give back.
        return self._connect()

    def give(self, connection: Connection) -> None:
        """Give a connection back, fit for the next thread."""
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def clear(self) -> None:
        """Close what is idle: one connection has been found dead, and the others may be."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close what is idle now, and each other connection when it is given back."""
        with self._lock:
            self._closed = True
        self.clear()
