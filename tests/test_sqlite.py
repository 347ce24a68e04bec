"""What only SQLite does: its file, its pragmas, its versions, its locks."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import storage.soundness
import storage.sqlite
from handlers.question import Hours, HourTotal, Question, Sort
from handlers.record import MAX_INTEGER, OutcomeUnknown, StoreUnavailable, TookTooLong
from storage import SumStore, open_store
from storage.migrations.sqlite import STEPS
from storage.model import DeliveryRow, FlowSumRow, HourCount
from tests.engines import refusal
from tests.factories import make_sum


@pytest.fixture
def engine() -> str:
    """These tests are of one engine."""
    return "sqlite"


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def test_the_file_is_as_the_design_wants_it(sum_store: SumStore) -> None:
    with sum_store._engine.writing() as connection:
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "auto_vacuum", "busy_timeout", "user_version")
        }
        (ddl,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'flow_sum'").fetchone()

    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "auto_vacuum": 2,  # INCREMENTAL
        "busy_timeout": 5_000,
        "user_version": len(STEPS),
    }
    assert ddl.endswith("PRIMARY KEY (hour, src_app, dest_app, vpc_id)\n) STRICT, WITHOUT ROWID")


@pytest.mark.parametrize("model", [FlowSumRow, HourCount, DeliveryRow])
def test_the_schema_has_the_columns_of_the_model(
    sum_store: SumStore, model: type[FlowSumRow | HourCount | DeliveryRow]
) -> None:
    with sum_store._engine.writing() as connection:
        columns = connection.execute(f"SELECT name, pk FROM pragma_table_info('{model._meta.table_name}')").fetchall()

    key = [field.name for field in model._meta.get_primary_keys()]
    assert [name for name, _ in columns] == [field.name for field in model._meta.sorted_fields]
    assert [name for name, place in sorted(columns, key=lambda column: int(column[1])) if place] == key


def test_a_database_of_an_older_version_is_migrated_and_its_sums_counted(tmp_path: Path) -> None:
    with raw(tmp_path / "old.db") as connection:
        for statement in (*STEPS[0], "PRAGMA user_version = 1"):
            connection.execute(statement)
        connection.executemany(
            "INSERT INTO flow_sum VALUES (?, ?, ?, ?, ?, ?, ?)", [make_sum("a"), make_sum("b"), make_sum(hour=2)]
        )

    store = open_store(f"sqlite:///{tmp_path}/old.db")

    assert store.read(1, 0, 10)[:2] == (2, [make_sum("a"), make_sum("b")])
    store.add([make_sum("a"), make_sum("c")])
    assert store.read(1, 0, 10).total == 3
    assert store.read(2, 0, 10).total == 1
    assert store.hours(Hours(), 0, 10) == (2, [HourTotal(2, 1, 1, 300, 100), HourTotal(1, 3, 4, 1_200, 400)])
    store.close()


def test_a_database_of_the_version_before_totals_is_migrated_and_its_sums_added_up(tmp_path: Path) -> None:
    sums = [make_sum(f"app-{number}", bytes_rx=MAX_INTEGER, bytes_tx=number << 31) for number in range(9)]
    with raw(tmp_path / "old.db") as connection:
        for statement in (*STEPS[0], *STEPS[1], *STEPS[2], "PRAGMA user_version = 3"):
            connection.execute(statement)
        connection.executemany("INSERT INTO flow_sum VALUES (?, ?, ?, ?, ?, ?, ?)", [*sums, make_sum(hour=2)])

    with closing(open_store(f"sqlite:///{tmp_path}/old.db")) as store:
        assert store.hours(Hours(), 0, 10) == (
            2,
            [HourTotal(2, 1, 1, 300, 100), HourTotal(1, 9, 9, 9 * MAX_INTEGER, 36 << 31)],
        )
        before = store.version(Hours())
        store.add([make_sum("app-1", bytes_rx=0), make_sum("new")])
        assert store.hours(Hours(first=1, end=2), 0, 10)[1] == [
            HourTotal(1, 10, 11, 9 * MAX_INTEGER + 300, (36 << 31) + 200)
        ]
        assert store.version(Hours()) != before


@pytest.mark.parametrize("hour", [1, 2])
def test_a_writer_of_an_earlier_release_stores_nothing_once_there_are_totals(tmp_path: Path, hour: int) -> None:
    with raw(tmp_path / "old.db") as earlier:
        for statement in (*STEPS[0], *STEPS[1], *STEPS[2], "PRAGMA user_version = 3"):
            earlier.execute(statement)
        insert = "INSERT INTO flow_sum VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET records = records + 1"
        earlier.execute(insert, make_sum())

        with closing(open_store(f"sqlite:///{tmp_path}/old.db")) as store:
            with pytest.raises(sqlite3.OperationalError):
                earlier.execute(insert, make_sum(hour=hour))
            assert store.read(1, 0, 10)[:2] == (1, [make_sum()])
            assert store.hours(Hours(), 0, 10) == (1, [HourTotal(1, 1, 1, 300, 100)])


def test_what_two_migrated_databases_hold_is_not_taken_for_the_same(tmp_path: Path) -> None:
    versions = set()
    for name in ("backup", "newer"):
        with raw(tmp_path / name) as connection:
            for statement in (*STEPS[0], *STEPS[1], *STEPS[2], "PRAGMA user_version = 3"):
                connection.execute(statement)
            connection.execute("INSERT INTO flow_sum VALUES (?, ?, ?, ?, ?, ?, ?)", make_sum(name))
        with closing(open_store(f"sqlite:///{tmp_path}/{name}")) as store:
            versions.add(store.version(Hours((1,))))

    assert len(versions) == 2


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with raw(tmp_path / "new.db") as connection:
        connection.execute("PRAGMA user_version = 99")

    assert "has schema version 99" in refusal(f"sqlite:///{tmp_path}/new.db")


@pytest.mark.parametrize("version", [0, 2, 99])
def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path, version: int) -> None:
    with raw(tmp_path / "theirs.db") as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute(f"PRAGMA user_version = {version}")
    before = (tmp_path / "theirs.db").read_bytes()

    assert "another program's tables" in refusal(f"sqlite:///{tmp_path}/theirs.db")
    assert (tmp_path / "theirs.db").read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database" * 1_000)

    assert "no database (file is not a database): restore a backup" in refusal(f"sqlite:///{tmp_path}/text.db")


def test_a_file_larger_than_can_be_looked_through_in_time_is_opened(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_store(database_url)) as store:
        store.add([make_sum(f"app-{number:06}") for number in range(200_000)])
    monkeypatch.setattr(storage.soundness, "LOOK_SECONDS", 0.001)

    with closing(open_store(database_url)) as store:
        assert store.read(1, 0, 1).total == 200_000


def test_a_file_that_a_killed_process_has_left_half_made_is_opened(tmp_path: Path) -> None:
    with raw(tmp_path / "making.db") as connection:
        connection.execute("PRAGMA auto_vacuum = incremental")
        connection.execute("CREATE TABLE flow_sum (x)")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("DROP TABLE flow_sum")
        connection.execute("CREATE TABLE half (x)")
        connection.executemany("INSERT INTO half VALUES (?)", [("x" * 1_000,)] * 100)
        for name in ("making.db", "making.db-journal"):
            shutil.copy(tmp_path / name, tmp_path / name.replace("making", "left"))

    assert "flow_sum already exists" in refusal(f"sqlite:///{tmp_path}/left.db")
    assert not (tmp_path / "left.db-journal").exists()


@pytest.mark.parametrize("left", [("-wal",), ("-wal", "-shm"), ()])
def test_a_copy_of_a_file_in_use_is_opened_with_what_lies_beside_it(tmp_path: Path, left: tuple[str, ...]) -> None:
    with closing(open_store(f"sqlite:///{tmp_path}/flows.db")) as store:
        store.add([make_sum()])
        with sqlite3.connect(tmp_path / "flows.db") as other:
            other.execute("PRAGMA wal_checkpoint")
        other.close()
        store.add([make_sum()])
        for end in ("", *left):
            shutil.copy(tmp_path / f"flows.db{end}", tmp_path / f"copy%20?#.db{end}")

    with closing(open_store(f"sqlite:///{tmp_path}/copy%2520%3F%23.db")) as store:
        assert store.read(1, 0, 10).sums[0][4] == (2 if left else 1)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_IOERR_WRITE, StoreUnavailable),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StoreUnavailable),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreUnavailable),
        (sqlite3.SQLITE_IOERR_FSYNC, OutcomeUnknown),
        (sqlite3.SQLITE_IOERR_READ, sqlite3.OperationalError),
    ],
)
def test_what_passes_is_told_from_what_does_not(code: int, said: type[Exception]) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code

    with pytest.raises(said) as caught, storage.sqlite._told():
        raise error
    assert type(caught.value) is said


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot be opened: there is no folder " in refusal(f"sqlite:///{tmp_path}/nowhere/flows.db")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://host/flows.db",
        "sqlite:///flows.db?x=1",
        "sqlite:///a%00b",
    ],
)
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    assert "must name a file" in refusal(url)


def test_a_url_of_no_known_engine_is_refused_without_its_password() -> None:
    said = refusal("mysql://user:secret@host/db")

    assert "mysql" in said
    assert "secret" not in said


@pytest.mark.parametrize("url", ["flows.db", "postgresql://u:sec[ret@h/db", "sqlite://[x"])
def test_what_is_no_url_is_refused_without_being_told(url: str) -> None:
    said = refusal(url)

    assert said.startswith("DATABASE_URL ")
    assert "sec[ret" not in said


def test_a_relative_url_names_a_file_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    open_store("sqlite:///my%20flows.db").close()

    assert (tmp_path / "my flows.db").exists()


def test_a_sqlite_without_strict_tables_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))

    assert "must be 3.37.0 or newer" in refusal(database_url)


def test_a_database_locked_by_another_is_unavailable_and_then_available_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.sqlite, "BUSY_SECONDS", 0)
    store = open_store(f"sqlite:///{tmp_path}/flows.db")
    with raw(tmp_path / "flows.db") as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            store.add([make_sum()])
        with pytest.raises(StoreUnavailable):
            store.add([make_sum(f"app-{number}") for number in range(500)])
        other.execute("ROLLBACK")

    store.add([make_sum()])

    assert store.read(1, 0, 10)[:2] == (1, [make_sum()])
    store.close()


def test_a_full_database_is_unavailable_and_keeps_nothing_of_the_batch(sum_store: SumStore) -> None:
    sum_store.add([make_sum()])
    with sum_store._engine.writing() as connection:
        connection.execute("PRAGMA max_page_count = 20")

    with pytest.raises(StoreUnavailable):
        sum_store.add([make_sum(f"app-{number:05}") for number in range(20_000)])

    assert sum_store.read(1, 0, 10)[:2] == (1, [make_sum()])
    with sum_store._engine.writing() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    sum_store.add([make_sum()])
    assert sum_store.read(1, 0, 10).sums == [make_sum(records=2, bytes_rx=600, bytes_tx=200)]


def test_a_reader_that_cannot_connect_is_unavailable(sum_store: SumStore, tmp_path: Path) -> None:
    for file in tmp_path.glob("flows.db*"):
        file.unlink()
    (tmp_path / "flows.db").mkdir()

    with pytest.raises(StoreUnavailable):
        sum_store.read(1, 0, 10)


def test_clear_gives_the_space_back(sum_store: SumStore, tmp_path: Path) -> None:
    sum_store.add([make_sum(f"app-{number:05}") for number in range(20_000)])
    sum_store._engine.shrink()
    before = (tmp_path / "flows.db").stat().st_size

    sum_store.clear()

    assert (tmp_path / "flows.db").stat().st_size < before / 20
    assert (tmp_path / "flows.db-wal").stat().st_size == 0


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_takes_too_long_is_given_up_and_the_next_is_given(
    sum_store: SumStore, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    sum_store.add([make_sum(f"app-{number:05}") for number in range(20_000)])
    question = Question(Hours(), (), ("src_app",), order=(Sort("bytes_rx"), Sort("src_app")), limit=1)
    monkeypatch.setattr(storage.sqlite, "_STEPS", 1_000)
    monkeypatch.setattr(storage.sqlite, "ANSWER_SECONDS", 0)

    with pytest.raises(TookTooLong):
        list(sum_store.stream(question)) if streamed else sum_store.ask(question)

    monkeypatch.undo()
    assert sum_store.ask(question).rows == [("app-00000", 300, 100, 1)]
