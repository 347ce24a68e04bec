"""Clients without a token that do not read, do not finish or ask too much: everybody else is answered meanwhile."""

import http.client
import os
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import local.channel
from handlers.access import Token, digest_of, entry_of
from handlers.settings import Settings
from local.server import Server
from local.unsent import LEAST_TAKEN, Reader, Unsent
from tests.factories import make_flow, to_json
from tests.process import SECONDS, Running, megabytes, raw_post, read_all, running
from tests.test_dispatcher import serving, status_of, threads_of
from tests.test_server import error_of
from tests.test_streamed import connected, get, many, wait_until

__all__ = ["many"]

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory and threads are told in /proc")

IN_TIME = 1.0
ATTEMPTS = 5
"""A machine that is busy with other tests may be late now and then; an attack that works makes every attempt late."""

TOKEN = "secret-for-tests"
AUTHORIZED = f"Authorization: Bearer {TOKEN}"
POST = raw_post(to_json([make_flow()]), AUTHORIZED)
PAGE = get("/dashboard", "1.1", "Connection: close")
ALIVE = get("/healthz", "1.1", "Connection: close")
FILE = get("/dashboard/plotly.min.js")
"""Some 4.5 MB, open to everybody."""

FILE_MEGABYTES = 4.5


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """A server that wants a token, with a temporary folder of its own."""
    token = entry_of(Token("web-1", "admin", digest_of(TOKEN)))
    (tmp_path / "tmp").mkdir()
    with running(tmp_path, API_TOKENS=token, TMPDIR=str(tmp_path / "tmp")) as started:
        yield started


def answered_in_time(server: Running, request: bytes) -> int:
    """Return the status of an answer that comes within a second, in one of some attempts."""
    for _ in range(ATTEMPTS):
        with socket.create_connection(("127.0.0.1", server.port), IN_TIME) as connection:
            try:
                connection.sendall(request)
                return status_of(connection.recv(1 << 16))
            except TimeoutError:
                continue
    raise AssertionError(f"no answer within {IN_TIME} s to {request[:40]!r}")


def all_answered(server: Running) -> list[int]:
    return [answered_in_time(server, request) for request in (ALIVE, POST, PAGE)]


def kept_on_disk(server: Running, folder: Path) -> list[str]:
    """List the open files in a folder, also those that have no name any more."""
    descriptors = Path(f"/proc/{server.process.pid}/fd")
    return [name for each in os.listdir(descriptors) if (name := _target(descriptors / each)).startswith(str(folder))]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


@contextmanager
def held(server: Running, count: int, *sent: bytes) -> Iterator[list[socket.socket]]:
    """Open connections, send each the same and read nothing; what does not fit into the socket's buffer is left out."""
    with ExitStack() as stack:
        opened = [stack.enter_context(server.connect()) for _ in range(count)]
        for connection in opened:
            connection.setblocking(False)
            for part in sent:
                _send_what_fits(connection, part)
        yield opened


def _send_what_fits(connection: socket.socket, part: bytes) -> None:
    with suppress(BlockingIOError):
        connection.send(part)


@needs_proc
@pytest.mark.parametrize(
    ("count", "sent"),
    [
        (8, FILE * 8),
        (60, FILE * 3),
        (2, get("/openapi.json") * 900),
        (40, b"POST /flows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n[1]" * 3_000),
        (40, b"POST /flows HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret-for-tests\r\n\r\n" * 3_000),
    ],
    ids=["files", "many files", "documents", "refused POSTs", "POSTs without a body"],
)
def test_answers_that_nobody_reads_hold_no_thread_memory_or_disk(
    server: Running, tmp_path: Path, count: int, sent: bytes
) -> None:
    assert answered_in_time(server, FILE) == 200
    threads, idle = threads_of(server), megabytes(server.process.pid)

    with held(server, count, sent):
        for _ in range(5):
            assert all_answered(server) == [200, 201, 200]
        assert threads_of(server) == threads
        assert megabytes(server.process.pid) - idle < 8 * FILE_MEGABYTES
        assert kept_on_disk(server, tmp_path / "tmp") == []

    assert all_answered(server) == [200, 201, 200]
    assert threads_of(server) == threads
    assert megabytes(server.process.pid) - idle < 8 * FILE_MEGABYTES


