"""A browser, and servers with flows to look at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import CHROMIUM, MISSING, Visit, chromium
from tests.dashboard.shown import FLOWS
from tests.process import Running, running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip(MISSING)
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with flows, for tests that only look."""
    with running(tmp_path_factory.mktemp("dashboard")) as started:
        assert started.post(FLOWS)[0] == 201
        yield started


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Running]:
    """A server without flows, for a test that does more."""
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def visit(browser: Browser, server: Running) -> Iterator[Visit]:
    begun = Visit(browser, server.port)
    yield begun
    begun.close()


@pytest.fixture
def own_visit(browser: Browser, own_server: Running) -> Iterator[Visit]:
    begun = Visit(browser, own_server.port)
    yield begun
    begun.close()


@pytest.fixture(scope="module")
def modules(browser: Browser, server: Running) -> Iterator[Page]:
    """A page whose modules can be called."""
    begun = Visit(browser, server.port)
    yield begun.open()
    begun.close()
