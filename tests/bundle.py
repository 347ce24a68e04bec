"""python -m tests.bundle FOLDER: check what `sam build` has put there, and that the same bundle runs on this machine.

The functions' own packages are for another processor and another Python. So the bundle is built a second time, by the
same rule and from the same lock file, for this machine, and there it is imported and answers an event.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.functions import MAX_BUNDLE_MB, megabytes
from tests.edges import EVENTS
from tests.process import ROOT, environment
from tests.template import FUNCTIONS, TEMPLATE

HOLDS = {"handlers", "storage", "msgspec", "peewee.py", "psycopg", "psycopg_binary"}
HOLDS_NOT = {"falcon", "waitress", "local", "tests", "pip", ".venv"}
_AARCH64 = 183
"""e_machine of ELF files: https://www.sco.com/developers/gabi/latest/ch4.eheader.html"""

_ANSWER = """\
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
module, _, name = sys.argv[2].rpartition(".")
answered = getattr(importlib.import_module(module), name)(json.load(sys.stdin), None)
import storage.postgresql, psycopg
from_elsewhere = [m for m in ("handlers", "storage", "msgspec", "peewee", "psycopg", "psycopg_binary")
                  if not sys.modules[m].__file__.startswith(sys.argv[1])]
print(json.dumps([answered["statusCode"], psycopg.pq.__impl__, from_elsewhere]))
"""


def faults(folder: Path) -> Iterator[str]:
    """Say what is wrong with a bundle."""
    names = {path.name for path in folder.iterdir()}
    for name in sorted(HOLDS - names):
        yield f"{name} is missing"
    for name in sorted(HOLDS_NOT & names):
        yield f"{name} does not belong there"
    if megabytes(folder) > MAX_BUNDLE_MB:
        yield f"it takes {megabytes(folder):.1f} MB, and may take {MAX_BUNDLE_MB}"
    libraries = [path for path in folder.rglob("*.so*") if path.is_file()]
    if len(libraries) < 3:
        yield "its compiled libraries are missing"
    python = TEMPLATE["Globals"]["Function"]["Runtime"].removeprefix("python").replace(".", "")
    for library in libraries:
        if int.from_bytes(library.read_bytes()[18:20], "little") != _AARCH64:
            yield f"{library.name} is for another processor"
        tag = re.search(r"\.cpython-([0-9]+)", library.name)
        if tag and tag[1] != python:
            yield f"{library.name} is for another Python"


def faults_here() -> Iterator[str]:
    """Build the bundle for this machine, and say what is wrong with what its functions answer."""
    with tempfile.TemporaryDirectory() as folder:
        here = (f"ARTIFACTS_DIR={folder}", f"PYTHON={sys.executable}", "LAMBDA_PIP=")
        version = f"LAMBDA_PYTHON={sys.version_info.major}.{sys.version_info.minor}"
        subprocess.run(["make", "--silent", "build-WriteFunction", version, *here], cwd=ROOT, check=True)
        for handler, name, status in (
            (FUNCTIONS["WriteFunction"], "http_api_post", 201),
            (FUNCTIONS["ReadFunction"], "http_api_get", 200),
        ):
            ended = subprocess.run(
                [sys.executable, "-I", "-c", _ANSWER, folder, handler],
                env=environment(DATABASE_URL=f"sqlite:///{folder}/flows.db", ALLOW_ANONYMOUS="1"),
                input=(EVENTS / f"{name}.json").read_text(),
                capture_output=True,
                text=True,
                check=False,
            )
            # A line of metrics comes before it.
            if ended.returncode or json.loads(ended.stdout.splitlines()[-1]) != [status, "binary", []]:
                yield f"{handler} answered {ended.stdout or ended.stderr}"


def main() -> None:
    """Check the bundle of every function, and exit with what is wrong."""
    built = Path(sys.argv[1])
    wrong = [f"{name}: {fault}" for name in FUNCTIONS for fault in faults(built / name)]
    wrong += faults_here()
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"The bundle takes {megabytes(built / next(iter(FUNCTIONS))):.1f} MB, and its functions answer.")


if __name__ == "__main__":
    main()
