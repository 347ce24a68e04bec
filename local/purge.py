"""python -m local.purge: stop the server, and remove every stored flow of the SQLite database; a copy is kept."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from handlers.record import StoreUnavailable
from handlers.settings import SettingsError, read_settings
from local.backup import backup
from local.pid_file import PidFileError
from local.stop import stop
from storage import CannotOpen, open_store
from storage.sqlite import database_path


def purge(database_url: str, *, force: bool = False) -> str:
    """Remove every sum of a SQLite database and say what was removed.

    A copy is kept beside the file, unless ``force`` is set or there is nothing to keep. Raises CannotOpen,
    StoreUnavailable or OSError.
    """
    path = Path(database_path(database_url))
    if not path.exists():
        return f"Removed nothing: there is no {path}"
    store = open_store(database_url)
    try:
        kept = _keep(database_url, path) if store.size().sums and not force else ""
        return f"Removed {store.clear():,} flows from {path}{kept}"
    finally:
        store.close()


def _keep(database_url: str, path: Path) -> str:
    """Copy the database, and say where to. Raises CannotOpen."""
    copy = path.with_name(f"{path.name}.purged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    try:
        backup(database_url, copy)
    except (CannotOpen, OSError) as error:
        raise CannotOpen(
            f"Removed nothing, since no copy of {path} could be kept ({error}); make purge_all FORCE=1 keeps none"
        ) from error
    return f"; a copy is kept as {copy}, and make restore FROM={copy} brings it back"


def main(words: Sequence[str] | None = None) -> None:
    """Purge the database of DATABASE_URL, unless it is another than SQLite's."""
    parser = argparse.ArgumentParser(
        usage="make purge_all [FORCE=1], or python -m local.purge [--force]",
        description="Stop the server, and remove every stored flow of the SQLite database.",
    )
    parser.add_argument("--force", action="store_true", help="keep no copy")
    force = parser.parse_args(words).force
    try:
        settings = read_settings(os.environ)
        if not settings.database_url.startswith("sqlite:"):
            sys.exit("Refused: DATABASE_URL names no SQLite file, and only such a one is purged from here.")
        database_path(settings.database_url)
        print(stop(Path(settings.pid_file), settings.shutdown_seconds) + ".")
        print(purge(settings.database_url, force=force) + ".")
    except (SettingsError, OSError, PidFileError, CannotOpen, StoreUnavailable) as error:
        sys.exit(f"{error}.")


if __name__ == "__main__":
    main()
