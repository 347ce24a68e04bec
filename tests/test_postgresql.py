"""What only PostgreSQL does: its schema, its locks, its broken connections, its restarts, its cluster."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from random import Random
from select import select
from urllib.parse import urlsplit

import psycopg
import pytest

import storage.libpq
from handlers.question import Hours, HourTotal, Question, Sort
from handlers.record import MAX_INTEGER, OutcomeUnknown, StoreUnavailable, TookTooLong
from storage import SumStore, open_store
from storage.migrations.postgresql import STEPS
from storage.model import DeliveryRow, FlowSumRow, HourCount
from storage.postgresql import COPY_FROM, PostgresqlEngine
from tests.engines import SERVER, refusal
from tests.factories import SAMPLE, SAMPLE_HOUR_2, from_json, make_delivery, make_sum
from tests.postgresql import PostgreSQL, Raw, on_nth_insert, postgresql, raised
from tests.process import ROOT, SECONDS, running, until


@pytest.fixture
def engine() -> str:
    """These tests are of one engine."""
    return "postgresql"


@pytest.fixture(autouse=True)
def our_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests make triggers and roles: on the run's own server, whatever the contract suite is given."""
    monkeypatch.setenv("TEST_DATABASE_URL", os.environ[SERVER])


@pytest.fixture
def raw(database_url: str, sum_store: SumStore) -> Iterator[Raw]:
    """A connection beside the store's own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


TERMINATED = "PERFORM pg_terminate_backend(pg_backend_pid())"


@pytest.mark.parametrize("model", [FlowSumRow, HourCount, DeliveryRow])
def test_the_schema_has_the_columns_of_the_model(raw: Raw, model: type[FlowSumRow | HourCount | DeliveryRow]) -> None:
    columns = raw.execute(
        "SELECT attname, collname FROM pg_attribute LEFT JOIN pg_collation c ON c.oid = attcollation "
        "WHERE attrelid = %s::regclass AND attnum > 0",
        (model._meta.table_name,),
    ).fetchall()

    assert {field.name for field in model._meta.sorted_fields} <= {name for name, _ in columns}
    assert {collation for _, collation in columns} <= {None, "C"}


def test_a_database_of_a_newer_version_is_refused(raw: Raw, database_url: str) -> None:
    raw.execute("UPDATE flow_schema SET version = 99")

    assert f"has schema version 99, and this release knows {len(STEPS)}" in refusal(database_url)


def test_another_programs_table_of_our_name_is_refused_and_left_alone(raw: Raw, database_url: str) -> None:
    raw.execute("DROP TABLE flow_schema, flow_sum, hour_count, delivery")
    raw.execute("CREATE TABLE flow_sum (theirs integer)")

    assert 'relation "flow_sum" already exists' in refusal(database_url)
    assert raw.execute("SELECT to_regclass('hour_count')").fetchone() == (None,)


def test_a_role_that_may_only_read_and_write_rows_is_enough_once_the_tables_are_made(
    raw: Raw, database_url: str
) -> None:
    schema, role = database_url.rpartition("%3D")[2], f"role_{os.urandom(4).hex()}"
    raw.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pass'")
    raw.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    raw.execute(f"GRANT SELECT, INSERT, UPDATE ON flow_sum, hour_count, delivery TO {role}")
    raw.execute(f"GRANT SELECT ON flow_schema TO {role}")
    netloc = urlsplit(database_url).netloc

    store = open_store(database_url.replace(netloc, f"{role}:pass@{netloc.rpartition('@')[2]}"))

    store.add([make_sum()])
    store.add([make_sum(f"app-{number:05}") for number in range(COPY_FROM)])
    assert store.read(1, 0, 10).total == COPY_FROM + 1
    store.close()
    raw.execute(f"DROP OWNED BY {role}")
    raw.execute(f"DROP ROLE {role}")


def test_a_role_without_the_right_to_temporary_tables_stores_large_batches_too(other_server: PostgreSQL) -> None:
    store = open_store(other_server.url)
    store.clear()
    parts = urlsplit(other_server.url)
    with psycopg.connect(other_server.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE plain LOGIN PASSWORD 'pass'")
        admin.execute("GRANT SELECT, INSERT, UPDATE ON flow_sum, hour_count, delivery, flow_schema TO plain")
        admin.execute("REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC")
        plain = open_store(parts._replace(netloc=f"plain:pass@{parts.hostname}:{parts.port}").geturl())

        plain.add([make_sum(f"app-{number:05}") for number in range(COPY_FROM)])

        assert store.read(1, 0, 10).total == COPY_FROM
        plain.close()
        admin.execute("GRANT TEMPORARY ON DATABASE postgres TO PUBLIC")
        admin.execute("DROP OWNED BY plain")
        admin.execute("DROP ROLE plain")
    store.close()


@pytest.mark.parametrize("code", ["40001", "40P01", "57P01", "08006"])
@pytest.mark.parametrize("count", [1, COPY_FROM])
def test_an_error_that_passes_is_tried_again_and_the_batch_counted_once(
    raw: Raw, sum_store: SumStore, code: str, count: int
) -> None:
    sums = [make_sum(f"app-{number:05}") for number in range(count)]
    on_nth_insert(raw, 1, raised(code))

    sum_store.add(sums)

    assert sum_store.read(1, 0, count)[:2] == (count, sums)


@pytest.mark.parametrize("code", ["XX000", "XX001", "XX002"])
def test_an_internal_error_is_a_fault_and_not_tried_again(raw: Raw, sum_store: SumStore, code: str) -> None:
    on_nth_insert(raw, 1, raised(code))

    with pytest.raises(psycopg.InternalError):
        sum_store.add([make_sum()])

    assert raw.execute("SELECT last_value FROM calls").fetchone() == (1,)


def test_all_tries_of_a_batch_have_the_time_of_one_answer(
    raw: Raw, sum_store: SumStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_nth_insert(raw, "lastval()", f"PERFORM pg_sleep(0.7); {raised('40001')}")
    monkeypatch.setattr("storage.deadline.ANSWER_SECONDS", 1)

    with pytest.raises(StoreUnavailable, match=r"did not answer|no time was left"):
        sum_store.add([make_sum()])

    monkeypatch.undo()
    assert sum_store.read(1, 0, 10)[:2] == (0, [])


@pytest.mark.parametrize("count", [1, COPY_FROM])
def test_a_connection_cut_before_the_commit_is_made_anew_and_the_batch_counted_once(
    raw: Raw, sum_store: SumStore, count: int
) -> None:
    sums = [make_sum(f"app-{number:05}") for number in range(count)]
    on_nth_insert(raw, 1, TERMINATED)

    sum_store.add(sums)

    assert sum_store.read(1, 0, count)[:2] == (count, sums)


def test_a_connection_cut_during_the_commit_leaves_the_outcome_unknown_and_is_not_tried_again(
    raw: Raw, sum_store: SumStore
) -> None:
    on_nth_insert(raw, 1, TERMINATED, "DEFERRABLE INITIALLY DEFERRED")

    with pytest.raises(OutcomeUnknown):
        sum_store.add([make_sum()])

    assert sum_store.read(1, 0, 10)[:2] == (0, [])
    sum_store.add([make_sum()])
    assert sum_store.read(1, 0, 10)[:2] == (1, [make_sum()])


@pytest.mark.parametrize("code", ["XX000", "08006", "57014"])
def test_a_commit_that_may_have_been_done_in_part_is_not_tried_again(raw: Raw, sum_store: SumStore, code: str) -> None:
    on_nth_insert(raw, 1, raised(code), "DEFERRABLE INITIALLY DEFERRED")

    with pytest.raises(OutcomeUnknown):
        sum_store.add([make_sum()])

    assert raw.execute("SELECT last_value FROM calls").fetchone() == (1,)


def test_a_commit_whose_wait_for_a_standby_was_cut_short_is_not_acknowledged() -> None:
    # A server of its own: its settings take effect, and cease to, some time after they are changed.
    with postgresql() as server, psycopg.connect(server.url, autocommit=True) as admin, ThreadPoolExecutor(1) as pool:
        store = open_store(server.url)
        admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
        admin.execute("SELECT pg_reload_conf()")

        def add() -> None:
            while True:
                store.add([make_sum()])

        adding = pool.submit(add)
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'flows'"
        found = until(lambda: admin.execute(waiting).fetchone())
        admin.execute("SELECT pg_cancel_backend(%s)", found)
        with pytest.raises(OutcomeUnknown, match="canceling wait for synchronous replication"):
            adding.result()
        store.close()


def test_what_nobody_waits_for_any_more_is_not_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = storage.libpq.connect(storage.libpq.read_parameters(os.environ[SERVER]))
    pid = connection.info.backend_pid
    monkeypatch.setattr("storage.deadline.ANSWER_SECONDS", 0.2)

    with pytest.raises(StoreUnavailable, match="did not answer"):
        connection.execute("SELECT sum(a * b) FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b")

    with psycopg.connect(os.environ[SERVER], autocommit=True) as other:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        until = time.monotonic() + SECONDS
        while other.execute(asked, [pid]).fetchone() != (0,):
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_question_that_takes_too_long_says_so(sum_store: SumStore, raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    sum_store.add([make_sum()])
    raw.execute("CREATE OR REPLACE FUNCTION slow(t text) RETURNS text LANGUAGE sql AS 'SELECT t FROM pg_sleep(30)'")
    raw.execute("ALTER TABLE flow_sum RENAME TO kept")
    columns = "hour, slow(src_app) AS src_app, dest_app, vpc_id, records, bytes_rx, bytes_tx"
    raw.execute(f"CREATE VIEW flow_sum AS SELECT {columns} FROM kept")
    monkeypatch.setattr("storage.deadline.ANSWER_SECONDS", 0.2)
    question = Question(Hours((1,)), members=("src_app",), order=(Sort("src_app"),), limit=9)

    with pytest.raises(TookTooLong):
        sum_store.ask(question)
    with pytest.raises(TookTooLong):
        list(sum_store.stream(question))


@pytest.mark.parametrize("verb", ["add", "read"])
def test_a_server_that_hangs_is_unavailable(
    other_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    store = open_store(other_server.url)
    store.clear()
    ask: Callable[[], object] = partial(store.add, [make_sum()]) if verb == "add" else partial(store.read, 1, 0, 10)
    monkeypatch.setattr("storage.deadline.ANSWER_SECONDS", 0.3)
    with other_server.frozen("flows"), pytest.raises(StoreUnavailable, match="did not answer"):
        ask()
    monkeypatch.undo()

    assert store.read(1, 0, 10)[:2] == (0, [])
    store.close()


def test_a_commit_that_is_not_answered_has_an_unknown_outcome(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = storage.libpq.connect(storage.libpq.read_parameters(os.environ[SERVER]))
    connection.execute("BEGIN")
    connection.execute("CREATE TEMPORARY TABLE t (x integer PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)")
    connection.execute(
        "CREATE FUNCTION pg_temp.sleep() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$"
    )
    connection.execute(
        "CREATE CONSTRAINT TRIGGER sleep AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION pg_temp.sleep()"
    )
    connection.execute("INSERT INTO t VALUES (1)")
    monkeypatch.setattr("storage.deadline.ANSWER_SECONDS", 0.2)

    with pytest.raises(OutcomeUnknown, match="did not answer"):
        storage.libpq.commit(connection)

    raw.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'"
    )


def test_after_a_failover_the_new_primary_is_found(sum_store: SumStore) -> None:
    engine = sum_store._engine
    assert isinstance(engine, PostgresqlEngine)
    with ExitStack() as lent:
        # What was a primary when these were made is a standby now; whoever connects anew comes to the other.
        for connection in [lent.enter_context(engine._lent()) for _ in range(3)]:
            connection.execute("SET default_transaction_read_only = on")

    sum_store.add([make_sum()])

    assert sum_store.read(1, 0, 10)[:2] == (1, [make_sum()])


@pytest.mark.parametrize("timeout", ["idle_session_timeout", "idle_in_transaction_session_timeout"])
def test_a_connection_that_the_server_has_ended_for_idleness_is_made_anew(sum_store: SumStore, timeout: str) -> None:
    engine = sum_store._engine
    assert isinstance(engine, PostgresqlEngine)
    with engine._lent() as connection:
        connection.execute(f"SET {timeout} = '1ms'")
    if timeout == "idle_session_timeout":
        until(lambda: bool(select([connection.fileno()], [], [], 0)[0]))

    assert sum_store.read(1, 0, 10)[:2] == (0, [])
    sum_store.add([make_sum(f"app-{number:05}") for number in range(COPY_FROM)])
    assert sum_store.read(1, 0, 10).total == COPY_FROM


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_stores_opened_together_make_the_tables_once_whatever_the_default_isolation(
    database_url: str, isolation: str
) -> None:
    url = f"{database_url}%20-cdefault_transaction_isolation%3D{isolation.replace(' ', '%5C%20')}"
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(open_store, [url] * 6))

    stores[0].add([make_sum()])
    assert stores[1].read(1, 0, 10)[:2] == (1, [make_sum()])
    for store in stores:
        store.close()


def test_clearing_beside_a_writer_leaves_the_counts_right(raw: Raw, database_url: str, sum_store: SumStore) -> None:
    sum_store.add([make_sum("a")])
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("INSERT INTO flow_sum VALUES (1, 1, 300, 100, 'b', 'bar', 'vpc-0')")
        other.execute("INSERT INTO hour_count VALUES (1, 64, 1, 1, 0, 300, 0, 100, 0, 7)")
        clearing = pool.submit(sum_store.clear)
        locking = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE flow_sum%'"
        until(lambda: raw.execute(locking).fetchone())
        other.commit()
        clearing.result()

    page = sum_store.read(1, 0, 10)
    assert page.total == len(page.sums)


def test_a_table_of_the_batchs_name_does_no_harm(raw: Raw, database_url: str) -> None:
    raw.execute("CREATE TABLE flow_batch AS SELECT hour, src_app, dest_app, vpc_id, 7::bigint AS records FROM flow_sum")
    store = open_store(f"{database_url},pg_temp")
    sums = [make_sum(f"app-{number:05}") for number in range(COPY_FROM)]

    store.add(sums)

    assert store.read(1, 0, COPY_FROM)[:2] == (COPY_FROM, sums)
    assert raw.execute("SELECT count(*) FROM flow_batch").fetchone() == (0,)
    store.close()


def test_a_commit_that_the_database_refuses_is_tried_again(raw: Raw, sum_store: SumStore) -> None:
    on_nth_insert(raw, 1, raised("40001"), "DEFERRABLE INITIALLY DEFERRED")

    sum_store.add([make_sum()])

    assert sum_store.read(1, 0, 10)[:2] == (1, [make_sum()])


def test_what_does_not_pass_is_not_tried_again_and_nothing_is_kept(raw: Raw, sum_store: SumStore) -> None:
    on_nth_insert(raw, 2, raised("P0001"))

    with pytest.raises(psycopg.errors.RaiseException):
        sum_store.add([make_sum("a"), make_sum("b")])

    assert sum_store.read(1, 0, 10)[:2] == (0, [])
    assert raw.execute("SELECT last_value FROM calls").fetchone() == (2,)


@pytest.mark.parametrize("code", ["53100", "57014", "25006", "25P04"])
def test_an_error_that_lasts_is_unavailable(
    raw: Raw, sum_store: SumStore, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.postgresql.BUSY_SECONDS", 0.05)
    raw.execute(f"CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {raised(code)}; END $$")
    raw.execute("CREATE TRIGGER act AFTER INSERT ON flow_sum FOR EACH ROW EXECUTE FUNCTION act()")

    with pytest.raises(StoreUnavailable):
        sum_store.add([make_sum()])

    raw.execute("DROP TRIGGER act ON flow_sum")
    sum_store.add([make_sum()])
    assert sum_store.read(1, 0, 10)[:2] == (1, [make_sum()])


def test_a_row_that_another_locks_for_long_is_unavailable_and_then_available_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.postgresql._SETTINGS", "SET LOCAL lock_timeout = '100ms'")
    store = open_store(database_url)
    store.add([make_sum()])
    with psycopg.connect(database_url) as other:
        other.execute("SELECT * FROM flow_sum FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            store.add([make_sum()])

    store.add([make_sum()])

    assert store.read(1, 0, 10).sums == [make_sum(records=2, bytes_rx=600, bytes_tx=200)]
    store.close()


def test_six_writers_on_the_same_shuffled_keys_lose_nothing_and_meet_no_deadlock(other_server: PostgreSQL) -> None:
    store = open_store(other_server.url)
    store.clear()
    names = [f"app-{number:04}" for number in range(COPY_FROM + 500)]
    sizes = (50, 500, len(names))

    def write(seed: int) -> None:
        rng = Random(seed)
        for size in sizes * 3:
            store.add([make_sum(name, bytes_rx=1, bytes_tx=2) for name in rng.sample(names, size)])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))

    page = store.read(1, 0, 10_000)
    assert sum(s[4] for s in page.sums) == sum(s[5] for s in page.sums) == 6 * 3 * sum(sizes)
    assert page.total == len(page.sums)
    store.close()
    with psycopg.connect(other_server.url, autocommit=True) as connection:
        # A session's numbers are there once it has ended.
        asked = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'flows'"
        until(lambda: not connection.execute(asked).fetchone())
        asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"
        assert connection.execute(asked).fetchone() == (0,)


def test_writers_of_new_keys_in_one_hour_do_not_wait_for_one_another(sum_store: SumStore) -> None:
    engine = sum_store._engine
    assert isinstance(engine, PostgresqlEngine)
    with engine._lent() as one, engine._lent() as other:
        engine._add_by_arrays(one, [make_sum("one")], ())
        engine._add_by_arrays(other, [make_sum("other")], ())
        for connection in (other, one):
            connection.execute("COMMIT")

    assert sum_store.read(1, 0, 10)[:2] == (2, [make_sum("one"), make_sum("other")])


def test_a_restarted_server_is_connected_to_again(other_server: PostgreSQL) -> None:
    store = open_store(other_server.url)
    store.clear()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.add([make_sum(f"a-{number}", hour=7)]), range(50)))

    other_server.stop()
    other_server.start()

    assert store.read(7, 0, 10).total == 50
    store.add([make_sum("b", hour=7)])
    assert store.read(7, 0, 10).total == 51
    store.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
def test_writers_go_on_through_a_restart_and_what_they_were_told_is_counted_is(
    other_server: PostgreSQL, how: signal.Signals
) -> None:
    store = open_store(other_server.url)
    store.clear()
    stop = threading.Event()

    def write(number: int) -> tuple[int, int]:
        told = unknown = 0
        while not stop.is_set():
            try:
                store.add([make_sum(f"app-{number}", bytes_rx=1, bytes_tx=1)])
                told += 1
            except OutcomeUnknown:
                unknown += 1
        return told, unknown

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(write, number) for number in range(4)]
        until(lambda: store.read(1, 0, 10).total == 4)
        other_server.stop(how)
        other_server.start()
        before = store.read(1, 0, 10).sums
        until(lambda: all(a[4] < b[4] for a, b in zip(before, store.read(1, 0, 10).sums, strict=True)))
        stop.set()
        results = [future.result() for future in futures]

    for row, (told, unknown) in zip(store.read(1, 0, 10).sums, results, strict=True):
        assert told <= row[4] <= told + unknown
        assert row[4] == row[5] == row[6]
        assert unknown <= 1
    store.close()


def test_a_server_that_is_down_is_unavailable_and_then_available_again(
    other_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(other_server.url)
    store.clear()
    other_server.stop()
    with monkeypatch.context() as context:
        context.setattr("storage.postgresql.BUSY_SECONDS", 0.2)
        for ask in (lambda: store.add([make_sum()]), lambda: store.read(1, 0, 10)):
            with pytest.raises(StoreUnavailable):
                ask()
        assert "cannot be opened: " in refusal(other_server.url)
    other_server.start()

    store.add([make_sum()])

    assert store.read(1, 0, 10)[:2] == (1, [make_sum()])
    store.close()


def test_a_server_that_comes_up_late_is_waited_for(other_server: PostgreSQL) -> None:
    other_server.stop()
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_store, other_server.url)
        other_server.start()
        opening.result().close()


def test_there_are_no_more_connections_than_busy_threads(database_url: str, sum_store: SumStore, raw: Raw) -> None:
    schema = database_url.rpartition("%3D")[2]
    raw.execute("SELECT set_config('application_name', 'watch', false)")
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda number: sum_store.add([make_sum(f"app-{number}")]), range(200)))

    store = sum_store._engine
    idle = store._pool._idle  # type: ignore[attr-defined]
    assert 1 <= len(idle) <= 5
    assert {connection.info.get_parameters()["application_name"] for connection in idle} == {"flows"}
    assert all(schema in connection.info.get_parameters()["options"] for connection in idle)


@pytest.mark.parametrize(("default", "used"), [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply")])
def test_what_is_acknowledged_is_on_disk_though_the_servers_default_does_not_wait_for_it_any_more(
    raw: Raw, database_url: str, sum_store: SumStore, default: str, used: str
) -> None:
    sum_store.add([make_sum("before")])
    with sum_store._engine.writing() as connection:
        connection.execute(f"SET synchronous_commit = {default}")
    raw.execute("CREATE TABLE seen (setting text)")
    raw.execute(
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$"
    )
    raw.execute("CREATE TRIGGER see AFTER INSERT ON flow_sum FOR EACH ROW EXECUTE FUNCTION see()")

    sum_store.add([make_sum("after")])

    assert raw.execute("SELECT setting FROM seen").fetchall() == [(used,)]


def test_a_database_that_cannot_hold_every_name_is_refused(raw: Raw) -> None:
    name = f"ascii_{os.urandom(4).hex()}"
    raw.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
    try:
        assert "in SQL_ASCII, and must be in UTF8" in refusal(os.environ[SERVER].replace("/postgres", f"/{name}"))
    finally:
        raw.execute(f"DROP DATABASE {name}")


def test_a_server_that_is_too_old_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.postgresql.OLDEST", 990_000)

    assert "and must be 14 or newer" in refusal(database_url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:sec/ret@localhost/name",
        "postgresql://user:sec@ret@localhost/name",
        "postgresql://user:1/sec@ret@localhost/name",
        "postgresql://localhost/name?secret=1",
        "postgresql://user:sec%ret@localhost/name",
        "postgresql://user:secret@local host:x/name",
    ],
)
def test_a_url_that_is_malformed_is_refused_without_its_password(url: str) -> None:
    said = refusal(url)

    assert "DATABASE_URL must be postgresql://user:password@host:port/name" in said
    assert "sec" not in said
    assert "ret" not in said


def test_a_wrong_password_is_refused_at_once_and_not_told(other_server: PostgreSQL) -> None:
    parts = urlsplit(other_server.url)

    said = refusal(parts._replace(netloc=f"flows:wrong-secret@{parts.hostname}:{parts.port}").geturl())

    assert "password authentication failed" in said
    assert "wrong-secret" not in said
    assert other_server.log().count('password authentication failed for user "flows"') == 1


def test_without_the_driver_the_start_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['psycopg'] = None\nfrom storage import open_store; open_store('postgresql://h/d')"

    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.stderr.endswith("driver is missing: make install_postgresql\n")


def test_the_local_server_serves_on_it_through_a_restart(other_server: PostgreSQL, tmp_path: Path) -> None:
    store = open_store(other_server.url)
    store.clear()
    store.close()
    with running(tmp_path, DATABASE_URL=other_server.url, LOG_FILE="-") as server:
        assert server.post(SAMPLE) == (201, b'{"accepted":5,"flows":4}')
        assert server.ask("GET", "/flows?hour=2") == (200, SAMPLE_HOUR_2)

        other_server.stop(signal.SIGQUIT)
        other_server.start()

        assert server.ask("GET", "/flows?hour=2") == (200, SAMPLE_HOUR_2)
        assert server.post(SAMPLE)[0] == 201
        assert server.items(1)[1]["bytes_rx"] == 1_800
        assert server.terminate() == 0


def test_the_local_server_answers_503_while_it_is_down(other_server: PostgreSQL, tmp_path: Path) -> None:
    with running(tmp_path, DATABASE_URL=other_server.url) as server:
        other_server.stop()
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(server.post, SAMPLE), pool.submit(server.ask, "GET", "/flows?hour=2")]
            answers = [future.result() for future in asked]
        other_server.start()

        for status, body in answers:
            assert status == 503
            assert from_json(body)["request_id"] in (tmp_path / "server.log").read_text()
        assert str(urlsplit(other_server.url).password) not in (tmp_path / "server.log").read_text()
        assert server.ask("GET", "/flows?hour=2")[0] == 200


def test_a_database_of_an_older_version_is_migrated_and_keeps_its_sums(raw: Raw, database_url: str) -> None:
    raw.execute("DROP TABLE flow_schema, flow_sum, hour_count, delivery")
    for statement in (*STEPS[0], "CREATE TABLE flow_schema (version integer)", "INSERT INTO flow_schema VALUES (1)"):
        raw.execute(statement)
    raw.execute("INSERT INTO flow_sum VALUES (1, 1, 300, 100, 'foo', 'bar', 'vpc-0')")
    raw.execute("INSERT INTO hour_count VALUES (1, 5, 1)")

    store = open_store(database_url)
    store.add([make_sum()], [make_delivery()])

    assert store.read(1, 0, 10)[:2] == (1, [make_sum(records=2, bytes_rx=600, bytes_tx=200)])
    assert store.hours(Hours(), 0, 10) == (1, [HourTotal(1, 1, 2, 600, 200)])
    assert raw.execute("SELECT version FROM flow_schema").fetchall() == [(len(STEPS),)]
    store.close()


def test_a_database_of_the_version_before_totals_is_migrated_and_its_sums_added_up(raw: Raw, database_url: str) -> None:
    raw.execute("DROP TABLE flow_schema, flow_sum, hour_count, delivery")
    older = (*STEPS[0], *STEPS[1], "CREATE TABLE flow_schema (version integer)", "INSERT INTO flow_schema VALUES (2)")
    for statement in older:
        raw.execute(statement)
    sums = "SELECT 1, 1, 9223372036854775807, n * 2147483648, 'app-' || n, 'bar', 'vpc-0' FROM generate_series(0, 8) n"
    raw.execute(f"INSERT INTO flow_sum {sums}")
    raw.execute("INSERT INTO hour_count VALUES (1, 0, 4), (1, 5, 5)")

    with closing(open_store(database_url)) as store:
        assert store.hours(Hours(), 0, 10) == (1, [HourTotal(1, 9, 9, 9 * MAX_INTEGER, 36 << 31)])
        before = store.version(Hours())
        # Not as any other database that has just been migrated.
        assert raw.execute("SELECT sum(writes) FROM hour_count").fetchone() == (
            (9 + 9 * MAX_INTEGER + (36 << 31)) % 2**40,
        )
        store.add([make_sum("app-1", bytes_rx=0), make_sum("new")])
        assert store.hours(Hours(), 0, 10) == (
            1,
            [HourTotal(1, 10, 11, 9 * MAX_INTEGER + 300, (36 << 31) + 200)],
        )
        assert store.version(Hours()) != before


def test_a_writer_of_a_release_that_keeps_no_totals_is_refused(raw: Raw, sum_store: SumStore) -> None:
    sum_store.add([make_sum()])

    with pytest.raises(psycopg.errors.NotNullViolation):
        raw.execute(
            "INSERT INTO hour_count AS kept (hour, slot, flows) VALUES (1, 5, 1) "
            "ON CONFLICT (hour, slot) DO UPDATE SET flows = kept.flows + EXCLUDED.flows"
        )
