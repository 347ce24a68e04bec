"""Prefer: handling=lenient: good records are counted, bad ones come back."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from handlers.prefer import prefers_lenient
from handlers.record import FlowStore
from handlers.routes import answer
from handlers.settings import Settings
from handlers.web import GUARDS, Request, Response
from storage import SumStore
from tests.edges import EDGES
from tests.factories import SAMPLE, from_json, make_flow, to_json

Ask = Callable[..., Response]


@pytest.fixture
def post(sum_store: FlowStore) -> Ask:
    def post(flows: Any, **headers: str) -> Response:
        body = flows if isinstance(flows, bytes) else to_json(flows)
        named = {"prefer": "handling=lenient"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return answer(Request("POST", "/flows", headers=named, body=body), sum_store, Settings(max_batch_flows=10))

    return post


@pytest.mark.parametrize(
    ("text", "lenient"),
    [
        ("handling=lenient", True),
        ("Handling = Lenient", True),
        ('handling="lenient"', True),
        ("respond-async, wait=10, handling=lenient", True),
        ("handling=lenient; foo=bar", True),
        ("handling=lenient, handling=strict", True),
        ("handling=strict, handling=lenient", False),
        ("handling=strict", False),
        ("handling", False),
        ("", False),
        ("lenient", False),
        ("return=minimal;handling=lenient", False),
        ("handling=lenient2", False),
    ],
)
def test_the_preference_is_read_as_rfc_7240_says(text: str, lenient: bool) -> None:
    assert prefers_lenient(Request("POST", "/flows", headers={"prefer": text})) is lenient


@pytest.mark.parametrize("edge", EDGES)
def test_good_records_are_counted_and_bad_ones_come_back(edge: str, sum_store: SumStore) -> None:
    ask = EDGES[edge](sum_store, Settings())
    flows = [make_flow(), make_flow(hour="1", bytes_tx=-1), make_flow(bytes_rx=1), 7]

    sifted = ask("POST", "/flows", to_json(flows), {"Prefer": "handling=lenient", "Content-Type": "application/json"})

    assert sifted.status == 201
    assert sifted.headers["preference-applied"] == "handling=lenient"
    assert sifted.json == {
        "accepted": 2,
        "flows": 1,
        "refused": 2,
        "errors": [
            {"loc": ["body", 1, "hour"], "msg": "Expected `int`, got `str`"},
            {"loc": ["body", 1, "bytes_tx"], "msg": "Expected `int` >= 0"},
            {"loc": ["body", 3], "msg": "Expected `object`, got `int`"},
        ],
        "errors_total": 3,
    }
    assert [row[4:] for row in sum_store.read(1, 0, 10).sums] == [(2, 301, 200)]


def test_where_all_are_good_nothing_is_refused(post: Ask) -> None:
    assert from_json(post(SAMPLE).body) == {"accepted": 5, "flows": 4, "refused": 0, "errors": [], "errors_total": 0}


def test_where_all_are_bad_nothing_is_counted_and_that_is_an_answer_too(post: Ask, sum_store: FlowStore) -> None:
    sifted = post([make_flow(hour=None)] * 3)

    assert sifted.status == 201
    assert from_json(sifted.body)["refused"] == 3
    assert sum_store.read(1, 0, 10).total == 0


def test_strict_is_the_default_and_says_nothing_of_a_preference(post: Ask, sum_store: FlowStore) -> None:
    for prefer in ("", "handling=strict"):
        refused = post([make_flow(), make_flow(hour="1")], prefer=prefer)
        assert refused.status == 422
        assert refused.headers[:-1] == GUARDS
    assert post([make_flow()], prefer="handling=strict").headers[:-1] == GUARDS


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b'[{"src_app":"\xff"}]', b'[{"x":"\xff"},1]', b"[" * 100_000])
def test_what_is_no_array_in_utf8_is_refused_all_the_same(post: Ask, body: bytes) -> None:
    refused = post(body)

    assert refused.status == 422
    assert from_json(refused.body)["errors"][0]["loc"] == ["body"]


@pytest.mark.parametrize("flows", [[make_flow()] * 11, [make_flow()] * 5 + [1] * 6, [1] * 11])
def test_too_many_elements_are_too_many_whether_good_or_bad(post: Ask, sum_store: FlowStore, flows: Any) -> None:
    refused = post(flows)

    assert refused.status == 406
    assert sum_store.read(1, 0, 10).total == 0


def test_a_sum_that_would_be_too_large_refuses_the_whole_batch(post: Ask, sum_store: FlowStore) -> None:
    assert post([make_flow(bytes_tx=2**63 - 1)] * 2 + [1]).status == 409
    assert sum_store.read(1, 0, 10).total == 0


def test_no_more_errors_are_told_than_a_hundred(sum_store: FlowStore) -> None:
    request = Request("POST", "/flows", headers={"prefer": "handling=lenient"}, body=to_json([{}] * 50))

    told = from_json(answer(request, sum_store, Settings()).body)

    assert (len(told["errors"]), told["errors_total"], told["refused"]) == (100, 300, 50)


def test_sent_again_under_its_key_it_is_answered_as_before(post: Ask, sum_store: FlowStore) -> None:
    flows = [make_flow(), 1]
    first, again = (post(flows, idempotency_key="k") for _ in range(2))

    assert again.body == first.body
    assert again.headers[:-1] == (*first.headers[:-1], ("Idempotency-Replayed", "true"))
    assert post(flows, idempotency_key="k", prefer="").status == 422
    assert sum_store.read(1, 0, 10).sums[0][4] == 1


elements = st.one_of(
    st.just(make_flow()),
    st.builds(lambda name, value: make_flow(**{name: value}), st.sampled_from(["hour", "src_app"]), st.integers(-1, 1)),
    st.none(),
    st.lists(st.integers(), max_size=2),
)


@examples(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60
)
@given(st.lists(elements, max_size=10))
def test_accepted_and_refused_are_all_and_the_refused_are_those_that_are_refused_alone(post: Ask, flows: Any) -> None:
    told = from_json(post(flows).body)
    bad = [place for place, flow in enumerate(flows) if post([flow], prefer="").status == 422]

    assert told["accepted"] + told["refused"] == len(flows)
    assert sorted({error["loc"][1] for error in told["errors"]}) == bad
