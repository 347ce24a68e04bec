"""The query string of GET /flows: the plain question, and what is wrong with one."""

from typing import Any

import pytest

from handlers.language import read_flows_query
from handlers.query import HourQuery, parse_hour_query
from handlers.record import MAX_INTEGER
from handlers.settings import Settings
from handlers.web import RequestError

SETTINGS = Settings()


def refused(query: str) -> list[tuple[Any, ...]]:
    assert parse_hour_query(query, SETTINGS) is None
    with pytest.raises(RequestError) as caught:
        read_flows_query(query, SETTINGS)
    assert caught.value.status == 422
    errors = caught.value.members["errors"]
    assert caught.value.members["errors_total"] >= len(errors)
    return [error["loc"] for error in errors]


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("hour=2", HourQuery(2, 1, 50)),
        ("hour=0", HourQuery(0, 1, 50)),
        (f"hour={MAX_INTEGER}", HourQuery(MAX_INTEGER, 1, 50)),
        ("hour=0000000000000000002", HourQuery(2, 1, 50)),
        ("page=3&size=7&hour=2", HourQuery(2, 3, 7)),
        ("hour=2&size=1000", HourQuery(2, 1, 1000)),
        ("hour=%32", HourQuery(2, 1, 50)),
        (f"hour=2&page={MAX_INTEGER // 50}", HourQuery(2, MAX_INTEGER // 50, 50)),
    ],
)
def test_a_good_query_is_read(query: str, asked: HourQuery) -> None:
    assert parse_hour_query(query, SETTINGS) == asked


@pytest.mark.parametrize(
    "value",
    [
        *("", "x", "-1", "+1", "%2B1", "1.0", "1e3", " 1", "1%20", "0x1", "1_0", "٣", "%D9%A3", "1%00", "²"),
        *(str(MAX_INTEGER + 1), "00000000000000000001", "9" * 5_000),
    ],
)
def test_a_number_is_1_to_19_digits_up_to_the_largest(value: str) -> None:
    assert refused(f"hour={value}") == [("query", "hour")]


@pytest.mark.parametrize(
    ("query", "at_fault"),
    [
        ("", ["hour"]),
        ("page=1", ["hour"]),
        ("hour", ["hour"]),
        ("hour=1&page=1&page=2&size=1&size=1", ["page", "size"]),
        ("hour=1&page=0", ["page"]),
        ("hour=1&size=0", ["size"]),
        ("hour=1&size=1001", ["size"]),
        ("hour=1&hours=1", ["hours"]),
        ("hour=1&Hour=1", ["Hour"]),
        ("hour=1&=1", [""]),
        ("hour=1&%ff=1", ["\ufffd"]),
        ("hour=1&\ud800=1", ["\ufffd\ufffd\ufffd"]),
        (f"hour=1&page={MAX_INTEGER // 50 + 1}", ["page"]),
        ("hour=x&page=x&size=x&foo=x", ["hour", "page", "size", "foo"]),
        ("hour=1;page=2", ["hour"]),
    ],
)
def test_every_parameter_at_fault_is_named(query: str, at_fault: list[str]) -> None:
    assert refused(query) == [("query", name) for name in at_fault]


def test_a_hostile_query_is_told_in_bounds() -> None:
    told = refused("&".join(f"{'x' * 500}{number}=1" for number in range(200)))

    assert len(told) == 100
    assert all(len(name) == 100 for _, name in told[1:])


@pytest.mark.parametrize("pair", ["hour=1", "x=1", "hour=1&page=1", "&"])
def test_a_query_of_more_than_2000_parameters_is_refused_as_a_whole(pair: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_hour_query("&".join([pair] * 30_000), SETTINGS)

    assert caught.value.status == 422
    assert caught.value.members["errors"] == [{"loc": ("query",), "msg": "More than 2000 parameters"}]


def test_a_page_knows_what_comes_before_it() -> None:
    assert HourQuery(1, 3, 50).offset == 100
