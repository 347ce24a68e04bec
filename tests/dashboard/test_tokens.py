"""The dashboard of a service that has tokens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from handlers.access import digest_of
from tests.browser import Visit
from tests.process import Running, running

LARGE = b'[{"src_app":"a","dest_app":"b","vpc_id":"c","hour":1,"bytes_tx":9007199254740993,"bytes_rx":2}]'


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Running]:
    """A server with one token, and a flow that JavaScript's own numbers cannot hold."""
    with running(tmp_path, API_TOKENS=f"all:admin:{digest_of('secret').hex()}") as server:
        server.ask("POST", "/flows", LARGE, Authorization="Bearer secret")
        yield server


@pytest.fixture
def signed_in(browser: Browser, guarded: Running) -> Iterator[Visit]:
    visit = Visit(browser, guarded.port)
    visit.page.goto("/dashboard")
    visit.page.get_by_label("Token").fill("secret")
    visit.page.keyboard.press("Enter")
    visit.settled()
    yield visit
    visit.expect_failures("401")
    visit.close()


def test_a_token_is_asked_for_and_kept_in_the_session_only(browser: Browser, tmp_path: Path) -> None:
    entries = f"web:read:{digest_of('secret').hex()},agent:write:{digest_of('agents').hex()}"
    with running(tmp_path, API_TOKENS=entries) as server:
        visit = Visit(browser, server.port)
        page = visit.page
        server.ask("POST", "/flows", b"[]", Authorization="Bearer agents")
        page.goto("/dashboard")
        field = page.get_by_label("Token")

        field.fill("wrong")
        field.press("Enter")
        expect(page.locator("#token-wrong")).to_contain_text("The token is not known")
        field.fill("agents")
        field.press("Enter")
        expect(page.locator("#trouble")).to_contain_text("Use a token with the role read or admin")
        page.get_by_role("button", name="Sign in").click()
        field.fill("secret")
        page.get_by_role("dialog").get_by_role("button", name="Sign in").click()
        expect(page.locator("#trouble h2")).to_have_text("No flows yet")
        expect(page.locator("#trouble pre")).to_contain_text("Authorization: Bearer TOKEN")

        kept = page.evaluate("[Object.values(sessionStorage), localStorage.length, document.cookie]")
        assert kept == [["secret"], 0, ""]
        assert "secret" not in " ".join([*visit.requests, page.content()])
        page.reload()
        expect(page.locator("#trouble h2")).to_have_text("No flows yet")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("dialog")).to_contain_text("This service needs a token")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#trouble")).to_contain_text("Sign in with a token to see flows.")
        assert page.evaluate("sessionStorage.length") == 0
        visit.expect_failures("401")
        visit.expect_failures("403")
        visit.close()


def test_with_a_token_a_panels_query_is_answered_within_the_page(signed_in: Visit) -> None:
    page = signed_in.page

    page.locator("#flows a.query").click()

    expect(page.locator("#answer-text")).to_contain_text('"bytes_tx":9007199254740993')
    expect(page.locator("#answer-query")).to_contain_text("GET /flows?from=1&to=2&include=records")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_with_a_token_the_table_is_downloaded_too(signed_in: Visit, guarded: Running) -> None:
    page = signed_in.page

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download CSV").click()

    asked = "/flows?from=1&to=2&include=records&format=csv"
    _, body = guarded.ask("GET", asked, Authorization="Bearer secret")
    assert downloading.value.path().read_bytes() == body
    assert b"9007199254740993" in body
    assert downloading.value.suggested_filename == "flows_1_2.csv"


def test_a_download_that_fails_is_told(signed_in: Visit) -> None:
    page = signed_in.page
    page.route("**/flows?*format=csv*", lambda route: route.fulfill(status=503, body="{}"))

    page.get_by_role("link", name="Download CSV").click()

    expect(page.locator("#status")).to_contain_text("Could not download the table. The server is busy")
    signed_in.expect_failures("503")
