"""The reference agent, as a process, against a real server: everything in a file is counted once."""

import csv
import fcntl
import gzip
import io
import json
import os
import random
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.bench import traffic
from tests.factories import from_json, make_flow, to_json
from tests.process import ROOT, SECONDS, Running, environment, running, start_agent


def flows(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Make flow objects with the shape of real traffic, of one hour."""
    made: list[dict[str, Any]] = from_json(traffic.make_batch(traffic.make_keys(200, seed), count, seed, 7))
    return made


def totals(records: list[dict[str, Any]]) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Sum records as the service should."""
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for record in records:
        key = record["src_app"], record["dest_app"], record["vpc_id"]
        rx, tx = sums.get(key, (0, 0))
        sums[key] = rx + record["bytes_rx"], tx + record["bytes_tx"]
    return sums


def counted(server: Running, hour: int = 7) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Read an hour's sums."""
    return totals(server.items(hour))


def send(folder: Path, server: Running, *words: str) -> tuple[int, str]:
    """Run the agent to its end; give its code and what it said."""
    process = start_agent(folder, *words, "--url", f"http://127.0.0.1:{server.port}")
    _, said = process.communicate(timeout=SECONDS)
    return process.returncode, said


def as_csv(records: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["vpc_id", "hour", "src_app", "dest_app", "bytes_rx", "bytes_tx"])
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def as_lines(records: list[dict[str, Any]]) -> bytes:
    return b"\n\n".join(map(to_json, records)) + b"\r\n"


FORMATS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "array": to_json,
    "indented array": lambda records: json.dumps(records, indent=2).encode(),
    "ndjson": as_lines,
    "csv": as_csv,
    "csv with a byte order mark": lambda records: b"\xef\xbb\xbf" + as_csv(records),
}


