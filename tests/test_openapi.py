"""/openapi.json: it is OpenAPI, it says what the code does, and the answers are as it says."""

import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from handlers import formats
from handlers.access import Access, Token
from handlers.compression import _UNPACKERS, ENCODINGS
from handlers.idempotency import read_key
from handlers.openapi.document import describe
from handlers.openapi.operations import OPERATIONS
from handlers.openapi.refusals import REFUSALS
from handlers.parameters import flow_parameters, name_parameters
from handlers.query import Misread, Parameter
from handlers.rate_limit import RateLimit
from handlers.record import MAX_INTEGER, FlowRecord, FlowStore, StoreUnavailable
from handlers.routes import ROUTES
from handlers.settings import Settings
from handlers.version import VERSION
from handlers.web import GUARDS, Request, RequestError
from tests.edges import EDGES, Answer, Ask, local_edge
from tests.factories import SAMPLE, from_json, make_flow, to_json
from tests.process import ROOT, running

DIGEST = b"\x98\xea\x6e\x4f" * 8
WITH_TOKENS = Settings(api_tokens=f"web:read:{DIGEST.hex()}", rate_limit=1)


def described(settings: Settings) -> Any:
    """Make the document as a client has it."""
    return from_json(to_json(describe(ROUTES, settings)))


@pytest.fixture
def engine() -> str:
    """One engine: what is looked at here does not reach it."""
    return "sqlite"


DOCUMENT = described(Settings())
PATHS = DOCUMENT["paths"]


def validator(schema: Any, whole: Any = DOCUMENT) -> Draft202012Validator:
    """Make the check of a schema whose references are into a document."""
    return Draft202012Validator({**schema, "components": whole["components"]})


def closed(schema: Any) -> Any:
    """Let nothing into a schema's objects that it does not name."""
    if isinstance(schema, dict):
        made = {name: closed(each) for name, each in schema.items()}
        return {**made, "additionalProperties": False} if "properties" in made else made
    return [closed(each) for each in schema] if isinstance(schema, list) else schema


def test_it_is_openapi_3_1() -> None:
    for settings in (Settings(), WITH_TOKENS):
        OpenAPIV31SpecValidator(described(settings)).validate()

    assert DOCUMENT["openapi"].startswith("3.1.")
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()


def test_every_edge_has_it(ask: Ask) -> None:
    answer = ask("GET", "/openapi.json")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == DOCUMENT


def test_its_paths_and_methods_are_the_route_table() -> None:
    told = {(path, method.upper()) for path, methods in PATHS.items() for method in methods}

    assert told == {(route.path, route.method) for route in ROUTES}
    assert {f"{method} {path}" for path, method in told if not path.startswith("/v1/")} == set(OPERATIONS)


def test_a_route_without_words_is_missed() -> None:
    with pytest.raises(KeyError, match="GET /new"):
        describe([ROUTES[0]._replace(path="/new")], Settings())


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for methods in PATHS.values() for operation in methods.values()]

    assert len(set(names)) == len(names) == len(ROUTES)


def test_the_roles_are_told_where_there_are_tokens() -> None:
    paths = described(WITH_TOKENS)["paths"]

    for route in ROUTES:
        asked = paths[route.path][route.method.lower()]
        assert asked["security"] == ([{"bearer": [route.role]}] if route.role else [])
        assert ("401" in asked["responses"], "429" in asked["responses"]) == (bool(route.role), bool(route.role))
    assert "security" not in PATHS["/flows"]["get"]
    assert "securitySchemes" not in DOCUMENT["components"]


def test_the_limits_are_those_of_the_settings() -> None:
    told = described(Settings(max_batch_flows=7, default_page_size=3, max_page_size=5))["paths"]["/flows"]

    (size,) = (each for each in told["get"]["parameters"] if each["name"] == "size")
    assert size["schema"] == {"type": "integer", "minimum": 1, "maximum": 5, "default": 3}
    assert told["post"]["requestBody"]["content"]["application/json"]["schema"]["maxItems"] == 7


def test_the_parameters_are_those_that_are_read() -> None:
    told = [each["name"] for each in PATHS["/flows"]["get"]["parameters"] if each["in"] == "query"]

    assert told == [parameter.name for parameter in flow_parameters(Settings())]