def _bodies(connection: socket.socket, count: int) -> list[int]:
    """Read so many answers, and return the lengths of their bodies."""
    lengths = []
    with connection.makefile("rb") as stream:
        for _ in range(count):
            assert stream.readline().split()[1] == b"200"
            head = http.client.parse_headers(stream)
            lengths.append(len(stream.read(int(head["Content-Length"]))))
    return lengths


def test_the_next_request_of_a_connection_begins_when_the_answers_before_it_are_taken() -> None:
    begun: list[str] = []

    def long(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        begun.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]

    # More than any system takes of it by itself.
    answer = bytes(64 << 20)
    with serving(long) as here, connected(here) as client, connected(here) as other:
        client.sendall(get("/a") + get("/b") + get("/c"))
        wait_until(lambda: begun == ["/a"])
        other.sendall(get("/other"))
        assert _bodies(other, 1) == [len(answer)]
        assert begun == ["/a", "/other"]

        assert _bodies(client, 3) == [len(answer)] * 3
        assert begun == ["/a", "/other", "/b", "/c"]


def test_thousands_of_requests_in_one_go_are_answered_in_order(server: Running) -> None:
    paths = [f"/nowhere/{number}" for number in range(3_000)]
    requests = b"".join(get("/nowhere", "1.1", f"X-Request-Id: {path}") for path in paths)

    with server.connect() as client:
        sender = threading.Thread(target=client.sendall, args=(requests + PAGE,))
        sender.start()
        answers = read_all(client)
        sender.join()

    assert re.findall(rb"X-Request-Id: (/nowhere/\d+)\r", answers) == [path.encode() for path in paths]


def test_a_stop_answers_all_that_came_in_one_go(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.connect() as client:
        client.sendall(get("/healthz") * 50)
        assert client.recv(1)
        server.process.terminate()

        assert (b"H" + read_all(client)).count(b"HTTP/1.1 200 OK") >= 50
        assert server.process.wait(SECONDS) == 0


def test_a_reader_without_progress_is_closed_though_no_thread_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.channel, "STALLED_SECONDS", 0.2)

    def long(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(64 << 20))])
        return [bytes(64 << 20)]

    with serving(long) as here, connected(here) as deaf:
        deaf.sendall(get("/") * 3)
        assert deaf.recv(1)
        wait_until(lambda: not here._server.active_channels)


def test_progress_is_what_the_other_side_has_taken_of_its_answers() -> None:
    ours, theirs = socket.socketpair()
    unsent, reader = Unsent(), Reader()
    with ours, theirs:
        assert reader.measure(0.0, unsent, ours) == 0.0
        unsent.append(bytes(10 * LEAST_TAKEN))
        assert reader.measure(100.0, unsent, ours) == 0.0
        assert reader.measure(130.0, unsent, ours) == 30.0
        unsent.skip(LEAST_TAKEN - 1)
        assert reader.measure(150.0, unsent, ours) == 50.0
        unsent.skip(1)
        assert reader.measure(170.0, unsent, ours) == 0.0
        assert reader.measure(180.0, unsent, ours) == 10.0
        while unsent:
            unsent.skip(len(unsent.get(1_000)))
        assert reader.measure(500.0, unsent, ours) == 0.0


