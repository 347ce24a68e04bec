"""The limit that the service is measured against: an application that only reads the body, on the same waitress."""

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

from handlers.settings import read_settings
from local.server import Server, stop_on_signals

_ANSWER = b'{"accepted":0,"flows":0}'


def noop(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Read the body, and answer as many bytes as a POST is answered."""
    environ["wsgi.input"].read()
    start_response("201 Created", [("Content-Type", "application/json"), ("Content-Length", str(len(_ANSWER)))])
    return [_ANSWER]


if __name__ == "__main__":
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = Server(noop, read_settings({"PORT": "0"}))
    stop_on_signals(server)
    print(f"no-op on {server.url}", flush=True)
    sys.exit(not server.run())
