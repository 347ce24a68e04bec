"""The PID file: names the running server, which holds a lock on it, so that a stale file can name nobody."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

_SETTLE_SECONDS = 0.02


class AlreadyRunning(Exception):
    """Another server holds the PID file; the message is a sentence for the operator."""


def hold(path: Path) -> IO[str]:
    """Write our process id into the file and lock it for as long as the returned file stays open.

    Raises AlreadyRunning, or OSError when the file cannot be written.
    """
    while True:
        file = path.open("a+", encoding="ascii")
        if _lock(file, fcntl.LOCK_EX) and _is_at(file, path):
            break
        # Held by a server, or for a moment by one who asks; or removed by a server that was just ending.
        file.close()
        pid = running(path)
        if pid is not None:
            raise AlreadyRunning(f"A server runs already{_at(path)}: {path} names process {pid}")
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def name_address(file: IO[str], url: str) -> None:
    """Write where the server listens into the file that it holds, below its process id."""
    file.write(f"{url}\n")
    file.flush()


def release(path: Path, file: IO[str]) -> None:
    """Remove the file, and only then unlock it: nobody may find it unlocked and take it for theirs."""
    path.unlink(missing_ok=True)
    file.close()


def running(path: Path) -> int | None:
    """Read the id of the server that holds the file, or None when nobody does.

    A process id alone proves nothing, since the system gives it to another program later; the lock ends with its
    process, whatever ended it.
    """
    while True:
        try:
            file = path.open("r", encoding="ascii")
        except FileNotFoundError:
            return None
        with file:
            if _lock(file, fcntl.LOCK_SH):
                return None
            # Between a new server's lock and its first line the file is empty, or names the server before it.
            before = file.read().strip()
            time.sleep(_SETTLE_SECONDS)
            file.seek(0)
            if before and before == file.read().strip():
                return int(before.split()[0])


def _at(path: Path) -> str:
    """Say where the server listens, where the file has it: it is a moment younger than the process id."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ""
    return f" at {lines[1]}" if len(lines) > 1 and lines[1].isprintable() else ""


def _lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
