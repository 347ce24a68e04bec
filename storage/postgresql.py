"""PostgreSQL: many writers at once, on one server or on a cluster of them."""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any, TypeVar, cast

import psycopg
from msgspec import structs
from peewee import PostgresqlDatabase
from psycopg.pq import TransactionStatus

from handlers.record import (
    MAX_INTEGER,
    AlreadyDelivered,
    Delivery,
    FlowKey,
    FlowSum,
    StoreUnavailable,
    SumTooLarge,
    TookTooLong,
)
from storage import citus, deadline, upsert
from storage.delivery import Pruning, known
from storage.engine import CannotOpen, Dialect, Names, Read
from storage.libpq import (
    BUSY_SECONDS,
    ON_A_CLUSTER,
    ON_ONE_SERVER,
    Connection,
    NoAnswer,
    commit,
    connect,
    is_of_elsewhere,
    is_retried,
    read_parameters,
    told,
    undone_on_error,
)
from storage.migrations.postgresql import migrate
from storage.pool import Pool
from storage.retry import retry
from storage.totals import halves, of_batch, random_writes

OLDEST = 140_000
"""The oldest server that PostgreSQL's developers still mended in 2026."""

COPY_FROM = 2_000
"""Rows from which COPY into a temporary table is faster than arrays in the statement.

Measured, rows a second: 10 rows 25,000 by arrays and 6,000 by COPY; 1,000 rows 110,000 and 105,000; 100,000 rows
150,000 and 220,000.
"""

SLOTS = 64
"""Rows that an hour's totals are spread over: writers with a slot each do not wait for one another."""

_TABLES = "flow_sum, hour_count, delivery"
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_SETTINGS = f"""\
SELECT set_config('lock_timeout', '{BUSY_SECONDS}s', true), set_config('synchronous_commit', CASE asked WHEN 'off'
    THEN 'on' ELSE asked END, true) FROM current_setting('synchronous_commit') AS asked"""
# By the index rows are locked in key order, as writers lock them: so neither waits for the other in a circle.
_IN_KEY_ORDER = ("SET LOCAL enable_seqscan = off", "SET LOCAL enable_bitmapscan = off")
_Result = TypeVar("_Result")

logger = logging.getLogger(__name__)


