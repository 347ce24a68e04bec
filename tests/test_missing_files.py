"""A database file that is removed, renamed or replaced under a server: nothing that is lost is acknowledged."""

import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from storage import open_store
from tests.factories import from_json, make_flow, make_sum, to_json
from tests.faults import fleet, post_once, stored
from tests.process import SECONDS, Running, running

SAYS = "The database file was removed, renamed or replaced; nothing was stored"


class Posters:
    """Threads that post records under names of their own, with and without keys, and keep what was answered."""

    def __init__(self, server: Running) -> None:
        self.acknowledged: set[str] = set()
        self.after: list[int] = []
        """The statuses of what was posted after the files were taken away."""
        self.taken = False
        self._server = server
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(number,)) for number in range(6)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(SECONDS)

    def _post(self, thread: int) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            name = f"app-{thread}-{number}"
            headers = {"Idempotency-Key": f'"{name}"'} if thread % 2 else {}
            taken = self.taken
            status, _ = self._server.ask("POST", "/flows", to_json([make_flow(src_app=name)]), **headers)
            if status == 201:
                self.acknowledged.add(name)
            if taken:
                self.after.append(status)


@contextmanager
def posting(server: Running) -> Iterator[Posters]:
    posters = Posters(server)
    posters.start()
    try:
        yield posters
    finally:
        posters.end()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline


def names_in(path: Path, folder: Path) -> set[str]:
    """Read the names in a database file that is looked at alone, without anything that lies beside it."""
    alone = folder / "alone.db"
    shutil.copy(path, alone)
    with closing(sqlite3.connect(alone)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {name for (name,) in database.execute("SELECT src_app FROM flow_sum")}


def another(folder: Path) -> Path:
    """Make another sound database."""
    path = folder / "another.db"
    store = open_store(f"sqlite:///{path}")
    store.add([make_sum("another")])
    store.close()
    return path


def remove(folder: Path) -> None:
    (folder / "flows.db").unlink()


def rename(folder: Path) -> None:
    (folder / "flows.db").rename(folder / "old.db")


def replace(folder: Path) -> None:
    other = another(folder)
    (folder / "old.db").hardlink_to(folder / "flows.db")
    other.replace(folder / "flows.db")


def remove_log(folder: Path) -> None:
    (folder / "flows.db-wal").unlink()


def remove_shared_memory(folder: Path) -> None:
    (folder / "flows.db-shm").unlink()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    ("take_away", "kept_as"),
    [
        (remove, None),
        (rename, "old.db"),
        (replace, "old.db"),
        (remove_log, "flows.db"),
        (remove_shared_memory, "flows.db"),
    ],
)
def test_nothing_is_acknowledged_once_a_file_is_gone_and_what_was_is_in_the_database(
    tmp_path: Path, take_away: Callable[[Path], None], kept_as: str | None, end: signal.Signals
) -> None:
    with running(tmp_path) as server, posting(server) as posters:
        wait_until(lambda: len(posters.acknowledged) > 30)
        take_away(tmp_path)
        posters.taken = True
        wait_until(lambda: len(posters.after) > 30)
        asked = [server.ask("GET", path) for path in ("/flows?hour=1", "/hours", "/readyz")]
        alive = server.ask("GET", "/healthz")[0]
        posters.end()
        server.process.send_signal(end)
        server.process.wait(SECONDS)

    assert set(posters.after) == {503}
    assert [status for status, _ in asked] == [503, 503, 503]
    assert {from_json(body)["error_message"] for _, body in asked} == {SAYS}
    assert alive == 200
    if kept_as is None:
        assert not (tmp_path / "flows.db").exists()
    else:
        assert posters.acknowledged <= names_in(tmp_path / kept_as, tmp_path)
    logged = (tmp_path / "server.log").read_text()
    assert logged.count(" ERROR storage.opened_files ") == 1
    # Beside it only the requests that were in the middle of a commit have more than their line: one or two a poster.
    assert logged.count("answered 503") <= 12 < len(posters.after)


def test_a_file_in_the_place_of_another_is_left_alone_and_served_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert server.post([make_flow()])[0] == 201
        replace(tmp_path)
        assert server.post([make_flow()])[0] == 503
        assert server.terminate() == 0

    with running(tmp_path) as server:
        assert [item["src_app"] for item in server.items(1)] == ["another"]
        assert server.post([make_flow()])[0] == 201
    assert names_in(tmp_path / "old.db", tmp_path) == {"foo"}


def test_an_idle_server_that_is_stopped_leaves_what_it_acknowledged_in_the_file_that_was_moved(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert server.post([make_flow()])[0] == 201
        rename(tmp_path)
        assert server.terminate() == 0

    assert names_in(tmp_path / "old.db", tmp_path) == {"foo"}


def test_a_file_that_comes_back_is_served_again_and_keyed_batches_are_counted_once(tmp_path: Path) -> None:
    with running(tmp_path) as server, fleet(server.port) as agents:
        for _ in range(3):
            agents.wait_for(30)
            rename(tmp_path)
            unavailable = agents.unavailable
            wait_until(lambda seen=unavailable: agents.unavailable > seen + 10)  # type: ignore[misc]
            (tmp_path / "old.db").rename(tmp_path / "flows.db")
        agents.wait_for(30)
        agents.finish()

        assert stored(server) == agents.sums
        assert server.ask("GET", "/readyz")[0] == 200
        assert server.terminate() == 0
    logged = (tmp_path / "server.log").read_text()
    assert logged.count("ERROR storage.opened_files flows.db was removed or renamed while it was in use; ") == 3
    assert logged.count("the database's files are back where they were") == 3


def test_a_key_is_not_answered_for_while_the_file_that_holds_it_is_gone(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert post_once(server.port, to_json([make_flow(src_app="first")]), "key") == (201, False)
        rename(tmp_path)
        assert post_once(server.port, to_json([make_flow(src_app="first")]), "key") == (503, False)
        assert server.ask("POST", "/flows", b"{", **{"Idempotency-Key": '"key"'})[0] == 503
        (tmp_path / "old.db").rename(tmp_path / "flows.db")
        wait_until(lambda: server.ask("GET", "/readyz")[0] == 200)
        assert post_once(server.port, to_json([make_flow(src_app="first")]), "key") == (201, True)
