"""Rows of a table -> a Parquet file, made while it is sent.

https://parquet.apache.org/docs/file-format/
"""

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from handlers.formats.rows import Row, portions

ROWS_A_GROUP = 65_536
"""Rows that a reader can skip or read at once; they are kept until the group is full, about 60 bytes each."""

_TEXTS = frozenset({"src_app", "dest_app", "vpc_id", "app"})
_KEYS = frozenset({"hour"})


def installed() -> bool:
    """Tell whether there is pyarrow, without importing it: that takes a second and 60 MB."""
    return find_spec("pyarrow") is not None


def write_parquet(members: Sequence[str], chunks: Iterable[Sequence[Row]], fits: bool) -> Iterator[bytes]:
    """Write a file, a row group at a time.

    Names are strings and hours 64-bit integers. So are sums where all of them ``fits``, else decimals of 38 digits
    without a fraction: 2^63 sums of at most 2^63 have as many.
    """
    import pyarrow
    from pyarrow import parquet

    number = pyarrow.int64() if fits else pyarrow.decimal128(38, 0)
    types = {**dict.fromkeys(_TEXTS, pyarrow.string()), **dict.fromkeys(_KEYS, pyarrow.int64())}
    schema = pyarrow.schema([(name, types.get(name, number)) for name in members])
    sink = _Sink()
    with parquet.ParquetWriter(pyarrow.PythonFile(sink, mode="w"), schema) as writer:
        gathered: list[Any] = []
        for rows in filter(None, portions(chunks)):
            columns = zip(*rows, strict=True)
            arrays = [pyarrow.array(column, field.type) for column, field in zip(columns, schema, strict=False)]
            gathered.append(pyarrow.record_batch(arrays, schema=schema))
            if sum(map(len, gathered)) >= ROWS_A_GROUP:
                writer.write_table(pyarrow.Table.from_batches(gathered, schema))
                gathered.clear()
                yield sink.taken()
        if gathered:
            writer.write_table(pyarrow.Table.from_batches(gathered, schema))
    yield sink.taken()


class _Sink:
    """The file that the library writes: what has been written is taken out, and goes on its way."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)

    def flush(self) -> None:
        """Do nothing, as a file in memory."""

    def close(self) -> None:
        self.closed = True
