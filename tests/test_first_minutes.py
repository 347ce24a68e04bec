"""A newcomer's first ten minutes: commands without their words, outside .venv, twice, or without a network."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from handlers.access import digest_of
from local.banner import database
from storage import open_store
from tests.factories import from_json, make_sum
from tests.postgresql import PostgreSQL
from tests.process import ROOT, SECONDS, environment, running


def run(*words: str, folder: Path = ROOT, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words, cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What make needs of a checkout, with an environment that is already installed."""
    for name in ("Makefile", "local", "handlers", "storage", *(path.name for path in ROOT.glob("*.lock"))):
        (tmp_path / name).symlink_to(ROOT / name)
    installed = tmp_path / ".venv"
    installed.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (installed / name).symlink_to(Path(sys.prefix) / name)
    for stamp in (".installed", ".installed_agent", ".installed_dev"):
        (installed / stamp).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("local", "start_server"),
        ("local.agent", "send"),
        ("local.token", "token"),
        ("local.stop", "stop_server"),
        ("local.purge", "purge_all"),
        ("local.backup", "backup"),
    ],
)
def test_a_command_outside_the_environment_is_a_sentence(module: str, target: str) -> None:
    # -S leaves out the folders of packages.
    ended = run(sys.executable, "-S", "-m", module)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"{module} needs packages that this Python does not have (msgspec, ")
    assert ended.stderr.endswith(
        f"): run make {target}, which installs them, or afterwards .venv/bin/python -m {module}.\n"
    )
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["token"], "usage: make token NAME=web-1 ROLE=write, or python -m local.token NAME ROLE\n"),
        (["token", "NAME=web-1"], "usage: make token NAME=web-1 ROLE=write"),
        (["token", "NAME=a b", "ROLE=write"], "NAME has 1 to 64 letters, digits, dots, hyphens and underlines\n"),
        (["backup"], "usage: make backup TO=copy.db, or python -m local.backup TO\n"),
        (["restore"], "usage: make restore FROM=copy.db, or python -m local.restore FROM\n"),
        (["send"], 'usage: make send FILE="a.json b.csv.gz" [URL=...] [TOKEN_FILE=...], or python -m local.agent'),
    ],
)
def test_a_target_without_its_words_shows_how_to_type_it(checkout: Path, words: list[str], says: str) -> None:
    ended = run("make", "--silent", *words, folder=checkout)

    assert ended.returncode == 2
    assert says in ended.stderr
    assert ended.stdout == ""


def test_what_the_service_refuses_is_printed_and_fails_the_target(checkout: Path) -> None:
    (checkout / "bad.json").write_text("[1]")
    with running(checkout) as server:
        port = str(server.port)
        read = run("make", "--silent", "get_flow_data", "HOUR=abc", folder=checkout, PORT=port)
        posted = run("local/post_request.sh", "bad.json", folder=checkout, PORT=port)
        fine = run("make", "--silent", "submit_flow_data", folder=checkout, PORT=port)

    assert (read.returncode, from_json(read.stdout.encode())["status_code"]) == (2, 422)
    assert (posted.returncode, from_json(posted.stdout.encode())["status_code"]) == (22, 422)
    assert (fine.returncode, fine.stdout) == (0, '{"accepted":5,"flows":4}\n')


@pytest.mark.parametrize("target", ["submit_flow_data", "get_flow_data"])
def test_where_nothing_listens_a_target_fails_and_says_how_to_start_it(checkout: Path, target: str) -> None:
    ended = run("make", "--silent", target, folder=checkout, PORT="9")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Nothing listens at http://127.0.0.1:9: start it with make start_server.\n" in ended.stderr


def fill(folder: Path, flows: int = 5) -> None:
    store = open_store(f"sqlite:///{folder}/flows.db")
    store.add([make_sum(hour=hour) for hour in range(flows)])
    store.close()


def test_what_is_purged_is_kept_as_a_copy_and_comes_back(checkout: Path) -> None:
    fill(checkout)

    purged = run("make", "--silent", "purge_all", folder=checkout).stdout.splitlines()[-1]
    (kept,) = checkout.glob("flows.db.purged-*")
    restored = run("make", "--silent", "restore", f"FROM={kept.name}", folder=checkout)

    assert purged == (
        f"Removed 5 flows from flows.db; a copy is kept as {kept.name}, and make restore FROM={kept.name} "
        "brings it back."
    )
    assert restored.stdout.startswith(f"Restored flows.db from {kept.name}: 5 flows in 5 hours")


