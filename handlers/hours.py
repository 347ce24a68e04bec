"""GET /hours: the hours that have sums, with their totals, newest first."""

from handlers.language import read_hours_query
from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.table import Table, answer_table
from handlers.web import Request, Response

_MEMBERS = ("hour", "bytes_rx", "bytes_tx", "records", "flows")


def get_hours(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Answer with hours by their kept totals. Raises RequestError 422 on a bad query, and what the store raises."""
    hours, page, size = read_hours_query(request.query, settings)
    total, found = store.hours(hours, (page - 1) * size, size)
    rows = [(each.hour, each.bytes_rx, each.bytes_tx, each.records, each.flows) for each in found]
    return answer_table(Table(_MEMBERS, (rows,), {"total": total, "page": page, "size": size}))
