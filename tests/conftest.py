"""Fixtures: a real store on each engine, and which engines these are."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from handlers.record import FlowStore
from handlers.request_id import mark_log_records
from handlers.settings import Settings
from storage import SumStore, open_store
from storage.group_commit import GroupCommit
from tests.edges import EDGES, Ask
from tests.engines import ENGINES, SERVER, on_cluster, versions
from tests.postgresql import PostgreSQL, postgresql

_started = ExitStack()
mark_log_records()
# On a busy machine an example takes as long as it takes.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Start a PostgreSQL server for the whole run, whose processes find it in their environment."""
    if SERVER not in os.environ:
        os.environ[SERVER] = _started.enter_context(postgresql()).url
        config.add_cleanup(_started.close)


def pytest_report_header() -> str:
    """Name the engines that the contract suite runs on."""
    return "engines: " + ", ".join(versions().values())


@pytest.fixture
def settings() -> Settings:
    """The default settings."""
    return Settings()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    name: str = request.param
    return name


@pytest.fixture
def database_url(engine: str, tmp_path: Path) -> Iterator[str]:
    """A database of the test's own."""
    with ENGINES[engine](tmp_path) as url:
        yield url


@pytest.fixture
def sum_store(database_url: str) -> Iterator[SumStore]:
    """A store on a real engine."""
    opened = open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture(params=["alone", "group commit"])
def store(request: pytest.FixtureRequest, sum_store: SumStore) -> FlowStore:
    """A store on a real engine, as it is and behind group commit."""
    return sum_store if request.param == "alone" else GroupCommit(sum_store, sum_store.writers)


@pytest.fixture
def versioned(engine: str) -> None:
    """Skip a test of versions on a cluster, where sums have none."""
    if on_cluster(engine):
        pytest.skip("on a cluster sums have no version")


@pytest.fixture(params=EDGES)
def edge(request: pytest.FixtureRequest) -> str:
    """Each edge in turn."""
    name: str = request.param
    return name


@pytest.fixture
def ask(edge: str, sum_store: FlowStore, settings: Settings) -> Ask:
    """An edge over a store on a real engine."""
    return EDGES[edge](sum_store, settings)


@pytest.fixture(scope="module")
def other_server() -> Iterator[PostgreSQL]:
    """A server that a test may stop and start."""
    with postgresql() as server:
        yield server
