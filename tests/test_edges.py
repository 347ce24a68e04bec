"""The edge: what it carries to the handlers and back, through WebTest."""

import logging
import re
from typing import Any

import pytest
from webtest import TestApp, TestResponse

import local.app
from handlers.record import FlowStore, HourPage, StoreUnavailable
from handlers.routes import ROUTES
from handlers.settings import Settings
from local.app import create_app
from tests.factories import SAMPLE, SAMPLE_HOUR_2, make_flow

PATHS = sorted({route.path for route in ROUTES})
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "FOO", "WEBSOCKET"]


@pytest.fixture
def app(store: FlowStore, settings: Settings) -> TestApp:
    return TestApp(create_app(store, settings))


def ask(app: TestApp, method: str, path: str, **environ: str) -> TestResponse:
    # WebTest's lint knows no method FOO.
    return TestApp(app.app, lint=False).request(path, method=method, environ=environ, expect_errors=True)


def assert_is_error(response: TestResponse, status: int) -> None:
    assert response.status_int == status
    assert response.content_type == "application/json"
    assert response.json["status_code"] == status
    assert response.json["error_message"]


def test_the_sample_comes_out_to_the_byte(app: TestApp) -> None:
    posted = app.post_json("/flows", SAMPLE)
    read = app.get("/flows?hour=2")

    assert (posted.status_int, posted.body) == (201, b'{"accepted":5,"flows":4}')
    assert (read.status_int, read.content_type, read.body) == (200, "application/json", SAMPLE_HOUR_2)


def test_v1_is_the_same_resource(app: TestApp) -> None:
    app.post_json("/v1/flows", SAMPLE)

    assert app.get("/v1/flows?hour=2").body == app.get("/flows?hour=2").body == SAMPLE_HOUR_2


def test_the_root_answers(app: TestApp) -> None:
    assert app.get("/").json == {"message": "Flow Aggregation Service, version 1"}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
def test_a_route_answers_its_methods_and_names_them_to_any_other(app: TestApp, path: str, method: str) -> None:
    allowed = [route.method for route in ROUTES if route.path == path]

    response = ask(app, method, path)

    if method in allowed:
        assert response.status_int in (200, 201, 422)
    elif method == "HEAD":
        assert (response.status_int, response.body) == (405, b"")
    else:
        assert_is_error(response, 405)
    if method not in allowed:
        assert response.headers["Allow"] == ", ".join(allowed)


@pytest.mark.parametrize(
    "path", ["/flow", "/flows/", "/FLOWS", "/v1", "/v1/", "/v2/flows", "/%66lows/x", "/a%00b", "/%C3%A9"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "FOO"])
def test_any_other_path_is_not_found(app: TestApp, path: str, method: str) -> None:
    assert_is_error(ask(app, method, path), 404)


def test_a_path_without_a_slash_is_not_found(app: TestApp) -> None:
    assert_is_error(ask(app, "OPTIONS", "/", PATH_INFO="*"), 404)


def test_a_path_is_known_however_it_is_escaped(app: TestApp) -> None:
    assert ask(app, "GET", "/%66lows?hour=1").status_int == 200


def test_a_body_without_a_content_type_counts_as_json(app: TestApp) -> None:
    response = app.request("/flows", method="POST", body=b"[]", environ={"CONTENT_TYPE": ""})

    assert response.status_int == 201


def test_headers_reach_the_handler(app: TestApp) -> None:
    response = app.post("/flows", b"[]", headers={"Content-Type": "text/csv"}, expect_errors=True)
    encoded = app.post_json("/flows", [], headers={"Content-Encoding": "gzip"}, expect_errors=True)

    assert_is_error(response, 415)
    assert_is_error(encoded, 415)
    assert encoded.headers["Accept-Encoding"] == "identity"


def test_a_post_without_a_body_is_invalid(app: TestApp) -> None:
    assert_is_error(ask(app, "POST", "/flows"), 422)


def test_a_body_past_its_limit_is_refused(store: FlowStore) -> None:
    app = TestApp(create_app(store, Settings(max_body_bytes=1_000)))

    response = app.post_json("/flows", [make_flow()] * 20, expect_errors=True)

    assert_is_error(response, 413)
    assert store.read(1, 0, 1).total == 0


class Broken:
    """A store that fails as told."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def add(self, sums: Any) -> None:
        raise self.error

    def read(self, hour: int, offset: int, limit: int) -> HourPage:
        raise self.error

    def close(self) -> None:
        raise self.error


@pytest.mark.parametrize(("error", "status"), [(RuntimeError("secret"), 500), (StoreUnavailable("secret"), 503)])
def test_a_fault_of_the_store_is_told_without_its_words(settings: Settings, error: Exception, status: int) -> None:
    app = TestApp(create_app(Broken(error), settings))

    for response in (app.post_json("/flows", SAMPLE, expect_errors=True), ask(app, "GET", "/flows?hour=1")):
        assert_is_error(response, status)
        assert len(response.json["request_id"]) == 32
        assert b"secret" not in response.body
        assert ("Retry-After" in response.headers) == (status == 503)


def test_a_fault_of_the_edge_itself_has_the_shape_of_every_error(app: TestApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(local.app, "log_access", broken)
    response = ask(app, "GET", "/")

    assert_is_error(response, 500)
    assert response.json["request_id"]
    assert b"secret" not in response.body


def test_every_request_has_its_line_in_the_access_log(app: TestApp, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="access"):
        app.post_json("/flows", SAMPLE)
        app.get("/v1/flows?hour=2")
        ask(app, "FOO", "/nowhere")

    lines = [re.sub(r"[0-9.]+ms", "0ms", record.getMessage()) for record in caplog.records]
    assert lines == [
        "POST /flows 201 0ms 5 records",
        "GET /v1/flows 200 0ms 2 records",
        "FOO /nowhere 404 0ms 0 records",
    ]


def test_a_path_cannot_forge_a_line_of_the_log(app: TestApp, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="access"):
        ask(app, "GET", "/a%0A2026-01-01%20INFO%20forged%1B[31m")

    assert [record.getMessage().count("\n") for record in caplog.records] == [0]
    assert "\x1b" not in caplog.text
