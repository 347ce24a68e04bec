"""A mutation fuzzer: requests that are right, with something done to them, thrown at both edges."""

import gzip
import random
import socket
from collections.abc import Iterator, Mapping
from select import select
from typing import NamedTuple

import zstandard

from tests.factories import SAMPLE, make_flow, to_json

SECONDS = 20
"""How long an answer, or the end of a connection, may take before it counts as a hang."""

_PATIENCE = 0.1
JSON = {"Content-Type": "application/json"}
_HEADER = b"src_app,dest_app,vpc_id,hour,bytes_tx,bytes_rx\n"
_TOKENS = (
    *(
        b"\0",
        b"\r\n",
        b"\n",
        b"\r",
        b'"',
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"\xff",
        b"\xef\xbb\xbf",
        b"%00",
        b"%",
        b"&",
        b"=",
    ),
    *(
        b"9223372036854775807",
        b"9223372036854775808",
        b"-1",
        b"1e999",
        b"1.0",
        b"null",
        b"true",
        b"[" * 500,
        b"{" * 500,
    ),
    *(
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
    ),
    *(
        b"Content-Encoding: gzip\r\n",
        b"Connection: keep-alive\r\n",
        b'Idempotency-Key: "a"\r\n',
        b": \r\n",
        b" HTTP/1.1",
    ),
    *(
        b"Authorization: Bearer x\r\n",
        b"Host: localhost\r\n",
        b"Origin: http://localhost\r\n",
        b"X-Request-Id: x\r\n",
        b"X-Forwarded-For: 127.0.0.1\r\n",
    ),
    *(b"//", b"/../", b"/v1/flows", b"?hour=1", b"HTTP/9.9", b"x" * 5_000, b"hour=1&" * 300, "😀é".encode()),
)

_HARMED = (
    *("Content-Type", "Content-Encoding", "Idempotency-Key", "Prefer"),
    *("Authorization", "Host", "Origin", "X-Request-Id", "X-Forwarded-For"),
    *("Accept", "Accept-Encoding", "If-None-Match"),
)
_USUAL = {
    "Authorization": "Bearer x",
    "Host": "localhost",
    "Origin": "http://localhost",
    "X-Request-Id": "8e03978e-40d5",
    "X-Forwarded-For": "127.0.0.1",
    "Accept": "application/json, text/*;q=0.5",
    "Accept-Encoding": "gzip, br;q=0.1",
    "If-None-Match": '"a"',
}
"""What is harmed where a request has no header of the name; of the others, an x."""


class Sent(NamedTuple):
    """A request before it is put on a wire."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


SEEDS = (
    Sent("POST", "/flows", JSON, to_json(SAMPLE)),
    Sent("POST", "/v1/flows", {**JSON, "Idempotency-Key": '"fuzz"'}, to_json([make_flow(src_app="é😀")])),
    Sent("POST", "/flows", {**JSON, "Prefer": "handling=lenient"}, to_json([make_flow(), {"hour": 1}, 7])),
    Sent("POST", "/flows", {"Content-Type": "application/x-ndjson"}, b"\n".join(map(to_json, SAMPLE))),
    Sent("POST", "/flows", {"Content-Type": "text/csv"}, _HEADER + b'a,"b ""c""",v,1,2,3\n'),
    Sent("POST", "/flows", {**JSON, "Content-Encoding": "gzip"}, gzip.compress(to_json(SAMPLE), mtime=0)),
    Sent("POST", "/flows", {**JSON, "Content-Encoding": "zstd"}, zstandard.compress(to_json(SAMPLE))),
    Sent("GET", "/flows?hour=1&page=1&size=50", {}),
    Sent(
        "GET", "/flows?from=1970-01-01T01:00Z&to=9&app=!a*&vpc_id=%3Dv&group_by=hour,src_app&sort=-bytes_total,hour", {}
    ),
    Sent("GET", "/flows?hour=1&hour=2&direction=both&include=records&top=3", {"Accept": "text/csv;q=0.5, */*;q=0.1"}),
    Sent("GET", "/flows?from=0&cursor=&size=1&format=ndjson", {"Accept-Encoding": "gzip;q=1, identity;q=0"}),
    Sent("GET", "/flows?from=0&format=csv", {"If-None-Match": 'W/"a", "b"'}),
    Sent("GET", "/flows?from=0&group_by=total&format=parquet", {"Accept": "application/vnd.apache.parquet"}),
    Sent("GET", "/flows?last=999999w&time=iso&group_by=vpc_id,hour&app=foo&direction=both&format=arrow", {}),
    Sent("GET", "/hours?hour=1970-01-01&hour=2026-11-24&time=iso", {}),
    Sent("GET", "/apps?prefix=f&hour=1&page=1&size=2", {}),
    Sent("GET", "/vpcs?from=0&to=2026-11-24&sort=-vpc_id", {}),
    Sent("GET", "/hours?from=0&page=1&size=9", {}),
    Sent("GET", "/graph?from=0&top=2&src_app=foo&dest_app=!qux", {}),
    Sent("GET", "/openapi.json", {"Accept-Encoding": "gzip"}),
    Sent("GET", "/dashboard/main.js", {}),
    Sent("GET", "/", {}),
    Sent("HEAD", "/flows?hour=1", {}),
    Sent("DELETE", "/flows", {}),
)


