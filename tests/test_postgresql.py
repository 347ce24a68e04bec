"""What only PostgreSQL does: its schema, its locks, its broken connections, its restarts, its cluster."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import psycopg
import pytest

from handlers.record import OutcomeUnknown, StoreUnavailable
from storage import CannotOpen, SumStore, open_store
from storage.migrations.postgresql import STEPS
from storage.model import FlowSumRow, HourCount
from storage.postgresql import COPY_FROM, SLOTS
from tests.engines import SERVER
from tests.factories import SAMPLE, SAMPLE_HOUR_2, from_json, make_sum
from tests.postgresql import PostgreSQL
from tests.process import ROOT, running

Raw = psycopg.Connection[tuple[object, ...]]


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


def refusal(url: str) -> str:
    with pytest.raises(CannotOpen) as caught:
        open_store(url)
    return str(caught.value)


def on_nth_insert(raw: Raw, number: int, action: str, kind: str = "") -> None:
    """Have the database do something at one of the inserts to come, counted across rollbacks."""
    raw.execute("CREATE SEQUENCE calls")
    raw.execute(
        "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF nextval('calls') = {number} THEN {action}; END IF; RETURN NULL; END $$"
    )
    constraint, timing = ("CONSTRAINT", kind) if kind else ("", "")
    raw.execute(
        f"CREATE {constraint} TRIGGER act AFTER INSERT ON flow_sum {timing} FOR EACH ROW EXECUTE FUNCTION act()"
    )


def raised(code: str) -> str:
    return f"RAISE EXCEPTION USING ERRCODE = '{code}'"


TERMINATED = "PERFORM pg_terminate_backend(pg_backend_pid())"


@pytest.mark.parametrize("model", [FlowSumRow, HourCount])
def test_the_schema_has_the_columns_of_the_model(raw: Raw, model: type[FlowSumRow | HourCount]) -> None:
    columns = raw.execute(
        "SELECT attname, collname FROM pg_attribute LEFT JOIN pg_collation c ON c.oid = attcollation "
        "WHERE attrelid = %s::regclass AND attnum > 0",
        (model._meta.table_name,),
    ).fetchall()

    assert {field.name for field in model._meta.sorted_fields} <= {name for name, _ in columns}
    assert {collation for _, collation in columns} <= {None, "C"}


def test_sums_outlive_the_store(database_url: str, sum_store: SumStore) -> None:
    sum_store.add([make_sum()])
    sum_store.close()

    again = open_store(database_url)

    assert again.read(1, 0, 10) == (1, [make_sum()])
    again.close()


def test_a_database_of_a_newer_version_is_refused(raw: Raw, database_url: str) -> None:
    raw.execute("UPDATE flow_schema SET version = 99")

    assert f"has schema version 99, and this release knows {len(STEPS)}" in refusal(database_url)


def test_another_programs_table_of_our_name_is_refused_and_left_alone(raw: Raw, database_url: str) -> None:
    raw.execute("DROP TABLE flow_schema, flow_sum, hour_count")
    raw.execute("CREATE TABLE flow_sum (theirs integer)")

    assert 'relation "flow_sum" already exists' in refusal(database_url)
    assert raw.execute("SELECT to_regclass('hour_count')").fetchone() == (None,)


def test_a_role_that_may_only_read_and_write_rows_is_enough_once_the_tables_are_made(
    raw: Raw, database_url: str
) -> None:
    schema, role = database_url.rpartition("%3D")[2], f"role_{os.urandom(4).hex()}"
    raw.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pass'")
    raw.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    raw.execute(f"GRANT SELECT, INSERT, UPDATE ON flow_sum, hour_count TO {role}")
    raw.execute(f"GRANT SELECT ON flow_schema TO {role}")
    netloc = urlsplit(database_url).netloc

    store = open_store(database_url.replace(netloc, f"{role}:pass@{netloc.rpartition('@')[2]}"))

    store.add([make_sum()])
    store.add([make_sum(f"app-{number:05}") for number in range(COPY_FROM)])
    assert store.read(1, 0, 10).total == COPY_FROM + 1
    store.close()
    raw.execute(f"DROP OWNED BY {role}")
    raw.execute(f"DROP ROLE {role}")


def test_processes_that_open_a_new_database_together_make_it_once(database_url: str) -> None:
    code = (
        "import sys; from storage import open_store; s = open_store(sys.argv[1]);"
        "[s.add([(1, 'a', 'b', 'c', 1, 1, 1)]) for _ in range(20)]"
    )
    command = [sys.executable, "-c", code, database_url]
    started = [subprocess.Popen(command, cwd=ROOT, env=os.environ) for _ in range(4)]

    assert [process.wait() for process in started] == [0, 0, 0, 0]
    store = open_store(database_url)
    assert store.read(1, 0, 10) == (1, [(1, "a", "b", "c", 80, 80, 80)])
    store.close()


@pytest.mark.parametrize("code", ["40001", "40P01", "57P01", "08006"])
@pytest.mark.parametrize("count", [1, COPY_FROM])
def test_an_error_that_passes_is_tried_again_and_the_batch_counted_once(
    raw: Raw, sum_store: SumStore, code: str, count: int
) -> None:
    sums = [make_sum(f"app-{number:05}") for number in range(count)]
    on_nth_insert(raw, 1, raised(code))

    sum_store.add(sums)

    assert sum_store.read(1, 0, count) == (count, sums)


@pytest.mark.parametrize("count", [1, COPY_FROM])
def test_a_connection_cut_before_the_commit_is_made_anew_and_the_batch_counted_once(
    raw: Raw, sum_store: SumStore, count: int
) -> None:
    sums = [make_sum(f"app-{number:05}") for number in range(count)]
    on_nth_insert(raw, 1, TERMINATED)

    sum_store.add(sums)

    assert sum_store.read(1, 0, count) == (count, sums)


def test_a_connection_cut_during_the_commit_leaves_the_outcome_unknown_and_is_not_tried_again(
    raw: Raw, sum_store: SumStore
) -> None:
    on_nth_insert(raw, 1, TERMINATED, "DEFERRABLE INITIALLY DEFERRED")

    with pytest.raises(OutcomeUnknown):
        sum_store.add([make_sum()])

    assert sum_store.read(1, 0, 10) == (0, [])
    sum_store.add([make_sum()])
    assert sum_store.read(1, 0, 10) == (1, [make_sum()])


def test_a_commit_that_the_database_refuses_is_tried_again(raw: Raw, sum_store: SumStore) -> None:
    on_nth_insert(raw, 1, raised("40001"), "DEFERRABLE INITIALLY DEFERRED")

    sum_store.add([make_sum()])

    assert sum_store.read(1, 0, 10) == (1, [make_sum()])


def test_what_does_not_pass_is_not_tried_again_and_nothing_is_kept(raw: Raw, sum_store: SumStore) -> None:
    on_nth_insert(raw, 2, raised("P0001"))

    with pytest.raises(psycopg.errors.RaiseException):
        sum_store.add([make_sum("a"), make_sum("b")])

    assert sum_store.read(1, 0, 10) == (0, [])
    assert raw.execute("SELECT last_value FROM calls").fetchone() == (2,)


@pytest.mark.parametrize("code", ["53100", "57014", "25006"])
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
    assert sum_store.read(1, 0, 10) == (1, [make_sum()])


def test_a_row_that_another_locks_for_long_is_unavailable_and_then_available_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.postgresql.BUSY_SECONDS", 0.1)
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
        while connection.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'flows'").fetchone():
            pass
        asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"
        assert connection.execute(asked).fetchone() == (0,)


def test_writers_of_new_keys_in_one_hour_do_not_wait_for_one_another(
    database_url: str, sum_store: SumStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = sum_store._engine
    with psycopg.connect(database_url) as held:
        with engine.writing() as connection:
            ours = connection.info.backend_pid
        # A slot of its own, as processes that are numbered one after another have.
        monkeypatch.setattr("storage.postgresql._slot", lambda connection: (ours + 1) % SLOTS)
        engine._add_by_arrays(held, [make_sum("held")])  # type: ignore[attr-defined]
        monkeypatch.undo()

        sum_store.add([make_sum("free")])

        assert sum_store.read(1, 0, 10) == (1, [make_sum("free")])
    assert sum_store.read(1, 0, 10) == (2, [make_sum("free"), make_sum("held")])


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
        while store.read(1, 0, 10).total < 4:
            pass
        other_server.stop(how)
        other_server.start()
        before = store.read(1, 0, 10).sums
        while any(a[4] == b[4] for a, b in zip(before, store.read(1, 0, 10).sums, strict=True)):
            pass
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

    assert store.read(1, 0, 10) == (1, [make_sum()])
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


def test_what_is_acknowledged_is_on_disk_though_the_server_would_not_wait_for_it(database_url: str) -> None:
    store = open_store(f"{database_url}%20-csynchronous_commit%3Doff")

    with store._engine.writing() as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
    store.close()


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


def test_a_wrong_password_is_refused_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.postgresql.BUSY_SECONDS", 0)
    parts = urlsplit(os.environ[SERVER])

    said = refusal(parts._replace(netloc=f"flows:wrong-secret@{parts.hostname}:{parts.port}").geturl())

    assert "password authentication failed" in said
    assert "wrong-secret" not in said


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
    with running(tmp_path, DATABASE_URL=other_server.url, LOG_FILE="-") as server:
        other_server.stop()
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(server.post, SAMPLE), pool.submit(server.ask, "GET", "/flows?hour=2")]
            answers = [future.result() for future in asked]
        other_server.start()

        for status, body in answers:
            assert status == 503
            assert other_server.url.encode() not in body
            assert from_json(body)["request_id"]
        assert server.ask("GET", "/flows?hour=2")[0] == 200
