"""The choice of hours on the dashboard: readable and usable in every browser, language and width."""

import re
import time
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect

from handlers.query import Misread
from handlers.times import read_end, read_hours, read_last, read_start
from tests.browser import Visit, exact
from tests.dashboard.shown import HOUR, NEWEST, shows, texts
from tests.factories import SAMPLE, make_flow
from tests.process import Running


@pytest.mark.parametrize("locale", ["en-US", "ar-EG"])
def test_from_and_until_are_wholly_in_sight_at_every_width(browser: Browser, server: Running, locale: str) -> None:
    visit = Visit(browser, server.port, locale=locale)
    page = visit.open()

    for width in (320, 390, 768, 1000, 1400, 2200):
        page.set_viewport_size({"width": width, "height": 800})
        for name, text in (("From", "2026-05-10 14:00"), ("Until", "2026-05-11 14:00")):
            field = page.get_by_label(name, exact=True)
            # A field of text shows its value in every language.
            assert field.evaluate("e => [e.type, e.value]") == ["text", text]
            # Text that is cut off scrolls.
            assert field.evaluate("e => e.scrollWidth <= e.clientWidth"), (name, width)
    assert page.get_by_text("UTC").locator("visible=true").count() == 1
    visit.close()


@pytest.mark.parametrize(
    ("written", "hour"),
    [
        ("2026-05-10 09:00", HOUR + 1),
        ("2026-05-10T09:00Z", HOUR + 1),
        ("2026-05-10 09:59", HOUR + 1),
        ("2026-05-10 11:30+02:00", HOUR + 1),
        ("2026-05-10", HOUR - 8),
        ("2026-05-10 09", HOUR + 1),
        (str(HOUR + 1), HOUR + 1),
        ("  2026-05-10 09:00 ", HOUR + 1),
    ],
)
def test_an_hour_is_written_as_a_time_or_a_number(visit: Visit, written: str, hour: int) -> None:
    page = visit.open()

    page.get_by_label("From", exact=True).fill(written)
    page.keyboard.press("Enter")

    shows(page, f"from={hour}", f"to={NEWEST + 1}")


def test_the_hours_of_the_sample_can_be_written(own_visit: Visit, own_server: Running) -> None:
    own_server.post(SAMPLE)
    page = own_visit.open()

    page.get_by_label("From", exact=True).fill("2")
    page.keyboard.press("Tab")

    shows(page, "from=2", "to=3")
    expect(page.locator("#flows tbody tr")).to_have_count(2)


@pytest.mark.parametrize("field", ["From", "Until"])
@pytest.mark.parametrize(
    "written", ["yesterday", "2026-02-30 07:00", "2026-11-24 25:00", "11/24/2026", "-1", "1.5", "9" * 20]
)
def test_what_is_no_hour_is_told_beside_the_field(visit: Visit, field: str, written: str) -> None:
    page = visit.open()
    asked = len(visit.requests)

    page.get_by_label(field, exact=True).fill(written)
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert").locator("visible=true")).to_have_text(
        f"{field}: Write a UTC time such as 2026-11-24 07:00, or the number of an hour."
    )
    expect(page.get_by_label(field, exact=True)).to_be_focused()
    expect(page.get_by_label(field, exact=True)).to_have_attribute("aria-invalid", "true")
    assert visit.requests[asked:] == []
    page.get_by_label(field, exact=True).fill("2026-05-10 20:00")
    page.keyboard.press("Enter")
    shows(page)
    expect(page.locator("#range-wrong")).to_be_hidden()


def test_a_range_that_ends_before_it_begins_is_told_beside_the_field(visit: Visit) -> None:
    page = visit.open()

    page.get_by_label("Until", exact=True).fill("2026-05-10 14:00")
    page.keyboard.press("Enter")

    expect(page.locator("#range-wrong")).to_have_text("Until must be later than From: its hour is not included.")


def test_an_empty_end_is_open(visit: Visit) -> None:
    page = visit.open(f"?from={HOUR + 3}&to={HOUR + 6}")

    page.get_by_label("From", exact=True).fill("")
    page.keyboard.press("Enter")
    shows(page, "from=0", f"to={HOUR + 6}")
    assert page.locator("#hours tbody tr").count() == 6
    expect(page.get_by_label("From", exact=True)).to_have_value("")
    expect(page.get_by_label("From", exact=True)).to_have_attribute("placeholder", "first hour")


def test_all_hours_are_a_preset_that_shows_no_date_of_1970(visit: Visit) -> None:
    page = visit.open("?app=mail")

    page.locator("#presets").get_by_role("link", name="All", exact=True).click()

    shows(page, "from=0", "app=mail")
    assert page.locator("#hours tbody tr").count() == 30
    assert [page.get_by_label(name, exact=True).input_value() for name in ("From", "Until")] == ["", ""]
    expect(page.locator("#presets [aria-current]")).to_have_text("All")
    page.locator("#presets").get_by_role("link", name="Latest data").click()
    expect(page).not_to_have_url(re.compile("from="))
    shows(page, "app=mail")
    expect(page.locator("#presets [aria-current]")).to_have_text("Latest data")


