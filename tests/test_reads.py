"""Questions over the handlers, with a real store: the shapes of the answers, and walks by cursor."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from handlers.record import MAX_INTEGER, FlowStore
from handlers.routes import answer
from handlers.settings import Settings
from handlers.web import Request, Response
from tests.factories import SAMPLE, SAMPLE_HOUR_2, from_json, make_flow, make_sum, to_json

Get = Callable[[str], Any]


@pytest.fixture
def ask(store: FlowStore, settings: Settings) -> Callable[[str], Response]:
    def ask(target: str) -> Response:
        path, _, query = target.partition("?")
        return answer(Request("GET", path, query), store, settings)

    return ask


@pytest.fixture
def get(ask: Callable[[str], Response]) -> Get:
    def get(target: str) -> Any:
        answered = ask(target)
        assert answered.status == 200, answered.body
        return from_json(answered.body)

    return get


@pytest.fixture
def sample(store: FlowStore, settings: Settings) -> None:
    answer(Request("POST", "/flows", body=to_json(SAMPLE)), store, settings)


@pytest.mark.usefixtures("sample")
def test_the_plain_question_is_answered_the_same_however_it_is_asked(ask: Callable[[str], Response]) -> None:
    asked = [
        "hour=2",
        "hour=2&hour=2",
        "from=2&to=3",
        "from=1970-01-01T02:00Z",
        "from=2&app=*",
        "hour=1970-01-01T02:30Z",
    ]

    assert {ask(f"/flows?{query}").body for query in asked} == {SAMPLE_HOUR_2}


@pytest.mark.usefixtures("sample")
def test_records_are_told_where_they_are_asked_for(get: Get) -> None:
    assert [item["records"] for item in get("/flows?hour=1&include=records")["items"]] == [1, 2]
    assert "records" not in get("/flows?from=1&top=1")["other"]
    assert get("/flows?from=1&top=1&include=records")["other"] == {
        "rows": 3, "bytes_rx": 1500, "bytes_tx": 300, "records": 3,
    }  # fmt: skip


@pytest.mark.usefixtures("sample")
def test_items_have_the_members_they_are_grouped_by_in_the_order_asked_for_and_are_sorted_by_it(get: Get) -> None:
    by_hour = get("/flows?from=0&group_by=hour,src_app")
    by_app = get("/flows?from=0&group_by=src_app,hour")

    assert list(by_hour) == ["items", "total", "page", "size"]
    assert list(by_hour["items"][0]) == ["hour", "src_app", "bytes_rx", "bytes_tx", "records"]
    assert [(item["src_app"], item["hour"]) for item in by_hour["items"]] == [("baz", 1), ("foo", 1), ("baz", 2)]
    assert list(by_app["items"][0]) == ["src_app", "hour", "bytes_rx", "bytes_tx", "records"]
    assert [(item["src_app"], item["hour"]) for item in by_app["items"]] == [("baz", 1), ("baz", 2), ("foo", 1)]


@pytest.mark.usefixtures("sample")
def test_the_order_of_a_group_is_kept_in_every_format_and_by_a_cursor(ask: Callable[[str], Response]) -> None:
    query = "/flows?from=0&group_by=vpc_id,hour,dest_app,src_app&top=1"
    walk = from_json(ask("/flows?from=0&group_by=vpc_id,hour,dest_app,src_app&size=1&cursor=").body)

    assert ask(f"{query}&format=csv").body.startswith(b"vpc_id,hour,dest_app,src_app,bytes_rx,bytes_tx,records\r\n")
    assert ask(f"{query}&format=ndjson").body.startswith(b'{"vpc_id":"vpc-0","hour":1,"dest_app":"bar","src_app":"foo"')
    assert list(walk["items"][0])[:4] == ["vpc_id", "hour", "dest_app", "src_app"]
    assert [item["hour"] for item in walk["items"]] == [1]


def test_both_directions_of_one_app_are_seen_from_it(get: Get, store: FlowStore) -> None:
    ways = [("m", "a"), ("a", "m"), ("m", "z"), ("z", "m"), ("m", "m"), ("a", "z")]
    store.add(sorted(make_sum(src, dest, bytes_rx=number, bytes_tx=10) for number, (src, dest) in enumerate(ways)))
    rows = [("m", "a", 10, 11), ("m", "m", 4, 10), ("m", "z", 12, 13)]

    def read(query: str, kind: str = "items") -> list[tuple[Any, ...]]:
        found = get(query)[kind]
        return [(each["src_app"], each["dest_app"], each["bytes_rx"], each["bytes_tx"]) for each in found]

    assert read("/flows?hour=1&app=m&direction=both") == rows
    assert read("/flows?hour=1&app=m&app=!b&direction=both&group_by=src_app,dest_app") == rows
    assert read("/flows?hour=1&app==m&direction=both&top=2") == [rows[2], rows[0]]
    assert read("/flows?hour=1&app=m&direction=both&size=2&cursor=") == rows[:2]
    assert sorted(read("/graph?hour=1&app=m&direction=both", "links")) == rows
    # Where no single name is wanted, the one that sorts first is the source.
    for other in ("app=m*", "app=m&app=a", "app=!z", "src_app=m"):
        assert ("a", "m") in [row[:2] for row in read(f"/flows?hour=1&{other}&direction=both")]


@pytest.mark.parametrize("filter", ["src_app", "dest_app", "vpc_id", "app"])
def test_a_list_or_a_pattern_is_refused_with_what_to_write_and_found_as_a_name_when_it_is_one(
    ask: Callable[[str], Response],
    store: FlowStore,
    filter: str,  # noqa: A002
) -> None:
    for name in ("a,b", "*shop", "~^check", "^x", "a*b", ",", "a,b*"):
        store.add([make_sum(name, name, name)])
        for kind in ("", "!"):
            refused = ask(f"/flows?hour=1&{urlencode({filter: kind + name})}")
            assert refused.status == 422
            assert "; write =" in from_json(refused.body)["errors"][0]["msg"]
        found = from_json(ask(f"/flows?hour=1&{urlencode({filter: '=' + name})}").body)
        assert [item["src_app"] for item in found["items"]] == [name]


@pytest.mark.usefixtures("sample")
def test_the_total_is_one_item_also_of_nothing(get: Get) -> None:
    nothing = {"bytes_rx": 0, "bytes_tx": 0, "records": 0}

    assert get("/flows?from=0&group_by=total")["items"] == [{"bytes_rx": 2400, "bytes_tx": 600, "records": 5}]
    assert get("/flows?hour=9&group_by=total") == {
        "items": [nothing],
        "total": 1,
        "page": 1,
        "size": 50,
        "hours_with_data": {"from": 1, "to": 3},
    }
    assert get("/flows?from=0&group_by=total&page=2")["items"] == []


def test_a_sum_over_many_flows_is_exact_where_it_is_no_64_bit_number(store: FlowStore, get: Get) -> None:
    store.add([make_sum(f"app-{n}", bytes_rx=MAX_INTEGER, bytes_tx=MAX_INTEGER - n) for n in range(9)])

    (total,) = get("/flows?hour=1&group_by=total")["items"]
    first = get("/flows?hour=1&group_by=src_app&top=1")

    assert (total["bytes_rx"], total["bytes_tx"]) == (9 * MAX_INTEGER, 9 * MAX_INTEGER - 36)
    assert first["items"][0]["src_app"] == "app-0"
    assert first["other"]["bytes_tx"] == 8 * MAX_INTEGER - 36


def test_a_walk_by_cursor_meets_every_sum_once_while_others_come_in(store: FlowStore, get: Get) -> None:
    there = {("app", f"peer-{n:02}", hour) for n in range(20) for hour in (1, 2)}
    store.add(sorted(make_sum(src, dest, hour=hour) for src, dest, hour in there))
    met: list[tuple[str, str, int]] = []

    cursor: str | None = ""
    while cursor is not None:
        page = get(f"/flows?from=0&size=7&cursor={cursor}")
        assert list(page) == ["items", "size", "next"]
        met += [(item["src_app"], item["dest_app"], item["hour"]) for item in page["items"]]
        cursor = page["next"]
        # Before the place that was reached, at it, and after it.
        store.add(sorted(make_sum("app", f"peer-{n:02}-{len(met)}", hour=hour) for n in range(20) for hour in (1, 2)))

    assert len(met) == len(set(met))
    assert set(met) >= there


@pytest.mark.usefixtures("sample")
def test_the_link_leads_to_the_next_rows_with_the_parameters_kept(ask: Callable[[str], Response]) -> None:
    first = ask("/v1/flows?from=0&app=!%C3%A9&size=3&cursor=")
    link = dict(first.headers)["Link"]
    target, _, rel = link.partition("; ")
    second = ask(f"/v1/flows{target.strip('<>')}")

    assert rel == 'rel="next"'
    assert [len(from_json(page.body)["items"]) for page in (first, second)] == [3, 1]
    assert "Link" not in dict(second.headers)
    assert from_json(second.body)["next"] is None


def test_a_last_page_that_is_full_says_that_it_is_the_last(store: FlowStore, get: Get) -> None:
    store.add([make_sum(f"app-{n}") for n in range(4)])

    second = get(f"/flows?hour=1&size=2&cursor={get('/flows?hour=1&size=2&cursor=')['next']}")

    assert [item["src_app"] for item in second["items"]] == ["app-2", "app-3"]
    assert second["next"] is None


@pytest.mark.usefixtures("sample")
def test_a_cursor_of_another_question_is_refused(ask: Callable[[str], Response], get: Get) -> None:
    cursor = get("/flows?from=0&size=1&cursor=")["next"]

    for other in ("from=1", "from=0&app=foo", "from=0&group_by=hour", "from=0&direction=both"):
        refused = ask(f"/flows?{other}&cursor={cursor}")
        assert refused.status == 422
        assert "A cursor of another question" in from_json(refused.body)["error_message"]
    assert get(f"/flows?from=0&size=9&include=records&cursor={cursor}")["next"] is None


@pytest.mark.parametrize("cursor", ["x", "!", "W10", "WyJ4IixbXV0", "A" * 20_000, "%00", "%F0%9F%98%80", "e30", "Wzk"])
def test_what_is_no_cursor_is_refused(ask: Callable[[str], Response], cursor: str) -> None:
    assert ask(f"/flows?from=0&cursor={cursor}").status == 422


def test_a_cursor_made_up_with_the_right_mark_and_a_wrong_place_is_refused(
    ask: Callable[[str], Response], store: FlowStore, get: Get
) -> None:
    from base64 import urlsafe_b64decode, urlsafe_b64encode

    store.add([make_sum(f"app-{n}") for n in range(4)])
    cursor = get("/flows?hour=1&size=2&cursor=")["next"]
    mark, place = from_json(urlsafe_b64decode(cursor + "=="))

    too_few, too_many = place[1:], [*place, "x"]
    no_hours = (["1", *place[1:]], [2**70, *place[1:]], [-1, *place[1:]])
    for bad in ([], too_few, too_many, *no_hours, [1, 1, 1, 1], [1, "\0", "a", "b"]):
        made_up = urlsafe_b64encode(to_json([mark, bad])).decode().rstrip("=")
        assert ask(f"/flows?hour=1&cursor={made_up}").status == 422, bad


def test_hours_come_newest_first_with_their_totals(store: FlowStore, get: Get) -> None:
    store.add([make_sum(hour=1), make_sum(hour=2, records=2), make_sum("x", hour=2, bytes_rx=MAX_INTEGER)])

    assert get("/hours?size=1") == {
        "items": [{"hour": 2, "bytes_rx": MAX_INTEGER + 300, "bytes_tx": 200, "records": 3, "flows": 2}],
        "total": 2, "page": 1, "size": 1,
    }  # fmt: skip
    assert [item["hour"] for item in get("/hours")["items"]] == [2, 1]
    assert [item["hour"] for item in get("/hours?to=2&from=0")["items"]] == [1]
    assert get("/hours?hour=7")["items"] == []


def test_an_app_has_the_flows_at_either_end_as_seen_from_it(store: FlowStore, get: Get) -> None:
    store.add(
        [
            make_sum("api", "api", bytes_rx=1, bytes_tx=2, records=1),
            make_sum("api", "db", bytes_rx=10, bytes_tx=20, records=2),
            make_sum("web", "api", bytes_rx=100, bytes_tx=200, records=4),
        ]
    )

    assert get("/apps")["items"] == [
        {"app": "api", "bytes_rx": 211, "bytes_tx": 122, "records": 7},
        {"app": "db", "bytes_rx": 20, "bytes_tx": 10, "records": 2},
        {"app": "web", "bytes_rx": 100, "bytes_tx": 200, "records": 4},
    ]
    assert [item["app"] for item in get("/apps?prefix=a")["items"]] == ["api"]
    assert [item["app"] for item in get("/apps?hour=1&dest_app=db&sort=-app")["items"]] == ["db", "api"]
    assert get("/apps?top=1&hour=1")["other"] == {"rows": 2, "bytes_rx": 120, "bytes_tx": 210, "records": 6}


def test_vpcs_have_their_totals(store: FlowStore, get: Get) -> None:
    store.add([make_sum(vpc_id=f"vpc-{n}", hour=n, bytes_rx=n) for n in (1, 2, 3)])

    assert get("/vpcs?from=2&size=1") == {
        "items": [{"vpc_id": "vpc-2", "bytes_rx": 2, "bytes_tx": 100, "records": 1}], "total": 2, "page": 1, "size": 1,
    }  # fmt: skip
    assert get("/vpcs?prefix=x")["total"] == 0


def test_a_graph_has_the_greatest_links_their_ends_and_the_rest(store: FlowStore, get: Get) -> None:
    store.add(
        [
            make_sum("api", "api", bytes_rx=500, bytes_tx=0, records=1),
            make_sum("api", "db", "vpc-1", bytes_rx=400, bytes_tx=1, records=1),
            make_sum("api", "db", "vpc-2", bytes_rx=300, bytes_tx=2, records=1),
            make_sum("db", "api", bytes_rx=1, bytes_tx=50, records=1),
            make_sum("web", "api", bytes_rx=7, bytes_tx=8, records=3),
        ]
    )

    assert get("/graph?hour=1&top=2") == {
        "nodes": [
            {"app": "api", "bytes_rx": 1200, "bytes_tx": 3, "records": 3},
            {"app": "db", "bytes_rx": 3, "bytes_tx": 700, "records": 2},
        ],
        "links": [
            {"src_app": "api", "dest_app": "db", "bytes_rx": 700, "bytes_tx": 3, "records": 2},
            {"src_app": "api", "dest_app": "api", "bytes_rx": 500, "bytes_tx": 0, "records": 1},
        ],
        "other": {"rows": 2, "bytes_rx": 8, "bytes_tx": 58, "records": 4},
    }
    assert get("/graph?hour=1&top=1&direction=both")["links"] == [
        {"src_app": "api", "dest_app": "db", "bytes_rx": 750, "bytes_tx": 4, "records": 3}
    ]
    assert get("/graph?hour=9") == {
        "nodes": [], "links": [], "other": {"rows": 0, "bytes_rx": 0, "bytes_tx": 0, "records": 0},
        "hours_with_data": {"from": 1, "to": 2},
    }  # fmt: skip


def test_names_that_look_like_something_else_are_found_literally(store: FlowStore, get: Get) -> None:
    odd = ["!a", "*", "=a", "a*", "a,b", "a b", "%41", "a&b", "ü😀"]
    store.add(sorted(make_sum(name, vpc_id=name) for name in odd))

    for name in odd:
        from urllib.parse import quote

        found = get(f"/flows?hour=1&src_app={quote('=' + name, safe='')}")
        assert [item["src_app"] for item in found["items"]] == [name]


def test_a_thousand_hours_can_be_chosen(store: FlowStore, get: Get) -> None:
    store.add([make_sum(hour=hour) for hour in range(0, 2_000, 2)])

    chosen = "&".join(f"hour={hour}" for hour in range(1_000))

    assert get(f"/flows?{chosen}&group_by=total")["items"][0]["records"] == 500


def test_a_flow_posted_is_in_every_answer(store: FlowStore, settings: Settings, get: Get) -> None:
    answer(Request("POST", "/flows", body=to_json([make_flow(hour=5)])), store, settings)

    for target in ("/flows?hour=5", "/flows?from=5&cursor=", "/apps", "/vpcs", "/flows?from=0&group_by=hour"):
        assert len(get(target)["items"]) >= 1, target
