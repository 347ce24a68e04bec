"""Which room may import what (design: arrows)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOTS = {
    "local/__main__.py",
    "local/stop.py",
    "local/purge.py",
    "local/prune.py",
    "local/backup.py",
    "local/restore.py",
    "handlers/aws.py",
}
MAY_IMPORT = {
    "handlers": {"msgspec", "handlers"},
    "storage": {"peewee", "msgspec", "psycopg", "storage", "handlers.record", "handlers.question"},
    "local": {"falcon", "waitress", "msgspec", "urllib3", "tqdm", "handlers", "storage", "local"},
}
ALONE = {
    "handlers/aws.py": {"storage"},
    "handlers/compression.py": {"zstandard"},
    "handlers/formats/parquet.py": {"pyarrow"},
    "handlers/metrics.py": {"prometheus_client"},
}
FILES = sorted(str(path.relative_to(ROOT)) for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))


def imports(file: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their room"
            yield node.module or ""


def test_there_are_files_in_every_room() -> None:
    assert {file.split("/")[0] for file in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("file", FILES)
def test_a_room_imports_only_what_the_arrows_allow(file: str) -> None:
    allowed = MAY_IMPORT[file.split("/")[0]] | ALONE.get(file, set())

    for name in imports(file):
        top = name.split(".")[0]
        assert top in sys.stdlib_module_names or top in allowed or name in allowed, f"{file} imports {name}"


@pytest.mark.parametrize("file", sorted(set(FILES) - ROOTS))
def test_only_the_roots_read_the_environment_or_open_a_store(file: str) -> None:
    names = {node.attr for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.Attribute)}
    called = {
        node.func.id
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    assert not names & {"environ", "getenv"}
    assert "open_store" not in called


@pytest.mark.parametrize("file", sorted({file for file in FILES if file.startswith("handlers/")} - ROOTS))
def test_handlers_do_no_io_and_know_no_clock_or_database(file: str) -> None:
    allowed = {"threading"} if file in ("handlers/rate_limit.py", "handlers/metrics.py") else set()

    banned = {"os", "io", "socket", "sqlite3", "pathlib", "time", "subprocess", "threading"}
    assert not set(imports(file)) & (banned - allowed)


def test_nothing_imports_the_lambda_edge() -> None:
    assert [file for file in FILES if "handlers.aws" in imports(file)] == []


def test_psycopg_is_imported_on_postgresql_only() -> None:
    importing = {file for file in FILES if any(name.split(".")[0] == "psycopg" for name in imports(file))}
    code = (
        "import sys; import storage.store, storage.sqlite, local.__main__, peewee;"
        "sys.exit('psycopg' in sys.modules or peewee.psycopg is not None)"
    )

    assert importing == {"storage/postgresql.py", "storage/libpq.py", "storage/migrations/postgresql.py"}
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    assert find_spec("psycopg") is not None
