"""The Lambda edge alone: its events, its two functions, its limit."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import handlers.aws
import storage.lazy
from handlers.access import ANYBODY
from handlers.events import read_event
from handlers.question import Question, Row
from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.web import GUARDS, Response
from storage import LazyStore, SumStore
from storage.engine import Engine, engine_of
from tests.edges import EDGES, EVENTS, event
from tests.factories import SAMPLE_HOUR_2, from_json, make_sum, to_json

Function = Callable[[Any, object], dict[str, Any]]


@pytest.fixture(autouse=True)
def service(sum_store: FlowStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both functions over one store."""
    monkeypatch.setattr(handlers.aws, "_service", lambda: (sum_store, Settings(), ANYBODY))


def test_there_is_a_golden_event_of_every_kind() -> None:
    names = {path.stem for path in EVENTS.glob("*.json")}

    assert names == {
        f"{kind}_{method}" for kind in ("http_api", "function_url", "rest_api") for method in ("post", "get")
    }


@pytest.mark.parametrize("kind", ["http_api", "function_url", "rest_api"])
def test_the_golden_events_are_answered(kind: str) -> None:
    posted = handlers.aws.write(event(f"{kind}_post"), None)
    read = handlers.aws.read(event(f"{kind}_get"), None)

    assert (posted["statusCode"], posted["body"]) == (201, '{"accepted":5,"flows":4}')
    assert (read["statusCode"], read["body"]) == (200, SAMPLE_HOUR_2.decode())
    assert set(read["headers"]) == {
        *("Content-Type", "Vary", "ETag", "Cache-Control", "X-Request-Id"),
        *dict(GUARDS),
    }
    assert read["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("function", "name"), [(handlers.aws.read, "http_api_post"), (handlers.aws.write, "function_url_get")]
)
def test_a_function_does_not_answer_for_the_other(function: Function, name: str, sum_store: SumStore) -> None:
    answered = function(event(name), None)

    assert answered["statusCode"] == 421
    assert from_json(answered["body"].encode())["status_code"] == 421
    assert sum_store.read(1, 0, 10).total == 0


@pytest.mark.parametrize("function", [handlers.aws.read, handlers.aws.write])
@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/flows", 405)])
def test_either_function_says_what_is_not_there(function: Function, method: str, path: str, status: int) -> None:
    asked = event("function_url_get") | {"rawPath": path}
    asked["requestContext"]["http"]["method"] = method

    assert function(asked, None)["statusCode"] == status


def test_the_query_of_an_http_api_is_passed_on_untouched() -> None:
    asked = event("http_api_get") | {
        "rawQueryString": "page=1&page=2&hour=1&a%20b=%26",
        "queryStringParameters": {"page": "1,2", "hour": "1"},
    }

    answered = from_json(handlers.aws.read(asked, None)["body"].encode())

    assert [error["loc"] for error in answered["errors"]] == [["query", "page"], ["query", "a b"]]


def test_the_query_of_a_rest_api_is_put_together_again() -> None:
    values = {"hour": ["1", "2"], "a b": ["é&=+%"]}
    asked = event("rest_api_get") | {"multiValueQueryStringParameters": values, "queryStringParameters": {"hour": "2"}}

    assert read_event(asked).request.query == "hour=1&hour=2&a+b=%C3%A9%26%3D%2B%25"


@pytest.mark.parametrize("multiple", [{}, {"multiValueQueryStringParameters": None, "multiValueHeaders": None}])
def test_an_event_without_query_or_headers_is_answered(multiple: dict[str, None]) -> None:
    asked = {"httpMethod": "GET", "path": "/", **multiple}

    assert handlers.aws.read(asked, None)["statusCode"] == 200


@pytest.mark.parametrize(
    ("stage", "path", "status"),
    [
        ("prod", "/prod/flows", 200),
        ("prod", "/prod", 200),
        ("prod", "/production", 404),
        ("$default", "/$default/flows", 404),
        ("$default", "/flows", 200),
    ],
)
def test_the_name_of_a_stage_is_no_part_of_the_path(stage: str, path: str, status: int) -> None:
    asked = event("http_api_get") | {"rawPath": path}
    asked["requestContext"]["stage"] = stage

    assert handlers.aws.read(asked, None)["statusCode"] == status


def test_a_path_that_an_http_api_has_decoded_is_not_decoded_again() -> None:
    asked = event("http_api_get") | {"rawPath": "/%66lows"}

    assert handlers.aws.read(asked, None)["statusCode"] == 404


def test_a_lone_surrogate_in_an_event_is_refused_as_bad_utf8() -> None:
    asked = event("http_api_post") | json.loads('{"body": "[\\"\\ud800\\"]"}')

    answered = handlers.aws.write(asked, None)

    assert answered["statusCode"] == 422
    assert "UTF-8" in answered["body"]


@pytest.mark.parametrize(
    "asked",
    [
        event("http_api_get") | {"rawQueryString": "hour=1&vpc_id=\ud800&cursor="},
        event("rest_api_get") | {"multiValueQueryStringParameters": {"hour": ["1"], "vpc_id": ["\ud800"]}},
    ],
)
def test_a_lone_surrogate_in_a_query_is_a_name_that_nothing_has(asked: dict[str, Any]) -> None:
    answered = handlers.aws.read(asked, None)

    assert (answered["statusCode"], from_json(answered["body"].encode())["items"]) == (200, [])


