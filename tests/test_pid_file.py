"""The PID file: who holds it, who is named by it, and what is no PID file of ours."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import pid_file, stop
from local.pid_file import AlreadyRunning, PidFileError
from tests.process import ROOT, SECONDS, run_module, running

HOLD = """\
import sys, pathlib
from local import pid_file
held = pid_file.hold(pathlib.Path(sys.argv[1]))
pid_file.name_address(held, "http://127.0.0.1:8080")
print("held", flush=True)
sys.stdin.read()
"""
LOCK = """\
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX)
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "server.pid"


@contextmanager
def another(code: str, path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Let another process, which is no server, do something with a file, and end it afterwards."""
    command = [sys.executable, "-c", code, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
    finally:
        process.communicate(timeout=SECONDS)


def test_a_held_file_names_its_process_for_its_user_alone_and_a_released_one_is_gone(path: Path) -> None:
    held = pid_file.hold(path)

    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    pid_file.release(path, held)
    assert not path.exists()
    assert pid_file.running(path) is None


def test_a_file_held_by_another_is_not_held_again(path: Path) -> None:
    with another(HOLD, path) as holder:
        assert pid_file.running(path) == holder.pid
        says = f"^A server runs already at http://127.0.0.1:8080: .*server.pid names process {holder.pid}$"
        with pytest.raises(AlreadyRunning, match=says):
            pid_file.hold(path)

    assert pid_file.running(path) is None


@pytest.mark.parametrize("left", ["1\n", "", "4194304\n"])
def test_a_file_that_nobody_holds_names_nobody_and_can_be_held(path: Path, left: str) -> None:
    path.write_text(left)
    path.chmod(0o644)

    assert pid_file.running(path) is None
    held = pid_file.hold(path)
    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    pid_file.release(path, held)


def test_a_holder_that_has_not_yet_written_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pid_file, "SETTLE_SECONDS", SECONDS)
    path.touch()
    with another(LOCK, path) as holder:
        threading.Timer(0.01, lambda: path.write_text(f"{holder.pid}\n")).start()

        assert pid_file.running(path) == holder.pid


@pytest.mark.parametrize("names", ["", "abc\n", "0\n", "-1\n", "1\n", "4194304\n"])
def test_a_locked_file_that_does_not_name_its_holder_is_a_sentence_and_signals_nobody(path: Path, names: str) -> None:
    path.write_text(names)
    with another(LOCK, path) as holder:
        ended = run_module("local.stop", path.parent)
        with pytest.raises(AlreadyRunning, match=f"names process {holder.pid}"):
            pid_file.hold(path)
        assert holder.poll() is None

    assert (ended.returncode, ended.stdout) == (1, "")
    said = f"server.pid is locked by process {holder.pid}, and does not name it: no server of ours.\n"
    assert ended.stderr == said


def test_a_server_does_not_start_on_an_empty_file_that_is_locked(path: Path) -> None:
    path.touch()
    with another(LOCK, path) as holder:
        ended = run_module("local", path.parent, PORT="0")

    assert ended.returncode == 1
    assert (
        ended.stderr
        == f"A server runs already: server.pid names process {holder.pid}; stop it with make stop_server.\n"
    )


def test_a_process_that_a_file_names_and_another_locks_is_not_signalled(path: Path) -> None:
    with another("print(1, flush=True); input()", path) as bystander:
        path.write_text(f"{bystander.pid}\n")
        with another(LOCK, path):
            ended = run_module("local.stop", path.parent)

        assert bystander.poll() is None
        assert bystander.stdin is not None
        bystander.stdin.write("\n")
    assert ended.returncode == 1
    assert "no server of ours" in ended.stderr


def a_link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def a_link_to_nothing(path: Path, target: Path) -> None:
    path.symlink_to(target.with_name("nothing"))


def a_second_name(path: Path, target: Path) -> None:
    path.hardlink_to(target)


def a_pipe(path: Path, target: Path) -> None:
    os.mkfifo(path)


def something_else(path: Path, target: Path) -> None:
    path.write_text("export PATH\n")


@pytest.mark.parametrize(
    ("put", "says"),
    [
        (a_link, "is a symbolic link, and a PID file must be none"),
        (a_link_to_nothing, "is a symbolic link, and a PID file must be none"),
        (a_second_name, "has a second name, a hard link: it cannot be a PID file of this user"),
        (a_pipe, "is no regular file: it cannot be a PID file of this user"),
        (something_else, "holds something else than a process id: name another file with PID_FILE"),
    ],
)
def test_what_is_no_pid_file_of_ours_is_left_alone_and_refused_with_a_sentence(
    path: Path, put: Callable[[Path, Path], None], says: str
) -> None:
    target = path.with_name("target")
    target.write_text("precious\n")
    put(path, target)

    ended = run_module("local", path.parent, PORT="0")

    assert (ended.returncode, ended.stderr) == (1, f"server.pid {says}.\n")
    assert target.read_text() == "precious\n"
    assert {each.name for each in path.parent.iterdir()} == {"server.pid", "target", "server.log"}
    if put is not something_else:
        assert run_module("local.stop", path.parent).stderr == f"server.pid {says}.\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_another_users_file_is_refused(path: Path) -> None:
    path.write_text("")
    os.chown(path, 65_534, -1)

    for use in (pid_file.hold, pid_file.running):
        with pytest.raises(PidFileError, match="belongs to another user"):
            use(path)


def test_a_file_removed_while_it_was_being_held_is_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = fcntl.lockf
    others = ["unlink", "replace"]

    def lockf(file: int, kind: int) -> None:
        lock(file, kind)
        match others and others.pop():
            case "unlink":
                path.unlink()
            case "replace":
                path.unlink()
                path.touch()

    monkeypatch.setattr(fcntl, "lockf", lockf)

    held = pid_file.hold(path)

    assert path.read_text() == f"{os.getpid()}\n"
    pid_file.release(path, held)


def test_a_system_without_handles_of_processes_signals_the_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    with running(tmp_path) as server:
        assert stop.stop(tmp_path / "server.pid", 10) == f"Stopped the server, process {server.process.pid}"
        assert server.process.wait(SECONDS) == 0


def test_a_process_that_has_just_ended_is_not_signalled(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with another(HOLD, path) as holder:
        pid = holder.pid
    answers = iter([pid, None])
    monkeypatch.setattr(pid_file, "running", lambda _: next(answers))

    assert stop.stop(path, 0) == f"Stopped the server, process {pid}"


def test_a_number_that_came_to_another_process_is_not_signalled(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with another("print(1, flush=True); input()", path) as bystander:
        answers = iter([bystander.pid, None, None])
        monkeypatch.setattr(pid_file, "running", lambda _: next(answers))
        monkeypatch.setattr(signal, "pidfd_send_signal", None)

        stop.stop(path, 0)

        assert bystander.poll() is None
        assert bystander.stdin is not None
        bystander.stdin.write("\n")
