"""Answers that are made while they are sent: their memory, their ends, and who waits for whom."""

import gzip
import http.client
import logging
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import local.channel
from handlers.question import Question, Row
from handlers.record import StoreUnavailable
from handlers.settings import Settings
from local.app import create_app
from local.server import Server
from storage import SumStore, open_store
from tests.factories import from_json, make_flow, make_sum, to_json
from tests.process import SECONDS, Running, megabytes, read_all, running
from tests.test_dispatcher import serving, status_of

ROWS = 300_000
"""Of about 115 bytes as JSON each: kept whole, they would not go unnoticed."""

CSV = "/flows?hour=1&format=csv"
LINES = "/flows?hour=1&format=ndjson"

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is told in /proc")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with an hour of many sums, which no test adds to."""
    url = f"sqlite:///{tmp_path_factory.mktemp('many')}/flows.db"
    store = open_store(url)
    store.add([make_sum(f"application-{number:06}", "peer-with-a-name", hour=1) for number in range(ROWS)])
    store.close()
    return url


def get(target: str, version: str = "1.1", *headers: str) -> bytes:
    lines = [f"GET {target} HTTP/{version}", "Host: localhost", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def connected(here: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", here.port), SECONDS)


def count(server: Running, target: str, **headers: str) -> tuple[int, int]:
    """Read an answer without keeping it; tell how many lines and bytes it had."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    connection.request("GET", target, headers=headers)
    response = connection.getresponse()
    assert response.status == 200
    lines = size = 0
    while part := response.read(1 << 16):
        lines += part.count(b"\n")
        size += len(part)
    connection.close()
    return lines, size


def wait_until(holds: Callable[[], bool]) -> None:
    pause, turns = threading.Event(), iter(range(SECONDS * 20))
    while not holds() and next(turns, None) is not None:
        pause.wait(0.05)
    assert holds()


@needs_proc
def test_an_hour_of_many_sums_takes_no_more_memory_than_a_page(tmp_path: Path, many: str) -> None:
    with running(tmp_path, DATABASE_URL=many) as server:
        assert server.ask("GET", "/flows?hour=1&size=1000")[0] == 200
        idle = megabytes(server.process.pid, "VmRSS")

        lines, size = count(server, LINES)
        rows, _ = count(server, CSV)
        _, packed = count(server, LINES, **{"Accept-Encoding": "gzip"})

        assert (lines, rows) == (ROWS, ROWS + 1)
        assert size > 34e6 > 5e6 > packed
        assert megabytes(server.process.pid, "VmHWM") - idle < 20


@needs_proc
def test_a_reader_that_waits_costs_neither_memory_nor_disk_and_then_has_it_all(tmp_path: Path, many: str) -> None:
    with running(tmp_path, DATABASE_URL=many) as server, server.connect() as slow:
        assert server.ask("GET", "/flows?hour=1")[0] == 200
        idle = megabytes(server.process.pid, "VmRSS")
        slow.sendall(get(LINES, "1.1", "Connection: close"))
        begun = slow.recv(100)

        for _ in range(50):
            assert server.post([make_flow(hour=2)])[0] == 201
        files = [str(link.readlink()) for link in Path(f"/proc/{server.process.pid}/fd").iterdir()]
        whole = begun + read_all(slow)

        assert not [name for name in files if name.startswith("/tmp") and "(deleted)" in name]
        assert megabytes(server.process.pid, "VmHWM") - idle < 20
        assert whole.endswith(b"\r\n0\r\n\r\n")
        assert whole.count(b"application-") == ROWS


def test_readers_that_wait_hold_half_of_the_threads_at_most(tmp_path: Path, many: str) -> None:
    with running(tmp_path, DATABASE_URL=many, THREADS="4") as server, ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(2)]
        for connection in slow:
            connection.sendall(get(CSV, "1.1", "Connection: close"))
            assert status_of(connection.recv(100)) == 200

        refused = server.talk(get(CSV, "1.1", "Connection: close"))
        pages = [server.ask("GET", "/flows?hour=1")[0] for _ in range(20)]
        part = server.ask("GET", f"{CSV}&size=10")[0]
        for connection in slow:
            assert read_all(connection).endswith(b"\r\n0\r\n\r\n")

        assert status_of(refused) == 503
        assert b"Retry-After: 1\r\n" in refused
        assert from_json(refused.partition(b"\r\n\r\n")[2])["status_code"] == 503
        assert (pages, part) == ([200] * 20, 200)
        assert server.ask("GET", CSV)[0] == 200


def test_a_client_that_goes_away_lets_go_of_all_it_held(tmp_path: Path, many: str) -> None:
    with running(tmp_path, DATABASE_URL=many, THREADS="4") as server:
        for number in range(5):
            with server.connect() as gone:
                gone.sendall(get(CSV, "1.1", f"X-Request-Id: gone-{number}"))
                assert status_of(gone.recv(100)) == 200
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Its place is free again once its line is written; two may be held at once.
            wait_until(lambda: server.ask("GET", f"{CSV}&group_by=total")[0] == 200)
        assert server.ask("GET", CSV)[0] == 200
        server.terminate()

    log = (tmp_path / "server.log").read_text()
    lines = [line for line in log.splitlines() if "access GET /flows 200" in line and "request_id=gone-" in line]
    assert len(lines) == 5
    assert not [line for line in lines if f" {ROWS} records" in line]
    assert f" {ROWS} records" in log
    assert "ERROR" not in log


class Breaking:
    """Streams the first rows of a store, then fails; and notes that it was let go of."""

    def __init__(self, store: SumStore, error: Exception) -> None:
        self._stream = store.stream
        self._error = error
        self.closed = threading.Event()

    def stream(self, question: Question) -> Iterator[list[Row]]:
        try:
            yield next(self._stream(question))
            raise self._error
        finally:
            self.closed.set()


@pytest.fixture
def breaking(sum_store: SumStore, monkeypatch: pytest.MonkeyPatch) -> Breaking:
    sum_store.add([make_sum(f"app-{number:05}") for number in range(3_000)])
    made = Breaking(sum_store, RuntimeError("secret"))
    monkeypatch.setattr(sum_store, "stream", made.stream)
    return made


@pytest.mark.parametrize("target", [CSV, LINES])
def test_a_fault_in_the_middle_leaves_an_answer_that_is_not_whole_and_is_in_the_log(
    sum_store: SumStore, breaking: Breaking, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    with caplog.at_level(logging.INFO), serving(create_app(sum_store, Settings())) as here:
        asked = http.client.HTTPConnection("127.0.0.1", here.port, timeout=SECONDS)
        asked.request("GET", target, headers={"X-Request-Id": "broken-1"})
        with pytest.raises(http.client.IncompleteRead):
            asked.getresponse().read()
        asked.close()

    assert breaking.closed.is_set()
    (line,) = [record for record in caplog.records if record.name == "access"]
    assert line.getMessage().startswith("GET /flows 500 ")
    assert " 1000 records" in line.getMessage()
    (fault,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert vars(fault)["request_id"] == "broken-1"
    assert "RuntimeError: secret" in caplog.text


def test_to_an_old_client_too_an_answer_that_is_not_whole_does_not_look_so(
    sum_store: SumStore, breaking: Breaking
) -> None:
    with serving(create_app(sum_store, Settings())) as here, connected(here) as old:
        old.sendall(get(LINES, "1.0"))
        with pytest.raises(ConnectionResetError):
            read_all(old)


def test_a_fault_before_the_first_bytes_is_answered_as_any_other(
    sum_store: SumStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(_: Question) -> Iterator[list[Row]]:
        raise StoreUnavailable("secret")

    monkeypatch.setattr(sum_store, "stream", unavailable)
    with serving(create_app(sum_store, Settings())) as here, connected(here) as asks:
        asks.sendall(get(LINES, "1.1", "Connection: close"))
        answer = read_all(asks)

    assert status_of(answer) == 503
    assert b"secret" not in answer


def test_a_reader_that_takes_nothing_any_more_is_let_go(
    sum_store: SumStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed = threading.Event()

    def endless(_: Question) -> Iterator[list[Row]]:
        try:
            while True:
                yield [("foo", "bar", "vpc-0", 1, 1, 1, 1)] * 1_000
        finally:
            closed.set()

    monkeypatch.setattr(sum_store, "stream", endless)
    monkeypatch.setattr(local.channel, "STALLED_SECONDS", 0.2)
    app = create_app(sum_store, Settings())
    with caplog.at_level(logging.INFO), serving(app) as here, connected(here) as deaf:
        deaf.sendall(get(LINES))
        assert deaf.recv(1)
        assert closed.wait(SECONDS)
        wait_until(lambda: not here._server.active_channels)

    assert "takes no more of its answer" in caplog.text
    assert [record.getMessage()[:14] for record in caplog.records if record.name == "access"] == ["GET /flows 200"]


def test_a_stream_is_whole_for_a_client_that_knows_no_chunks(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.ask("POST", "/flows", to_json([make_flow(src_app=f"app-{number:05}") for number in range(3_000)]))

        plain = server.talk(get(LINES, "1.0"))
        packed = server.talk(get(LINES, "1.0", "Accept-Encoding: gzip"))

    head, _, body = plain.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert body.count(b"\n") == 3_000
    assert gzip.decompress(packed.partition(b"\r\n\r\n")[2]) == body


def test_an_answer_without_content_leaves_its_connection_open() -> None:
    def unchanged(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("304 Not Modified", [("ETag", 'W/"x"')])
        return []

    with serving(unchanged) as here, connected(here) as kept:
        for headers in ([], [], ["Connection: close"]):
            kept.sendall(get("/flows", "1.1", *headers))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += kept.recv(1 << 16)
            assert status_of(head) == 304
            assert b'Etag: W/"x"' in head
            assert b"Content-" not in head
            assert b"Transfer-Encoding" not in head
            assert (b"Connection: close" in head) == bool(headers)
        assert kept.recv(1) == b""
