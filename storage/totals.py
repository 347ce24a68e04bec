"""The kept totals of hours: what a batch adds to them.

A total may pass what an engine's integer holds where no sum does, so it is kept as two: ``low``, from 0 up to 2^32, and
``high``, in units of 2^32. What is added carries over from the one to the other; so ``low`` cannot overflow, nor
``high`` before an hour has 2^32 sums.
"""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from os import urandom

from handlers.record import FlowSum

TOTALS = ("records", "bytes_rx", "bytes_tx")
HALVES = ", ".join(f"{name}_low, {name}_high" for name in TOTALS)
"""The columns of the three totals."""

BITS = 32
LOW = 2**BITS - 1
_HOUR = itemgetter(0)
_SUMMED = tuple(itemgetter(place) for place in (4, 5, 6))

SUM_OF_ROWS = ", ".join(
    f"CAST(sum({name} & {LOW}) AS bigint), CAST(sum({name} >> {BITS}) AS bigint)" for name in TOTALS
)
"""The halves of the totals of rows of ``flow_sum``, NULL where there are none; 2^31 rows at most."""

ADD_HALVES = ", ".join(
    f"{name}_low = (hour_count.{name}_low + EXCLUDED.{name}_low) & {LOW}, {name}_high = hour_count.{name}_high"
    f" + EXCLUDED.{name}_high + ((hour_count.{name}_low + EXCLUDED.{name}_low) >> {BITS})"
    for name in TOTALS
)
"""What an upsert of ``hour_count`` sets, which is right where what is added is negative too."""

ADD_WRITE = "writes = hour_count.writes + 1 + (EXCLUDED.writes >> 16)"
"""Raises the counter of writes by a random step, where a new row's would be a random number of 40 bits.

So it does not come back to a value that readers have seen, also not when an hour was removed and is filled again, or
the database was brought back to an earlier moment: but for one chance in eight million.
"""


def random_writes() -> int:
    """Make a counter of writes for a new row."""
    return int.from_bytes(urandom(5), "big")


def next_writes(writes: int) -> int:
    """Raise a counter of writes, as ADD_WRITE does."""
    return writes + 1 + (random_writes() >> 16)


def halves(values: Sequence[int]) -> list[int]:
    """Split integers, each into its low and its high part."""
    return [half for value in values for half in (value & LOW, value >> BITS)]


def whole(row: Sequence[int | None]) -> list[int]:
    """Put the parts of integers together."""
    return [(low or 0) + ((high or 0) << BITS) for low, high in zip(row[::2], row[1::2], strict=True)]


def of_batch(sums: Sequence[FlowSum]) -> list[tuple[int, int, int, int]]:
    """Add up the records, bytes_rx and bytes_tx of each hour of a batch, which is in key order."""
    found = []
    start = 0
    while start < len(sums):
        hour = sums[start][0]
        end = len(sums) if sums[-1][0] == hour else bisect_right(sums, hour, start, key=_HOUR)
        part = sums if end - start == len(sums) else sums[start:end]
        records, bytes_rx, bytes_tx = (sum(map(member, part)) for member in _SUMMED)
        found.append((hour, records, bytes_rx, bytes_tx))
        start = end
    return found


def version_of(rows: int, writes: Sequence[int | None]) -> str:
    """Make hours' version of their rows of ``hour_count``: how many there are, and the halves of all their writes."""
    return f"{rows:x}-{whole(writes)[0]:x}"
