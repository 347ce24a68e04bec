"""What an operator types: the Makefile's targets and the modules behind them."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local import stop
from storage import open_store
from tests.factories import SAMPLE_HOUR_2, make_sum
from tests.process import ROOT, SECONDS, environment, run_module, running


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a newcomer has cloned, with an environment that is already installed."""
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.db*", "server.log*", "server.pid")
    shutil.copytree(ROOT, tmp_path / "clone", ignore=ignored)
    installed = tmp_path / "clone" / ".venv"
    installed.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (installed / name).symlink_to(Path(sys.prefix) / name)
    for stamp in (".installed", ".installed_dev"):
        (installed / stamp).touch()
    return tmp_path / "clone"


def make(checkout: Path, *words: str, **settings: str) -> str:
    ended = subprocess.run(
        ["make", "--silent", *words],
        cwd=checkout,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_newcomer_starts_posts_reads_kills_starts_again_and_clears_up(checkout: Path) -> None:
    with running(checkout, "make", "--silent", "start_server") as server:
        port = str(server.port)
        assert server.says.startswith(f"Flow Aggregation Service listens on http://127.0.0.1:{port} ")
        assert make(checkout, "submit_flow_data", PORT=port) == '{"accepted":5,"flows":4}\n'
        assert make(checkout, "get_flow_data", "HOUR=2", PORT=port).encode() == SAMPLE_HOUR_2 + b"\n"
        assert '"total":2' in make(checkout, "get_flow_data", PORT=port)
        os.kill(int((checkout / "server.pid").read_text().split()[0]), signal.SIGKILL)
        assert server.process.wait(SECONDS) != 0

    with running(checkout, "make", "--silent", "start_server") as server:
        pid = (checkout / "server.pid").read_text().split()[0]
        assert make(checkout, "get_flow_data", "HOUR=2", PORT=str(server.port)).encode() == SAMPLE_HOUR_2 + b"\n"
        assert make(checkout, "stop_server") == f"Stopped the server, process {pid}.\n"
        assert server.process.wait(SECONDS) == 0

    stopped, purged = make(checkout, "purge_all").splitlines()
    assert stopped == "No server runs here: nothing holds server.pid."
    assert purged.startswith("Removed 4 flows from flows.db; a copy is kept as flows.db.purged-20")
    assert make(checkout, "shutdown").splitlines()[-1].startswith("Removed .venv and server.log. The database stays; ")
    assert not (checkout / ".venv").exists()
    assert not (checkout / "server.log").exists()
    assert (checkout / "flows.db").exists()
    assert make(checkout, "stop_server") == "Nothing to stop: nothing is installed.\n"


def test_an_operator_copies_removes_an_hour_and_restores(checkout: Path) -> None:
    store = open_store(f"sqlite:///{checkout}/flows.db")
    store.add([make_sum(hour=1), make_sum(hour=2)])
    store.close()

    copied = make(checkout, "backup", "TO=a copy.db")
    removed = make(checkout, "prune", "HOUR=2")
    old = make(checkout, "prune", KEEP_HOURS="24")
    restored = make(checkout, "restore", "FROM=a copy.db")

    assert copied.startswith("Copied flows.db to a copy.db: 2 flows in 2 hours")
    assert removed.startswith("Removed 1 flows of hour 2.\n")
    assert old.startswith("Removed 1 flows of hour 1.\n")
    assert restored.startswith("Restored flows.db from a copy.db: 2 flows in 2 hours")


def test_make_alone_lists_every_target(checkout: Path) -> None:
    listed = make(checkout)

    targets = set(re.findall(r"^([a-z_]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {line.split()[0] for line in listed.splitlines() if line.startswith("  ")} == targets
    users, _, developers = listed.partition("\n\n")
    assert (users.splitlines()[0], developers.splitlines()[0]) == ("To run the service:", "To work on it:")
    assert "  start_server " in users
    assert "  run_test " in developers


def test_install_again_installs_nothing(checkout: Path) -> None:
    assert make(checkout, "install") == ""


def test_stopping_ends_no_process_that_a_stale_file_names(tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / "server.pid").write_text(f"{bystander.pid}\n")

    ended = run_module("local.stop", tmp_path)

    assert (ended.returncode, ended.stdout) == (0, "No server runs here: nothing holds server.pid.\n")
    assert bystander.poll() is None
    bystander.communicate(b"\n")
    assert bystander.returncode == 0


def test_a_server_that_was_killed_leaves_no_obstacle(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.kill()
    assert (tmp_path / "server.pid").exists()

    with running(tmp_path) as server:
        assert run_module("local.stop", tmp_path).stdout == f"Stopped the server, process {server.process.pid}.\n"
    assert not (tmp_path / "server.pid").exists()


def test_a_server_that_does_not_end_is_said_to_run_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stop, "_GRACE_SECONDS", 0)
    with running(tmp_path) as server:
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError, match=f"Process {server.process.pid} has not ended"):
            stop.stop(Path("server.pid"), 0)
        server.process.send_signal(signal.SIGCONT)


def test_a_server_of_another_user_is_left_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    with running(tmp_path) as server:
        sends = (signal, "pidfd_send_signal") if hasattr(os, "pidfd_open") else (os, "kill")
        monkeypatch.setattr(*sends, refused)
        with pytest.raises(PermissionError, match=rf"Process {server.process.pid}, .* is another user's"):
            stop.stop(tmp_path / "server.pid", 0)
        monkeypatch.undo()


def test_purging_stops_the_server_and_says_how_many_flows_went(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.post([])
        ended = run_module("local.purge", tmp_path)

    assert ended.stdout.splitlines() == [
        f"Stopped the server, process {server.process.pid}.",
        "Removed 0 flows from flows.db.",
    ]


def test_purging_removes_every_hour_and_the_log_of_writes(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/flows.db")
    store.add([make_sum(f"app-{number:04}", hour=hour) for hour in (1, 2) for number in range(600)])
    store.close()

    ended = run_module("local.purge", tmp_path)

    assert ended.stdout.splitlines()[-1].startswith("Removed 1,200 flows from flows.db; a copy is kept as flows.db.")
    store = open_store(f"sqlite:///{tmp_path}/flows.db")
    assert store.read(1, 0, 1)[:2] == store.read(2, 0, 1)[:2] == (0, [])
    store.close()


def test_purging_where_nothing_is_makes_nothing(tmp_path: Path) -> None:
    ended = run_module("local.purge", tmp_path)

    assert ended.stdout.splitlines()[-1] == "Removed nothing: there is no flows.db."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["postgresql://user:secret@host/flows", "mysql://host/flows"])
def test_purging_another_database_than_sqlite_is_refused(tmp_path: Path, url: str) -> None:
    with running(tmp_path) as server:
        ended = run_module("local.purge", tmp_path, DATABASE_URL=url)

        assert server.ask("GET", "/")[0] == 200
    assert ended.returncode == 1
    assert ended.stderr.startswith("Refused: DATABASE_URL names no SQLite file")
    assert "secret" not in ended.stderr


def test_purging_what_is_no_url_is_a_sentence_and_stops_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        ended = run_module("local.purge", tmp_path, DATABASE_URL="sqlite://[x")

        assert server.ask("GET", "/")[0] == 200
    assert (ended.returncode, ended.stderr) == (1, "DATABASE_URL is no URL.\n")


@pytest.mark.parametrize("module", ["local.stop", "local.purge"])
def test_a_wrong_setting_is_a_sentence(tmp_path: Path, module: str) -> None:
    ended = run_module(module, tmp_path, SHUTDOWN_SECONDS="soon")

    assert (ended.returncode, ended.stderr) == (
        1,
        "SHUTDOWN_SECONDS is wrong: expected a whole number from 0 to 3600.\n",
    )
