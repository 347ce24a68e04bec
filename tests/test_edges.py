"""The edges: what they carry to the handlers and back, the same through each."""

import gzip
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from webtest import TestApp

import local.app
from handlers.question import Found, HourPage, Hours, HourTotal, Question, Row, StoreSize
from handlers.record import Delivery, FlowStore, StoreUnavailable, TookTooLong
from handlers.routes import ROUTES
from handlers.settings import Settings
from local.app import create_app
from tests.edges import EDGES, Answer, Ask, local_edge
from tests.factories import SAMPLE, SAMPLE_HOUR_2, make_flow, make_sum, to_json

PATHS = sorted({route.path for route in ROUTES})
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "FOO", "WEBSOCKET"]
JSON = {"Content-Type": "application/json"}


def assert_is_error(answer: Answer, status: int) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["status_code"] == status
    assert answer.json["error_message"]


def test_the_sample_comes_out_to_the_byte(ask: Ask) -> None:
    posted = ask("POST", "/flows", to_json(SAMPLE), JSON)
    read = ask("GET", "/flows?hour=2")

    assert (posted.status, posted.body) == (201, b'{"accepted":5,"flows":4}')
    assert (read.status, read.headers["content-type"], read.body) == (200, "application/json", SAMPLE_HOUR_2)


def test_v1_is_the_same_resource(ask: Ask) -> None:
    ask("POST", "/v1/flows", to_json(SAMPLE), JSON)

    assert ask("GET", "/v1/flows?hour=2").body == ask("GET", "/flows?hour=2").body == SAMPLE_HOUR_2


def test_the_root_answers(ask: Ask) -> None:
    assert ask("GET", "/").json == {"message": "Flow Aggregation Service, version 1"}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
def test_a_route_answers_its_methods_and_names_them_to_any_other(edge: str, ask: Ask, path: str, method: str) -> None:
    allowed = [route.method for route in ROUTES if route.path == path and (edge == "local" or not route.local)]
    if allowed == ["GET"] and path != "/":
        allowed = ["GET", "HEAD"]

    answer = ask(method, path)

    if not allowed:
        assert answer.status == 404
    elif method in allowed:
        assert answer.status in (200, 201, 422)
        assert (answer.body == b"") == (method == "HEAD")
    elif method == "HEAD":
        assert (answer.status, answer.body) == (405, b"")
    else:
        assert_is_error(answer, 405)
    if allowed and method not in allowed:
        assert answer.headers["allow"] == ", ".join(allowed)


@pytest.mark.parametrize(
    "path",
    ["/flow", "/flows/", "/$default/flows", "/FLOWS", "/v1", "/v1/", "/v2/flows", "/%66lows/x", "/a%00b", "/%C3%A9"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "FOO"])
def test_any_other_path_is_not_found(ask: Ask, path: str, method: str) -> None:
    assert_is_error(ask(method, path), 404)


def test_a_path_is_known_however_it_is_escaped(ask: Ask) -> None:
    assert ask("GET", "/%66lows?hour=1").status == 200


def test_a_body_without_a_content_type_counts_as_json(ask: Ask) -> None:
    assert ask("POST", "/flows", b"[]").status == 201


def test_headers_reach_the_handler(ask: Ask) -> None:
    typed = ask("POST", "/flows", b"[]", {"Content-Type": "text/xml"})
    encoded = ask("POST", "/flows", b"[]", {**JSON, "Content-Encoding": "br"})

    assert_is_error(typed, 415)
    assert_is_error(encoded, 415)
    assert encoded.headers["accept-encoding"] == "gzip, zstd"


def test_a_post_without_a_body_is_invalid(ask: Ask) -> None:
    assert_is_error(ask("POST", "/flows"), 422)


def test_a_body_past_its_limit_is_refused(edge: str, sum_store: FlowStore) -> None:
    ask = EDGES[edge](sum_store, Settings(max_body_bytes=1_000))

    assert_is_error(ask("POST", "/flows", to_json([make_flow()] * 20), JSON), 413)
    assert sum_store.read(1, 0, 1).total == 0


