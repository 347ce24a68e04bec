"""Citus: PostgreSQL spread over many servers. Its tables are distributed when they are first made."""

from collections.abc import Iterable
from typing import Any

COLUMNS = {"flow_sum": "src_app", "hour_count": "slot", "delivery": "key"}
"""Each table's distribution column, which Citus wants in the primary key.

``src_app`` spreads an hour's sums over all shards, where ``hour`` would send everything that arrives now to one. The
slots of ``hour_count`` are spread too, so that writers do not meet on one shard.
"""


def is_cluster(connection: Any) -> bool:
    """Tell whether the citus extension is present."""
    return bool(connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'citus'").fetchone())


def distribute(connection: Any, shards: int, tables: Iterable[str]) -> None:
    """Distribute the new, empty tables over ``shards`` shards each, where the citus extension is present.

    See https://docs.citusdata.com/en/stable/develop/api_udf.html#create-distributed-table
    """
    if is_cluster(connection):
        for table in tables:
            parameters = (table, COLUMNS[table], shards)
            connection.execute("SELECT create_distributed_table(%s, %s, shard_count => %s)", parameters)
