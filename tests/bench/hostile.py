"""Bodies made to cost as much memory and time as they can, from many clients at once: what a server does meanwhile."""

import gzip
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec
import zstandard

from tests.bench.line import Line
from tests.process import Running, megabytes, raw_post, read_all, running

CLIENTS = 32
MOST_MB = 500
MOST_SECONDS = 1.0
_PAUSE = 0.1
_HEADER = b"src_app,dest_app,vpc_id,hour,bytes_tx,bytes_rx\n"
_RECORD = b'{"src_app":"%b","dest_app":"b","vpc_id":"c","hour":1,"bytes_tx":0,"bytes_rx":0}'
_RECORDS = 100_000


class Hostile(NamedTuple):
    """A request's body, as it is sent, and its headers."""

    body: bytes
    headers: tuple[str, ...] = ()


class Toll(NamedTuple):
    """What some bodies cost: megabytes above idle, seconds of the slowest answer and of the slowest /healthz."""

    statuses: Counter[int]
    megabytes: float
    slowest: float
    healthz: float


def _typed(media: str, *more: str) -> tuple[str, ...]:
    return (f"Content-Type: {media}", *more)


_JSON, _LINES, _CSV = _typed("application/json"), _typed("application/x-ndjson"), _typed("text/csv")
_LENIENT = ("Prefer: handling=lenient",)


def zstd(body: bytes, headers: tuple[str, ...] = ()) -> Hostile:
    """Pack a body, to a 30,000th of its length where it repeats itself."""
    return Hostile(zstandard.ZstdCompressor().compress(body), (*headers, "Content-Encoding: zstd"))


def gzipped(body: bytes, headers: tuple[str, ...] = ()) -> Hostile:
    """Pack a body, to a 1,000th of its length where it repeats itself."""
    return Hostile(gzip.compress(body), (*headers, "Content-Encoding: gzip"))


def _filled(size: int, one: Callable[[int], bytes], between: bytes, most: int = sys.maxsize) -> bytes:
    """Put together as many different parts as fit."""
    parts, length = [], 0
    for number in range(most):
        part = one(number)
        length += len(part) + len(between)
        if length > size:
            break
        parts.append(part)
    return between.join(parts)


def _wide(number: int) -> bytes:
    """Write a record whose names take four bytes a character in memory, and one in the body."""
    names = (f"{number}😀".ljust(255, letter) for letter in "abc")
    src_app, dest_app, vpc_id = names
    flow = {"src_app": src_app, "dest_app": dest_app, "vpc_id": vpc_id, "hour": 1, "bytes_tx": 1, "bytes_rx": 1}
    return msgspec.json.encode(flow)


