"""What clicks, filters and the table of the dashboard do."""

import re

from playwright.sync_api import expect

from tests.browser import Visit, exact
from tests.dashboard.shown import HOUR, NEWEST, api, asked_of_the_api, column, shows, texts
from tests.process import Running


def test_clicking_a_link_of_the_picture_chooses_its_two_ends(visit: Visit) -> None:
    page = visit.open("?top=10")
    widest = page.locator("#graph tbody tr").first.locator("td.name")
    src_app, dest_app = widest.all_text_contents()

    page.locator(".sankey-link").first.click()

    shows(page, f"src_app={src_app}", f"dest_app={dest_app}")
    assert set(column(page, "src_app")) == {src_app}
    assert set(column(page, "dest_app")) == {dest_app}


def test_clicking_a_node_of_the_picture_chooses_a_source_or_a_destination(visit: Visit) -> None:
    page = visit.open()

    page.locator(".sankey-node", has_text="orders").last.locator(".node-rect").click()

    shows(page, "dest_app=orders")
    assert set(column(page, "dest_app")) == {"orders"}
    page.locator(".sankey-node", has_text="db").locator(".node-rect").first.click()
    shows(page, "dest_app=orders", "src_app=db")


def test_clicking_a_bar_chooses_its_hour(visit: Visit) -> None:
    page = visit.open()
    page.locator("#hours .picture").scroll_into_view_if_needed()
    bar = page.locator("#hours .bars .point").nth(3).bounding_box()
    assert bar is not None

    page.mouse.move(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2)
    page.locator("#hours .hovertext").wait_for()
    page.mouse.down()
    page.mouse.up()

    shows(page, f"from={NEWEST - 20}", f"to={NEWEST - 19}")
    assert page.locator("#hours tbody tr").count() == 1


def test_names_and_hours_choose_themselves(visit: Visit) -> None:
    page = visit.open()

    page.locator("#talkers").get_by_role("link", name="mail", exact=True).click()
    shows(page, "app=mail")
    page.locator("#flows").get_by_role("link", name="vpc-b").first.click()
    shows(page, "app=mail", "vpc_id=vpc-b")
    page.locator("#flows td.hour a").first.click()

    expect(page).to_have_url(re.compile("from=4940"))
    expect(page.locator("#flows tbody tr")).to_have_count(1)
    expect(page.get_by_label("App at either end")).to_have_value("mail")


def test_names_are_completed_by_the_api(visit: Visit) -> None:
    page = visit.open()

    page.get_by_label("VPC", exact=True).press_sequentially("vpc")
    expect(page.locator("#completions-vpc_id option")).to_have_count(2)
    page.get_by_label("App at either end").press_sequentially("web")
    expect(page.locator("#completions-app option")).to_have_count(2)

    completed = page.locator("#completions-app option").evaluate_all("all => all.map(one => one.value)")
    assert completed == ["web-1", "web-2"]


def test_the_form_takes_prefixes_and_exclusions(visit: Visit) -> None:
    page = visit.open()

    page.get_by_label("Source", exact=True).fill("web*")
    page.get_by_label("Destination", exact=True).fill("!mail")
    page.get_by_role("button", name="Apply", exact=True).click()

    shows(page, "src_app=web*", "dest_app=%21mail")
    assert (set(column(page, "src_app")), set(column(page, "dest_app"))) == ({"web-1", "web-2"}, {"orders"})


def test_each_filter_is_shown_and_can_be_removed(visit: Visit) -> None:
    page = visit.open("?app=web-1&app=web-2&vpc_id=vpc-a")

    assert [text.replace("\xa0", " ") for text in texts(page, ".chip")] == [
        "App: web-1 ✕",
        "App: web-2 ✕",
        "VPC: vpc-a ✕",
    ]
    expect(page.get_by_label("App at either end")).to_have_attribute("placeholder", "2 values")
    page.get_by_role("link", name="Remove App web-1").click()
    shows(page, "app=web-2", "vpc_id=vpc-a")
    expect(page.get_by_label("App at either end")).to_have_value("web-2")
    page.get_by_role("link", name="Clear all").click()
    expect(page).to_have_url(re.compile(r"/dashboard\?$"))
    visit.settled()
    expect(page.locator(".chip")).to_have_count(0)


def test_a_field_is_emptied_to_remove_its_filter(visit: Visit) -> None:
    page = visit.open("?app=mail&vpc_id=vpc-b")

    page.get_by_label("App at either end").fill("")
    page.keyboard.press("Enter")

    expect(page).not_to_have_url(re.compile("app="))
    shows(page, "vpc_id=vpc-b")