@needs_proc
@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /flows?hour=1", 401),
        ("GET /healthz", 200),
        ("PUT /flows", 405),
        ("POST /flows", 401),
        ("POST /nowhere", 404),
        (f"POST /flows HTTP/1.1\r\n{AUTHORIZED}\r\nContent-Type: text/html\r\nX:", 415),
        (f"POST /flows HTTP/1.1\r\n{AUTHORIZED}\r\nContent-Encoding: br\r\nX:", 415),
    ],
)
def test_a_body_that_is_not_wanted_is_received_and_kept_nowhere(
    server: Running, tmp_path: Path, head: str, status: int
) -> None:
    length = 30_000_000
    idle = megabytes(server.process.pid)
    whole = f"{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n".encode()

    with ExitStack() as stack:
        senders = [stack.enter_context(server.connect()) for _ in range(4)]
        for sender in senders:
            sender.sendall(whole + bytes(length - 1))
        assert kept_on_disk(server, tmp_path / "tmp") == []
        assert megabytes(server.process.pid) - idle < 20
        for sender in senders:
            sender.sendall(b" ")
            assert status_of(read_all(sender)) == status
    assert megabytes(server.process.pid, "VmHWM") - idle < 20


@needs_proc
def test_a_chunked_body_without_a_token_is_kept_nowhere(server: Running, tmp_path: Path) -> None:
    with server.connect() as sender:
        sender.sendall(raw_post(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b""))
        for _ in range(100):
            sender.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
        assert answered_in_time(server, ALIVE) == 200
        assert kept_on_disk(server, tmp_path / "tmp") == []
        sender.sendall(b"0\r\n\r\n")
        assert status_of(read_all(sender)) == 401


def test_a_body_past_the_limit_by_its_head_is_refused_and_kept_nowhere(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    with (
        running(tmp_path, MAX_BODY_BYTES="1000000", TMPDIR=str(tmp_path / "tmp")) as server,
        server.connect() as sender,
    ):
        sender.sendall(raw_post(bytes(1_000_001))[:-1])
        assert answered_in_time(server, ALIVE) == 200
        assert kept_on_disk(server, tmp_path / "tmp") == []
        sender.sendall(bytes(1))
        status, told = error_of(read_all(sender))

    assert status == 413
    assert told["error_message"] == "The body is longer than 1000000 bytes; send smaller batches"


@pytest.mark.parametrize(("headers", "status"), [([], 401), ([AUTHORIZED, "Content-Type: text/html"], 415)])
def test_who_asks_before_sending_what_is_refused_has_the_answer_at_once(
    server: Running, headers: list[str], status: int
) -> None:
    head = raw_post(bytes(5_000_000), "Expect: 100-continue", *headers)[:-5_000_000]

    answer = server.talk(head)
    # A client need not wait.
    hasty = server.talk(head + POST)

    assert [error_of(answer)[0], error_of(hasty)[0]] == [status, status]
    assert b"100 Continue" not in answer + hasty
    assert b"201 Created" not in hasty


def test_who_asks_before_sending_what_is_wanted_is_told_to(server: Running) -> None:
    answers = server.talk(raw_post(to_json([make_flow()] * 2_000), AUTHORIZED, "Expect: 100-continue"))

    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"100", b"201"]


@pytest.mark.parametrize("line", [b"a:\r\n", b"a: b\r\n c\r\n", b"X-%d: y\r\n"])
def test_headers_of_many_lines_are_refused_before_they_are_parsed(server: Running, line: bytes) -> None:
    lines = b"".join(line.replace(b"%d", b"%d" % number) for number in range(30_000))
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + lines[:240_000].rpartition(b"\r\n")[0] + b"\r\n\r\n"
    stopped = threading.Event()

    def attack() -> None:
        while not stopped.is_set():
            assert error_of(server.talk(whole))[0] == 431

    attackers = [threading.Thread(target=attack) for _ in range(4)]
    for attacker in attackers:
        attacker.start()
    try:
        for _ in range(5):
            assert all_answered(server) == [200, 201, 200]
    finally:
        stopped.set()
        for attacker in attackers:
            attacker.join()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (get("/healthz", "1.1", "Connection: close", *["a: b"] * 98), 200),
        (get("/healthz", "1.1", "Connection: close", *["a: b"] * 99), 431),
        (get("/healthz", "1.1", "Connection: close", "a: " + "b" * 30_000), 200),
        (get("/healthz", "1.1", "Connection: close", "a: " + "b" * 33_000), 431),
        (get("/" + "%01" * 1_300, "1.1", "Connection: close"), 404),
        (get("/" + "%01" * 1_400, "1.1", "Connection: close"), 431),
        (get("/flows?" + "&".join(["hour=1234567890123456789"] * 1_000), "1.1", AUTHORIZED, "Connection: close"), 200),
        (get("/flows?hour=1" + "&" * 2_000, "1.1", AUTHORIZED, "Connection: close"), 422),
    ],
    ids=["lines", "a line more", "long", "too long", "a path", "too long a path", "hours", "parameters"],
)
def test_a_head_has_limits(server: Running, sent: bytes, status: int) -> None:
    assert status_of(server.talk(sent)) == status


