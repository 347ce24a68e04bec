"""Where the agent is in each file, kept on disk, so that it can be killed and go on."""

import hashlib
import os
from pathlib import Path

import msgspec


class Place(msgspec.Struct, frozen=True):
    """How far a file has been sent: so many of its records, in batches of ``size``, and so many on their way.

    ``head`` is a hash of the first record: a file that begins otherwise is another file.
    """

    position: int
    size: int
    sending: int
    head: str

    def on_its_way(self, records: int) -> "Place":
        """Say that a batch is being sent."""
        return msgspec.structs.replace(self, sending=records)

    def past(self, records: int) -> "Place":
        """Say that it has been answered."""
        return msgspec.structs.replace(self, position=self.position + records, sending=0)

    def smaller(self, size: int) -> "Place":
        """Say that it was too large."""
        return msgspec.structs.replace(self, size=size, sending=0)


class Places:
    """The places of all files, in one small JSON file that is replaced as a whole."""

    def __init__(self, path: Path | None) -> None:
        """Read the file, if there is one; without a path nothing is kept. Raises ValueError when it is none of ours."""
        self._path = path
        self._places: dict[str, Place] = {}
        if path is not None and path.exists():
            self._places = msgspec.json.decode(path.read_bytes(), type=dict[str, Place])

    def find(self, source: str, first: bytes, size: int) -> Place:
        """Find the place in a source whose first record is given; a new source is at its beginning."""
        head = hashlib.sha256(first).hexdigest()[:16]
        place = self._places.get(source)
        return place if place is not None and place.head == head else Place(0, size, 0, head)

    def keep(self, source: str, place: Place) -> None:
        """Write a place; it is on disk when this returns."""
        if self._path is None:
            return
        self._places[source] = place
        written = self._path.with_name(self._path.name + ".new")
        with written.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self._places)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        written.replace(self._path)
