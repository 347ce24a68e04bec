"""Faults under a real process: what is acknowledged is counted once. `make soak` tries it for longer."""

import http.client
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest

from storage.sqlite import BUSY_SECONDS
from tests.factories import SAMPLE, SAMPLE_HOUR_2, from_json, make_flow, to_json
from tests.faults import fleet, free_port, kill_at_random, post_once, stored
from tests.postgresql import PostgreSQL
from tests.process import SECONDS, Running, run_module, running, start_agent

KILLS = 20
LARGE = 3_000


def wide(batch: str) -> bytes:
    """Write a batch of about half a megabyte in the database, of keys that only it has."""
    return to_json([make_flow(src_app=batch, dest_app=f"{number:05}" + "x" * 150) for number in range(LARGE)])


def whole(server: Running) -> dict[str, int]:
    """Read how many sums each batch has left; a batch that is stored in part is told by its number."""
    found: dict[str, int] = {}
    for item in server.items(1):
        found[item["src_app"]] = found.get(item["src_app"], 0) + 1
    return found


def answer_of(server: Running, body: bytes, **headers: str) -> tuple[int, dict[str, object], str | None]:
    """POST; give the status, the answer, and its Retry-After."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    with closing(connection):
        connection.request("POST", "/flows", body, headers)
        response = connection.getresponse()
        return response.status, from_json(response.read()), response.headers["Retry-After"]


def test_twenty_kills_among_keyed_agents_lose_and_double_nothing(tmp_path: Path) -> None:
    agents = kill_at_random(tmp_path, 20, range(KILLS))

    assert agents.kills == KILLS
    # Some were counted and their answer lost: the case that keys are for.
    assert agents.repeated > agents.replayed > 0


def start_named(folder: Path, name: str, port: int) -> "subprocess.Popen[str]":
    words = [f"{name}.json", "--batch=10", f"--name={name}", f"--state={name}.state", f"--url=http://127.0.0.1:{port}"]
    return start_agent(folder, *words)


def test_real_agents_lose_and_double_nothing_when_they_and_the_server_are_killed(tmp_path: Path) -> None:
    port = free_port()
    names = ("a", "b", "c")
    for name in names:
        flows = [make_flow(dest_app=f"{name}-{number % 7}", bytes_tx=number) for number in range(600)]
        (tmp_path / f"{name}.json").write_bytes(to_json(flows))

    for wanted in (100, 300, 600):
        with running(tmp_path, PORT=str(port)) as server:
            agents = [start_named(tmp_path, name, port) for name in names]
            while sum(item["bytes_rx"] for item in server.items(1)) < wanted * 300:
                pass
            server.kill()
            for agent in agents:
                agent.kill()
                agent.communicate()
    with running(tmp_path, PORT=str(port)) as server:
        agents = [start_named(tmp_path, name, port) for name in names]
        said = [agent.communicate(timeout=SECONDS)[1] for agent in agents]
        items = server.items(1)

    assert [agent.returncode for agent in agents] == [0, 0, 0], said
    expected = {f"{name}-{n}": sum(range(n, 600, 7)) for name in names for n in range(7)}
    assert {item["dest_app"]: item["bytes_tx"] for item in items} == expected


def limit_files(server: Running, size: int) -> None:
    """Let a process write no file past a size, as a full disk would; -1 gives the room back."""
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, hard))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
@pytest.mark.parametrize("keyed", [False, True])
def test_a_file_that_may_not_grow_fails_posts_whole_and_the_server_recovers(tmp_path: Path, keyed: bool) -> None:
    with running(tmp_path) as server:
        assert server.post(wide("before"))[0] == 201
        sizes = [path.stat().st_size for path in tmp_path.iterdir()]
        limit_files(server, max(sizes) + 1_000_000)

        sent = [wide(f"batch-{number}") for number in range(6)]
        headers = [{"Idempotency-Key": f"key-{number}"} if keyed else {} for number in range(6)]
        answers = [answer_of(server, body, **header) for body, header in zip(sent, headers, strict=True)]
        limit_files(server, 1)
        assert answer_of(server, b"[" + to_json(make_flow(src_app="small")) + b"]")[0] == 503
        during = whole(server)

        limit_files(server, -1)
        again = [
            answer_of(server, body, **header)[0]
            for body, header, (status, _, _) in zip(sent, headers, answers, strict=True)
            if keyed or status != 201
        ]
        after = whole(server)
        assert server.terminate() == 0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == "Lines of the log are lost: File too large\n"
        assert "POST /flows 201 " in (tmp_path / "server.log").read_text().split("answered 503")[-1]

    statuses = [status for status, _, _ in answers]
    assert set(statuses) == {201, 503}
    for status, told, retry_after in answers:
        if status == 503:
            assert retry_after == "1"
            assert told["error_message"] == "The store is busy or out of reach; nothing was stored"
    taken = {f"batch-{number}" for number, status in enumerate(statuses) if status == 201}
    assert during == dict.fromkeys({"before", *taken}, LARGE)
    assert set(again) == {201}
    assert after == dict.fromkeys(["before", *(f"batch-{number}" for number in range(6))], LARGE)


def on_a_small_disk(folder: Path) -> tuple[str, ...]:
    """Give the command of a server that sees a file system of 8 MB of its own at a folder."""
    mounted = f'mount -t tmpfs -o size=8m none "{folder}" && cd "{folder}" && exec "$@"'
    for words in (("unshare", "-m"), ("unshare", "-rm")) if shutil.which("unshare") else ():
        command = (*words, "sh", "-c", mounted, "sh")
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return (*command, sys.executable, "-m", "local")
    pytest.skip("nobody lets this user mount a file system")


def test_a_full_disk_fails_posts_whole_and_the_server_recovers(tmp_path: Path) -> None:
    with running(tmp_path, *on_a_small_disk(tmp_path)) as server:
        assert server.post(wide("before"))[0] == 201
        disk = Path(f"/proc/{server.process.pid}/root{tmp_path}")
        with pytest.raises(OSError, match="No space left"):
            (disk / "ballast").write_bytes(b" " * 9_000_000)

        refused = [answer_of(server, wide("later"), **{"Idempotency-Key": "later"}) for _ in range(3)]
        during = whole(server)
        (disk / "ballast").unlink()
        status, _, _ = answer_of(server, wide("later"), **{"Idempotency-Key": "later"})

        assert [(status, retry_after) for status, _, retry_after in refused] == [(503, "1")] * 3
        assert during == {"before": LARGE}
        assert status == 201
        assert whole(server) == {"before": LARGE, "later": LARGE}
        assert server.terminate() == 0


def test_a_database_locked_past_the_timeout_is_503_and_then_answers_again(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert server.post(SAMPLE)[0] == 201
        with closing(sqlite3.connect(tmp_path / "flows.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            status, told, retry_after = answer_of(server, to_json(SAMPLE))
            waited = time.monotonic() - began
            assert server.ask("GET", "/flows?hour=2") == (200, SAMPLE_HOUR_2)
        again = server.post([make_flow(hour=3)])

        assert (status, retry_after, set(told)) == (503, "1", {"error_message", "status_code", "request_id"})
        assert BUSY_SECONDS - 1 < waited < BUSY_SECONDS + 30
        assert again[0] == 201
        assert server.ask("GET", "/flows?hour=2") == (200, SAMPLE_HOUR_2)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_a_postgresql_that_stops_in_the_middle_loses_and_doubles_nothing(
    tmp_path: Path, other_server: PostgreSQL, how: signal.Signals
) -> None:
    with psycopg.connect(other_server.url, autocommit=True) as admin:
        admin.execute("DROP SCHEMA public CASCADE")
        admin.execute("CREATE SCHEMA public")

    with running(tmp_path, DATABASE_URL=other_server.url) as server, fleet(server.port, seed=how) as agents:
        for _ in range(3):
            agents.wait_for(40)
            other_server.stop(how)
            other_server.start()
        agents.wait_for(40)
        agents.finish()

        assert stored(server) == agents.sums


def fill(folder: Path) -> Path:
    """Have a server make a database of many pages, and end it."""
    with running(folder) as server:
        for number in range(3):
            assert server.post(wide(f"batch-{number}"))[0] == 201
        assert server.terminate() == 0
    return folder / "flows.db"


def no_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xde\xad" * 50)


def cut_short(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def a_page_of_zeros(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4_096 * 4_096)
        file.write(b"\0" * 4_096)


def another_kind(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7 is none of ours\n" * 1_000)


@pytest.mark.parametrize("damage", [no_header, cut_short, a_page_of_zeros, another_kind])
def test_a_damaged_database_is_refused_at_the_start_and_left_alone(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = fill(tmp_path)
    damage(path)
    before = path.read_bytes()

    ended = run_module("local", tmp_path, PORT="0")

    assert ended.returncode == 1
    assert ended.stderr.startswith("flows.db is damaged or no database (")
    assert ended.stderr.endswith("): restore a backup or name another file; it was left as it is.\n")
    assert ended.stderr.count("\n") == 1
    assert path.read_bytes() == before


def test_damage_is_found_behind_a_write_ahead_log_which_is_left_alone_too(tmp_path: Path) -> None:
    path = fill(tmp_path)
    with running(tmp_path) as server:
        assert server.post(SAMPLE)[0] == 201
        server.kill()
    a_page_of_zeros(path)
    before = [(tmp_path / name).read_bytes() for name in ("flows.db", "flows.db-wal")]

    ended = run_module("local", tmp_path, PORT="0")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert [(tmp_path / name).read_bytes() for name in ("flows.db", "flows.db-wal")] == before


def test_damage_that_comes_later_is_a_500_of_what_meets_it_and_the_server_lives_on(tmp_path: Path) -> None:
    path = fill(tmp_path)
    with running(tmp_path) as server:
        a_page_of_zeros(path)
        pages = [server.ask("GET", f"/flows?hour=1&size=1000&page={page}") for page in range(1, 10)]
        posted = [server.post(wide(f"batch-{number}")) for number in range(3)]
        elsewhere = server.ask("GET", "/flows?hour=2")

        told = [from_json(body) for status, body in pages + posted if status == 500]
        assert {status for status, _ in pages} == {200, 500}
        assert {status for status, _ in posted} <= {201, 500}
        assert elsewhere[0] == server.ask("GET", "/")[0] == 200
    assert all(set(each) == {"error_message", "status_code", "request_id"} for each in told)
    assert {each["error_message"] for each in told} == {"Internal error; the server's log has it under this request_id"}
    assert "malformed" in (tmp_path / "server.log").read_text()


MOVABLE = """\
import pathlib, runpy, time
real = time.time
time.time = lambda: real() + float(pathlib.Path("moved").read_text())
runpy.run_module("local", run_name="__main__", alter_sys=True)
"""
DAY = 86_400


def wait_for_pruning(path: Path) -> None:
    """Store a key that is as old as can be, and wait until a server has removed it."""
    with closing(sqlite3.connect(path, SECONDS, isolation_level=None)) as database:
        database.execute(
            "INSERT INTO delivery (scope, key, fingerprint, answer, stored_at) VALUES ('', 'x', x'', x'', 0)"
        )
        deadline = time.monotonic() + SECONDS
        while database.execute("SELECT 1 FROM delivery WHERE key = 'x'").fetchone():
            assert time.monotonic() < deadline


def test_a_clock_that_is_moved_by_a_day_while_agents_send_doubles_nothing(tmp_path: Path) -> None:
    def move(seconds: int) -> None:
        (tmp_path / "moved.new").write_text(str(seconds))
        (tmp_path / "moved.new").rename(tmp_path / "moved")

    def post(key: str) -> tuple[int, bool]:
        return post_once(server.port, to_json([make_flow(hour=9, dest_app=key)]), key)

    move(0)
    keys: list[str] = []
    with running(tmp_path, sys.executable, "-c", MOVABLE) as server, fleet(server.port) as agents:
        for number, moved in enumerate((0, -DAY, 0, DAY + 10, -DAY, 0)):
            move(moved)
            agents.wait_for(40)
            keys.append(f"key-{number}")
            assert post(keys[-1]) == (201, False)
            wait_for_pruning(tmp_path / "flows.db")
            assert [post(key) for key in keys] == [(201, True)] * len(keys), moved
        agents.finish()

        # waitress tells idle connections by the clock, and may cut off one that is just being made.
        assert agents.unavailable == 0
        assert stored(server) == agents.sums
        assert len(server.items(9)) == len(keys)
        assert all(item["bytes_rx"] == 300 for item in server.items(9))


def test_keys_are_removed_when_they_are_old_after_the_clock_was_wrong(tmp_path: Path) -> None:
    (tmp_path / "moved").write_text(str(-2 * DAY))
    with running(tmp_path, sys.executable, "-c", MOVABLE) as server:
        assert post_once(server.port, to_json(SAMPLE), "old") == (201, False)
        assert server.terminate() == 0

    with running(tmp_path) as server:
        assert post_once(server.port, to_json(SAMPLE), "new") == (201, False)
    with closing(sqlite3.connect(tmp_path / "flows.db")) as database:
        assert database.execute("SELECT key FROM delivery").fetchall() == [("new",)]


def test_two_servers_on_one_file_count_each_key_once(tmp_path: Path) -> None:
    with running(tmp_path) as one, running(tmp_path, PID_FILE="two.pid", LOG_FILE="two.log") as two:
        with fleet(one.port, two.port) as agents, ThreadPoolExecutor(2) as both:
            for number in range(50):
                post = partial(post_once, body=to_json([make_flow(hour=9)]), key=f"both-{number}")
                answers = list(both.map(post, (one.port, two.port)))
                assert sorted(answers) == [(201, False), (201, True)]
            agents.finish()

        assert stored(one) == stored(two) == agents.sums
        assert [item["bytes_rx"] for item in two.items(9)] == [50 * 300]
