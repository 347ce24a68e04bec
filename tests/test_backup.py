"""python -m local.backup beside a server at work, and python -m local.restore of what it made."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import storage.snapshot
from local.backup import backup
from local.restore import restore
from storage import CannotOpen, open_store
from storage.migrations.sqlite import STEPS
from storage.snapshot import SIDECARS
from tests.factories import make_flow, make_sum
from tests.process import SECONDS, Running, environment, running

BATCH = 7


def run(name: str, folder: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", f"local.{name}", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=SECONDS, check=False
    )


def fill(path: Path, flows: int, *hours: int) -> None:
    store = open_store(f"sqlite:///{path}")
    for hour in hours:
        store.add([make_sum(f"app-{number:06}", hour=hour) for number in range(flows)])
    store.close()


def totals(path: Path, *hours: int) -> list[int]:
    store = open_store(f"sqlite:///{path}")
    try:
        pages = [store.read(hour, 0, 1_000_000) for hour in hours]
    finally:
        store.close()
    assert [page.total for page in pages] == [len(page.sums) for page in pages]
    return [page.total for page in pages]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith("server.")}


@contextmanager
def writing(server: Running) -> Iterator[list[int]]:
    """Post batches, one after another, each under a name of its own."""
    ended = threading.Event()
    statuses: list[int] = []

    def write() -> None:
        while not ended.is_set():
            batch = [make_flow(src_app=f"batch-{len(statuses)}", dest_app=f"{each}", hour=1) for each in range(BATCH)]
            statuses.append(server.post(batch)[0])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield statuses
    finally:
        ended.set()
        writer.join()


def test_a_copy_made_while_a_writer_goes_on_has_each_batch_wholly_or_not_at_all_and_serves(tmp_path: Path) -> None:
    fill(tmp_path / "flows.db", 200_000, 7)
    with running(tmp_path) as server, writing(server) as statuses:
        while len(statuses) < 10:
            pass
        before = len(statuses)
        copied = run("backup", tmp_path, "copy.db")
        after = len(statuses) + 1

    assert set(statuses) == {201}
    assert copied.returncode == 0, copied.stderr
    assert names(tmp_path) == {"flows.db", "copy.db"}
    with running(tmp_path, DATABASE_URL="sqlite:///copy.db") as server:
        batches = Counter(item["src_app"] for item in server.items(1))
        assert server.post([make_flow(hour=2)])[0] == 201
    assert set(batches.values()) == {BATCH}
    assert set(batches) == {f"batch-{number}" for number in range(len(batches))}
    assert before <= len(batches) <= after
    size = f"{200_000 + BATCH * len(batches):,} flows in 2 hours"
    assert copied.stdout.startswith(f"Copied flows.db to copy.db: {size}, ")


def test_a_commit_of_another_in_the_middle_is_not_in_the_copy_and_does_not_begin_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "flows.db", 5_000, 1)
    monkeypatch.setattr(storage.snapshot, "PAGES_A_STEP", 10)
    store = open_store(f"sqlite:///{tmp_path}/flows.db")
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))
        store.add([make_sum(f"late-{len(told)}-{number:04}", hour=2) for number in range(200)])

    with storage.snapshot.copied(tmp_path / "flows.db", tmp_path / "copy.db", tell, live=True) as (part, content):
        assert totals(part, 1, 2) == [5_000, 0]
    store.close()

    assert content[:2] == (5_000, 1)
    assert [done for done, _ in told[:-1]] == list(range(10, 10 * len(told), 10))
    assert len(told) > 3
    assert names(tmp_path) == {"flows.db"}


def test_a_copy_is_one_file_that_can_be_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    fill(tmp_path / "flows.db", 5, 1)

    run("backup", tmp_path, "copy.db")

    with closing(sqlite3.connect(f"file:{tmp_path}/copy.db?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("SELECT flows FROM hour_count").fetchall() == [(5,)]


def test_a_server_that_was_killed_leaves_what_can_be_copied(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.post([make_flow()])
        server.kill()

    copied = run("backup", tmp_path, "copy.db")

    assert copied.stdout.startswith("Copied flows.db to copy.db: 1 flows in 1 hours, ")
    assert totals(tmp_path / "copy.db", 1) == [1]


@pytest.mark.parametrize("there", ["copy.db", "copy.db-wal"])
def test_a_backup_overwrites_nothing_and_does_not_lie_down_beside_what_another_left(tmp_path: Path, there: str) -> None:
    fill(tmp_path / "flows.db", 5, 1)
    (tmp_path / there).write_text("mine")

    refused = run("backup", tmp_path, "copy.db")

    says = "copy.db is there already, or what was left of it: name another file.\n"
    assert (refused.returncode, refused.stderr) == (1, says)
    assert (tmp_path / there).read_text() == "mine"
    assert {path.name for path in tmp_path.glob("copy.db*")} == {there}


def test_a_backup_of_nothing_and_to_nowhere_is_a_sentence(tmp_path: Path) -> None:
    nothing = run("backup", tmp_path, "copy.db")
    fill(tmp_path / "flows.db", 5, 1)
    nowhere = run("backup", tmp_path, "nowhere/copy.db")

    assert (nothing.returncode, nothing.stderr) == (1, "There is no file flows.db.\n")
    assert nowhere.returncode == 1
    assert nowhere.stderr.startswith("[Errno 2] No such file or directory: ")
    assert names(tmp_path) == {"flows.db"}


def test_a_backup_of_a_spoilt_database_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "flows.db", 20_000, 1)
    spoil(tmp_path / "flows.db")

    refused = run("backup", tmp_path, "copy.db")

    assert refused.returncode == 1
    assert refused.stderr.startswith("flows.db is spoilt: ")
    assert names(tmp_path) == {"flows.db"}


def test_a_backup_that_is_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "flows.db", 5, 1)

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("local.backup.show", interrupt)
    with pytest.raises(KeyboardInterrupt):
        backup(f"sqlite:///{tmp_path}/flows.db", tmp_path / "copy.db")

    assert names(tmp_path) == {"flows.db"}


def test_a_copy_that_is_just_being_put_in_its_place_is_not_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "flows.db", 5, 1)
    put = storage.snapshot.put
    # In the background of a script SIGINT is ignored.
    before = signal.getsignal(signal.SIGINT)

    def interrupted(part: Path, target: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        put(part, target)

    monkeypatch.setattr("local.backup.put", interrupted)
    backup(f"sqlite:///{tmp_path}/flows.db", tmp_path / "copy.db")

    assert totals(tmp_path / "copy.db", 1) == [5]
    assert signal.getsignal(signal.SIGINT) is before


def test_on_a_terminal_it_shows_how_far_it_is(tmp_path: Path) -> None:
    fill(tmp_path / "flows.db", 5, 1)
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "local.backup", "copy.db"]

    subprocess.run(command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=theirs, check=True)

    assert os.read(ours, 100) == b"\r100 %\r\n"
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(("name", "tool"), [("backup", "pg_dump"), ("restore", "pg_restore")])
def test_postgresql_has_tools_of_its_own(tmp_path: Path, name: str, tool: str) -> None:
    refused = run(name, tmp_path, "copy.db", DATABASE_URL="postgresql://user:secret@host/flows")

    assert refused.returncode == 1
    assert tool in refused.stderr
    assert "secret" not in refused.stderr


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_a_wrong_setting_is_a_sentence(tmp_path: Path, name: str) -> None:
    ended = run(name, tmp_path, "copy.db", KEEP_HOURS="x")

    assert (ended.returncode, ended.stderr) == (
        1,
        f"KEEP_HOURS is wrong: expected a whole number from 0 to {2**63 - 1}.\n",
    )


def spoil(path: Path) -> None:
    """Overwrite a page in the middle, as a failing disk does."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)


