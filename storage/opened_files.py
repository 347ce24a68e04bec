"""Whether a SQLite database's files are still the ones that were opened, at the paths where they were."""

import logging
import os
import threading
import time

from handlers.record import StoreMissing

LOOK_SECONDS = 0.25
"""Seconds between two checks on behalf of readers, which lose nothing: a check releases the interpreter lock."""

_Identity = tuple[int, int] | None

logger = logging.getLogger(__name__)


class OpenedFiles:
    """A database file, its write-ahead log and its shared memory, as they were when they were opened.

    SQLite keeps writing to a file that was removed, renamed or replaced, and reports success. The log matters as much
    as the database: recent commits are only there. A second process that finds no shared memory makes its own, and
    then writes over what this process commits.
    """

    def __init__(self, path: str) -> None:
        """Note which files are open. SQLite keeps the log beside the file that a symbolic link leads to."""
        beside = os.path.realpath(path)
        self._opened = {name: _identity(name) for name in (path, f"{beside}-wal", f"{beside}-shm")}
        self._lock = threading.Lock()
        self._missing = ""
        self._next = 0.0

    def check(self) -> None:
        """Raise StoreMissing unless every path still leads to the file that was opened; log each change once."""
        gone = [name for name, opened in self._opened.items() if _identity(name) != opened]
        missing = _reason(gone[0]) if gone else ""
        if missing != self._missing:
            self._note(missing)
        if missing:
            raise StoreMissing(missing)

    def check_at_times(self) -> None:
        """Check as ``check`` does, unless another thread has just done so and found nothing."""
        now = time.monotonic()
        if self._missing or now >= self._next:
            self._next = now + LOOK_SECONDS
            self.check()

    def _note(self, missing: str) -> None:
        with self._lock:
            before, self._missing = self._missing, missing
        if missing and not before:
            logger.error("%s; every request is answered 503 until it is back or the server is restarted", missing)
        elif before and not missing:
            logger.warning("the database's files are back where they were; requests are answered again")


def _identity(path: str) -> _Identity:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _reason(path: str) -> str:
    what = "removed or renamed" if _identity(path) is None else "replaced by another file"
    return f"{path} was {what} while it was in use"
