"""python -m local.prune: remove the hours that are older than KEEP_HOURS, or those named, while the server goes on."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any, TypeVar

from handlers.query import Misread
from handlers.record import StoreUnavailable
from handlers.retention import oldest_kept
from handlers.settings import Settings, SettingsError, read_settings
from handlers.times import read_hours
from storage import CannotOpen, SumStore, open_store
from storage.retention import Removed
from storage.sqlite import database_path

_Step = TypeVar("_Step")


class _Pruning:
    """Removes hours, and knows what it has removed, also when a signal ends it: between two transactions."""

    def __init__(self, store: SumStore) -> None:
        self._store = store
        self.flows = 0
        self.hours = 0
        self.stopped = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def run(self, hours: range | None, before: int) -> None:
        """Remove some hours, or all hours before one, print each, and release their space."""
        steps = self._store.prune(before) if hours is None else chain.from_iterable(map(self._store.remove, hours))
        for number, parts in groupby(self._until_stopped(steps), key=lambda step: step.hour):
            if removed := sum(map(self._note, parts)):
                self.hours += 1
                print(f"Removed {removed:,} flows of hour {number}.", flush=True)
        for _ in self._until_stopped(self._store.give_back()):
            pass

    def _stop(self, number: int, _: Any) -> None:
        """Stop at the end of the transaction; a second signal ends the process at once."""
        self.stopped = True
        signal.signal(number, signal.SIG_DFL)

    def _until_stopped(self, steps: Iterable[_Step]) -> Iterator[_Step]:
        for step in steps:
            yield step
            if self.stopped:
                return

    def _note(self, step: Removed) -> int:
        self.flows += step.flows
        return step.flows


def prune(settings: Settings, hours: range | None) -> str:
    """Remove some hours, or all old ones, and say what was removed. Raises CannotOpen or StoreUnavailable."""
    path = _file(settings.database_url)
    if path and not path.exists():
        return f"Removed nothing: there is no {path}"
    before = _megabytes(path)
    store = open_store(settings.database_url, settings.citus_shards, settings.idempotency_hours)
    pruning = _Pruning(store)
    try:
        pruning.run(hours, oldest_kept(int(time.time()), settings.keep_hours))
    finally:
        store.close()
    said = f"Removed {pruning.flows:,} flows in {pruning.hours:,} hours"
    if pruning.stopped:
        sys.exit(f"{said}, and stopped by a signal: start it again to go on.")
    return said + (f"; {path} has {_megabytes(path)} MB, and had {before}" if path else "")


def _file(database_url: str) -> Path | None:
    return Path(database_path(database_url)) if database_url.startswith("sqlite:") else None


def _megabytes(path: Path | None) -> str:
    return f"{path.stat().st_size / 1e6:,.1f}" if path else ""


def _hours(word: str) -> range:
    try:
        return read_hours(word)
    except Misread as error:
        raise argparse.ArgumentTypeError(f"{word}: {error}") from None


def main(words: Sequence[str] | None = None) -> None:
    """Prune the database of DATABASE_URL."""
    parser = argparse.ArgumentParser(
        prog="python -m local.prune", description="Remove the hours that are older than KEEP_HOURS."
    )
    parser.add_argument(
        "--hour",
        type=_hours,
        help="remove this hour only, whatever its age: a number, or a time such as 2026-11-24T07:00Z; or a day such as "
        "2026-11-24, which is 24 hours in UTC",
    )
    hours = parser.parse_args(words).hour
    try:
        settings = read_settings(os.environ)
        if hours is None and not settings.keep_hours:
            sys.exit("Refused: KEEP_HOURS is 0, which keeps every hour: set it, or name an hour or a day with --hour.")
        print(prune(settings, hours) + ".")
    except (SettingsError, OSError, CannotOpen, StoreUnavailable) as error:
        sys.exit(f"{error}.")


if __name__ == "__main__":
    main()
