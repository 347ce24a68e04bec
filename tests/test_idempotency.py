"""Idempotency-Key: what is a key, and what a batch sent again is answered."""

from collections.abc import Callable
from typing import Any

import pytest

from handlers.flows import post_flows
from handlers.idempotency import read_key
from handlers.record import MAX_INTEGER, FlowStore
from handlers.routes import answer
from handlers.settings import Settings
from handlers.web import GUARDS, Request, RequestError, Response
from tests.edges import EDGES
from tests.factories import SAMPLE, from_json, make_flow, to_json

Ask = Callable[..., Response]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def post(sum_store: FlowStore) -> Ask:
    def post(flows: Any, key: str, **headers: str) -> Response:
        body = flows if isinstance(flows, bytes) else to_json(flows)
        named = {"idempotency-key": key, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return answer(Request("POST", "/flows", headers=named, body=body), sum_store, Settings(max_batch_flows=10))

    return post


def key_of(text: str) -> str | None:
    return read_key(Request("POST", "/flows", headers={"idempotency-key": text}))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('"8e03978e-40d5"', "8e03978e-40d5"),
        ("8e03978e-40d5", "8e03978e-40d5"),
        ('  "a b"  ', "a b"),
        ('"a";x=1; y="z"', "a"),
        (r'"say \"hi\" \\"', 'say "hi" \\'),
        ("KG5LxwFBepaKHyUD/==:~", "KG5LxwFBepaKHyUD/==:~"),
        ("x" * 255, "x" * 255),
        ('"' + "y" * 255 + '"', "y" * 255),
    ],
)
def test_a_key_is_a_quoted_string_or_a_bare_one(text: str, key: str) -> None:
    assert key_of(text) == key


@pytest.mark.parametrize(
    "text",
    ["", '""', '"', '"a', 'a"', "a b", "a, b", '"a", "b"', '"a"x', "a;b", "é", '"\t"', r'"\a"', "x" * 256, "a\x00"],
)
def test_anything_else_is_refused_naming_the_header(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        key_of(text)

    assert caught.value.status == 422
    assert caught.value.members["errors"][0]["loc"] == ("header", "idempotency-key")


def test_a_request_without_the_header_has_no_key() -> None:
    assert read_key(Request("POST", "/flows")) is None


@pytest.mark.parametrize("edge", EDGES)
def test_a_batch_sent_again_is_answered_as_before_and_counted_once(edge: str, sum_store: FlowStore) -> None:
    ask = EDGES[edge](sum_store, Settings())
    headers = {**JSON, "Idempotency-Key": '"batch-1"'}

    first = ask("POST", "/flows", to_json(SAMPLE), headers)
    again = ask("POST", "/v1/flows", to_json(SAMPLE), headers)

    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body == b'{"accepted":5,"flows":4}'
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert from_json(ask("GET", "/flows?hour=2").body)["items"][0]["bytes_rx"] == 500


def test_a_bare_key_and_a_quoted_one_are_the_same(post: Ask) -> None:
    post(SAMPLE, "k")

    assert ("Idempotency-Replayed", "true") in post(SAMPLE, '"k"').headers


@pytest.mark.parametrize(
    ("flows", "headers"),
    [
        ([make_flow(hour=9)], {}),
        (b" " + to_json(SAMPLE), {}),
        (SAMPLE, {"content_type": "application/json"}),
        (SAMPLE, {"prefer": "handling=lenient"}),
    ],
)
def test_another_request_under_the_same_key_is_refused_and_counts_nothing(
    post: Ask, sum_store: FlowStore, flows: Any, headers: dict[str, str]
) -> None:
    post(SAMPLE, "k")

    refused = post(flows, "k", **headers)

    assert refused.status == 422
    assert from_json(refused.body)["errors"][0]["loc"] == ["header", "idempotency-key"]
    assert sum_store.read(1, 0, 10).sums[0][4] == 1
    assert sum_store.read(9, 0, 10).total == 0


@pytest.mark.parametrize(
    ("flows", "status"),
    [
        (b"{", 422),
        ([make_flow(hour="1")], 422),
        ([make_flow()] * 11, 406),
        ([make_flow(bytes_tx=MAX_INTEGER)] * 2, 409),
    ],
)
def test_a_refusal_is_not_kept_and_the_key_can_be_used_again(post: Ask, flows: Any, status: int) -> None:
    assert post(flows, "k").status == status

    sent = post(SAMPLE, "k")

    assert (sent.status, sent.headers[:-1]) == (201, GUARDS)


def test_what_was_counted_is_answered_as_before_though_the_limit_is_lower_now(sum_store: FlowStore) -> None:
    def post(most: int, flows: Any, key: str = "k") -> Response:
        request = Request("POST", "/flows", headers={"idempotency-key": key}, body=to_json(flows))
        return answer(request, sum_store, Settings(max_batch_flows=most))

    counted = post(5, SAMPLE)

    assert post(4, SAMPLE).body == counted.body
    assert post(4, SAMPLE, "other").status == 406
    assert post(4, [*SAMPLE, make_flow()]).status == 406
    assert sum_store.read(2, 0, 10).sums[0][4] == 1


def test_an_empty_batch_has_its_key_too(post: Ask) -> None:
    post([], "k")

    assert ("Idempotency-Replayed", "true") in post([], "k").headers
    assert post(SAMPLE, "k").status == 422


def test_without_a_key_a_batch_sent_again_is_counted_again(sum_store: FlowStore) -> None:
    for _ in range(2):
        post_flows(Request("POST", "/flows", body=to_json(SAMPLE)), sum_store, Settings())

    assert sum_store.read(2, 0, 10).sums[0][4] == 2
