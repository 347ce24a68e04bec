"""A closed-loop load generator: some connections, each sending its next request once it has its answer."""

import selectors
import socket
import time
from collections.abc import Iterator

_ANSWER = 1 << 16


class Connection:
    """A keep-alive HTTP/1.1 connection that reads answers with a Content-Length."""

    def __init__(self, port: int) -> None:
        """Connect to a port of this machine."""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def send(self, request: bytes) -> None:
        """Send a whole request."""
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """Read what has come, and return the answer's status once it is whole."""
        self._received += self.socket.recv(_ANSWER)
        head, _, body = self._received.partition(b"\r\n\r\n")
        if b"\r\n\r\n" not in self._received or len(body) < int(_after(head, b"Content-Length: ")):
            return None
        self._received = b""
        return int(head[9:12])

    def ask(self, request: bytes) -> int:
        """Send a request and wait for its answer's status. Raises RuntimeError where it is no success."""
        self.send(request)
        while (status := self.receive()) is None:
            pass
        if status >= 300:
            raise RuntimeError(f"the server answered {status}")
        return status


def _after(head: bytes, name: bytes) -> bytes:
    return head.split(name, 1)[1].split(b"\r\n", 1)[0]


def post(body: bytes, key: str = "") -> bytes:
    """Write a POST /flows request, with an Idempotency-Key if there is one."""
    lines = [
        "POST /flows HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    if key:
        lines.append(f'Idempotency-Key: "{key}"')
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(path: str) -> bytes:
    """Write a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def requests_a_second(port: int, requests: Iterator[bytes], connections: int, seconds: float, status: int) -> float:
    """Send ``requests`` over many connections for a while; every answer must have ``status``."""
    selector = selectors.DefaultSelector()
    opened = [Connection(port) for _ in range(connections)]
    for connection in opened:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(next(requests))
    answered = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        for key, _ in selector.select(1):
            got = key.data.receive()
            if got is None:
                continue
            if got != status:
                raise RuntimeError(f"the server answered {got}")
            answered += 1
            key.data.send(next(requests))
    for connection in opened:
        while connection.receive() is None:
            pass
        connection.socket.close()
    selector.close()
    return answered / elapsed
