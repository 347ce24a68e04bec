"""Connections to PostgreSQL: what a URL means, how a transaction ends, which errors pass."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from handlers.record import OutcomeUnknown, StoreUnavailable
from storage import deadline
from storage.engine import CannotOpen, split_url

BUSY_SECONDS = 5
"""How long to try for a connection, to wait for a lock, and to try again after an error that passes."""

CANCEL_SECONDS = 1
"""How long to try to tell the server that nobody waits for its answer any more."""

# A timeout is of whole seconds to libpq, and of at least these; one of 0 or less has no end.
_LEAST_CONNECT_SECONDS = 2
# Another server has the address, or this one will not have us: what was the primary is a standby, or is shutting down.
_ELSEWHERE = ("08", "57P", "25006")
# What a server refuses at COMMIT so has surely been undone. Of a cluster's other errors only some of it may have been.
_UNDONE = ("22", "23", "40", "P0")
# idle_in_transaction_session_timeout: the server ended the session while it waited, so before it read the COMMIT.
_ENDED_IDLE = "25P03"
# A server that is about to have us says FATAL too.
_SOON = ("starting up", "shutting down", "recovery", "too many", "connection slots")

_Result = TypeVar("_Result")


class Passing(NamedTuple):
    """The errors that pass, by class or code.

    See https://www.postgresql.org/docs/current/errcodes-appendix.html
    """

    temporary: tuple[str, ...]
    """Those that are reported as StoreUnavailable."""
    retried: tuple[str, ...]
    """Of those, the ones after which another try may well succeed at once."""


ON_ONE_SERVER = Passing(
    temporary=("08", "40", "53", "57", "55P03", "25006", "25P03", "25P04", "58030"),
    retried=("08", "40001", "40P01", "57P", "25006", "25P03"),
)

ON_A_CLUSTER = Passing((*ON_ONE_SERVER.temporary, "XX000"), (*ON_ONE_SERVER.retried, "XX000", "58030"))
"""Citus reports the loss of a worker within a statement as an internal error, or one of input and output.

Before the commit all nodes roll back then. On one server an internal error is a fault, such as a damaged index.
"""


class NoAnswer(StoreUnavailable):
    """The database did not answer in time, and the connection is gone."""


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that does not wait for ever, and remembers what the server warned of."""

    def __init__(self, *parameters: Any, **more: Any) -> None:
        super().__init__(*parameters, **more)
        self.warnings: list[str] = []
        self.add_notice_handler(self._note)

    def wait(self, gen: PQGen[_Result], interval: float = 0.1, timeout: float | None = None) -> _Result:
        """Wait for an answer: of a server that may hang, or that waits for a standby it has lost.

        Raises NoAnswer, and ends the connection, when it does not come.
        """
        if timeout is None:
            timeout = max(0.0, min(deadline.ANSWER_SECONDS, deadline.left()))
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.errors._WaitTimeout as error:
            # A server that only works for long would go on, for nobody.
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=CANCEL_SECONDS)
            self.pgconn.finish()
            raise NoAnswer(f"the database did not answer within {timeout:.0f} seconds") from error

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self.warnings.append(notice.message_primary or "")


def connect(parameters: dict[str, Any]) -> Connection:
    """Open a connection on which every transaction is begun and ended by a statement.

    Raises psycopg.OperationalError when the server is out of reach, StoreUnavailable when it will not have us, or too
    little time is left.
    """
    if (left := deadline.left()) < _LEAST_CONNECT_SECONDS:
        raise StoreUnavailable("no time was left to connect to the database")
    if left < inf:
        given = float(parameters["connect_timeout"])
        # The hosts of a list are tried one after another, for as long each.
        share = left / (str(parameters.get("host", "")).count(",") + 1)
        seconds = max(_LEAST_CONNECT_SECONDS, int(min(share, given if given > 0 else inf)))
        parameters = {**parameters, "connect_timeout": seconds}
    try:
        # Prepared statements would need one server process for one client, which a pooler between does not give.
        return Connection.connect(**parameters, autocommit=True, prepare_threshold=None)
    except psycopg.OperationalError as error:
        said = str(error).strip()
        if "FATAL:" in said and not any(word in said for word in _SOON):
            # A wrong password, tried again and again, locks its user out.
            raise StoreUnavailable(said) from error
        raise


def read_parameters(url: str) -> dict[str, Any]:
    """Read a URL's connection parameters, and give what it does not say a default. Raises CannotOpen.

    See https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    malformed = CannotOpen(
        "DATABASE_URL must be postgresql://user:password@host:port/name, in it %-encoded what is no letter or digit"
    )
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise malformed from None
    # libpq reads a stray / or @ of a password as the beginning of something else, and would tell it in its errors.
    places = (split_url(url).path, given.get("host"), given.get("hostaddr"), given.get("dbname"))
    if any("@" in str(place) for place in places) or not re.fullmatch(r"[0-9,]*", str(given.get("port", ""))):
        raise malformed
    return {
        "connect_timeout": BUSY_SECONDS,
        "application_name": "flows",
        # A host that vanishes is noticed within seconds, not after the kernel's quarter of an hour.
        "tcp_user_timeout": 1_000 * BUSY_SECONDS,
        "keepalives_idle": BUSY_SECONDS,
        "keepalives_interval": 2,
        "keepalives_count": 3,
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
            # What cannot be rolled back is not given back either.
            with suppress(psycopg.Error, NoAnswer):
                connection.execute("ROLLBACK")
        raise


def commit(connection: Connection) -> None:
    """Commit.

    Raises OutcomeUnknown where it may have been done: no answer comes, or one that says neither yes nor no, or a yes
    with a warning, as when the wait for a standby was cut short.
    """
    connection.warnings.clear()
    try:
        connection.execute("COMMIT")
    except psycopg.Error as error:
        if not _is_undone(error, broken=connection.broken):
            raise OutcomeUnknown(str(error)) from error
        raise
    except StoreUnavailable as error:
        raise OutcomeUnknown(str(error)) from error
    if connection.warnings:
        raise OutcomeUnknown(connection.warnings[0])


def _is_undone(error: psycopg.Error, *, broken: bool) -> bool:
    """Return whether an error at COMMIT says that nothing was committed."""
    if error.sqlstate == _ENDED_IDLE:
        return True
    return not broken and error.sqlstate is not None and error.sqlstate.startswith(_UNDONE)


def is_retried(error: Exception, passing: Passing) -> bool:
    """Return whether another try may succeed: nothing was committed, and what was in the way passes."""
    return isinstance(error, psycopg.Error) and _is_among(error, passing.retried)


def is_of_elsewhere(error: psycopg.Error) -> bool:
    """Tell whether a new connection may lead to another server."""
    return _is_among(error, _ELSEWHERE)


def _is_among(error: psycopg.Error, codes: tuple[str, ...]) -> bool:
    """Compare an error's code; one without any is that of a connection that broke or was never made."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(codes)


@contextmanager
def told(passing: Passing) -> Iterator[None]:
    """Raise StoreUnavailable where PostgreSQL's error is one that passes."""
    try:
        yield
    except psycopg.Error as error:
        if _is_among(error, passing.temporary):
            raise StoreUnavailable(str(error)) from error
        raise
