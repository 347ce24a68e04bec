"""Bodies made to cost memory, from several clients at once; `make bench` tries more of them, at full length."""

from collections import Counter
from pathlib import Path

import pytest

from tests.bench.hostile import bodies, toll
from tests.process import running

SIZE = 8 << 20
CLIENTS = 8
MOST_MB = 100
COSTLY = {
    "CSV, a header line of commas, zstd": 422,
    "JSON, an object of distinct members": 422,
    "JSON, valid, lenient": 406,
    "JSON, [] and spaces": 201,
    "NDJSON, one line": 422,
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("name", COSTLY)
def test_bodies_that_unpack_to_much_are_answered_a_few_at_a_time(tmp_path: Path, name: str) -> None:
    with running(tmp_path) as server:
        paid = toll(server, dict(bodies(SIZE))[name](), CLIENTS)

    assert paid.statuses.keys() <= {COSTLY[name], 503}
    assert paid.statuses[COSTLY[name]] > 0
    assert paid.megabytes < MOST_MB
    # Every /healthz meanwhile was a 200.
    assert paid.healthz < 10
    assert sum(Counter(paid.statuses).values()) == CLIENTS
