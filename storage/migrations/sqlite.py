"""The schema's steps on SQLite, whose ``user_version`` counts those a database has had."""

from typing import Any

from storage.migrations import outstanding

_SUMS = (
    """\
CREATE TABLE flow_sum (
    hour INTEGER NOT NULL,
    src_app TEXT NOT NULL,
    dest_app TEXT NOT NULL,
    vpc_id TEXT NOT NULL,
    records INTEGER NOT NULL,
    bytes_rx INTEGER NOT NULL,
    bytes_tx INTEGER NOT NULL,
    PRIMARY KEY (hour, src_app, dest_app, vpc_id)
) STRICT, WITHOUT ROWID""",
)

_HOUR_COUNTS = (
    "CREATE TABLE hour_count (hour INTEGER NOT NULL PRIMARY KEY, flows INTEGER NOT NULL) STRICT",
    """\
CREATE TRIGGER flow_sum_counted AFTER INSERT ON flow_sum BEGIN
    INSERT INTO hour_count VALUES (NEW.hour, 1) ON CONFLICT (hour) DO UPDATE SET flows = flows + 1;
END""",
    "INSERT INTO hour_count SELECT hour, count(*) FROM flow_sum GROUP BY hour",
)

_DELIVERIES = (
    """\
CREATE TABLE delivery (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer BLOB NOT NULL,
    stored_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX delivery_by_age ON delivery (stored_at)",
)

STEPS = (_SUMS, _HOUR_COUNTS, _DELIVERIES)


def migrate(database: Any) -> None:
    """Run the steps that a database has not had. Raises CannotOpen when it is newer than this code.

    All of them are one transaction: two processes that open the same file at once do not both run a step.
    """
    connection = database.connection()
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number, step in outstanding(database.user_version, STEPS, database.database):
            for statement in step:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
