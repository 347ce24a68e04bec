"""The functions: how long the first answer of a fresh process takes, and how large the bundle is."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tests.bench.line import Line
from tests.postgresql import postgresql
from tests.process import ROOT, environment

ROUNDS = 25
MAX_RATIO = 1.4
MAX_BUNDLE_MB = 40

# Peewee imports psycopg where it is installed, as it is here: hidden, so that the limit is that of the two libraries.
_LIBRARIES = "import sys; sys.modules['psycopg'] = None; import msgspec, peewee"
_FIRST_ANSWER = (
    "import sys, handlers.aws, json; answer = handlers.aws.write(json.load(sys.stdin), None);"
    "sys.exit(answer['statusCode'] != 201)"
)


def cold_start() -> Iterator[Line]:
    """Start processes that import the write function and answer its first event, in turn with the limit's.

    The database is there already, as it is for every instance but the very first.
    """
    limit: list[float] = []
    sqlite: list[float] = []
    driven: list[float] = []
    with postgresql() as server, tempfile.TemporaryDirectory() as folder:
        file = f"sqlite:///{folder}/flows.db"
        for url in (file, server.url):
            _milliseconds(_FIRST_ANSWER, url)
        for _ in range(ROUNDS):
            limit.append(_milliseconds(_LIBRARIES, ""))
            sqlite.append(_milliseconds(_FIRST_ANSWER, file))
            driven.append(_milliseconds(_FIRST_ANSWER, server.url))
    ratio = statistics.median(sqlite) / statistics.median(limit)
    figures = (
        f"{statistics.median(sqlite):.0f} ms; import msgspec, peewee {statistics.median(limit):.0f} ms; "
        f"on PostgreSQL {statistics.median(driven):.0f} ms"
    )
    yield Line(
        "Function's first answer in a fresh process", figures, f"{ratio:.2f}", f"<= {MAX_RATIO}", ratio <= MAX_RATIO
    )


def _milliseconds(code: str, database_url: str) -> float:
    event = (ROOT / "tests" / "events" / "http_api_post.json").read_text()
    settings = environment(DATABASE_URL=database_url, ALLOW_ANONYMOUS="1")
    started = time.perf_counter()
    # What it prints is for CloudWatch.
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=settings,
        input=event,
        stdout=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return (time.perf_counter() - started) * 1e3


def bundle() -> Iterator[Line]:
    """Build the bundle as `sam build` does, which fetches its packages, and add up its files."""
    name, limit = "Function's bundle, unzipped", f"<= {MAX_BUNDLE_MB} MB"
    with tempfile.TemporaryDirectory() as folder:
        command = ["make", "--silent", "build-WriteFunction", f"ARTIFACTS_DIR={folder}", f"PYTHON={sys.executable}"]
        if subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode:
            yield Line(name, "not measured: its packages could not be fetched", "", limit, False)
        else:
            size = megabytes(Path(folder))
            yield Line(name, f"{size:.1f} MB", "", limit, size <= MAX_BUNDLE_MB)


def megabytes(folder: Path) -> float:
    """Add up the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def functions() -> Iterator[Line]:
    """Measure what concerns functions alone."""
    return chain(cold_start(), bundle())
