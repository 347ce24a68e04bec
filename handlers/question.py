"""What may be asked of a store, and what it tells: plain values that handlers and storage both understand."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from handlers.record import FlowSum

KEY = ("src_app", "dest_app", "vpc_id", "hour")
"""A flow key's members in the order in which they are answered."""

WALK = ("hour", "src_app", "dest_app", "vpc_id")
"""The same in key order, in which they are kept, and in which a cursor goes through them."""

SUMS = ("bytes_rx", "bytes_tx", "records")
TOTAL = "bytes_total"
"""Both ways together: what may be sorted by, though it is no member."""

APP = "app"
"""Either end of a flow, as a filter; as a row's only member, an app with all the flows that it is an end of."""


class Hours(NamedTuple):
    """Which hours: the ``chosen``, ascending; or, where there are none, all from ``first`` on and before ``end``."""

    chosen: tuple[int, ...] = ()
    first: int = 0
    end: int | None = None


class Names(NamedTuple):
    """Which names: any of the first two, if there are any of them, and none of the others."""

    exact: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    not_exact: tuple[str, ...] = ()
    not_prefixes: tuple[str, ...] = ()


class Sort(NamedTuple):
    """A member, one of ``SUMS``, or ``TOTAL``, and the direction."""

    member: str
    descending: bool = False


class Question(NamedTuple):
    """Which sums, put together how, in which order, and which part of the rows that come out.

    ``members`` are what a row is about, of ``KEY`` in any order, or ``APP`` alone. Rows have further the totals of
    ``SUMS``, in that order, over all the flows they stand for. ``filters`` choose flows as they are stored; ``prefix``
    chooses among the rows by the beginning of their first member. ``both`` folds a flow and the one that goes back into
    one, as seen from ``seen_from``, or else from the end that sorts first.
    """

    hours: Hours
    filters: tuple[tuple[str, Names], ...] = ()
    members: tuple[str, ...] = KEY
    both: bool = False
    prefix: str = ""
    order: tuple[Sort, ...] = ()
    """Every member is in it once, so that no two rows are equal in it."""
    after: tuple[str | int, ...] = ()
    """Only rows that come later in the order than this one, by the values of its members; ascending orders only."""
    offset: int = 0
    limit: int | None = None
    counted: bool = False
    """Whether to count all the rows there are."""
    rest: bool = False
    """Whether to add up the rows beyond ``limit``."""

    @property
    def merges(self) -> bool:
        """Tell whether a row may stand for several sums."""
        return self.both or len(self.members) != len(KEY)

    @property
    def seen_from(self) -> str:
        """The one app that the filters want at either end, or "" where they want none, several or a prefix."""
        names = dict(self.filters).get(APP, Names())
        return names.exact[0] if len(names.exact) == 1 and not names.prefixes else ""


Row = tuple[str | int, ...]
"""The values of a question's members, then those of ``SUMS``; exact, and so at times beyond 64 bits."""


class Rest(NamedTuple):
    """The rows that are not told one by one: how many, and their totals."""

    rows: int
    bytes_rx: int
    bytes_tx: int
    records: int


class Found(NamedTuple):
    """A part of the rows, how many there are in all, and what the rest of them come to; all of one moment."""

    rows: list[Row]
    total: int | None = None
    rest: Rest | None = None


class HourTotal(NamedTuple):
    """How many sums an hour has, and what they add up to: exact, also past 2^63-1."""

    hour: int
    flows: int
    records: int
    bytes_rx: int
    bytes_tx: int


class HourPage(NamedTuple):
    """A part of an hour's sums, and how many the hour has in all, both of one moment."""

    total: int
    sums: "list[FlowSum]"
    version: str
    """The hour's, of the same moment; see FlowStore."""


class StoreSize(NamedTuple):
    """How large a store is: how many sums it has, and how many bytes it takes on disk."""

    sums: int
    bytes: int
