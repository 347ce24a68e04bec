"""Accept and Accept-Encoding: which format and coding they choose, and what cannot be accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handlers.formats.parquet
from handlers.accept import FORMATS, MEDIA, Format, Shape, shape_of
from handlers.header_limits import LONGEST
from handlers.web import Request, RequestError, Response, respond
from tests.edges import Ask


def shape(**headers: str) -> Shape:
    return shape_of(Request("GET", "/flows", headers={name.replace("_", "-"): text for name, text in headers.items()}))


def status(**headers: str) -> int:
    def handle() -> Response:
        shape(**headers)
        return Response(200, b"")

    return respond(handle).status


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("*", "json"),
        ("application/json", "json"),
        ("APPLICATION/JSON", "json"),
        ("application/*", "json"),
        ("text/*", "csv"),
        ("text/csv", "csv"),
        ("text/csv;charset=UTF-8", "csv"),
        ('text/csv; charset="utf-8"; header=present', "csv"),
        ("application/x-ndjson", "ndjson"),
        ("application/vnd.apache.parquet", "parquet"),
        # The most specific range says how welcome a format is, wherever it stands.
        ("*/*, text/csv;q=0.5", "json"),
        ("*/*;q=0.1, text/csv;q=0.5", "csv"),
        ("application/json;q=0, */*", "ndjson"),
        ("text/*;q=0.9, text/csv;q=0.1, application/x-ndjson;q=0.5", "ndjson"),
        ("text/csv;header=absent, application/json;q=0.1", "json"),
        ("text/csv;q=0, text/csv;header=present;q=0.9, application/json;q=0.5", "csv"),
        # Between equals, the server's order.
        ("text/csv, application/x-ndjson", "ndjson"),
        ("application/vnd.apache.parquet, text/csv", "csv"),
        ("text/csv;q=0.300, application/x-ndjson;q=.2, application/json;q=0.", "csv"),
        # As browsers and old Java send it.
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "json"),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "json"),
        # What is quoted may look like anything.
        ('text/html;a="b, text/csv;q=1", application/json;q=0.1', "json"),
        ('text/html;a="\\", text/csv", application/x-ndjson', "ndjson"),
        # What is none is left out, and where nothing is left nothing is said.
        ("text/csv;q=2, application/x-ndjson;q=0.1", "ndjson"),
        (",, ,", "json"),
        ("text/csv;q=x", "json"),
        ("text/csv;q=", "json"),
    ],
)
def test_the_format_that_is_most_welcome_is_given(accept: str, chosen: str) -> None:
    assert shape(accept=accept).format == chosen


@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/json;q=0", "*/*;q=0", "text/csv;header=absent", "application/json;v=2", "image/*"],
)
def test_where_nothing_would_be_accepted_the_answer_says_what_there_is(accept: str) -> None:
    with pytest.raises(RequestError) as caught:
        shape(accept=accept)

    assert caught.value.status == 406
    assert all(media.partition(";")[0] in caught.value.message for media in MEDIA.values())
    assert ("Vary", "Accept, Accept-Encoding") in caught.value.headers


@pytest.mark.parametrize("named", FORMATS)
def test_a_format_that_is_named_wins_over_any_header(named: Format) -> None:
    asked = Request("GET", "/flows", headers={"accept": "text/html"})

    assert shape_of(asked, named).format == named


@pytest.mark.parametrize(
    ("accepted", "gzip", "plain"),
    [
        ("", False, True),
        ("identity", False, True),
        ("br, deflate", False, True),
        ("gzip", True, True),
        ("GZIP", True, True),
        ("x-gzip", True, True),
        ("gzip, deflate, br, zstd", True, True),
        ("gzip;q=0.001", True, True),
        ("gzip;q=0", False, True),
        ("gzip;q=0.5, identity", False, True),
        ("gzip;q=0.5, identity;q=0.5", True, True),
        ("*", True, True),
        ("*;q=0.5, gzip;q=0.1", False, True),
        ("*;q=0, gzip", True, False),
        ("identity;q=0, gzip", True, False),
        ("identity;q=0, *", True, False),
        ("*;q=0, identity", False, True),
    ],
)
def test_gzip_is_used_where_it_is_at_least_as_welcome_as_none(accepted: str, gzip: bool, plain: bool) -> None:
    assert shape(accept_encoding=accepted) == Shape("json", gzip, plain)


@pytest.mark.parametrize("accepted", ["*;q=0", "identity;q=0", "identity;q=0, br", "gzip;q=0, identity;q=0"])
def test_where_no_coding_would_be_accepted_the_answer_is_406(accepted: str) -> None:
    assert status(accept_encoding=accepted) == 406


def test_without_its_library_parquet_is_refused_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers.formats.parquet, "find_spec", lambda _: None)

    for asked in (Request("GET", "/", headers={"accept": MEDIA["parquet"]}), Request("GET", "/")):
        with pytest.raises(RequestError, match="make install_parquet") as caught:
            shape_of(asked, None if asked.headers else "parquet")
        assert caught.value.status == 406


def test_without_its_library_what_else_is_accepted_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers.formats.parquet, "find_spec", lambda _: None)

    assert shape(accept="application/vnd.apache.parquet, text/csv;q=0.1").format == "csv"
    assert shape(accept="application/vnd.apache.parquet, */*;q=0.1").format == "json"


pieces = st.sampled_from(
    [*MEDIA.values(), "*/*", "text/*", ";", "q=", "0.5", "1", ",", '"', "\\", " ", "=", "gzip", "identity"]
)


@given(st.lists(pieces).map("".join) | st.text(st.characters(max_codepoint=255)), st.lists(pieces).map("".join))
def test_no_header_whatever_is_a_fault_of_the_server(accept: str, coding: str) -> None:
    assert status(accept=accept, accept_encoding=coding) in (200, 406)


@pytest.mark.parametrize(
    "name", ["Accept", "Accept-Encoding", "Content-Type", "If-None-Match", "Prefer", "X-Forwarded-For"]
)
@pytest.mark.parametrize("piece", ['"', '\\"', ",", ";", "a;", '";', "*/*,", "text/csv;q=0.1,"])
def test_a_header_that_is_taken_apart_has_a_longest(ask: Ask, name: str, piece: str) -> None:
    def status(length: int) -> int:
        return ask("GET", "/flows?hour=1", b"", {name: (piece * length)[:length]}).status

    assert status(LONGEST) in (200, 406)
    assert status(LONGEST + 1) == status(250_000) == 431
