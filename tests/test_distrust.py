"""The reference agent against a service that means ill, files that change under it, and a state edited by hand."""

import gzip
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.factories import make_flow, to_json
from tests.process import SECONDS, environment, running, start_agent

Answer = Callable[[Any], None]
"""Writes an answer to a request of so many ``records``."""


@contextmanager
def service(*answers: Answer) -> Iterator[str]:
    """Serve one answer after another, the last one for ever."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.records = self.rfile.read(int(self.headers["Content-Length"])).count(b'"src_app"')
            (left.pop(0) if len(left) > 1 else left[0])(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def answering(status: int, body: Any, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else to_json(body)

    def answer(handler: Any) -> None:
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def send(folder: Path, url: str, *words: str, records: int = 3) -> tuple[int, str]:
    """Send some records to their end; return the code and what was said."""
    (folder / "flows.json").write_bytes(to_json([make_flow(hour=number) for number in range(records)]))
    agent = start_agent(folder, "flows.json", "--url", url, *words)
    _, said = agent.communicate(timeout=SECONDS)
    assert "Traceback" not in said
    return agent.returncode, said


ACCEPTED = {"accepted": 3, "flows": 3}
LENIENT = {"accepted": 2, "flows": 2, "refused": 1, "errors_total": 1}


@pytest.mark.parametrize(
    "body",
    [
        LENIENT | {"errors": None},
        LENIENT | {"errors": [1]},
        LENIENT | {"errors": [{"loc": ["body", 999, "hour"], "msg": "bad"}]},
        LENIENT | {"errors": [{"loc": ["body", -1, "hour"], "msg": "bad"}]},
        LENIENT | {"errors": [{"loc": [], "msg": "bad"}]},
        LENIENT | {"errors": [{"loc": ["body"], "msg": "bad"}]},
        LENIENT | {"errors": [{"loc": ["body", "1"], "msg": None}]},
        LENIENT | {"refused": 0, "accepted": 3, "errors": [{"loc": ["body", 1], "msg": "bad"}]},
        ACCEPTED | {"accepted": -1},
        ACCEPTED | {"accepted": 2**70},
        ACCEPTED | {"accepted": 2},
        ACCEPTED | {"accepted": "3"},
        {},
        [],
        None,
        b"",
        b"<html>",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_201_that_is_no_answer_to_the_batch_stops_it_with_a_sentence(tmp_path: Path, body: Any) -> None:
    with service(answering(201, body)) as url:
        code, said = send(tmp_path, url)

    assert code == 1
    assert said.splitlines()[-1].startswith("stopped: the service ")
    assert "sent 0 records" in said


@pytest.mark.parametrize(
    "body",
    [
        {"error_message": "no", "key": 5},
        {"error_message": "no", "key": {}},
        {"error_message": "no", "key": {"hour": 99, "src_app": "foo", "dest_app": "bar", "vpc_id": "vpc-0"}},
        {"error_message": None},
        [],
        b"\xff",
    ],
)
def test_a_409_that_names_no_key_of_the_batch_stops_it_with_a_sentence(tmp_path: Path, body: Any) -> None:
    with service(answering(409, body)) as url:
        code, said = send(tmp_path, url)

    assert code == 1
    assert said.splitlines()[-1].startswith("stopped: the service answered 409: ")


def test_what_the_service_says_is_shown_escaped_and_cut(tmp_path: Path) -> None:
    forged = "\x1b[2Jno\nsent 99 records\r\x9b\u202eabc" + "x" * 100_000
    answers = [
        answering(403, {"error_message": forged}),
        answering(403, forged.encode()),
        answering(201, LENIENT | {"errors": [{"loc": ["body", 1, forged], "msg": forged}]}),
    ]
    for answer in answers:
        with service(answer) as url:
            _, said = send(tmp_path, url)

        assert "sent 99 records" in said
        assert not any(line.startswith("sent 99") for line in said.splitlines())
        assert all(line.isprintable() for line in said.split("\n"))
        assert len(said) < 2_000


def test_a_retry_after_is_obeyed_for_an_hour_at_most_and_the_wait_is_announced(tmp_path: Path) -> None:
    def first_line(retry_after: str) -> str:
        (tmp_path / "flows.json").write_bytes(to_json([make_flow()]))
        with service(answering(503, {}, Retry_After=retry_after)) as url:
            agent = start_agent(tmp_path, "flows.json", "--url", url)
            assert agent.stderr is not None
            line = agent.stderr.readline()
            agent.kill()
            agent.communicate(timeout=SECONDS)
        return line

    for asked in ("99999999", "Fri, 31 Dec 2100 23:59:59 GMT"):
        line = first_line(asked)
        assert line.startswith("waiting 3,60"), asked
        assert line.endswith(" s before retry 1 of 30: the service answered 503\n")
    for unreadable in ("Fri, 99 Foo -1", "9" * 5_000, "-5", "soon"):
        assert first_line(unreadable).startswith("waiting 0."), unreadable


GIGABYTES = 1 << 31


def test_an_answer_of_any_size_is_read_up_to_a_limit_also_where_it_is_compressed(tmp_path: Path) -> None:
    written: list[int] = []

    def endless(**headers: str) -> Answer:
        part = gzip.compress(bytes(1 << 20)) * 1_000

        def answer(handler: Any) -> None:
            written.append(0)
            handler.send_response(503)
            for name, value in ({"Content-Length": str(GIGABYTES)} | headers).items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            try:
                while written[-1] < GIGABYTES:
                    handler.wfile.write(part)
                    written[-1] += len(part)
            except ConnectionError:
                handler.close_connection = True

        return answer

    plain, packed = endless(), endless(Content_Encoding="gzip")
    with service(plain, packed, answering(201, ACCEPTED)) as url:
        code, said = send(tmp_path, url)

    assert (code, "sent 3 records" in said) == (0, True)
    assert len(written) == 2
    # What a socket's buffers hold comes on top of the limit.
    assert max(written) < 100_000_000


@pytest.mark.parametrize("trickled", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 503 No\r\nContent-Length: 99999\r\n\r\n"])
def test_an_answer_that_trickles_for_ever_is_given_up(tmp_path: Path, trickled: bytes) -> None:
    ended = threading.Event()

    def answer(handler: Any) -> None:
        handler.wfile.write(trickled)
        try:
            while not ended.wait(0.05):
                handler.wfile.write(b"x")
        except ConnectionError:
            pass
        handler.close_connection = True

    (tmp_path / "flows.json").write_bytes(to_json([make_flow()]))
    shortly = "import sys, local.sender; local.sender._REQUEST_SECONDS = 1; import local.agent as a; sys.exit(a.main())"
    with service(answer) as url:
        ended_agent = subprocess.run(
            [sys.executable, "-c", shortly, "flows.json", "--url", url, "--retries", "1"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        ended.set()

    assert ended_agent.returncode == 1
    assert f"waiting 0.{ended_agent.stderr[10]} s before retry 1 of 1: cannot reach {url}/flows: " in ended_agent.stderr
    # On a busy machine that second may pass before there is a connection.
    assert re.search(r": no (whole answer|connection) in time; start it again to go on\n$", ended_agent.stderr)


def test_an_answer_that_is_cut_off_is_asked_for_again(tmp_path: Path) -> None:
    with service(answering(201, b'{"acc', Content_Length="24", Connection="close"), answering(201, ACCEPTED)) as url:
        code, said = send(tmp_path, url)

    assert code == 0
    assert "the connection broke before the answer was complete" in said
    assert "retried 1 requests" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--url", "127.0.0.1:8080"), "127.0.0.1:8080 is no URL of a service, such as http://127.0.0.1:8080."),
        (("--url", "ftp://host"), "ftp://host is no URL of a service"),
        (("--url", "http://"), "http:// is no URL of a service"),
        (("--url", "http://host:99999"), "http://host:99999 is no URL of a service"),
        (("--url", "http://h\x1b[2J"), "is no URL of a service"),
        (("--url", "http://no.such.host.invalid", "--retries", "0"), "flows: its host is not known"),
        (("--token-file", "token"), "token cannot be read: it holds no token."),
        (("--token-file", "nowhere"), "nowhere cannot be read: No such file or directory."),
        (("--batch", "0"), "0 is no whole number from 1 to 1,000,000"),
        (("--batch", "9" * 30), "is no whole number from 1 to 1,000,000"),
        (("--retries", "-1"), "is no whole number"),
        (("--state", "nowhere/state.json"), "nowhere/state.json.lock cannot be opened: No such file or directory."),
    ],
)
def test_a_word_that_is_wrong_is_a_sentence(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    (tmp_path / "token").write_text("two\nlines")

    code, said = send(tmp_path, "http://127.0.0.1:9", *words)

    assert code in (1, 2)
    assert says in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 0},
        {"size": -3},
        {"size": 2**63},
        {"position": -1},
        {"sending": -1},
        {"skip": [-1]},
        {"refused": -1},
        {"sent_at": -1},
        {"sent_at": 2**80},
        {"digest": None},
    ],
)
def test_a_state_that_was_spoilt_by_hand_stops_it_with_a_sentence_and_is_left_alone(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    state = tmp_path / "flows-agent.json"
    with service(answering(201, ACCEPTED)) as url:
        send(tmp_path, url)
        kept = json.loads(state.read_text())
        (place,) = kept["places"].values()
        place |= changes
        state.write_text(json.dumps(kept))
        code, said = send(tmp_path, url)

    assert code == 1
    assert said.startswith("flows-agent.json cannot be read: Expected ")
    assert said.endswith("; mend it, or name another file with --state.\n")
    assert json.loads(state.read_text()) == kept


@pytest.mark.parametrize("state", [b"\xff", b"[" * 100_000, b"null", b'{"name":1}', b'{"name":"\xff"}'])
def test_a_state_that_is_something_else_stops_it_with_a_sentence(tmp_path: Path, state: bytes) -> None:
    (tmp_path / "flows-agent.json").write_bytes(state)

    code, said = send(tmp_path, "http://127.0.0.1:9")

    assert code == 1
    assert said.startswith("flows-agent.json cannot be read: ")


@contextmanager
def while_reading(folder: Path, lines: bytes) -> Iterator[tuple[Path, "subprocess.Popen[str]", threading.Event]]:
    """Hold an agent in the middle of a file, at its first batch, until the event is set."""
    asked, go_on = threading.Event(), threading.Event()

    def answer(handler: Any) -> None:
        asked.set()
        go_on.wait(SECONDS)
        answering(201, {"accepted": handler.records, "flows": handler.records})(handler)

    path = folder / "flows.ndjson"
    path.write_bytes(lines)
    with service(answer) as url:
        agent = start_agent(folder, path.name, "--batch", "10", "--url", url)
        assert asked.wait(SECONDS)
        yield path, agent, go_on
        go_on.set()
        agent.communicate(timeout=SECONDS)


LINES = b"".join(to_json(make_flow(hour=number)) + b"\n" for number in range(4_000))


def test_a_file_that_is_cut_while_it_is_read_stops_it_with_a_sentence(tmp_path: Path) -> None:
    with while_reading(tmp_path, LINES) as (path, agent, go_on):
        os.truncate(path, 5_000)
        go_on.set()
        _, said = agent.communicate(timeout=SECONDS)

    assert agent.returncode == 1
    assert "stopped: flows.ndjson became shorter while it was read: see what of it has been counted" in said
    assert "Traceback" not in said


def test_a_file_that_is_replaced_while_it_is_read_is_sent_as_it_was_opened(tmp_path: Path) -> None:
    with while_reading(tmp_path, LINES[:200_000].rpartition(b"\n")[0] + b"\n") as (path, agent, go_on):
        (tmp_path / "new").write_bytes(b"nothing of the kind\n")
        (tmp_path / "new").replace(path)
        go_on.set()
        _, said = agent.communicate(timeout=SECONDS)

    records = LINES[:200_000].count(b"\n")
    assert (agent.returncode, f"sent {records:,} records" in said) == (0, True)
    assert "Traceback" not in said


def test_a_file_that_is_overwritten_while_it_is_read_names_what_is_no_record(tmp_path: Path) -> None:
    with while_reading(tmp_path, LINES) as (path, agent, go_on):
        with path.open("r+b") as file:
            file.write((b"x" * 199 + b"\n") * (len(LINES) // 200))
        go_on.set()
        _, said = agent.communicate(timeout=SECONDS)

    assert agent.returncode in (1, 2)
    assert "no JSON" in said
    assert "Traceback" not in said


def test_a_name_of_a_file_that_would_steer_the_terminal_is_shown_escaped(tmp_path: Path) -> None:
    name = "a\x1b[2J\nsent 99 records.json"
    (tmp_path / name).write_bytes(to_json([make_flow()]))
    with running(tmp_path) as server:
        url = f"http://127.0.0.1:{server.port}"
        for _ in range(2):
            agent = start_agent(tmp_path, name, "--url", url)
            _, said = agent.communicate(timeout=SECONDS)

    assert said.startswith("nothing new: a\\x1b[2J\\nsent 99 records.json was sent before (1 records)\n")