def test_a_copy_is_restored_and_what_was_there_is_kept(tmp_path: Path) -> None:
    fill(tmp_path / "flows.db", 5, 1)
    run("backup", tmp_path, "copy.db")
    fill(tmp_path / "flows.db", 9, 2)

    restored = run("restore", tmp_path, "copy.db")

    assert restored.returncode == 0, restored.stderr
    assert restored.stdout.startswith("Restored flows.db from copy.db: 5 flows in 1 hours, ")
    assert restored.stdout.endswith("; what was there is kept as flows.db.replaced.\n")
    assert names(tmp_path) == {"flows.db", "flows.db.replaced", "copy.db"}
    assert totals(tmp_path / "flows.db", 1, 2) == [5, 0]
    assert totals(tmp_path / "flows.db.replaced", 1, 2) == [5, 9]
    with running(tmp_path) as server:
        assert len(server.items(1)) == 5
        assert server.post([make_flow(hour=3)])[0] == 201


def test_a_copy_is_restored_where_nothing_is(tmp_path: Path) -> None:
    fill(tmp_path / "other.db", 5, 1)
    (tmp_path / "flows.db-wal").write_bytes(b"of a file that is lost")

    restored = run("restore", tmp_path, "other.db")

    assert restored.stdout.endswith(" MB.\n")
    assert totals(tmp_path / "flows.db", 1) == [5]
    assert names(tmp_path) == {"flows.db", "other.db", "flows.db.replaced-wal"}