class Mutator:
    """Does random harm to bytes, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def harm(self, data: bytes) -> bytes:
        """Do one to four harms."""
        for _ in range(self.rng.randrange(1, 5)):
            data = self.rng.choice((self._flip, self._cut, self._double, self._insert, self._swap))(data)
        return data

    def _places(self, data: bytes) -> tuple[int, int]:
        first, second = (self.rng.randrange(len(data) + 1) for _ in range(2))
        return min(first, second), max(first, second)

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return data
        place = self.rng.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1 << self.rng.randrange(8)]) + data[place + 1 :]

    def _cut(self, data: bytes) -> bytes:
        start, end = self._places(data)
        return data[:start] + data[min(end, start + self.rng.randrange(1, 40)) :]

    def _double(self, data: bytes) -> bytes:
        start, end = self._places(data)
        return data[:end] + data[start:end] * self.rng.randrange(1, 4) + data[end:]

    def _insert(self, data: bytes) -> bytes:
        place = self.rng.randrange(len(data) + 1)
        return data[:place] + self.rng.choice(_TOKENS) + data[place:]

    def _swap(self, data: bytes) -> bytes:
        start, end = self._places(data)
        return data[end:] + data[start:end] + data[:start]

    def text(self, text: str) -> str:
        """Do harm to what an edge hands over as text."""
        return self.harm(text.encode()).decode("utf-8", "replace")


def mutants(seed: int) -> Iterator[Sent]:
    """Make requests without end of which one part or several are harmed."""
    mutator = Mutator(seed)
    rng = mutator.rng
    while True:
        sent = rng.choice(SEEDS)
        if rng.random() < 0.7:
            sent = sent._replace(body=mutator.harm(sent.body))
        # Of what has no body, the question is what there is to harm.
        if rng.random() < (0.2 if sent.body else 0.8):
            sent = sent._replace(target="/" + mutator.text(sent.target[1:]))
        if rng.random() < 0.2:
            name = rng.choice(_HARMED)
            sent = sent._replace(
                headers={**sent.headers, name: mutator.text(sent.headers.get(name, _USUAL.get(name, "x")))}
            )
        if rng.random() < 0.05:
            sent = sent._replace(method=rng.choice(("PUT", "OPTIONS", "FOO", "get")))
        yield sent


def raw_mutants(seed: int) -> Iterator[bytes]:
    """Make the bytes of such requests without end, half of them harmed once more as a whole."""
    mutator = Mutator(seed)
    for sent in mutants(seed):
        yield mutator.harm(written(sent)) if mutator.rng.random() < 0.5 else written(sent)


def written(sent: Sent) -> bytes:
    """Write a request as HTTP/1.1, whatever its parts are."""
    lines = [f"{sent.method} {sent.target} HTTP/1.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in ({"Host": "localhost"} | dict(sent.headers)).items()]
    lines.append(f"Content-Length: {len(sent.body)}")
    return "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + sent.body


def throw(port: int, data: bytes) -> bytes:
    """Send bytes and read until the server closes; what it still waits for then does not come.

    Raises TimeoutError on a hang.
    """
    parts = []
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        try:
            connection.sendall(data)
            # waitress takes the end of what is sent as the end of the connection, so it is not told before it answers.
            while select([connection], [], [], _PATIENCE)[0] and (part := connection.recv(1 << 16)):
                parts.append(part)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                parts.append(part)
        except ConnectionError:
            pass
    return b"".join(parts)


def statuses(answer: bytes) -> list[int]:
    """Read the status of each answer on a connection."""
    lines = [line for line in answer.replace(b"\r\n", b"\n").split(b"\n") if line.startswith(b"HTTP/1.")]
    return [int(line.split()[1]) for line in lines]


def fuzz(port: int, seed: int, count: int) -> int:
    """Throw so many mutants at a server; return how many had an answer. Raises AssertionError that tells the mutant."""
    answered = 0
    mutated = raw_mutants(seed)
    for number in range(count):
        data = next(mutated)
        try:
            told = statuses(throw(port, data))
        except TimeoutError:
            raise AssertionError(f"seed {seed}, mutant {number} hangs: {data!r}") from None
        # 501 answers a transfer coding, and 505 a version, that is not known: the request's fault.
        faults = [status for status in told if status >= 500 and status not in (501, 505)]
        assert not faults, f"seed {seed}, mutant {number}: {told} {data!r}"
        answered += bool(told)
    return answered
