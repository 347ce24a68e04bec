"""Whether the packages that a command needs are installed: a newcomer who runs it outside .venv gets a sentence."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

_SERVER = ("msgspec", "peewee", "falcon", "waitress")
_AGENT = ("msgspec", "urllib3", "tqdm")
_TARGETS = {"local": "start_server", "local.stop": "stop_server", "local.purge": "purge_all", "local.agent": "send"}


def check_packages(words: Sequence[str]) -> None:
    """Exit with a sentence where the module that the command line names lacks a package."""
    name = words[words.index("-m") + 1] if "-m" in words[:-1] else "local"
    missing = [package for package in (_AGENT if name == "local.agent" else _SERVER) if find_spec(package) is None]
    if missing:
        target = _TARGETS.get(name, name.rpartition(".")[2])
        sys.exit(
            f"{name} needs packages that this Python does not have ({', '.join(missing)}): "
            f"run make {target}, which installs them, or afterwards .venv/bin/python -m {name}."
        )
