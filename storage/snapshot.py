"""Whole copies of a SQLite database: each of one moment, made while others write, and put where a database is."""

import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from storage.engine import CannotOpen
from storage.migrations import outstanding
from storage.migrations.sqlite import STEPS
from storage.model import FlowSumRow
from storage.soundness import file_uri
from storage.sqlite import BUSY_SECONDS

PAGES_A_STEP = 1_000
SIDECARS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database: of another file they would be taken for its own, and spoil it."""

# PENDING_BYTE, RESERVED_BYTE and the SHARED range, one of which whoever uses a database has locked:
# https://www.sqlite.org/lockingv3.html and os.h
_LOCKS_AT, _LOCKS = 0x4000_0000, 512
_IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class Content(NamedTuple):
    """What a copy holds."""

    flows: int
    hours: int
    size: int


Tell = Callable[[int, int], None]
"""Takes how many pages are copied, and of how many."""


@contextmanager
def copied(source: Path, target: Path, tell: Tell, *, live: bool) -> Iterator[tuple[Path, Content]]:
    """Lend a copy, checked and on disk, under a name beside ``target``; it is removed unless it has been moved.

    ``live`` is whether others may write meanwhile. The copy is one file that needs no other, and that only this user
    may read. Raises CannotOpen or OSError.
    """
    if not source.is_file():
        raise CannotOpen(f"There is no file {source}")
    handle, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
    part = Path(name)
    try:
        content = _copy(source, part, tell, live=live)
        os.fsync(handle)
        yield part, content
    except sqlite3.Error as error:
        raise CannotOpen(f"{source} cannot be copied: {error}") from error
    finally:
        os.close(handle)
        for suffix in ("", *SIDECARS):
            Path(name + suffix).unlink(missing_ok=True)


def put(part: Path, target: Path) -> None:
    """Move a copy to its place, which it has wholly or not at all, also after a power cut."""
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep everybody else out of a database that is to be replaced, its log folded into it unless it is spoilt.

    Raises CannotOpen when another process uses it.
    """
    if not path.exists():
        yield
        return
    _fold(path)
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKS, _LOCKS_AT)
        except (BlockingIOError, PermissionError):
            raise _in_use(path) from None
        yield


def set_aside(path: Path, aside: Path) -> None:
    """Give what is at a path, and beside it, another name; the database itself stays until another is put there."""
    if path.exists():
        aside.hardlink_to(path)
    for suffix in SIDECARS:
        with suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")


def _copy(source: Path, part: Path, tell: Tell, *, live: bool) -> Content:
    with closing(_open(source, live=live)) as read, closing(sqlite3.connect(part, isolation_level=None)) as written:
        # What is copied is what this transaction sees. Without it, each commit of another would begin the copy anew.
        read.execute("BEGIN")
        _refuse_others(read, source)
        # Nothing of the copy needs undoing, and it is synced once.
        written.executescript("PRAGMA journal_mode = off; PRAGMA synchronous = off")
        read.backup(written, pages=PAGES_A_STEP, progress=lambda _, left, total: tell(total - left, total))
        written.execute("PRAGMA journal_mode = delete").fetchone()
        (found,) = written.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise CannotOpen(f"{source} is spoilt: {found.splitlines()[-1]}")
        flows, hours = written.execute("SELECT count(*), count(DISTINCT hour) FROM flow_sum").fetchone()
    return Content(flows, hours, part.stat().st_size)


def _open(source: Path, *, live: bool) -> sqlite3.Connection:
    """Open a database to read; one that nobody writes to may lie on a medium where nothing can be written."""
    beside = any(Path(f"{source}{suffix}").exists() for suffix in SIDECARS)
    mode = "rw" if live else "ro" if beside else "ro&immutable=1"
    return sqlite3.connect(file_uri(source, mode), uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _refuse_others(connection: sqlite3.Connection, path: Path) -> None:
    """Look into a database, of whatever version this release knows. Raises CannotOpen when it is none of ours."""
    asked = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
    if not connection.execute(asked, (FlowSumRow._meta.table_name,)).fetchone():
        raise CannotOpen(f"{path} is no database of flows")
    outstanding(connection.execute("PRAGMA user_version").fetchone()[0], STEPS, str(path))


def _fold(path: Path) -> None:
    """Write what a server that was killed has left in the log into the database."""
    try:
        with closing(sqlite3.connect(file_uri(path, "rw"), uri=True, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = delete").fetchone()
    except sqlite3.Error as error:
        # What cannot be read is set aside as it is.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _IN_USE:
            raise _in_use(path) from None


def _in_use(path: Path) -> CannotOpen:
    return CannotOpen(f"{path} is in use by another process: stop it first")
