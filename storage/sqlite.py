"""SQLite: a file, one writer at a time, readers beside it."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from operator import length_hint
from os.path import exists, getsize
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from peewee import EXCLUDED, OperationalError, PeeweeException, SqliteDatabase

from handlers.record import (
    MAX_INTEGER,
    AlreadyDelivered,
    Delivery,
    FlowKey,
    FlowSum,
    OutcomeUnknown,
    StoreMissing,
    StoreUnavailable,
    SumTooLarge,
    TookTooLong,
)
from storage.delivery import COLUMNS as DELIVERY_COLUMNS
from storage.delivery import FIND, PRUNE, Pruning, known
from storage.engine import CannotOpen, Dialect, Names, Read, split_url
from storage.migrations.sqlite import migrate
from storage.model import FlowSumRow
from storage.opened_files import OpenedFiles
from storage.pool import Pool
from storage.soundness import file_uri, refusal, refuse_unsound
from storage.totals import HALVES, SUM_OF_ROWS, halves, of_batch

OLDEST = (3, 37, 0)
"""The first SQLite with STRICT tables: without them an overflowing sum silently becomes a float."""

BUSY_SECONDS = 5

ANSWER_SECONDS = 20
"""How long to work on any one answer, as on PostgreSQL: the threads that answer are few, and nobody waits for ever."""

_STEPS = 1_000_000
"""Of SQLite's own, some 10 ms, between two looks at the clock."""

ROWS_A_STATEMENT = 200
"""Rows in one INSERT: measured 1.8 µs a row from 50 on, where one row a statement takes 2.7.

Each statement gives up the interpreter lock, and under load waits a millisecond to have it back: the fewer the better.
"""

_VALUES = "(?, ?, ?, ?, ?, ?, ?)"
_DELIVER = f"INSERT INTO delivery ({DELIVERY_COLUMNS}) VALUES "
_PRUNE = PRUNE.format(seconds="?", most="?")
_TEMPORARY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}
# A limit of the file's size or of a user's share says so; only a full disk says SQLITE_FULL.
_NO_ROOM = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
# auto_vacuum can only be chosen before the first table, and before WAL writes the file's header.
_WRITER = {
    "auto_vacuum": "incremental",
    "journal_mode": "wal",
    "synchronous": "full",
    "cache_size": -32_768,
    "temp_store": "memory",
    # The schema names a function of ours, which some builds would not trust it with.
    "trusted_schema": "on",
}
_READER = {"query_only": "on"}
_Result = TypeVar("_Result")


