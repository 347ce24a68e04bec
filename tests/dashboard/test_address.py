"""The dashboard takes the API's parameters from its address, and says which it cannot use."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import Visit, exact
from tests.dashboard.shown import FLOWS, HOUR, api, column, shows
from tests.factories import SAMPLE
from tests.process import Running


@pytest.mark.parametrize(
    "query",
    [
        f"hour={HOUR + 2}",
        f"hour={HOUR + 2}&hour={HOUR + 5}",
        "hour=2026-05-10T09:00Z",
        "hour=2026-05-10",
        "last=999w",
        f"from={HOUR + 2}&to={HOUR + 5}",
        "from=2026-05-10T09:00Z&to=2026-05-10T12:00Z",
        "from=2026-05-11",
        f"from={HOUR}&app=web-1",
        f"from={HOUR}&src_app=web*&src_app=db&dest_app=!mail",
        f"from={HOUR}&vpc_id=vpc-a&direction=both",
        f"from={HOUR}&sort=-bytes_rx,hour",
        f"from={HOUR}&sort=src_app&page=2&size=7",
        f"from={HOUR}&group_by=dest_app,vpc_id&sort=dest_app",
        f"from={HOUR}&include=records",
        f"from={HOUR}&group_by=total",
    ],
)
def test_a_query_of_the_api_shows_the_same_flows(visit: Visit, server: Running, query: str) -> None:
    page = visit.open(f"?{query}")

    sized = query if "size=" in query else f"{query}&size=25"
    asked = sized if "sort=" in query else f"{sized}&sort=-bytes_total"
    answer = api(server, f"/flows?{asked}")
    assert [exact(cell) for cell in page.locator("#flows tbody .bytes_tx .amount").all()] == [
        item["bytes_tx"] for item in answer["items"]
    ]
    assert exact(page.locator(".place .amount")) == answer["total"]


def test_hour_2_shows_hour_2(own_visit: Visit, own_server: Running) -> None:
    own_server.post([*FLOWS, *SAMPLE])

    page = own_visit.open("?hour=2")

    assert set(column(page, "hour")) == {"2"}
    assert [exact(number) for number in page.locator("#total .amount").all()] == [1200, 200, 1000, 2]
    assert [page.get_by_label(name, exact=True).input_value() for name in ("From", "Until")] == ["2", "3"]


@pytest.mark.parametrize(
    ("query", "name", "says"),
    [
        ("foo=1", "foo", "Unknown parameter. The dashboard takes hour, app,"),
        ("page=1&page=2", "page", "The parameter is given more than once."),
        ("app=", "app", "The parameter has no value."),
        ("refresh=2s", "refresh", "Expected one of 30s, 1m, 5m."),
        ("format=csv", "format", "The API takes this parameter, but the dashboard has no use for it."),
        ("cursor=abc", "cursor", "The API takes this parameter, but the dashboard has no use for it."),
    ],
)
def test_a_parameter_that_the_page_cannot_use_is_named(visit: Visit, query: str, name: str, says: str) -> None:
    page = visit.page
    page.goto(f"/dashboard?vpc_id=vpc-a&{query}")
    visit.settled()

    expect(page.locator("#trouble")).to_contain_text("The dashboard cannot show this address.")
    expect(page.locator("#trouble li")).to_contain_text(f"{name}: {says}")
    expect(page.locator("#flows")).to_be_hidden()
    page.get_by_role("link", name=f"Show without {name}").click()
    visit.settled()
    expect(page.locator("#trouble")).to_be_hidden()
    assert set(column(page, "vpc_id")) == {"vpc-a"}


@pytest.mark.parametrize(
    ("query", "name", "says"),
    [
        ("from=abc", "from", "Expected an hour"),
        ("from=5&to=3", "to", "Expected an hour after from"),
        ("hour=2&from=1", "hour", "Give either hour, or from and to"),
        ("to=5", "from", "Required with to"),
        ("hour=x", "hour", "Expected an hour"),
    ],
)
def test_what_the_api_refuses_is_told_in_its_words_with_a_way_out(
    visit: Visit, query: str, name: str, says: str
) -> None:
    page = visit.page
    page.goto(f"/dashboard?vpc_id=vpc-a&{query}")
    visit.settled()

    expect(page.locator("#trouble")).to_contain_text("The API does not accept this query.")
    expect(page.locator("#trouble li")).to_contain_text(f"{name}: {says}")
    page.get_by_role("link", name="Show the latest data").click()
    visit.settled()
    expect(page.locator("#trouble")).to_be_hidden()
    assert set(column(page, "vpc_id")) == {"vpc-a"}
    visit.expect_failures("422")


@pytest.mark.parametrize(
    ("query", "panel", "says"),
    [
        ("sort=nothing", "flows", "sort: Expected some of"),
        ("page=0", "flows", "page: Expected a whole number"),
        ("size=5000", "flows", "size: Expected a whole number from 1 to 1000"),
        ("group_by=day", "flows", "group_by: Expected"),
        ("top=0", "graph", "top: Expected a whole number"),
        ("direction=up", "flows", "direction: Expected both"),
    ],
)
def test_what_the_api_refuses_to_one_panel_is_told_there_and_on_top(
    visit: Visit, query: str, panel: str, says: str
) -> None:
    page = visit.page
    page.goto(f"/dashboard?{query}")
    expect(page.locator("#main")).to_have_attribute("aria-busy", "false")

    expect(page.locator(f"#{panel} .note")).to_contain_text(says)
    expect(page.locator("#status")).to_contain_text("Could not load all data.")
    expect(page.locator("#status")).to_contain_text(says)
    expect(page.locator("#talkers tbody tr")).not_to_have_count(0)
    visit.expect_failures("422")


def test_the_state_is_in_the_address(visit: Visit) -> None:
    page = visit.open()
    page.locator("#talkers").get_by_role("link", name="mail", exact=True).click()
    shows(page, "app=mail")
    page.get_by_role("combobox", name="Links").select_option("Top 50")
    shows(page, "app=mail", "top=50")

    page.reload()
    shows(page, "app=mail", "top=50")
    expect(page.get_by_role("combobox", name="Links")).to_have_value("50")
    page.go_back()
    page.go_back()
    expect(page).to_have_url(re.compile("/dashboard$"))
    visit.settled()
    expect(page.get_by_label("App at either end")).to_have_value("")
    page.go_forward()
    shows(page, "app=mail")
    expect(page.get_by_label("App at either end")).to_have_value("mail")


def test_a_number_of_links_that_the_list_does_not_offer_is_shown(visit: Visit) -> None:
    page = visit.open("?top=3")

    expect(page.get_by_role("combobox", name="Links")).to_have_value("3")
    expect(page.locator(".sankey-link")).to_have_count(3)
