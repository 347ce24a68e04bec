"""Flow records in, one sum per flow key out, in key order."""

from collections.abc import Iterable

import msgspec

from handlers.record import FlowRecord, FlowSum


class _Sum(msgspec.Struct, gc=False):
    records: int
    bytes_rx: int
    bytes_tx: int


def aggregate(records: Iterable[FlowRecord]) -> list[FlowSum]:
    """Sum the records of each key; the sums come in the order hour, src_app, dest_app, vpc_id.

    Sums are exact Python integers: one past 2^63-1 is the store's to refuse. An aggregated flow is itself a flow
    (RFC 7015), so sums of sums are sums.
    """
    hours: dict[int, dict[str, _Sum]] = {}
    hour, sums = -1, {}
    for record in records:
        # A batch mostly stays in its hour.
        if record.hour != hour:
            hour = record.hour
            sums = hours.setdefault(hour, {})
        # NUL is in no name and sorts before every character, so the joined names order as the three do; one
        # string hashes and sorts in half the time of a tuple.
        names = f"{record.src_app}\0{record.dest_app}\0{record.vpc_id}"
        found = sums.get(names)
        if found is None:
            sums[names] = _Sum(1, record.bytes_rx, record.bytes_tx)
        else:
            found.records += 1
            found.bytes_rx += record.bytes_rx
            found.bytes_tx += record.bytes_tx
    rows: list[FlowSum] = []
    for hour in sorted(hours):
        rows += _rows(hour, hours[hour])
    return rows


def _rows(hour: int, sums: dict[str, _Sum]) -> list[FlowSum]:
    rows = []
    names_left = sorted(sums, reverse=True)
    # Names are taken out as they go into rows, so that they are not in memory twice.
    while names_left:
        names = names_left.pop()
        found = sums.pop(names)
        src_app, dest_app, vpc_id = names.split("\0")
        rows.append((hour, src_app, dest_app, vpc_id, found.records, found.bytes_rx, found.bytes_tx))
    return rows