REQUESTS = {
    "the root": ("GET", "/", b"", {}),
    "a page": ("GET", "/flows?hour=1&size=1&page=2", b"", {}),
    "an empty page": ("GET", "/flows?hour=9&page=7", b"", {}),
    "a sample": ("POST", "/flows", to_json(SAMPLE), JSON),
    "an empty batch": ("POST", "/v1/flows", b"[]", JSON),
    "names beyond ASCII": ("POST", "/flows", to_json([make_flow(src_app="naïve-😀", hour=8)]), JSON),
    "what these became": ("GET", "/flows?hour=8", b"", {}),
    "escapes in JSON": ("POST", "/flows", b'[{"src_app":"\\u00e9\\n"}]', JSON),
    "a lone surrogate": ("POST", "/flows", b'[{"src_app":"\\ud800"}]', JSON),
    "a bad record": ("POST", "/flows", to_json([make_flow(), make_flow(hour="1", bytes_tx=-1)]), JSON),
    "no JSON": ("POST", "/flows", b"{", JSON),
    "bad UTF-8": ("POST", "/flows", b'[{"src_app":"\xff"}]', JSON),
    "another type": ("POST", "/flows", b"<a/>", {"Content-Type": "text/xml"}),
    "another charset": ("POST", "/flows", b"[]", {"Content-Type": "application/json; charset=latin1"}),
    "gzip": ("POST", "/flows", gzip.compress(to_json(SAMPLE), mtime=0), {**JSON, "Content-Encoding": "gzip"}),
    "broken gzip": ("POST", "/flows", b"\x1f\x8b\x08", {**JSON, "Content-Encoding": "gzip"}),
    "an unknown encoding": ("POST", "/flows", b"[]", {**JSON, "Content-Encoding": "br"}),
    "lines": ("POST", "/flows", b'{"hour":"1"}\n', {"Content-Type": "application/x-ndjson"}),
    "a table": ("POST", "/flows", b"a,b\n1,2\n", {"Content-Type": "text/csv"}),
    "too many": ("POST", "/flows", to_json([make_flow()] * 11), JSON),
    "no query": ("GET", "/flows", b"", {}),
    "a repeated parameter": ("GET", "/flows?hour=1&page=1&page=2", b"", {}),
    "two hours": ("GET", "/flows?hour=1&hour=2&include=records", b"", {}),
    "two filters of a kind": ("GET", "/flows?from=0&app=!fo*&app=%3Dbaz&group_by=src_app,hour", b"", {}),
    "the first and the rest": ("GET", "/flows?from=0&top=1&direction=both", b"", {}),
    "a cursor": ("GET", "/flows?from=1970-01-01T01%3A00Z&cursor=&size=1", b"", {}),
    "what is known already": ("GET", "/flows?from=0", b"", {"If-None-Match": "*"}),
    "hours": ("GET", "/hours?from=1", b"", {}),
    "rows as lines": ("GET", "/flows?from=0", b"", {"Accept": "application/x-ndjson"}),
    "a table, packed": ("GET", "/flows?from=0&format=csv", b"", {"Accept-Encoding": "gzip, identity;q=0"}),
    "a page, packed": ("GET", "/flows?hour=1", b"", {"Accept-Encoding": "gzip, identity;q=0"}),
    "a page of a table": ("GET", "/flows?from=0&format=csv&size=1", b"", {}),
    "no such format": ("GET", "/flows?from=0&format=xml", b"", {}),
    "nothing acceptable": ("GET", "/flows?hour=1", b"", {"Accept": "text/html"}),
    "apps": ("GET", "/apps?prefix=b&sort=-bytes_total", b"", {}),
    "VPCs": ("GET", "/vpcs?hour=1", b"", {}),
    "a graph": ("GET", "/graph?hour=1", b"", {}),
    "an unknown parameter": ("GET", "/flows?hour=1&a+b=%C3%A9%26&x", b"", {}),
    "an empty value": ("GET", "/flows?hour=&page=1", b"", {}),
    "an escaped value": ("GET", "/flows?hour=%31", b"", {}),
    "a plus": ("GET", "/flows?hour=+1", b"", {}),
    "a size past the largest": ("GET", "/flows?hour=1&size=1001", b"", {}),
    # The message names what there is, and only the local server has pages.
    "no such path": ("GET", "/Flows?hour=1", b"", {}),
    "no such method": ("PATCH", "/flows", b"[]", JSON),
    "a head": ("HEAD", "/flows?hour=1", b"", {}),
    "a delete": ("DELETE", "/", b"", {}),
}


