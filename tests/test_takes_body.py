"""Which bodies an edge has to keep: takes_body says so by the head, and answer refuses every request it says no to."""

from itertools import product

import pytest

from handlers.access import Access, Token, digest_of
from handlers.rate_limit import RateLimit
from handlers.routes import answer, takes_body
from handlers.settings import Settings
from handlers.web import Request
from storage import SumStore

ACCESS = {
    "tokens": Access((Token("r", "read", digest_of("reads")), Token("w", "write", digest_of("writes")))),
    "near": Access(anonymous="near"),
    "nobody": Access(anonymous="no"),
    "anybody": Access(),
}
HEADERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("authorization", ("", "Bearer reads", "Bearer writes", "Bearer unknown")),
    ("content-type", ("", "application/json", "text/csv", "text/html", "text/csv; charset=latin-1", "x" * 5_000)),
    ("content-encoding", ("", "gzip", "br")),
    ("content-length", ("100000", "100001", "")),
    ("origin", ("", "https://elsewhere.example")),
)
METHODS = ("POST", "GET", "PUT", "FOO")
PATHS = ("/flows", "/v1/flows", "/", "/nowhere")


@pytest.mark.parametrize("access", ACCESS)
def test_what_is_dropped_is_refused_as_it_would_be_whole(sum_store: SumStore, access: str) -> None:
    settings, let_in = Settings(max_body_bytes=100_000), ACCESS[access]
    kept = set()
    for method, path, *values in product(METHODS, PATHS, *(values for _, values in HEADERS)):
        headers = {name: value for (name, _), value in zip(HEADERS, values, strict=True) if value}
        head = Request(method, path, headers={"host": "localhost", **headers}, id="1")
        if takes_body(head, settings, let_in):
            kept.add((method, path))
            continue
        body = b"[]" + b" " * (int(headers.get("content-length", 2)) - 2)

        whole = answer(head._replace(body=body), sum_store, settings, let_in)
        without = answer(head._replace(dropped=True), sum_store, settings, let_in)

        assert without == whole
        assert method != "POST" or 400 <= whole.status < 500 or whole.status == 503

    assert kept == (set() if access == "nobody" else {("POST", "/flows"), ("POST", "/v1/flows")})


def test_a_dropped_body_is_never_taken_for_an_empty_one(sum_store: SumStore) -> None:
    for content_type in ("application/json", "text/csv", "application/x-ndjson"):
        head = Request("POST", "/flows", headers={"content-type": content_type}, dropped=True)

        assert answer(head, sum_store, Settings()).status == 500


def test_the_rate_is_counted_once(sum_store: SumStore) -> None:
    limited = Access(rate_limit=RateLimit(1, 1, lambda: 0.0))
    head = Request("POST", "/flows", peer="192.0.2.1")

    assert all(takes_body(head, Settings(), limited) for _ in range(3))
    assert answer(head._replace(body=b"[]"), sum_store, Settings(), limited).status == 201
    assert answer(head._replace(body=b"[]"), sum_store, Settings(), limited).status == 429
