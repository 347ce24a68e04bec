"""Whatever names an agent has sent, the dashboard shows them as text and can choose them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from handlers.parameters import Wanted, read_wanted
from tests.browser import Visit
from tests.dashboard.shown import HOUR, api, column, shows
from tests.factories import make_flow
from tests.process import Running

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '<a href="https://example.com/">a</a>',
    "=1+2",
    "!bang",
    "star*",
    "*star",
    "a,b",
    "in*the middle",
    "~tilde",
    "quote\"'s & entities &lt;",
    "emoji 🦊🦊",
    "ends in ' OR 1=1 --",
    "%{customdata}",
]
LONG = "billing-reconciliation-of-all-the-invoices-of-the-last-year-worker.infra"


def test_hostile_names_are_text_and_can_be_chosen(own_visit: Visit, own_server: Running) -> None:
    own_server.post(
        [make_flow(src_app=name, dest_app="to", hour=HOUR, bytes_tx=100 + n) for n, name in enumerate(HOSTILE)]
    )
    page = own_visit.open()
    page.on("dialog", lambda dialog: own_visit.problems.append(dialog.message))

    assert set(column(page, "src_app")) == set(HOSTILE)
    assert set(page.locator("text.node-label").all_text_contents()) == {*HOSTILE, "to"}
    assert page.locator(".panel img, .node-label a, .panel a[href^='https:']").count() == 0
    for name in HOSTILE:
        page.locator("#flows").get_by_role("link", name=name, exact=True).click()
        expect(page.locator("#flows tbody tr")).to_have_count(1)
        own_visit.settled()
        assert column(page, "src_app") == [name]
        asked = str(page.locator("#total a.query").get_attribute("href"))
        assert api(own_server, asked)["items"][0]["records"] == 1
        page.go_back()
        expect(page.locator("#flows tbody tr")).to_have_count(len(HOSTILE))
        own_visit.settled()


@pytest.mark.parametrize("name", ["=1+2", "!bang", "star*", "*star", "a,b", "~tilde"])
def test_a_typed_name_that_there_is_means_itself(own_visit: Visit, own_server: Running, name: str) -> None:
    own_server.post([make_flow(src_app=app, hour=HOUR) for app in (*HOSTILE, "starred")])
    page = own_visit.open()

    page.get_by_label("App at either end").fill(name)
    page.keyboard.press("Enter")

    expect(page.locator("#flows tbody tr")).to_have_count(1)
    assert column(page, "src_app") == [name]


@pytest.mark.parametrize(
    ("typed", "says"), [("x,y", "Commas do not separate names"), ("*x", "A * may only be at the end")]
)
def test_a_typed_list_or_pattern_is_told_in_the_apis_words(visit: Visit, typed: str, says: str) -> None:
    page = visit.open()

    page.get_by_label("App at either end").fill(typed)
    page.keyboard.press("Enter")

    expect(page.locator("#trouble li")).to_contain_text(f"app: {says}")
    page.get_by_role("link", name="Show without app").click()
    expect(page.locator("#flows tbody tr")).to_have_count(25)
    visit.settled()
    visit.expect_failures("422")


def test_a_name_that_no_field_can_hold_stays_chosen(own_visit: Visit, own_server: Running) -> None:
    own_server.post([make_flow(src_app="two\nlines", vpc_id=vpc_id, hour=HOUR) for vpc_id in ("vpc-a", "vpc-b")])
    page = own_visit.open()
    page.locator("#flows td.src_app a").first.click()
    shows(page, "src_app=two%0Alines")

    page.get_by_label("VPC", exact=True).fill("vpc-a")
    page.keyboard.press("Enter")

    shows(page, "src_app=two%0Alines", "vpc_id=vpc-a")
    expect(page.locator("#flows tbody tr")).to_have_count(1)


def test_long_names_are_shortened_in_the_middle_and_whole_in_the_title(own_visit: Visit, own_server: Running) -> None:
    own_server.post([make_flow(src_app=LONG, dest_app=f"{LONG}-2", hour=HOUR)])
    own_visit.page.set_viewport_size({"width": 1400, "height": 800})
    page = own_visit.open()

    name = page.locator("#flows td.src_app a")
    expect(name).to_have_text(LONG)
    expect(name).to_have_attribute("title", f"{LONG}: Only this source")
    assert name.evaluate("e => e.getBoundingClientRect().width") < 300
    expect(name.locator(".middle")).to_have_css("font-size", "0px")
    labels = page.locator("text.node-label").all_text_contents()
    assert [(label[:8], label[-8:]) for label in labels] == [("billing-", "er.infra"), ("billing-", ".infra-2")]
    assert all("…" in label and len(label) < len(LONG) for label in labels)


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


@given(name=names, length=st.integers(5, 30))
@settings(max_examples=60, deadline=None)
def test_a_shortened_name_keeps_both_ends(modules: Page, name: str, length: int) -> None:
    code = 'async ([name, length]) => (await import("/dashboard/elements.js")).shorten(name, length)'

    short = modules.evaluate(code, [name, length])

    if len(name) <= length:
        assert short == name
    else:
        assert len(short) == length
        assert name.startswith(short[: length // 2])
        assert name.endswith(short[length // 2 + 1 :])


@given(count=whole)
@settings(max_examples=60, deadline=None)
def test_bytes_in_units_are_what_they_round(modules: Page, count: int) -> None:
    code = 'async (digits) => (await import("/dashboard/units.js")).bytes(BigInt(digits))'

    value, unit = modules.evaluate(code, str(count)).split(" ")

    power = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"].index(unit)
    assert float(value.replace(",", "")) == pytest.approx(count / 1024**power, rel=0.005)
    assert count < 1024 or count / 1024**power >= 1
