"""The flow record, its key and its sums, and what a handler asks of storage."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    from handlers.question import Found, HourPage, Hours, HourTotal, Question, Row, StoreSize


MAX_INTEGER = 2**63 - 1
"""The largest number a record or a sum may hold: a signed 64-bit integer, as every engine stores it."""

SECONDS_AN_HOUR = 3_600

MAX_NAME_CHARACTERS = 255
MAX_NAMES_BYTES = 2_600
"""Bytes of UTF-8 that the three names of a key may take together: a PostgreSQL index row ends at 2,704 bytes."""

MAX_RECORD_BYTES = 65_536
"""Bytes that one record may take in a body: what is longer is refused before it is parsed.

A record's own names take 2,600, or 15,600 with every character escaped; the rest is room for members that are ignored.
"""

# A pattern that msgspec checks itself takes 2.5 times the time of all the rest; this one is only told.
Name = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=MAX_NAME_CHARACTERS, extra_json_schema={"pattern": r"^[^\u0000]*$"}),
]
Whole = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


class FlowRecord(msgspec.Struct, gc=False):
    """One reported observation: who talked to whom, where, when, and how many bytes each way.

    ``bytes_tx`` and ``bytes_rx`` are whole bytes as seen from ``src_app``; ``hour`` is the aggregation interval.
    """

    src_app: Name
    dest_app: Name
    vpc_id: Name
    hour: Whole
    bytes_tx: Whole
    bytes_rx: Whole


def well_named(record: FlowRecord) -> bool:
    """Check what the types cannot: no NUL in a name, and the three not too long together."""
    names = record.src_app, record.dest_app, record.vpc_id
    return not any("\0" in name for name in names) and sum(len(name.encode()) for name in names) <= MAX_NAMES_BYTES


class FlowKey(NamedTuple):
    """What a sum is kept for."""

    hour: int
    src_app: str
    dest_app: str
    vpc_id: str


FlowSum: TypeAlias = tuple[int, str, str, str, int, int, int]
"""A key's totals: ``(hour, src_app, dest_app, vpc_id, records, bytes_rx, bytes_tx)``.

A plain tuple: it is a database row as it stands, and a batch may hold 100,000 of them.
"""


class SumTooLarge(Exception):
    """A sum would pass 2^63-1; nothing of its batch was stored."""

    def __init__(self, key: FlowKey) -> None:
        super().__init__(key)
        self.key = key


class Delivery(NamedTuple):
    """A batch as its sender knows it: by a key of its own within a scope, with what was sent, and what was answered."""

    scope: str
    key: str
    fingerprint: bytes
    answer: bytes

    @property
    def name(self) -> tuple[str, str]:
        """What tells deliveries apart."""
        return self.scope, self.key


class AlreadyDelivered(Exception):
    """Some of the deliveries are stored already, with these contents; nothing of what was to be added was stored."""

    def __init__(self, found: Mapping[tuple[str, str], Delivery]) -> None:
        super().__init__(found)
        self.found = found


class StoreUnavailable(Exception):
    """The store is busy, full or out of reach for now; nothing of the batch was stored."""


class StoreMissing(StoreUnavailable):
    """The store's file was removed, renamed or replaced; nothing of the batch was stored."""


class TookTooLong(StoreUnavailable):
    """A question was not answered in the time that there is for one."""


class TooManyQuestions(StoreUnavailable):
    """As many questions that read much are worked on, or wait, as may be."""


class OutcomeUnknown(StoreUnavailable):
    """The store was lost while it committed; whether the batch was stored, wholly or not at all, is not known."""


class FlowStore(Protocol):
    """Where sums live."""

    def add(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery] = ()) -> None:
        """Add sums, each key once and in key order, to the stored ones, with their deliveries: all of it or nothing.

        It is on disk when this returns. Where a delivery is just being stored by another, this waits for it. Raises
        AlreadyDelivered, SumTooLarge, StoreUnavailable or OutcomeUnknown.
        """
        ...

    def read(self, hour: int, offset: int, limit: int) -> "HourPage":
        """Read at most ``limit`` sums of an hour from the ``offset``-th on, by src_app, dest_app and vpc_id.

        Names are ordered by Unicode code point. Raises StoreUnavailable.
        """
        ...

    def hours(self, hours: "Hours", offset: int, limit: int) -> "tuple[int, list[HourTotal]]":
        """Read at most ``limit`` totals of those of some hours that have sums, newest first, from the ``offset``-th on.

        Tells first how many have: both are of one moment. Raises StoreUnavailable.
        """
        ...

    def span(self) -> "Hours | None":
        """Read the range from the first hour that has sums to the last, or None where there are none.

        Raises StoreUnavailable.
        """
        ...

    def version(self, hours: "Hours") -> str:
        """Tell the version of some hours: another after each write to one of them, and the same without.

        That of hours without sums changes with the span, too. It is empty where the store cannot read a version and
        sums of one moment, as on a cluster: a version may be visible there before the sums that it stands for. Raises
        StoreUnavailable.
        """
        ...

    def find(self, scope: str, key: str) -> Delivery | None:
        """Find a delivery that is stored. Raises StoreUnavailable."""
        ...

    def ask(self, question: "Question") -> "Found":
        """Answer a question, all of one moment. Raises StoreUnavailable, and TookTooLong above all."""
        ...

    def stream(self, question: "Question") -> "Iterator[list[Row]]":
        """Answer with rows alone, in its order, some at a time, all of one moment.

        It holds a connection until it is at its end, or closed. Raises StoreUnavailable, also while it goes on.
        """
        ...

    def answers(self, seconds: float) -> bool:
        """Return whether a query is answered within ``seconds``. Raises StoreMissing when the database file is gone."""
        ...

    def size(self) -> "StoreSize":
        """Tell how large the store is. Raises StoreUnavailable."""
        ...

    def close(self) -> None:
        """Let go of every connection; the store is not used afterwards."""
        ...
