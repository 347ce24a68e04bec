"""Sends the records of files, batch after batch, and keeps the place in each."""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from tqdm import tqdm

from local.answers import Accepted, Refusal, Stopped, Stuck, has_key
from local.progress import Place, Places
from local.sender import Sender
from local.sources import STANDARD_INPUT, Bad, Item, Source, open_source
from local.terminal import columns, escaped, say, shortened

KEY_HOURS = 23
"""For how long the service surely remembers a key: its IDEMPOTENCY_HOURS, if that is left alone, less one."""

_TOLD = 100


class Agent:
    """Sends files, and keeps its place in each."""

    def __init__(self, sender: Sender, places: Places, size: int, *, final: bool = False, resend: bool = False) -> None:
        """Send batches of ``size`` records at first.

        ``final`` sends last lines that have no end too; ``resend`` sends a batch again that has been on its way for
        longer than keys are kept.
        """
        self._sender = sender
        self._places = places
        self._size = size
        self._final = final
        self._resend = resend
        self.refused = 0
        self.held: list[str] = []
        self._told = 0

    def send(self, name: str, number: int = 1, files: int = 1) -> None:
        """Send what has not been sent of file ``number`` of ``files``. Raises Stopped, Unreadable or CannotKeep."""
        self._shown = f"file {number} of {files}, {os.path.basename(name)}" if files > 1 else os.path.basename(name)
        path = name if name == STANDARD_INPUT else os.path.realpath(name)
        kept = None if name == STANDARD_INPUT else self._places.find(f"{self._sender.url} {path}")
        if not self._send(name, path, kept or Place(self._size)):
            say(f"{name} is not the file that was sent in part before: it is sent from its beginning")
            self._send(name, path, Place(self._size))

    def _send(self, name: str, path: str, place: Place) -> bool:
        """Send a file from a place on; tell whether it is still the file of which this is a place."""
        before = place.position
        with open_source(name, final=self._final) as source:
            sending = _Sending(self, name, path, source, place)
            if not sending.comes_to_its_place():
                return False
            sending.run(escaped(self._shown))
        if place.position == before > 0:
            refused = f", {place.refused:,} of them refused" if place.refused else ""
            say(f"nothing new: {name} was sent before ({before:,} records{refused})")
        self.refused += place.refused
        if source.held:
            self.held.append(name)
        return True

    def refuse(self, name: str, position: int, why: str) -> None:
        """Say which record was refused, as long as there are not too many."""
        self._told += 1
        if self._told <= _TOLD:
            say(f"refused {name}, record {position:,}: {why}")

    def keep(self, name: str, path: str, place: Place) -> None:
        """Keep a place in a file."""
        if name != STANDARD_INPUT:
            self._places.keep(f"{self._sender.url} {path}", place)

    def post(self, body: Sequence[bytes], key: str) -> tuple[int, Accepted | Refusal]:
        """Send a batch. Raises Stopped."""
        return self._sender.send(body, key)

    def identify(self, path: str) -> bytes:
        """Name a file for its keys, the same after a restart, and another than any other agent's."""
        return os.fsencode(f"{self._places.name}\0{path}\0")

    def may_resend(self, place: Place) -> bool:
        """Tell whether the service surely knows the key of the batch that was on its way, if it has counted it."""
        return self._resend or time.time() - place.sent_at < KEY_HOURS * 3_600


