"""python -m local.backup TO: copy the SQLite database, as it is at one moment, while the server goes on."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from handlers.settings import SettingsError, read_settings
from storage import CannotOpen
from storage.snapshot import SIDECARS, Content, copied, put
from storage.sqlite import database_path


def backup(database_url: str, target: Path) -> str:
    """Copy the database into a file that is not there yet, and say what it holds. Raises CannotOpen or OSError."""
    source = Path(database_path(database_url))
    if any(os.path.lexists(f"{target}{suffix}") for suffix in ("", *SIDECARS)):
        raise CannotOpen(f"{target} is there already, or what was left of it: name another file")
    with copied(source, target, show, live=True) as (part, content), uninterrupted():
        put(part, target)
    return f"Copied {source} to {target}: {said(content)}"


def said(content: Content) -> str:
    """Say what a copy holds."""
    return f"{content.flows:,} flows in {content.hours:,} hours, {content.size / 1e6:,.1f} MB"


def show(done: int, total: int) -> None:
    """Show how far the copy is, where somebody looks on."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{100 * done // max(1, total):3d} %", end=end, file=sys.stderr, flush=True)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let no Ctrl-C stop what takes but a moment, so that it is surely done, or surely not."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def main(words: Sequence[str] | None = None) -> None:
    """Copy the database of DATABASE_URL, unless it is another than SQLite's."""
    parser = argparse.ArgumentParser(
        prog="python -m local.backup",
        usage="make backup TO=copy.db, or python -m local.backup TO",
        description="Copy the SQLite database.",
    )
    parser.add_argument("to", type=Path, metavar="TO", help="the copy, a file that is not there yet")
    target = parser.parse_args(words).to
    try:
        settings = read_settings(os.environ)
        if settings.database_url.startswith("postgres"):
            sys.exit('Refused: PostgreSQL copies itself: pg_dump --format=custom --file=TO "$DATABASE_URL"')
        print(backup(settings.database_url, target) + ".")
    except (SettingsError, OSError, CannotOpen) as error:
        sys.exit(f"{error}.")
    except KeyboardInterrupt:
        sys.exit("Stopped by a signal; nothing is left of the copy.")


if __name__ == "__main__":
    main()
