"""python -m tests.soak [MINUTES]: throw mutants at a real server for a while, then kill servers under agents."""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count, takewhile
from pathlib import Path

from tests.factories import SAMPLE
from tests.faults import kill_at_random
from tests.fuzz import fuzz
from tests.process import megabytes, running

THREADS = 4
MUTANTS = 500
MAX_GROWTH_MB = 50
FUZZING = 0.7
"""The part of the time in which mutants are thrown; in the rest servers are killed."""

KILLS_A_FILE = 25


def main() -> None:
    """Go on until the time is up; exit with what went wrong, and the seed that shows it."""
    seconds = 60 * float(sys.argv[1]) if len(sys.argv) > 1 else 600
    began = time.monotonic()
    _fuzz(began + FUZZING * seconds)
    _kill(began + seconds)


def _fuzz(ends: float) -> None:
    """Throw mutants; exit with the one that got a 5xx or hung, or with how memory grew."""
    seeds = count(int(time.time()) * 1_000)
    thrown = 0
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
        first = now = 0.0
        with ThreadPoolExecutor(THREADS) as pool:
            while time.monotonic() < ends:
                rounds = [pool.submit(fuzz, server.port, next(seeds), MUTANTS) for _ in range(THREADS)]
                for future in rounds:
                    future.result()
                thrown += THREADS * MUTANTS
                now = megabytes(server.process.pid)
                first = first or now
                print(f"{thrown:,} mutants, {now:.0f} MB", flush=True)
        if now - first > MAX_GROWTH_MB:
            sys.exit(f"Memory grew from {first:.0f} to {now:.0f} MB.")
        assert server.post(SAMPLE)[0] == 201
    print(f"{thrown:,} mutants: no 5xx, no hang; memory from {first:.0f} to {now:.0f} MB.")


def _kill(ends: float) -> None:
    """Kill servers at random moments; end with an AssertionError when a sum is not what was acknowledged."""
    seeds = count(int(time.time()))
    kills = acknowledged = replayed = 0
    while time.monotonic() < ends:
        moments = takewhile(lambda _: time.monotonic() < ends, range(KILLS_A_FILE))
        with tempfile.TemporaryDirectory() as folder:
            agents = kill_at_random(Path(folder), next(seeds), moments)
        kills += agents.kills
        acknowledged += agents.acknowledged
        replayed += agents.replayed
        print(f"{kills:,} kills, {acknowledged:,} batches, {replayed:,} of them counted before a kill", flush=True)
    print(f"{kills:,} kills: every sum is what was acknowledged.")


if __name__ == "__main__":
    main()
