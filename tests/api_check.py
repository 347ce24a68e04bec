"""make api_check: schemathesis, with all its checks, against a real server that describes itself."""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from handlers.access import Token, digest_of, entry_of
from local.token import make_token
from tests.process import ROOT, running

SECONDS = 60
TOKEN_SECONDS = 25


def check(seed: int, seconds: int, options: tuple[str, ...] = (), **settings: str) -> None:
    """Ask a new server for all that its document says, and some that it does not. Exits where an answer is wrong."""
    # A batch may be so small that one of too many is tried, too.
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), MAX_BATCH_FLOWS="50", **settings) as server:
        command = [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", "--no-color"),
            *("--seed", str(seed), "--max-time", str(seconds), *options),
            f"http://localhost:{server.port}/openapi.json",
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.api_hooks"}
        ended = subprocess.run(command, cwd=folder, env=environment, timeout=3 * seconds + 120, check=False)
    if ended.returncode:
        sys.exit(f"The API is not what /openapi.json says; again: make api_check SEED={seed}")


def main() -> None:
    """Check a server that is open to this machine, then one that takes tokens."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    check(seed, SECONDS)
    token = make_token()
    entry = entry_of(Token("api-check", "admin", digest_of(token)))
    check(seed, TOKEN_SECONDS, ("--header", f"Authorization: Bearer {token}"), API_TOKENS=entry)


if __name__ == "__main__":
    main()
