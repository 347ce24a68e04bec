"""What an engine does for the store, and which one a database URL means."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from handlers.record import Delivery, FlowSum

Names = tuple[str, str, str]
"""A sum's place within its hour: src_app, dest_app, vpc_id."""


class CannotOpen(Exception):
    """The database cannot be opened; the message is a sentence for the operator."""


class Dialect(msgspec.Struct, frozen=True):
    """How a database says what the models do not."""

    placeholder: str
    rows_as_json: str
    """An aggregate of rows as one JSON value, with a place for the columns."""
    array_as_json: str
    """Values as one JSON value, with a place for them."""
    sums_overflow: bool
    """Whether a sum of 64-bit integers is one."""
    one_moment: bool = True
    """Whether all that one statement reads is of one moment, so that a version can stand for the rows beside it."""

    def listed(self, columns: str, rows_sql: str) -> str:
        """Write the query for another's rows as one JSON value, in their order; it may be NULL where there are none.

        Row by row, each would give up the interpreter lock: measured a sixth of the pages a second from 16
        connections on SQLite. An ordered subquery keeps its order in the aggregate; the contract suite would tell.
        """
        return f"SELECT {self.rows_as_json.format(columns)} FROM ({rows_sql}) AS listed"


Read = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""Runs a statement, and fetches all of its rows."""

_Result = TypeVar("_Result")


class Engine(Protocol):
    """All that differs between databases."""

    writers: int
    """Threads that may add at the same time with gain."""

    def sql(self, query: Any) -> str:
        """Write a Peewee query in this database's SQL; its values become parameters."""
        ...

    dialect: Dialect

    def statement(self, query: Any) -> tuple[str, Sequence[Any]]:
        """Write a Peewee query in this database's SQL, and list its parameters."""
        ...

    def look(self, attempt: Callable[[Read], _Result]) -> _Result:
        """Let a function read; on SQLite all of one moment. Raises StoreUnavailable."""
        ...

    def stream(self, choose: Callable[[Read], tuple[str, Sequence[Any]]], rows: int) -> Iterator[list[tuple[Any, ...]]]:
        """Run the statement that ``choose`` chooses, and fetch so many rows at a time, all of one moment.

        Raises StoreUnavailable. A connection is held until it is at its end, or closed.
        """
        ...

    def add(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery]) -> None:
        """Add sums to the stored ones, with their deliveries; see FlowStore. There is at least one of either."""
        ...

    def count(self, count_sql: str, *parameters: int) -> int:
        """Fetch a count, which the query gives as NULL where there is none. Raises StoreUnavailable."""
        ...

    def fetch(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Fetch the few rows that a query gives, of one moment. Raises StoreUnavailable."""
        ...

    def bytes_on_disk(self) -> int:
        """Tell how many bytes the tables take. Raises StoreUnavailable."""
        ...

    def find(self, scope: str, key: str) -> Delivery | None:
        """Find a delivery. Raises StoreUnavailable."""
        ...

    def writing(self) -> AbstractContextManager[Any]:
        """Lend a DB-API connection for one transaction, on disk once the block ends and undone if it raises.

        Raises StoreUnavailable.
        """
        ...

    def hours(self, before: int) -> list[int]:
        """List the hours before one that have sums, the oldest first. Raises StoreUnavailable."""
        ...

    def remove(self, hour: int, after: Names, most: int) -> tuple[int, Names | None]:
        """Remove about ``most`` sums of an hour, those next after some names, and take them off its totals.

        It is one transaction, which keeps no writer out but those of the same rows. Tells how many were removed, and
        the names of the last, or None where it was the hour's last too. Raises StoreUnavailable or OutcomeUnknown.
        """
        ...

    def give_back(self, most_pages: int) -> int:
        """Give some free pages back to the file system; tell how many. Raises StoreUnavailable."""
        ...

    def shrink(self) -> None:
        """Give the space of removed rows back to the file system."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


def engine_of(url: str) -> Callable[[str, int, int], Engine]:
    """Import the engine that a URL such as ``sqlite:///flows.db`` or ``postgresql://user@host/name`` asks for.

    Called with the URL, the shards that a new table gets on a Citus cluster, and the hours that deliveries are kept, it
    opens the database. An engine, and its driver, is imported only where a URL asks for it. Both raise CannotOpen.
    """
    scheme = split_url(url).scheme
    if scheme == "sqlite":
        from storage.sqlite import SqliteEngine

        return lambda url, _, idempotency_hours: SqliteEngine(url, idempotency_hours)
    if scheme in ("postgresql", "postgres"):
        try:
            from storage.postgresql import PostgresqlEngine
        except ModuleNotFoundError as error:
            raise CannotOpen(
                "DATABASE_URL names PostgreSQL, whose driver is missing: make install_postgresql"
            ) from error

        return PostgresqlEngine
    # The URL itself may hold a password.
    raise CannotOpen(
        f"DATABASE_URL begins with {scheme or 'no scheme'}, and must begin with sqlite:/// or postgresql://"
    )


def split_url(url: str) -> SplitResult:
    """Take a database URL apart. Raises CannotOpen, without the URL: it may hold a password."""
    try:
        return urlsplit(url)
    except ValueError:
        raise CannotOpen("DATABASE_URL is no URL") from None
