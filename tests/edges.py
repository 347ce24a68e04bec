"""Every edge, asked in the same words: the local one by WSGI, the Lambda one by each kind of event."""

import base64
import copy
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

import pytest
from webtest import TestApp, TestRequest, TestResponse

import handlers.aws
from handlers.access import ANYBODY, Access
from handlers.record import FlowStore
from handlers.settings import Settings
from local.app import create_app
from tests.factories import from_json
from tests.process import ROOT
from tests.template import routes

EVENTS = ROOT / "tests" / "events"


class Answer(NamedTuple):
    """An answer as a client has it; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return from_json(self.body)


Ask = Callable[..., Answer]
"""Called with method, target (as in a request line), body and headers."""


def event(name: str) -> dict[str, Any]:
    """Read a golden event."""
    read: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return read


class _AsItIs(TestResponse):  # type: ignore[misc]
    """An answer that WebTest leaves packed."""

    def decode_content(self) -> None:
        """Do nothing."""


class _Request(TestRequest):  # type: ignore[misc]
    ResponseClass = _AsItIs


class _App(TestApp):  # type: ignore[misc]
    RequestClass = _Request


def local_edge(store: FlowStore, settings: Settings, access: Access = ANYBODY) -> Ask:
    """Ask the WSGI application. WebTest's lint knows no method FOO, and so is asked for the known ones only."""
    app = create_app(store, settings, access)

    def ask(method: str, target: str, body: bytes = b"", headers: Mapping[str, str] = {}) -> Answer:
        known = method in ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
        content_type = headers.get("Content-Type", "")
        response = _App(app, lint=known).request(
            target,
            method=method,
            body=body,
            headers={name: value for name, value in headers.items() if name != "Content-Type"},
            # WebTest makes one up where there is none.
            environ={"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))},
            expect_errors=True,
        )
        told = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_int, told, response.body)

    return ask


def _http_api(method: str, target: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """An HTTP API hands over the path decoded, header names in lower case, and text as it is."""
    made = _payload_2(event("http_api_get"), method, target, body, headers)
    made["rawPath"] = made["requestContext"]["http"]["path"] = unquote(made["rawPath"])
    return made


def _function_url(method: str, target: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """A function URL hands over the path as it is."""
    return _payload_2(event("function_url_get"), method, target, body, headers)


def _payload_2(
    made: dict[str, Any], method: str, target: str, body: bytes, headers: Mapping[str, str]
) -> dict[str, Any]:
    made["rawPath"], _, made["rawQueryString"] = target.partition("?")
    made["requestContext"]["http"] |= {"method": method, "path": made["rawPath"]}
    # Nobody has signed it: what a request may do is up to the access that the edge is given.
    del made["requestContext"]["authorizer"]
    made["headers"] |= {name.lower(): value for name, value in headers.items()}
    return made | _event_body(body)


def _rest_api(method: str, target: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """A REST API takes the query apart, and keeps each value of a header."""
    made = event("rest_api_get")
    path, _, query = target.partition("?")
    values = parse_qs(query, keep_blank_values=True)
    made["requestContext"]["identity"]["userArn"] = None
    made |= {"httpMethod": method, "path": path, "multiValueQueryStringParameters": values or None}
    made["multiValueHeaders"] |= {name: [value] for name, value in headers.items()}
    return made | _event_body(body)


def _event_body(body: bytes) -> dict[str, Any]:
    """Text goes as it is, anything else in base64."""
    try:
        return {"body": body.decode() or None, "isBase64Encoded": False}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def lambda_edge(
    make: Callable[..., dict[str, Any]], store: FlowStore, settings: Settings, access: Access = ANYBODY
) -> Ask:
    """Ask the function that template.yaml names for the route, by events that went through JSON, as its answers do."""

    def ask(method: str, target: str, body: bytes = b"", headers: Mapping[str, str] = {}) -> Answer:
        asked = json.loads(json.dumps(make(method, target, body, headers)))
        key = f"{method} {unquote(target.partition('?')[0])}"
        name = routes().get(key, routes()["$default"]).rpartition(".")[2]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(handlers.aws, "_service", lambda: (store, settings, access))
            answered = json.loads(json.dumps(getattr(handlers.aws, name)(copy.deepcopy(asked), None)))
        assert set(answered) == {"statusCode", "headers", "body", "isBase64Encoded"}
        told = {name.lower(): value for name, value in answered["headers"].items()}
        content = answered["body"].encode()
        if answered["isBase64Encoded"]:
            content = base64.b64decode(content, validate=True)
        # The gateway counts the body, where there may be one.
        if answered["statusCode"] != 304:
            told["content-length"] = str(len(content))
        return Answer(answered["statusCode"], told, content)

    return ask


EDGES: dict[str, Callable[..., Ask]] = {
    "local": local_edge,
    "HTTP API": partial(lambda_edge, _http_api),
    "function URL": partial(lambda_edge, _function_url),
    "REST API": partial(lambda_edge, _rest_api),
}
