"""The statements by which PostgreSQL adds a batch to the stored sums, and finds what is too large."""

from handlers.record import MAX_INTEGER
from storage.delivery import COLUMNS as DELIVERY_COLUMNS
from storage.delivery import FIND, PRUNE
from storage.model import SUM_COLUMNS
from storage.totals import ADD_HALVES, ADD_WRITE, HALVES, SUM_OF_ROWS, TOTALS

_TYPES = ("bigint", "text", "text", "text", "bigint", "bigint", "bigint")
_ARRAYS = ", ".join(f"%b::{column_type}[]" for column_type in _TYPES)
_ORDER = 'ORDER BY hour, src_app COLLATE "C", dest_app COLLATE "C", vpc_id COLLATE "C"'
_DEFINITIONS = ", ".join(map(" ".join, zip(SUM_COLUMNS.split(", "), _TYPES, strict=True)))

MAKE_BATCH = f"CREATE TEMPORARY TABLE flow_batch ({_DEFINITIONS}) ON COMMIT DROP"
COPY_BATCH = f"COPY pg_temp.flow_batch ({SUM_COLUMNS}) FROM STDIN"

# Rows are locked in key order, so two batches wait for each other in one direction only, and the totals are touched
# last, when every sum is there already. An hour's lie in one row a slot, and a writer adds to its own.
_ADD = f"""\
WITH added AS (
    INSERT INTO flow_sum AS kept ({SUM_COLUMNS}) {{batch}} {_ORDER}
    ON CONFLICT (hour, src_app, dest_app, vpc_id) DO UPDATE SET
        records = kept.records + EXCLUDED.records,
        bytes_rx = kept.bytes_rx + EXCLUDED.bytes_rx,
        bytes_tx = kept.bytes_tx + EXCLUDED.bytes_tx,
        is_new = false
    RETURNING hour, is_new
)
INSERT INTO hour_count (slot, writes, hour, {HALVES}, flows) {{totals}}
ON CONFLICT (hour, slot) DO UPDATE SET flows = hour_count.flows + EXCLUDED.flows, {ADD_HALVES}, {ADD_WRITE}"""

# The join costs 0.2 ms of planning, where most batches are of one hour.
_ONE_HOUR = f"SELECT %b::smallint, {', '.join(['%b::bigint'] * 8)}, count(*) FILTER (WHERE is_new) FROM added"
_HOURS = f"""\
SELECT %b::smallint, %b::bigint, hour, {HALVES}, coalesce(flows, 0)
FROM unnest({", ".join(["%b::bigint[]"] * 7)}) AS total (hour, {HALVES})
LEFT JOIN (SELECT hour, count(*) AS flows FROM added WHERE is_new GROUP BY hour) AS counted USING (hour)
ORDER BY hour"""

_BY_ARRAYS = f"SELECT * FROM unnest({_ARRAYS}) AS batch ({SUM_COLUMNS})"
_BY_COPY = f"SELECT {SUM_COLUMNS} FROM pg_temp.flow_batch"


def add(*, by_copy: bool, one_hour: bool) -> str:
    """Choose the statement that adds a batch.

    It takes an array for each column, unless the rows are in ``flow_batch``; the writer's slot and a random number; the
    hour and the halves of its totals, or an array for each of these.
    """
    return _ADDS[by_copy, one_hour]


_ADDS = {
    (by_copy, one_hour): _ADD.format(
        batch=_BY_COPY if by_copy else _BY_ARRAYS, totals=_ONE_HOUR if one_hour else _HOURS
    )
    for by_copy in (False, True)
    for one_hour in (False, True)
}

# In numeric, which cannot overflow.
TOO_LARGE = f"""\
SELECT batch.hour, batch.src_app, batch.dest_app, batch.vpc_id
FROM flow_sum AS kept JOIN unnest({_ARRAYS}) AS batch ({SUM_COLUMNS})
ON kept.hour = batch.hour AND kept.src_app = batch.src_app AND kept.dest_app = batch.dest_app
    AND kept.vpc_id = batch.vpc_id
WHERE kept.records::numeric + batch.records > {MAX_INTEGER}
    OR kept.bytes_rx::numeric + batch.bytes_rx > {MAX_INTEGER}
    OR kept.bytes_tx::numeric + batch.bytes_tx > {MAX_INTEGER}
ORDER BY 1, batch.src_app COLLATE "C", batch.dest_app COLLATE "C", batch.vpc_id COLLATE "C" LIMIT 1"""
"""Takes an array for each column; finds the first key whose sum would pass what a bigint holds."""

REMOVE = f"""\
WITH gone AS (DELETE {{rest}} RETURNING {", ".join(TOTALS)}) SELECT count(*), {SUM_OF_ROWS} FROM gone"""
"""Removes rows, and tells how many and the halves of their totals: of the rows as they are when they are removed."""

PUT_BACK = f"""\
INSERT INTO hour_count (hour, slot, flows, {HALVES}, writes) VALUES (%s, {{slot:d}}, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (hour, slot) DO UPDATE SET
    flows = hour_count.flows + EXCLUDED.flows, {ADD_HALVES}, writes = hour_count.writes + EXCLUDED.writes"""
"""Takes an hour, and what to add to its totals and to its counter of writes."""

DELIVER = f"""\
INSERT INTO delivery ({DELIVERY_COLUMNS})
SELECT * FROM unnest(%b::text[], %b::text[], %b::bytea[], %b::bytea[], %b::bigint[]) ORDER BY 1, 2
ON CONFLICT (scope, key) DO NOTHING RETURNING scope, key"""
"""Takes an array for each column; waits for another that is just storing a key; gives those that were not there."""

FIND_DELIVERY = "SELECT scope, key, fingerprint, answer FROM delivery WHERE scope = %s AND key = %s"
"""Takes a scope and a key. A cluster asks one shard, where it asks all of them for several keys."""

FIND_DELIVERIES = FIND.format(keys="SELECT * FROM unnest(%b::text[], %b::text[])")
PRUNE_DELIVERIES = """\
DELETE FROM delivery WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM delivery WHERE stored_at < %s ORDER BY stored_at LIMIT %s FOR UPDATE SKIP LOCKED
))"""
"""As PRUNE, by the rows' places, and past those that another is removing: it neither waits nor scans."""

PRUNE_ON_CITUS = PRUNE.format(seconds="%s", most="%s")
"""The same on a cluster, which knows no places across shards and locks no rows for a query over several."""