def test_each_request_has_the_same_status_headers_and_body_through_every_edge(sum_store: FlowStore) -> None:
    settings = Settings(max_batch_flows=10)
    edges = {name: make(sum_store, settings) for name, make in EDGES.items()}

    for title, (method, target, body, headers) in REQUESTS.items():
        named = {**headers, "X-Request-Id": "edges-1"}
        answers = {name: ask(method, target, body, named) for name, ask in edges.items()}
        # A HEAD's length is that of the answer it has not: only the local edge knows it.
        told = {
            name: (
                answer.status,
                {k: v for k, v in answer.headers.items() if method != "HEAD" or k != "content-length"},
            )
            for name, answer in answers.items()
        }

        assert all(each == told["local"] for each in told.values()), title
        assert len({answer.body for answer in answers.values()}) == 1, title


class Broken:
    """A store that fails as told."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def add(self, sums: Any, deliveries: Any = ()) -> None:
        raise self.error

    def read(self, hour: int, offset: int, limit: int) -> HourPage:
        raise self.error

    def ask(self, question: Question) -> Found:
        raise self.error

    def stream(self, question: Question) -> Iterator[list[Row]]:
        raise self.error

    def hours(self, hours: Hours, offset: int, limit: int) -> tuple[int, list[HourTotal]]:
        raise self.error

    def span(self) -> Hours | None:
        raise self.error

    def version(self, hours: Hours) -> str:
        raise self.error

    def find(self, scope: str, key: str) -> Delivery | None:
        raise self.error

    def answers(self, seconds: float) -> bool:
        return False

    def size(self) -> StoreSize:
        raise self.error

    def close(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"),
    [(RuntimeError("secret"), 500), (StoreUnavailable("secret"), 503), (TookTooLong("secret"), 503)],
)
def test_a_fault_of_the_store_is_told_without_its_words(
    edge: str, settings: Settings, error: Exception, status: int
) -> None:
    ask = EDGES[edge](Broken(error), settings)

    for answer in (
        ask("POST", "/flows", to_json(SAMPLE), JSON),
        ask("GET", "/flows?hour=1"),
        ask("GET", "/graph?hour=1"),
    ):
        assert_is_error(answer, status)
        assert answer.json["request_id"] == answer.headers["x-request-id"]
        assert b"secret" not in answer.body
        assert ("retry-after" in answer.headers) == (status == 503)


def test_every_request_has_its_line_in_the_access_log(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="access"):
        ask("POST", "/flows", to_json(SAMPLE), JSON)
        ask("GET", "/v1/flows?hour=2")
        ask("FOO", "/nowhere")

    lines = [re.sub(r"[0-9.]+ms", "0ms", record.getMessage()) for record in caplog.records]
    assert lines == [
        "POST /flows 201 0ms 5 records",
        "GET /v1/flows 200 0ms 2 records",
        "FOO /nowhere 404 0ms 0 records",
    ]


def test_a_path_cannot_forge_a_line_of_the_log(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="access"):
        ask("GET", "/a%0A2026-01-01%20INFO%20forged%1B[31m")

    assert [record.getMessage().count("\n") for record in caplog.records] == [0]
    assert "\x1b" not in caplog.text


def test_a_path_without_a_slash_is_not_found(sum_store: FlowStore, settings: Settings) -> None:
    app = TestApp(create_app(sum_store, settings), lint=False)

    response = app.request("/", method="OPTIONS", environ={"PATH_INFO": "*"}, expect_errors=True)

    assert response.status_int == 404
    assert response.json["status_code"] == 404


def _told(answer: Answer, uncounted: bool) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "content-length" or not uncounted}


READ = [
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/hours",
    "/apps",
    "/vpcs?page=1",
    "/graph?hour=2",
    "/graph",
    "/apps?x=1",
]
PACKED = {"Accept-Encoding": "gzip, identity;q=0.1"}


@pytest.mark.parametrize(
    "headers", [{}, PACKED, {"Accept": "text/csv"}, {"Accept": "text/none"}, {"If-None-Match": "*"}]
)
def test_a_head_is_answered_as_a_get_without_its_body(
    edge: str, ask: Ask, sum_store: FlowStore, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    sum_store.add([make_sum(hour=2)])

    caplog.set_level(logging.INFO, logger="access")
    for target in READ:
        named = {**headers, "X-Request-Id": "head-1"}
        got, head = ask("GET", target, b"", named), ask("HEAD", target, b"", named)

        assert (head.status, head.body) == (got.status, b"")
        # Of a function's answer the gateway counts the body; what is streamed has no length.
        uncounted = edge != "local" or "content-length" not in head.headers
        assert _told(head, uncounted) == _told(got, uncounted), target
    assert "HEAD /hours 200" in caplog.text or headers


def test_a_page_and_its_files_have_a_head(sum_store: FlowStore, settings: Settings) -> None:
    ask = local_edge(sum_store, settings)

    for path in ("/dashboard", "/docs", "/dashboard/main.js", "/metrics"):
        got, head = ask("GET", path), ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        assert int(head.headers["content-length"]) > 0
        assert head.headers.get("etag") == got.headers.get("etag")
        assert ask("PUT", path).headers["allow"] == "GET, HEAD"
    known = {"If-None-Match": ask("HEAD", "/dashboard").headers["etag"]}
    assert (ask("HEAD", "/dashboard", b"", known).status, ask("HEAD", "/").status) == (304, 405)


def test_a_head_has_no_stream_made_and_lets_go_of_the_store(settings: Settings) -> None:
    class Watched(Broken):
        closed = 0

        def version(self, hours: Hours) -> str:
            return "1"

        def stream(self, question: Question) -> Iterator[list[Row]]:
            try:
                yield [("a", 1, 1, 1)]
                raise AssertionError("made further than its beginning")
            finally:
                self.closed += 1

    store = Watched(RuntimeError())
    head = local_edge(store, settings)("HEAD", "/apps?format=ndjson")

    assert (head.status, head.body, store.closed) == (200, b"", 1)
    assert head.headers["content-type"] == "application/x-ndjson"
    assert "content-length" not in head.headers


def test_every_answer_keeps_browsers_from_showing_it_to_other_sites(ask: Ask) -> None:
    for method, target in (("GET", "/"), ("GET", "/flows?hour=1"), ("POST", "/flows"), ("GET", "/x"), ("HEAD", "/x")):
        headers = ask(method, target).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["content-security-policy"] == "frame-ancestors 'none'"
        assert headers["x-frame-options"] == "DENY"


def test_a_fault_of_the_local_edge_itself_has_the_shape_of_every_error(
    sum_store: FlowStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    ask = local_edge(sum_store, settings)
    ask("GET", "/", b"", {"X-Request-Id": "another-clients"})
    monkeypatch.setattr(local.app, "_request", broken)
    answer = ask("GET", "/", b"", {"X-Request-Id": "mine"})

    assert_is_error(answer, 500)
    assert answer.json["request_id"] == answer.headers["x-request-id"] == "mine"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"secret" not in answer.body
