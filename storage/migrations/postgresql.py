"""The schema's steps on PostgreSQL, where the table ``flow_schema`` says how many a database has had."""

from typing import Any

from psycopg.errors import UndefinedTable

from storage.citus import distribute
from storage.migrations import outstanding

# Names in code point order, as everywhere: by bytes of UTF-8, whatever the database's own collation.
# Room in each page lets an update stay in it, and spares the index: see PostgreSQL's "Heap-Only Tuples".
# is_new tells an upsert that inserted from one that updated: RETURNING knows no other way that Citus knows too.
_SUMS = (
    """\
CREATE TABLE flow_sum (
    hour bigint NOT NULL,
    records bigint NOT NULL,
    bytes_rx bigint NOT NULL,
    bytes_tx bigint NOT NULL,
    src_app text COLLATE "C" NOT NULL,
    dest_app text COLLATE "C" NOT NULL,
    vpc_id text COLLATE "C" NOT NULL,
    is_new boolean NOT NULL DEFAULT true,
    PRIMARY KEY (hour, src_app, dest_app, vpc_id)
) WITH (fillfactor = 80)""",
    """\
CREATE TABLE hour_count (
    hour bigint NOT NULL,
    slot smallint NOT NULL,
    flows bigint NOT NULL,
    PRIMARY KEY (hour, slot)
) WITH (fillfactor = 50)""",
)

_DELIVERIES = (
    """\
CREATE TABLE delivery (
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    answer bytea NOT NULL,
    stored_at bigint NOT NULL,
    PRIMARY KEY (scope, key)
)""",
    "CREATE INDEX delivery_by_age ON delivery (stored_at)",
)

# Each total in two parts, of which a bigint holds both: the low one is below 2^32. What is there already goes into one
# slot. Without defaults, a writer of an earlier release that is still running is refused: it would add to no total.
# The writes begin at what the sums come to, which each write has raised: an earlier backup, migrated, tells others.
_TOTALS = (
    "LOCK TABLE flow_sum, hour_count IN SHARE ROW EXCLUSIVE MODE",
    """\
ALTER TABLE hour_count
    ADD COLUMN records_low bigint NOT NULL DEFAULT 0,
    ADD COLUMN records_high bigint NOT NULL DEFAULT 0,
    ADD COLUMN bytes_rx_low bigint NOT NULL DEFAULT 0,
    ADD COLUMN bytes_rx_high bigint NOT NULL DEFAULT 0,
    ADD COLUMN bytes_tx_low bigint NOT NULL DEFAULT 0,
    ADD COLUMN bytes_tx_high bigint NOT NULL DEFAULT 0,
    ADD COLUMN writes bigint NOT NULL DEFAULT 0""",
    """\
INSERT INTO hour_count (
    hour, slot, flows, records_low, records_high, bytes_rx_low, bytes_rx_high, bytes_tx_low, bytes_tx_high, writes
)
SELECT hour, 0, 0,
    mod(sum(records), 4294967296)::bigint, div(sum(records), 4294967296)::bigint,
    mod(sum(bytes_rx), 4294967296)::bigint, div(sum(bytes_rx), 4294967296)::bigint,
    mod(sum(bytes_tx), 4294967296)::bigint, div(sum(bytes_tx), 4294967296)::bigint,
    mod(sum(records) + sum(bytes_rx) + sum(bytes_tx), 1099511627776)::bigint
FROM flow_sum GROUP BY hour
ON CONFLICT (hour, slot) DO UPDATE SET
    records_low = EXCLUDED.records_low, records_high = EXCLUDED.records_high,
    bytes_rx_low = EXCLUDED.bytes_rx_low, bytes_rx_high = EXCLUDED.bytes_rx_high,
    bytes_tx_low = EXCLUDED.bytes_tx_low, bytes_tx_high = EXCLUDED.bytes_tx_high, writes = EXCLUDED.writes""",
    """\
ALTER TABLE hour_count
    ALTER COLUMN records_low DROP DEFAULT,
    ALTER COLUMN records_high DROP DEFAULT,
    ALTER COLUMN bytes_rx_low DROP DEFAULT,
    ALTER COLUMN bytes_rx_high DROP DEFAULT,
    ALTER COLUMN bytes_tx_low DROP DEFAULT,
    ALTER COLUMN bytes_tx_high DROP DEFAULT,
    ALTER COLUMN writes DROP DEFAULT""",
)

STEPS = (_SUMS, _DELIVERIES, _TOTALS)
_MADE: tuple[tuple[str, ...], ...] = (("flow_sum", "hour_count"), ("delivery",), ())
"""The tables that each step makes."""

_LOCK = 0x666C6F7773
"""One process at a time makes or changes the tables: "flows" as a number, for pg_advisory_xact_lock."""


def migrate(connection: Any, citus_shards: int) -> None:
    """Run the steps that a database has not had. Raises CannotOpen when it is newer than this code.

    A database that is up to date is only read, by a role that may be without the right to make tables.
    """
    if not any(outstanding(_version(connection), STEPS, "The database")):
        return
    with connection.transaction():
        # Else, where the default is stricter, what another process has made meanwhile would stay unseen.
        connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute("CREATE TABLE IF NOT EXISTS flow_schema (version integer NOT NULL)")
        version = _version(connection)
        for number, step in outstanding(version, STEPS, "The database"):
            for statement in step:
                connection.execute(statement)
            distribute(connection, citus_shards, _MADE[number - 1])
            connection.execute("DELETE FROM flow_schema")
            connection.execute("INSERT INTO flow_schema VALUES (%s)", (number,))


def _version(connection: Any) -> int:
    try:
        row = connection.execute("SELECT max(version) FROM flow_schema").fetchone()
    except UndefinedTable:
        return 0
    return row[0] or 0
