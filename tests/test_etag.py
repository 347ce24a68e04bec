"""Validators, and answers that the caller has already."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.accept import Shape
from handlers.etag import etag_of, is_known
from handlers.table import answer_unless_known
from handlers.web import Request, Response

SHAPES = [Shape(), Shape(gzip=True), Shape("csv"), Shape("csv", gzip=True), Shape("ndjson"), Shape("parquet")]


def never() -> Response:
    raise AssertionError("the sums are not to be read")


def answered(
    version: Callable[[], str], headers: dict[str, str], make: Callable[[], Response], caller: str = ""
) -> Response:
    request = Request("GET", "/flows", headers=headers, caller=caller)
    return answer_unless_known(request, Shape(), ("asked",), version, make)


def etag(response: Response) -> str:
    return dict(response.headers)["ETag"]


def test_a_validator_is_another_with_whatever_makes_another_answer() -> None:
    made = [etag_of(version, asked, shape) for version in ("1", "2") for asked in ("a", "b") for shape in SHAPES]

    assert len(set(made)) == len(made)
    assert made == [etag_of(v, a, shape) for v in ("1", "2") for a in ("a", "b") for shape in SHAPES]
    assert all(each.startswith('W/"') for each in made)


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("*", True),
        (" * ", True),
        ('"x"', True),
        ('W/"x"', True),
        ('"a", W/"b,c" ,"x"', True),
        ('"x,", W/"y"', False),
        ('"a,"x"', False),
        ("x", False),
        ('"X"', False),
        ("", False),
        ('"', False),
        ('W/"x', False),
    ],
)
def test_a_validator_is_found_in_a_list_or_by_a_star(header: str, known: bool) -> None:
    assert is_known('W/"x"', header) is known


@given(st.text(st.characters(max_codepoint=255)))
def test_no_header_whatever_is_a_fault(header: str) -> None:
    assert is_known('W/"x"', header) in (True, False)


def test_who_has_the_answer_already_is_told_so_without_reading_it() -> None:
    first = answered(lambda: "1", {}, lambda: Response(200, b"{}", (("Link", "<x>"),)))

    again = answered(lambda: "1", {"if-none-match": f'"other", {etag(first)}'}, never)

    assert (first.status, first.body) == (200, b"{}")
    assert dict(first.headers)["Link"] == "<x>"
    assert (again.status, again.body) == (304, b"")
    assert dict(again.headers) == {
        "ETag": etag(first),
        "Vary": "Accept, Accept-Encoding",
        "Cache-Control": "no-cache",
    }


def test_after_a_write_the_answer_is_given_anew() -> None:
    first = answered(lambda: "1", {}, lambda: Response(200, b"old"))

    again = answered(lambda: "2", {"if-none-match": etag(first)}, lambda: Response(200, b"new"))

    assert (again.status, again.body) == (200, b"new")
    assert etag(again) != etag(first)


def test_the_version_is_asked_before_the_sums() -> None:
    asked = []

    def version() -> str:
        asked.append("version")
        return "1"

    def make() -> Response:
        asked.append("sums")
        return Response(200, b"")

    answered(version, {}, make)

    assert asked == ["version", "sums"]


def test_what_is_given_for_a_token_is_for_its_holder_alone() -> None:
    given_for = answered(lambda: "1", {}, lambda: Response(200, b""), caller="web-1")

    assert dict(given_for.headers)["Cache-Control"] == "private, no-cache"
