"""Citus: PostgreSQL spread over many servers. Its tables are distributed when they are first made."""

from collections.abc import Iterable
from typing import Any

from storage.engine import CannotOpen

COLUMNS = {"flow_sum": "src_app", "hour_count": "slot", "delivery": "key"}
"""Each table's distribution column, which Citus wants in the primary key.

``src_app`` spreads an hour's sums over all shards, where ``hour`` would send everything that arrives now to one. The
slots of ``hour_count`` are spread too, so that writers do not meet on one shard.
"""

CACHED_CONNECTIONS = 4
"""Connections to each worker that a session keeps after a transaction that wrote.

With Citus's default, 1, most connections that an upsert needs are opened for each statement, with TLS: measured on 8
shards, 70 ms for 10 sums, and 20 ms with 4. More gain little (18 ms with 8) and take up the workers' connections.
"""

_COORDINATOR = 0


def is_cluster(connection: Any) -> bool:
    """Return whether the citus extension is present."""
    return bool(connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'citus'").fetchone())


def refuse_worker(connection: Any) -> None:
    """Raise CannotOpen on a worker of a cluster: the schema's version is kept on the coordinator alone."""
    if is_cluster(connection):
        group = connection.execute("SELECT groupid FROM pg_dist_local_group").fetchone()
        if group and group[0] != _COORDINATOR:
            raise CannotOpen("DATABASE_URL names a worker of a Citus cluster, and must name its coordinator")


def write_settings(connection: Any, lock_seconds: int) -> tuple[str, ...]:
    """Return the statements that begin a write transaction on every node that it reaches.

    Only SET statements reach the nodes where the rows are. So the value of ``synchronous_commit`` is the one that the
    coordinator has now, raised to ``on`` where it is ``off``.
    """
    ((durable,),) = connection.execute("SHOW synchronous_commit").fetchall()
    return (
        # Before the next, which sends what follows to the workers too: they open no connections.
        f"SET LOCAL citus.max_cached_conns_per_worker = {CACHED_CONNECTIONS}",
        "SET LOCAL citus.propagate_set_commands = 'local'",
        f"SET LOCAL lock_timeout = '{lock_seconds}s'",
        f"SET LOCAL synchronous_commit = {'on' if durable == 'off' else durable}",
    )


def size_of(table: str) -> str:
    """Return the expression for a table's bytes, with its indexes, on all nodes.

    A table that was made before the extension is on the coordinator alone, and Citus's function raises on it. See
    https://docs.citusdata.com/en/stable/develop/api_udf.html#citus-total-relation-size
    """
    distributed = f"EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = '{table}'::regclass)"
    return (
        f"CASE WHEN {distributed} THEN citus_total_relation_size('{table}') ELSE pg_total_relation_size('{table}') END"
    )


def distribute(connection: Any, shards: int, tables: Iterable[str]) -> None:
    """Distribute the new, empty tables over ``shards`` shards each, where the citus extension is present.

    See https://docs.citusdata.com/en/stable/develop/api_udf.html#create-distributed-table
    """
    if is_cluster(connection):
        for table in tables:
            parameters = (table, COLUMNS[table], shards)
            connection.execute("SELECT create_distributed_table(%s, %s, shard_count => %s)", parameters)
