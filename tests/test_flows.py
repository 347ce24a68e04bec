"""The handlers, called directly: no server, no Falcon, a real store."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from handlers.flows import get_flows, post_flows
from handlers.record import MAX_INTEGER, FlowStore
from handlers.root import get_root
from handlers.routes import answer
from handlers.settings import Settings
from handlers.web import Request, RequestError, Response
from tests.factories import SAMPLE, SAMPLE_HOUR_2, from_json, make_flow, make_sum, to_json

Ask = Callable[..., Response]


@pytest.fixture
def post(store: FlowStore, settings: Settings) -> Ask:
    def post(flows: Any, **headers: str) -> Response:
        body = flows if isinstance(flows, bytes) else to_json(flows)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return answer(Request("POST", "/flows", headers=named, body=body), store, settings)

    return post


@pytest.fixture
def get(store: FlowStore, settings: Settings) -> Ask:
    return lambda query: answer(Request("GET", "/flows", query), store, settings)


def test_the_sample_comes_out_to_the_byte(store: FlowStore, settings: Settings) -> None:
    posted = post_flows(Request("POST", "/flows", body=to_json(SAMPLE)), store, settings)
    read = get_flows(Request("GET", "/flows", "hour=2"), store, settings)

    assert posted == Response(201, b'{"accepted":5,"flows":4}', records=5)
    assert read._replace(headers=()) == Response(200, SAMPLE_HOUR_2, records=2)
    assert list(dict(read.headers)) == ["Vary", "ETag", "Cache-Control"]


def test_the_root_says_which_service_this_is(store: FlowStore, settings: Settings) -> None:
    assert get_root(Request("GET", "/"), store, settings).body == b'{"message":"Flow Aggregation Service, version 1"}'


def test_posting_the_sample_twice_doubles_its_sums(post: Ask, get: Ask) -> None:
    post(SAMPLE)
    post(SAMPLE)

    items = from_json(get("hour=1").body)["items"]

    assert [(item["src_app"], item["bytes_rx"], item["bytes_tx"]) for item in items] == [
        ("baz", 1000, 200),
        ("foo", 1800, 600),
    ]


def test_an_empty_array_is_created_and_stores_nothing(post: Ask, get: Ask) -> None:
    answered = post(b"[]")

    assert (answered.status, answered.body, answered.records) == (201, b'{"accepted":0,"flows":0}', 0)
    assert from_json(get("hour=1").body) == {"items": [], "total": 0, "page": 1, "size": 50}


def test_a_page_has_its_part_of_the_hour(post: Ask, get: Ask) -> None:
    post([make_flow(src_app=f"app-{number:03}") for number in range(120)])

    pages = [from_json(get(f"hour=1&page={page}").body) for page in (1, 2, 3, 4)]

    assert [len(page["items"]) for page in pages] == [50, 50, 20, 0]
    assert [item["src_app"] for page in pages for item in page["items"]] == [f"app-{n:03}" for n in range(120)]
    assert [(page["total"], page["page"], page["size"]) for page in pages] == [(120, n, 50) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("media", ["application/json", "Application/JSON", "application/json; charset=UTF-8", "", " "])
def test_json_by_any_of_its_names_is_taken(post: Ask, media: str) -> None:
    assert post([make_flow()], content_type=media).status == 201
    assert post([make_flow()], content_encoding="identity").status == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "application/json; charset=latin-1"},
        {"content_type": "application/json, application/json"},
        {"content_encoding": "deflate"},
        {"content_encoding": "gzip, gzip"},
        {"content_encoding": "br"},
    ],
)
def test_what_is_not_plain_json_is_refused_with_what_to_send(post: Ask, get: Ask, headers: dict[str, str]) -> None:
    refused = post([make_flow()], **headers)

    assert refused.status == 415
    assert from_json(refused.body)["error_message"].startswith("Send the")
    assert from_json(get("hour=1").body)["total"] == 0


def test_nothing_of_a_batch_with_a_bad_record_is_stored(post: Ask, get: Ask) -> None:
    refused = post([make_flow(), make_flow(hour=-1), make_flow()])

    assert refused.status == 422
    assert from_json(refused.body) == {
        "error_message": "The request is invalid: body.1.hour: Expected `int` >= 0",
        "status_code": 422,
        "errors": [{"loc": ["body", 1, "hour"], "msg": "Expected `int` >= 0"}],
        "errors_total": 1,
    }
    assert from_json(get("hour=1").body)["total"] == 0


def test_more_flow_objects_than_a_batch_may_have_are_refused(store: FlowStore) -> None:
    settings = Settings(max_batch_flows=2)
    bodies = [to_json([make_flow()] * count) for count in (2, 3)]

    taken, refused = (answer(Request("POST", "/flows", body=body), store, settings) for body in bodies)

    assert taken.status == 201
    assert refused.status == 406
    assert refused.body == b'{"error_message":"Too many flow objects are being registered","status_code":406}'
    assert store.read(1, 0, 10).sums[0][4] == 2


def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_not(store: FlowStore) -> None:
    body = to_json([make_flow()])
    settings = Settings(max_body_bytes=len(body))

    assert answer(Request("POST", "/flows", body=body), store, settings).status == 201
    assert answer(Request("POST", "/flows", body=body + b" "), store, settings).status == 413


def test_a_sum_that_would_pass_the_largest_is_a_conflict_that_names_the_key(post: Ask, get: Ask) -> None:
    post([make_flow(bytes_tx=MAX_INTEGER)])

    refused = post([make_flow(src_app="other"), make_flow(bytes_tx=1)])

    assert refused.status == 409
    told = from_json(refused.body)
    assert told["key"] == {"hour": 1, "src_app": "foo", "dest_app": "bar", "vpc_id": "vpc-0"}
    assert told["error_message"].startswith(f"A sum would pass {MAX_INTEGER}: hour 1, from foo to bar in vpc-0")
    assert from_json(get("hour=1").body)["total"] == 1


def test_the_first_of_the_reasons_to_refuse_is_the_one_given(store: FlowStore) -> None:
    settings = Settings(max_body_bytes=400, max_batch_flows=1)
    store.add([make_sum(bytes_tx=MAX_INTEGER)])
    wrong = {"content-type": "text/plain"}
    long, bad = b"x" * 401, to_json([make_flow(hour=-1), 1])
    many, full = to_json([make_flow(), make_flow()]), to_json([make_flow()])

    def status(method: str, path: str, headers: dict[str, str], body: bytes) -> int:
        return answer(Request(method, path, "nonsense", headers, body), store, settings).status

    assert status("PUT", "/nowhere", wrong, long) == 404
    assert status("PUT", "/flows", wrong, long) == 405
    assert status("POST", "/flows", wrong, long) == 415
    assert status("POST", "/flows", {}, long) == 413
    assert status("POST", "/flows", {}, bad) == 422
    assert status("POST", "/flows", {}, many) == 406
    assert status("POST", "/flows", {}, full) == 409


def test_a_bad_query_is_refused_by_its_parameters(get: Ask) -> None:
    refused = get("hour=x&pages=2")

    assert refused.status == 422
    assert [error["loc"] for error in from_json(refused.body)["errors"]] == [["query", "hour"], ["query", "pages"]]


def test_a_handler_raises_what_respond_answers(store: FlowStore, settings: Settings) -> None:
    with pytest.raises(RequestError) as caught:
        get_flows(Request("GET", "/flows", ""), store, settings)

    assert caught.value.status == 422


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
nearly_flows = st.lists(
    st.fixed_dictionaries(
        {},
        optional={name: json_values | st.integers(0, 9) | st.just("a") for name in (*make_flow(), "extra")},
    ),
    max_size=5,
)
bodies = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    json_values.map(msgspec.json.encode),
    nearly_flows.map(msgspec.json.encode),
    nearly_flows.map(msgspec.json.encode).flatmap(
        lambda body: st.builds(
            lambda at, junk: body[:at] + junk + body[at:], st.integers(0, 200), st.binary(max_size=3)
        )
    ),
)


@examples(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=500
)
@given(bodies)
def test_no_body_whatever_is_a_fault_of_the_server(post: Ask, body: bytes) -> None:
    response = post(body)

    assert response.status in (201, 409, 422)
    told = from_json(response.body)
    assert response.status == 201 or (told["status_code"] == response.status and told["error_message"])


@examples(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=300
)
@given(st.text(max_size=60) | st.from_regex(r"(hour|page|size|x)=[0-9%&;=+a-f]*(&(page|size)=[0-9]*)?", fullmatch=True))
def test_no_query_whatever_is_a_fault_of_the_server(get: Ask, query: str) -> None:
    assert get(query).status in (200, 422)
