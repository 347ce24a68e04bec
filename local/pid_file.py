"""The PID file: names the running server, which holds a lock on it, so that a stale file can name nobody."""

import errno
import fcntl
import os
import stat
import struct
import sys
import time
from pathlib import Path
from typing import IO

SETTLE_SECONDS = 1.0
"""How long a server may take from its lock to its first line, and the system to say who holds a lock."""

_STEP_SECONDS = 0.02
_LEAST_PID = 2
"""0, 1 and negative numbers mean whole groups of processes, or the first of all."""

# struct flock of fcntl(2): Linux begins with the type and the origin, macOS and the BSDs with the place.
_LINUX = sys.platform.startswith("linux")
_FLOCK = "hhqqi" if _LINUX else "qqihh"


class PidFileError(Exception):
    """The PID file cannot be used; the message is a sentence for the operator."""


class AlreadyRunning(PidFileError):
    """Another server holds the PID file."""


def hold(path: Path) -> IO[str]:
    """Write our process id into the file and lock it for as long as the returned file stays open.

    Raises AlreadyRunning, PidFileError when the file is not one that we may overwrite, or OSError when it cannot be
    written.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        file = _open(path, os.O_RDWR | os.O_CREAT)
        if _lock(file) and _is_at(file, path):
            break
        # Held by another, or removed by a server that was just ending.
        holder, address = _holder(file), _address(file)
        file.close()
        if holder is not None and holder >= _LEAST_PID:
            raise AlreadyRunning(f"A server runs already{address}: {path} names process {holder}")
        if time.monotonic() > deadline:
            raise AlreadyRunning(f"{path} is held by a process that cannot be seen from here")
        time.sleep(_STEP_SECONDS)
    if (named := _first_line(file)) and not named.isdigit():
        file.close()
        raise PidFileError(f"{path} holds something else than a process id: name another file with PID_FILE")
    os.fchmod(file.fileno(), 0o600)
    file.seek(0)
    file.truncate()
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
    """Return the id of the server that holds the file, or None when nobody does.

    It is what the system says of the lock, and what the file says: a number alone proves nothing, since the system
    gives it to another program later, and a lock alone does not say that its holder is a server. Raises PidFileError
    where the two differ, or where the file is not ours.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            file = _open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except PermissionError:
            raise PidFileError(f"{path} cannot be read: it belongs to another user") from None
        with file:
            holder, named = _holder(file), _first_line(file)
        if holder is None or (holder >= _LEAST_PID and named == str(holder)):
            return holder
        # Between a new server's lock and its first line the file is empty, or names the server before it.
        if time.monotonic() > deadline:
            raise PidFileError(f"{path} is locked by process {holder}, and does not name it: no server of ours")
        time.sleep(_STEP_SECONDS)


def _open(path: Path, how: int) -> IO[str]:
    """Open a file of our own, which nobody can have put there in the place of another. Raises PidFileError, OSError."""
    try:
        # A named pipe would wait for its other end.
        opened = os.open(path, how | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise PidFileError(f"{path} is a symbolic link, and a PID file must be none") from None
        raise
    found = os.fstat(opened)
    reason = ""
    if not stat.S_ISREG(found.st_mode):
        reason = "is no regular file"
    elif found.st_uid != os.geteuid():
        reason = "belongs to another user"
    elif found.st_nlink > 1:
        reason = "has a second name, a hard link"
    if reason:
        os.close(opened)
        raise PidFileError(f"{path} {reason}: it cannot be a PID file of this user")
    return open(opened, "r+" if how & os.O_RDWR else "r", encoding="ascii", errors="replace")


def _lock(file: IO[str]) -> bool:
    """Take a record lock, of which the system says whose it is. It ends when this process closes any of the file's."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _holder(file: IO[str]) -> int | None:
    """Ask the system for the process that has the file locked, 0 or less where that is out of sight."""
    lock, start, end, pid = fcntl.F_WRLCK, 0, 0, 0
    asked = (lock, os.SEEK_SET, start, end, pid) if _LINUX else (start, end, pid, lock, os.SEEK_SET)
    found = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(_FLOCK, *asked)))
    kind, holder = (found[0], found[4]) if _LINUX else (found[3], found[2])
    return None if kind == fcntl.F_UNLCK else int(holder)


def _first_line(file: IO[str]) -> str:
    file.seek(0)
    return file.readline(100).strip()


def _address(file: IO[str]) -> str:
    """Return where the holder listens, in words; empty for as long as it has not written that."""
    _first_line(file)
    address = file.readline(100).strip()
    return f" at {address}" if address and address.isprintable() else ""


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False
