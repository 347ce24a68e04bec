"""Where log lines go: to a rotating file, gathered for a second and written together."""

import contextlib
import logging
import logging.handlers
import sys
import threading
import time

import msgspec

from handlers.access_log import NAMES, access, clean
from handlers.request_id import on_line

MAX_BYTES = 10_000_000
OLD_FILES = 5
FLUSH_SECONDS = 1.0


class GatheringFileHandler(logging.handlers.RotatingFileHandler):
    """A rotating file that is written once a second, or at once on a warning.

    A write a line has every request give up the interpreter lock three times more: measured a third of the small
    POSTs a second.
    """

    def __init__(self, path: str) -> None:
        """Open the file, and start the thread that writes to it. Raises OSError."""
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=OLD_FILES, encoding="utf-8")
        self._lines: list[str] = []
        self._losing = False
        self._ended = threading.Event()
        threading.Thread(target=self._flush_on_time, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line for the next write."""
        try:
            self._lines.append(self.format(record) + self.terminator)
            if record.levelno >= logging.WARNING:
                self._try_flush()
        except Exception:
            # As logging's own handlers: a log that cannot be written must not fail the request it tells of.
            self.handleError(record)

    def flush(self) -> None:
        """Write the lines kept, and begin a new file where this one is full."""
        with self.lock:  # type: ignore[union-attr]
            lines, self._lines = self._lines, []
            if not lines or self.stream is None:
                return
            self.stream.write("".join(lines))
            super().flush()
            if self.stream.tell() >= self.maxBytes:
                self._begin_anew()

    def _begin_anew(self) -> None:
        """Begin a new file; where the folder does not let us, go on in this one."""
        try:
            self.doRollover()
        except OSError as error:
            self.stream = self._open()
            self.maxBytes *= 2
            self._say(f"The log cannot be rotated, and goes on: {error.strerror}")

    def close(self) -> None:
        """Write what is left, and end."""
        self._ended.set()
        self.flush()
        super().close()

    @staticmethod
    def _say(text: str) -> None:
        # Standard error may be a file on the same full disk.
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr, flush=True)

    def _flush_on_time(self) -> None:
        while not self._ended.wait(FLUSH_SECONDS):
            self._try_flush()

    def _try_flush(self) -> None:
        """Write the lines kept, or lose them, and say so once until lines can be written again."""
        writes = bool(self._lines)
        try:
            self.flush()
        except OSError as error:
            if not self._losing:
                self._say(f"Lines of the log are lost: {error.strerror}")
            self._losing = True
        else:
            self._losing = self._losing and not writes


class _UtcFormatter(logging.Formatter):
    """Tells the time of a record as ``2026-11-24T05:18:35.123Z``: written anew is only what is new in it."""

    def __init__(self) -> None:
        """Begin before any second."""
        super().__init__()
        self._second = -1
        self._time = ""

    def utc(self, record: logging.LogRecord) -> str:
        """Tell when a record was made."""
        second = int(record.created)
        if second != self._second:
            self._second, self._time = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._time}.{int(record.msecs):03}Z"


class JsonFormatter(_UtcFormatter):
    """A JSON object a line: the same as a line of text, and what a request's line tells, one by one."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record, and the exception that came with it, in UTC."""
        told: dict[str, object] = {
            "time": self.utc(record),
            "level": record.levelname,
            "logger": record.name,
            "message": clean(record.getMessage()),
            "request_id": on_line(),
        }
        if record.name == access.name and isinstance(record.args, tuple):
            told |= dict(zip(NAMES, record.args, strict=True))
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode({name: value for name, value in told.items() if value != ""}).decode()


class LineFormatter(_UtcFormatter):
    """``2026-11-24T05:18:35.123Z INFO access GET / 200``."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record, and the exception that came with it, in UTC."""
        line = f"{self.utc(record)} {record.levelname} {record.name} {clean(record.getMessage())}"
        if named := on_line():
            line = f"{line} request_id={named}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def start_log(log_file: str, level: str, log_format: str = "text") -> None:
    """Send every line of at least ``level`` to a rotating file, or to standard error for ``-``. Raises OSError."""
    handler = logging.StreamHandler(sys.stderr) if log_file == "-" else GatheringFileHandler(log_file)
    handler.setFormatter(JsonFormatter() if log_format == "json" else LineFormatter())
    # What no line of ours shows need not be found out: https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
