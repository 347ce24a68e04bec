"""A database that the server's user may not write is refused at the start, in a sentence, and left as it is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from storage import open_store
from tests.factories import make_sum
from tests.process import SECONDS, environment


def start(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Start a server that may do no more than modes allow: root may write to whatever it likes."""
    as_others = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    settings = environment(PORT="0", DATABASE_URL="sqlite:///data/flows.db")
    command = [*as_others, sys.executable, "-m", "local"]
    return subprocess.run(
        command, cwd=folder, env=settings, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def file_of(folder: Path) -> None:
    (folder / "flows.db").chmod(0o444)


def log_of(folder: Path) -> None:
    (folder / "flows.db-wal").touch(mode=0o444)


def folder_of(folder: Path) -> None:
    folder.chmod(0o555)


FILE = "is read-only for this user: change its owner or its mode, or name another file.\n"
FOLDER = "The folder of data/flows.db is read-only for this user, and SQLite keeps its log in it.\n"


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write whatever it likes")
@pytest.mark.parametrize(
    ("close", "says"), [(file_of, f"data/flows.db {FILE}"), (log_of, f"flows.db-wal {FILE}"), (folder_of, FOLDER)]
)
def test_a_database_that_this_user_may_not_write_is_refused_with_a_sentence(
    tmp_path: Path, close: Callable[[Path], None], says: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    store = open_store(f"sqlite:///{data}/flows.db")
    store.add([make_sum()])
    store.close()
    close(data)
    before = {path.name: path.read_bytes() for path in data.iterdir()}

    ended = start(tmp_path)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith(says)
    assert ended.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before
    data.chmod(0o755)