def test_the_log_of_a_server_that_was_killed_stays_with_its_database(tmp_path: Path) -> None:
    fill(tmp_path / "copy.db", 5, 1)
    with running(tmp_path) as server:
        server.post([make_flow(hour=2)])
        server.kill()
    assert (tmp_path / "flows.db-wal").stat().st_size > 0

    run("restore", tmp_path, "copy.db")

    assert totals(tmp_path / "flows.db", 1, 2) == [5, 0]
    assert totals(tmp_path / "flows.db.replaced", 1, 2) == [0, 1]


@pytest.mark.parametrize("how", ["a page", "everything"])
def test_a_spoilt_database_is_replaced_and_kept_with_its_log(tmp_path: Path, how: str) -> None:
    fill(tmp_path / "copy.db", 5, 1)
    fill(tmp_path / "flows.db", 20_000, 1)
    if how == "a page":
        spoil(tmp_path / "flows.db")
    else:
        (tmp_path / "flows.db").write_bytes(b"\xff" * 100_000)
    (tmp_path / "flows.db-wal").write_bytes(b"log" * 1_000)
    spoilt = (tmp_path / "flows.db").stat().st_size

    restored = run("restore", tmp_path, "copy.db")

    assert restored.returncode == 0, restored.stderr
    assert totals(tmp_path / "flows.db", 1) == [5]
    assert (tmp_path / "flows.db.replaced").stat().st_size == spoilt
    assert names(tmp_path) - {f"flows.db.replaced{suffix}" for suffix in SIDECARS} == {
        "flows.db",
        "copy.db",
        "flows.db.replaced",
    }


@pytest.mark.parametrize("pid_file", ["server.pid", "another.pid"])
@pytest.mark.parametrize("spoilt", [False, True])
def test_nothing_is_restored_under_a_running_server(tmp_path: Path, pid_file: str, spoilt: bool) -> None:
    fill(tmp_path / "copy.db", 5, 1)
    with running(tmp_path) as server:
        assert server.post([make_flow()])[0] == 201
        if spoilt:
            with (tmp_path / "flows.db").open("r+b") as file:
                file.write(b"\xff" * 100)
        refused = run("restore", tmp_path, "copy.db", PID_FILE=pid_file)
        server.process.send_signal(signal.SIGTERM)

    assert (refused.returncode, refused.stdout) == (1, "")
    says = {"server.pid": "A server runs already at http://127.0.0.1:", "another.pid": "flows.db is in use by "}
    assert refused.stderr.startswith(says[pid_file])
    assert "flows.db.replaced" not in names(tmp_path)


def test_while_it_restores_nobody_comes_to_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "flows.db", 5, 1)
    fill(tmp_path / "copy.db", 5, 1)
    said: list[bytes] = []
    code = "import sqlite3; sqlite3.connect('flows.db', timeout=0).execute('SELECT * FROM flow_sum')"

    def look(*_: int) -> None:
        said.append(subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False).stderr)

    monkeypatch.setattr("local.restore.show", look)
    restore(f"sqlite:///{tmp_path}/flows.db", tmp_path / "copy.db")

    assert [b"database is locked" in each for each in said] == [True]


def test_a_second_restore_does_not_overwrite_what_the_first_has_kept(tmp_path: Path) -> None:
    fill(tmp_path / "flows.db", 5, 1)
    fill(tmp_path / "copy.db", 6, 1)
    run("restore", tmp_path, "copy.db")

    refused = run("restore", tmp_path, "copy.db")

    assert refused.returncode == 1
    assert refused.stderr.startswith("flows.db.replaced is there already, kept by an earlier restore")
    assert totals(tmp_path / "flows.db.replaced", 1) == [5]


