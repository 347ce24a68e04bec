"""python -m tests.bench: measure the service against limits taken on the same machine in the same run."""

import contextlib
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench import measures
from tests.bench.engines import engines, served
from tests.bench.functions import functions
from tests.bench.hostile import hostile
from tests.bench.indexes import indexes
from tests.bench.line import Line
from tests.bench.pages import dashboard
from tests.bench.questions import questions
from tests.bench.streams import streams
from tests.process import Running, running

STEPS = 10


@contextlib.contextmanager
def server(*command: str) -> Iterator[Running]:
    """Run a server in a folder of its own on the disk that holds temporary files."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), *command) as started:
        yield started


def measured() -> Iterator[Line]:
    """Measure everything, a step at a time, saying which on standard error."""
    with server(sys.executable, "-m", "tests.bench.noop") as noop:
        for number, (name, measure) in enumerate(
            (
                ("large batches", measures.large_posts),
                ("small batches", measures.small_posts),
                ("pages", measures.pages),
            ),
            start=1,
        ):
            print(f"[{number}/{STEPS}] {name} ...", file=sys.stderr)
            with server() as ours:
                yield from measure(noop, ours)
    for number, (name, measure_alone) in enumerate(
        (("distinct keys", measures.distinct_posts), ("memory", measures.memory)), start=4
    ):
        print(f"[{number}/{STEPS}] {name} ...", file=sys.stderr)
        with server() as ours:
            yield from measure_alone(ours)
    print(f"[6/{STEPS}] engines ...", file=sys.stderr)
    yield from engines()
    yield from served()
    print(f"[7/{STEPS}] questions ...", file=sys.stderr)
    yield from questions()
    yield from indexes()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        url = f"sqlite:///{folder}/flows.db"
        with running(Path(folder), DATABASE_URL=url) as filled, running(Path(other), DATABASE_URL=url) as fresh:
            yield from streams(filled, fresh)
    print(f"[8/{STEPS}] dashboard ...", file=sys.stderr)
    with server() as ours:
        yield from dashboard(ours)
    print(f"[9/{STEPS}] functions ...", file=sys.stderr)
    yield from functions()
    print(f"[10/{STEPS}] hostile bodies ...", file=sys.stderr)
    yield from hostile()


def main() -> None:
    """Print the table; a limit that is not reached is said so in its line, and fails nothing."""
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_processor()}")
    print("Load: the generator of tests/bench/load.py, over loopback. Medians; ratios are to the limit of this run.")
    for line in measured():
        verdict = "" if not line.limit else "reached" if line.reached else "NOT REACHED"
        print(f"  {line.name:<44} {line.ratio:>5}  {line.limit:<22} {verdict:<12} {line.figures}", flush=True)


def _processor() -> str:
    with contextlib.suppress(OSError, IndexError):
        cores = Path("/proc/cpuinfo").read_text().split("model name\t: ")[1:]
        return f"{len(cores)} x {cores[0].splitlines()[0]}"
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