@pytest.mark.parametrize("pressed", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_of_any_kind_is_counted_once_however_often_it_is_sent(tmp_path: Path, kind: str, pressed: bool) -> None:
    records = flows(250)
    body = FORMATS[kind](records)
    (tmp_path / "flows").write_bytes(gzip.compress(body) if pressed else body)

    with running(tmp_path) as server:
        first = send(tmp_path, server, "flows", "--batch", "100")
        again = send(tmp_path, server, "flows", "--batch", "100")
        (tmp_path / "flows-agent.json").unlink()
        anew = send(tmp_path, server, "flows", "--batch", "100")

        assert counted(server) == totals(records)
    said = "records in 3 batches ({} were counted before), refused 0, retried 0 requests"
    assert first == (0, f"sent 250 {said.format(0)}\n")
    assert again == (
        0,
        "nothing new: flows was sent before (250 records)\n"
        "sent 0 records in 0 batches, refused 0, retried 0 requests\n",
    )
    assert anew == (0, f"sent 250 {said.format(3)}\n")


def test_standard_input_is_read_and_several_files_are_sent(tmp_path: Path) -> None:
    records = [flows(30, seed) for seed in (1, 2)]
    (tmp_path / "a.json").write_bytes(to_json(records[0]))
    (tmp_path / "b.csv").write_bytes(as_csv(records[1]))

    with running(tmp_path) as server:
        code, said = send(tmp_path, server, "a.json", "b.csv")
        ended = subprocess.run(
            [sys.executable, "-m", "local.agent", "-", "--url", f"http://127.0.0.1:{server.port}"],
            cwd=tmp_path,
            env=environment(),
            input=as_lines([make_flow(hour=9)]),
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )

        assert (code, ended.returncode) == (0, 0)
        assert "sent 60 records" in said
        assert counted(server) == totals(records[0] + records[1])
        assert counted(server, 9) == totals([make_flow()])


def test_a_file_that_grows_is_gone_on_with(tmp_path: Path) -> None:
    records = flows(90)
    with running(tmp_path) as server:
        for end in (10, 55, 90):
            (tmp_path / "log.ndjson").write_bytes(as_lines(records[:end]))
            assert send(tmp_path, server, "log.ndjson", "--batch", "20")[0] == 0

        assert counted(server) == totals(records)


@pytest.mark.parametrize("write", [as_lines, as_csv])
def test_a_line_that_is_still_being_written_waits_for_its_end(
    tmp_path: Path, write: Callable[[list[dict[str, Any]]], bytes]
) -> None:
    records = flows(60)
    whole = write(records)
    with running(tmp_path) as server:
        codes = []
        for size in (len(whole) // 3, len(whole) // 2, len(whole) - 3, len(whole)):
            (tmp_path / "log").write_bytes(whole[:size])
            codes.append(send(tmp_path, server, "log", "--batch", "7")[0])

        assert counted(server) == totals(records)
    # Where a piece happens to end with a whole line, nothing is held back.
    assert 2 in codes[:3]
    assert codes[3] == 0


def test_a_last_line_without_an_end_is_sent_when_told_so(tmp_path: Path) -> None:
    records = flows(20)
    (tmp_path / "table.csv").write_bytes(as_csv(records).rstrip())
    (tmp_path / "lines.ndjson").write_bytes(as_lines(records).rstrip())
    with running(tmp_path) as server:
        held = send(tmp_path, server, "table.csv")
        sent = send(tmp_path, server, "table.csv", "--final")
        lines = send(tmp_path, server, "lines.ndjson")

        assert counted(server) == totals(records * 2)
    assert held[0] == 2
    assert "held back the last line of table.csv" in held[1]
    # Of an object that is whole there is no more to come.
    assert (sent[0], lines[0]) == (0, 0)


@pytest.mark.parametrize("change", ["other", "shorter", "same beginning"])
def test_another_file_under_the_same_name_is_sent_from_its_beginning(tmp_path: Path, change: str) -> None:
    first, others = flows(20, 1), flows(12, 2)
    second = {"other": others, "shorter": first[:5], "same beginning": first[:1] + others}[change]
    with running(tmp_path) as server:
        for records in (first, second):
            (tmp_path / "flows.json").write_bytes(to_json(records))
            code, said = send(tmp_path, server, "flows.json")
            assert code == 0

        assert counted(server) == totals(first + second)
    assert "flows.json is not the file that was sent in part before" in said


def test_a_host_that_is_called_otherwise_is_the_same_agent_and_another_service_is_another(tmp_path: Path) -> None:
    records = flows(50)
    (tmp_path / "flows.json").write_bytes(to_json(records))
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with running(tmp_path / "one") as one, running(tmp_path / "two") as two:
        send(tmp_path, one, "flows.json", "--name", "host-1")
        state = json.loads((tmp_path / "flows-agent.json").read_text())
        for place in state["places"].values():
            # As if killed before it knew that the batch was counted.
            place |= {"position": 0, "digest": "", "sending": 50}
        (tmp_path / "flows-agent.json").write_text(json.dumps(state))
        again = send(tmp_path, one, "flows.json", "--name", "host-2")
        send(tmp_path, two, "flows.json")

        assert counted(one) == counted(two) == totals(records)
    assert "1 were counted before" in again[1]


def interrupted(folder: Path, **changes: Any) -> None:
    """Change the one place of a state."""
    path = folder / "flows-agent.json"
    state = json.loads(path.read_text())
    (place,) = state["places"].values()
    place |= changes
    path.write_text(json.dumps(state))


def test_a_batch_on_its_way_is_sent_as_it_was_though_the_file_has_grown(tmp_path: Path) -> None:
    records = flows(80)
    (tmp_path / "flows.ndjson").write_bytes(as_lines(records[:30]))
    with running(tmp_path) as server:
        send(tmp_path, server, "flows.ndjson")
        interrupted(tmp_path, position=0, digest="", sending=30)
        (tmp_path / "flows.ndjson").write_bytes(as_lines(records))
        assert send(tmp_path, server, "flows.ndjson")[0] == 0

        assert counted(server) == totals(records)


def test_a_batch_on_its_way_that_has_changed_or_is_too_old_stops_it(tmp_path: Path) -> None:
    records = flows(30)
    (tmp_path / "flows.ndjson").write_bytes(as_lines(records))
    with running(tmp_path) as server:
        send(tmp_path, server, "flows.ndjson")
        interrupted(tmp_path, position=0, digest="", sending=30, key="0" * 40, sent_at=2**40)
        changed = send(tmp_path, server, "flows.ndjson")
        interrupted(tmp_path, key="", sending=0)
        send(tmp_path, server, "flows.ndjson")
        key = json.loads((tmp_path / "flows-agent.json").read_text())["places"].popitem()[1]["key"]

        assert key == ""
        assert counted(server) == totals(records)
    assert changed[0] == 1
    assert "has changed where a batch was on its way" in changed[1]
    assert "start it again" not in changed[1]


def test_a_batch_that_was_on_its_way_for_longer_than_keys_are_kept_stops_it_unless_told_to_go_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "flows.json").write_bytes(to_json([make_flow()]))
    agent = start_agent(tmp_path, "flows.json", "--url", "http://127.0.0.1:9", "--retries", "0")
    agent.communicate(timeout=SECONDS)
    state = (tmp_path / "flows-agent.json").read_text().replace("127.0.0.1:9/", "127.0.0.1:{port}/")
    with running(tmp_path) as server:
        (tmp_path / "flows-agent.json").write_text(state.replace("{port}", str(server.port)))
        interrupted(tmp_path, sent_at=1_000_000_000)
        old = send(tmp_path, server, "flows.json")
        assert server.items(1) == []
        new = send(tmp_path, server, "flows.json", "--resend")

        assert len(server.items(1)) == 1
    assert (old[0], new[0]) == (1, 0)
    assert "the service may have forgotten its key" in old[1]
    assert "start it again" not in old[1]


def test_two_agents_do_not_share_a_state(tmp_path: Path) -> None:
    (tmp_path / "flows.json").write_bytes(to_json([make_flow()]))
    first = start_agent(tmp_path, "-", "--url", "http://127.0.0.1:9")
    while not (tmp_path / "flows-agent.json.lock").exists():
        pass
    # The lock is taken right after its file is made.
    second = start_agent(tmp_path, "flows.json", "--url", "http://127.0.0.1:9", "--retries", "0")
    _, said = second.communicate(timeout=SECONDS)
    first.communicate(timeout=SECONDS)

    assert second.returncode == 1
    assert "another agent has flows-agent.json" in said


def test_what_was_refused_is_not_forgotten_by_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "flows.json").write_bytes(to_json([make_flow(), make_flow(hour=None), make_flow()]))
    with running(tmp_path) as server:
        codes = [send(tmp_path, server, "flows.json")[0] for _ in range(2)]

    assert codes == [2, 2]


