"""HTTP as RFC 9112 has it, over raw sockets to a real server: what is ambiguous is refused, and ends the connection."""

import re
from collections.abc import Iterator

import pytest

from handlers.web import GUARDS
from local.chunked import StrictChunkedReceiver
from local.http_rules import is_host
from tests.factories import from_json
from tests.hostile import HOSTILE, SMUGGLED
from tests.process import Running, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("rules")) as started:
        yield started


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", answers)]


def ask(server: Running, head: str, body: bytes = b"") -> int:
    """Send one request, whose connection ends with its answer."""
    lines = head.replace("\n", "\r\n") + "\r\nConnection: close\r\n\r\n"
    (status,) = statuses(server.talk(lines.encode("latin-1") + body))
    return status


@pytest.mark.parametrize("name", HOSTILE)
def test_an_ambiguous_request_is_refused_and_what_follows_gets_no_answer(server: Running, name: str) -> None:
    status, sent = HOSTILE[name]

    answers = server.talk(sent + SMUGGLED)

    assert statuses(answers) == [status]
    head, _, body = answers.partition(b"\r\n\r\n")
    assert b"\r\nConnection: close" in head
    assert all(f"\r\n{header}: {value}".encode() in head for header, value in GUARDS)
    assert from_json(body)["status_code"] == status


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /flows?hour=1 HTTP/1.1\nHost: localhost", 200),
        ("GET /flows?hour=1 HTTP/1.0", 200),
        ("GET /flows?hour=1 HTTP/1.0\nHost: localhost", 200),
        ("GET /flows?hour=1 HTTP/1.0\nHost: evil.example", 403),
        ("GET http://localhost/flows?hour=1 HTTP/1.1\nHost: evil.example", 200),
        ("GET http://evil.example/flows?hour=1 HTTP/1.1\nHost: localhost", 403),
        ("GET https://127.0.0.1:8080/flows?hour=1 HTTP/1.1\nHost: localhost", 200),
        ("GET http://localhost HTTP/1.1\nHost: localhost", 200),
        ("GET /flows?hour=1 HTTP/1.1\nHost: 127.999.0.1", 403),
        ("GET /flows?hour=1 HTTP/1.1\nHost: 127.0.0.01", 403),
        ("GET /flows?hour=1 HTTP/1.1\nHost: [::1]:8080", 200),
        ("GET /flows?hour=1 HTTP/1.1\nHost: [0:0:0:0:0:0:0:1]", 200),
        ("OPTIONS * HTTP/1.1\nHost: localhost", 404),
        ("CONNECT localhost:80 HTTP/1.1\nHost: localhost", 404),
    ],
)
def test_the_host_is_the_targets_authority_or_else_the_header(server: Running, head: str, status: int) -> None:
    assert ask(server, head) == status


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("//flows?hour=1", 404),
        ("///flows?hour=1", 404),
        ("/%2fflows?hour=1", 404),
        ("/%2Fmetrics", 404),
        ("/./flows?hour=1", 404),
        ("/%2e/flows?hour=1", 404),
        ("/v1%2fflows?hour=1", 404),
        ("/v1%2Fflows?hour=1", 404),
        ("/v1//flows?hour=1", 404),
        ("/flows/?hour=1", 404),
        ("/x/../flows?hour=1", 404),
        ("//localhost/flows?hour=1", 404),
        ("http://localhost//flows?hour=1", 404),
        # An escaped letter is the letter: RFC 3986, 2.3.
        ("/%66lows?hour=1", 200),
        ("/v1/flow%73?hour=1", 200),
        ("/flows?hour=%31", 200),
    ],
)
def test_a_path_is_what_it_says_and_loses_no_slash(server: Running, target: str, status: int) -> None:
    assert ask(server, f"GET {target} HTTP/1.1\nHost: localhost") == status


BODIES = {
    "one chunk": b"2\r\n[]\r\n0\r\n\r\n",
    "two chunks": b"1\r\n[\r\n1\r\n]\r\n0\r\n\r\n",
    "extensions": b'2;a;b=c;d="e;\\"f"\r\n[]\r\n0;last\r\n\r\n',
    "a trailer": b"2\r\n[]\r\n0\r\nExpires: never\r\nX-Empty:\r\n\r\n",
    "a size with zeros": b"0002\r\n[]\r\n000\r\n\r\n",
    "a size in capitals": b"A\r\n[        ]\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_chunked_body_is_taken_and_the_next_request_begins_after_it(server: Running, name: str) -> None:
    head = b"POST /flows HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked \r\n\r\n"
    last = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    assert statuses(server.talk(head + BODIES[name] + last)) == [201, 404]


class Kept:
    """A body's buffer."""

    def __init__(self) -> None:
        self.data = b""

    def append(self, data: bytes) -> None:
        self.data += data

    def __len__(self) -> int:
        return len(self.data)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("step", [1, 2, 3, 100])
def test_a_chunked_body_may_come_in_any_pieces(name: str, step: int) -> None:
    receiver = StrictChunkedReceiver(Kept())
    sent = BODIES[name] + b"the next request"
    taken = 0

    while not receiver.completed:
        taken += receiver.received(sent[taken : taken + step])

    assert receiver.error is None
    assert receiver.buf.data.replace(b" ", b"") == b"[]"
    assert sent[taken:] == b"the next request"
    assert receiver.received(b"more") == 0


@pytest.mark.parametrize("sent", [b"1" * 2_000, b"0\r\n" + b"a: b\r\n" * 20_000])
def test_what_chunks_say_about_themselves_is_bounded(sent: bytes) -> None:
    receiver = StrictChunkedReceiver(Kept())

    receiver.received(sent)

    assert receiver.completed
    assert receiver.error is not None
    assert "too long" in receiver.error.body


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", True),
        ("localhost:", True),
        ("my_service:8080", True),
        ("[fe80::1]:80", True),
        ("[::ffff:127.0.0.1]", True),
        ("xn--mnchen-3ya.example", True),
        ("", False),
        (":80", False),
        ("a, b", False),
        ("a#b", False),
        ("a?b", False),
        ("::1", False),
        ("[]", False),
        ("[127.0.0.1]", False),
        ("münchen.example", False),
    ],
)
def test_a_host_is_known_for_one(text: str, expected: bool) -> None:
    assert is_host(text) is expected


def test_a_head_has_no_byte_of_a_body_and_keeps_the_connection_where_its_length_is_known(server: Running) -> None:
    head = b"HEAD %b HTTP/1.1\r\nHost: localhost\r\n\r\n"

    answers = server.talk(head % b"/hours" + head % b"/openapi.json" + head % b"/apps?format=ndjson")

    # Of a stream's end the length is not known, and the connection ends with it, as with GET.
    assert statuses(answers) == [200, 200, 200]
    for answer in answers.split(b"HTTP/1.1 200 OK\r\n")[1:]:
        assert answer.endswith(b"\r\n\r\n")
        assert answer.count(b"\r\n\r\n") == 1
    assert answers.count(b"\r\nContent-Length: ") == 2
