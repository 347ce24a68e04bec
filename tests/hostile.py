"""Requests that two HTTP parsers could read in two ways, each with the status that refuses it (RFC 9112)."""

_POST = b"POST /flows HTTP/1.1\r\nHost: localhost\r\n"
_EMPTY = b"0\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
"""What follows each of them, and must not be answered."""


def _coded(coding: bytes, body: bytes = _EMPTY) -> bytes:
    """Write a POST with these lines about its body."""
    return _POST + coding + b"\r\n\r\n" + body


def _chunked(body: bytes) -> bytes:
    return _coded(b"Transfer-Encoding: chunked", body)


def _get(target: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", *lines]) + b"\r\n\r\n"


CODINGS: dict[str, tuple[int, bytes]] = {
    "chunked under 1.0": (
        400,
        b"POST /flows HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    "chunked under 2.0": (505, b"POST /flows HTTP/2.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "a length, then chunked": (400, _coded(b"Content-Length: 5\r\nTransfer-Encoding: chunked")),
    "chunked, then a length": (400, _coded(b"Transfer-Encoding: chunked\r\nContent-Length: 5")),
    "chunked on two lines": (400, _coded(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
    "chunked twice on a line": (400, _coded(b"Transfer-Encoding: chunked, chunked")),
    "a comma before": (400, _coded(b"Transfer-Encoding: ,chunked")),
    "a comma after": (400, _coded(b"Transfer-Encoding: chunked,")),
    "a folded coding": (400, _coded(b"Transfer-Encoding:\r\n chunked")),
    "an empty coding": (400, _coded(b"Transfer-Encoding:", b"")),
    "an empty coding beside a length": (400, _coded(b"Content-Length: 5\r\nTransfer-Encoding: ")),
    "an empty coding, then chunked": (400, _coded(b"Transfer-Encoding:\r\nTransfer-Encoding: chunked")),
    "identity": (501, _coded(b"Transfer-Encoding: identity", b"")),
    "gzip, then chunked": (501, _coded(b"Transfer-Encoding: gzip, chunked")),
    "chunked, then identity": (501, _coded(b"Transfer-Encoding: chunked, identity")),
    "chunked with a parameter": (501, _coded(b"Transfer-Encoding: chunked;q=1")),
    "chunked in quotes": (501, _coded(b'Transfer-Encoding: "chunked"')),
    "a vertical tab before": (501, _coded(b"Transfer-Encoding: \x0bchunked")),
    "a blank before the colon": (400, _coded(b"Transfer-Encoding : chunked")),
    "two lengths": (400, _coded(b"Content-Length: 5\r\nContent-Length: 6")),
    "a signed length": (400, _coded(b"Content-Length: +5")),
}

CHUNKS: dict[str, tuple[int, bytes]] = {
    "a bare LF in the trailer": (400, _chunked(b"0\r\nA: b\nC: d\r\n\r\n")),
    "a bare LF that ends the trailer": (400, _chunked(b"0\r\nA: b\n\n")),
    "a bare CR in the trailer": (400, _chunked(b"0\r\nA: b\rC: d\r\n\r\n")),
    "a folded trailer": (400, _chunked(b"0\r\nA: b\r\n c\r\n\r\n")),
    "a trailer without a colon": (400, _chunked(b"0\r\nGET / HTTP/1.1\r\n\r\n")),
    "a bare LF after a size": (400, _chunked(b"2\n[]\r\n0\r\n\r\n")),
    "a bare LF and CR LF after a size": (400, _chunked(b"2\n\r\n[]\r\n0\r\n\r\n")),
    "a bare LF in an extension": (400, _chunked(b"2;a\n\r\n[]\r\n0\r\n\r\n")),
    "a bare CR in an extension": (400, _chunked(b"2;a\rb\r\n[]\r\n0\r\n\r\n")),
    "a blank line between chunks": (400, _chunked(b"2\r\n[]\r\n\r\n0\r\n\r\n")),
    "a chunk longer than its size": (400, _chunked(b"1\r\n[]\r\n0\r\n\r\n")),
    "a size with 0x": (400, _chunked(b"0x2\r\n[]\r\n0\r\n\r\n")),
    "a size with a sign": (400, _chunked(b"+2\r\n[]\r\n0\r\n\r\n")),
    "a size past 64 bits": (400, _chunked(b"f" * 200 + b"\r\n[]\r\n0\r\n\r\n")),
}

LINES: dict[str, tuple[int, bytes]] = {
    "a folded line": (400, _get(b"/", b"Host: localhost", b"X-A: b", b" c")),
    "a folded first line": (400, _get(b"/", b" Host: localhost")),
    "a line folded by a tab": (400, _get(b"/", b"Host: localhost", b"X-A:", b"\tc")),
    "a bare CR": (400, _get(b"/", b"Host: localhost", b"X-A: b\rX-C: d")),
    "a bare LF": (400, _get(b"/", b"Host: localhost\nX-A: b")),
    "a NUL": (400, _get(b"/", b"Host: localhost", b"X-A: \0")),
    "a blank before a colon": (400, _get(b"/", b"Host : localhost")),
    "no host": (400, _get(b"/", b"X-A: b")),
    "no host, and a token": (400, _get(b"/flows?hour=1", b"Authorization: Bearer x")),
    "an empty host": (400, _get(b"/", b"Host:")),
    "two hosts": (400, _get(b"/", b"Host: localhost", b"Host: evil.example")),
    "a host twice": (400, _get(b"/", b"Host: localhost", b"Host: localhost")),
    "an empty host and another": (400, _get(b"/", b"Host:", b"Host: localhost")),
    "a host with a user": (400, _get(b"/", b"Host: a@localhost")),
    "a host with a path": (400, _get(b"/", b"Host: localhost/a")),
    "a host of two words": (400, _get(b"/", b"Host: localhost evil.example")),
    "half an address": (400, _get(b"/", b"Host: [::1")),
    "an address of IPv6 that is none": (400, _get(b"/", b"Host: [1::2::3]")),
    "a port of letters": (400, _get(b"/", b"Host: localhost:http")),
    "a target without an authority": (400, _get(b"http:///flows?hour=1", b"Host: localhost")),
    "a target with a scheme alone": (400, _get(b"http:/flows?hour=1", b"Host: localhost")),
    "a target of FTP": (400, _get(b"ftp://localhost/flows?hour=1", b"Host: localhost")),
    "a target with a user": (400, _get(b"http://a@localhost/flows?hour=1", b"Host: localhost")),
    "HTTP/0.9": (400, b"GET /flows?hour=1\r\n\r\n"),
    "HTTP/0.9 with a host": (400, b"GET /flows?hour=1\r\nHost: localhost\r\n\r\n"),
    "HTTP/1.2": (505, b"GET / HTTP/1.2\r\nHost: localhost\r\n\r\n"),
    "HTTP/2.0": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "http/1.1 in lower case": (400, b"GET / http/1.1\r\nHost: localhost\r\n\r\n"),
    "a tab in the request line": (400, b"GET\t/ HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "a blank at the end of the request line": (400, b"GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n"),
    "a NUL in the target": (400, b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
}

HOSTILE = {**CODINGS, **CHUNKS, **LINES}
