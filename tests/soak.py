"""python -m tests.soak [MINUTES]: throw mutants at a real server for a while, and watch its memory."""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from tests.factories import SAMPLE
from tests.fuzz import fuzz, resident_megabytes
from tests.process import running

THREADS = 4
MUTANTS = 500
MAX_GROWTH_MB = 50


def main() -> None:
    """Fuzz until the time is up; exit with the mutant that got a 5xx or hung, or with how memory grew."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    ends = time.monotonic() + 60 * minutes
    seeds = count(int(time.time()) * 1_000)
    thrown = 0
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
        first = 0.0
        with ThreadPoolExecutor(THREADS) as pool:
            while time.monotonic() < ends:
                rounds = [pool.submit(fuzz, server.port, next(seeds), MUTANTS) for _ in range(THREADS)]
                for future in rounds:
                    future.result()
                thrown += THREADS * MUTANTS
                now = resident_megabytes(server.process.pid)
                first = first or now
                print(f"{thrown:,} mutants, {now:.0f} MB", flush=True)
        if now - first > MAX_GROWTH_MB:
            sys.exit(f"Memory grew from {first:.0f} to {now:.0f} MB.")
        assert server.post(SAMPLE)[0] == 201
    print(f"{thrown:,} mutants: no 5xx, no hang; memory from {first:.0f} to {now:.0f} MB.")


if __name__ == "__main__":
    main()
