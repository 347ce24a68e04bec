"""The PID file: who holds it, and who is named by it."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from local import pid_file
from local.pid_file import AlreadyRunning


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "server.pid"


def test_a_held_file_names_its_process_and_a_released_one_is_gone(path: Path) -> None:
    held = pid_file.hold(path)

    assert path.read_text() == f"{os.getpid()}\n"
    assert pid_file.running(path) == os.getpid()
    pid_file.release(path, held)
    assert not path.exists()
    assert pid_file.running(path) is None


def test_a_held_file_names_the_address_once_it_is_known(path: Path) -> None:
    held = pid_file.hold(path)
    pid_file.name_address(held, "http://127.0.0.1:8080")

    assert pid_file.running(path) == os.getpid()
    with pytest.raises(AlreadyRunning, match=f"A server runs already at http://127.0.0.1:8080: .* {os.getpid()}$"):
        pid_file.hold(path)

    pid_file.release(path, held)


def test_a_held_file_is_not_held_again(path: Path) -> None:
    held = pid_file.hold(path)

    with pytest.raises(AlreadyRunning, match=f"server.pid names process {os.getpid()}"):
        pid_file.hold(path)

    pid_file.release(path, held)


def test_a_file_that_nobody_holds_names_nobody_and_can_be_held(path: Path) -> None:
    path.write_text("1\n")

    assert pid_file.running(path) is None
    held = pid_file.hold(path)
    assert pid_file.running(path) == os.getpid()
    pid_file.release(path, held)


def test_a_holder_that_has_not_yet_written_is_waited_for(path: Path) -> None:
    with path.open("a+") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        threading.Timer(0.01, lambda: path.write_text("42\n")).start()

        assert pid_file.running(path) == 42


def test_a_file_removed_while_it_was_being_held_is_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = fcntl.flock
    others = ["unlink", "replace"]

    def flock(file: int, kind: int) -> None:
        lock(file, kind)
        match others and others.pop():
            case "unlink":
                path.unlink()
            case "replace":
                path.unlink()
                path.touch()

    monkeypatch.setattr(fcntl, "flock", flock)

    held = pid_file.hold(path)

    assert path.read_text() == f"{os.getpid()}\n"
    pid_file.release(path, held)