class PostgresqlEngine:
    """One PostgreSQL database, reached over as many connections as threads are busy."""

    writers = 4
    dialect = Dialect("%s", "json_agg(json_build_array({}))::text", "json_build_array({})::text", sums_overflow=False)

    def __init__(self, url: str, citus_shards: int, idempotency_hours: int) -> None:
        """Open ``postgresql://user:password@host:port/name?option=value``, with whatever options libpq knows.

        See https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
        """
        parameters = read_parameters(url)
        self._pool = Pool(lambda: connect(parameters))
        # Peewee writes the statements; the connections are psycopg's own, for its COPY and its pipelines.
        self._writer = PostgresqlDatabase(None)
        self._may_copy = True
        self._passing = ON_ONE_SERVER
        self._size_of: Callable[[str], str] = "pg_total_relation_size('{}')".format
        self._pruning = Pruning(idempotency_hours)
        self._prune_sql = upsert.PRUNE_DELIVERIES
        # What is acknowledged is on disk, whatever the server's default is, or becomes.
        self._begin: tuple[str, ...] = (_BEGIN, _SETTINGS)
        try:
            # However long all the steps of a migration take.
            self._retried(lambda connection: self._prepare(connection, citus_shards))
        except CannotOpen:
            self.close()
            raise
        except (psycopg.Error, StoreUnavailable) as error:
            self.close()
            raise CannotOpen(f"The PostgreSQL database cannot be opened: {str(error).strip()}") from error

    def _prepare(self, connection: Connection, citus_shards: int) -> None:
        if connection.info.server_version < OLDEST:
            raise CannotOpen(f"PostgreSQL is {connection.info.server_version // 10_000}, and must be 14 or newer")
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise CannotOpen(f"The PostgreSQL database is in {encoding}, and must be in UTF8 to hold every name")
        citus.refuse_worker(connection)
        migrate(connection, citus_shards)
        asked = "SELECT has_database_privilege(current_database(), 'TEMPORARY')"
        self._may_copy = connection.execute(asked).fetchone() == (True,)
        if citus.is_cluster(connection):
            self._passing = ON_A_CLUSTER
            self._begin = (_BEGIN, *citus.write_settings(connection, BUSY_SECONDS))
            self._prune_sql = upsert.PRUNE_ON_CITUS
            self._size_of = citus.size_of
            # A statement reads each node at a moment of its own.
            self.dialect = structs.replace(self.dialect, one_moment=False)

    def sql(self, query: Any) -> str:
        """Write a Peewee query as PostgreSQL's SQL, with psycopg's placeholders."""
        return self.statement(query)[0]

    def statement(self, query: Any) -> tuple[str, Sequence[Any]]:
        """Write a Peewee query as PostgreSQL's SQL, with psycopg's placeholders."""
        sql, parameters = self._writer.get_sql_context().parse(query)
        return str(sql), parameters

    def add(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery]) -> None:
        """Upsert sums in key order in one transaction: by arrays where they are few, by COPY where they are many.

        Raises OutcomeUnknown where the connection breaks during the commit.
        """
        write = self._add_by_copy if len(sums) >= COPY_FROM and self._may_copy else self._add_by_arrays

        def transaction(connection: Connection) -> None:
            with undone_on_error(connection):
                new = set(write(connection, sums, deliveries))
                # Here its own are seen as well.
                if old := [delivery for delivery in deliveries if delivery.name not in new]:
                    raise _known(connection, old)
            commit(connection)
            if deliveries:
                self._prune(connection, len(deliveries))

        with deadline.until(deadline.from_now()):
            try:
                self._persist(transaction)
            except psycopg.errors.NumericValueOutOfRange as error:
                raise self._refusal(sums, deliveries) from error

    def _add_by_arrays(
        self, connection: Connection, sums: Sequence[FlowSum], deliveries: Sequence[Delivery]
    ) -> list[Any]:
        with connection.pipeline():
            new = self._start(connection, deliveries)
            if sums:
                hours = of_batch(sums)
                sql = upsert.add(by_copy=False, one_hour=len(hours) == 1)
                connection.execute(sql, [*_columns(sums), *_of_hours(connection, hours)])
        return new.fetchall() if deliveries else []

    def _add_by_copy(
        self, connection: Connection, sums: Sequence[FlowSum], deliveries: Sequence[Delivery]
    ) -> list[Any]:
        with connection.pipeline():
            new = self._start(connection, deliveries)
            connection.execute(upsert.MAKE_BATCH)
        with connection.cursor() as cursor, cursor.copy(upsert.COPY_BATCH) as copy:
            for row in sums:
                copy.write_row(row)
        hours = of_batch(sums)
        sql = upsert.add(by_copy=True, one_hour=len(hours) == 1)
        connection.execute(sql, _of_hours(connection, hours))
        return new.fetchall() if deliveries else []

    def _start(self, connection: Connection, deliveries: Sequence[Delivery] = ()) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Begin a write transaction, deliveries first: the cursor has those of their keys that are new."""
        for statement in self._begin:
            cursor = connection.execute(statement)
        if deliveries:
            cursor = connection.execute(upsert.DELIVER, _columns(self._pruning.rows(deliveries)))
        return cursor

    def _prune(self, connection: Connection, come: int) -> None:
        """Remove old deliveries, if it is time. The batch is committed: what fails here must not concern it."""
        if due := self._pruning.due(come):
            try:
                connection.execute(self._prune_sql, due)
            except (psycopg.Error, StoreUnavailable) as error:
                seconds = 3_600 if isinstance(error, psycopg.errors.InsufficientPrivilege) else 10
                self._pruning.rest(seconds)
                logger.warning("old deliveries cannot be removed; trying again in %d seconds", seconds, exc_info=True)

    def _refusal(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery]) -> Exception:
        """Find the first sum that is too large: by itself, or with what is kept; or that the batch is known already."""
        if deliveries:
            error = self._persist(lambda connection: _known(connection, deliveries))
            if isinstance(error, AlreadyDelivered):
                return error
        alone = [row for row in sums if max(row[4:]) > MAX_INTEGER][:1]
        fit = [row for row in sums if max(row[4:]) <= MAX_INTEGER]
        kept = self.fetch(upsert.TOO_LARGE, _columns(fit)) if fit else []
        found = [FlowKey(*row[:4]) for row in (*alone, *kept)]
        # Where there is none any more, the sums have been removed meanwhile.
        return SumTooLarge(min(found)) if found else StoreUnavailable("a sum was too large, and is no more")

    def count(self, count_sql: str, *parameters: int) -> int:
        """Fetch a sum of slots."""
        return self.fetch(count_sql, parameters)[0][0] or 0

    def fetch(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Fetch what a query gives."""
        return self._persist(lambda connection: _read_of(connection)(sql, parameters))

    def look(self, attempt: Callable[[Read], _Result]) -> _Result:
        """Let a function read, each statement of a moment of its own."""
        with _in_time():
            return self._persist(lambda connection: attempt(_read_of(connection)))

    def stream(self, choose: Callable[[Read], tuple[str, Sequence[Any]]], rows: int) -> Iterator[list[tuple[Any, ...]]]:
        """Fetch the rows in chunks, as they come: the database holds back what is not asked for yet."""
        with _in_time(), told(self._passing), self._lent() as connection, connection.cursor() as cursor:
            chosen = choose(_read_of(connection))
            # Closed early it cancels what is left, and the connection is fit for others.
            with closing(cast("Generator[tuple[Any, ...]]", cursor.stream(*chosen, size=rows))) as found:
                while fetched := list(islice(found, rows)):
                    yield fetched

    def bytes_on_disk(self) -> int:
        """Read the size of the tables, with their indexes; on a cluster, on all its nodes."""
        sizes = " + ".join(map(self._size_of, _TABLES.split(", ")))
        return int(self.fetch(f"SELECT {sizes}", ())[0][0])

    def find(self, scope: str, key: str) -> Delivery | None:
        """Look a delivery up."""
        rows = self.fetch(upsert.FIND_DELIVERY, (scope, key))
        return Delivery(*rows[0]) if rows else None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Lend a connection inside a write transaction that keeps other writers out, and is not tried again."""
        with told(self._passing), self._lent() as connection:
            with undone_on_error(connection):
                self._start(connection)
                connection.execute(f"LOCK TABLE {_TABLES} IN SHARE ROW EXCLUSIVE MODE")
                yield connection
            commit(connection)

    def hours(self, before: int) -> list[int]:
        """List the hours that have a count."""
        asked = "SELECT DISTINCT hour FROM hour_count WHERE hour < %s ORDER BY hour"
        return [hour for (hour,) in self.fetch(asked, (before,))]

    def remove(self, hour: int, after: Names, most: int) -> tuple[int, Names | None]:
        """Remove rows beside writers, also of the same hour."""
        from storage.retention import Removal

        def transaction(connection: Connection) -> tuple[int, Names | None]:
            with undone_on_error(connection):
                self._start(connection)
                for statement in _IN_KEY_ORDER:
                    connection.execute(statement)
                removal = Removal("%s", (upsert.REMOVE,), upsert.PUT_BACK.format(slot=_slot(connection)))
                removed = removal.run(connection, hour, after, most)
            commit(connection)
            return removed

        try:
            return self._persist(transaction)
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreUnavailable(f"The role may not remove sums: {error.diag.message_primary}") from error

    def give_back(self, _: int) -> int:
        """Leave it to autovacuum, which keeps the space for the hours to come."""
        return 0

    def shrink(self) -> None:
        """Return what is free at the tables' ends to the file system, and the rest to the tables."""
        with told(self._passing), self._lent() as connection:
            connection.execute(f"VACUUM {_TABLES}")

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def _persist(self, attempt: Callable[[Connection], _Result]) -> _Result:
        """Run what can be run again when it fails before its commit, until it succeeds or its time is up."""
        with deadline.until(deadline.from_now()):
            return self._retried(attempt)

    def _retried(self, attempt: Callable[[Connection], _Result]) -> _Result:
        def once() -> _Result:
            if deadline.left() <= 0:
                raise StoreUnavailable("no time was left for the database")
            with self._lent() as connection:
                return attempt(connection)

        with told(self._passing):
            return retry(once, lambda error: is_retried(error, self._passing), BUSY_SECONDS)

    @contextmanager
    def _lent(self) -> Iterator[Connection]:
        """Lend a connection that no other thread has."""
        connection = self._pool.take()
        try:
            yield connection
        except psycopg.Error as error:
            if is_of_elsewhere(error):
                connection.close()
            raise
        finally:
            if connection.info.transaction_status == TransactionStatus.IDLE:
                self._pool.give(connection)
            else:
                # Most often the server has gone, and with it the other end of every idle connection.
                connection.close()
                self._pool.clear()


