"""The limit that the service is measured against: an application that only reads the body, on waitress as it comes.

waitress has the service's own settings, but none of what ``local/channel.py`` adds to it.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from waitress.server import create_server

from handlers.settings import Settings
from local.server import TUNING

_ANSWER = b'{"accepted":0,"flows":0}'


def noop(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Read the body, and answer as many bytes as a POST is answered."""
    environ["wsgi.input"].read()
    start_response("201 Created", [("Content-Type", "application/json"), ("Content-Length", str(len(_ANSWER)))])
    return [_ANSWER]


if __name__ == "__main__":
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(noop, host="127.0.0.1", port=0, threads=Settings().threads, **TUNING)
    print(f"no-op on http://127.0.0.1:{server.effective_port}", flush=True)
    server.run()
