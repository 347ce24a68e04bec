"""A stand-in for a Citus cluster: one real server whose extension of that name has the parts that the service uses.

Citus itself is in no package registry. Here a distributed table is partitioned: its rows lie in shards by the hash of
the distribution column, which has to be in the primary key. The parts of the catalogue lie where Citus has them. The
whole contract on a real cluster is ``TEST_DATABASE_URL=postgresql://... make run_test``.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.postgresql import PostgreSQL, postgresql

_CONTROL = "default_version = '0'\nrelocatable = false\nschema = pg_catalog\n"
_SCRIPT = """\
CREATE SCHEMA citus;
CREATE TABLE citus.pg_dist_local_group (groupid int PRIMARY KEY);
CREATE TABLE citus.pg_dist_partition (logicalrelid regclass PRIMARY KEY);
INSERT INTO citus.pg_dist_local_group VALUES (0);
ALTER TABLE citus.pg_dist_local_group SET SCHEMA pg_catalog;
ALTER TABLE citus.pg_dist_partition SET SCHEMA pg_catalog;
GRANT SELECT ON pg_catalog.pg_dist_local_group, pg_catalog.pg_dist_partition TO public;

CREATE FUNCTION pg_catalog.create_distributed_table(
    table_name regclass, distribution_column text, distribution_type text DEFAULT 'hash',
    colocate_with text DEFAULT 'default', shard_count int DEFAULT NULL
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE name text := table_name::text;
BEGIN
    EXECUTE format('ALTER TABLE %I RENAME TO whole', name);
    EXECUTE format('CREATE TABLE %I (LIKE whole INCLUDING ALL) PARTITION BY HASH (%I)', name, distribution_column);
    DROP TABLE whole;
    FOR shard IN 0 .. shard_count - 1 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS %s, REMAINDER %s)',
                       name || '_' || shard, name, shard_count, shard);
    END LOOP;
    INSERT INTO pg_dist_partition VALUES (name::regclass);
END $$;

CREATE FUNCTION pg_catalog.citus_total_relation_size(
    logicalrelid regclass, fail_on_error boolean DEFAULT true
) RETURNS bigint LANGUAGE plpgsql STRICT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE pg_dist_partition.logicalrelid = $1) THEN
        RAISE EXCEPTION 'cannot calculate the size because relation % is not distributed', $1
            USING ERRCODE = 'invalid_table_definition';
    END IF;
    RETURN (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = $1);
END $$;
"""


@contextmanager
def cluster() -> Iterator[PostgreSQL]:
    """Run a coordinator."""
    with postgresql(extension={"citus.control": _CONTROL, "citus--0.sql": _SCRIPT}) as server:
        join(server.url)
        yield server


def join(url: str) -> None:
    """Make a database of a server with the extension's files one of a cluster."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION citus")