def _read_of(connection: Connection) -> Read:
    return lambda sql, parameters: connection.execute(sql, parameters).fetchall()


@contextmanager
def _in_time() -> Iterator[None]:
    """Say that a question took too long where the database is silent about it."""
    try:
        yield
    except NoAnswer as error:
        raise TookTooLong(str(error)) from error


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _known(connection: Connection, deliveries: Sequence[Delivery]) -> Exception:
    """Look up which deliveries are stored already."""
    if len(deliveries) == 1:
        found = connection.execute(upsert.FIND_DELIVERY, deliveries[0].name)
    else:
        found = connection.execute(upsert.FIND_DELIVERIES, _columns([delivery.name for delivery in deliveries]))
    error = known(found)
    return error if error.found else StoreUnavailable("a delivery was stored already, and is no more")


def _of_hours(connection: Connection, hours: Sequence[tuple[int, int, int, int]]) -> list[Any]:
    """Make what a batch adds to its hours' totals, as the upserts take it."""
    rows = [(hour, *halves(totals)) for hour, *totals in hours]
    return [_slot(connection), random_writes(), *(rows[0] if len(rows) == 1 else _columns(rows))]


def _slot(connection: Connection) -> int:
    """Choose the row of an hour's totals: server processes are mostly numbered one after another."""
    return connection.info.backend_pid % SLOTS
