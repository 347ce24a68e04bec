"""Tables as answers: rows, what stands beside them, and the form in which they are given."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from handlers.accept import COLUMNAR, MEDIA, VARY, Format, Shape
from handlers.etag import etag_of, is_known, version_of
from handlers.formats.rows import Row, write_items, write_lines
from handlers.record import MAX_INTEGER
from handlers.stream import Stream
from handlers.web import Request, Response

PACKED_FROM = 1_024
"""Bytes from which gzip saves more than it costs."""

_GZIP = ("Content-Encoding", "gzip")
# Whoever keeps an answer asks each time whether it is still right. What was given for a token is its holder's alone.
_KEPT = ("Cache-Control", "no-cache")
_KEPT_BY_ONE = ("Cache-Control", "private, no-cache")

Version = Callable[[], str]
"""Asks for the version of sums: another one after each write to them, or empty where there is none."""


class Table(NamedTuple):
    """What a table-like answer is, before it has a format."""

    members: tuple[str, ...]
    """The columns' names, in order."""
    chunks: Iterable[Sequence[Row]]
    """The rows, some at a time: a list or tuple of them is sent in one piece, anything else while it is iterated over,
    and closed."""
    beside: Mapping[str, Any] = {}
    """JSON's members beside ``items``."""
    other: Row | None = None
    """The row of the rest, its key members None, for formats in which there is nothing beside the rows."""
    headers: tuple[tuple[str, str], ...] = ()
    fits: bool = False
    """Whether every number is known to be at most 2^63-1."""


def answer_table(
    request: Request, shape: Shape, asked: Iterable[object], version: Version, ask: Callable[[], Table]
) -> Response:
    """Answer a question by the table that ``ask`` gives; see ``answer_unless_known``."""
    return answer_unless_known(request, shape, asked, version, lambda: _answer(ask(), shape))


def answer_unless_known(
    request: Request, shape: Shape, asked: Iterable[object], version: Version, answer: Callable[[], Response]
) -> Response:
    """Answer a question in a form, or with 304 where the caller has that answer already.

    ``asked`` is the question, its defaults filled in, of values that have a repr; ``version`` tells that of the sums it
    is about, and is asked before they are, so that no validator is newer than its answer. ``answer`` makes the
    answer, unless it is known. Sums without a version are read each time, and the ETag is a hash of the answer; one
    that is streamed has no validator then. Raises what both raise.
    """
    found, made = version(), None
    kept = _KEPT_BY_ONE if request.caller else _KEPT
    if not found:
        made = answer()
        if made.chunks is not None:
            return made._replace(headers=(VARY, kept, *made.headers))
        found = version_of(made.body)
    # A plain tuple's repr takes half the time.
    etag = etag_of(found, repr(tuple(asked)), shape)
    headers = (VARY, ("ETag", etag), kept)
    if (known := request.headers.get("if-none-match")) is not None and is_known(etag, known):
        return Response(304, b"", headers)
    response = made or answer()
    if shape.gzip:
        response = _packed(response, shape)
    return response._replace(headers=(*headers, *response.headers))


def _answer(table: Table, shape: Shape) -> Response:
    # JSON is for pages: what it has beside the rows may tell of all of them.
    if shape.format == "json" or isinstance(table.chunks, list | tuple):
        return _whole(table, shape.format)
    return _streamed(table, shape)


def _whole(table: Table, wanted: Format) -> Response:
    rows = list(chain.from_iterable(table.chunks))
    if wanted == "json":
        return Response(200, write_items(table.members, rows, table.beside), table.headers, records=len(rows))
    numbers = (value for row in (*rows, table.other or ()) for value in row if isinstance(value, int))
    table = table._replace(fits=wanted not in COLUMNAR or max(numbers, default=0) <= MAX_INTEGER)
    body = b"".join(_write(table, wanted, [rows]))
    binary = wanted in COLUMNAR
    return Response(200, body, table.headers, records=len(rows), content_type=MEDIA[wanted], binary=binary)


def _packed(response: Response, shape: Shape) -> Response:
    """Pack an answer that is whole, if it gains by that, or must be."""
    if response.chunks is not None or not _packs(shape) or (len(response.body) < PACKED_FROM and shape.plain):
        return response
    from handlers.compression import pack

    return response._replace(body=b"".join(pack([response.body])), headers=(*response.headers, _GZIP), binary=True)


def _streamed(table: Table, shape: Shape) -> Response:
    packs = _packs(shape)

    def write(chunks: Iterable[Sequence[Row]]) -> Iterator[bytes]:
        parts = _write(table, shape.format, chunks)
        if not packs:
            return parts
        from handlers.compression import pack

        return pack(parts)

    headers = (*table.headers, _GZIP) if packs else table.headers
    binary = packs or shape.format in COLUMNAR
    stream = Stream(table.chunks, write)
    return Response(200, b"", headers, content_type=MEDIA[shape.format], binary=binary, chunks=stream)


def _packs(shape: Shape) -> bool:
    """Tell whether gzip is to be used: a Parquet file is packed already, and packed again only if it must be."""
    return shape.gzip and (shape.format != "parquet" or not shape.plain)


def _write(table: Table, wanted: Format, chunks: Iterable[Sequence[Row]]) -> Iterator[bytes]:
    """Write the rows, and that of the rest, a part at a time."""
    rest = () if table.other is None else ([table.other],)
    rows = chain(chunks, rest)
    if wanted == "ndjson":
        return write_lines(table.members, rows)
    # Imported where they are asked for.
    if wanted == "csv":
        from handlers.formats.csv import write_table

        return write_table(table.members, rows)
    from handlers.formats.parquet import write_arrow, write_parquet

    return (write_parquet if wanted == "parquet" else write_arrow)(table.members, rows, table.fits)