class SqliteEngine:
    """One SQLite database file in WAL mode."""

    writers = 1
    dialect = Dialect("?", "json_group_array(json_array({}))", "json_array({})", sums_overflow=True)

    def __init__(self, url: str, idempotency_hours: int) -> None:
        """Open ``sqlite:///relative/path`` or ``sqlite:////absolute/path``, making the file where there is none."""
        if sqlite3.sqlite_version_info < OLDEST:
            raise CannotOpen(f"SQLite is {sqlite3.sqlite_version}, and must be {'.'.join(map(str, OLDEST))} or newer")
        self.path = database_path(url)
        self._turn = threading.RLock()
        self._readers = Pool(self._connect_reader)
        # One writer for all threads: its page cache stays warm, where another connection's commit empties it.
        self._writer = _database(self.path, _WRITER)
        self._writer.register_function(lambda: 1, "keeps_totals", num_params=0)
        try:
            refuse_unsound(self.path, BUSY_SECONDS)
            migrate(self._writer)
            # Before 3.38 a build could be without JSON, by which pages are read.
            self._writer.execute_sql("SELECT json_group_array(json_array())")
        except CannotOpen:
            self._writer.close()
            raise
        except (sqlite3.Error, PeeweeException) as error:
            self._writer.close()
            raise refusal(self.path, error) from error
        self._files = OpenedFiles(self.path)
        self._is_folded = False
        self._upsert_one = self.sql(_upsert())
        self._pruning = Pruning(idempotency_hours)

    def sql(self, query: Any) -> str:
        """Write a Peewee query as SQLite's SQL."""
        return self.statement(query)[0]

    def statement(self, query: Any) -> tuple[str, Sequence[Any]]:
        """Write a Peewee query as SQLite's SQL."""
        sql, parameters = self._writer.get_sql_context().parse(query)
        return str(sql), parameters

    def add(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery]) -> None:
        """Upsert sums, many a statement; what fits into one needs no transaction around it."""
        rows = [*_of_hours(sums), *sums]
        with self._writer_alone() as connection:
            if len(rows) <= ROWS_A_STATEMENT and not deliveries:
                self._upsert(connection, rows)
                return
            with _transaction(connection):
                if deliveries:
                    self._deliver(connection, deliveries)
                for start in range(0, len(rows), ROWS_A_STATEMENT):
                    self._upsert(connection, rows[start : start + ROWS_A_STATEMENT])

    def _deliver(self, connection: sqlite3.Connection, deliveries: Sequence[Delivery]) -> None:
        """Insert deliveries, and remove some that are old. Raises AlreadyDelivered."""
        try:
            # As for sums, one statement: each is another wait for the interpreter lock.
            values = ", ".join(["(?, ?, ?, ?, ?)"] * len(deliveries))
            connection.execute(_DELIVER + values, tuple(chain.from_iterable(self._pruning.rows(deliveries))))
        except sqlite3.IntegrityError:
            keys = ", ".join(["(?, ?)"] * len(deliveries))
            names = tuple(chain.from_iterable(delivery.name for delivery in deliveries))
            raise known(connection.execute(FIND.format(keys=f"VALUES {keys}"), names)) from None
        if due := self._pruning.due(len(deliveries)):
            connection.execute(_PRUNE, due)

    def _upsert(self, connection: sqlite3.Connection, rows: Sequence[FlowSum]) -> None:
        try:
            connection.execute(self._upsert_many(len(rows)), tuple(chain.from_iterable(rows)))
        except (sqlite3.IntegrityError, OverflowError) as error:
            raise SumTooLarge(self._refused(connection, rows)) from error

    def _upsert_many(self, rows: int) -> str:
        return self._upsert_one.replace(_VALUES, ", ".join([_VALUES] * rows))

    def _refused(self, connection: sqlite3.Connection, rows: Sequence[FlowSum]) -> FlowKey:
        """Find the sum that is too large among rows of which none is stored: a failed statement undoes itself."""
        connection.execute("SAVEPOINT refused")
        left = iter(rows)
        try:
            connection.executemany(self._upsert_one, left)
        except (sqlite3.IntegrityError, OverflowError):
            return FlowKey(*rows[len(rows) - length_hint(left) - 1][:4])
        finally:
            connection.execute("ROLLBACK TO refused")
            connection.execute("RELEASE refused")
        raise AssertionError("rows that were refused together were taken one by one")

    def count(self, count_sql: str, *parameters: int) -> int:
        """Fetch a kept count."""
        return self.fetch(count_sql, parameters)[0][0] or 0

    def fetch(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Fetch what a query gives."""
        with self._reader() as connection:
            return _read_of(connection)(sql, parameters)

    def look(self, attempt: Callable[[Read], _Result]) -> _Result:
        """Let a function read, in a transaction that sees one moment."""
        with self._moment() as connection, _bounded(connection):
            return attempt(_read_of(connection))

    def stream(self, choose: Callable[[Read], tuple[str, Sequence[Any]]], rows: int) -> Iterator[list[tuple[Any, ...]]]:
        """Go through a statement's rows; until its end the write-ahead log grows by what is written meanwhile."""
        with self._moment() as connection:
            with _bounded(connection):
                cursor = connection.execute(*choose(_read_of(connection)))
                fetched = cursor.fetchmany(rows)
            while fetched:
                yield fetched
                with _bounded(connection):
                    fetched = cursor.fetchmany(rows)

    @contextmanager
    def _moment(self) -> Iterator[sqlite3.Connection]:
        with self._reader() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                # SQLite may have rolled back by itself, and would then refuse to.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def bytes_on_disk(self) -> int:
        """Add up the file and its write-ahead log."""
        return sum(getsize(path) for path in (self.path, f"{self.path}-wal") if exists(path))

    def find(self, scope: str, key: str) -> Delivery | None:
        """Look a delivery up."""
        with self._reader() as connection:
            row = connection.execute(FIND.format(keys="VALUES (?, ?)"), (scope, key)).fetchone()
            # What it answers for is an acknowledgement.
            self._files.check()
        return Delivery(*row) if row else None

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that no other thread has."""
        with self._translated():
            self._files.check_at_times()
            database = self._readers.take()
            try:
                yield database.connection()
            finally:
                self._readers.give(database)

    def _connect_reader(self) -> SqliteDatabase:
        """Open another connection, to the file that the writer has and to no other, and make none."""
        database = _database(file_uri(Path(self.path), "rw"), _READER, uri=True)
        try:
            database.connection()
            self._files.check()
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def _writer_alone(self) -> Iterator[sqlite3.Connection]:
        """Lend the writer's connection to one thread at a time.

        Raises StoreMissing where the files are not there any more, and OutcomeUnknown where that is noticed after the
        block has committed.
        """
        with self._turn, self._translated():
            self._files.check_at_times()
            self._is_folded = False
            try:
                yield self._writer.connection()
            except AlreadyDelivered:
                # A replay is an acknowledgement too.
                self._files.check()
                raise
            try:
                self._files.check()
            except StoreMissing as error:
                self._fold()
                raise OutcomeUnknown(str(error)) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise StoreMissing for any error where the files are not there any more, else what ``_told`` raises."""
        try:
            with _told():
                yield
        except OutcomeUnknown:
            raise
        except (sqlite3.Error, PeeweeException, StoreUnavailable) as error:
            try:
                self._files.check()
            except StoreMissing as missing:
                self._fold()
                raise missing from error
            raise

    def _fold(self) -> None:
        """Write the log into the database file, wherever that is now: what was acknowledged is then all in it.

        A log that stayed behind would be taken for that of the file which comes to its place, and damage it.
        """
        self._readers.clear()
        if not self._is_folded and self._turn.acquire(blocking=False):
            try:
                with suppress(sqlite3.Error, PeeweeException):
                    found = self._writer.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                    self._is_folded = found[0] == 0
            finally:
                self._turn.release()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend the writer's connection inside a write transaction; one thread has it at a time."""
        with self._writer_alone() as connection, _transaction(connection):
            yield connection

    def hours(self, before: int) -> list[int]:
        """List the hours that have a count."""
        with self._reader() as connection:
            asked = "SELECT hour FROM hour_count WHERE hour < ? ORDER BY hour"
            return [hour for (hour,) in connection.execute(asked, (before,))]

    def remove(self, hour: int, after: Names, most: int) -> tuple[int, Names | None]:
        """Remove rows between writers' transactions."""
        from storage.retention import Removal

        find = (f"SELECT count(*), {SUM_OF_ROWS} {{rest}}", "DELETE {rest}")
        put_back = f"INSERT INTO hour_count (hour, flows, {HALVES}, writes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        with self.writing() as connection:
            return Removal("?", find, put_back).run(connection, hour, after, most)

    def give_back(self, most_pages: int) -> int:
        """Move pages from the file's end to its gaps; when all are, write it from the log, which makes it shorter.

        That is left undone while another reads an older moment, and then done by a later checkpoint.
        """
        with self._writer_alone() as connection:
            free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
            # As in shrink(), execute() would free one page; so would fetchall(), since no step gives a row.
            connection.executescript(f"PRAGMA incremental_vacuum({most_pages:d})")
            if free <= most_pages:
                # TRUNCATE would keep writers out while it waits for readers.
                connection.executescript("PRAGMA wal_checkpoint(PASSIVE)")
        return min(free, most_pages)

    def shrink(self) -> None:
        """Return free pages to the file system, and the log's too."""
        with self._writer_alone() as connection:
            # execute() would take one step, and so free one page.
            connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the writer and every reader; SQLite writes the log into the database only where it is in its place."""
        self._readers.close()
        with self._turn:
            try:
                self._files.check()
            except StoreMissing:
                self._fold()
            self._writer.close()


def database_path(url: str) -> str:
    """Read the file's path from a database URL. Raises CannotOpen."""
    parts = split_url(url)
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or parts.query or parts.fragment or path in ("", ":memory:") or "\0" in path:
        raise CannotOpen(
            "DATABASE_URL must name a file: sqlite:///relative/path or sqlite:////absolute/path, and nothing more"
        )
    return path


def _database(path: str, pragmas: dict[str, Any], *, uri: bool = False) -> SqliteDatabase:
    """Make a database whose one connection may go from thread to thread."""
    return SqliteDatabase(
        path,
        uri=uri,
        pragmas=pragmas,
        timeout=BUSY_SECONDS,
        thread_safe=False,
        check_same_thread=False,
        cached_statements=2 * ROWS_A_STATEMENT,
    )


def _of_hours(sums: Sequence[FlowSum]) -> list[FlowSum]:
    """Make the rows by which a batch tells its hours' totals, which triggers take: see the schema's last step."""
    rows: list[FlowSum] = []
    for hour, records, bytes_rx, bytes_tx in of_batch(sums):
        if max(records, bytes_rx, bytes_tx) <= MAX_INTEGER:
            rows.append((-1 - hour, "", "", "", records, bytes_rx, bytes_tx))
        else:
            low, high, rx_low, rx_high, tx_low, tx_high = halves((records, bytes_rx, bytes_tx))
            rows.append((-1 - hour, "", "", "", low, rx_low, tx_low))
            rows.append((-1 - hour, "", "high", "", high, rx_high, tx_high))
    return rows


def _upsert() -> Any:
    """Make the statement that adds one sum."""
    fields = FlowSumRow._meta.sorted_fields
    summed = (FlowSumRow.records, FlowSumRow.bytes_rx, FlowSumRow.bytes_tx)
    update = {field: field + getattr(EXCLUDED, field.name) for field in summed}
    insert = FlowSumRow.insert_many([(0, "", "", "", 0, 0, 0)], fields)
    return insert.on_conflict(conflict_target=fields[:4], update=update)


def _read_of(connection: sqlite3.Connection) -> Read:
    return lambda sql, parameters: connection.execute(sql, parameters).fetchall()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite may have rolled back by itself, as when the disk is full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _bounded(connection: sqlite3.Connection) -> Iterator[None]:
    """Interrupt a reader that takes too long."""
    end = time.monotonic() + ANSWER_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


@contextmanager
def _told() -> Iterator[None]:
    """Say StoreUnavailable where SQLite's error is one that passes."""
    try:
        yield
    except OperationalError as error:
        # Peewee opens the connection, and says so when it cannot.
        raise StoreUnavailable(str(error)) from error
    except sqlite3.OperationalError as error:
        # The low byte is the primary code: https://sqlite.org/rescode.html
        code = error.sqlite_errorcode
        if code == sqlite3.SQLITE_IOERR_FSYNC:
            # What was written may be read again after a crash.
            raise OutcomeUnknown(str(error)) from error
        if code == sqlite3.SQLITE_INTERRUPT:
            raise TookTooLong(str(error)) from error
        if code & 0xFF in _TEMPORARY or code in _NO_ROOM:
            raise StoreUnavailable(str(error)) from error
        raise