def test_chunks_that_hold_next_to_nothing_are_refused(server: Running) -> None:
    head = raw_post(b"", AUTHORIZED, "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")

    for short in (b"1\r\n \r\n", b"\r\n"):
        assert error_of(server.talk(head + short * 100_000))[0] == 400
    lines = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [b" " * 60] * 50_000)
    assert status_of(server.talk(head + b"2\r\n[]\r\n" + lines + b"0\r\n\r\n")) == 201


@pytest.mark.parametrize(
    "left_over", [b"", b"GET / HT", b"POST /flows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n["]
)
def test_a_newcomer_is_served_though_every_connection_is_taken(left_over: bytes) -> None:
    def small(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with full_of(small, left_over) as (here, opened):
        for _ in range(60):
            with connected(here) as newcomer:
                newcomer.settimeout(SECONDS)
                newcomer.sendall(get("/", "1.1", "Connection: close"))
                assert status_of(read_all(newcomer)) == 200
        told = b""
        # The system may have it that what it has not been asked for is lost.
        with suppress(ConnectionResetError):
            told = read_all(opened[0])

    assert not told or error_of(told)[0] == 408


@contextmanager
def full_of(application: Callable[..., Any], sent: bytes) -> Iterator[tuple[Server, list[socket.socket]]]:
    """Serve 40 connections at most, and open 50 that send a beginning and no more."""
    here = Server(application, Settings(port=0), connections=40)
    thread = threading.Thread(target=here.run)
    thread.start()
    try:
        with ExitStack() as stack:
            opened = [stack.enter_context(connected(here)) for _ in range(50)]
            for connection in opened:
                _send_what_fits(connection, sent)
            yield here, opened
    finally:
        here.stop()
        thread.join()


def test_who_is_owed_an_answer_is_never_closed_to_make_room() -> None:
    released, begun = threading.Event(), threading.Semaphore(0)

    def waits(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        begun.release()
        assert released.wait(SECONDS)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with full_of(waits, b"") as (here, opened), ExitStack() as stack:
        asked = [stack.enter_context(connected(here)) for _ in range(4)]
        for connection in asked:
            connection.sendall(get("/slow", "1.1", "Connection: close"))
            assert begun.acquire(timeout=SECONDS)
        more = [stack.enter_context(connected(here)) for _ in range(50)]
        released.set()

        assert [status_of(read_all(connection)) for connection in asked] == [200] * 4
        assert len(opened + more) == 100


def test_slow_readers_behind_a_trusted_proxy_leave_room_for_others(tmp_path: Path, many: str) -> None:
    settings = {"TRUSTED_PROXIES": "127.0.0.1", "RATE_LIMIT": "6000", "RATE_BURST": "1000"}
    with running(tmp_path, DATABASE_URL=many, **settings) as server, ExitStack() as stack:
        for number in range(40):
            slow = stack.enter_context(server.connect())
            slow.sendall(get("/flows?hour=1&format=ndjson", "1.1", f"X-Forwarded-For: 192.0.2.{number}") * 3)
        for number in range(40):
            forwarded = f"X-Forwarded-For: 198.51.100.{number}"
            page = get("/flows?hour=1&size=1000", "1.1", "Connection: close", forwarded)
            assert answered_in_time(server, page) == 200
        assert answered_in_time(server, ALIVE) == 200
