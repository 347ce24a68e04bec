"""A page of one hour's sums: the plain question, ``?hour=2``, which is asked most and answered by one statement."""

from handlers.accept import shape_of
from handlers.codec import encode, flow_page
from handlers.query import HourQuery, parse_hour_query
from handlers.question import KEY, HourPage, Hours
from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.table import answer_unless_known
from handlers.web import Request, Response


def read_hour_page(request: Request, store: FlowStore, settings: Settings) -> Response | None:
    """Answer a page as JSON; or None where another question or another format is asked for.

    Raises RequestError 406 where no format would be accepted, and what the store raises.
    """
    asked = parse_hour_query(request.query, settings)
    if asked is None or (shape := shape_of(request)).format != "json":
        return None

    def read() -> HourPage:
        return store.read(asked.hour, asked.offset, asked.size)

    # One statement tells the sums and their version. Where they may be known already, the version alone comes first.
    found = None if "if-none-match" in request.headers else read()

    def page() -> Response:
        shown = found or read()
        if not shown.total:
            return Response(200, _empty_page(store, asked))
        return Response(200, encode(flow_page(shown, asked.page, asked.size)), records=len(shown.sums))

    def version() -> str:
        return found.version if found else store.version(Hours((asked.hour,)))

    return answer_unless_known(request, shape, asked, version, page)


def _empty_page(store: FlowStore, asked: HourQuery) -> bytes:
    """Write the page of an hour without sums."""
    from handlers.formats.rows import write_items
    from handlers.no_data import hours_with_data

    beside = {"total": 0, "page": asked.page, "size": asked.size}
    return write_items(KEY, (), beside | dict(hours_with_data(store, Hours((asked.hour,)), ())))
