"""python -m local.agent FILE... --url URL: send the flow records in files, each once, however often it is killed."""

import argparse
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from local.answers import Stopped, Stuck
from local.progress import MAX_BATCH, CannotKeep, Places
from local.sender import Sender
from local.sending import Agent
from local.sources import Unreadable
from local.terminal import say

BATCH = 10_000
"""Records in the first batch: about 1.4 MB, which a function takes too."""

RETRIES = 30


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.agent",
        usage='make send FILE="a.json b.csv.gz" [URL=...] [TOKEN_FILE=...], or python -m local.agent [options] FILE...',
        description="Send flow records out of files: JSON arrays, NDJSON or CSV with a header line, plain or gzip.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file, or - for standard input")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the service (default: %(default)s)")
    parser.add_argument(
        "--state", type=Path, default=Path("flows-agent.json"), help="where its place is kept (default: %(default)s)"
    )
    parser.add_argument(
        "--name", default=socket.gethostname(), help="another for each agent, kept in the state (default: the host's)"
    )
    parser.add_argument("--token-file", type=Path, help="holds the token that the service wants")
    parser.add_argument(
        "--batch",
        type=_whole_number(1, MAX_BATCH),
        default=BATCH,
        help="records in a batch at first (default: %(default)s)",
    )
    parser.add_argument(
        "--retries",
        type=_whole_number(0, 1_000_000),
        default=RETRIES,
        help="times a request is tried again (default: %(default)s)",
    )
    parser.add_argument("--final", action="store_true", help="send last lines too that have no end")
    parser.add_argument("--resend", action="store_true", help="send again what was on its way for too long")
    return parser.parse_args(words)


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def read(word: str) -> int:
        if not (word.isascii() and word.isdigit() and len(word) < 19 and least <= int(word) <= most):
            raise argparse.ArgumentTypeError(f"{word} is no whole number from {least:,} to {most:,}")
        return int(word)

    return read


def _token(path: Path | None) -> str:
    """Read the token, which on the command line everybody on the machine could read. Raises ValueError, a sentence."""
    if path is None:
        return ""
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeError:
        token = ""
    if not token or not token.isprintable() or " " in token:
        raise ValueError(f"{path} cannot be read: it holds no token")
    return token


def main(words: Sequence[str] | None = None) -> int:
    """Send every file; return 0 when all was counted, 2 when something was not, 1 when it had to stop."""
    arguments = _arguments(words)
    try:
        sender = Sender(arguments.url, arguments.retries, _token(arguments.token_file))
        places = Places(arguments.state, arguments.name)
    except (ValueError, CannotKeep) as error:
        say(f"{error}.")
        return 1
    agent = Agent(sender, places, arguments.batch, final=arguments.final, resend=arguments.resend)
    stopped = _send(agent, arguments.files)
    for name in agent.held:
        say(f"held back the last line of {name}, which has no end: --final sends it")
    say(_summary(sender, agent))
    if stopped:
        say(stopped)
        return 1
    return 2 if agent.refused or agent.held else 0


def _send(agent: Agent, files: Sequence[str]) -> str:
    """Send files one after another; return why it had to stop, or nothing."""
    try:
        for number, name in enumerate(files, start=1):
            agent.send(name, number, len(files))
    except (Unreadable, Stuck) as error:
        return f"stopped: {error}"
    except (Stopped, CannotKeep) as error:
        return f"stopped: {error}; start it again to go on"
    except KeyboardInterrupt:
        return "stopped by a signal; start it again to go on"
    return ""


def _summary(sender: Sender, agent: Agent) -> str:
    counted = sender.counted
    before = f" ({counted['replayed']:,} were counted before)" if counted["batches"] else ""
    return (
        f"sent {counted['sent']:,} records in {counted['batches']:,} batches{before}, refused {agent.refused:,}, "
        f"retried {counted['retried']:,} requests"
    )


if __name__ == "__main__":
    sys.exit(main())
