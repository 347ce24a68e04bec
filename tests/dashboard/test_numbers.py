"""What the dashboard shows is what the API answers, and its totals agree."""

import re
import time
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from tests.browser import Visit, exact
from tests.dashboard.shown import (
    HOUR,
    NEWEST,
    PAIRS,
    api,
    asked_of_the_api,
    column,
    integers,
    sums,
    texts,
    total_of,
)
from tests.factories import SAMPLE, make_flow
from tests.process import Running

LARGE = 2**63 - 1


@pytest.mark.parametrize("panel", ["total", "graph", "talkers", "hours", "flows"])
def test_every_number_is_in_the_answer_to_the_panels_query(visit: Visit, server: Running, panel: str) -> None:
    page = visit.open("?top=3")
    for summary in page.locator("summary").all():
        summary.click()

    answer = api(server, str(page.locator(f"#{panel} a.query").get_attribute("href")))
    numbers = page.locator(f"#{panel} .amount").all()

    known = {*integers(answer), *sums(answer)} if panel != "flows" else set(integers(answer))
    assert len(numbers) >= 4
    for number in numbers:
        assert exact(number) in known, number.evaluate("e => e.outerHTML")


def test_numbers_are_text_and_a_panel_has_one_link_to_its_query(visit: Visit) -> None:
    page = visit.open()

    assert page.locator("td.number a, dd a").count() == 0
    assert page.locator("td.name a").count() > 100
    for panel in page.locator("section.panel:visible").all():
        link = panel.get_by_role("link", name="API query")
        expect(link).to_have_count(1)
        expect(link).to_have_attribute("target", "_blank")
        expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_a_load_takes_six_queries(visit: Visit) -> None:
    visit.open()

    assert sorted(asked_of_the_api(visit.requests)) == ["/apps", "/flows", "/flows", "/flows", "/graph", "/hours"]


def test_the_newest_24_hours_are_shown_unless_others_are_asked_for(visit: Visit, server: Running) -> None:
    page = visit.open()

    expect(page.get_by_label("From", exact=True)).to_have_value("2026-05-10 14:00")
    expect(page.get_by_label("Until", exact=True)).to_have_value("2026-05-11 14:00")
    (total,) = api(server, f"/flows?from={NEWEST - 23}&to={NEWEST + 1}&group_by=total")["items"]
    assert exact(page.locator("#total .amount").first) == total["bytes_tx"] + total["bytes_rx"]
    assert page.locator("#hours tbody tr").count() == 24


def test_the_panels_show_what_the_api_answers(visit: Visit, server: Running) -> None:
    page = visit.open(f"?from={HOUR}&to={HOUR + 2}&app=orders&vpc_id=vpc-a")

    asked = f"from={HOUR}&to={HOUR + 2}&app=orders&vpc_id=vpc-a"
    graph = api(server, f"/graph?{asked}&top=20")
    apps = api(server, f"/apps?{asked}&top=10")
    flows = api(server, f"/flows?{asked}&sort=-bytes_total&include=records")
    links = [[link["src_app"], link["dest_app"]] for link in graph["links"]]
    assert texts(page, "#talkers tbody td.name") == [item["app"] for item in apps["items"]]
    assert [exact(cell) for cell in page.locator("#talkers tbody .bytes_tx .amount").all()] == [
        item["bytes_tx"] for item in apps["items"]
    ]
    assert column(page, "src_app") == [flow["src_app"] for flow in flows["items"]]
    assert [exact(cell) for cell in page.locator("#flows .bytes_rx .amount").all()] == [
        flow["bytes_rx"] for flow in flows["items"]
    ]
    page.locator("#graph summary").click()
    assert [row.locator("td.name").all_inner_texts() for row in page.locator("#graph tbody tr").all()] == links


def test_all_panels_add_up_to_the_same_total(visit: Visit, server: Running) -> None:
    page = visit.open("?src_app=!db&top=2")

    (total,) = api(server, f"/flows?from={NEWEST - 23}&to={NEWEST + 1}&src_app=!db&group_by=total")["items"]
    whole = total["bytes_tx"] + total["bytes_rx"]
    for place in (
        "#graph tfoot .bytes_total",
        "#talkers tfoot .bytes_tx",
        "#talkers tfoot .bytes_rx",
        "#hours tfoot .bytes_total",
    ):
        assert exact(page.locator(f"{place} .amount")) == whole, place


def test_what_is_drawn_and_what_is_not_is_told_in_bytes_and_percent(visit: Visit, server: Running) -> None:
    page = visit.open("?top=2")

    answer = api(server, f"/graph?from={NEWEST - 23}&to={NEWEST + 1}&top=2")
    drawn, rest = (sum_of(part) for part in (answer["links"], [answer["other"]]))
    shares = [f"{round(100 * part / (drawn + rest))} %" for part in (drawn, rest)]
    expect(page.locator("#graph .drawn")).to_have_text(
        re.compile(
            rf"^Shown: the 2 largest links, .* GiB, {shares[0]} of the total. "
            rf"Not shown: 4 smaller links, .* GiB, {shares[1]}.$"
        )
    )
    assert page.locator("#graph .sankey-link").count() == 2
    page.locator("#graph summary").click()
    assert texts(page, "#graph tbody tr:last-child .src_app") == ["4 smaller links"]
    page.goto("/dashboard?top=10")
    visit.settled()
    expect(page.locator("#graph .drawn")).to_have_text(
        re.compile(rf"^Shown: all {len(PAIRS)} links, .*, 100 % of the total.$")
    )


