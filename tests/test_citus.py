"""Tables are distributed where the citus extension is.

Citus itself is in no package registry, so these tests make an extension of its name whose tables are partitioned on one
server: rows still lie in shards by the hash of the distribution column, which has to be in the primary key. The whole
contract on a real cluster is ``TEST_DATABASE_URL=postgresql://... make run_test``.
"""

from collections.abc import Iterator

import psycopg
import pytest

from handlers.record import MAX_INTEGER, FlowKey, SumTooLarge
from storage import SumStore, open_store
from storage.postgresql import COPY_FROM
from tests.factories import make_sum
from tests.postgresql import PostgreSQL, postgresql

SHARDS = 3
TABLES = ("flow_sum", "hour_count", "delivery")
EXTENSION = """\
CREATE FUNCTION create_distributed_table(
    table_name regclass, distribution_column text, distribution_type text DEFAULT 'hash',
    colocate_with text DEFAULT 'default', shard_count int DEFAULT NULL
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE name text := table_name::text;
BEGIN
    EXECUTE format('ALTER TABLE %I RENAME TO whole', name);
    EXECUTE format('CREATE TABLE %I (LIKE whole INCLUDING ALL) PARTITION BY HASH (%I)', name, distribution_column);
    DROP TABLE whole;
    FOR shard IN 0 .. shard_count - 1 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS %s, REMAINDER %s)',
                       name || '_' || shard, name, shard_count, shard);
    END LOOP;
END $$;
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgreSQL]:
    """A server that has the extension."""
    files = {"citus.control": "default_version = '0'\n", "citus--0.sql": EXTENSION}
    with postgresql(extension=files) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION citus")
        yield server


@pytest.fixture
def store(cluster: PostgreSQL) -> Iterator[SumStore]:
    opened = open_store(cluster.url, SHARDS)
    opened.clear()
    yield opened
    opened.close()


def shards(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", (table,)).fetchone()
    assert row is not None
    return int(row[0])


def test_the_tables_are_distributed_over_the_shards_of_the_setting_when_they_are_first_made(
    cluster: PostgreSQL, store: SumStore
) -> None:
    open_store(cluster.url, SHARDS + 1).close()

    assert [shards(cluster.url, table) for table in TABLES] == [SHARDS] * 3
    assert shards(cluster.url, "flow_schema") == 0


def test_without_the_extension_they_are_not(other_server: PostgreSQL) -> None:
    open_store(other_server.url, SHARDS).close()

    assert shards(other_server.url, "flow_sum") == 0


@pytest.mark.parametrize("count", [50, COPY_FROM + 50])
def test_upserts_add_and_pages_across_shards_are_in_order(store: SumStore, count: int) -> None:
    sums = [make_sum(f"app-{number:05}") for number in range(count)]

    store.add(sums)
    store.add(sums)

    assert store.read(1, 0, count)[:2] == (count, [(*row[:4], 2, 600, 200) for row in sums])
    assert store.read(1, count - 7, 5).sums == [(*row[:4], 2, 600, 200) for row in sums[-7:-2]]


@pytest.mark.parametrize("count", [50, COPY_FROM + 50])
def test_a_sum_past_the_largest_is_refused_on_any_shard(store: SumStore, count: int) -> None:
    stored = make_sum(f"app-{count // 2:05}", bytes_tx=MAX_INTEGER)
    store.add([stored])

    with pytest.raises(SumTooLarge) as caught:
        store.add([make_sum(f"app-{number:05}", bytes_tx=1) for number in range(count)])

    assert caught.value.key == FlowKey(*stored[:4])
    assert store.read(1, 0, 10)[:2] == (1, [stored])


def test_an_hour_is_removed_from_every_shard_in_parts(store: SumStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.retention.MOST", 100)
    store.add([make_sum(f"app-{number:05}", hour=hour) for hour in (1, 2) for number in range(250)])

    removed = list(store.prune(2))

    assert [step.flows for step in removed] == [100, 100, 50]
    assert [store.read(hour, 0, 1_000).total for hour in (1, 2)] == [0, 250]
    assert store.read(1, 0, 1_000).sums == []