def test_one_bad_line_costs_no_more_requests_and_many_bad_records_are_counted(tmp_path: Path) -> None:
    lines = [to_json(make_flow(hour=7 if number % 2 else None)) for number in range(3_000)]
    lines[5] = b"{no json"
    (tmp_path / "flows.ndjson").write_bytes(b"\n".join(lines) + b"\n")

    with running(tmp_path, MAX_BATCH_FLOWS="700") as server:
        code, said = send(tmp_path, server, "flows.ndjson", "--batch", "1000")

    assert code == 2
    assert "sent 1,499 records in 6 batches" in said
    assert "refused 1,501, retried" in said


def test_a_row_with_too_many_or_too_few_fields_is_refused(tmp_path: Path) -> None:
    header = b"src_app,dest_app,vpc_id,hour,bytes_tx,bytes_rx\n"
    (tmp_path / "flows.csv").write_bytes(b"\n" + header + b"a,b,v,7,1,2\na,b,v,7,2,000,3\na,b,v,7,1\n")

    with running(tmp_path) as server:
        code, said = send(tmp_path, server, "flows.csv")

        assert counted(server) == {("a", "b", "v"): (2, 1)}
    assert code == 2
    assert "refused flows.csv, record 1: 7 fields, where the header line has 6" in said


@pytest.mark.parametrize("limit", [{"MAX_BATCH_FLOWS": "30"}, {"MAX_BODY_BYTES": "4000"}])
def test_batches_are_halved_until_the_server_takes_them(tmp_path: Path, limit: dict[str, str]) -> None:
    records = flows(500)
    (tmp_path / "flows.json").write_bytes(to_json(records))

    with running(tmp_path, **limit) as server:
        code, said = send(tmp_path, server, "flows.json", "--batch", "200")

        assert code == 0
        assert "sent 500 records in 20 batches" in said
        assert counted(server) == totals(records)


def test_what_the_service_refuses_is_named_and_the_rest_is_counted(tmp_path: Path) -> None:
    records = flows(300)
    bad = {
        17: make_flow(hour="7"),
        18: make_flow(bytes_tx=-1),
        120: make_flow(src_app="x" * 256),
        299: make_flow(vpc_id=None),
    }
    lines = [to_json(bad.get(number, record)) for number, record in enumerate(records)]
    lines[40] = b"{no json"
    lines[41] = b'{"src_app":"\xff"}'
    (tmp_path / "flows.ndjson").write_bytes(b"\n".join(lines))

    with running(tmp_path) as server:
        code, said = send(tmp_path, server, "flows.ndjson", "--batch", "100")

        assert counted(server) == totals([r for number, r in enumerate(records) if number not in {*bad, 40, 41}])
    assert code == 2
    for number in (*bad, 40, 41):
        assert f"refused flows.ndjson, record {number}: " in said
    assert "refused flows.ndjson, record 17: hour: Expected `int`, got `str`\n" in said
    assert "sent 294 records" in said
    assert "refused 6," in said