def sum_of(rows: list[dict[str, int]]) -> int:
    total = total_of(rows)
    return total["bytes_tx"] + total["bytes_rx"]


@pytest.mark.parametrize("apps", [100, 5])
def test_the_rest_is_never_drawn(own_visit: Visit, own_server: Running, apps: int) -> None:
    own_server.post([make_flow(src_app=f"app-{number:03}", dest_app="to", hour=HOUR) for number in range(apps)])
    page = own_visit.open(f"?from={HOUR}&top=3")

    assert page.locator("#graph .picture .sankey-link").count() == 3
    assert page.locator("#graph .node-label").all_text_contents() == ["app-000", "app-001", "app-002", "to"]
    expect(page.locator("#graph .drawn")).to_contain_text(f"Not shown: {apps - 3} smaller links")


def test_shares_are_percents_of_the_total(visit: Visit, server: Running) -> None:
    page = visit.open("?src_app=!db")

    items = api(server, str(page.locator("#talkers a.query").get_attribute("href")))["items"]
    for member in ("bytes_tx", "bytes_rx"):
        whole = sum(item[member] for item in items)
        shares = [float(text.strip("< %")) for text in texts(page, f"#talkers tbody .{member} .share")]
        assert shares == pytest.approx([100 * item[member] / whole for item in items], abs=0.51)


def test_the_directions_are_named_where_they_stand(visit: Visit) -> None:
    page = visit.open()

    assert texts(page, "#total dt") == ["Bytes", "Source → destination", "Source ← destination", "Flow records"]
    assert texts(page, "#flows thead th")[-4:] == ["Src → dest", "Src ← dest", "Total", "Records"]
    assert page.locator("#hours .legendtext").all_text_contents() == ["src → dest", "src ← dest"]
    expect(page.locator("#total .hint")).to_contain_text("sends bytes to the destination (→)")
    expect(page.get_by_role("button", name="Src → dest")).to_have_attribute(
        "title", "Bytes from the source to the destination (bytes_tx)"
    )
    assert texts(page, "#graph .sides span")[::2] == ["Source", "Destination"]


def test_bytes_are_told_in_units_and_to_the_digit(visit: Visit) -> None:
    page = visit.open(f"?from={HOUR}&to={HOUR + 1}&src_app=web-1&dest_app=orders")

    expect(page.locator("#flows tbody .bytes_tx .amount")).to_have_text("977 KiB")
    expect(page.locator("#flows tbody .bytes_tx .amount")).to_have_attribute("title", "1,000,003 bytes")


def test_numbers_beyond_2_to_the_53_keep_every_digit(own_visit: Visit, own_server: Running) -> None:
    own_server.post([make_flow(bytes_tx=LARGE, bytes_rx=LARGE - 4, hour=hour) for hour in (7, LARGE - 1)])

    page = own_visit.open("?from=0")

    assert [exact(number) for number in page.locator("#total .amount").all()] == [
        4 * LARGE - 8,
        2 * LARGE,
        2 * LARGE - 8,
        2,
    ]
    page.locator("#hours summary").click()
    assert texts(page, "#hours td.name a") == [str(LARGE - 1), "7"]
    expect(page.get_by_label("From", exact=True)).to_have_value("0")


def test_hours_that_are_no_dates_are_plain_numbers(own_visit: Visit, own_server: Running) -> None:
    own_server.post(SAMPLE)

    page = own_visit.open()

    expect(page.get_by_label("From", exact=True)).to_have_value("1")
    expect(page.get_by_label("Until", exact=True)).to_have_value("3")
    assert set(column(page, "hour")) == {"1", "2"}
    assert texts(page, "#presets a") == ["Latest data", "All"]


def test_a_bar_tells_the_hours_total(visit: Visit, server: Running) -> None:
    page = visit.open(f"?from={HOUR}&to={HOUR + 1}")
    page.locator("#hours .picture").scroll_into_view_if_needed()
    bar = page.locator("#hours .bars .point").first.bounding_box()
    assert bar is not None

    page.mouse.move(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2)

    (total,) = api(server, f"/flows?hour={HOUR}&group_by=total")["items"]
    hover = page.locator("#hours .hovertext")
    expect(hover).to_contain_text(f"({total['bytes_tx'] + total['bytes_rx']:,} bytes)")
    assert 20 < bar["width"] < 150


def test_the_running_hour_is_marked_as_incomplete(own_visit: Visit, own_server: Running) -> None:
    hour = int(time.time() // 3600)
    # The next hour may begin while the test runs.
    own_server.post([make_flow(hour=each) for each in (hour - 1, hour, hour + 1)])

    page = own_visit.open()

    expect(page.locator("#hours .running")).to_have_text("Hatched: the running hour, which is not complete yet.")
    page.locator("#hours summary").click()
    marked = [text for text in texts(page, "#hours tbody td.hour") if text.endswith(" (running)")]
    assert len(marked) == 1
    assert marked[0][:16] in {f"{datetime.fromtimestamp(each * 3600, UTC):%Y-%m-%d %H:%M}" for each in (hour, hour + 1)}
    assert page.locator("#hours pattern").count() > 0
