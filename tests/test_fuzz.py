"""Whatever is sent to either edge: no 5xx, no hang, no growth of memory. `make soak` does more of it."""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from handlers.settings import Settings
from storage import SumStore
from tests.edges import EDGES
from tests.factories import SAMPLE
from tests.fuzz import fuzz, mutants, resident_megabytes
from tests.process import running

MUTANTS = 600
THREADS = 4


def test_a_server_answers_mutants_without_5xx_hang_or_growth_and_then_the_sample(tmp_path: Path) -> None:
    with running(tmp_path) as server, ThreadPoolExecutor(THREADS) as pool:
        warm = sum(pool.map(lambda seed: fuzz(server.port, seed, MUTANTS), range(THREADS)))
        before = resident_megabytes(server.process.pid)
        answered = sum(pool.map(lambda seed: fuzz(server.port, seed, MUTANTS), range(THREADS, 2 * THREADS)))
        grown = resident_megabytes(server.process.pid) - before

        assert server.post(SAMPLE)[0] == 201
    assert min(warm, answered) > THREADS * MUTANTS * 0.8
    assert grown < 20


@pytest.mark.parametrize("edge", sorted(set(EDGES) - {"local"}))
def test_the_functions_answer_mutants_without_5xx(edge: str, sum_store: SumStore) -> None:
    ask = EDGES[edge](sum_store, Settings(max_batch_flows=100))
    seen = set()

    for number, sent in enumerate(islice(mutants(11), MUTANTS)):
        answer = ask(sent.method, sent.target, sent.body, sent.headers)
        assert answer.status < 500, (number, sent)
        seen.add(answer.status)

    assert seen >= {200, 201, 404, 405, 415, 422}
