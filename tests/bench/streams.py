"""All of an hour of 1,000,000 sums, streamed: rows a second, and what that takes of the server's memory."""

import http.client
import time
from collections.abc import Iterator

from tests.bench import measures
from tests.bench.line import Line
from tests.process import Running, megabytes

MOST_MB = 60


def streams(filled: Running, fresh: Running) -> Iterator[Line]:
    """Fill the database by one server, and read it from another on the same, which has done nothing yet."""
    measures.fill(filled)
    idle = megabytes(fresh.process.pid)
    for name, path, headers in (
        ("NDJSON", "format=ndjson", {}),
        ("CSV", "format=csv", {}),
        ("NDJSON, gzip", "format=ndjson", {"Accept-Encoding": "gzip"}),
    ):
        seconds, size = _read(fresh, f"/flows?hour={measures.LARGE_HOUR}&{path}", headers)
        rate = measures.LARGE_HOUR_FLOWS / seconds
        yield Line(f"GET 1,000,000 sums as {name}", f"{rate:,.0f} sums/s, {size / 1e6:.0f} MB", "", "", True)
    peak = megabytes(fresh.process.pid, "VmHWM") - idle
    yield Line("Memory of these over idle", f"{peak:.1f} MB", "", f"<= {MOST_MB} MB", peak <= MOST_MB)


def _read(server: Running, path: str, headers: dict[str, str]) -> tuple[float, int]:
    connection = http.client.HTTPConnection("localhost", server.port, timeout=120)
    started = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    size = 0
    while part := answer.read(1 << 16):
        size += len(part)
    connection.close()
    return time.perf_counter() - started, size