PARAMETERS = {each.name: each for each in (*flow_parameters(Settings()), *name_parameters(Settings()))}
TIMES = st.datetimes(min_value=datetime(1971, 1, 1)).map(lambda time: time.isoformat())
WORDS = st.text(st.sampled_from("ab!=*,-\0é😀"), max_size=5)
SEVERAL = st.lists(st.sampled_from(["hour", "vpc_id", "-src_app", "bytes_total", "app", "total", ""]), max_size=4)
NEAR = {
    "hour": TIMES
    | st.integers(-1, 2**64).map(str)
    | st.from_regex(r"\A(19[67]|20[0-9])[0-9]-[01][0-9]-[0-3][0-9](T[012][0-9](:[0-6][0-9])?)?Z?\Z"),
    "src_app": WORDS | st.sampled_from(["x" * 255, "x" * 256, "=" + "x" * 255, "!" + "x" * 255 + "*", "x" * 256 + "*"]),
    "prefix": WORDS | st.sampled_from(["x" * 255, "x" * 256]),
    "group_by": SEVERAL.map(",".join),
    "sort": SEVERAL.map(",".join),
    "include": st.sampled_from(["records", "record", ""]),
    "direction": st.sampled_from(["both", "Both", ""]),
    "page": st.integers(-1, 2**64).map(str),
    "size": st.integers(-1, 1_001).map(str),
    "top": st.integers(-1, 1_001).map(str),
}


def is_read(parameter: Parameter, value: str) -> bool:
    try:
        parameter.read(value)
    except Misread:
        return False
    return True


@pytest.mark.parametrize("name", NEAR)
@given(data=st.data())
def test_a_value_is_read_if_and_only_if_its_schema_says_so(name: str, data: st.DataObject) -> None:
    value = data.draw(NEAR[name])
    # That no member is sorted by twice is the one thing that a pattern cannot say.
    members = [each.removeprefix("-") for each in value.split(",")]
    assume(name != "sort" or len(set(members)) == len(members))
    parameter = PARAMETERS[name]
    numbers = value.isascii() and value.isdigit() and len(value) <= 19

    # A query has no types: digits are a number where one may be.
    told = [value, int(value)] if numbers else [value]
    assert any(map(Draft202012Validator(parameter.schema).is_valid, told)) == is_read(parameter, value)


def test_the_bodies_are_those_that_are_read() -> None:
    post = PATHS["/flows"]["post"]
    (encoding,) = (each for each in post["parameters"] if each["name"] == "Content-Encoding")

    assert set(post["requestBody"]["content"]) == set(formats._DECODERS) - {""}
    assert set(encoding["schema"]["enum"]) == {*_UNPACKERS, "", "identity"} == set(ENCODINGS)


def test_a_change_of_a_type_changes_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = msgspec.defstruct("FlowRecord", [("colour", str)], bases=(FlowRecord,), kw_only=True)
    monkeypatch.setattr("handlers.openapi.document.FlowRecord", changed)

    assert "colour" in described(Settings())["components"]["schemas"]["FlowRecord"]["required"]
    assert "colour" not in DOCUMENT["components"]["schemas"]["FlowRecord"]["required"]


VALUES = st.one_of(st.text(max_size=3), st.integers(-1, 2**64), st.none(), st.booleans(), st.just("x" * 256))
FLOWS = st.dictionaries(st.sampled_from([*FlowRecord.__struct_fields__, "other"]), VALUES)


@examples(suppress_health_check=[HealthCheck.too_slow])
@given(changes=FLOWS, missing=st.sets(st.sampled_from(FlowRecord.__struct_fields__), max_size=1))
def test_a_flow_is_taken_if_and_only_if_its_schema_says_so(changes: dict[str, Any], missing: set[str]) -> None:
    from handlers.codec import decode

    flow = {name: value for name, value in make_flow(**changes).items() if name not in missing}
    try:
        taken = len(list(decode(to_json([flow]), 1).records))
    except RequestError:
        taken = 0

    assert validator({"$ref": "#/components/schemas/FlowRecord"}).is_valid(flow) == bool(taken)


KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=127), max_size=5) | st.from_regex(
    r'"([a" \\]{1,4})"( *;a?)?', fullmatch=True
)


@given(KEYS | st.sampled_from(["x" * 255, "x" * 256, f'"{"x" * 255}"', f'"{"x" * 256}"', '"\\""']))
def test_a_key_is_taken_if_and_only_if_its_schema_says_so(key: str) -> None:
    (header,) = (each for each in PATHS["/flows"]["post"]["parameters"] if each["name"] == "Idempotency-Key")
    try:
        taken = read_key(Request("POST", "/flows", headers={"idempotency-key": key})) is not None
    except RequestError:
        taken = False

    # White space around it is not the header's.
    assert Draft202012Validator(header["schema"]).is_valid(key.strip(" ")) == taken


