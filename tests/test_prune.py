"""python -m local.prune beside a server at work."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from handlers.question import Hours
from storage import open_store
from tests.factories import make_flow, make_sum
from tests.process import SECONDS, Running, environment, run_module, running

NOW = int(time.time()) // 3_600


def prune(folder: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "local.prune", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=SECONDS, check=False
    )


def fill(url: str, flows: int, *hours: int) -> None:
    store = open_store(url)
    for hour in hours:
        store.add([make_sum(f"app-{number:06}", hour=hour) for number in range(flows)])
    store.close()


def test_old_hours_are_removed_beside_a_server_whose_writers_go_on(database_url: str, tmp_path: Path) -> None:
    fill(database_url, 30_000, 5, NOW - 1_000)
    ended = threading.Event()
    statuses: list[int] = []
    slowest: list[float] = []

    def write(server: Running) -> None:
        while not ended.is_set():
            started = time.monotonic()
            status, _ = server.post([make_flow(hour=hour, src_app=f"new-{len(statuses)}") for hour in (5, NOW)])
            statuses.append(status)
            slowest.append(time.monotonic() - started)

    with running(tmp_path, DATABASE_URL=database_url) as server:
        writer = threading.Thread(target=write, args=(server,))
        writer.start()
        pruned = prune(tmp_path, DATABASE_URL=database_url, KEEP_HOURS="24")
        ended.set()
        writer.join()
        left = server.items(5)
        assert server.items(NOW - 1_000) == []
        assert len(server.items(NOW)) == len(statuses)

    assert set(statuses) == {201}
    assert max(slowest) < 30
    assert pruned.returncode == 0, pruned.stderr
    lines = pruned.stdout.splitlines()
    assert lines[0].endswith(" flows of hour 5.")
    assert lines[1] == f"Removed 30,000 flows of hour {NOW - 1_000}."
    removed = int(lines[0].split()[1].replace(",", ""))
    assert removed + len(left) == 30_000 + len(statuses)
    assert lines[2].startswith(f"Removed {removed + 30_000:,} flows in 2 hours")


@pytest.mark.parametrize("engine", ["postgresql"])
def test_a_role_that_may_not_delete_is_told_so(database_url: str, tmp_path: Path) -> None:
    fill(database_url, 3, 5)
    role = f"role_{os.urandom(4).hex()}"
    with psycopg.connect(database_url, autocommit=True) as admin:
        # A coordinator of a cluster logs in to its workers as the role.
        admin.execute(f"CREATE ROLE {role} LOGIN")
        admin.execute(f"GRANT USAGE ON SCHEMA {database_url.rpartition('%3D')[2]} TO {role}")
        admin.execute(f"GRANT SELECT, INSERT, UPDATE ON flow_sum, hour_count, flow_schema TO {role}")

        refused = prune(tmp_path, KEEP_HOURS="24", DATABASE_URL=f"{database_url}%20-crole%3D{role}")

        admin.execute(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "The role may not remove sums: permission denied for table flow_sum.\n"


@pytest.mark.parametrize("engine", ["sqlite"])
def test_the_file_becomes_shorter_and_that_is_told(database_url: str, tmp_path: Path) -> None:
    fill(database_url, 30_000, 5, NOW)
    before = (tmp_path / "flows.db").stat().st_size

    pruned = prune(tmp_path, KEEP_HOURS="24", DATABASE_URL=database_url)

    after = (tmp_path / "flows.db").stat().st_size
    assert after < before * 0.55
    said = f"flows.db has {after / 1e6:.1f} MB, and had {before / 1e6:.1f}."
    assert pruned.stdout.splitlines()[-1] == f"Removed 30,000 flows in 1 hours; {tmp_path}/{said}"


def test_one_hour_is_removed_whatever_its_age(database_url: str, tmp_path: Path) -> None:
    fill(database_url, 3, 5, 6, NOW)

    pruned = prune(tmp_path, "--hour", str(NOW), DATABASE_URL=database_url)

    assert pruned.stdout.splitlines()[0] == f"Removed 3 flows of hour {NOW}."
    store = open_store(database_url)
    assert [store.read(hour, 0, 10).total for hour in (5, 6, NOW)] == [3, 3, 0]
    store.close()


def test_a_day_is_24_hours_and_a_time_is_one(database_url: str, tmp_path: Path) -> None:
    day = 498_720
    fill(database_url, 3, day - 1, day, day + 7, day + 23, day + 24)

    time_pruned = prune(tmp_path, "--hour", "2026-11-23T07:30Z", DATABASE_URL=database_url)
    day_pruned = prune(tmp_path, "--hour", "2026-11-23", DATABASE_URL=database_url)

    assert time_pruned.stdout.splitlines()[0] == f"Removed 3 flows of hour {day + 7}."
    assert [line.rstrip(".").split()[-1] for line in day_pruned.stdout.splitlines()[:-1]] == [str(day), str(day + 23)]
    assert "Removed 6 flows in 2 hours" in day_pruned.stdout
    store = open_store(database_url)
    assert [total.hour for total in store.hours(Hours(), 0, 9)[1]] == [day + 24, day - 1]
    store.close()


def test_where_nothing_is_old_nothing_is_removed(database_url: str, tmp_path: Path) -> None:
    fill(database_url, 3, NOW)

    pruned = prune(tmp_path, KEEP_HOURS="24", DATABASE_URL=database_url)

    assert pruned.returncode == 0
    assert pruned.stdout.startswith("Removed 0 flows in 0 hours")


@pytest.mark.parametrize("engine", ["sqlite"])
def test_an_interrupt_ends_it_with_a_sentence_and_a_database_that_is_right(database_url: str, tmp_path: Path) -> None:
    fill(database_url, 40_000, *range(1, 11))
    command = [sys.executable, "-m", "local.prune"]
    settings = environment(DATABASE_URL=database_url, KEEP_HOURS="24")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, env=settings, text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "Removed 40,000 flows of hour 1.\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    assert said.endswith(" hours, and stopped by a signal: start it again to go on.\n")
    removed = int(said.split()[1].replace(",", ""))
    store = open_store(database_url)
    totals = [store.read(hour, 0, 0).total for hour in range(1, 11)]
    assert sum(totals) == 400_000 - removed
    assert totals == [len(store.read(hour, 0, 50_000).sums) for hour in range(1, 11)]
    store.close()


def test_without_a_setting_and_an_hour_it_is_refused(tmp_path: Path) -> None:
    ended = run_module("local.prune", tmp_path)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Refused: KEEP_HOURS is 0, which keeps every hour")


@pytest.mark.parametrize("hour", ["-1", "1.5", "now", "2026-02-30", "2026-11-24 07:00", str(2**63), "\u0663"])
def test_what_is_no_hour_is_refused(tmp_path: Path, hour: str) -> None:
    ended = prune(tmp_path, f"--hour={hour}")

    assert ended.returncode == 2
    assert "Expected an hour, as a whole number from 0 to " in ended.stderr


def test_pruning_where_nothing_is_makes_nothing(tmp_path: Path) -> None:
    ended = run_module("local.prune", tmp_path, KEEP_HOURS="1")

    assert ended.stdout == "Removed nothing: there is no flows.db.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_is_a_sentence(tmp_path: Path) -> None:
    ended = run_module("local.prune", tmp_path, KEEP_HOURS="-1")

    assert (ended.returncode, ended.stderr) == (
        1,
        f"KEEP_HOURS is wrong: expected a whole number from 0 to {2**63 - 1}.\n",
    )


def test_a_database_out_of_reach_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "flows.db").write_text("not a database" * 1_000)

    ended = run_module("local.prune", tmp_path, KEEP_HOURS="1")

    assert (ended.returncode, ended.stderr) == (
        1,
        "flows.db is damaged or no database (file is not a database): restore a backup or name another file; it was "
        "left as it is.\n",
    )
