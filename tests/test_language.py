"""The query language: what each query means, and what is said of one that means nothing."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.language import (
    MOST_HOURS,
    MOST_VALUES,
    Asked,
    read_flows_query,
    read_graph_query,
    read_hours_query,
    read_names_query,
)
from handlers.parameters import Wanted, read_wanted
from handlers.question import KEY, TOTAL, Hours, Names, Question, Sort
from handlers.record import MAX_INTEGER
from handlers.settings import Settings
from handlers.web import RequestError

SETTINGS = Settings()
GROUPS = "Expected total, or some of src_app, dest_app, vpc_id, hour, each once, with commas between"
SORTS = (
    "Expected some of src_app, dest_app, vpc_id, hour, app, bytes_rx, bytes_tx, records, bytes_total, each once, "
    "a - before it for descending"
)
COMMA = "Commas do not separate names: repeat the parameter, as in app=a&app=b; write =a,b for a name a,b"
STAR = "A * may only be at the end, as in web*; write =*web for a name that has one elsewhere"
PATTERN = "Regular expressions are not supported, only web*; write =~web for a name that begins with ~ or ^"
UNKNOWN = (
    "Unknown parameter; there are hour, from, to, last, src_app, dest_app, vpc_id, app, group_by, include, direction, "
    "time, sort, top, page, size, cursor, format"
)
BY_KEY = tuple(Sort(name) for name in KEY)


def read(query: str) -> Question:
    return read_flows_query(query, SETTINGS).question


def refused(query: str, read: Any = read_flows_query, *more: Any) -> tuple[str, str]:
    """Read a query that has one thing wrong; tell which parameter, and what is said."""
    with pytest.raises(RequestError) as caught:
        read(query, SETTINGS, *more)
    assert caught.value.status == 422
    (error,) = caught.value.members["errors"]
    place, name = error["loc"]
    assert place == "query"
    return name, error["msg"]


@pytest.mark.parametrize(
    ("query", "hours"),
    [
        ("hour=2", Hours((2,))),
        ("hour=2&hour=1&hour=2", Hours((1, 2))),
        ("from=0", Hours()),
        ("from=3", Hours((), 3)),
        ("from=3&to=4", Hours((), 3, 4)),
        ("from=1970-01-01&to=1970-01-02", Hours((), 0, 24)),
        ("from=2026-11-24T07:00Z", Hours((), 498_751)),
        ("from=2026-11-24T07", Hours((), 498_751)),
        ("from=2026-11-24T07:00:00.000Z", Hours((), 498_751)),
        ("from=2026-11-24T08:00%2B01:00", Hours((), 498_751)),
        ("from=2026-11-24T08:00+01:00", Hours((), 498_751)),
        ("from=2026-11-24T01:30-05:30", Hours((), 498_751)),
        ("hour=2026-11-24T07:59:59.999Z", Hours((498_751,))),
        ("hour=2026-11-24", Hours(tuple(range(498_744, 498_768)))),
        ("hour=1970-01-01&hour=24&hour=23", Hours(tuple(range(25)))),
        ("from=2026-11-24&to=2026-11-25", Hours((), 498_744, 498_768)),
        ("from=2026-11-24T07:30Z&to=2026-11-24T07:59:59.999Z", Hours((), 498_751, 498_752)),
        ("from=2026-11-24T07:30Z&to=2026-11-24T08:00Z", Hours((), 498_751, 498_752)),
    ],
)
def test_a_time_is_hours_since_the_epoch_rounded_outward(query: str, hours: Hours) -> None:
    assert read(query).hours == hours


@pytest.mark.parametrize(
    ("last", "first"),
    [("1h", 498_751), ("24h", 498_728), ("1d", 498_728), ("7d", 498_584), ("1w", 498_584), ("999999w", 0)],
)
def test_the_last_hours_end_with_the_current_one(last: str, first: int) -> None:
    now = 498_751

    asked = [
        read_flows_query(f"last={last}", SETTINGS, now).question.hours,
        read_graph_query(f"last={last}", SETTINGS, 50, now).question.hours,
        read_names_query(f"last={last}", SETTINGS, "app", now).question.hours,
        read_hours_query(f"last={last}", SETTINGS, now).hours,
    ]

    assert asked == [Hours((), first, now + 1)] * 4


@pytest.mark.parametrize(
    "value", ["", "24", "0h", "-1h", "24H", "1.5d", "24h ", "1m", "1000000h", "\u0661h", "h", "now-24h"]
)
def test_what_is_no_number_of_hours_is_refused_with_what_one_is(value: str) -> None:
    expected = "Expected a number of hours, days or weeks such as last=24h, last=7d or last=4w"

    assert refused(urlencode({"last": value})) == ("last", expected)


@pytest.mark.parametrize(
    "value",
    ["", "x", "-1", "1.5", "1969-12-31T23:00Z", "2026-13-01", "2026-02-30", "2026-11-24T25:00", "2026-W48-1",
     "2026-11-24 07:00", "2026-11-24T07:00Y", "0001-01-01T00:00+23:59", "9999-12-31T23:00-23:59:59", "٢٠٢٦-11-24",
     str(2**63)],
)  # fmt: skip
@pytest.mark.parametrize("name", ["hour", "from"])
def test_what_is_no_hour_is_refused_with_what_one_is(name: str, value: str) -> None:
    assert refused(urlencode({name: value}))[1].startswith("Expected an hour, as a whole number from 0 to ")


@pytest.mark.parametrize(
    ("query", "name", "said"),
    [
        ("", "hour", "Required, but missing: give hour, or from and to, or last=24h; from=0 is everything"),
        ("hour=1&last=1h", "hour", "Not with last: leave one of them out"),
        ("from=1&last=1h", "from", "Not with last: leave one of them out"),
        ("last=1h&last=2h", "last", "Given more than once"),
        ("last=1h&cursor=", "last", "Not with cursor: the hours move on meanwhile; give from and to"),
        ("&".join(f"hour=20{year}-01-01" for year in range(50, 92)), "hour",
         "At most 1000 hours may be chosen; give from and to"),
        ("to=5", "from", "Required with to; from=0 is the beginning"),
        ("hour=1&from=0", "hour", "Give either hour, or from and to"),
        ("hour=1&to=2", "hour", "Give either hour, or from and to"),
        ("from=5&to=5", "to", "Expected an hour after from: to is not part of the answer"),
        ("from=5&to=4", "to", "Expected an hour after from: to is not part of the answer"),
        ("from=1&from=2", "from", "Given more than once"),
        ("&".join(f"hour={n}" for n in range(MOST_HOURS + 1)), "hour",
         "At most 1000 hours may be chosen; give from and to"),
        ("from=0&" + "&".join(["app=x"] * (MOST_VALUES + 1)), "app", "Given more than 100 times"),
        ("from=0&app=", "app", "Expected a name, a prefix*, !either, or =a name taken literally"),
        ("from=0&vpc_id=!", "vpc_id", "Expected a name, a prefix*, !either, or =a name taken literally"),
        ("from=0&vpc_id=%3D", "vpc_id", "Expected a name, a prefix*, !either, or =a name taken literally"),
        ("from=0&app=" + "x" * 256, "app", "A name has at most 255 characters, and none that is NUL"),
        ("from=0&app=a%00", "app", "A name has at most 255 characters, and none that is NUL"),
        *((f"from=0&app={value}", "app", COMMA) for value in ("a,b", "!a,b", "a,b*", ",", "*,b", "~a,b")),
        *((f"from=0&vpc_id={value}", "vpc_id", STAR) for value in ("*shop", "!*shop", "*shop*", "a*b", "a**")),
        *((f"from=0&src_app={value}", "src_app", PATTERN) for value in ("~^check", "!~x", "^check", "~", "~*")),
        ("from=0&group_by=app", "group_by", GROUPS),
        ("from=0&group_by=hour,hour", "group_by", GROUPS),
        ("from=0&group_by=hour,total", "group_by", GROUPS),
        ("from=0&group_by=", "group_by", GROUPS),
        ("from=0&include=bytes", "include", "Expected records"),
        ("from=0&direction=out", "direction", "Expected both"),
        ("from=0&time=unix", "time", "Expected iso"),
        ("from=0&time=iso&group_by=src_app", "time",
         "The items have no hour to give the time of; add hour to group_by"),
        ("from=0&sort=size", "sort", SORTS),
        ("from=0&sort=hour,-hour", "sort", SORTS),
        ("from=0&sort=records", "sort", "The items have no records to sort by; add include=records"),
        ("from=0&sort=app", "sort", "The items have no app to sort by"),
        ("from=0&group_by=hour&sort=src_app", "sort", "The items have no src_app to sort by"),
        ("from=0&top=0", "top", "Expected a whole number from 1 to 1000"),
        ("from=0&top=1&page=1", "page", "Not with top: leave one of them out"),
        ("from=0&top=1&size=1", "size", "Not with top: leave one of them out"),
        ("from=0&cursor=&page=1", "page", "Not with cursor: leave one of them out"),
        ("from=0&cursor=&top=1", "top", "Not with cursor: leave one of them out"),
        ("from=0&cursor=&sort=hour", "sort", "Not with cursor: leave one of them out"),
        ("from=0&cursor=&group_by=total", "cursor", "The total is one row: leave cursor out"),
        ("from=0&cursor=x", "cursor", "Not a cursor of this service; begin again with cursor= and nothing after it"),
        ("from=0&limit=1", "limit", UNKNOWN),
    ],
)  # fmt: skip
def test_a_wrong_query_is_told_what_to_change(query: str, name: str, said: str) -> None:
    assert refused(query) == (name, said)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("web", Wanted("web", False, False)),
        ("web*", Wanted("web", True, False)),
        ("!web", Wanted("web", False, True)),
        ("!web*", Wanted("web", True, True)),
        ("=web*", Wanted("web*", False, False)),
        ("=!web", Wanted("!web", False, False)),
        ("==", Wanted("=", False, False)),
        ("!=!x*", Wanted("!x*", False, True)),
        ("*", Wanted("", True, False)),
        ("!*", Wanted("", True, True)),
        ("=a*b", Wanted("a*b", False, False)),
        ("=a,b", Wanted("a,b", False, False)),
        ("!=a,b", Wanted("a,b", False, True)),
        ("=~a", Wanted("~a", False, False)),
        ("a~^", Wanted("a~^", False, False)),
        ("a!=b", Wanted("a!=b", False, False)),
    ],
)
def test_a_filters_value_is_a_name_a_prefix_either_excluded_or_literal(value: str, wanted: Wanted) -> None:
    assert read_wanted(value) == wanted


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=255), st.booleans())
def test_any_name_can_be_asked_for_literally(name: str, excluded: bool) -> None:
    wanted = read_wanted(f"{'!' * excluded}={name}")

    assert wanted == Wanted(name, False, excluded)


def test_values_of_a_filter_are_put_together() -> None:
    asked = read("from=0&app=b&app=a*&app=!c&app=a&app=!d*&vpc_id=v&app=a")

    assert asked.filters == (("vpc_id", Names(("v",))), ("app", Names(("a", "b"), ("a",), ("c",), ("d",))))


@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ("from=0&app=*&vpc_id=*", ()),
        ("from=0&app=a&app=*&app=b*", ()),
        ("from=0&app=*&app=!a", (("app", Names((), (), ("a",))),)),
        ("from=0&app=!*", (("app", Names((), (), (), ("",))),)),
        ("from=0&app==*", (("app", Names(("*",))),)),
    ],
)
def test_a_filter_that_lets_every_name_through_is_none(query: str, filters: tuple[tuple[str, Names], ...]) -> None:
    assert read(query).filters == filters


def test_rows_are_sorted_by_what_is_asked_for_and_then_by_key() -> None:
    assert read("from=0").order == BY_KEY
    assert read("from=0&sort=-bytes_total").order == (Sort(TOTAL, True), *BY_KEY)
    assert read("from=0&group_by=hour,src_app&sort=-hour").order == (Sort("hour", True), Sort("src_app"))
    assert read("from=0&top=3&group_by=vpc_id").order == (Sort(TOTAL, True), Sort("vpc_id"))
    assert read("from=0&top=3&group_by=vpc_id&sort=records").order == (Sort("records"), Sort("vpc_id"))
    assert [sort.member for sort in read("from=0&cursor=").order] == ["hour", "src_app", "dest_app", "vpc_id"]


def test_a_page_is_the_plain_one_unless_something_else_is_asked_for() -> None:
    assert read_flows_query("from=0", SETTINGS) == Asked(
        Question(Hours(), order=BY_KEY, limit=50, counted=True), False, 1, 50, given=("from",)
    )
    assert read("from=0&page=3&size=7")[-4:] == (14, 7, True, False)
    assert read("from=0&top=7")[-4:] == (0, 7, False, True)
    assert read("from=0&cursor=&size=7")[-4:] == (0, 8, False, False)


def test_other_reads_want_no_time_and_know_their_own_parameters() -> None:
    names = read_names_query("prefix=web", SETTINGS, "app").question

    assert (names.hours, names.prefix, names.members) == (Hours(), "web", ("app",))
    assert read_hours_query("page=2&size=3", SETTINGS) == (Hours(), 2, 3, None, False)
    assert read_graph_query("from=0", SETTINGS, 50).question.limit == 50
    assert read_graph_query("from=0&top=3", SETTINGS, 50).question.limit == 3
    assert refused("", read_graph_query, 50)[0] == "hour"
    assert refused("prefix=a%00", read_names_query, "app")[0] == "prefix"
    assert refused("group_by=hour", read_names_query, "app")[0] == "group_by"
    assert refused("app=x", read_hours_query)[0] == "app"


def test_a_page_so_far_that_its_offset_is_no_number_is_refused() -> None:
    assert refused(f"from=0&page={MAX_INTEGER}") == ("page", f"page times size is more than {MAX_INTEGER}")