def test_a_sum_that_would_be_too_large_is_refused_and_the_rest_is_counted(tmp_path: Path) -> None:
    records = [make_flow(hour=7, bytes_tx=2**63 - 1), make_flow(hour=7, bytes_tx=1), make_flow(hour=8)]
    (tmp_path / "flows.json").write_bytes(to_json(records))

    with running(tmp_path) as server:
        code, said = send(tmp_path, server, "flows.json")

        assert (code, counted(server, 7), len(server.items(8))) == (2, {}, 1)
    assert "refused 2," in said


def test_it_waits_for_a_server_that_is_not_there_yet_and_through_one_that_is_killed(tmp_path: Path) -> None:
    records = flows(3_000)
    (tmp_path / "flows.json").write_bytes(to_json(records))
    with running(tmp_path) as server:
        port = str(server.port)
    agent = start_agent(tmp_path, "flows.json", "--batch", "20", "--url", f"http://127.0.0.1:{port}")

    with running(tmp_path, PORT=port) as server:
        while server.ask("GET", "/flows?hour=7&size=1")[1].count(b"src_app") == 0:
            pass
        server.kill()
    with running(tmp_path, PORT=port) as server:
        _, said = agent.communicate(timeout=SECONDS)

        assert agent.returncode == 0, said
        assert counted(server) == totals(records)
    assert "retried 0 requests" not in said


def test_killed_at_any_time_and_started_again_it_loses_and_doubles_nothing(tmp_path: Path) -> None:
    records = flows(4_000)
    (tmp_path / "flows.ndjson").write_bytes(as_lines(records))
    rng = random.Random(3)

    with running(tmp_path, MAX_BATCH_FLOWS="40") as server:
        words = ("flows.ndjson", "--batch", "100", "--url", f"http://127.0.0.1:{server.port}")
        for _ in range(8):
            agent = start_agent(tmp_path, *words)
            try:
                agent.wait(0.4 + rng.random() / 4)
            except subprocess.TimeoutExpired:
                agent.send_signal(signal.SIGKILL)
            agent.communicate(timeout=SECONDS)
        agent = start_agent(tmp_path, *words)
        _, said = agent.communicate(timeout=SECONDS)

        assert agent.returncode == 0, said
        assert counted(server) == totals(records)


class Moody(BaseHTTPRequestHandler):
    """Answers as told, one answer after another."""

    answers: list[tuple[int, dict[str, str]]]
    keys: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.keys.append(self.headers["Idempotency-Key"])
        status, headers = self.answers.pop(0)
        body = b'{"accepted":1,"flows":1}' if status == 201 else b"<html>"
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def moody(*answers: tuple[int, dict[str, str]]) -> Iterator[tuple[str, list[str]]]:
    keys: list[str] = []
    handler = type("Handler", (Moody,), {"answers": list(answers), "keys": keys})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", keys
        server.shutdown()


def test_429_and_5xx_are_tried_again_under_the_same_key_and_no_sooner_than_asked(tmp_path: Path) -> None:
    (tmp_path / "flows.json").write_bytes(to_json([make_flow()]))
    # An answer that cannot be read asks for no pause.
    answers = [
        (503, {"Retry-After": "soon"}),
        (500, {}),
        (502, {}),
        (504, {}),
        (429, {"Retry-After": "1"}),
        (503, {"Retry-After": "1"}),
        (201, {}),
    ]

    with moody(*answers) as (url, keys):
        before = os.times().elapsed
        agent = start_agent(tmp_path, "flows.json", "--url", url)
        _, said = agent.communicate(timeout=SECONDS)

    assert agent.returncode == 0
    assert len(keys) == 7
    assert len(set(keys)) == 1
    assert "retried 6 requests" in said
    assert os.times().elapsed - before >= 2


@pytest.mark.parametrize("status", [301, 401, 403, 404, 415])
def test_any_other_answer_stops_it_with_a_sentence_and_it_can_go_on_later(tmp_path: Path, status: int) -> None:
    (tmp_path / "flows.json").write_bytes(to_json([make_flow()]))
    with moody((status, {"Location": "/"})) as (url, _):
        agent = start_agent(tmp_path, "flows.json", "--url", url)
        _, said = agent.communicate(timeout=SECONDS)

    assert agent.returncode == 1
    assert "start it again to go on" in said
    assert "Traceback" not in said
    with running(tmp_path) as server:
        assert send(tmp_path, server, "flows.json")[0] == 0
        assert len(server.items(1)) == 1


