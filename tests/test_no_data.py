"""Answers about hours that hold nothing: they name the hours that have flows, whatever was asked."""

import pytest

from handlers.record import MAX_INTEGER
from storage import SumStore
from tests.edges import Ask
from tests.factories import from_json, make_sum

QUERIES = [
    "/flows?hour={}",
    "/flows?hour={}&hour={}",
    "/flows?hour={}&include=records",
    "/flows?hour={}&cursor=",
    "/flows?hour={}&top=3",
    "/flows?hour={}&group_by=src_app&app=a",
    "/flows?hour={}&group_by=total",
    "/flows?hour={}&group_by=hour&page=1",
    "/hours?hour={}",
    "/apps?hour={}",
    "/vpcs?hour={}&top=2",
    "/graph?hour={}",
]


@pytest.mark.parametrize("target", QUERIES)
def test_hours_without_flows_are_answered_with_those_that_have_some(ask: Ask, sum_store: SumStore, target: str) -> None:
    nothing = ask("GET", target.format(8, 9))
    sum_store.add([make_sum(hour=hour) for hour in (3, 5)])
    elsewhere = ask("GET", target.format(8, 9))
    here = ask("GET", target.format(3, 5))

    assert nothing.status == elsewhere.status == 200
    assert "hours_with_data" not in nothing.json
    assert elsewhere.json == nothing.json | {"hours_with_data": {"from": 3, "to": 6}}
    assert elsewhere.body.endswith(b',"hours_with_data":{"from":3,"to":6}}')
    assert "hours_with_data" not in here.json


@pytest.mark.parametrize(
    "target",
    [
        "/flows?hour=3&page=2",
        "/flows?hour=3&app=nobody",
        "/flows?hour=3&app=nobody&group_by=total",
        "/flows?hour=3&app=nobody&cursor=",
        "/flows?hour=3&app=nobody&top=1",
        "/flows?from=0&group_by=total&page=2",
        "/hours?from=3&page=7",
        "/apps?hour=3&prefix=nobody",
        "/graph?hour=3&app=nobody",
    ],
)
def test_what_is_empty_for_another_reason_names_no_hours(ask: Ask, sum_store: SumStore, target: str) -> None:
    sum_store.add([make_sum(hour=3)])

    answer = ask("GET", target)

    assert answer.status == 200
    assert b"hours_with_data" not in answer.body


def test_a_page_of_an_hour_without_flows_is_what_it_was_in_an_empty_database(ask: Ask, sum_store: SumStore) -> None:
    empty = b'{"items":[],"total":0,"page":1,"size":50}'
    assert ask("GET", "/flows?hour=2").body == empty

    sum_store.add([make_sum(hour=MAX_INTEGER)])

    assert from_json(ask("GET", "/flows?hour=2").body)["hours_with_data"] == {"from": MAX_INTEGER}
    assert ask("GET", f"/flows?from={MAX_INTEGER}").json["total"] == 1
    sum_store.clear()
    assert ask("GET", "/flows?hour=2").body == empty


@pytest.mark.parametrize("target", ["/flows?hour=8", "/flows?from=8&top=1", "/hours?hour=8", "/graph?hour=8"])
def test_the_validator_of_an_empty_answer_changes_with_the_hours_that_it_names(
    ask: Ask, sum_store: SumStore, target: str
) -> None:
    sum_store.add([make_sum(hour=3)])
    first = ask("GET", target)
    known = {"If-None-Match": first.headers["etag"]}

    same = ask("GET", target, b"", known)
    sum_store.add([make_sum(hour=2)])
    changed = ask("GET", target, b"", known)

    assert same.status == 304
    assert changed.json["hours_with_data"] == {"from": 2, "to": 4}


def test_the_span_goes_with_what_is_stored_and_removed(sum_store: SumStore) -> None:
    assert sum_store.span() is None
    sum_store.add([make_sum(hour=hour) for hour in (0, 5, 9)])
    assert sum_store.span() == ((), 0, 10)

    for hour in (0, 9):
        assert all(step.ended for step in sum_store.remove(hour))

    assert sum_store.span() == ((), 5, 6)