def test_the_table_is_sorted_and_paged_by_the_api(visit: Visit, server: Running) -> None:
    page = visit.open("?src_app=web*")

    page.get_by_role("button", name="Src → dest").click()
    shows(page, "sort=-bytes_tx")
    page.get_by_role("link", name="Next").click()
    shows(page, "page=2")

    asked = f"from={NEWEST - 23}&to={NEWEST + 1}&src_app=web*&sort=-bytes_tx&page=2&size=25"
    answer = api(server, f"/flows?{asked}")
    assert [exact(cell) for cell in page.locator("#flows .bytes_tx .amount").all()] == [
        flow["bytes_tx"] for flow in answer["items"]
    ]
    expect(page.locator(".place")).to_have_text("26 to 50 of 72")
    expect(page.locator("th[data-member=bytes_tx]")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Src → dest").click()
    shows(page, "sort=bytes_tx")
    expect(page).not_to_have_url(re.compile("page="))


def test_headings_that_sort_look_so(visit: Visit) -> None:
    page = visit.open()

    signs = page.locator("#flows th button").evaluate_all(
        "all => all.map(one => getComputedStyle(one, '::after').content[2])"
    )

    assert signs == ["↕"] * 6 + ["▼", "↕"]


def test_the_table_is_grouped_by_the_api(visit: Visit, server: Running) -> None:
    page = visit.open("?sort=-hour")

    page.get_by_role("combobox", name="Group by").select_option("Source and destination")

    shows(page, "group_by=src_app%2Cdest_app")
    expect(page).not_to_have_url(re.compile("sort="))
    asked = f"from={NEWEST - 23}&to={NEWEST + 1}&group_by=src_app,dest_app&sort=-bytes_total"
    items = api(server, f"/flows?{asked}")["items"]
    assert column(page, "src_app") == [item["src_app"] for item in items]
    assert [exact(cell) for cell in page.locator("#flows .bytes_tx .amount").all()] == [
        item["bytes_tx"] for item in items
    ]
    assert texts(page, "#flows thead th")[:3] == ["Source", "Destination", "Src → dest"]


def test_both_directions_are_merged_in_the_picture_and_the_table(visit: Visit, server: Running) -> None:
    page = visit.open(f"?from={HOUR}&to={HOUR + 1}&vpc_id=vpc-a&app=db")

    page.get_by_label("Merge both directions").check()

    shows(page, "direction=both")
    links = api(server, f"/graph?from={HOUR}&to={HOUR + 1}&vpc_id=vpc-a&app=db&direction=both&top=20")["links"]
    assert {link["src_app"] for link in links} == {"db"}
    page.locator("#graph summary").click()
    assert texts(page, "#graph tbody td.src_app") == [link["src_app"] for link in links]
    asked = f"hour={HOUR}&vpc_id=vpc-a&app=db&direction=both"
    (total,) = api(server, f"/flows?{asked}&group_by=total")["items"]
    for place in ("#total", "#graph tfoot", "#hours tfoot"):
        numbers = [exact(number) for number in page.locator(f"{place} [title$=bytes]").all()]
        assert {total["bytes_tx"], total["bytes_rx"]} <= set(numbers), place
    page.get_by_label("Merge both directions").uncheck()
    expect(page).not_to_have_url(re.compile("direction"))
    visit.settled()


def test_only_the_table_is_asked_for_anew_when_only_it_has_changed(visit: Visit) -> None:
    page = visit.open()
    asked = len(visit.requests)

    page.get_by_role("link", name="Next").click()
    shows(page, "page=2")

    assert asked_of_the_api(visit.requests[asked:]) == ["/hours", "/flows"]


def test_the_table_is_downloaded_as_csv(visit: Visit, server: Running) -> None:
    page = visit.open(f"?from={HOUR}&to={HOUR + 2}&app=orders&sort=src_app&page=2&size=3")

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download CSV").click()

    lines = downloading.value.path().read_text().splitlines()
    asked = f"/flows?from={HOUR}&to={HOUR + 2}&app=orders&include=records&sort=src_app&format=csv"
    status, body = server.ask("GET", asked)
    assert (status, lines) == (200, body.decode().splitlines())
    assert len(lines) == 1 + 2 * 4
    assert downloading.value.suggested_filename.endswith(".csv")
