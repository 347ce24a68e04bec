"""python -m local.restore FROM: put a copy in the place of the SQLite database, and keep what was there."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from handlers.settings import Settings, SettingsError, read_settings
from local import pid_file
from local.backup import said, show, uninterrupted
from storage import CannotOpen
from storage.snapshot import SIDECARS, alone, copied, put, set_aside
from storage.sqlite import database_path


def restore(database_url: str, source: Path) -> str:
    """Put a copy of ``source`` where the database is, and say what it holds. Raises CannotOpen or OSError."""
    path = Path(database_path(database_url))
    # SQLite keeps its log beside the file that a link leads to.
    path = path.resolve() if path.is_symlink() else path
    aside = path.with_name(path.name + ".replaced")
    if path.exists() and source.exists() and source.samefile(path):
        raise CannotOpen(f"{source} is the database itself")
    if any(os.path.lexists(f"{aside}{suffix}") for suffix in ("", *SIDECARS)):
        raise CannotOpen(f"{aside} is there already, kept by an earlier restore: move or remove it first")
    with alone(path), copied(source, path, show, live=False) as (part, content):
        there = path.exists()
        if there:
            _own_alike(path, part)
        with uninterrupted():
            set_aside(path, aside)
            put(part, path)
    kept = f"; what was there is kept as {aside}" if there else ""
    return f"Restored {path} from {source}: {said(content)}{kept}"


def _own_alike(path: Path, part: Path) -> None:
    """Have a copy that root makes be read by the server's own user."""
    shutil.copymode(path, part)
    owner = path.stat()
    with suppress(PermissionError):
        os.chown(part, owner.st_uid, owner.st_gid)


def _restore_alone(settings: Settings, source: Path) -> str:
    """Restore while no server can start under the same PID file. Raises AlreadyRunning too."""
    held = pid_file.hold(Path(settings.pid_file))
    try:
        return restore(settings.database_url, source)
    finally:
        pid_file.release(Path(settings.pid_file), held)


def main(words: Sequence[str] | None = None) -> None:
    """Restore the database of DATABASE_URL, unless it is another than SQLite's or a server runs."""
    parser = argparse.ArgumentParser(
        prog="python -m local.restore",
        usage="make restore FROM=copy.db, or python -m local.restore FROM",
        description="Restore the SQLite database.",
    )
    parser.add_argument("source", type=Path, metavar="FROM", help="a copy, which stays as it is")
    source = parser.parse_args(words).source
    try:
        settings = read_settings(os.environ)
        if settings.database_url.startswith("postgres"):
            sys.exit('Refused: PostgreSQL restores itself: pg_restore --clean --dbname="$DATABASE_URL" FROM')
        print(_restore_alone(settings, source) + ".")
    except pid_file.AlreadyRunning as error:
        sys.exit(f"{error}: stop it first.")
    except (SettingsError, OSError, pid_file.PidFileError, CannotOpen) as error:
        sys.exit(f"{error}.")
    except KeyboardInterrupt:
        sys.exit("Stopped by a signal; the database is the one that it was.")


if __name__ == "__main__":
    main()
