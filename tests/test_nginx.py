"""The service behind a real nginx, as the README configures it: nothing is smuggled, and everything ordinary works."""

import gzip
import http.client
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from handlers.access import digest_of
from tests.factories import from_json, make_flow, to_json
from tests.hostile import HOSTILE, SMUGGLED
from tests.nginx import HOST, MISSING, NGINX, Nginx, nginx
from tests.process import SECONDS, Running, read_all, running

pytestmark = pytest.mark.skipif(not NGINX, reason=MISSING)
JSON = {"Content-Type": "application/json"}


class Front(NamedTuple):
    """A server, and nginx in front of it."""

    server: Running
    proxy: Nginx
    connection: http.client.HTTPConnection

    def ask(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Ask over the one connection that is kept."""
        self.connection.request(method, target, body, {"Host": HOST, **headers})
        response = self.connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """A server without tokens that answers to nginx's name."""
    (tmp_path / "nginx").mkdir()
    with running(tmp_path, ALLOWED_HOSTS=HOST) as server, nginx(tmp_path / "nginx", server.port) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=SECONDS)
        yield Front(server, proxy, connection)
        connection.close()


def logged(server: Running, folder: Path) -> list[str]:
    """End a server, and read the method and the status of each request that it has answered."""
    assert server.terminate() == 0
    lines = (folder / "server.log").read_text().splitlines()
    return [f"{words[3]} {words[5]}" for words in map(str.split, lines) if words[2] == "access"]


def test_no_ambiguous_request_becomes_two_behind_nginx(front: Front, tmp_path: Path) -> None:
    for _, sent in HOSTILE.values():
        with front.proxy.connect() as connection:
            connection.sendall(
                sent.replace(b"localhost", HOST.encode()) + SMUGGLED.replace(b"localhost", HOST.encode())
            )
            read_all(connection)
    assert front.ask("GET", "/flows?hour=1")[0] == 200

    front.connection.close()
    answered = logged(front.server, tmp_path)
    front.proxy.end()

    # Each request that the service has answered is one that nginx has passed on, and knows of.
    assert sorted(answered) == sorted(front.proxy.passed_on())
    assert answered.count("GET 200") >= 1


def test_what_is_ordinary_works_through_nginx(front: Front) -> None:
    flows = [make_flow(src_app=f"app-{number}") for number in range(20_000)]
    keyed = {**JSON, "Idempotency-Key": '"through-nginx"', "X-Request-Id": "mine-1"}

    large = front.ask("POST", "/flows", to_json(flows), keyed)
    again = front.ask("POST", "/flows", to_json(flows), keyed)
    packed = front.ask("POST", "/flows", gzip.compress(to_json(flows[:5])), {**JSON, "Content-Encoding": "gzip"})
    chunked = _post_in_chunks(front, to_json([make_flow(src_app="chunked")]))
    page = front.ask("GET", "/flows?hour=1&size=2")
    known = front.ask("GET", "/flows?hour=1&size=2", headers={"If-None-Match": page[1]["etag"]})
    head = front.ask("HEAD", "/hours")
    zipped = front.ask("GET", "/flows?hour=1&size=1000", headers={"Accept-Encoding": "gzip"})
    stream = front.ask("GET", "/flows?hour=1&format=ndjson")
    none = front.ask("HEAD", "/flows?hour=1")
    after = front.ask("GET", "/healthz")

    assert (large[0], from_json(large[2])) == (201, {"accepted": 20_000, "flows": 20_000})
    assert large[1]["x-request-id"] == "mine-1"
    assert (again[0], again[1]["idempotency-replayed"]) == (201, "true")
    assert (packed[0], chunked) == (201, 201)
    assert (page[0], from_json(page[2])["total"]) == (200, 20_001)
    assert (known[0], known[2]) == (304, b"")
    assert (head[0], head[2], none[0], none[2]) == (200, b"", 405, b"")
    assert zipped[1]["content-encoding"] == "gzip"
    assert len(from_json(gzip.decompress(zipped[2]))["items"]) == 1_000
    assert stream[2].count(b"\n") == 20_001
    assert after[0] == 200


def _post_in_chunks(front: Front, body: bytes) -> int:
    headers = {"Host": HOST, "Transfer-Encoding": "chunked", **JSON}
    front.connection.request("POST", "/flows", iter([body[:7], body[7:]]), headers, encode_chunked=True)
    response = front.connection.getresponse()
    response.read()
    return response.status


@pytest.mark.parametrize(
    ("target", "status"),
    [("/flows?hour=1", 200), ("//flows?hour=1", 404), ("/%2fmetrics", 404), ("/v1%2Fflows?hour=1", 404)],
)
def test_a_path_comes_through_nginx_as_it_was(front: Front, target: str, status: int) -> None:
    assert front.ask("GET", target)[0] == status


def test_nginx_tells_which_name_was_asked_for(front: Front) -> None:
    own = {"Origin": f"https://{HOST}", **JSON}
    other = {"Origin": "https://evil.example", **JSON}

    assert front.ask("POST", "/flows", b"[]", own)[0] == 201
    assert front.ask("POST", "/flows", b"[]", other)[0] == 403
    # This server is the only one of nginx, and so has requests to any name.
    assert front.ask("GET", "/flows?hour=1", headers={"Host": "evil.example"})[0] == 421


def test_a_client_behind_nginx_is_counted_by_its_own_address(tmp_path: Path) -> None:
    (tmp_path / "nginx").mkdir()
    settings = {"ALLOWED_HOSTS": HOST, "TRUSTED_PROXIES": "127.0.0.1", "RATE_LIMIT": "1", "RATE_BURST": "3"}

    with running(tmp_path, **settings) as server, nginx(tmp_path / "nginx", server.port) as proxy:
        first = [ask_from(proxy, "127.0.0.2", f"10.0.0.{number}") for number in range(4)]
        second = ask_from(proxy, "127.0.0.3", "127.0.0.2")

    # Whom a client names itself counts for nothing: nginx adds where it comes from.
    assert (first, second) == ([200, 200, 200, 429], 200)


def ask_from(proxy: Nginx, source: str, forwarded: str) -> int:
    with proxy.connect(source) as connection:
        lines = ("GET /flows?hour=1 HTTP/1.1", f"Host: {HOST}", f"X-Forwarded-For: {forwarded}", "Connection: close")
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        found = re.match(rb"HTTP/1\.1 ([0-9]{3}) ", read_all(connection))
    assert found
    return int(found[1])


def test_tokens_pass_through_nginx(tmp_path: Path) -> None:
    (tmp_path / "nginx").mkdir()
    tokens = "web:read:" + digest_of("secret-r").hex()

    with running(tmp_path, API_TOKENS=tokens) as server, nginx(tmp_path / "nginx", server.port) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=SECONDS)
        front = Front(server, proxy, connection)
        known = front.ask("GET", "/flows?hour=1", headers={"Authorization": "Bearer secret-r"})[0]
        unknown = front.ask("GET", "/flows?hour=1")[0]
        connection.close()

    assert (known, unknown) == (200, 401)