@pytest.mark.parametrize("format", ["ndjson", "csv"])
def test_a_stream_is_given_whole_or_refused_as_soon_as_it_is_too_large(
    sum_store: SumStore,
    format: str,  # noqa: A002
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def rows(_: Question) -> Iterator[list[Row]]:
        for number in range(1_000):
            made.append(number)
            yield [("foo", "bar", "vpc-0", hour, 1, 1, 1) for hour in range(1_000)]

    def stream(query: str) -> dict[str, Any]:
        return handlers.aws.read(event("http_api_get") | {"rawQueryString": f"hour=1&format={format}{query}"}, None)

    whole = stream("")
    monkeypatch.setattr(sum_store, "stream", rows)
    refused = stream("")

    assert (whole["statusCode"], whole["isBase64Encoded"]) == (200, False)
    assert refused["statusCode"] == 422
    assert from_json(refused["body"].encode())["errors"][0]["loc"] == ["query", "size"]
    assert 50 < len(made) < 400


def test_what_is_packed_goes_in_base64_and_counts_as_that(sum_store: SumStore, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(range(256)) * 1_024
    asked = Response(200, body, content_type="application/octet-stream", binary=True)
    monkeypatch.setattr(handlers.aws, "answer", lambda *_: asked)
    given = handlers.aws.read(event("http_api_get"), None)
    monkeypatch.setattr(handlers.aws, "answer", lambda *_: asked._replace(body=body * 18))
    refused = handlers.aws.read(event("http_api_get"), None)

    assert (given["statusCode"], given["isBase64Encoded"]) == (200, True)
    assert base64.b64decode(given["body"]) == body
    assert refused["statusCode"] == 422


def test_a_304_has_neither_type_nor_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers.aws, "answer", lambda *_: Response(304, b"", (("ETag", 'W/"x"'),)))

    given = handlers.aws.read(event("http_api_get"), None)

    assert (given["statusCode"], given["body"], given["isBase64Encoded"]) == (304, "", False)
    assert set(given["headers"]) == {"ETag", "X-Request-Id", *dict(GUARDS)}


def page_of(sum_store: SumStore, name: str, size: int) -> dict[str, Any]:
    """Ask for so many sums with long names."""
    sum_store.add([make_sum(f"{number:05}" + name, name, name) for number in range(size)])
    return handlers.aws.read(event("http_api_get") | {"rawQueryString": f"hour=1&size={size}"}, None)


def test_the_largest_page_of_the_default_limits_is_given(sum_store: SumStore) -> None:
    answered = page_of(sum_store, "a" * 250, 1_000)

    assert answered["statusCode"] == 200
    assert len(from_json(answered["body"].encode())["items"]) == 1_000


@pytest.mark.parametrize("escapes_all", [False, True])
@pytest.mark.parametrize(("name", "sizes"), [("a" * 250, (7_000, 8_000)), ("😀" * 200, (2_200, 2_700))])
def test_an_answer_too_large_for_an_event_is_a_422_naming_size_and_one_that_just_fits_is_given(
    sum_store: SumStore, monkeypatch: pytest.MonkeyPatch, name: str, sizes: tuple[int, int], escapes_all: bool
) -> None:
    monkeypatch.setattr(handlers.aws, "_service", lambda: (sum_store, Settings(max_page_size=10_000), ANYBODY))
    monkeypatch.setattr(handlers.aws, "_ESCAPES_ALL", escapes_all)
    if escapes_all and name.startswith("😀"):
        sizes = 700, 900

    fits, large = (page_of(sum_store, name, size) for size in sizes)

    assert fits["statusCode"] == 200
    assert 5_000_000 < len(json.dumps(fits, ensure_ascii=escapes_all).encode()) <= handlers.aws.MAX_EVENT_BYTES
    assert large["statusCode"] == 422
    assert from_json(large["body"].encode())["errors"][0]["loc"] == ["query", "size"]


def test_a_store_that_cannot_be_opened_is_unavailable_until_it_can(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/later/flows.db"
    ask = EDGES["HTTP API"](LazyStore(url, 8, 24), Settings())

    assert ask("GET", "/flows?hour=1").status == 503
    assert ask("GET", "/").status == 200
    (tmp_path / "later").mkdir()
    assert ask("POST", "/flows", to_json([])).status == 201
    assert ask("GET", "/flows?hour=1").status == 200


@pytest.mark.parametrize("url", ["mysql://user:secret@host/name", "nonsense"])
def test_a_wrong_url_is_unavailable_and_not_told(url: str) -> None:
    answered = EDGES["HTTP API"](LazyStore(url, 8, 24), Settings())("GET", "/flows?hour=1")

    assert answered.status == 503
    assert b"secret" not in answered.body


def test_a_lazy_store_is_opened_once_and_closed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def counted(url: str) -> Callable[[str, int, int], Engine]:
        opened.append(url)
        return engine_of(url)

    monkeypatch.setattr(storage.lazy, "engine_of", counted)
    store = LazyStore(database_url, 8, 24)
    store.close()
    opened.clear()

    store.add([make_sum()])

    assert store.read(1, 0, 10).total == 1
    assert opened == [database_url]
    store.close()
