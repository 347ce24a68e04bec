"""Lines of the access log: how long they may be, whatever a client sends."""

import json
import logging
import socket
from pathlib import Path

import pytest

from handlers.access_log import LONGEST, LONGEST_PATH, clean
from tests.edges import Ask
from tests.process import Running, read_all, running

_LONGEST_THAT_IS_TAKEN = 1_350
HOSTILE = b"GET /" + b"%01" * _LONGEST_THAT_IS_TAKEN + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
REFUSED = b"GET /" + b"%01" * 84_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a" * 200, "a" * 200),
        ("a" * 201, "a" * 200 + "...(201 characters)"),
        ("\x01" * 100, "\\x01" * 50 + "...(100 characters)"),
        ("\x01" * 84_000, "\\x01" * 50 + "...(84000 characters)"),
        ("a" * 190 + "flows_" + "s3cret" * 9, "a" * 190 + "flows_..." + "...(250 characters)"),
    ],
)
def test_what_a_client_sends_is_cut_with_a_mark(text: str, told: str) -> None:
    assert clean(text, LONGEST_PATH) == told


def test_a_long_path_and_a_long_method_are_cut_at_every_edge(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="access"):
        assert ask("F" * 300, "/" + "x" * 300).status == 404

    assert caplog.records[-1].getMessage().startswith("F" * 200 + "...(300 characters) /" + "x" * 199 + "...(301 ")


def send_and_leave(server: Running) -> None:
    """Send a hostile request, and have the server find the connection gone when it answers."""
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(HOSTILE * 2)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_hostile_requests_do_not_roll_the_log(tmp_path: Path, log_format: str) -> None:
    with running(tmp_path, LOG_FORMAT=log_format) as server:
        assert server.ask("GET", "/earlier")[0] == 404
        with server.connect() as connection:
            for _ in range(40):
                connection.sendall(HOSTILE)
            connection.sendall(b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert read_all(connection).count(b"HTTP/1.1 404 ") == 41
        for _ in range(40):
            assert server.talk(REFUSED).startswith(b"HTTP/1.0 431 ")
        for _ in range(8):
            send_and_leave(server)
        assert server.terminate() == 0

    assert [path.name for path in tmp_path.glob("server.log*")] == ["server.log"]
    lines = (tmp_path / "server.log").read_text().splitlines()
    assert any("/earlier" in line for line in lines)
    assert sum("(1351 characters)" in line for line in lines) >= 40
    assert max(map(len, lines)) < 2 * LONGEST
    if log_format == "json":
        assert all(len(json.loads(line).get("path", "")) < LONGEST for line in lines)
