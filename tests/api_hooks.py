"""What schemathesis cannot read from /openapi.json: how bodies are written, and what requests have to do with others.

Loaded by tests/api_check.py. No hook drops a failure; each says why a request is changed before it is sent.
"""

import csv
import gzip
import io
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

import schemathesis
import zstandard
from schemathesis.core.parameters import ParameterLocation

from handlers.formats import JSON, LINES, TABLE
from handlers.idempotency import HEADER, read_key
from handlers.prefer import prefers_lenient
from handlers.record import MAX_INTEGER, FlowRecord
from handlers.web import Request, RequestError
from tests.factories import to_json

_PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "zstd": zstandard.compress,
}
_COLUMNS = FlowRecord.__struct_fields__

_sent: dict[str, Any] = {}
_numbers = count()


def write_body(context: Any, value: Any) -> bytes:
    """Write a body as its media type has it, packed as its Content-Encoding says."""
    body = _written(context.case.media_type, value)
    pack = _PACKED.get(context.case.headers.get("Content-Encoding", ""))
    return pack(body) if pack else body


schemathesis.serializer(JSON, LINES, TABLE)(write_body)


def _written(media: str, value: Any) -> bytes:
    if media == LINES and isinstance(value, list):
        return b"".join(to_json(each) + b"\n" for each in value)
    return value.encode() if media == TABLE and isinstance(value, str) else to_json(value)


def _whole(value: Any) -> Any:
    """Write 1.0 as 1: to JSON Schema both are one integer, to the service a fraction is none."""
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@schemathesis.hook
def before_call(_context: Any, case: Any, **_: Any) -> None:
    """Change a request that is as the document says, and yet is rightly answered otherwise."""
    case.body, case.query = _whole(case.body), _whole(case.query)
    if case.method == "POST":
        _tabulate(case)
        _insist(case)
        _rename(case)
    else:
        _come_within_reach(case)


def _is_bad(case: Any) -> bool:
    return case.meta is not None and bool(case.meta.is_negative_at(ParameterLocation.BODY))


def _tabulate(case: Any) -> None:
    """Make a table of a text that shall be one: a schema says of CSV only that it is text."""
    if case.media_type == TABLE and not _is_bad(case) and not str(case.body).startswith(_COLUMNS):
        rng = Random(str(case.body))
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(rng.sample(_COLUMNS, len(_COLUMNS)))
        table.writerows(
            [rng.choice((0, 1, 1 << 31, MAX_INTEGER >> 20)) for _ in _COLUMNS] for _ in range(rng.randrange(9))
        )
        case.body = text.getvalue()


def _insist(case: Any) -> None:
    """Take away a bad batch's preference for leniency: with it the bad records rightly come back with a 201."""
    if _is_bad(case) and prefers_lenient(_request(case)):
        del case.headers["Prefer"]


def _rename(case: Any) -> None:
    """Give a request a key of its own: under one that another has had, it is rightly refused."""
    try:
        key = read_key(_request(case))
    except RequestError:
        return
    sent = repr((case.media_type, case.headers.get("Prefer"), case.body))
    if key is not None and _sent.setdefault(key, sent) != sent:
        case.headers[HEADER] = f'"of its own {next(_numbers)}"'


def _come_within_reach(case: Any) -> None:
    """Keep page times size below 2^63: the document tells it in words, since a schema cannot."""
    page, size = (str((case.query or {}).get(name, default)) for name, default in (("page", 1), ("size", 50)))
    if page.isdecimal() and size.isdecimal() and int(page) <= MAX_INTEGER < int(page) * int(size):
        case.query["page"] = MAX_INTEGER // int(size)


def _request(case: Any) -> Request:
    return Request(case.method, case.path, headers={name.lower(): value for name, value in case.headers.items()})
