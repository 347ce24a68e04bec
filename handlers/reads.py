"""Questions beyond an hour's page: what is asked of the store, and the shape of its answer."""

from collections.abc import Iterator
from urllib.parse import urlencode

from handlers.accept import shape_of
from handlers.cursor import write_cursor
from handlers.language import Asked, read_flows_query
from handlers.query import pairs_of
from handlers.question import SUMS, WALK, Found, Rest, Row, Sort
from handlers.record import FlowStore
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
        table = _table(request, asked, store, every=shape.format != "json" and not asked.part)
        # What is stored fits into 64 bits; what was added up may not.
        return table._replace(fits=not asked.question.merges)

    return answer_table(request, shape, asked, lambda: store.version(asked.question.hours), ask)


def _table(request: Request, asked: Asked, store: FlowStore, *, every: bool) -> Table:
    if every:
        return _streamed(asked, store)
    found = store.ask(asked.question)
    return _walked(asked, found, request.query) if asked.by_cursor else told(asked, found)


def _streamed(asked: Asked, store: FlowStore) -> Table:
    """Tell every row, while it is read; sums as they are kept, hour by hour, which takes no sorting of all of them."""
    question = asked.question._replace(limit=None, counted=False)
    if not (question.merges or "sort" in asked.given):
        question = question._replace(order=tuple(map(Sort, WALK)))
    members, _ = shown(asked, [])
    return Table(members, _shown_chunks(asked, store.stream(question)))


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
    sums = [rest[name] for name in SUMS if name in rest]
    return Table(members, (rows,), {"other": rest}, (*(None for _ in asked.question.members), *sums))


def shown(asked: Asked, rows: list[Row]) -> tuple[tuple[str, ...], list[Row]]:
    """Leave out how many records there were, where that was not asked for."""
    members = (*asked.question.members, *SUMS)
    return (members, rows) if asked.records else (members[:-1], [row[:-1] for row in rows])


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
