"""Questions beyond an hour's page: what is asked of the store, and the shape of its answer."""

from collections.abc import Iterator
from urllib.parse import urlencode

from handlers.accept import COLUMNAR, Shape, shape_of
from handlers.cursor import write_cursor
from handlers.download import content_disposition
from handlers.iso_time import with_times
from handlers.language import Asked, read_flows_query
from handlers.no_data import hours_with_data
from handlers.query import pairs_of
from handlers.question import SUMS, WALK, Found, Question, Rest, Row, Sort
from handlers.record import MAX_INTEGER, FlowStore
from handlers.settings import Settings
from handlers.stream import let_go
from handlers.table import Table, answer_table
from handlers.web import Request, Response


def read_flows(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Answer any question about flows. Raises RequestError 422 on a bad query, and what the store raises."""
    return answer_asked(request, read_flows_query(request.query, settings, request.hour), store)


def answer_asked(request: Request, asked: Asked, store: FlowStore) -> Response:
    """Answer what has been read: as JSON a part of the rows, in another format all of them, unless a part was meant.

    Raises RequestError 406 where no format would be accepted, and what the store raises.
    """
    shape = shape_of(request, asked.format)

    def ask() -> Table:
        if shape.format == "json":
            return _page(request, asked, store)
        table = _part(request, asked, store) if asked.part else _streamed(asked, store, shape)
        group = asked.question.members if "group_by" in asked.given else None
        named = content_disposition(request, asked.question.hours, shape.format, group)
        return table._replace(headers=(*table.headers, named))

    return answer_table(request, shape, asked, lambda: store.version(asked.question.hours), ask)


def _page(request: Request, asked: Asked, store: FlowStore) -> Table:
    """Answer a part, which names the hours that have flows where those that were asked for have none."""
    table = _part(request, asked, store)
    (rows,) = table.chunks
    if (rows and asked.question.members) or asked.question.after or asked.question.offset:
        return table
    # The total of nothing is a row of zeros.
    counted = [row for row in rows if any(row)]
    return table._replace(beside={**table.beside, **hours_with_data(store, asked.question.hours, counted)})


def _part(request: Request, asked: Asked, store: FlowStore) -> Table:
    found = store.ask(asked.question)
    return _walked(asked, found, request.query) if asked.by_cursor else told(asked, found)


def _streamed(asked: Asked, store: FlowStore, shape: Shape) -> Table:
    """Tell every row, while it is read; sums as they are kept, hour by hour, which takes no sorting of all of them."""
    question = asked.question._replace(limit=None, counted=False)
    if not question.merges and {"sort", "group_by"}.isdisjoint(asked.given):
        question = question._replace(order=tuple(map(Sort, WALK)))
    members, _ = shown(asked, [])
    fits = shape.format not in COLUMNAR or not question.merges or _fits(question, store)
    return Table(members, _shown_chunks(asked, store.stream(question)), fits=fits)


def _fits(question: Question, store: FlowStore) -> bool:
    """Return whether no sum that merges sums of these hours can exceed 2^63-1, by the hourly totals.

    Either way's bytes may be added to the other's, where flows are seen from their other end. Totals that pass the
    limit between this and the stream's own moment make the stream fail, and the client ask again.
    """
    ((bytes_rx, bytes_tx, records),) = store.ask(Question(question.hours, members=(), limit=1)).rows
    return int(bytes_rx) + int(bytes_tx) <= MAX_INTEGER and int(records) <= MAX_INTEGER


def _shown_chunks(asked: Asked, chunks: Iterator[list[Row]]) -> Iterator[list[Row]]:
    try:
        for rows in chunks:
            yield shown(asked, rows)[1]
    finally:
        let_go(chunks)


def told(asked: Asked, found: Found) -> Table:
    """Put a page, or the first rows and the rest, into the shape of the answer."""
    members, rows = shown(asked, found.rows)
    if found.rest is None:
        return Table(members, (rows,), {"total": found.total, "page": asked.page, "size": asked.size})
    rest = rest_of(found.rest, records=asked.records)
    return Table(members, (rows,), {"other": rest}, tuple(rest.get(name) for name in members))


def shown(asked: Asked, rows: list[Row]) -> tuple[tuple[str, ...], list[Row]]:
    """Leave out how many records there were, where that was not asked for, and add times, where they were."""
    members = (*asked.question.members, *SUMS)
    if not asked.records:
        members, rows = members[:-1], [row[:-1] for row in rows]
    return with_times(members, rows) if asked.times else (members, rows)


def rest_of(rest: Rest, *, records: bool) -> dict[str, int]:
    """Tell how many rows were left, and what they come to."""
    told = rest._asdict()
    return told if records else {name: value for name, value in told.items() if name != "records"}


def _walked(asked: Asked, found: Found, query: str) -> Table:
    """Tell the next rows, and where to go on: as a cursor, and as a link (RFC 8288), relative to the request."""
    members, rows = shown(asked, found.rows[: asked.size])
    if len(found.rows) <= asked.size:
        return Table(members, (rows,), {"size": asked.size, "next": None})
    cursor = write_cursor(asked.question, found.rows[asked.size - 1])
    given = [(name, value) for name, value in pairs_of(query) if name != "cursor"]
    link = f'<?{urlencode([*given, ("cursor", cursor)])}>; rel="next"'
    return Table(members, (rows,), {"size": asked.size, "next": cursor}, headers=(("Link", link),))
