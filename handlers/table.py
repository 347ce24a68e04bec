"""A table as an answer: rows, what stands beside them, and how they are written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from handlers.web import Response

_ENCODER = msgspec.json.Encoder()


class Table(NamedTuple):
    """Rows of values in the order of ``members``, some at a time, and what is told beside them."""

    members: tuple[str, ...]
    chunks: Iterable[Sequence[tuple[Any, ...]]]
    beside: Mapping[str, Any] = {}
    other: tuple[Any, ...] | None = None
    headers: tuple[tuple[str, str], ...] = ()


def answer_table(table: Table) -> Response:
    """Write a table as JSON: its rows as objects in ``items``, and what is beside them."""
    items = [dict(zip(table.members, row, strict=True)) for chunk in table.chunks for row in chunk]
    return Response(200, _ENCODER.encode({"items": items, **table.beside}), table.headers, records=len(items))
