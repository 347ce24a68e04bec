"""Rows of a table -> a Parquet file or an Arrow stream, made while it is sent.

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
    """Write a Parquet file, a row group at a time; ``fits`` says whether every number is at most 2^63-1."""
    import pyarrow
    from pyarrow import parquet

    schema = _schema(members, fits)
    sink = _Sink()
    with parquet.ParquetWriter(pyarrow.PythonFile(sink, mode="w"), schema) as writer:
        for table in _tables(schema, chunks):
            writer.write_table(table)
            yield sink.taken()
    yield sink.taken()


def write_arrow(members: Sequence[str], chunks: Iterable[Sequence[Row]], fits: bool) -> Iterator[bytes]:
    """Write an Arrow IPC stream of the same columns.

    https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
    """
    import pyarrow

    schema = _schema(members, fits)
    sink = _Sink()
    with pyarrow.ipc.new_stream(pyarrow.PythonFile(sink, mode="w"), schema) as writer:
        for table in _tables(schema, chunks):
            writer.write_table(table.combine_chunks())
            yield sink.taken()
    yield sink.taken()


def _schema(members: Sequence[str], fits: bool) -> Any:
    """Give each member a type: names are strings, hours 64-bit integers, times timestamps in UTC.

    Sums are 64-bit integers where all of them ``fits``, else decimals of 38 digits without a fraction: 2^63 sums of at
    most 2^63 have as many.
    """
    import pyarrow

    number = pyarrow.int64() if fits else pyarrow.decimal128(38, 0)
    types = {**dict.fromkeys(_TEXTS, pyarrow.string()), **dict.fromkeys(_KEYS, pyarrow.int64())}
    types["time"] = pyarrow.timestamp("s", tz="UTC")
    return pyarrow.schema([(name, types.get(name, number)) for name in members])


def _tables(schema: Any, chunks: Iterable[Sequence[Row]]) -> Iterator[Any]:
    """Gather rows into tables of at least ``ROWS_A_GROUP``, but for the last."""
    import pyarrow

    gathered: list[Any] = []
    for rows in filter(None, portions(chunks)):
        columns = zip(*rows, strict=True)
        arrays = [_array(column, field) for column, field in zip(columns, schema, strict=True)]
        gathered.append(pyarrow.record_batch(arrays, schema=schema))
        if sum(map(len, gathered)) >= ROWS_A_GROUP:
            yield pyarrow.Table.from_batches(gathered, schema)
            gathered.clear()
    if gathered:
        yield pyarrow.Table.from_batches(gathered, schema)


def _array(column: Sequence[Any], field: Any) -> Any:
    import pyarrow

    if field.name == "time":
        return pyarrow.array(column, pyarrow.string()).cast(field.type)
    return pyarrow.array(column, field.type)


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
