"""RFC 9112's rules for a request's head that waitress does not enforce: two parsers must not read it in two ways."""

import re
from collections.abc import MutableMapping
from functools import lru_cache
from ipaddress import IPv6Address

from waitress.parser import ParsingError, TransferEncodingNotImplemented
from waitress.utilities import Error

_METHOD_AND_TARGET = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [^\x00-\x20\x7f]+"
_REQUEST_LINE = re.compile(_METHOD_AND_TARGET + rb" HTTP/1\.[01]\r\n")
_OTHER_VERSION = re.compile(_METHOD_AND_TARGET + rb" HTTP/[0-9]\.[0-9]\r\n")
_CODING = re.compile(rb"\r\ntransfer-encoding:([^\r]*)")
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::[0-9]*)?")
_LONGEST_HOST = 300
"""Characters; a name has at most 255, and what is found valid is remembered."""


class OtherVersion(Error):  # type: ignore[misc]
    """The error for a version of HTTP other than 1.0 and 1.1 (RFC 9110, 15.6.6)."""

    code = 505
    reason = "HTTP Version Not Supported"


class VersionRefused(Exception):
    """The request line names a version that is not supported."""


def check_head(head: bytes) -> None:
    """Refuse a head whose lines or transfer coding are ambiguous; to be called before waitress parses it.

    Raises VersionRefused (505), TransferEncodingNotImplemented (501) and ParsingError (400), after each of which the
    connection is to be closed (RFC 9112, 6.1 and 6.3).
    """
    if not _REQUEST_LINE.match(head):
        _refuse_request_line(head)
    if b"\r\n " in head or b"\r\n\t" in head:
        # RFC 9112, 5.2.
        raise ParsingError("A header line is folded")
    lowered = head.lower()
    if b"\r\ntransfer-encoding:" in lowered:
        _check_coding(lowered)


def _refuse_request_line(head: bytes) -> None:
    if _OTHER_VERSION.match(head):
        raise VersionRefused("Only HTTP/1.1 and HTTP/1.0 are supported")
    # HTTP/0.9 names no version, and has no head.
    raise ParsingError("The request line is not METHOD TARGET HTTP/1.1")


def _check_coding(lowered: bytes) -> None:
    """Refuse every body that is not framed by exactly one ``chunked``, and by nothing else."""
    values = [value.strip(b" \t") for value in _CODING.findall(lowered)]
    if b"\r\ncontent-length:" in lowered:
        raise ParsingError("Content-Length and Transfer-Encoding exclude each other")
    if lowered.partition(b"\r\n")[0].endswith(b"/1.0"):
        raise ParsingError("HTTP/1.0 has no Transfer-Encoding")
    if values == [b"chunked"]:
        return
    codings = {coding.strip(b" \t") for value in values for coding in value.split(b",")}
    if codings - {b"chunked", b""}:
        raise TransferEncodingNotImplemented("The only transfer coding is chunked")
    raise ParsingError("Transfer-Encoding is not exactly one chunked")


def settle_host(headers: MutableMapping[str, str], version: str, method: str, scheme: str, authority: str) -> None:
    """Check Host, and put the authority of an absolute target in its place; to be called with what waitress parsed.

    RFC 9112, 3.2 and 3.2.2. Raises ParsingError.
    """
    # waitress joins repeated headers with a comma and a blank, which no host has.
    host = headers.get("HOST", "")
    if host:
        if len(host) > _LONGEST_HOST or not is_host(host):
            raise ParsingError("Host is repeated or invalid")
    elif version == "1.1":
        raise ParsingError("Host is missing or empty")
    # The target of CONNECT, host:port, looks as if it had a scheme.
    if (scheme or authority) and method != "CONNECT":
        if scheme not in ("http", "https") or len(authority) > _LONGEST_HOST or not is_host(authority):
            raise ParsingError("The authority of the request target is missing or invalid")
        headers["HOST"] = authority


@lru_cache(maxsize=64)
def is_host(text: str) -> bool:
    """Return whether a text is a host with or without a port (RFC 9110, 7.2)."""
    found = _HOST.fullmatch(text)
    if found is None:
        return False
    try:
        return found[1] is None or bool(IPv6Address(found[1]).packed)
    except ValueError:
        return False


def keep_escaped_slashes(target: str) -> str:
    """Escape the per cent sign of each ``%2F``, so that decoding leaves it: it is no slash (RFC 3986, 2.2)."""
    return re.sub("%2f", "%252F", target, flags=re.IGNORECASE)
