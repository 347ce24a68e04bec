"""A server that is behind, or kept waiting: what it refuses, what it answers meanwhile, what it takes all the same."""

import contextlib
import gzip
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import zstandard

import local.dispatcher
import local.server
from handlers.settings import Settings
from local.dispatcher import LARGE_AT_ONCE, LARGE_BODY, SPARE, TABLE_WEIGHT
from local.server import Server
from tests.factories import make_flow, to_json
from tests.process import SECONDS, Running, raw_post, read_all, running
from tests.test_server import error_of, lock_database

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="threads are counted in /proc")


def threads_of(server: Running) -> int:
    return int(Path(f"/proc/{server.process.pid}/status").read_text().split("Threads:")[1].split()[0])


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def connections(server: Running, count: int, stack: ExitStack) -> list[socket.socket]:
    """Connect so often, and return once the server has accepted them all, in order."""
    opened = [stack.enter_context(server.connect()) for _ in range(count)]
    assert server.ask("GET", "/")[0] == 200
    return opened


def post_named(name: str) -> bytes:
    return raw_post(to_json([make_flow(src_app=name)]))


def silent(connection: socket.socket) -> bool:
    return not select.select([connection], [], [], 0)[0]


@needs_proc
def test_posts_past_the_bound_are_refused_at_once_while_reads_go_on(tmp_path: Path) -> None:
    with running(tmp_path, THREADS="2", MAX_WAITING="3") as server, ExitStack() as stack:
        assert server.post([make_flow()])[0] == 201
        opened, threads = connections(server, 12, stack), threads_of(server)
        lock = lock_database(tmp_path)
        for number, connection in enumerate(opened):
            connection.sendall(post_named(f"app-{number}"))

        refused = [read_all(connection) for connection in opened[5:]]
        unanswered = [silent(connection) for connection in opened[:2]]
        reads = [server.ask("GET", path)[0] for path in ("/", "/flows?hour=1")]

        assert threads_of(server) == threads
        lock.execute("ROLLBACK")
        lock.close()
        answers = [read_all(connection) for connection in opened[:5]]
        assert reads == [200, 200]
        assert unanswered == [True, True]
        assert all(b"Retry-After: 1\r\n" in answer for answer in refused)
        assert {error_of(answer)[0] for answer in refused} == {503}
        taken = {f"app-{number}" for number, answer in enumerate(answers) if status_of(answer) == 201}
        assert taken
        assert {item["src_app"] for item in server.items(1)} == taken | {make_flow()["src_app"]}
        assert [server.post([make_flow()])[0] for _ in range(20)] == [201] * 20


def test_a_post_that_waits_while_none_is_done_is_refused_before_the_store_gives_up(tmp_path: Path) -> None:
    with running(tmp_path, THREADS="1") as server, ExitStack() as stack:
        assert server.post([make_flow()])[0] == 201
        first, second, third = connections(server, 3, stack)
        lock = lock_database(tmp_path)
        first.sendall(post_named("first"))
        second.sendall(post_named("second"))

        waited, told = error_of(read_all(second))
        third.sendall(post_named("third"))
        newcomer, _ = error_of(read_all(third))
        still_waits = silent(first)

        lock.execute("ROLLBACK")
        lock.close()
        assert (waited, newcomer, still_waits) == (503, 503, True)
        assert set(told) == {"error_message", "status_code", "request_id"}
        assert status_of(read_all(first)) == 201
        # Its thread is free a moment after its answer is out.
        assert 201 in [server.post([make_flow()])[0] for _ in range(20)]
        assert {item["src_app"] for item in server.items(1)} == {"first", make_flow()["src_app"]}
    log = (tmp_path / "server.log").read_text()
    assert "1 POSTs waited too long and are refused" in log
    assert str(told["request_id"]) in log


def test_a_burst_on_a_healthy_store_is_taken_whole(tmp_path: Path) -> None:
    with running(tmp_path, THREADS="8") as server, ExitStack() as stack:
        opened = connections(server, 400, stack)
        for number, connection in enumerate(opened):
            connection.sendall(post_named(f"app-{number}"))

        answers = [read_all(connection) for connection in opened]

        assert {status_of(answer) for answer in answers} == {201}
        assert len(server.items(1)) == 400


