"""A real server process, and a client's side of a socket."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from handlers.settings import Settings
from tests.factories import from_json, to_json

ROOT = Path(__file__).parent.parent
SECONDS = 60
T = TypeVar("T")


def environment(**settings: str) -> dict[str, str]:
    """Make the environment of a process of ours: this one's without settings, and those given."""
    known = {field.encode_name for field in msgspec.structs.fields(Settings)}
    names = {name: value for name, value in os.environ.items() if name not in known}
    return names | {"PYTHONPATH": str(ROOT)} | settings


def run_module(name: str, folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m name`` in a folder to its end."""
    command = [sys.executable, "-m", name]
    return subprocess.run(
        command, cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=SECONDS, check=False
    )


def start_agent(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """Start the reference agent in a folder, with pipes to it."""
    return subprocess.Popen(
        [sys.executable, "-m", "local.agent", *words],
        cwd=folder,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def megabytes(pid: int, what: str = "VmRSS") -> float:
    """Read how much memory a process holds, or with ``VmHWM`` has held at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) / 1e3


class Running:
    """A server process that has said where it listens."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout is not None
        self.says = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:([0-9]+)", self.says)
        assert found, (self.says, process.stderr and process.stderr.read())
        self.port = int(found[1])

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Send a request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def post(self, flows: Any) -> tuple[int, bytes]:
        return self.ask("POST", "/flows", flows if isinstance(flows, bytes) else to_json(flows))

    def items(self, hour: int) -> list[dict[str, Any]]:
        """Read every sum of an hour."""
        found: list[dict[str, Any]] = []
        while True:
            status, body = self.ask("GET", f"/flows?hour={hour}&size=1000&page={len(found) // 1000 + 1}")
            assert status == 200
            page = from_json(body)
            found += page["items"]
            if len(found) == page["total"]:
                return found

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def talk(self, sent: bytes) -> bytes:
        """Send bytes as they are, and read until the server closes."""
        with self.connect() as connection:
            connection.sendall(sent)
            return read_all(connection)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(SECONDS)

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


def until(met: Callable[[], T]) -> T:
    """Ask until the answer is true, for a while."""
    deadline = time.monotonic() + SECONDS
    while not (answer := met()):
        assert time.monotonic() < deadline
    return answer


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


@contextmanager
def running(folder: Path, *command: str, **settings: str) -> Iterator[Running]:
    """Start a server in a folder, on a free port unless told otherwise, and end it afterwards."""
    process = subprocess.Popen(
        command or [sys.executable, "-m", "local"],
        cwd=folder,
        env=environment(**{"PORT": "0", **settings}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=SECONDS)


def raw_get(path: str) -> bytes:
    """Write a GET request that ends its connection."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def raw_post(body: bytes, *headers: str) -> bytes:
    """Write a POST /flows request that ends its connection."""
    lines = ["POST /flows HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
