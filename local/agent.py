"""python -m local.agent FILE... --url URL: send the flow records in files, each once, however often it is killed."""

import argparse
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from local.progress import CannotKeep, Places
from local.sender import Sender, Stopped
from local.sending import Agent, say
from local.sources import Unreadable

BATCH = 10_000
"""Records in the first batch: about 1.4 MB, which a function takes too."""

RETRIES = 30


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.agent",
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
    parser.add_argument("--batch", type=int, default=BATCH, help="records in a batch at first (default: %(default)s)")
    parser.add_argument(
        "--retries", type=int, default=RETRIES, help="times a request is tried again (default: %(default)s)"
    )
    parser.add_argument("--final", action="store_true", help="send last lines too that have no end")
    parser.add_argument("--resend", action="store_true", help="send again what was on its way for too long")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Send every file; return 0 when all was counted, 2 when something was not, 1 when it had to stop."""
    arguments = _arguments(words)
    try:
        # On the command line everybody on the machine could read it.
        token = arguments.token_file.read_text().strip() if arguments.token_file else ""
        sender = Sender(arguments.url, arguments.retries, token)
    except (OSError, ValueError) as error:
        sys.exit(f"{arguments.token_file} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.")
    try:
        places = Places(arguments.state, arguments.name)
    except CannotKeep as error:
        sys.exit(f"{error}.")
    agent = Agent(sender, places, max(1, arguments.batch), final=arguments.final, resend=arguments.resend)
    stopped = ""
    try:
        for name in arguments.files:
            agent.send(name)
    except (Stopped, Unreadable, CannotKeep) as error:
        stopped = f"stopped: {error}; start it again to go on"
    except KeyboardInterrupt:
        stopped = "stopped by a signal; start it again to go on"
    for name in agent.held:
        say(f"held back the last line of {name}, which has no end: --final sends it")
    counted = sender.counted
    say(
        f"sent {counted['sent']:,} records in {counted['batches']:,} batches ({counted['replayed']:,} were counted "
        f"before), refused {agent.refused:,}, retried {counted['retried']:,} requests"
    )
    if stopped:
        say(stopped)
        return 1
    return 2 if agent.refused or agent.held else 0


if __name__ == "__main__":
    sys.exit(main())
