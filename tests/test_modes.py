"""What the service writes is for its own user alone, whatever the umask; what was there keeps its mode."""

import stat
import subprocess
import sys
from pathlib import Path

from storage import open_store
from tests.factories import make_flow, make_sum, to_json
from tests.process import SECONDS, environment, running

OPEN_TO_ALL = ("sh", "-c", 'umask 0; exec "$@"', "sh", sys.executable)
ROLLED_SOON = """\
import runpy, local.log
local.log.MAX_BYTES = 2_000
runpy.run_module("local", run_name="__main__", alter_sys=True)
"""


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def run(folder: Path, *words: str) -> None:
    command = [*OPEN_TO_ALL, "-m", *words]
    subprocess.run(command, cwd=folder, env=environment(), capture_output=True, timeout=SECONDS, check=True)


def test_what_the_server_makes_is_for_its_user_alone(tmp_path: Path) -> None:
    with running(tmp_path, *OPEN_TO_ALL, "-c", ROLLED_SOON) as server:
        while not (tmp_path / "server.log.1").exists():
            assert server.post([make_flow()])[0] == 201
        made = modes(tmp_path)

    made = {name: mode for name, mode in made.items() if not name.startswith("server.log.")}
    assert made == dict.fromkeys(["flows.db", "flows.db-wal", "flows.db-shm", "server.log", "server.pid"], 0o600)
    assert set(modes(tmp_path).values()) == {0o600}


def test_a_database_that_is_there_keeps_its_mode_and_so_does_what_lies_beside_it(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/flows.db").close()
    (tmp_path / "flows.db").chmod(0o640)

    with running(tmp_path) as server:
        assert server.post([make_flow()])[0] == 201
        made = modes(tmp_path)

    assert {made[name] for name in ("flows.db", "flows.db-wal", "flows.db-shm")} == {0o640}


def test_copies_and_what_is_restored_where_nothing_was_are_for_their_user_alone(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/flows.db")
    store.add([make_sum()])
    store.close()
    (tmp_path / "flows.db").chmod(0o644)

    run(tmp_path, "local.backup", "copy.db")
    copy = modes(tmp_path)["copy.db"]
    (tmp_path / "copy.db").chmod(0o644)
    (tmp_path / "flows.db").unlink()
    run(tmp_path, "local.restore", "copy.db")

    assert copy == 0o600
    assert modes(tmp_path)["flows.db"] == 0o600


def test_the_agents_state_is_for_its_user_alone(tmp_path: Path) -> None:
    (tmp_path / "flows.json").write_bytes(to_json([make_flow()]))

    with running(tmp_path) as server:
        run(tmp_path, "local.agent", "flows.json", f"--url=http://127.0.0.1:{server.port}", "--state=state.json")

    assert modes(tmp_path)["state.json"] == 0o600