def test_with_force_no_copy_is_kept(checkout: Path) -> None:
    fill(checkout)

    ended = run("make", "--silent", "purge_all", "FORCE=1", folder=checkout)

    assert ended.stdout.splitlines()[-1] == "Removed 5 flows from flows.db."
    assert list(checkout.glob("flows.db.purged-*")) == []


def test_where_no_copy_can_be_kept_nothing_is_removed(checkout: Path) -> None:
    fill(checkout, 20_000)
    # No file may become so large as the copy: as on a full disk.
    limited = 'ulimit -f 400; trap "" XFSZ; exec "$0" -m local.purge'
    ended = run("sh", "-c", limited, sys.executable, folder=checkout)

    assert ended.returncode == 1
    assert ended.stderr.startswith("Removed nothing, since no copy of flows.db could be kept (")
    assert ended.stderr.endswith("); make purge_all FORCE=1 keeps none.\n")
    assert (
        run("make", "--silent", "purge_all", folder=checkout).stdout.splitlines()[-1].startswith("Removed 20,000 flows")
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("settings", "who"),
    [
        ({}, "no tokens, for this machine only"),
        ({"ALLOW_ANONYMOUS": "1"}, "no tokens, open to everybody"),
        ({"API_TOKENS": f"a:read:{digest_of('secret').hex()}"}, "1 tokens"),
    ],
)
def test_the_log_says_what_was_started_and_why_it_ended(
    tmp_path: Path, how: signal.Signals, settings: dict[str, str], who: str
) -> None:
    with running(tmp_path, THREADS="7", **settings) as server:
        for _ in range(3):
            server.ask("GET", "/")
        server.process.send_signal(how)
        said, _ = server.process.communicate(timeout=SECONDS)
        port = server.port

    assert server.process.returncode == 0
    stopped = f"stopped by {how.name} after 3 requests; every request was answered"
    assert said == f"Flow Aggregation Service {stopped}\n"
    log = (tmp_path / "server.log").read_text().splitlines()
    first = (
        rf".* INFO local version [0-9.]+, SQLite flows\.db, 7 threads, {who}; listening on http://127\.0\.0\.1:{port}, "
    )
    assert re.match(first, log[0]), log[0]
    assert log[-1].endswith(f" INFO local {stopped}")


def test_a_server_whose_output_nobody_reads_any_more_stops_all_the_same(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert server.process.stdout is not None
        server.process.stdout.close()
        assert server.terminate() == 0
        server.process.stdout = None


def test_the_log_of_a_server_on_postgresql_names_the_database_and_no_password(
    tmp_path: Path, other_server: PostgreSQL
) -> None:
    with running(tmp_path, DATABASE_URL=other_server.url) as server:
        server.terminate()

    assert "PostgreSQL " in (tmp_path / "server.log").read_text().splitlines()[0]
    assert database("postgresql://u:secret@a:1,b:2/flows?passfile=secret") == "PostgreSQL flows at a:1,b:2"
    assert database("postgresql:///") == "PostgreSQL (default database) at (default host)"


def test_a_path_that_is_not_there_names_the_one_that_was_meant_or_all(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        said = {
            path: from_json(server.ask("GET", path)[1])["error_message"] for path in ("/flows/", "/Hours", "/stats")
        }
        given = from_json(server.ask("GET", "/openapi.json")[1])["paths"]

    assert said["/flows/"] == "There is nothing at this path; ask /flows"
    assert said["/Hours"] == "There is nothing at this path; ask /hours"
    paths = said["/stats"].removeprefix("There is nothing at this path; there are ").split(", ")
    assert set(paths) >= {*given, "/dashboard", "/docs"}
    assert not [path for path in paths if path.endswith((".js", ".css"))]


def test_without_a_network_an_installation_says_so_in_one_sentence(checkout: Path) -> None:
    lock = checkout / "requirements-parquet.lock"
    lock.unlink()
    lock.write_text(f"flows-no-such-package==1 --hash=sha256:{'0' * 64}\n")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull}

    ended = run("make", "install_parquet", folder=checkout, **nowhere)

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[0] == (
        "The packages cannot be downloaded: is there a network? Run make again once there is one."
    )
    assert "flows-no-such-package" not in ended.stderr
    assert not (checkout / ".venv" / ".installed_parquet").exists()


def test_some_tests_are_run_without_the_limit_of_coverage(checkout: Path) -> None:
    def shown(*words: str) -> str:
        return run(
            "make", "--no-print-directory", "--dry-run", "run_test", *words, folder=checkout
        ).stdout.splitlines()[-1]

    assert shown("ARGS=tests/test_web.py -k y").endswith("python -m pytest tests/test_web.py -k y")
    assert shown().endswith("python -m pytest --cov --cov-report=term-missing")