def test_a_link_leads_to_the_file_that_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    fill(tmp_path / "disk" / "real.db", 5, 1)
    fill(tmp_path / "copy.db", 6, 1)
    (tmp_path / "flows.db").symlink_to(tmp_path / "disk" / "real.db")

    run("restore", tmp_path, "copy.db")

    assert (tmp_path / "flows.db").is_symlink()
    assert totals(tmp_path / "flows.db", 1) == [6]
    assert totals(tmp_path / "disk" / "real.db.replaced", 1) == [5]


def test_the_new_file_has_the_mode_of_the_old_one(tmp_path: Path) -> None:
    fill(tmp_path / "flows.db", 5, 1)
    fill(tmp_path / "copy.db", 6, 1)
    (tmp_path / "flows.db").chmod(0o640)

    run("restore", tmp_path, "copy.db")

    assert (tmp_path / "flows.db").stat().st_mode & 0o777 == 0o640


def test_a_database_of_an_older_version_is_restored_and_brought_up_to_date(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.executescript(";".join((*STEPS[0], "PRAGMA user_version = 1")))
        connection.execute("INSERT INTO flow_sum VALUES (?, ?, ?, ?, ?, ?, ?)", make_sum())
        connection.commit()

    restored = run("restore", tmp_path, "old.db")

    assert restored.stdout.startswith("Restored flows.db from old.db: 1 flows in 1 hours, ")
    assert totals(tmp_path / "flows.db", 1) == [1]


def make_unfit(kind: str, path: Path) -> None:
    match kind:
        case "text":
            path.write_text("not a database" * 1_000)
        case "empty":
            path.touch()
        case "foreign":
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("CREATE TABLE theirs (x)")
        case "newer":
            fill(path, 5, 1)
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA user_version = 99")
        case "spoilt":
            fill(path, 20_000, 1)
            spoil(path)
        case "cut":
            fill(path.with_name("whole"), 20_000, 1)
            path.write_bytes(path.with_name("whole").read_bytes()[:200_000])
            path.with_name("whole").unlink()
        case "folder":
            path.mkdir()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "There is no file copy.db"),
        ("text", "copy.db cannot be copied: file is not a database"),
        ("empty", "copy.db is no database of flows"),
        ("foreign", "copy.db is no database of flows"),
        ("newer", f"copy.db has schema version 99, and this release knows {len(STEPS)} at most"),
        ("spoilt", "copy.db is spoilt: "),
        ("cut", "copy.db "),
        ("folder", "There is no file copy.db"),
    ],
)
def test_what_is_no_sound_copy_is_refused_and_the_database_stays(tmp_path: Path, kind: str, says: str) -> None:
    fill(tmp_path / "flows.db", 5, 1)
    make_unfit(kind, tmp_path / "copy.db")

    refused = run("restore", tmp_path, "copy.db")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(says)
    assert refused.stderr.count("\n") == 1
    assert names(tmp_path) - {"copy.db"} == {"flows.db"}
    assert totals(tmp_path / "flows.db", 1) == [5]


def test_the_database_is_not_restored_from_itself(tmp_path: Path) -> None:
    fill(tmp_path / "flows.db", 5, 1)
    with pytest.raises(CannotOpen, match="is the database itself"):
        restore(f"sqlite:///{tmp_path}/flows.db", tmp_path / "flows.db")


def test_a_plain_copy_with_its_log_is_restored_with_what_is_in_the_log(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.post([make_flow()])
        server.kill()
    (tmp_path / "kept").mkdir()
    for name in ("flows.db", "flows.db-wal"):
        shutil.copy(tmp_path / name, tmp_path / "kept" / name)
    for suffix in ("", *SIDECARS):
        (tmp_path / f"flows.db{suffix}").unlink(missing_ok=True)

    restored = run("restore", tmp_path, "kept/flows.db")

    assert restored.stdout.startswith("Restored flows.db from kept/flows.db: 1 flows in 1 hours, ")
    assert totals(tmp_path / "flows.db", 1) == [1]
