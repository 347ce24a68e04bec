"""GET /docs in a real browser: it shows the API, sends requests with a token, and keeps to its policy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from handlers.access import Token, digest_of, entry_of
from local.token import make_token
from tests.browser import CHROMIUM, MISSING, chromium
from tests.process import Running, running

MILLISECONDS = 30_000

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=MISSING)


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of which nothing goes wrong: neither its scripts, nor what its policy forbids."""
    problems: list[str] = []
    with chromium() as browser:
        opened = browser.new_page()
        opened.set_default_timeout(MILLISECONDS)
        opened.on("console", lambda said: problems.append(said.text))
        opened.on("pageerror", lambda error: problems.append(str(error)))
        yield opened
    assert problems == []


def visit(page: Page, server: Running) -> list[str]:
    """Open the page, and note every address that is asked for from then on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"http://localhost:{server.port}/docs")
    expect(page.locator(".opblock").first).to_be_visible(timeout=MILLISECONDS)
    return asked


def test_it_shows_every_operation_and_asks_no_other_site(tmp_path: Path, page: Page) -> None:
    with running(tmp_path) as server:
        asked = visit(page, server)

        expect(page.locator("#operations-flows-getFlows")).to_be_visible()
        expect(page.locator("#operations-flows-postFlows")).to_be_visible()
        expect(page.locator("#operations-service-getReadiness")).to_be_visible()
    assert len(asked) >= 5
    assert [url for url in asked if not url.startswith((f"http://localhost:{server.port}/", "data:"))] == []


def test_it_sends_requests_with_the_token_that_it_is_given(tmp_path: Path, page: Page) -> None:
    token = make_token()
    entry = entry_of(Token("web", "admin", digest_of(token)))
    with running(tmp_path, API_TOKENS=entry) as server:
        visit(page, server)
        page.locator("button.authorize").first.click()
        page.locator(".auth-container input").fill(token)
        page.locator(".auth-btn-wrapper button.authorize").click()
        page.locator(".auth-btn-wrapper button.btn-done").click()

        post = page.locator("#operations-flows-postFlows")
        post.locator(".opblock-summary-control").click()
        post.locator(".try-out__btn").click()
        post.locator("button.execute").click()
        answer = post.locator(".live-responses-table .response")

        expect(answer).to_contain_text("201", timeout=MILLISECONDS)
        expect(answer).to_contain_text('"accepted": 2')
