"""The dashboard is for everybody: small screens, dark rooms, keyboards and screen readers."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser import Visit
from tests.dashboard.shown import HOUR, shows
from tests.factories import make_flow
from tests.process import Running

LONG = [
    f"{name}-reconciliation-worker.infrastructure-{name}" for name in ("billing", "fraud-detection", "object-store")
]

FITS = "(wide) => document.querySelector(wide).scrollWidth <= document.querySelector(wide).clientWidth"
"""The panels are drawn anew for another width, a moment after it has changed."""


@pytest.mark.parametrize("query", ["", "?app=web-1&app=db&refresh=1m", "?foo=1", "?app=nobody"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 375)])
def test_it_is_readable_by_the_rules_of_axe(
    browser: Browser, server: Running, scheme: Any, width: int, query: str
) -> None:
    visit = Visit(browser, server.port, color_scheme=scheme, viewport={"width": width, "height": 800})
    page = visit.open(query)
    for summary in page.locator("summary:visible").all():
        summary.click()
    if page.locator("#graph").is_visible():
        page.locator(".sankey-link").first.wait_for()

    result = Axe().run(page)

    assert [found["id"] for found in result.response["violations"]] == []
    assert len(result.response["passes"]) > 20
    assert page.evaluate("document.documentElement.scrollWidth") == width
    visit.close()


def test_bytes_and_names_are_in_sight_at_every_width(own_visit: Visit, own_server: Running) -> None:
    pairs = [(src_app, dest_app) for src_app in LONG for dest_app in LONG]
    own_server.post(
        [make_flow(src_app=a, dest_app=b, vpc_id="vpc-0123456789abcdef0", hour=HOUR, bytes_tx=10**12) for a, b in pairs]
    )
    page = own_visit.open()
    page.locator("#graph summary").click()

    for width in (2200, 1400, 1000, 768, 390, 320, 1400):
        page.set_viewport_size({"width": width, "height": 800})
        for table in ("#flows", "#talkers", "#graph"):
            page.wait_for_function(FITS, arg=f"{table} .wide")
        page.wait_for_function("(width) => document.documentElement.scrollWidth === width", arg=width)
        heights = page.locator("td.name:visible").evaluate_all("all => all.map(one => one.clientHeight)")
        assert max(heights) < 55, width


def test_25_rows_on_a_phone_are_not_endless(browser: Browser, server: Running) -> None:
    visit = Visit(browser, server.port, viewport={"width": 390, "height": 800})
    page = visit.open()

    assert page.locator("#flows tbody tr").count() == 25
    assert page.evaluate("document.documentElement.scrollHeight") < 4500
    # Cards keep the roles of a table.
    expect(page.locator("#flows").get_by_role("row")).to_have_count(26)
    expect(page.locator("#flows tbody tr").first.get_by_role("cell")).to_have_count(7)
    visit.close()


def test_it_is_as_light_or_dark_as_the_system_until_told_otherwise(browser: Browser, server: Running) -> None:
    visit = Visit(browser, server.port, color_scheme="dark")
    page = visit.open()
    switch = page.get_by_role("switch", name="Dark")
    ground = "getComputedStyle(document.body.parentElement).backgroundColor"

    expect(switch).to_be_checked()
    assert page.evaluate(ground) == "rgb(20, 23, 28)"
    expect(page.locator("#hours .xtick text").first).to_have_css("fill", "rgb(230, 233, 238)")
    switch.click()
    assert page.evaluate(ground) == "rgb(243, 245, 248)"
    expect(page.locator("#hours .xtick text").first).to_have_css("fill", "rgb(27, 32, 39)")
    page.reload()
    visit.settled()
    expect(switch).not_to_be_checked()
    assert page.evaluate(ground) == "rgb(243, 245, 248)"
    visit.close()


def test_a_keyboard_is_enough(visit: Visit) -> None:
    page = visit.open()

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the flows")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    reach(page, "#graph summary")
    page.keyboard.press("Enter")
    reach(page, "#graph tbody a.name")
    chosen = page.locator(":focus").inner_text()
    page.keyboard.press("Enter")

    shows(page, f"src_app={chosen}")
    assert page.locator("#graph :focus").count() == 1
    reach(page, "#flows thead button")
    page.keyboard.press("Space")
    shows(page, "sort=-hour")
    expect(page.get_by_role("button", name="Hour")).to_be_focused()
    assert page.locator(":focus").evaluate("e => getComputedStyle(e).outlineStyle") == "solid"


def reach(page: Page, selector: str) -> None:
    """Go on by the tabulator key until something of the selector has the focus."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.locator(":focus").evaluate("(e, selector) => e.matches(selector)", selector):
            return
    raise AssertionError(f"no way to {selector}")
