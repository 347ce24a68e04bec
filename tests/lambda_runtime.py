"""A local Lambda Runtime API, and a function's process that the real runtime client runs against it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.process import ROOT, SECONDS, environment

VERSION = "/2018-06-01/runtime"


class Outcome(NamedTuple):
    """What became of an invocation: ``response``, ``error``, or ``init/error`` where the function did not start."""

    kind: str
    body: Any


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: a function's process is killed while it waits for its next event."""


class RuntimeApi:
    """Hands out events one at a time, and takes in what becomes of them.

    ``log`` is what the function's process has written, once it has ended.
    """

    def __init__(self) -> None:
        self.log = ""
        self._events: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._outcomes: queue.Queue[tuple[str, Outcome]] = queue.Queue()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def invoke(self, event: Any) -> Outcome:
        """Have the function answer an event, within half a minute."""
        request_id = str(uuid.uuid4())
        self._events.put((request_id, json.dumps(event).encode()))
        answered, outcome = self._outcomes.get(timeout=SECONDS / 2)
        assert answered in (request_id, "init")
        return outcome

    def close(self) -> None:
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        events, outcomes = self._events, self._outcomes

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert self.path == f"{VERSION}/invocation/next"
                taken = events.get()
                if taken is None:
                    self.close_connection = True
                    return
                request_id, event = taken
                headers = {
                    # The runtime client breaks without it.
                    "Content-Type": "application/json",
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": "4102444800000",
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:f",
                    "Lambda-Runtime-Trace-Id": "Root=1-6720a0b3-0f1e2d3c4b5a69788796a5b4",
                }
                self._answer(200, event, headers)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path.startswith(VERSION + "/")
                words = self.path.removeprefix(VERSION + "/").split("/")
                if words[0] == "init":
                    outcomes.put(("init", Outcome("init/error", body)))
                else:
                    outcomes.put((words[1], Outcome(words[2], body)))
                self._answer(202, b'{"status":"OK"}', {})

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def function(handler: str, **settings: str) -> Iterator[RuntimeApi]:
    """Run a function by its name in a process of its own, as Lambda does on an instance."""
    api = RuntimeApi()
    process = subprocess.Popen(
        [sys.executable, "-m", "awslambdaric", handler],
        cwd=ROOT,
        env=environment(AWS_LAMBDA_RUNTIME_API=api.address, **{"ALLOW_ANONYMOUS": "1", **settings}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield api
    finally:
        process.kill()
        api.log, _ = process.communicate(timeout=SECONDS)
        api.close()
