"""GET /hours: the hours that have sums, with their totals, newest first."""

from handlers.accept import shape_of
from handlers.download import content_disposition
from handlers.iso_time import with_times
from handlers.language import read_hours_query
from handlers.no_data import hours_with_data
from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.table import Table, answer_table
from handlers.web import Request, Response

_MEMBERS = ("hour", "bytes_rx", "bytes_tx", "records", "flows")


def get_hours(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Answer with hours by their kept totals.

    It is a page in any format: there are not so many. Raises RequestError 422 on a bad query, 406 where no format would
    be accepted, and what the store raises.
    """
    asked = read_hours_query(request.query, settings, request.hour)
    shape = shape_of(request, asked.format)

    def ask() -> Table:
        total, found = store.hours(asked.hours, (asked.page - 1) * asked.size, asked.size)
        rows = [(each.hour, each.bytes_rx, each.bytes_tx, each.records, each.flows) for each in found]
        members, rows = with_times(_MEMBERS, rows) if asked.times else (_MEMBERS, rows)
        beside = {"total": total, "page": asked.page, "size": asked.size}
        if shape.format == "json":
            return Table(members, (rows,), beside if total else beside | dict(hours_with_data(store, asked.hours, ())))
        return Table(members, (rows,), headers=(content_disposition(request, asked.hours, shape.format),))

    return answer_table(request, shape, asked, lambda: store.version(asked.hours), ask)
