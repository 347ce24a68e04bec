"""python -m local.purge: stop the server, remove every stored flow of the SQLite database, and say how many."""

import os
import sys
from pathlib import Path

from handlers.record import StoreUnavailable
from handlers.settings import SettingsError, read_settings
from local.stop import stop
from storage import CannotOpen, open_store
from storage.sqlite import database_path


def purge(database_url: str) -> str:
    """Remove every sum of a SQLite database and say what was removed. Raises CannotOpen or StoreUnavailable."""
    path = Path(database_path(database_url))
    if not path.exists():
        return f"Removed nothing: there is no {path}"
    store = open_store(database_url)
    try:
        return f"Removed {store.clear():,} flows from {path}"
    finally:
        store.close()


def main() -> None:
    """Purge the database of DATABASE_URL, unless it is another than SQLite's."""
    try:
        settings = read_settings(os.environ)
        if not settings.database_url.startswith("sqlite:"):
            sys.exit("Refused: DATABASE_URL names no SQLite file, and only such a one is purged from here.")
        database_path(settings.database_url)
        print(stop(Path(settings.pid_file), settings.shutdown_seconds) + ".")
        print(purge(settings.database_url) + ".")
    except (SettingsError, OSError, CannotOpen, StoreUnavailable) as error:
        sys.exit(f"{error}.")


if __name__ == "__main__":
    main()
