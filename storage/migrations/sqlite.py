"""The schema's steps on SQLite. A step that has been released is never changed: a mend is a further step."""

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

STEPS = (_SUMS, _HOUR_COUNTS)
