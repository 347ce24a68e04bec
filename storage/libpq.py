"""Connections to PostgreSQL: what a URL means, how a transaction ends, which errors pass."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from handlers.record import OutcomeUnknown, StoreUnavailable
from storage.engine import CannotOpen, split_url

BUSY_SECONDS = 5
"""How long to try for a connection, to wait for a lock, and to try again after an error that passes."""

Connection = psycopg.Connection[tuple[Any, ...]]

# Errors that pass, by class or code: https://www.postgresql.org/docs/current/errcodes-appendix.html
_TEMPORARY = ("08", "40", "53", "57", "55P03", "25006", "58030")
# Of those, the ones after which another try may well succeed at once; 25006: what was the primary is a standby now.
_RETRIED = ("08", "40001", "40P01", "57P01", "57P02", "57P03", "25006")


def connect(parameters: dict[str, Any]) -> Connection:
    """Open a connection on which every transaction is begun and ended by a statement. Raises psycopg.Error."""
    # Prepared statements would need one server process for one client, which a pooler in between does not give.
    return psycopg.connect(**parameters, autocommit=True, prepare_threshold=None)


def read_parameters(url: str) -> dict[str, Any]:
    """Read a URL's connection parameters, and give what it does not say a default. Raises CannotOpen.

    See https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    malformed = CannotOpen(
        "DATABASE_URL must be postgresql://user:password@host:port/name, in it %-encoded what is no letter or digit"
    )
    try:
        # Both read a stray / or @ of a password as the beginning of something else, and would tell it in their errors.
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise malformed from None
    if "@" in split_url(url).path or not re.fullmatch(r"[0-9,]*", str(given.get("port", ""))):
        raise malformed
    return {
        "connect_timeout": BUSY_SECONDS,
        "application_name": "flows",
        # A host that vanishes is noticed within seconds, not after the kernel's quarter of an hour.
        "tcp_user_timeout": 1_000 * BUSY_SECONDS,
        "keepalives_idle": 2 * BUSY_SECONDS,
        **given,
        "client_encoding": "UTF8",
    }


@contextmanager
def undone_on_error(connection: Connection) -> Iterator[None]:
    """Roll back when the block raises, where there still is a connection to do it on."""
    try:
        yield
    except BaseException:
        if not connection.broken and connection.info.transaction_status != TransactionStatus.IDLE:
            connection.execute("ROLLBACK")
        raise


def commit(connection: Connection) -> None:
    """Commit. Raises OutcomeUnknown where the answer does not come, for then it may have been done."""
    try:
        connection.execute("COMMIT")
    except psycopg.Error as error:
        if connection.broken:
            raise OutcomeUnknown(str(error)) from error
        raise


def is_retried(error: Exception) -> bool:
    """Tell whether another try may succeed: nothing was committed, and what was in the way passes."""
    return isinstance(error, psycopg.Error) and _is_among(error, _RETRIED)


def _is_among(error: psycopg.Error, codes: tuple[str, ...]) -> bool:
    """Compare an error's code; one without any is that of a connection that broke or was never made."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(codes)


@contextmanager
def told() -> Iterator[None]:
    """Say StoreUnavailable where PostgreSQL's error is one that passes."""
    try:
        yield
    except psycopg.Error as error:
        if _is_among(error, _TEMPORARY):
            raise StoreUnavailable(str(error)) from error
        raise