class _Sending:
    """One file on its way."""

    def __init__(self, agent: Agent, name: str, path: str, source: Source, place: Place) -> None:
        self._agent = agent
        self._name = name
        self._path = path
        self._source = source
        self.place = place
        self._digest = hashlib.sha256()

    def comes_to_its_place(self) -> bool:
        """Read past what has been sent, and tell whether it is what was sent."""
        seen = 0
        for item in islice(self._source.items, self.place.position):
            self._digest.update(_marked(item))
            seen += 1
        return seen == self.place.position and self.place.digest in ("", self._digest.hexdigest())

    def run(self, shown: str) -> None:
        """Send batch after batch, and show how far it is."""
        items: Iterator[Item] = self._source.items
        with tqdm(total=self._source.size, unit="B", unit_scale=True, desc=shown, disable=None, ncols=columns()) as bar:
            # A batch that was on its way when the agent was killed is sent as it was, though its file has grown.
            while batch := list(islice(items, self.place.sending or self.place.size)):
                answered = self._deliver(batch)
                items = chain(batch[answered:], items)
                bar.set_postfix_str(f"{self.place.position:,} records", refresh=False)
                bar.update(self._source.read - bar.n)

    def _deliver(self, batch: list[Item]) -> int:
        """Send records until they are counted or refused; tell how many: all, or none where they are too many."""
        place = self.place
        while True:
            body = {
                place.position + number: item
                for number, item in enumerate(batch)
                if isinstance(item, bytes) and place.position + number not in place.skip
            }
            if not body:
                return self._answered(batch, {}, 0)
            records = list(body.values())
            self._on_its_way(len(batch), records)
            status, answer = self._agent.post(records, place.key)
            if isinstance(answer, Accepted):
                positions = list(body)
                errors = {positions[place]: why for place, why in answer.errors.items()}
                return self._answered(batch, errors, answer.refused)
            refused = self._why_not(status, answer, body)
            if not refused and len(batch) > 1:
                place.size = (len(batch) + 1) // 2
                place.settle()
                self._agent.keep(self._name, self._path, place)
                return 0
            for position, why in refused.items():
                self._agent.refuse(self._name, position, why)
            place.skip, place.key = [*place.skip, *refused], ""

    def _on_its_way(self, records: int, body: list[bytes]) -> None:
        """Keep what is about to be sent, so that the same is sent again if this ends. Raises Stopped."""
        place = self.place
        digest = hashlib.sha256(self._agent.identify(self._path) + b"%d\0" % place.position)
        for record in body:
            digest.update(_marked(record))
        key = digest.hexdigest()[:40]
        if place.key and place.key != key:
            raise Stuck(f"{self._name} has changed where a batch was on its way, from record {place.position:,} on")
        if place.key and not self._agent.may_resend(place):
            raise Stuck(
                f"a batch of {self._name} has been on its way for over {KEY_HOURS} hours, and the service may have "
                "forgotten its key: see what it has counted, and go on with --resend if that is not in it"
            )
        if not place.key:
            place.sending, place.key, place.sent_at = records, key, int(time.time())
            self._agent.keep(self._name, self._path, place)

    def _answered(self, batch: list[Item], refused: dict[int, str], count: int) -> int:
        """Move past a batch of which ``count`` records were refused, not all by name, and keep the new place."""
        place = self.place
        bad = {place.position + n: item.why for n, item in enumerate(batch) if isinstance(item, Bad)}
        for position, why in sorted((bad | refused).items()):
            self._agent.refuse(self._name, position, why)
        if count > len(refused):
            end = place.position + len(batch)
            say(f"refused {self._name}, {count - len(refused):,} records more before record {end:,}")
        for item in batch:
            self._digest.update(_marked(item))
        place.refused += len(bad) + count + len(place.skip)
        place.position += len(batch)
        place.digest = self._digest.hexdigest()
        place.settle()
        self._agent.keep(self._name, self._path, place)
        return len(batch)

    def _why_not(self, status: int, answer: Refusal, body: dict[int, bytes]) -> dict[int, str]:
        """Return which records are to be left out; none, where smaller batches are the way. Raises Stopped."""
        said = shortened(answer.error_message)
        if status == 409 and answer.key is not None:
            if refused := {position: said for position, record in body.items() if has_key(record, answer.key)}:
                return refused
        elif status in (406, 413):
            return {} if len(body) > 1 else dict.fromkeys(body, said)
        raise Stopped(f"the service answered {status}: {said}")


def _marked(item: Item) -> bytes:
    text = item.text if isinstance(item, Bad) else item
    return b"%d:" % len(text) + text
