"""Where the agent is in each file, kept on disk, so that it can be killed and go on."""

import fcntl
import os
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from local.answers import Count

MAX_BATCH = 1_000_000


class Place(msgspec.Struct):
    """How far a file has been sent to a service.

    So many of its records have been answered, of which so many were refused; ``digest`` is a hash of them, by which
    another file under the same name is told. The next batch has ``size`` records. One that is on its way has
    ``sending``, without those at the places in ``skip``, under ``key``, since ``sent_at`` (Unix seconds).
    """

    size: Annotated[int, Meta(ge=1, le=MAX_BATCH)]
    position: Count = 0
    refused: Count = 0
    digest: str = ""
    sending: Annotated[int, Meta(ge=0, le=MAX_BATCH)] = 0
    skip: list[Count] = []
    key: str = ""
    sent_at: Count = 0

    def settle(self) -> None:
        """Say that nothing is on its way."""
        self.sending, self.skip, self.key = 0, [], ""


class _State(msgspec.Struct):
    """``name`` is the agent's, and stays the same when its host is called otherwise."""

    name: str
    places: dict[str, Place] = {}


class CannotKeep(Exception):
    """The state cannot be read or written; the message is a sentence for whoever started the agent."""


class Places:
    """The places of all files, in one small JSON file that is replaced as a whole."""

    def __init__(self, path: Path, name: str) -> None:
        """Read the file, or begin it with the agent's name. Raises CannotKeep, also when another agent has it."""
        self._path = path
        try:
            self._lock = path.with_name(path.name + ".lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            read = path.read_bytes() if path.exists() else b""
            self._state = msgspec.json.decode(read, type=_State) if read else _State(name)
        except BlockingIOError:
            raise CannotKeep(f"another agent has {path}: name another file with --state") from None
        except OSError as error:
            raise CannotKeep(f"{error.filename or path} cannot be opened: {error.strerror}") from None
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise CannotKeep(f"{path} cannot be read: {error}; mend it, or name another file with --state") from None

    @property
    def name(self) -> str:
        """The agent's name."""
        return self._state.name

    def find(self, source: str) -> Place | None:
        """Find the place in a source."""
        return self._state.places.get(source)

    def keep(self, source: str, place: Place) -> None:
        """Write a place; it is on disk when this returns. Raises CannotKeep."""
        self._state.places[source] = place
        written = self._path.with_name(self._path.name + ".new")
        try:
            with written.open("wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(msgspec.json.format(msgspec.json.encode(self._state)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            written.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise CannotKeep(f"{self._path} cannot be written: {error.strerror}") from None
