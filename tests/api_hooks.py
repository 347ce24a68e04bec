"""What schemathesis cannot read from /openapi.json: how bodies are written, and what requests have to do with others.

Loaded by tests/api_check.py. No hook drops a failure; each says why a request is changed or left out.
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

from handlers.formats import ARROW, JSON, LINES, PARQUET, TABLE
from handlers.idempotency import HEADER, read_key
from handlers.prefer import prefers_lenient
from handlers.record import MAX_INTEGER, FlowRecord
from handlers.times import read_end, read_start
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


@schemathesis.deserializer(LINES, TABLE, PARQUET, ARROW)
def read_answer(_context: Any, response: Any) -> Any:
    """Take an answer that is no JSON as it is: of it the document says only what it is."""
    return response.content.decode("utf-8", "replace")


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
def filter_case(_context: Any, case: Any) -> bool:
    """Leave out the request without a token: --header puts it back. ``ignored_auth`` and our own tests try that."""
    data = getattr(getattr(case.meta, "phase", None), "data", None)
    missing = getattr(data, "scenario", None) == "missing_parameter"
    return not (missing and getattr(data, "parameter", None) == "Authorization")


@schemathesis.hook
def before_call(_context: Any, case: Any, **_: Any) -> None:
    """Change a request that is as the document says, and yet is rightly answered otherwise."""
    case.body, case.query = _whole(case.body), _whole(case.query)
    if case.method == "POST":
        _tabulate(case)
        _insist(case)
        _rename(case)
    else:
        _make_sense(case)


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


def _make_sense(case: Any) -> None:
    """Leave out parameters that exclude each other, and mend those that depend on others.

    The document tells in words what they have to do with each other, since OpenAPI has no other way. What is bad in
    itself is left as it is, and alone with what it goes with, so that it is refused for no other reason.
    """
    named = case.path in ("/hours", "/apps", "/vpcs")
    timed = case.path in ("/flows", "/v1/flows", "/graph")
    if not (named or timed):
        return
    bad = case.meta is not None and case.meta.is_negative_at(ParameterLocation.QUERY)
    tried = getattr(getattr(getattr(case.meta, "phase", None), "data", None), "parameter", None)
    if bad and tried is None:
        # Any of them may be the bad one.
        return
    query = case.query = {name: value for name, value in (case.query or {}).items() if value != []}
    _choose(
        query,
        tried,
        {
            "hour": ("from", "to", "last"),
            "from": ("hour", "last"),
            "to": ("hour", "last"),
            "last": ("hour", "from", "to"),
        },
    )
    _choose(
        query,
        tried,
        {"cursor": ("page", "top", "sort", "last"), "top": ("page", "size", "cursor"), "page": ("top", "cursor")},
    )
    if bad:
        return
    _mend_hours(query, needed=timed)
    _mend_order(case.path, query)
    if "hour" not in query.get("group_by", "hour"):
        query.pop("time", None)
    if "cursor" in query:
        # A cursor is this service's own; and the total is one row.
        query["cursor"] = ""
        if query.get("group_by") == "total":
            del query["group_by"]
    # Page times size stays below 2^63.
    page, size = (int(query.get(name, default)) for name, default in (("page", 1), ("size", 50)))
    if page * size > MAX_INTEGER:
        query["page"] = MAX_INTEGER // size


def _choose(query: dict[str, Any], tried: str | None, excluded: dict[str, tuple[str, ...]]) -> None:
    """Keep one of parameters that exclude each other: the one that is tried, or any."""
    given = [name for name in excluded if name in query]
    kept = tried if tried in given else None
    if kept is None:
        # size and sort go with two of the three.
        apart = [name for name in given if tried not in excluded[name]]
        kept = Random(repr(query)).choice(apart) if apart else None
    for other in excluded[kept] if kept else given:
        query.pop(other, None)


def _mend_hours(query: dict[str, Any], *, needed: bool) -> None:
    # In its zone a time may still be before 1970; and 42 days are more than 1,000 hours.
    for name in ("from", "to"):
        if str(query.get(name, "")).startswith("1970-01-01"):
            query[name] = "1970-01-02"
    if "hour" in query:
        hours = query["hour"] if isinstance(query["hour"], list) else [query["hour"]]
        query["hour"] = ["1970-01-02" if str(hour).startswith("1970-01-01") else hour for hour in hours[:40]]
    elif "to" in query or (needed and "last" not in query):
        query.setdefault("from", 0)
    if "to" in query:
        last = read_end(str(query["to"]))
        if last <= read_start(str(query["from"])):
            query["from"], query["to"] = 0, max(1, last)


def _mend_order(path: str, query: dict[str, Any]) -> None:
    if "sort" not in query:
        return
    group = query.get("group_by", "src_app,dest_app,vpc_id,hour")
    members = {"/apps": ["app"], "/vpcs": ["vpc_id"]}.get(path, group.split(","))
    sums = ["bytes_rx", "bytes_tx", "bytes_total"]
    if path in ("/apps", "/vpcs") or {"group_by", "include"} & query.keys():
        sums.append("records")
    terms = {term.removeprefix("-"): term for term in query["sort"].split(",")}
    kept = [term for name, term in terms.items() if name in (*members, *sums)]
    query["sort"] = ",".join(kept) or "-bytes_total"


def _request(case: Any) -> Request:
    return Request(case.method, case.path, headers={name.lower(): value for name, value in case.headers.items()})
