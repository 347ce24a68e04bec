"""Fixtures: a real store on each engine, and which engines these are."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.record import FlowStore
from handlers.settings import Settings
from storage import GroupCommit, SumStore, open_store

ENGINES = {"sqlite": f"SQLite {sqlite3.sqlite_version}"}


def pytest_report_header() -> str:
    """Name the engines that the contract suite runs on."""
    return "engines: " + ", ".join(ENGINES.values())


@pytest.fixture
def settings() -> Settings:
    """The default settings."""
    return Settings()


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """A database of the test's own."""
    return f"sqlite:///{tmp_path}/flows.db"


@pytest.fixture
def sum_store(database_url: str) -> Iterator[SumStore]:
    """A store on a real engine."""
    opened = open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture(params=["alone", "group commit"])
def store(request: pytest.FixtureRequest, sum_store: SumStore) -> FlowStore:
    """A store on a real engine, as it is and behind group commit."""
    return sum_store if request.param == "alone" else GroupCommit(sum_store)
