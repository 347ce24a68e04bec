"""Which names are answered, and what another site's page can have a browser ask: by header, and in Chromium."""

from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page

from handlers.access import Access, Token, digest_of, read_access
from handlers.record import FlowStore
from handlers.settings import Settings, SettingsError
from tests.browser import CHROMIUM, MISSING, chromium
from tests.edges import EDGES
from tests.process import Running, run_module, running

LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
CLICKED = {**LINK, "Sec-Fetch-User": "?1"}
FRAME = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe", "Sec-Fetch-User": "?1"}
SCRIPT = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}


@pytest.mark.parametrize(
    ("site", "headers", "path", "status"),
    [
        ("cross-site", SCRIPT, "/flows?hour=1", 403),
        ("same-site", SCRIPT, "/flows?hour=1", 403),
        ("cross-site", SCRIPT, "/healthz", 403),
        ("cross-site", FRAME, "/flows?hour=1", 403),
        ("cross-site", FRAME, "/", 403),
        ("cross-site", {}, "/flows?hour=1", 403),
        ("cross-site", LINK, "/flows?hour=1", 403),
        ("cross-site", CLICKED, "/flows?hour=1", 200),
        ("same-site", CLICKED, "/flows?hour=1", 200),
        ("cross-site", LINK, "/openapi.json", 200),
        ("same-origin", SCRIPT, "/flows?hour=1", 200),
        ("none", LINK, "/flows?hour=1", 200),
    ],
)
@pytest.mark.parametrize("anonymous", ["near", "yes"])
def test_without_tokens_another_sites_page_can_only_lead_to_an_answer(
    edge: str,
    sum_store: FlowStore,
    anonymous: str,
    site: str,
    headers: Mapping[str, str],
    path: str,
    status: int,
) -> None:
    ask = EDGES[edge](sum_store, Settings(), Access(anonymous=anonymous))  # type: ignore[arg-type]

    answer = ask("GET", path, b"", {"Host": "localhost", "Sec-Fetch-Site": site, **headers})

    assert answer.status == status


def test_a_clicked_form_of_another_site_cannot_post(edge: str, sum_store: FlowStore) -> None:
    ask = EDGES[edge](sum_store, Settings(), Access(anonymous="near"))

    # Without an Origin, which browsers send with it.
    assert ask("POST", "/flows", b"[]", {"Host": "localhost", "Sec-Fetch-Site": "cross-site", **CLICKED}).status == 403


def test_with_tokens_another_sites_page_may_ask_with_one(edge: str, sum_store: FlowStore) -> None:
    ask = EDGES[edge](sum_store, Settings(), Access((Token("dash", "read", digest_of("secret-r")),)))
    other = {"Host": "flows.example.net", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}

    assert ask("GET", "/flows?hour=1", b"", {**other, "Authorization": "Bearer secret-r"}).status == 200
    assert ask("GET", "/flows?hour=1", b"", other).status == 401


@pytest.mark.parametrize(
    ("names", "host", "answered"),
    [
        ("flows.example.net", "flows.example.net", True),
        ("flows.example.net", "FLOWS.example.NET:8080", True),
        ("flows.example.net, 10.0.0.7,", "10.0.0.7:80", True),
        ("Flows.Example.net", "flows.example.net", True),
        ("flows.example.net", "localhost:8080", True),
        ("flows.example.net", "127.0.0.1", True),
        ("flows.example.net", "[::1]", True),
        ("2001:db8::7", "[2001:db8::7]:8080", True),
        ("[2001:db8::7]", "[2001:db8::7]", True),
        (".example.net", "a.b.example.net", True),
        (".example.net", "example.net", True),
        (".example.net", "badexample.net", False),
        ("example.net", "flows.example.net", False),
        ("flows.example.net", "evil.example:8080", False),
        ("flows.example.net", "flows.example.net.evil.example", False),
        ("flows.example.net", "127.999.0.1", False),
        ("flows.example.net", "10.0.0.7", False),
    ],
)
def test_only_the_names_that_are_allowed_are_answered(
    edge: str, sum_store: FlowStore, names: str, host: str, answered: bool
) -> None:
    tokens = "web:read:" + digest_of("secret-r").hex()
    for settings in (
        Settings(allowed_hosts=names, allow_anonymous=1),
        Settings(allowed_hosts=names, api_tokens=tokens),
    ):
        ask = EDGES[edge](sum_store, settings, read_access(settings, "", float))
        headers = {"Host": host, "Authorization": "Bearer secret-r"}

        # A name that was made to point here has an Origin that fits it.
        for more in ({}, {"Origin": f"http://{host}"}):
            assert ask("GET", "/flows?hour=1", b"", {**headers, **more}).status == (200 if answered else 421)
        assert ask("GET", "/", b"", headers).status == (200 if answered else 421)
        assert ask("GET", "/nowhere", b"", headers).status == 404