def test_a_stop_refuses_nothing_that_it_takes_in(tmp_path: Path) -> None:
    with running(tmp_path, THREADS="1", MAX_WAITING="0") as server, ExitStack() as stack:
        opened = connections(server, 9, stack)
        server.process.send_signal(signal.SIGSTOP)
        for number, connection in enumerate(opened):
            connection.sendall(post_named(f"app-{number}"))
        server.process.terminate()
        server.process.send_signal(signal.SIGCONT)

        answers = [read_all(connection) for connection in opened]

        assert [status_of(answer) for answer in answers] == [201] * 9
        assert server.process.wait(SECONDS) == 0


@contextmanager
def trickling(opened: Iterable[socket.socket]) -> Iterator[None]:
    """Send a byte of a request over each connection now and then."""
    over = threading.Event()

    def send() -> None:
        for byte in raw_post(b" " * 10_000):
            for connection in opened:
                with contextlib.suppress(OSError):
                    connection.send(bytes([byte]))
            if over.wait(0.1):
                return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_hundreds_of_stalled_and_trickling_requests_are_refused_in_time_and_disturb_nobody(tmp_path: Path) -> None:
    with running(tmp_path, REQUEST_TIMEOUT="1") as server, ExitStack() as stack:
        opened = connections(server, 400, stack)
        for connection in opened[:200]:
            connection.sendall(raw_post(b"[" * 1_000)[:-500])
        with trickling(opened[200:]):
            assert server.ask("GET", "/")[0] == 200
            assert server.post([make_flow()])[0] == 201

            answers = [read_all(connection) for connection in opened]

        assert {error_of(answer)[0] for answer in answers} == {408}
        assert all(b"Connection: close\r\n" in answer for answer in answers)
        assert server.post([make_flow()])[0] == 201
    assert "POST - 408" in (tmp_path / "server.log").read_text()


def test_a_slow_sender_that_is_done_in_time_is_served_and_an_idle_connection_kept(tmp_path: Path) -> None:
    pause = threading.Event()
    one = raw_post(to_json([make_flow()])).replace(b"Connection: close\r\n", b"")
    with running(tmp_path, REQUEST_TIMEOUT="2") as server, server.connect() as slow, server.connect() as idle:
        for _ in range(6):
            for start in range(0, len(one), len(one) // 4):
                slow.sendall(one[start : start + len(one) // 4])
                pause.wait(0.1)
            assert status_of(slow.recv(1 << 16)) == 201

        idle.sendall(raw_post(b"[]"))
        assert status_of(read_all(idle)) == 201


def test_an_unfinished_request_is_not_answered_before_the_one_it_follows(tmp_path: Path) -> None:
    with running(tmp_path, REQUEST_TIMEOUT="1") as server, ExitStack() as stack:
        assert server.post([make_flow()])[0] == 201
        pair, alone = connections(server, 2, stack)
        lock = lock_database(tmp_path)
        whole, half = post_named("whole").replace(b"Connection: close\r\n", b""), post_named("half")[:-10]
        pair.sendall(whole + half)
        alone.sendall(half)

        assert error_of(read_all(alone))[0] == 408
        assert silent(pair)

        lock.execute("ROLLBACK")
        lock.close()
        first, _, second = read_all(pair).partition(b"}HTTP/1.1 ")
        assert (status_of(first), second[:3]) == (201, b"408")


@contextmanager
def serving(application: Callable[..., Any], **settings: Any) -> Iterator[Server]:
    """Serve an application from a thread of this process."""
    here = Server(application, Settings(port=0, **settings))
    thread = threading.Thread(target=here.run)
    thread.start()
    try:
        yield here
    finally:
        here.stop()
        thread.join()


def test_a_client_that_takes_no_answer_is_closed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.server, "_IDLE_SECONDS", 0)

    def endless(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(10**8))])
        return [b"x" * 10**8]

    with serving(endless, request_timeout=1) as here, socket.create_connection(("127.0.0.1", here.port)) as deaf:
        deaf.settimeout(SECONDS)
        deaf.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        pause, turns = threading.Event(), iter(range(600))
        assert deaf.recv(1)
        while here._server.active_channels and next(turns) < 599:
            pause.wait(0.1)

        assert not here._server.active_channels


