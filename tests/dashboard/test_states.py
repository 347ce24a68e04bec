"""What the dashboard says while it waits, where there is nothing to show, and when something fails."""

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser import Held, Visit
from tests.dashboard.shown import FLOWS, HOUR, PAIRS, column, shows
from tests.factories import SAMPLE, make_flow
from tests.process import Running, running


def test_without_flows_it_says_how_to_post_some(own_visit: Visit, own_server: Running) -> None:
    page = own_visit.page
    page.goto("/dashboard")
    expect(page.locator("#trouble h2")).to_have_text("No flows yet")

    line = page.locator("#trouble pre").inner_text()
    assert line.endswith(f"--data-binary @local/samples/test_data1.json http://127.0.0.1:{own_server.port}/flows")
    expect(page.locator("#trouble")).to_contain_text("make submit_flow_data")
    expect(page.locator("#flows")).to_be_hidden()
    own_server.post(SAMPLE)
    page.locator("#trouble").get_by_role("button", name="Refresh").click()
    expect(page.locator("#flows tbody tr")).to_have_count(4)
    own_visit.settled()


def test_where_nothing_matches_it_says_which_hours_have_data(visit: Visit) -> None:
    page = visit.open("?app=nobody")

    expect(page.locator("#trouble h2")).to_have_text("No flows match these filters in these hours")
    expect(page.locator("#trouble")).to_contain_text("30 hours have data, from 2026-05-10 08:00 to 2026-05-11 13:00.")
    page.get_by_role("link", name="Remove the filters").click()

    expect(page.locator("#flows tbody tr")).to_have_count(25)
    visit.settled()
    expect(page.locator("#trouble")).to_be_hidden()


def test_hours_without_flows_lead_to_those_that_have_some(visit: Visit) -> None:
    page = visit.open(f"?hour={HOUR - 100}")

    expect(page.locator("#trouble h2")).to_have_text("No flows in these hours")
    page.get_by_role("link", name="Show the latest data").click()

    expect(page.locator("#flows tbody tr")).to_have_count(25)
    visit.settled()


def test_while_it_waits_it_says_so_and_draws_each_answer_when_it_comes(visit: Visit) -> None:
    held = Held(visit.page, r"/graph\?")
    visit.page.goto("/dashboard")

    expect(visit.page.locator("#flows tbody tr")).to_have_count(25)
    expect(visit.page.locator("#status")).to_have_text("Loading …")
    expect(visit.page.locator("#graph")).to_have_attribute("aria-busy", "true")
    expect(visit.page.locator("#flows")).not_to_have_attribute("aria-busy", "true")
    held.let_go()

    visit.settled()
    expect(visit.page.locator("#graph")).not_to_have_attribute("aria-busy", "true")


def test_an_answer_that_comes_too_late_is_not_shown(visit: Visit) -> None:
    page = visit.open()
    held = Held(page, r"/flows\?.*page=2")
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#flows")).to_have_attribute("aria-busy", "true")

    page.get_by_label("Source", exact=True).fill("db")
    page.keyboard.press("Enter")
    shows(page, "src_app=db")
    held.let_go()
    page.get_by_role("button", name="Source").click()
    shows(page, "sort=src_app")

    assert set(column(page, "src_app")) == {"db"}


def test_a_server_that_is_gone_is_told_and_can_be_tried_again(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path) as first:
        first.post(SAMPLE)
        visit = Visit(browser, first.port)
        page = visit.open()
        first.terminate()
        page.get_by_role("button", name="Refresh").click()
        expect(page.locator("#trouble")).to_contain_text("Could not load data: the server does not answer.")
    # What to start is the operator's knowledge, and not the reader's.
    expect(page.locator("#trouble")).not_to_contain_text("make")

    with running(tmp_path, PORT=str(first.port)):
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#trouble")).to_be_hidden()
        visit.settled()
        assert page.locator("#flows tbody tr").count() == 4
    visit.expect_failures("ERR_CONNECTION")
    visit.close()


def test_a_panel_that_fails_leaves_the_others_alone(visit: Visit) -> None:
    busy = '{"error_message":"The store is busy or out of reach; nothing was stored","status_code":503}'
    visit.page.route("**/graph?*", lambda route: route.fulfill(status=503, body=busy))
    visit.page.goto("/dashboard")
    visit.settled("Could not load all data. The server is busy or cannot reach its database. Try again in a moment.")
    page = visit.page

    expect(page.locator("#graph .note")).to_contain_text("Try again in a moment.The store is busy")
    assert page.locator("#flows tbody tr").count() == 25
    page.unroute("**/graph?*")
    page.locator("#graph").get_by_role("button", name="Try again").click()
    visit.settled()
    expect(page.locator("#graph .sankey-link").first).to_be_visible()
    visit.expect_failures("503")


def test_a_server_with_small_pages_is_asked_for_small_pages(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path, MAX_PAGE_SIZE="4", DEFAULT_PAGE_SIZE="3") as server:
        server.post(FLOWS)
        visit = Visit(browser, server.port)
        page = visit.open(f"?from={HOUR}")

        expect(page.locator(".place")).to_have_text("1 to 4 of 180")
        expect(page.locator("#hours .more")).to_have_text("The newest 4 of 30 hours.")
        page.locator("#graph summary").click()
        expect(page.locator("#graph tbody tr").last.locator("td.name").first).to_have_text("2 smaller links")
        visit.expect_failures("422")
        visit.close()


def test_without_plotly_the_tables_are_there(visit: Visit) -> None:
    visit.page.route("**/plotly.min.js", lambda route: route.fulfill(status=404))
    page = visit.open()

    expect(page.locator("#graph .picture")).to_contain_text("The server has no plotly package to draw with.")
    page.locator("#graph summary").click()
    assert page.locator("#graph tbody tr").count() == len(PAIRS)
    visit.expect_failures("404")


def test_links_without_bytes_are_in_the_table_only(own_visit: Visit, own_server: Running) -> None:
    own_server.post([make_flow(bytes_tx=0, bytes_rx=0, hour=HOUR)])

    page = own_visit.open()

    expect(page.locator("#graph .picture")).to_be_hidden()
    page.locator("#graph summary").click()
    expect(page.locator("#graph tbody tr")).to_have_count(1)
    expect(page.locator("#total dd").first).to_have_text(re.compile("^0 B$"))
