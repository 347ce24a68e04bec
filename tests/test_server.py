"""A real server process over a socket: what it serves, what ends it, and what survives that."""

import http.client
import queue
import random
import re
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

import local.channel
from handlers.settings import Settings
from local.server import Server
from tests.factories import SAMPLE, SAMPLE_HOUR_2, from_json, make_flow, to_json
from tests.process import SECONDS, Running, raw_post, read_all, run_module, running


def error_of(answer: bytes) -> tuple[int, dict[str, object]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Type: application/json" in head
    told = from_json(body)
    assert told["status_code"] == int(head.split()[1])
    return told["status_code"], told


def lock_database(folder: Path) -> sqlite3.Connection:
    """Keep a server's writes waiting until the lock is let go."""
    lock = sqlite3.connect(folder / "flows.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    return lock


def test_what_is_posted_can_be_read_and_outlives_sigkill(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert server.post(SAMPLE) == (201, b'{"accepted":5,"flows":4}')
        assert server.ask("GET", "/flows?hour=2") == (200, SAMPLE_HOUR_2)
        server.kill()

    with running(tmp_path) as server:
        assert server.ask("GET", "/flows?hour=2") == (200, SAMPLE_HOUR_2)


def test_sigkill_among_concurrent_posts_loses_no_acknowledged_batch_and_halves_none(tmp_path: Path) -> None:
    started: set[int] = set()
    acknowledged: set[int] = set()
    enough = threading.Event()
    size = 25

    def write(server: Running, writer: int) -> None:
        try:
            for batch in range(writer * 1_000_000, (writer + 1) * 1_000_000):
                flows = [make_flow(src_app=f"batch-{batch}", dest_app=f"app-{n}") for n in range(size)]
                started.add(batch)
                status, _ = server.post(flows)
                assert status == 201
                acknowledged.add(batch)
                if len(acknowledged) > 150:
                    enough.set()
        except (OSError, http.client.HTTPException):
            return

    with running(tmp_path) as server:
        writers = [threading.Thread(target=write, args=(server, number)) for number in range(8)]
        for writer in writers:
            writer.start()
        assert enough.wait(60)
        server.kill()
        for writer in writers:
            writer.join()

    with running(tmp_path) as server:
        stored: dict[int, int] = {}
        for item in server.items(1):
            batch = int(item["src_app"].removeprefix("batch-"))
            stored[batch] = stored.get(batch, 0) + 1
    assert set(stored.values()) == {size}
    assert acknowledged <= set(stored) <= started
    assert len(set(stored) - acknowledged) <= len(writers)


def test_sigterm_answers_every_request_received_before_it(tmp_path: Path) -> None:
    with running(tmp_path, THREADS="4") as server:
        assert server.post([make_flow()])[0] == 201
        waiting = [server.connect() for _ in range(20)]
        lock = lock_database(tmp_path)
        for number, connection in enumerate(waiting):
            connection.sendall(raw_post(to_json([make_flow(src_app=f"late-{number}")])))
        server.process.terminate()
        lock.execute("ROLLBACK")
        lock.close()

        answers = [read_all(connection) for connection in waiting]

        for connection in waiting:
            connection.close()
        assert [answer.split(b" ", 2)[1] for answer in answers] == [b"201"] * 20
        assert server.process.wait(60) == 0
    with running(tmp_path) as server:
        assert len(server.items(1)) == 21


def test_sigterm_answers_a_request_received_behind_another_on_its_connection(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.connect() as connection:
        lock = lock_database(tmp_path)
        one = raw_post(to_json(SAMPLE)).replace(b"Connection: close\r\n", b"")
        connection.sendall(one)
        server.ask("GET", "/")
        connection.sendall(one)
        server.process.terminate()
        while _accepts(server):
            pass
        lock.execute("ROLLBACK")
        lock.close()

        assert read_all(connection).count(b"HTTP/1.1 201 ") == 2
        assert server.process.wait(60) == 0


def test_sigterm_leaves_an_unfinished_request_and_an_idle_connection(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        unfinished, idle = server.connect(), server.connect()
        unfinished.sendall(raw_post(to_json(SAMPLE))[:-10])
        assert server.post([])[0] == 201

        assert server.terminate() == 0

        assert read_all(idle) == b""
        unfinished.close()
        idle.close()


def test_a_stop_is_not_held_up_past_its_seconds(tmp_path: Path) -> None:
    with running(tmp_path, SHUTDOWN_SECONDS="0") as server, server.connect() as connection:
        lock = lock_database(tmp_path)
        connection.sendall(raw_post(to_json(SAMPLE)))
        # The server reads what came first first, so once this is answered the POST has been read.
        server.ask("GET", "/")

        assert server.terminate() == 1

        lock.close()
    assert re.search("[12] connections still waiting for an answer", (tmp_path / "server.log").read_text())


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    with running(tmp_path, SHUTDOWN_SECONDS="60") as server, server.connect() as connection:
        lock = lock_database(tmp_path)
        connection.sendall(raw_post(to_json(SAMPLE)))
        server.ask("GET", "/")
        server.process.terminate()
        while _accepts(server):
            pass

        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == -signal.SIGINT

        lock.close()


def test_a_server_that_was_started_with_signals_ignored_is_stopped_by_them_all_the_same(tmp_path: Path) -> None:
    # As a script does with what it starts in the background; and as nohup does with SIGHUP.
    ignoring = "trap '' INT TERM; exec \"$0\" -m local"
    for how in (signal.SIGINT, signal.SIGTERM):
        with running(tmp_path, "sh", "-c", ignoring, sys.executable) as server:
            server.process.send_signal(how)

            assert server.process.wait(SECONDS) == 0


def _accepts(server: Running) -> bool:
    try:
        server.connect().close()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"PORT": "http"}, "PORT is wrong: expected a whole number from 0 to 65535."),
        (
            {"DATABASE_URL": "mysql://u:secret@h/d"},
            "DATABASE_URL begins with mysql, and must begin with sqlite:/// or postgresql://.",
        ),
        (
            {"DATABASE_URL": "sqlite:///nowhere/flows.db"},
            "nowhere/flows.db cannot be opened: there is no folder nowhere.",
        ),
        ({"LOG_FILE": "nowhere/server.log"}, "nowhere/server.log cannot be written: No such file or directory."),
        ({"PID_FILE": "nowhere/server.pid"}, "nowhere/server.pid cannot be written: No such file or directory."),
        ({"HOST": "a..b"}, "HOST a..b is no name of a host."),
        (
            {"HOST": "192.0.2.1", "ALLOW_ANONYMOUS": "1"},
            "HOST 192.0.2.1, PORT 0 cannot be listened on: Cannot assign requested address.",
        ),
    ],
)
def test_a_start_that_cannot_be_fails_with_a_sentence(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    ended = run_module("local", tmp_path, **{"PORT": "0", **settings})

    assert ended.returncode == 1
    assert says in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "secret" not in ended.stderr
    assert not (tmp_path / "server.pid").exists()


def test_a_port_that_is_taken_fails_the_start_with_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run_module("local", tmp_path, PORT=port)

    assert ended.returncode == 1
    assert ended.stderr == (
        f"HOST 127.0.0.1, PORT {port} cannot be listened on: Address already in use; choose another port: "
        f"make start_server PORT={int(port) + 1}.\n"
    )


def test_a_second_server_with_the_same_pid_file_does_not_start(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        ended = run_module("local", tmp_path, PORT="0")

        assert ended.returncode == 1
        assert ended.stderr == (
            f"A server runs already at http://127.0.0.1:{server.port}: server.pid names process {server.process.pid}; "
            "stop it with make stop_server.\n"
        )
        assert server.ask("GET", "/")[0] == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET http://[::1/ HTTP/1.1\r\n\r\n", 400),
        (b"GET /flows?hour=\xff HTTP/1.1\r\n\r\n", 400),
        (b"POST /flows HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", 400),
        (b"POST /flows HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST /flows HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /flows HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
        (b"POST /flows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999\r\n\r\n", 413),
        (
            b"POST /flows HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9999999999999\r\n\r\n",
            413,
        ),
        (b"GET / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /flows HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 100_000, 400),
        (b"POST /flows HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"x" * 200_000, 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 300_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_the_server_itself_refuses_has_the_shape_of_every_error(server: Running, sent: bytes, status: int) -> None:
    got, told = error_of(server.talk(sent))

    assert got == status
    assert set(told) == {"error_message", "status_code"}
    assert server.ask("GET", "/")[0] == 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server for tests that leave it as it is."""
    with running(tmp_path_factory.mktemp("server"), MAX_BODY_BYTES="100000") as started:
        yield started


def _send_without_end(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"more")


def test_a_client_that_is_refused_and_sends_on_is_cut_off_in_the_end(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local.channel, "_LINGER_SECONDS", 0.01)
    here = Server(lambda environ, start_response: [], Settings(port=0))
    thread = threading.Thread(target=here.run)
    thread.start()

    with socket.create_connection(("127.0.0.1", here.port), timeout=60) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert error_of(read_all(connection))[0] == 400
        with pytest.raises(OSError, match=r"reset|pipe"):
            _send_without_end(connection)

    here.stop()
    thread.join()


def test_a_body_past_the_limit_is_read_to_its_end_and_refused(server: Running) -> None:
    for body in (b"[" + b" " * 100_000, b"x" * 1_500_000):
        status, told = error_of(server.talk(raw_post(body)))
        assert status == 413
        assert told["error_message"] == "The body is longer than 100000 bytes; send smaller batches"


def test_a_chunked_body_is_a_body_and_has_the_same_limit(server: Running) -> None:
    head = b"POST /flows HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n"

    taken = server.talk(head + chunk % (1, b"[") + chunk % (1, b"]") + b"0\r\n\r\n")
    refused = server.talk(head + chunk % (60_000, b" " * 60_000) * 3 + b"0\r\n\r\n")

    assert taken.startswith(b"HTTP/1.1 201 ")
    assert error_of(refused)[0] == 413


def test_a_client_that_asks_before_it_sends_is_bidden_go_on(server: Running) -> None:
    answers = server.talk(raw_post(b"[]", "Expect: 100-continue"))

    assert re.findall(rb"HTTP/1\.1 ([0-9]+)", answers) == [b"100", b"201"]


def test_a_client_that_asks_to_send_nothing_is_answered(server: Running) -> None:
    asks = b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n"
    last = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    answers = server.talk(asks + last)

    assert re.findall(rb"HTTP/1\.1 ([0-9]+)", answers) == [b"200", b"404"]


def test_a_connection_serves_one_request_after_another(server: Running) -> None:
    one = b"GET /flows?hour=77 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"HEAD /flows HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    answers = server.talk(one * 3 + last)

    assert re.findall(rb"HTTP/1\.1 ([0-9]+)", answers) == [b"200", b"200", b"200", b"405"]
    assert answers.endswith(b"\r\n\r\n")


def test_hundreds_of_stalled_connections_leave_the_service_answering(tmp_path: Path) -> None:
    few_files = ("sh", "-c", f"ulimit -S -n 256; exec {sys.executable} -m local")
    with running(tmp_path, *few_files) as server:
        stalled = [server.connect() for _ in range(400)]
        for connection in stalled:
            connection.sendall(raw_post(b"[" * 1_000)[:-500])

        assert server.post([])[0] == 201

        for connection in stalled:
            connection.close()


def test_a_client_that_leaves_before_its_answer_harms_nobody(server: Running) -> None:
    for _ in range(50):
        with server.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(raw_post(to_json(SAMPLE)))

    assert server.ask("GET", "/")[0] == 200


def test_a_fault_of_the_edge_itself_is_told_by_its_id_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(environ: dict[str, object], start_response: object) -> list[bytes]:
        raise RuntimeError("secret")

    server = Server(broken, Settings(port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, told = error_of(read_all(connection))
    server.stop()
    thread.join()

    assert status == 500
    assert "secret" not in str(told)
    assert told["request_id"] in {vars(record)["request_id"] for record in caplog.records}
    assert "secret" in caplog.text


def test_a_body_for_which_there_is_no_room_is_told_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    here = Server(lambda environ, start_response: [], Settings(port=0))
    thread = threading.Thread(target=here.run)
    thread.start()

    with socket.create_connection(("127.0.0.1", here.port), timeout=60) as connection:
        connection.sendall(raw_post(b" " * 600_000))
        answer = read_all(connection)

    here.stop()
    thread.join()
    status, told = error_of(answer)
    assert status == 503
    assert b"Retry-After: 1" in answer
    assert "gone" not in str(told)
    assert "gone" in caplog.text


def test_no_bytes_whatever_on_the_socket_are_a_fault_of_the_server(server: Running) -> None:
    rng = random.Random(11)
    parts = [
        b"GET ",
        b"POST ",
        b"/flows",
        b"?hour=1",
        b" HTTP/1.1",
        b"\r\n",
        b"\r\n\r\n",
        b"Host: localhost",
        b": ",
        b"\x00",
    ]
    parts += [b"Content-Length: ", b"2", b"[]", b"Transfer-Encoding: chunked", b"0\r\n\r\n", b"%", b"http://[", b"\xff"]
    parts += [b"Expect: 100-continue", b"GET / HTTP/1.1\r\n\r\n", b"-1", b"{", b"OPTIONS * HTTP/1.1\r\n\r\n"]
    for _ in range(300):
        with server.connect() as connection:
            connection.sendall(b"".join(rng.choices(parts, k=rng.randrange(1, 12))))
            connection.shutdown(socket.SHUT_WR)
            answers = read_all(connection)
        assert not re.search(rb"HTTP/1\.[01] 50[0234]", answers)
    assert server.ask("GET", "/")[0] == 200


def test_a_large_batch_goes_through(tmp_path: Path) -> None:
    flows = [make_flow(src_app=f"app-{number % 7_000}", dest_app="x" * 60) for number in range(100_000)]

    with running(tmp_path) as server:
        status, body = server.post(flows)

        assert (status, from_json(body)) == (201, {"accepted": 100_000, "flows": 7_000})
        assert sum(item["bytes_tx"] for item in server.items(1)) == 100 * 100_000


def test_the_log_has_a_line_a_request_and_the_servers_own_refusals(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.ask("POST", "/flows", to_json(SAMPLE), **{"X-Request-Id": "web-1/7"})
        server.ask("GET", "/flows?hour=2", None, **{"X-Request-Id": "not fit"})
        server.talk(b"nonsense\r\n\r\n")
        assert server.terminate() == 0

    log = (tmp_path / "server.log").read_text().splitlines()
    assert all(re.match(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z [A-Z]+ [a-z.]+ ", line) for line in log)
    lines = [re.sub(r"^\S+ INFO access |[0-9.]+ms ", "", line) for line in log if " access " in line]
    assert [re.sub(r"=[0-9a-f]{32}$", "=(made)", line) for line in lines] == [
        "POST /flows 201 5 records request_id=web-1/7",
        "GET /flows 200 2 records request_id=(made)",
        "- - 400 0 records request_id=(made)",
    ]
    assert len({line.rpartition("=")[2] for line in lines}) == 3


def test_the_log_can_go_to_standard_error(tmp_path: Path) -> None:
    lines: queue.Queue[str] = queue.Queue()
    with running(tmp_path, LOG_FILE="-") as server:
        assert server.process.stderr is not None
        reader = threading.Thread(target=_read_lines, args=(server.process.stderr, lines), daemon=True)
        reader.start()
        server.ask("GET", "/nowhere")
        assert "listening on" in lines.get(timeout=60)
        assert "GET /nowhere 404" in lines.get(timeout=60)
        server.terminate()
        reader.join()
    assert not (tmp_path / "server.log").exists()


def _read_lines(stream: IO[str], lines: "queue.Queue[str]") -> None:
    for line in stream:
        lines.put(line)
