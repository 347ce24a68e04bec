"""What a SQLite file is looked through for before it is used: another program's tables, and damage."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from storage.engine import CannotOpen
from storage.model import FlowSumRow

LOOK_SECONDS = 0.5
"""How long a start may be held up by it: 285 MB take that when the system has them in memory, and 5 s when not."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def refuse_unsound(path: str, busy_seconds: float) -> None:
    """Look through a file, where there is one, and leave it as it is.

    Raises CannotOpen when it is damaged, another program's or read-only, and what SQLite raises. A large one is looked
    through in part: damage that is found later fails the requests that meet it.
    """
    if not Path(path).exists():
        return
    _refuse_read_only(path)
    try:
        # What cannot write cannot move the write-ahead log into the file when it closes either.
        tables, found = _look(path, "ro", busy_seconds)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_READONLY:
            raise
        # A process that was killed as it made the file has left a journal, which is to be rolled back first.
        tables, found = _look(path, "rw", busy_seconds)
    if tables and FlowSumRow._meta.table_name not in tables:
        raise CannotOpen(f"{path} holds another program's tables: name another file")
    if found != "ok":
        raise _damaged(path, found)


def refusal(path: str, error: Exception) -> CannotOpen:
    """Put into a sentence why a file cannot be opened."""
    folder = Path(path).parent
    if not folder.is_dir():
        return CannotOpen(f"{path} cannot be opened: there is no folder {folder}")
    code = getattr(error, "sqlite_errorcode", getattr(error.__cause__, "sqlite_errorcode", 0))
    return _damaged(path, str(error)) if code & 0xFF in _DAMAGED else CannotOpen(f"{path} cannot be opened: {error}")


def _refuse_read_only(path: str) -> None:
    """Refuse what this user may not write, before SQLite makes a log beside it that is as read-only."""
    # SQLite keeps its log beside the file that a symbolic link leads to.
    beside = os.path.realpath(path)
    log = [name for name in (f"{beside}-wal", f"{beside}-shm") if os.path.exists(name)]
    for name in (path, *log):
        if not os.access(name, os.W_OK):
            raise CannotOpen(f"{name} is read-only for this user: change its owner or its mode, or name another file")
    if len(log) < 2 and not os.access(os.path.dirname(beside), os.W_OK | os.X_OK):
        raise CannotOpen(f"The folder of {path} is read-only for this user, and SQLite keeps its log in it")


def _damaged(path: str, found: str) -> CannotOpen:
    what = " ".join(found.split())
    return CannotOpen(
        f"{path} is damaged or no database ({what}): restore a backup or name another file; it was left as it is"
    )


def file_uri(path: Path, mode: str) -> str:
    """Name a database file to SQLite, to be opened in a mode of https://www.sqlite.org/uri.html, and never made."""
    return f"{path.absolute().as_uri()}?mode={mode}"


def _look(path: str, mode: str, busy_seconds: float) -> tuple[set[str], str]:
    """Find a file's tables, and its first damage or ``ok``."""
    with closing(sqlite3.connect(file_uri(Path(path), mode), busy_seconds, uri=True)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        return tables, _quick_check(connection)


def _quick_check(connection: sqlite3.Connection) -> str:
    """Tell the first damage that is found in the time there is, or ``ok``."""
    try:
        with _interrupted(connection, LOOK_SECONDS):
            return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return "ok"


@contextmanager
def _interrupted(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """End what a connection does after some time. Its progress handler is not called while pages are checked."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