def _window(size: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packer.compress(b" " * size) + packer.flush()


def _inner(size: int, what: bytes) -> bytes:
    """Write an array of one object that has a member of so many bytes, which no record has."""
    return b'[{"x":' + what[:size] + b"}]"


def bodies(size: int) -> Iterator[tuple[str, Callable[[], Hostile]]]:
    """Make hostile bodies of a size: by name, each when it is called for."""
    record = _RECORD % b"a"
    repeated = b"[" + b",".join([record] * (size // (len(record) + 1) - 1)) + b"]"
    yield "CSV, a header line of commas, zstd", lambda: zstd(b"," * size, _CSV)
    yield "CSV, a header line of commas, gzip", lambda: gzipped(b"," * size, _CSV)
    yield "CSV, a header line of commas, plain", lambda: Hostile(b"," * size, _CSV)
    yield "CSV, a row of commas", lambda: zstd(_HEADER + b"," * (size - 60), _CSV)
    yield "CSV, a quote never closed", lambda: zstd(_HEADER + b'"' + b"\n" * (size - 60), _CSV)
    yield "CSV, a row over many lines", lambda: zstd(_HEADER + b'"\n",' * (size // 4 - 20), _CSV)
    yield "CSV, empty lines", lambda: zstd(_HEADER + b"\n" * (size - 60), _CSV)
    yield (
        "CSV, as many short rows as fit",
        lambda: Hostile(_HEADER + _filled(size - 60, lambda number: b"%x,b,c,1,0,0" % number, b"\n"), _CSV),
    )
    yield (
        "CSV, 100,000 short rows",
        lambda: Hostile(
            _HEADER + _filled(size - 60, lambda number: b"%x,b,c,1,%d,999" % (number, number), b"\n", _RECORDS), _CSV
        ),
    )
    yield (
        "JSON, an object of distinct members",
        lambda: zstd(b"[{" + _filled(size - 20, lambda number: b'"%x":1' % number, b",") + b"}]"),
    )
    yield "JSON, [] and spaces", lambda: zstd(b"[]" + b" " * (size - 2))
    yield "JSON, spaces and []", lambda: zstd(b"[" + b" " * (size - 2) + b"]")
    yield "JSON, spaces alone", lambda: zstd(b" " * size)
    yield "JSON, valid, lenient", lambda: zstd(repeated, _LENIENT)
    yield "JSON, valid, strict", lambda: zstd(repeated)
    yield "JSON, bad records, lenient", lambda: zstd(b"[" + b"{}," * (size // 3 - 2) + b"{}]", _LENIENT)
    yield "JSON, bad records, strict", lambda: zstd(b"[" + b"{}," * (size // 3 - 2) + b"{}]")
    yield "JSON, 1,1,1", lambda: zstd(b"[" + b"1," * (size // 2 - 2) + b"1]")
    yield "JSON, one string", lambda: zstd(b'["' + b"a" * (size - 4) + b'"]')
    yield "JSON, one number", lambda: zstd(b"[" + b"9" * (size - 2) + b"]", _LENIENT)
    yield "JSON, commas", lambda: zstd(b"[" + b"," * (size - 1))
    yield "JSON, brackets", lambda: zstd(b"[" * size)
    yield "JSON, backslashes", lambda: zstd(b'["' + b"\\" * (size - 4) + b'"]')
    yield (
        "JSON, a member nested deeply",
        lambda: zstd(_inner(size - 9, b"[" * (size // 2 - 9) + b"]" * (size // 2 - 9))),
    )
    yield "JSON, escaped names", lambda: zstd(b'[{"' + b"\\u0041" * (size // 6 - 20) + b'":1}]', _LENIENT)
    yield "JSON, four-byte characters, plain", lambda: Hostile(b'["' + "😀".encode() * (size // 4 - 2) + b'"]')
    yield (
        "JSON, names of four bytes a character, plain",
        lambda: Hostile(b"[" + _filled(size - 2, _wide, b",", _RECORDS) + b"]"),
    )
    yield (
        "JSON, the same, gzip, lenient",
        lambda: gzipped(b"[" + _filled(size - 2, _wide, b",", _RECORDS) + b"]", _LENIENT),
    )
    yield "JSON, the same, a quarter as long", lambda: Hostile(b"[" + _filled(size // 4, _wide, b",", _RECORDS) + b"]")
    yield (
        "JSON, 100,000 short records",
        lambda: Hostile(b"[" + _filled(size - 2, lambda number: _RECORD % (b"%x" % number), b",", _RECORDS) + b"]"),
    )
    yield (
        "JSON, just not large",
        lambda: Hostile(b"[" + _filled(min(size, 255 << 10), lambda number: _RECORD % (b"%x" % number), b",") + b"]"),
    )
    yield "NDJSON, empty lines", lambda: zstd(b"\n" * size, _LINES)
    yield "NDJSON, lines of a blank", lambda: zstd(b"x" + b" \n" * (size // 2 - 1), (*_LINES, *_LENIENT))
    yield "NDJSON, one line", lambda: zstd(b'{"x":"' + b"a" * (size - 9) + b'"}', _LINES)
    yield (
        "NDJSON, as many records as fit",
        lambda: Hostile(_filled(size, lambda number: _RECORD % (b"%x" % number), b"\n"), _LINES),
    )
    yield "gzip, members of nothing", lambda: Hostile(gzip.compress(b"") * (size // 20), ("Content-Encoding: gzip",))
    yield (
        "gzip, members of a megabyte",
        lambda: Hostile(gzip.compress(b" " * (1 << 20)) * (size >> 20), ("Content-Encoding: gzip",)),
    )
    yield (
        "zstd, frames of nothing",
        lambda: Hostile(zstandard.ZstdCompressor().compress(b"") * (size // 9), ("Content-Encoding: zstd",)),
    )
    yield "zstd, a window of 128 MB", lambda: Hostile(_window(size), ("Content-Encoding: zstd",))
    yield "zstd, noise", lambda: Hostile(random.Random(1).randbytes(size), ("Content-Encoding: zstd",))


def toll(server: Running, hostile: Hostile, clients: int = CLIENTS) -> Toll:
    """Send a body from many clients at once, asking /healthz all the while."""
    idle = megabytes(server.process.pid)
    request = raw_post(hostile.body, *hostile.headers)
    over = threading.Event()

    def send(_: int) -> tuple[int, float]:
        began = time.monotonic()
        with server.connect() as connection:
            connection.settimeout(300)
            connection.sendall(request)
            answer = read_all(connection)
        return int(answer.split(b" ", 2)[1]), time.monotonic() - began

    with ThreadPoolExecutor(clients + 1) as pool:
        health = pool.submit(_slowest_healthz, server, over)
        answered = list(pool.map(send, range(clients)))
        over.set()
        slowest = health.result()
    peak = megabytes(server.process.pid, "VmHWM") - idle
    return Toll(Counter(status for status, _ in answered), peak, max(seconds for _, seconds in answered), slowest)


def _slowest_healthz(server: Running, over: threading.Event) -> float:
    """Ask until it is over; infinite where an answer is no 200."""
    slowest = 0.0
    while not over.wait(_PAUSE):
        began = time.monotonic()
        try:
            status = server.ask("GET", "/healthz")[0]
        except OSError:
            status = 0
        slowest = max(slowest, time.monotonic() - began if status == 200 else float("inf"))
    return slowest


def tolls(size: int, named: str = "") -> Iterator[tuple[str, Toll]]:
    """Try each body on a fresh server."""
    for name, make in bodies(size):
        if named in name:
            with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
                yield name, toll(server, make())


def hostile() -> Iterator[Line]:
    """Tell the worst of all bodies of up to MAX_BODY_BYTES."""
    tried = list(tolls(1 << 26))
    worst = max((paid.megabytes, name) for name, paid in tried)
    slowest = max((paid.healthz, name) for name, paid in tried)
    figures = f"{worst[0]:.0f} MB: {worst[1]}"
    yield Line("32 hostile bodies of 64 MiB, memory over idle", figures, "", "<= 500 MB", worst[0] <= MOST_MB)
    figures = f"{slowest[0]:.2f} s: {slowest[1]}"
    yield Line("/healthz meanwhile, at worst", figures, "", "<= 1 s", slowest[0] <= MOST_SECONDS)


def main() -> None:
    """Print what each body costs; with an argument, only those whose name holds it."""
    for name, paid in tolls(1 << 26, *sys.argv[1:2]):
        told = ", ".join(f"{count} x {status}" for status, count in sorted(paid.statuses.items()))
        print(
            f"{name:<46} {paid.megabytes:>6.0f} MB  {paid.slowest:>5.1f} s  /healthz {paid.healthz:.2f} s  {told}",
            flush=True,
        )


if __name__ == "__main__":
    main()