def test_the_examples_are_valid_and_are_taken(ask: Ask) -> None:
    content = PATHS["/flows"]["post"]["requestBody"]["content"]

    for name, media in content.items():
        for example in media.get("examples", {}).values():
            value = example["value"]
            validator(media["schema"]).validate(value)
            body = value.encode() if isinstance(value, str) else to_json(value)
            assert ask("POST", "/flows", body, {"Content-Type": name}).status == 201


JSON = {"Content-Type": "application/json"}
LENIENT = {**JSON, "Prefer": "handling=lenient"}
ASKED: dict[str, tuple[int, str, str, bytes, dict[str, str]]] = {
    "root": (200, "GET", "/", b"", {}),
    "health": (200, "GET", "/healthz", b"", {}),
    "ready": (200, "GET", "/readyz", b"", {}),
    "document": (200, "GET", "/openapi.json", b"", {}),
    "page": (200, "GET", "/flows?hour=1", b"", {}),
    "v1": (200, "GET", "/v1/flows?hour=1", b"", {}),
    "grouped": (200, "GET", "/flows?from=0&group_by=hour&sort=-records", b"", {}),
    "total": (200, "GET", "/flows?from=0&group_by=total", b"", {}),
    "top": (200, "GET", "/flows?from=0&top=1&include=records", b"", {}),
    "walk": (200, "GET", "/flows?from=0&cursor=&size=1", b"", {}),
    "end of a walk": (200, "GET", "/flows?from=0&cursor=", b"", {}),
    "lines": (200, "GET", "/flows?from=0&format=ndjson&size=1", b"", {}),
    "table": (200, "GET", "/apps", b"", {"Accept": "text/csv"}),
    "parquet": (200, "GET", "/vpcs?format=parquet&size=1", b"", {}),
    "known": (304, "GET", "/flows?from=0", b"", {"If-None-Match": "*"}),
    "no format": (406, "GET", "/flows?from=0", b"", {"Accept": "image/png"}),
    "hours": (200, "GET", "/hours?size=1", b"", {}),
    "bad hours": (422, "GET", "/hours?to=1", b"", {}),
    "apps": (200, "GET", "/apps", b"", {}),
    "top apps": (200, "GET", "/apps?top=1", b"", {}),
    "VPCs": (200, "GET", "/vpcs?prefix=vpc", b"", {}),
    "top VPCs": (200, "GET", "/vpcs?top=1&from=0", b"", {}),
    "graph": (200, "GET", "/graph?from=0&top=1", b"", {}),
    "bad graph": (422, "GET", "/graph", b"", {}),
    "bad query": (422, "GET", "/flows?hour=x", b"", {}),
    "batch": (201, "POST", "/flows", to_json(SAMPLE), JSON),
    "batch with a key": (201, "POST", "/flows", to_json(SAMPLE), {**JSON, "Idempotency-Key": "k"}),
    "lenient": (201, "POST", "/flows", to_json([make_flow(), {}]), LENIENT),
    "lenient lines": (201, "POST", "/flows", b"1\n", {**LENIENT, "Content-Type": "application/x-ndjson"}),
    "bad batch": (422, "POST", "/flows", to_json([make_flow(hour=-1)]), JSON),
    "bad line": (422, "POST", "/flows", b"1\n", {"Content-Type": "application/x-ndjson"}),
    "too many": (406, "POST", "/flows", to_json(SAMPLE * 2), JSON),
    "too large": (409, "POST", "/flows", to_json([make_flow(bytes_tx=MAX_INTEGER)] * 2), JSON),
    "too long": (413, "POST", "/flows", b" " * 5_001, JSON),
    "unknown type": (415, "POST", "/flows", b"", {"Content-Type": "text/html"}),
    "another site": (403, "GET", "/flows?hour=1", b"", {"Origin": "http://elsewhere"}),
}


