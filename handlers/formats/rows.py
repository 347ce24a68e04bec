"""Rows of a table -> JSON objects, in an array or a line each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

Row = tuple[Any, ...]
"""Text, whole numbers of any size, and None, in the order of the table's members."""

ROWS_AT_ONCE = 1_000
"""Rows made into bytes in one go: about 100 kB, and a third of a millisecond in which no other thread can run."""

_MOST = 2**64 - 1
_ENCODER = msgspec.json.Encoder()


def write_items(members: Sequence[str], rows: Sequence[Row], beside: Mapping[str, Any]) -> bytes:
    """Write ``{"items": [...], ...}``, compact, members in their order and whole numbers to the last digit."""
    made = _objects(members)
    try:
        return _ENCODER.encode({"items": [made(*row) for row in rows], **beside})
    except OverflowError:
        return _ENCODER.encode({"items": [made(*map(_exact, row)) for row in rows], **_exact(beside)})


def write_lines(members: Sequence[str], chunks: Iterable[Sequence[Row]]) -> Iterator[bytes]:
    """Write an object a line, some lines at a time."""
    made = _objects(members)
    for rows in portions(chunks):
        try:
            yield _ENCODER.encode_lines([made(*row) for row in rows])
        except OverflowError:
            yield _ENCODER.encode_lines([made(*map(_exact, row)) for row in rows])


def portions(chunks: Iterable[Sequence[Row]]) -> Iterator[Sequence[Row]]:
    """Cut chunks of rows into such as are made into bytes in one go."""
    for chunk in chunks:
        if len(chunk) <= ROWS_AT_ONCE:
            yield chunk
        else:
            for start in range(0, len(chunk), ROWS_AT_ONCE):
                yield chunk[start : start + ROWS_AT_ONCE]


@lru_cache(maxsize=64)
def _made(members: tuple[str, ...]) -> type[msgspec.Struct]:
    return msgspec.defstruct("Row", members, gc=False)


def _objects(members: Sequence[str]) -> type[msgspec.Struct]:
    """Make the type of a row: as a Struct it is written twice as fast as a dict."""
    return _made(tuple(members))


def _exact(value: Any) -> Any:
    """Put a number that is too large for the encoder into digits; it would not write it, nor may it become a float."""
    if isinstance(value, int):
        return msgspec.Raw(str(value).encode()) if value > _MOST else value
    if isinstance(value, Mapping):
        return {name: _exact(each) for name, each in value.items()}
    return value