def test_a_step_goes_to_the_hours_before_and_after(visit: Visit) -> None:
    page = visit.open(f"?from={HOUR + 6}&to={HOUR + 12}&app=mail")

    page.get_by_role("link", name="Earlier").click()
    shows(page, f"from={HOUR}", f"to={HOUR + 6}", "app=mail")
    page.get_by_role("link", name="Later").click()
    shows(page, f"from={HOUR + 6}", f"to={HOUR + 12}")
    page.goto(f"/dashboard?from={HOUR + 24}&to={HOUR + 30}")
    visit.settled()
    expect(page.locator("#later")).not_to_have_attribute("href", re.compile("."))


def test_fields_that_nobody_has_changed_leave_the_hours_as_they_are(visit: Visit) -> None:
    page = visit.open()

    page.get_by_label("Source", exact=True).fill("web-1")
    page.keyboard.press("Enter")

    shows(page, "src_app=web-1")
    expect(page).not_to_have_url(re.compile("from="))
    assert texts(page, "#presets [aria-current]") == ["Latest data"]


TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))


@given(time=TIMES, up=st.booleans(), seconds=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_time_means_the_hour_that_the_api_takes_it_for(
    modules: Page, time: datetime, up: bool, seconds: bool
) -> None:
    written = f"{time:%Y-%m-%dT%H:%M}".zfill(16) + (f":{time:%S}" if seconds else "") + "Z"
    code = """async ([text, up]) => String((await import("/dashboard/times.js")).parseHour(text, up))"""

    assert modules.evaluate(code, [written, up]) == str((read_end if up else read_start)(written))


@given(
    written=st.text("0123456789-:TZ +.", max_size=24)
    | st.dates().map(str)
    | st.from_regex(r"2026-\d\d-\d\dT\d\d:\d\dZ", fullmatch=True)
)
@settings(max_examples=100, deadline=None)
def test_what_the_api_takes_for_an_hour_is_one_here(modules: Page, written: str) -> None:
    code = """async (text) => String((await import("/dashboard/times.js")).parseHour(text))"""
    try:
        known = read_start(written)
    except Misread:
        return

    assert modules.evaluate(code, written) == str(known)


@given(
    day=st.dates(datetime(1970, 1, 1).date(), datetime(9000, 1, 1).date()),
    count=st.integers(1, 999_999),
    unit=st.sampled_from("hdw"),
)
@settings(max_examples=60, deadline=None)
def test_a_day_and_the_last_hours_are_the_range_that_the_api_takes(
    modules: Page, day: date, count: int, unit: str
) -> None:
    code = """async (given) => {
      const { rangeOf } = await import("/dashboard/times.js");
      const { from, to } = rangeOf({ hour: [], from: "", to: "", last: "", ...given }, 494000n);
      return [Number(from), Number(to)];
    }"""

    hours = read_hours(str(day))
    assert modules.evaluate(code, {"hour": [str(day)]}) == [hours.start, hours.stop]
    first = max(0, 494_001 - read_last(f"{count}{unit}"))
    assert modules.evaluate(code, {"last": f"{count}{unit}"}) == [first, 494_001]


def test_presets_are_ranges_that_end_now_and_stay_so_in_the_address(own_visit: Visit, own_server: Running) -> None:
    hour = int(time.time() // 3600)
    own_server.post([make_flow(hour=hour + 1 - ago) for ago in range(200)])
    page = own_visit.open("?app=foo")

    for preset, last, hours in (("1 h", "1h", 1), ("6 h", "6h", 6), ("24 h", "24h", 24), ("7 d", "7d", 168)):
        page.locator("#presets").get_by_role("link", name=preset, exact=True).click()
        shows(page, f"last={last}", "app=foo")
        expect(page).not_to_have_url(re.compile("from=|to="))
        assert page.locator("#hours tbody tr").count() == hours
        assert exact(page.locator("#total .amount").last) == hours
        expect(page.locator("#presets [aria-current]")).to_have_text(preset)
        ends = [written(page, name) for name in ("From", "Until")]
        assert ends[1] - ends[0] == hours
        assert ends[1] in (hour + 1, hour + 2)


def written(page: Page, field: str) -> int:
    return read_start(page.get_by_label(field, exact=True).input_value().replace(" ", "T"))


def test_a_filter_keeps_a_range_that_ends_now(own_visit: Visit, own_server: Running) -> None:
    own_server.post([make_flow(hour=int(time.time() // 3600) + 1 - ago) for ago in range(10)])
    page = own_visit.open("?last=6h")

    page.get_by_label("Source", exact=True).fill("foo")
    page.keyboard.press("Enter")

    shows(page, "last=6h", "src_app=foo")
