"""Odd events: whatever a function is invoked with, it answers, and no answer is a fault of ours."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import handlers.aws
from handlers.access import ANYBODY
from handlers.settings import Settings
from storage import open_store
from tests.edges import EVENTS, event
from tests.factories import from_json

KINDS = sorted(path.stem for path in EVENTS.glob("*.json"))
MISSING = object()
ODD: tuple[Any, ...] = (MISSING, None, True, 0, 1.5, "", "é\n\x1b\ud800%00%zz", [], [None], ["a", 1], {}, {"": None})


@pytest.fixture(autouse=True)
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both functions over one store."""
    store = open_store(f"sqlite:///{tmp_path}/flows.db")
    monkeypatch.setattr(handlers.aws, "_service", lambda: (store, Settings(max_body_bytes=10_000_000), ANYBODY))
    yield
    store.close()


def invoke(name: str, asked: Any) -> dict[str, Any]:
    """Invoke the function of an event, and hold its answer to what Lambda and API Gateway take."""
    function = handlers.aws.write if name.endswith("post") else handlers.aws.read
    answered: dict[str, Any] = json.loads(json.dumps(function(asked, None)))
    assert set(answered) == {"statusCode", "headers", "body", "isBase64Encoded"}
    assert all(isinstance(value, str) for value in answered["headers"].values())
    if answered["statusCode"] >= 400:
        told = from_json(answered["body"].encode())
        assert told["status_code"] == answered["statusCode"]
        assert told["error_message"]
    return answered


def places(value: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """Name every place in an event."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from places(child, *path, name)


def changed(asked: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Put a value, or nothing, into a place of an event."""
    if not path:
        return None if value is MISSING else value
    made = copy.deepcopy(asked)
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    if value is MISSING:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return made


@pytest.mark.parametrize("name", KINDS)
def test_a_null_a_wrong_type_or_a_missing_member_anywhere_is_answered_and_is_no_fault(name: str) -> None:
    whole = event(name)
    for path in places(whole):
        for value in ODD:
            answered = invoke(name, changed(whole, path, value))
            assert answered["statusCode"] < 500, (path, value, answered)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_several_members_that_are_anything_at_once_are_answered(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(KINDS))
    asked: Any = event(name)
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(list(places(asked))))
        asked = changed(asked, path, data.draw(json_values))

    assert invoke(name, asked)["statusCode"] < 500


@pytest.mark.parametrize(
    "asked",
    [
        {},
        [],
        None,
        "GET / HTTP/1.1",
        7,
        {"source": "aws.events", "detail-type": "Scheduled Event"},
        {"Records": [{"eventSource": "aws:sqs", "body": "[]"}]},
        {"version": "1.0", "httpMethod": "GET", "path": "/"},
        {"version": ["2.0"], "rawPath": "/"},
        {"httpMethod": "GET", "path": "/", "requestContext": {"elb": {"targetGroupArn": "arn:aws:e"}}},
    ],
)
def test_what_is_no_request_is_answered_400_and_is_an_error_in_the_log(
    asked: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answered = invoke("http_api_get", asked)

    assert answered["statusCode"] == 400
    assert "neither of a REST API nor of payload format 2.0" in answered["body"]
    assert [record.levelname for record in caplog.records if record.name == "handlers.aws"] == ["ERROR"]


@pytest.mark.parametrize("body", ["a", "é", "[]", "AA=A", "A" * 5])
@pytest.mark.parametrize("kind", ["http_api", "function_url", "rest_api"])
def test_a_body_that_is_not_base64_though_the_event_says_so_is_a_400(kind: str, body: str) -> None:
    answered = invoke(f"{kind}_post", event(f"{kind}_post") | {"body": body, "isBase64Encoded": True})

    assert answered["statusCode"] == 400
    assert "not base64" in answered["body"]


def test_the_id_of_an_event_that_is_unfit_for_the_log_is_replaced() -> None:
    asked = event("http_api_get")
    asked["requestContext"]["requestId"] = "x\nforged line\x1b[2J"

    assert invoke("http_api_get", asked)["headers"]["X-Request-Id"].isalnum()


HUGE = 6 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    # A query has 2,000 parameters at most.
    [
        ("http_api_post", {"body": "x" * HUGE}, 422),
        ("http_api_post", {"body": "[" * HUGE}, 422),
        ("http_api_post", {"body": "A" * HUGE, "isBase64Encoded": True}, 422),
        ("http_api_get", {"rawPath": "/" + "%01" * (HUGE // 3)}, 404),
        ("function_url_get", {"rawPath": "/" + "%01" * (HUGE // 3)}, 404),
        ("http_api_get", {"rawQueryString": "hour=" + "1" * HUGE}, 422),
        ("http_api_get", {"rawQueryString": "hour=1&" * (HUGE // 70)}, 422),
        ("http_api_get", {"headers": {"x": "y" * HUGE}}, 200),
        ("http_api_get", {"headers": {f"x-{number}": "" for number in range(HUGE // 20)}}, 200),
        ("rest_api_get", {"multiValueHeaders": {"X": ["y"] * (HUGE // 4)}}, 200),
        ("rest_api_get", {"multiValueQueryStringParameters": {"hour": ["1"] * (HUGE // 40)}}, 422),
    ],
)
def test_an_event_of_6_mb_is_answered(name: str, changes: dict[str, Any], status: int) -> None:
    assert invoke(name, event(name) | changes)["statusCode"] == status
