"""Tables are distributed where the citus extension is, and what the service does otherwise there.

The cluster is a stand-in; see tests/citus.py.
"""

from collections.abc import Iterator

import psycopg
import pytest

import storage.postgresql
from handlers.record import MAX_INTEGER, AlreadyDelivered, FlowKey, OutcomeUnknown, StoreUnavailable, SumTooLarge
from storage import SumStore, open_store
from storage.postgresql import COPY_FROM
from tests.citus import cluster, join
from tests.edges import Ask
from tests.engines import GIVEN, refusal
from tests.factories import make_delivery, make_flow, make_sum, to_json
from tests.postgresql import PostgreSQL, Raw, on_nth_insert, raised

SHARDS = 3
TABLES = ("flow_sum", "hour_count", "delivery")


@pytest.fixture(scope="module")
def coordinator() -> Iterator[PostgreSQL]:
    """A server that has the extension."""
    with cluster() as server:
        yield server


@pytest.fixture
def engine(coordinator: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> str:
    """These tests are of one engine, on a server of its own."""
    monkeypatch.setenv(GIVEN, coordinator.url)
    return "postgresql"


@pytest.fixture
def sum_store(database_url: str) -> Iterator[SumStore]:
    """A store on the cluster."""
    opened = open_store(database_url, SHARDS)
    yield opened
    opened.close()


@pytest.fixture
def store(sum_store: SumStore) -> SumStore:
    """A store on the cluster."""
    return sum_store


@pytest.fixture
def raw(database_url: str, store: SumStore) -> Iterator[Raw]:
    """A connection beside the store's own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def shards(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", (table,)).fetchone()
    assert row is not None
    return int(row[0])


def test_the_tables_are_distributed_over_the_shards_of_the_setting_when_they_are_first_made(
    database_url: str, store: SumStore
) -> None:
    open_store(database_url, SHARDS + 1).close()

    assert [shards(database_url, table) for table in TABLES] == [SHARDS] * 3
    assert shards(database_url, "flow_schema") == 0


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


@pytest.mark.parametrize("code", ["XX000", "58030"])
@pytest.mark.parametrize("count", [1, COPY_FROM])
def test_a_batch_whose_worker_is_lost_before_the_commit_is_tried_again(
    store: SumStore, raw: Raw, code: str, count: int
) -> None:
    sums = [make_sum(f"app-{number:05}") for number in range(count)]
    on_nth_insert(raw, 1, raised(code))

    store.add(sums, [make_delivery("key")])

    assert store.read(1, 0, count)[:2] == (count, sums)


@pytest.mark.parametrize("code", ["XX000", "58030"])
def test_a_worker_that_stays_away_makes_the_store_unavailable(
    store: SumStore, raw: Raw, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.postgresql, "BUSY_SECONDS", 0.2)
    on_nth_insert(raw, "lastval()", raised(code))

    with pytest.raises(StoreUnavailable) as caught:
        store.add([make_sum()])

    assert caught.type is StoreUnavailable
    assert store.read(1, 0, 10).total == 0


def test_a_worker_that_is_lost_while_it_is_read_from_is_asked_again(store: SumStore, raw: Raw) -> None:
    store.add([make_sum()])
    raw.execute("CREATE SEQUENCE calls")
    raw.execute(
        "CREATE FUNCTION there() RETURNS boolean LANGUAGE plpgsql AS "
        f"$$ BEGIN IF nextval('calls') = 1 THEN {raised('XX000')}; END IF; RETURN true; END $$"
    )
    raw.execute("ALTER TABLE flow_sum RENAME TO kept")
    raw.execute("CREATE VIEW flow_sum AS SELECT * FROM kept WHERE there()")

    assert store.read(1, 0, 10).sums == [make_sum()]


def test_a_worker_that_is_lost_during_the_commit_leaves_the_outcome_unknown(store: SumStore, raw: Raw) -> None:
    on_nth_insert(raw, 1, raised("XX000"), "DEFERRABLE INITIALLY DEFERRED")

    with pytest.raises(OutcomeUnknown):
        store.add([make_sum()])

    assert raw.execute("SELECT last_value FROM calls").fetchone() == (1,)


@pytest.mark.parametrize("code", ["XX001", "XX002"])
def test_damaged_data_is_a_fault_on_a_cluster_too(store: SumStore, raw: Raw, code: str) -> None:
    on_nth_insert(raw, 1, raised(code))

    with pytest.raises(psycopg.InternalError):
        store.add([make_sum()])


def test_a_session_that_writes_keeps_connections_to_the_workers(store: SumStore, raw: Raw) -> None:
    assert settings_of_a_write(store, raw)["citus.max_cached_conns_per_worker"] == "4"


@pytest.mark.parametrize(
    ("default", "used"), [("off", "on"), ("on", "on"), ("local", "local"), ("remote_apply", "remote_apply")]
)
def test_the_servers_durability_is_raised_and_never_lowered(
    database_url: str, store: SumStore, raw: Raw, default: str, used: str
) -> None:
    other = open_store(f"{database_url}%20-csynchronous_commit%3D{default}")

    assert settings_of_a_write(other, raw)["synchronous_commit"] == used

    other.close()


def settings_of_a_write(store: SumStore, raw: Raw) -> dict[str, str]:
    """Add a batch, and read what was set while it was added."""
    raw.execute("CREATE TABLE seen (name text, setting text)")
    raw.execute(
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen "
        "SELECT name, current_setting(name) FROM unnest(ARRAY["
        "'citus.max_cached_conns_per_worker', 'synchronous_commit']) AS name; RETURN NULL; END $$"
    )
    raw.execute("CREATE TRIGGER see AFTER INSERT ON flow_sum FOR EACH ROW EXECUTE FUNCTION see()")
    store.add([make_sum()])
    return {str(name): str(setting) for name, setting in raw.execute("SELECT name, setting FROM seen")}


def test_a_worker_is_refused_before_tables_are_made(coordinator: PostgreSQL, database_url: str) -> None:
    with psycopg.connect(coordinator.url, autocommit=True) as admin:
        admin.execute("UPDATE pg_dist_local_group SET groupid = 2")
        told = refusal(database_url)
        admin.execute("UPDATE pg_dist_local_group SET groupid = 0")

    assert told == "DATABASE_URL names a worker of a Citus cluster, and must name its coordinator"
    with psycopg.connect(database_url) as connection:
        assert (
            connection.execute("SELECT to_regclass('flow_sum'), to_regclass('flow_schema')").fetchone() == (None,) * 2
        )


def test_tables_that_were_made_before_the_extension_have_a_size_too(coordinator: PostgreSQL) -> None:
    with psycopg.connect(coordinator.url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE late TEMPLATE template0")
    url = coordinator.url.rpartition("/")[0] + "/late"
    before = open_store(url)
    before.add([make_sum()])
    join(url)

    after = open_store(url)

    assert after.size() == before.size()
    assert shards(url, "flow_sum") == 0
    before.close()
    after.close()


def test_the_size_of_distributed_tables_is_that_of_their_shards(store: SumStore) -> None:
    empty = store.size().bytes

    store.add([make_sum(f"app-{number:05}") for number in range(COPY_FROM)])

    assert store.size().bytes > empty + 50 * COPY_FROM


@pytest.mark.parametrize("target", ["/flows?hour=1", "/flows?hour=1&group_by=src_app", "/hours"])
def test_the_validator_of_an_answer_that_shows_half_of_a_batch_does_not_stay(ask: Ask, raw: Raw, target: str) -> None:
    ask("POST", "/flows", to_json([make_flow(hour=1, src_app=name) for name in "ab"]))
    # As when a worker has not yet committed its part of a batch in doubt: what the others hold is in sight already.
    table, condition = ("hour_count", "hour = 1") if target == "/hours" else ("flow_sum", "src_app = 'b'")
    raw.execute(f"CREATE TABLE hidden AS SELECT * FROM {table} WHERE {condition}")
    raw.execute(f"DELETE FROM {table} WHERE {condition}")
    torn = ask("GET", target)
    raw.execute(f"INSERT INTO {table} SELECT * FROM hidden")

    whole = ask("GET", target, b"", {"If-None-Match": torn.headers["etag"]})

    assert whole.status == 200
    assert whole.body != torn.body
    known = ask("GET", target, b"", {"If-None-Match": whole.headers["etag"]})
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", whole.headers["etag"])


def test_a_streamed_answer_has_no_validator(ask: Ask) -> None:
    ask("POST", "/flows", to_json([make_flow(hour=1)]))

    streamed = ask("GET", "/flows?hour=1&format=ndjson", b"", {"If-None-Match": "*"})

    assert streamed.status == 200
    assert "etag" not in streamed.headers
    assert streamed.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("keys", [("one",), ("one", "two")])
def test_known_keys_are_found_on_their_shards(store: SumStore, keys: tuple[str, ...]) -> None:
    deliveries = [make_delivery(key) for key in keys]
    store.add([make_sum()], deliveries)

    with pytest.raises(AlreadyDelivered) as caught:
        store.add([make_sum()], deliveries)

    assert sorted(key for _, key in caught.value.found) == sorted(keys)
    assert store.find("", keys[0]) == deliveries[0]
    assert store.find("", "other") is None
