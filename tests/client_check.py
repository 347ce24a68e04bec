"""make client_check: a client made from a running server's document is typed, and does what the README shows."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.process import ROOT, running

CLIENT = ROOT / ".venv-client" / "bin"


def run(folder: Path, *command: str) -> str:
    """Run a command to its end, and return what it printed. Exits where it fails."""
    # What is around us shall not be what it works with.
    around = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    ended = subprocess.run(
        command, cwd=folder, env=around, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if ended.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{ended.stdout}")
    return ended.stdout


def example() -> tuple[str, str]:
    """Find the program in the README, and what it prints."""
    found = re.search(
        r"```python\n(from flows_client .*?)```.*?```text\n(.*?)```", (ROOT / "README.md").read_text(), re.S
    )
    assert found
    return found[1], found[2]


def main() -> None:
    """Make the client, check it, and use it."""
    program, printed = example()
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as server:
        folder = Path(name)
        url = f"http://127.0.0.1:{server.port}"
        run(ROOT, "make", "--no-print-directory", "client", f"URL={url}", f"TO={folder / 'flows_client'}")
        (folder / "example.py").write_text(program.replace("http://127.0.0.1:8080", url))
        # What is the same for every document, client.py, is the generator's own affair.
        made = ("flows_client/api", "flows_client/models", "example.py")
        run(folder, str(CLIENT / "mypy"), "--strict", "--follow-imports=silent", *made)
        answered = run(folder, str(CLIENT / "python"), "example.py")
    if answered != printed:
        sys.exit(f"The README's example printed {answered!r}, and says {printed!r}")
    print("The client is typed, and does what the README shows.")


if __name__ == "__main__":
    main()
