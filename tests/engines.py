"""The engines that the contract suite runs on, and a database of a test's own on each."""

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest

from storage import CannotOpen, open_store

SERVER = "FLOWS_TEST_SERVER"
"""Names the variable in which test processes find the server that the test run has started."""

GIVEN = "TEST_DATABASE_URL"
"""Names the variable by which a developer gives another server to run on."""


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    """Name a file of the test's own."""
    yield f"sqlite:///{folder}/flows.db"


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Make a schema of the test's own: as good as a database, and made in a hundredth of the time."""
    schema = f"flows_{secrets.token_hex(8)}"
    url = server_url()
    admin = _admin(url)
    admin.execute(f"CREATE SCHEMA {schema}")
    try:
        yield f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"
    finally:
        admin.execute(f"DROP SCHEMA {schema} CASCADE")


ENGINES: dict[str, Callable[[Path], AbstractContextManager[str]]] = {"sqlite": sqlite, "postgresql": postgresql}


def server_url() -> str:
    """Tell the URL of the PostgreSQL server that the contract suite runs on."""
    return os.environ.get(GIVEN) or os.environ[SERVER]


def versions() -> dict[str, str]:
    """Tell each engine's version, as it says itself."""
    return {"sqlite": f"SQLite {sqlite3.sqlite_version}", "postgresql": _postgresql_version(_admin(server_url()))}


def _postgresql_version(connection: "psycopg.Connection[tuple[str, ...]]") -> str:
    version = connection.info.parameter_status("server_version")
    citus = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'citus'").fetchone()
    return f"PostgreSQL {version}" + (f" with Citus {citus[0]}" if citus else "")


def on_cluster(engine: str) -> bool:
    """Return whether an engine is a Citus cluster, which promises less: see the README."""
    return "Citus" in versions()[engine]


@cache
def _admin(url: str) -> "psycopg.Connection[tuple[str, ...]]":
    """Connect once a process."""
    return psycopg.connect(url, autocommit=True)


def refusal(url: str) -> str:
    """Open a store that cannot be opened, and read why."""
    with pytest.raises(CannotOpen) as caught:
        open_store(url)
    return str(caught.value)
