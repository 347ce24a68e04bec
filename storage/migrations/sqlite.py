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

# Each total in two parts, of which an integer holds both: the low one is below 2^32.
# A batch begins with its hours' totals, as rows without names and of the hour -1 - hour. A trigger adds them to
# hour_count and takes them away again, so that a small batch stays one statement. It fires on what is inserted only:
# one before each insert would cost every row. Of a total past 2^63 the high part comes as a row of its own. A new row's
# writes are a random number of 40 bits, and each write raises them by one of 24; so are those of what is there already:
# an earlier backup, migrated, tells others. A writer of an earlier release that is still running would add to no total:
# it is refused, since it does not know the function, which is never called.
_TOTALS = (
    *(
        f"ALTER TABLE hour_count ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0"
        for name in (
            "records_low",
            "records_high",
            "bytes_rx_low",
            "bytes_rx_high",
            "bytes_tx_low",
            "bytes_tx_high",
            "writes",
        )
    ),
    """\
UPDATE hour_count SET
    records_low = (total.records_low & 4294967295),
    records_high = total.records_high + (total.records_low >> 32),
    bytes_rx_low = (total.bytes_rx_low & 4294967295),
    bytes_rx_high = total.bytes_rx_high + (total.bytes_rx_low >> 32),
    bytes_tx_low = (total.bytes_tx_low & 4294967295),
    bytes_tx_high = total.bytes_tx_high + (total.bytes_tx_low >> 32),
    writes = random() & 1099511627775
FROM (
    SELECT hour,
        sum(records & 4294967295) AS records_low, sum(records >> 32) AS records_high,
        sum(bytes_rx & 4294967295) AS bytes_rx_low, sum(bytes_rx >> 32) AS bytes_rx_high,
        sum(bytes_tx & 4294967295) AS bytes_tx_low, sum(bytes_tx >> 32) AS bytes_tx_high
    FROM flow_sum GROUP BY hour
) AS total WHERE total.hour = hour_count.hour""",
    "DROP TRIGGER flow_sum_counted",
    """\
CREATE TRIGGER flow_sum_counted AFTER INSERT ON flow_sum BEGIN
    UPDATE hour_count SET flows = flows + 1 WHERE hour = NEW.hour;
END""",
    """\
CREATE TRIGGER flow_sum_totalled AFTER INSERT ON flow_sum WHEN NEW.hour < 0 BEGIN
    INSERT INTO hour_count VALUES (
        -1 - NEW.hour, 0,
        iif(NEW.dest_app = '', NEW.records & 4294967295, 0),
        iif(NEW.dest_app = '', NEW.records >> 32, NEW.records),
        iif(NEW.dest_app = '', NEW.bytes_rx & 4294967295, 0),
        iif(NEW.dest_app = '', NEW.bytes_rx >> 32, NEW.bytes_rx),
        iif(NEW.dest_app = '', NEW.bytes_tx & 4294967295, 0),
        iif(NEW.dest_app = '', NEW.bytes_tx >> 32, NEW.bytes_tx),
        iif(1, random() & 1099511627775, keeps_totals())
    ) ON CONFLICT (hour) DO UPDATE SET
        records_low = (records_low + excluded.records_low) & 4294967295,
        records_high = records_high + excluded.records_high + ((records_low + excluded.records_low) >> 32),
        bytes_rx_low = (bytes_rx_low + excluded.bytes_rx_low) & 4294967295,
        bytes_rx_high = bytes_rx_high + excluded.bytes_rx_high + ((bytes_rx_low + excluded.bytes_rx_low) >> 32),
        bytes_tx_low = (bytes_tx_low + excluded.bytes_tx_low) & 4294967295,
        bytes_tx_high = bytes_tx_high + excluded.bytes_tx_high + ((bytes_tx_low + excluded.bytes_tx_low) >> 32),
        writes = writes + 1 + (excluded.writes >> 16);
    DELETE FROM flow_sum WHERE hour = NEW.hour;
END""",
)

STEPS = (_SUMS, _HOUR_COUNTS, _DELIVERIES, _TOTALS)


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
