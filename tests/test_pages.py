"""Pages of the local server: their files, and what a browser is told about them."""

import gzip
import re
from pathlib import PurePath

import pytest

from handlers.access import Access, Token
from handlers.record import FlowStore
from handlers.settings import Settings
from local.app import PAGES
from local.pages import CONTENT_TYPES, file_route, policy, read_page
from tests.edges import Ask, local_edge

PATHS = [route.path for route in PAGES]


@pytest.fixture
def ask(sum_store: FlowStore, settings: Settings) -> Ask:
    return local_edge(sum_store, settings)


@pytest.fixture
def engine() -> str:
    return "sqlite"


@pytest.mark.parametrize("path", PATHS)
def test_a_file_comes_with_its_type_its_version_and_a_strict_policy(ask: Ask, path: str) -> None:
    answer = ask("GET", path)

    assert answer.status == 200
    assert answer.body
    assert answer.headers["content-type"] == CONTENT_TYPES[PurePath(path).suffix or ".html"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    directives = dict(each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; "))
    assert directives["default-src"] == directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert directives["script-src"] == directives["connect-src"] == "'self'"


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_the_browser_has_is_not_sent_again(ask: Ask, path: str) -> None:
    first = ask("GET", path)

    again = ask("GET", path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    other = ask("GET", path, headers={"If-None-Match": '"other"'})

    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (other.status, other.body) == (200, first.body)


@pytest.mark.parametrize("path", PATHS)
def test_text_is_compressed_where_gzip_is_accepted_and_has_a_validator_of_its_own(ask: Ask, path: str) -> None:
    accepted = {"Accept-Encoding": "gzip, deflate, br"}
    plain, packed = ask("GET", path), ask("GET", path, headers=accepted)
    again = ask("GET", path, headers={**accepted, "If-None-Match": packed.headers["etag"]})
    other = ask("GET", path, headers={"If-None-Match": packed.headers["etag"]})

    assert {each.headers["vary"] for each in (plain, packed, again)} == {"Accept-Encoding"}
    assert {each.headers["cache-control"] for each in (plain, packed, again)} == {"no-cache"}
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", packed.headers["etag"])
    assert "content-encoding" not in plain.headers
    if path.endswith(".png") or len(plain.body) < 1_024:
        assert packed.body == plain.body
        assert other.status == 304
    else:
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body) * 0.6
        assert (packed.headers["etag"] != plain.headers["etag"], other.status) == (True, 200)


def test_a_file_is_compressed_once_and_its_bytes_are_shared() -> None:
    page = read_page("plotly", "package_data/plotly.min.js")

    assert page is read_page("plotly", "package_data/plotly.min.js")
    assert page.gzip is not None
    assert len(page.gzip.content) < 0.32 * len(page.plain.content)


def test_a_file_is_not_sent_where_no_coding_of_it_is_accepted(ask: Ask) -> None:
    refused = ask("GET", "/docs", headers={"Accept-Encoding": "br, identity;q=0"})

    assert (refused.status, refused.json["status_code"]) == (406, 406)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_there_before_a_token_is(sum_store: FlowStore, settings: Settings, path: str) -> None:
    ask = local_edge(sum_store, settings, Access((Token("web", "read", b"x" * 32),)))

    assert ask("GET", path).status == 200
    assert ask("GET", "/flows?hour=1").status == 401


@pytest.mark.parametrize("path", ["/docs/", "/docs/../pages.py", "/docs/%2e%2e/__init__.py", "/docs/__init__.py"])
def test_no_other_file_can_be_had(ask: Ask, path: str) -> None:
    assert ask("GET", path).status == 404


@pytest.mark.parametrize("path", PATHS)
def test_a_page_names_no_other_site(ask: Ask, path: str) -> None:
    if "swagger-ui" not in path and "plotly" not in path:
        named = re.findall(rb"""["'`(=]\s*((?:https?:)?//[^\s"'`)]*)""", ask("GET", path).body)
        assert set(named) <= {b"http://www.w3.org/2000/svg"}


def test_a_policy_names_what_a_page_needs_more() -> None:
    assert "style-src 'self' 'unsafe-inline'; img-src 'self' data:" in policy(
        style="'self' 'unsafe-inline'", img="'self' data:"
    )


def test_a_package_that_is_not_installed_is_named(sum_store: FlowStore, settings: Settings) -> None:
    from handlers.routes import answer, table
    from handlers.web import Request

    routes = table([file_route("/x.js", "no_such_package", "x.js")])

    told = answer(Request("GET", "/x.js"), sum_store, settings, routes=routes)

    assert (told.status, b"no_such_package, which is not installed" in told.body) == (404, True)


def test_swagger_ui_is_5_or_newer() -> None:
    content = read_page("mkdocs_swagger_ui_tag", "swagger-ui/javascripts/swagger-ui-bundle.js").plain.content

    version = content.split(b'PACKAGE_VERSION:"')[1].split(b'"')[0]
    assert int(version.split(b".")[0]) >= 5