@pytest.mark.parametrize("names", ["flows.example.net:8080", "http://flows", "*", "a b", ".", "a..b", "1::2::3"])
def test_what_is_no_name_is_a_mistake(names: str) -> None:
    with pytest.raises(SettingsError, match="ALLOWED_HOSTS is wrong: expected names such as"):
        read_access(Settings(allowed_hosts=names), "", float)


def test_a_server_without_tokens_is_reached_by_a_name_that_it_is_given(tmp_path: Path) -> None:
    with running(tmp_path, ALLOWED_HOSTS="flows.example.net") as server:
        told = [
            server.ask("GET", "/hours", Host=host)[0] for host in ("flows.example.net", "localhost", "evil.example")
        ]
    elsewhere = run_module("local", tmp_path, PORT="0", HOST="0.0.0.0", ALLOWED_HOSTS="flows.example.net")

    assert told == [200, 200, 421]
    assert "there is no token" in elsewhere.stderr


PAGE = """<!doctype html><title>evil</title><body><script>
const target = new URLSearchParams(location.search).get("target");
const done = (name) => { const p = document.createElement("p"); p.id = name; document.body.append(p); };
const load = (tag, name, attributes) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.onload = element.onerror = () => done(name);
  document.body.append(element);
};
load("script", "script", { src: `${target}/metrics` });
load("script", "rows", { src: `${target}/flows?hour=1&format=ndjson` });
load("img", "image", { src: `${target}/graph?hour=1` });
load("iframe", "frame", { src: `${target}/flows?hour=1` });
load("iframe", "page", { src: `${target}/dashboard` });
fetch(`${target}/apps`, { mode: "no-cors" }).finally(() => done("fetch"));
fetch(`${target}/vpcs`).catch(() => 0).finally(() => done("cors"));
const form = Object.assign(document.createElement("form"), { method: "post", target: "sent" });
form.action = `${target}/flows`;
const sent = Object.assign(document.createElement("iframe"), { name: "sent" });
document.body.append(sent, form);
form.submit();
sent.onload = () => done("form");
</script><a id="link" href="#">a link</a><script>link.href = `${target}/hours`;</script>"""
TRIED = ("script", "rows", "image", "frame", "page", "fetch", "cors", "form")


class _Evil(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def evil() -> Iterator[str]:
    """The origin of another site, on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Evil)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def answered(server: Running, folder: Path) -> list[str]:
    """End a server, and read what it has answered: method, path and status."""
    assert server.terminate() == 0
    lines = (folder / "server.log").read_text().splitlines()
    return [" ".join(line.split()[3:6]) for line in lines if " INFO access " in line]


def visit(browser: Browser, evil: str, server: Running) -> Page:
    """Open the other site's page, and wait until all that it tries has come to an end."""
    page = browser.new_context().new_page()
    page.goto(f"{evil}/?target=http://127.0.0.1:{server.port}")
    for name in TRIED:
        page.wait_for_selector(f"#{name}", state="attached")
    return page


@pytest.mark.skipif(not CHROMIUM, reason=MISSING)
def test_in_a_browser_another_sites_page_gets_nothing_answered_but_a_link_that_is_clicked(
    browser: Browser, evil: str, tmp_path: Path
) -> None:
    with running(tmp_path) as server:
        page = visit(browser, evil, server)
        assert all(frame.url.startswith((evil, "chrome-error:")) for frame in page.frames)
        page.click("#link")
        page.wait_for_url("**/hours")
        assert '"items"' in page.content()
        page.context.close()
        lines = answered(server, tmp_path)

    paths = ["/metrics", "/flows", "/graph", "/flows", "/dashboard", "/apps", "/vpcs"]
    got = sorted(line for line in lines if line.startswith("GET") and "favicon" not in line)
    assert got == sorted([*(f"GET {path} 403" for path in paths), "GET /hours 200"])
    assert [line for line in lines if line.startswith("POST")] == ["POST /flows 403"]


@pytest.mark.skipif(not CHROMIUM, reason=MISSING)
def test_in_a_browser_a_page_behind_tokens_is_framed_by_no_other_site(
    browser: Browser, evil: str, tmp_path: Path
) -> None:
    with running(tmp_path, API_TOKENS="web:read:" + digest_of("secret-r").hex()) as server:
        page = visit(browser, evil, server)

        assert all(frame.url.startswith((evil, "chrome-error:")) for frame in page.frames)
        page.context.close()
        lines = answered(server, tmp_path)
    assert "GET /flows 200" not in lines
    assert "GET /dashboard 200" in lines