LARGE = {
    "plain": (b" " * (LARGE_BODY + 1), (), LARGE_AT_ONCE),
    "table": (b" " * (LARGE_BODY // TABLE_WEIGHT + 1), ("Content-Type: text/csv",), LARGE_AT_ONCE),
    # How much these take is known once they are unpacked, so each is alone.
    "gzip": (gzip.compress(b" " * (LARGE_BODY + 1)), ("Content-Encoding: gzip",), 1),
    "zstd": (zstandard.ZstdCompressor().compress(b" " * (LARGE_BODY + 1)), ("Content-Encoding: zstd",), 1),
    "packed table": (
        gzip.compress(b" " * (LARGE_BODY // TABLE_WEIGHT + 1)),
        ("Content-Encoding: gzip", "Content-Type: text/csv"),
        1,
    ),
}
PACKED_SMALL = (gzip.compress(b" " * LARGE_BODY), ("Content-Encoding: gzip",))


class Held:
    """An application that holds POSTs until ``over``, but those of two bytes, and tells how many it holds at once."""

    def __init__(self) -> None:
        self.working: list[int] = []
        self.full, self.over = threading.Semaphore(0), threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if int(environ["CONTENT_LENGTH"]) > 2:
            self.working.append(1)
            self.full.release()
            self.over.wait(SECONDS)
            self.working.pop()
        start_response("201 Created", [("Content-Length", "0")])
        return []


def send_all(here: Server, stack: ExitStack, posts: Iterable[tuple[bytes, tuple[str, ...]]]) -> list[socket.socket]:
    """Send a POST over a connection each."""
    opened = []
    for body, headers in posts:
        opened.append(stack.enter_context(socket.create_connection(("127.0.0.1", here.port), SECONDS)))
        opened[-1].sendall(raw_post(body, *headers))
    return opened


@pytest.mark.parametrize("kind", LARGE)
def test_large_posts_are_worked_on_a_few_at_a_time_and_small_ones_beside_them(kind: str) -> None:
    body, headers, most = LARGE[kind]
    held = Held()
    with serving(held) as here, ExitStack() as stack:
        large = send_all(here, stack, [(body, headers)] * (2 * LARGE_AT_ONCE))
        for _ in range(most):
            assert held.full.acquire(timeout=SECONDS)

        (small,) = send_all(here, stack, [(b"[]", ())])
        beside = read_all(small)
        at_once = len(held.working)
        held.over.set()

        assert status_of(beside) == 201
        assert at_once == most
        assert [status_of(read_all(connection)) for connection in large] == [201] * len(large)


def test_what_is_small_once_it_is_unpacked_waits_for_nothing_large() -> None:
    held = Held()
    with serving(held) as here, ExitStack() as stack:
        opened = send_all(here, stack, [LARGE["gzip"][:2], *[PACKED_SMALL] * LARGE_AT_ONCE])

        for _ in opened:
            assert held.full.acquire(timeout=SECONDS)
        held.over.set()

        assert [status_of(read_all(connection)) for connection in opened] == [201] * len(opened)


def test_large_posts_at_once_have_no_more_bytes_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.dispatcher, "LARGE_BYTES", 4 * LARGE_BODY)
    half, whole = b" " * (2 * LARGE_BODY), b" " * (5 * LARGE_BODY)
    held = Held()
    with serving(held) as here, ExitStack() as stack:
        opened = send_all(here, stack, [(half, ()), (half, ())])
        for _ in opened:
            assert held.full.acquire(timeout=SECONDS)
        opened += send_all(here, stack, [(whole, ()), (half, ()), (half, ())])
        (small,) = send_all(here, stack, [(b"[]", ())])
        assert status_of(read_all(small)) == 201
        at_once = len(held.working)
        held.over.set()

        assert at_once == 2
        assert [status_of(read_all(connection)) for connection in opened] == [201] * len(opened)


def test_whether_it_is_alive_is_answered_while_every_other_thread_is_held() -> None:
    full, over = threading.Semaphore(0), threading.Event()

    def hold(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/flows":
            full.release()
            over.wait(SECONDS)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    def get(path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()

    with serving(hold, threads=4) as here, ExitStack() as stack:
        address = ("127.0.0.1", here.port)
        for _ in range(SPARE):
            stack.enter_context(socket.create_connection(address, SECONDS)).sendall(get("/flows"))
            assert full.acquire(timeout=SECONDS)

        with socket.create_connection(address, SECONDS) as asks:
            asks.sendall(get("/healthz"))
            answer = read_all(asks)
        over.set()

        assert status_of(answer) == 200
