"""The dashboard in a real browser, over a real server: what it shows is what the API says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect

from handlers.access import digest_of
from handlers.parameters import Wanted, read_wanted
from tests.browser import CHROMIUM, MISSING, Held, Visit, chromium, exact
from tests.factories import SAMPLE, from_json, make_flow
from tests.process import Running, running

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=MISSING)

HOUR = 494_000
"""08:00 on 2026-05-10, in hours since the epoch."""
PAIRS = [("web-1", "orders"), ("web-2", "orders"), ("orders", "db"), ("db", "orders"), ("web-1", "mail"), ("db", "db")]
FLOWS = [
    make_flow(
        src_app=src_app,
        dest_app=dest_app,
        vpc_id="vpc-a" if number % 2 else "vpc-b",
        hour=HOUR + hour,
        bytes_tx=1_000_003 * (number + 1) + hour,
        bytes_rx=40_000_007 * (6 - number) + hour,
    )
    for number, (src_app, dest_app) in enumerate(PAIRS)
    for hour in range(30)
]
NEWEST = HOUR + 29
LARGE = 2**63 - 1
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '<a href="https://example.com/">a</a>',
    "=1+2",
    "!bang",
    "star*",
    "quote\"'s & entities &lt;",
    "emoji 🦊🦊",
    "ends in ' OR 1=1 --",
    "%{customdata}",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
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


def api(server: Running, query: str) -> Any:
    status, body = server.ask("GET", query)
    assert status == 200, body
    return from_json(body)


def texts(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def column(page: Page, number: int) -> list[str]:
    return texts(page, f"#flows tbody td:nth-child({number})")


def shows(page: Page, *pairs: str) -> None:
    """Wait until the address has these pairs, and the panels follow."""
    for pair in pairs:
        expect(page).to_have_url(re.compile(rf"[?&]{re.escape(pair)}(&|$)"))
    expect(page.locator("#status")).to_have_text("Up to date.")


def integers(value: Any) -> Iterator[int]:
    """Every whole number in an answer, and the totals of what goes both ways."""
    if isinstance(value, dict):
        if "bytes_tx" in value:
            yield value["bytes_tx"] + value["bytes_rx"]
        yield from (found for each in value.values() for found in integers(each))
    elif isinstance(value, list):
        yield from (found for each in value for found in integers(each))
    elif isinstance(value, int):
        yield value


# What it shows


def test_every_number_is_what_the_query_behind_it_answers(visit: Visit, server: Running) -> None:
    page = visit.open("?links=10")
    for summary in page.locator("summary").all():
        summary.click()

    numbers = page.locator("a.number").all()
    answers = {href: set(integers(api(server, href))) for href in {str(n.get_attribute("href")) for n in numbers}}

    assert len(numbers) > 200
    for number in numbers:
        assert exact(number) in answers[str(number.get_attribute("href"))], number.evaluate("e => e.outerHTML")


def test_the_newest_24_hours_are_shown_unless_others_are_asked_for(visit: Visit, server: Running) -> None:
    page = visit.open()

    expect(page.get_by_label("From", exact=True)).to_have_value("2026-05-10T14:00")
    expect(page.get_by_label("To, not included")).to_have_value("2026-05-11T14:00")
    (total,) = api(server, f"/flows?from={NEWEST - 23}&to={NEWEST + 1}&group_by=total")["items"]
    assert exact(page.locator("#total a").first) == total["bytes_tx"] + total["bytes_rx"]
    assert page.locator("#hours tbody tr").count() == 24


def test_the_panels_show_what_the_api_answers(visit: Visit, server: Running) -> None:
    page = visit.open(f"?from={HOUR}&to={HOUR + 2}&app=orders&vpc_id=vpc-a")

    asked = f"from={HOUR}&to={HOUR + 2}&app=orders&vpc_id=vpc-a"
    graph = api(server, f"/graph?{asked}&top=20")
    apps = api(server, f"/apps?{asked}&top=10")
    flows = api(server, f"/flows?{asked}&sort=-bytes_total&include=records")
    links = [[link["src_app"], link["dest_app"]] for link in graph["links"]]
    assert texts(page, "#talkers td.name") == [item["app"] for item in apps["items"]]
    assert [exact(cell) for cell in page.locator("#talkers td:nth-child(2) a").all()] == [
        item["bytes_tx"] for item in apps["items"]
    ]
    assert column(page, 2) == [flow["src_app"] for flow in flows["items"]]
    assert [exact(cell) for cell in page.locator("#flows td:nth-child(6) a").all()] == [
        flow["bytes_rx"] for flow in flows["items"]
    ]
    page.locator("#graph summary").click()
    assert [row.locator("td.name").all_inner_texts() for row in page.locator("#graph tbody tr").all()] == links


def test_bytes_are_told_in_units_and_to_the_digit(visit: Visit) -> None:
    page = visit.open(f"?from={HOUR}&to={HOUR + 1}&src_app=web-1&dest_app=orders")

    expect(page.locator("#flows tbody td:nth-child(5) a")).to_have_text("977 KiB")
    expect(page.locator("#flows tbody td:nth-child(5) a")).to_have_attribute("title", "1,000,003 bytes")


def test_numbers_beyond_2_to_the_53_keep_every_digit(own_visit: Visit, own_server: Running) -> None:
    own_server.post([make_flow(bytes_tx=LARGE, bytes_rx=LARGE - 4, hour=hour) for hour in (7, LARGE - 1)])

    page = own_visit.open("?from=0")

    assert [exact(number) for number in page.locator("#total a").all()] == [4 * LARGE - 8, 2 * LARGE, 2 * LARGE - 8, 2]
    page.locator("#hours summary").click()
    assert texts(page, "#hours td.name a") == [str(LARGE - 1), "7"]
    expect(page.get_by_label("From", exact=True)).to_have_value("0")


def test_hours_that_are_no_dates_are_plain_numbers(own_visit: Visit, own_server: Running) -> None:
    own_server.post(SAMPLE)

    page = own_visit.open()

    expect(page.get_by_label("From", exact=True)).to_have_value("1")
    expect(page.get_by_label("To, not included")).to_have_value("3")
    assert set(column(page, 1)) == {"1", "2"}
    expect(page.get_by_text("Hours are in UTC.")).to_be_hidden()


# What it does


def test_clicking_a_link_of_the_picture_chooses_its_two_ends(visit: Visit) -> None:
    page = visit.open("?links=10")
    widest = page.locator("#graph tbody tr").first.locator("td.name")
    src_app, dest_app = widest.all_text_contents()

    page.locator(".sankey-link").first.click()

    shows(page, f"src_app={src_app}", f"dest_app={dest_app}")
    assert set(column(page, 2)) == {src_app}
    assert set(column(page, 3)) == {dest_app}


def test_clicking_a_node_of_the_picture_chooses_a_sender_or_a_receiver(visit: Visit) -> None:
    page = visit.open()

    page.locator(".sankey-node", has_text="orders").last.locator(".node-rect").click()

    shows(page, "dest_app=orders")
    assert set(column(page, 3)) == {"orders"}
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
    page.locator("#flows td:nth-child(1) a").first.click()

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

    page.get_by_label("Sender", exact=True).fill("web*")
    page.get_by_label("Receiver", exact=True).fill("!mail")
    page.get_by_role("button", name="Show", exact=True).click()

    shows(page, "src_app=web*", "dest_app=%21mail")
    assert (set(column(page, 2)), set(column(page, 3))) == ({"web-1", "web-2"}, {"orders"})


def test_the_table_is_searched_sorted_and_paged_by_the_api(visit: Visit, server: Running) -> None:
    page = visit.open()

    page.get_by_label("Sender begins with").press_sequentially("web")
    shows(page, "find_src_app=web")
    page.get_by_role("button", name="Sent").click()
    shows(page, "sort=-bytes_tx")
    page.get_by_role("link", name="Next").click()
    shows(page, "page=2")

    asked = f"from={NEWEST - 23}&to={NEWEST + 1}&src_app=web*&sort=-bytes_tx&page=2&size=25"
    answer = api(server, f"/flows?{asked}")
    assert [exact(cell) for cell in page.locator("#flows td:nth-child(5) a").all()] == [
        flow["bytes_tx"] for flow in answer["items"]
    ]
    expect(page.locator(".place")).to_have_text("26 to 50 of 72")
    expect(page.locator("th[data-member=bytes_tx]")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Sent").click()
    shows(page, "sort=bytes_tx")
    expect(page).not_to_have_url(re.compile("page="))


def test_only_the_table_is_asked_for_anew_when_only_it_has_changed(visit: Visit) -> None:
    page = visit.open()
    asked = len(visit.requests)

    page.get_by_role("link", name="Next").click()
    shows(page, "page=2")

    asked_now = [url for url in visit.requests[asked:] if "/dashboard" not in url]
    assert [re.sub(r"\?.*", "", url) for url in asked_now] == [f"{visit.origin}/hours", f"{visit.origin}/flows"]


def test_the_state_is_in_the_address(visit: Visit) -> None:
    page = visit.open()
    page.locator("#talkers").get_by_role("link", name="mail", exact=True).click()
    shows(page, "app=mail")
    page.get_by_role("combobox", name="Largest").select_option("50")
    shows(page, "app=mail", "links=50")

    page.reload()
    shows(page, "app=mail", "links=50")
    expect(page.get_by_role("combobox", name="Largest")).to_have_value("50")
    page.go_back()
    page.go_back()
    expect(page).to_have_url(re.compile("/dashboard$"))
    visit.settled()
    expect(page.get_by_label("App at either end")).to_have_value("")
    page.go_forward()
    shows(page, "app=mail")
    expect(page.get_by_label("App at either end")).to_have_value("mail")


def test_an_address_that_makes_no_sense_is_no_trouble(visit: Visit) -> None:
    page = visit.open("?from=x&to=-1&links=7&sort=nothing&page=0&unknown=1")

    expect(page.get_by_role("combobox", name="Largest")).to_have_value("20")
    assert page.locator("#hours tbody tr").count() == 24


# Whatever names there are


def test_hostile_names_are_text_and_can_be_chosen(own_visit: Visit, own_server: Running) -> None:
    own_server.post(
        [make_flow(src_app=name, dest_app="to", hour=HOUR, bytes_tx=100 + n) for n, name in enumerate(HOSTILE)]
    )
    page = own_visit.open()
    page.on("dialog", lambda dialog: own_visit.problems.append(dialog.message))

    assert set(column(page, 2)) == set(HOSTILE)
    shortened = {name if len(name) <= 32 else f"{name[:31]}…" for name in (*HOSTILE, "to")}
    assert set(page.locator("text.node-label").all_text_contents()) == shortened
    assert page.locator(".panel img, .node-label a, .panel a[href^='https:']").count() == 0
    for name in HOSTILE:
        page.locator("#flows").get_by_role("link", name=name, exact=True).click()
        expect(page.locator("#flows tbody tr")).to_have_count(1)
        own_visit.settled()
        assert column(page, 2) == [name]
        assert api(own_server, str(page.locator("#total a").first.get_attribute("href")))["items"][0]["records"] == 1
        page.go_back()
        expect(page.locator("#flows tbody tr")).to_have_count(len(HOSTILE))
        own_visit.settled()


@pytest.mark.parametrize("name", ["=1+2", "!bang", "star*"])
def test_a_typed_name_that_there_is_means_itself(own_visit: Visit, own_server: Running, name: str) -> None:
    own_server.post([make_flow(src_app=app, hour=HOUR) for app in (*HOSTILE, "starred")])
    page = own_visit.open()

    page.get_by_label("App at either end").fill(name)
    page.keyboard.press("Enter")

    expect(page.locator("#flows tbody tr")).to_have_count(1)
    assert column(page, 2) == [name]


def test_a_name_that_no_field_can_hold_stays_chosen(own_visit: Visit, own_server: Running) -> None:
    own_server.post([make_flow(src_app="two\nlines", vpc_id=vpc_id, hour=HOUR) for vpc_id in ("vpc-a", "vpc-b")])
    page = own_visit.open()
    page.locator("#flows td:nth-child(2) a").first.click()
    shows(page, "src_app=two%0Alines")

    page.get_by_label("VPC", exact=True).fill("vpc-a")
    page.keyboard.press("Enter")

    shows(page, "src_app=two%0Alines", "vpc_id=vpc-a")
    expect(page.locator("#flows tbody tr")).to_have_count(1)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
whole = st.integers(min_value=0, max_value=2**70)


@given(value=st.recursive(names | whole | st.none(), lambda inner: st.lists(inner) | st.dictionaries(names, inner)))
@settings(max_examples=60, deadline=None)
def test_numbers_of_an_answer_are_read_to_the_last_digit(modules: Page, value: Any) -> None:
    code = """async (text) => {
      const { parse } = await import("/dashboard/exact.js");
      return JSON.stringify(parse(text), (_, value) => (typeof value === "bigint" ? `number ${value}` : value));
    }"""

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: told(each) for name, each in value.items()}
        if isinstance(value, list):
            return [told(each) for each in value]
        return f"number {value}" if isinstance(value, int) else value

    assert json.loads(modules.evaluate(code, json.dumps(value, ensure_ascii=False))) == told(value)


@given(name=names | st.sampled_from(HOSTILE))
@settings(max_examples=60, deadline=None)
def test_a_name_is_asked_for_so_that_it_means_itself(modules: Page, name: str) -> None:
    code = 'async (name) => (await import("/dashboard/query.js")).literal(name)'

    assert read_wanted(modules.evaluate(code, name)) == Wanted(name, prefix=False, excluded=False)


@given(count=whole)
@settings(max_examples=60, deadline=None)
def test_bytes_in_units_are_what_they_round(modules: Page, count: int) -> None:
    code = 'async (digits) => (await import("/dashboard/units.js")).bytes(BigInt(digits))'

    value, unit = modules.evaluate(code, str(count)).split(" ")

    power = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"].index(unit)
    assert float(value.replace(",", "")) == pytest.approx(count / 1024**power, rel=0.005)
    assert count < 1024 or count / 1024**power >= 1


# Tokens


def test_a_token_is_asked_for_and_kept_in_the_session_only(browser: Browser, tmp_path: Path) -> None:
    entries = f"web:read:{digest_of('secret').hex()},agent:write:{digest_of('agents').hex()}"
    with running(tmp_path, API_TOKENS=entries) as server:
        visit = Visit(browser, server.port)
        page = visit.page
        server.ask("POST", "/flows", b"[]", Authorization="Bearer agents")
        page.goto("/dashboard")
        field = page.get_by_label("Token with the role")

        field.fill("wrong")
        field.press("Enter")
        expect(page.locator("#token-wrong")).to_contain_text("The token is not known")
        field.fill("agents")
        field.press("Enter")
        expect(page.locator("#trouble")).to_contain_text("take one with the role read or admin")
        page.get_by_role("button", name="Enter a token").click()
        field.fill("secret")
        page.get_by_role("button", name="Use it").click()
        visit.settled("There are no flows yet.")
        expect(page.locator("#trouble pre")).to_contain_text("Authorization: Bearer TOKEN")

        assert page.evaluate("[Object.values(sessionStorage), localStorage.length, document.cookie]") == [
            ["secret"],
            0,
            "",
        ]
        assert "secret" not in " ".join([*visit.requests, page.content()])
        page.reload()
        visit.settled("There are no flows yet.")
        page.get_by_role("button", name="Forget the token").click()
        expect(page.get_by_role("dialog")).to_contain_text("A token is needed")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#trouble")).to_contain_text("The flows are for those who have a token.")
        assert page.evaluate("sessionStorage.length") == 0
        visit.expect_failures("401")
        visit.expect_failures("403")
        visit.close()


def test_with_a_token_the_query_behind_a_number_is_answered_within_the_page(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path, API_TOKENS=f"all:admin:{digest_of('secret').hex()}") as server:
        body = b'[{"src_app":"a","dest_app":"b","vpc_id":"c","hour":1,"bytes_tx":9007199254740993,"bytes_rx":2}]'
        server.ask("POST", "/flows", body, Authorization="Bearer secret")
        visit = Visit(browser, server.port)
        visit.page.goto("/dashboard")
        visit.page.get_by_label("Token with the role").fill("secret")
        visit.page.keyboard.press("Enter")
        visit.settled()

        visit.page.locator("#flows td.number a").first.click()

        expect(visit.page.locator("#answer-text")).to_contain_text('"bytes_tx":9007199254740993')
        expect(visit.page.locator("#answer-query")).to_contain_text("GET /flows?hour=1&src_app=a")
        visit.page.get_by_role("button", name="Close").click()
        expect(visit.page.get_by_role("dialog")).to_have_count(0)
        visit.expect_failures("401")
        visit.close()


# States


def test_without_flows_it_says_how_to_post_some(own_visit: Visit, own_server: Running) -> None:
    page = own_visit.page
    page.goto("/dashboard")
    own_visit.settled("There are no flows yet.")

    line = page.locator("#trouble pre").inner_text()
    assert line.endswith(f"--data-binary @local/samples/test_data1.json http://127.0.0.1:{own_server.port}/flows")
    expect(page.locator("#trouble")).to_contain_text("make submit_flow_data")
    expect(page.locator("#flows")).to_be_hidden()
    own_server.post(SAMPLE)
    page.get_by_role("button", name="Look again").click()
    own_visit.settled()
    assert page.locator("#flows tbody tr").count() == 4


def test_where_nothing_matches_it_offers_all(visit: Visit) -> None:
    page = visit.open("?app=nobody")

    expect(page.locator("#flows .note")).to_contain_text("Nothing matches in these hours.")
    page.locator("#graph .note a").click()

    visit.settled()
    expect(page.locator("#flows tbody tr")).to_have_count(25)


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

    page.get_by_label("Sender begins with").press_sequentially("db")
    shows(page, "find_src_app=db")
    held.let_go()
    page.get_by_role("button", name="Sender").click()
    shows(page, "sort=src_app")

    assert set(column(page, 2)) == {"db"}


def test_a_server_that_is_gone_is_told_and_can_be_tried_again(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path) as first:
        first.post(SAMPLE)
        visit = Visit(browser, first.port)
        page = visit.open()
        first.terminate()
        page.get_by_role("button", name="Refresh").click()
        visit.settled("The numbers could not be had.")
    expect(page.locator("#trouble")).to_contain_text("The server does not answer.")

    with running(tmp_path, PORT=str(first.port)):
        page.get_by_role("button", name="Try again").click()
        visit.settled()
        expect(page.locator("#trouble")).to_be_hidden()
        assert page.locator("#flows tbody tr").count() == 4
    visit.expect_failures("ERR_CONNECTION")
    visit.close()


def test_a_panel_that_fails_leaves_the_others_alone(visit: Visit) -> None:
    busy = '{"error_message":"The store is busy or out of reach; nothing was stored","status_code":503}'
    visit.page.route("**/graph?*", lambda route: route.fulfill(status=503, body=busy))
    visit.page.goto("/dashboard")
    visit.settled("Some of the numbers could not be had.")
    page = visit.page

    expect(page.locator("#graph .note")).to_contain_text("Try again in a moment.The store is busy")
    assert page.locator("#flows tbody tr").count() == 25
    page.unroute("**/graph?*")
    page.locator("#graph").get_by_role("button", name="Try again").click()
    visit.settled()
    expect(page.locator("#graph .sankey-link").first).to_be_visible()
    visit.expect_failures("503")


def test_a_refused_question_is_told_once_with_a_way_out(visit: Visit) -> None:
    page = visit.page
    page.goto(f"/dashboard?from={HOUR + 2}&to={HOUR}")
    visit.settled("The numbers could not be had.")

    expect(page.locator("#trouble")).to_contain_text("Change the hours or filters.")
    page.get_by_role("button", name="Show the newest 24 hours").click()
    visit.settled()
    expect(page.locator("#trouble")).to_be_hidden()
    visit.expect_failures("422")


def test_a_rest_that_would_leave_the_links_no_room_is_told_and_not_drawn(own_visit: Visit, own_server: Running) -> None:
    own_server.post([make_flow(src_app=f"app-{number:03}", dest_app="to", hour=HOUR) for number in range(100)])
    page = own_visit.open(f"?from={HOUR}&links=20")

    expect(page.locator("#graph .undrawn")).to_have_text(
        "Not drawn, since it would leave the others no room: other (80 more links), 31.3 KiB."
    )
    assert "other" not in page.locator("#graph .picture .node-label").all_inner_texts()
    assert page.locator("#graph tbody tr").count() == 21
    page.goto(f"/dashboard?from={HOUR}&links=50")
    own_visit.settled()
    expect(page.locator("#graph .undrawn")).to_be_hidden()


def test_a_server_with_small_pages_is_asked_for_small_pages(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path, MAX_PAGE_SIZE="4", DEFAULT_PAGE_SIZE="3") as server:
        server.post(FLOWS)
        visit = Visit(browser, server.port)
        page = visit.open(f"?from={HOUR}")

        expect(page.locator(".place")).to_have_text("1 to 4 of 180")
        expect(page.locator("#hours .more")).to_have_text("The newest 4 of 30 hours.")
        expect(page.locator("#graph tbody tr").last.locator("td.name").first).to_have_text("other (2 more links)")
        visit.expect_failures("422")
        visit.close()


def test_without_plotly_the_tables_are_there(visit: Visit) -> None:
    visit.page.route("**/plotly.min.js", lambda route: route.fulfill(status=404))
    page = visit.open()

    expect(page.locator("#graph .picture")).to_contain_text("The picture needs the Python package plotly")
    page.locator("#graph summary").click()
    assert page.locator("#graph tbody tr").count() == len(PAIRS)
    visit.expect_failures("404")


# For everybody


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 375)])
def test_it_is_readable_by_the_rules_of_axe(browser: Browser, server: Running, scheme: Any, width: int) -> None:
    visit = Visit(browser, server.port, color_scheme=scheme, viewport={"width": width, "height": 800})
    page = visit.open()
    for summary in page.locator("summary").all():
        summary.click()
    page.locator(".sankey-link").first.wait_for()

    result = Axe().run(page)

    assert [found["id"] for found in result.response["violations"]] == []
    assert len(result.response["passes"]) > 20
    assert page.evaluate("document.documentElement.scrollWidth") == width
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
    expect(page.locator("#graph h2")).to_be_focused()
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