def check(answer: Answer, method: str, target: str, whole: Any = DOCUMENT) -> None:
    """Hold an answer against what a document says of its route and status: its type, its body, its headers."""
    responses = whole["paths"][target.partition("?")[0]][method.lower()]["responses"]
    assert str(answer.status) in responses, answer
    response = responses[str(answer.status)]
    if "$ref" in response:
        response = whole["components"]["responses"][response["$ref"].rpartition("/")[2]]
    if "content" in response:
        media = response["content"][answer.headers["content-type"].partition(";")[0]]
        if answer.headers["content-type"] == "application/json":
            validator(closed(media["schema"]), closed(whole)).validate(answer.json)
    else:
        assert answer.body == b""
    for name in response["headers"]:
        header = whole["components"]["headers"][name]
        assert name.lower() in answer.headers or not header.get("required"), name
    told = {name.lower() for name in response["headers"]} | {"content-type", "content-length"}
    # Every answer has these, whatever it is.
    assert answer.headers.items() >= {name.lower(): value for name, value in GUARDS}.items()
    told |= {name.lower() for name, _ in GUARDS}
    assert set(answer.headers) <= told, answer.headers


@pytest.mark.parametrize("name", ASKED)
def test_an_answer_is_as_it_says(edge: str, sum_store: FlowStore, name: str) -> None:
    status, method, target, body, headers = ASKED[name]
    settings = Settings(max_batch_flows=5, max_body_bytes=5_000)
    ask = EDGES[edge](sum_store, settings, Access(anonymous="yes"))
    ask("POST", "/flows", to_json(SAMPLE), JSON)

    for _ in range(2):
        answer = ask(method, target, body, {"Host": "localhost", **headers})
        assert answer.status == status
        check(answer, method, target)


def test_the_metrics_are_as_it_says(sum_store: FlowStore) -> None:
    check(local_edge(sum_store, Settings())("GET", "/metrics"), "GET", "/metrics")


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        ({}, "GET", 401),
        ({"Authorization": "Bearer nobody"}, "GET", 401),
        ({"Authorization": "Bearer somebody"}, "POST", 403),
        ({"Authorization": "Bearer somebody"}, "GET", 429),
    ],
)
def test_a_refused_caller_is_answered_as_it_says(
    sum_store: FlowStore, headers: dict[str, str], method: str, status: int
) -> None:
    from handlers.access import digest_of

    access = Access((Token("web", "read", digest_of("somebody")),), rate_limit=RateLimit(1, 1, lambda: 0.0))
    ask = local_edge(sum_store, WITH_TOKENS, access)
    if status == 429:
        ask("GET", "/flows?hour=1", headers=headers)

    answer = ask(method, "/flows?hour=1" if method == "GET" else "/flows", headers=headers)

    assert answer.status == status
    check(answer, method, "/flows", described(WITH_TOKENS))


class Broken:
    """A store all of whose questions fail in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*_: Any) -> Any:
            raise self._error

        return fail


@pytest.mark.parametrize(("error", "status"), [(ValueError("x"), 500), (StoreUnavailable(), 503)])
def test_a_fault_is_answered_as_it_says(edge: str, error: Exception, status: int) -> None:
    ask = EDGES[edge](Broken(error), Settings())

    for method, target in (("GET", "/flows?hour=1"), ("POST", "/flows")):
        answer = ask(method, target, b"[]" if method == "POST" else b"", JSON)
        assert answer.status == status
        check(answer, method, target)


def raw_answers(port: int) -> Iterator[tuple[int, bytes]]:
    """Ask for what the server refuses before there is a route."""
    for status, sent in (
        (400, b"GET /flows?hour=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n"),
        (431, b"GET /flows?hour=1 HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 300_000 + b"\r\n\r\n"),
        (501, b"POST /flows HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: other\r\n\r\n"),
        (505, b"GET /flows HTTP/3.0\r\nHost: localhost\r\n\r\n"),
        (408, b"POST /flows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n["),
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(sent)
            parts = []
            while part := connection.recv(65_536):
                parts.append(part)
        yield status, b"".join(parts)


def test_what_the_server_itself_refuses_is_as_it_says(tmp_path: Any) -> None:
    with running(tmp_path, REQUEST_TIMEOUT="1") as server:
        for status, answered in raw_answers(server.port):
            head, _, body = answered.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            names = {line.partition(":")[0].lower() for line in lines[1:]}
            assert int(lines[0].split()[1]) == status
            assert {"x-request-id", "content-type"} <= names
            for method in ("get", "post"):
                assert str(status) in PATHS["/flows"][method]["responses"]
            validator(closed({"$ref": "#/components/schemas/Error"}), closed(DOCUMENT)).validate(from_json(body))


def test_every_status_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    rows = [line.split("|")[1] for line in readme.splitlines() if line.startswith("| ")]

    told = {int(word) for row in rows for word in row.replace(",", " ").split() if word.isdigit()}
    assert {status for status in REFUSALS if status >= 400} <= told
