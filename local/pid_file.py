"""The PID file: names the running server, which holds a lock on it, so that a stale file can name nobody."""

import fcntl
import os
from pathlib import Path
from typing import IO


class AlreadyRunning(Exception):
    """Another server holds the PID file; the message is a sentence for the operator."""


def hold(path: Path) -> IO[str]:
    """Write our process id into the file and lock it for as long as the returned file stays open.

    Raises AlreadyRunning, or OSError when the file cannot be written.
    """
    file = path.open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        pid = file.read().strip()
        file.close()
        raise AlreadyRunning(f"A server runs already: {path} names process {pid}") from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def release(path: Path, file: IO[str]) -> None:
    """Remove the file, and only then unlock it: nobody may find it unlocked and take it for theirs."""
    path.unlink(missing_ok=True)
    file.close()


def running(path: Path) -> int | None:
    """Read the id of the server that holds the file, or None when nobody does.

    A process id alone proves nothing, since the system gives it to another program later; the lock ends with its
    process, whatever ended it.
    """
    try:
        file = path.open("r", encoding="ascii")
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read())
    return None
