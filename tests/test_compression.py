"""Content-Encoding: what is unpacked, and what is stopped."""

import gzip
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from handlers.compression import unpack, unpacks_beyond
from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.web import Request, RequestError
from tests.edges import EDGES
from tests.factories import SAMPLE, to_json
from tests.process import ROOT

Pack = Callable[[bytes], bytes]
LIMIT = 1_000_000
PACKERS: dict[str, Pack] = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


def unpacked(body: bytes, encoding: str, limit: int = LIMIT) -> bytes:
    return unpack(Request("POST", "/flows", headers={"content-encoding": encoding}, body=body), limit)


def status(body: bytes, encoding: str, limit: int = LIMIT) -> int:
    with pytest.raises(RequestError) as caught:
        unpacked(body, encoding, limit)
    return caught.value.status


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("encoding", PACKERS)
def test_a_packed_body_is_counted_through_every_edge(edge: str, encoding: str, sum_store: FlowStore) -> None:
    ask = EDGES[edge](sum_store, Settings())
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding, "Idempotency-Key": "k"}

    assert ask("POST", "/flows", PACKERS[encoding](to_json(SAMPLE)), headers).body == b'{"accepted":5,"flows":4}'

    # What counts as the same is what was packed.
    del headers["Content-Encoding"]
    assert ask("POST", "/flows", to_json(SAMPLE), headers).headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("encoding", PACKERS)
@given(body=st.binary(max_size=5_000), cut=st.integers(0, 5_000))
def test_what_is_unpacked_is_what_was_packed_in_one_piece_or_several(encoding: str, body: bytes, cut: int) -> None:
    pack = PACKERS[encoding]

    assert unpacked(pack(body), encoding) == body
    assert unpacked(pack(body[:cut]) + pack(body[cut:]), encoding) == body


def test_names_are_known_in_any_case_and_the_old_one_too() -> None:
    assert unpacked(gzip.compress(b"x"), " GZIP ") == unpacked(gzip.compress(b"x"), "x-gzip") == b"x"
    assert unpacked(b"x", "") == unpacked(b"x", "identity") == b"x"


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, zstd", "gzip;q=1"])
def test_any_other_is_refused_with_what_there_is(encoding: str) -> None:
    with pytest.raises(RequestError) as caught:
        unpacked(b"", encoding)

    assert caught.value.status == 415
    assert caught.value.headers == (("Accept-Encoding", "gzip, zstd"),)


@pytest.mark.parametrize("encoding", PACKERS)
@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
def test_the_limit_is_that_of_the_body_unpacked(encoding: str, size: int) -> None:
    packed = PACKERS[encoding](bytes(size))

    if size > LIMIT:
        assert status(packed, encoding) == 413
    else:
        assert len(unpacked(packed, encoding)) == size
    assert status(packed, encoding, len(packed) - 1) == 413


@pytest.mark.parametrize("encoding", PACKERS)
def test_what_is_cut_or_spoilt_or_none_at_all_is_refused(encoding: str) -> None:
    packed = PACKERS[encoding](bytes(range(256)) * 50)

    for body in (packed[:-1], packed[: len(packed) // 2], packed[:3], packed + b"junk", b"[]"):
        assert status(body, encoding) == 422
    spoilt = bytearray(packed)
    spoilt[len(packed) // 2] ^= 0xFF
    assert encoding == "zstd" or status(bytes(spoilt), encoding) == 422


def test_a_frame_that_wants_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(bytes(1 << 20)) + packer.flush()

    assert status(packed, "zstd", 1 << 30) == 422


@pytest.mark.parametrize("encoding", ["", "gzip", "zstd"])
@given(bodies=st.lists(st.binary(max_size=200), max_size=4), more=st.integers(-2, 2))
def test_whether_it_unpacks_to_more_is_told_without_unpacking_it_all(
    encoding: str, bodies: list[bytes], more: int
) -> None:
    packed = b"".join(PACKERS.get(encoding, bytes)(body) for body in bodies)
    length = sum(map(len, bodies))

    assert unpacks_beyond(packed, encoding, max(0, length - more)) is (length > max(0, length - more))


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_broken_one_unpacks_to_what_there_is_of_it(encoding: str) -> None:
    packed = PACKERS[encoding](bytes(1_000_000))

    assert unpacks_beyond(packed + b"junk", encoding, 900_000)
    assert not unpacks_beyond(b"junk", encoding, 0)


@pytest.mark.parametrize("encoding", PACKERS)
def test_the_time_that_many_members_take_grows_with_their_number(encoding: str) -> None:
    pack = PACKERS[encoding]

    def seconds(members: int) -> float:
        body = pack(b"") * members + pack(b"x")
        started = time.process_time()
        assert unpacked(body, encoding, 4_000_000) == b"x"
        return time.process_time() - started

    # Copying what is left at each member took 16 times as long for 4 times as many.
    assert seconds(100_000) < 10 * seconds(25_000)


BOMBS = """
import gzip, sys, zlib, zstandard
size, kind = 1 << 30, sys.argv[1]
packer = zlib.compressobj(9, wbits=31) if kind == "gzip" else zstandard.ZstdCompressor(19).compressobj()
sys.stdout.buffer.write(b"".join(packer.compress(bytes(1 << 24)) for _ in range(size >> 24)) + packer.flush())
"""
STOP = """
import resource, sys
from handlers.compression import unpack
from handlers.web import Request, RequestError
bomb = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    unpack(Request("POST", "/flows", headers={"content-encoding": sys.argv[1]}, body=bomb), 64 << 20)
except RequestError as error:
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(error.status, grown // 1024)
"""


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_bomb_of_a_gigabyte_is_unpacked_no_further_than_the_limit(encoding: str) -> None:
    bomb = subprocess.run([sys.executable, "-c", BOMBS, encoding], capture_output=True, check=True).stdout
    ended = subprocess.run(
        [sys.executable, "-c", STOP, encoding], input=bomb, cwd=ROOT, capture_output=True, check=True
    )

    code, megabytes = ended.stdout.split()
    assert code == b"413"
    assert len(bomb) < 2_000_000
    # The limit itself, and a step more.
    assert int(megabytes) < 64 + 32
