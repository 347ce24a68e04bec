"""What an empty answer adds when the hours that it is about hold no flows at all: the hours that do."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from handlers.question import Hours
from handlers.record import MAX_INTEGER, FlowStore


class HoursWithData(msgspec.Struct, rename={"first": "from", "end": "to"}):
    """The hours from the first that has flows, and before ``to``, as the parameters take them; none is after 2^63-1."""

    first: int
    end: int | UnsetType = UNSET


def hours_with_data(store: FlowStore, asked: Hours, rows: Sequence[object]) -> Mapping[str, Any]:
    """Name the hours that have flows, as a member of the answer, where there are no ``rows`` for want of such hours.

    There is no such member where something else leaves no rows, such as a filter, nor where nothing is stored at all.
    It asks the store where there are no rows only. Raises StoreUnavailable.
    """
    if rows or store.hours(asked, 0, 1)[0]:
        return {}
    span = store.span()
    if span is None:
        return {}
    # No parameter is larger than the last hour that there may be.
    end = UNSET if span.end is None or span.end > MAX_INTEGER else span.end
    return {"hours_with_data": HoursWithData(span.first, end)}
