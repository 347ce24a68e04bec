"""Bring a database's schema to the version this code knows, one numbered step after another."""

from collections.abc import Sequence
from typing import Any

from storage.engine import CannotOpen


def migrate(database: Any, steps: Sequence[Sequence[str]]) -> None:
    """Run the steps that a SQLite database has not had; its ``user_version`` counts those it had.

    All of them are one transaction: two processes that open the same file at once do not both run a step. Raises
    CannotOpen when the database is newer than this code.
    """
    connection = database.connection()
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = database.user_version
        if version > len(steps):
            raise CannotOpen(
                f"{database.database} has schema version {version}, and this release knows {len(steps)} at most: "
                "run a newer release"
            )
        for number, step in enumerate(steps[version:], start=version + 1):
            for statement in step:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