def test_a_server_that_stays_away_stops_it_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "flows.json").write_bytes(to_json([make_flow()]))

    agent = start_agent(tmp_path, "flows.json", "--url", "http://127.0.0.1:9", "--retries", "2")
    _, said = agent.communicate(timeout=SECONDS)

    assert agent.returncode == 1
    waits = [line for line in said.splitlines() if line.startswith("waiting ")]
    assert [line.partition(" before ")[2] for line in waits] == [
        f"retry {retry} of 2: cannot reach http://127.0.0.1:9/flows: connection refused" for retry in (1, 2)
    ]
    assert said.splitlines()[-1] == (
        "stopped: cannot reach http://127.0.0.1:9/flows: connection refused; start it again to go on"
    )


HEADER = b"src_app,dest_app,vpc_id,hour,bytes_tx,bytes_rx\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.json", None, "missing.json cannot be read: No such file or directory"),
        ("cut.json.gz", gzip.compress(to_json([make_flow()] * 99), mtime=0)[:-9], "cut.json.gz cannot be read: "),
        ("half.json", b'[{"src_app":', "half.json is no JSON array"),
        (
            "latin.csv",
            HEADER + "é,b,v,1,1,1\n".encode("latin-1"),
            "latin.csv cannot be read: it is neither JSON nor CSV",
        ),
        ("spoilt.json.gz", gzip.compress(bytes(9_000), mtime=0)[:12] + b"\xff" * 99, "its gzip data is damaged"),
        ("fake.json.gz", b"\x1f\x8b" + b"x" * 99, "its gzip data is damaged"),
        ("stray.csv", HEADER + b'"a"b,1\n', "stray.csv cannot be read: "),
        ("README.md", b"# A title\n", "README.md cannot be read: it is neither JSON nor CSV with the columns of flow"),
        ("two.csv", b"src_app,hour\na,1\n", "its first line lacks dest_app, vpc_id, bytes_tx, bytes_rx"),
        ("flows.db", b"SQLite format 3\0\x10\0\xff\n" * 9, "flows.db cannot be read: it is neither JSON nor CSV"),
        (".", None, "Is a directory"),
    ],
)
def test_a_file_that_cannot_be_read_stops_it_with_a_sentence(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    agent = start_agent(tmp_path, name, "--url", "http://127.0.0.1:9", "--retries", "0")
    _, said = agent.communicate(timeout=SECONDS)

    assert agent.returncode == 1
    assert words in said
    # Started again it would stop again.
    assert "start it again" not in said
    assert "Traceback" not in said


def test_a_state_that_is_none_of_its_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "flows.json").write_bytes(b"[]")
    (tmp_path / "flows-agent.json").write_text("mine")
    agent = start_agent(tmp_path, "flows.json")
    _, said = agent.communicate(timeout=SECONDS)

    assert agent.returncode == 1
    assert "flows-agent.json cannot be read" in said
    assert (tmp_path / "flows-agent.json").read_text() == "mine"


def test_an_empty_file_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "none.json").write_bytes(b" [] ")
    agent = start_agent(tmp_path, "empty", "none.json", "--url", "http://127.0.0.1:9")
    _, said = agent.communicate(timeout=SECONDS)

    assert (agent.returncode, said.startswith("sent 0 records")) == (0, True)


def on_a_terminal(folder: Path, columns: int, *words: str) -> str:
    """Run the agent on a terminal of so many columns; return what it shows."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-m", "local.agent", *words]
    subprocess.run(command, cwd=folder, env=environment(), stderr=slave, timeout=SECONDS, check=True)
    os.close(slave)
    shown = os.read(master, 1 << 16).decode()
    os.close(master)
    return shown


@pytest.mark.parametrize("columns", [100, 0])
def test_on_a_terminal_a_progress_bar_has_the_files_name_and_number_and_its_records(
    tmp_path: Path, columns: int
) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("a.json", "b.json"):
        (tmp_path / "folder" / name).write_bytes(to_json(flows(2_000)))
    with running(tmp_path) as server:
        files = [str(tmp_path / "folder" / name) for name in ("a.json", "b.json")]
        shown = on_a_terminal(tmp_path, columns, *files, "--url", f"http://127.0.0.1:{server.port}")

    assert "\rfile 1 of 2, a.json:   0%" in shown
    assert "\rfile 2 of 2, b.json: 100%" in shown
    assert "2,000 records]" in shown
    assert "B/s" in shown
    assert all(line.strip() for line in shown.replace("\r", "\n").splitlines() if line)


def test_make_send_sends_a_file() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "send", "FILE=a.json b.csv", "URL=http://h:1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout.splitlines()[-1].endswith("-m local.agent a.json b.csv --url http://h:1")
