"""Auto-refresh of the dashboard."""

import re

from playwright.sync_api import Page, expect

from tests.browser import Visit
from tests.dashboard.shown import HOUR, asked_of_the_api, shows
from tests.factories import make_flow
from tests.process import Running


def opened(visit: Visit, server: Running, query: str) -> Page:
    """Open a page over one flow, with a clock that only the test moves on."""
    server.post([make_flow(hour=HOUR)])
    visit.page.clock.install()
    return visit.open(query)


def test_numbers_are_loaded_again_at_the_chosen_interval(own_visit: Visit, own_server: Running) -> None:
    page = opened(own_visit, own_server, "")
    own_server.post([make_flow(hour=HOUR, src_app="new")])
    page.get_by_role("combobox", name="Auto-refresh").select_option("30 s")
    shows(page, "refresh=30s")
    expect(page.locator("#flows tbody tr")).to_have_count(1)

    page.clock.fast_forward(31_000)

    expect(page.locator("#flows tbody tr")).to_have_count(2)
    own_visit.settled()
    own_server.post([make_flow(hour=HOUR, src_app="newer")])
    page.clock.fast_forward(31_000)
    expect(page.locator("#flows tbody tr")).to_have_count(3)


def test_a_pause_stops_it_until_it_is_taken_back(own_visit: Visit, own_server: Running) -> None:
    page = opened(own_visit, own_server, "?refresh=1m")
    pause = page.get_by_role("button", name="Pause")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    asked = len(own_visit.requests)

    page.clock.fast_forward(300_000)
    assert asked_of_the_api(own_visit.requests[asked:]) == []
    with page.expect_response("**/graph?*"):
        pause.click()

    expect(pause).to_have_attribute("aria-pressed", "false")


def test_a_tab_out_of_sight_is_not_refreshed(own_visit: Visit, own_server: Running) -> None:
    page = opened(own_visit, own_server, "?refresh=1m")
    asked = len(own_visit.requests)
    see = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""

    page.evaluate(see, True)
    page.clock.fast_forward(300_000)
    assert asked_of_the_api(own_visit.requests[asked:]) == []
    with page.expect_response("**/graph?*"):
        page.evaluate(see, False)
        page.clock.fast_forward(1)


def test_off_is_off(own_visit: Visit, own_server: Running) -> None:
    page = opened(own_visit, own_server, "?refresh=5m")
    page.get_by_role("combobox", name="Auto-refresh").select_option("Off")
    expect(page).not_to_have_url(re.compile("refresh"))
    own_visit.settled()
    asked = len(own_visit.requests)

    page.clock.fast_forward(600_000)

    assert asked_of_the_api(own_visit.requests[asked:]) == []
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()


def test_a_refresh_keeps_the_focus_and_what_is_being_written(own_visit: Visit, own_server: Running) -> None:
    page = opened(own_visit, own_server, "?refresh=30s")
    page.locator("#flows td.dest_app a").focus()
    with page.expect_response("**/graph?*"):
        page.clock.fast_forward(31_000)
    own_visit.settled()
    expect(page.locator("#flows td.dest_app a")).to_be_focused()

    page.get_by_label("From", exact=True).press_sequentially("2026")
    page.get_by_label("Source", exact=True).press_sequentially("fo")
    page.get_by_label("From", exact=True).focus()
    with page.expect_response("**/graph?*"):
        page.clock.fast_forward(31_000)
    own_visit.settled()

    expect(page.get_by_label("Source", exact=True)).to_have_value("fo")
