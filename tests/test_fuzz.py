"""Whatever is sent to either edge: no 5xx, no hang, no growth of memory. `make soak` does more of it."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from handlers.access import Access, Token, digest_of
from handlers.settings import Settings
from storage import SumStore
from tests.edges import EDGES
from tests.factories import SAMPLE
from tests.fuzz import fuzz, mutants
from tests.process import megabytes, running

MUTANTS = 600
THREADS = 4


def test_a_server_answers_mutants_without_5xx_hang_or_growth_and_then_the_sample(tmp_path: Path) -> None:
    with running(tmp_path) as server, ThreadPoolExecutor(THREADS) as pool:
        warm = sum(pool.map(lambda seed: fuzz(server.port, seed, MUTANTS), range(THREADS)))
        before = megabytes(server.process.pid)
        answered = sum(pool.map(lambda seed: fuzz(server.port, seed, MUTANTS), range(THREADS, 2 * THREADS)))
        grown = megabytes(server.process.pid) - before

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


@pytest.mark.parametrize("edge", sorted(EDGES))
def test_mutants_without_a_token_get_in_nowhere_and_are_no_fault(edge: str, sum_store: SumStore) -> None:
    ask = EDGES[edge](sum_store, Settings(), Access([Token("ops", "admin", digest_of("never sent"))]))
    seen = set()

    for sent in islice((sent for sent in mutants(12) if sent.target.isascii() and sent.target.isprintable()), MUTANTS):
        seen.add(ask(sent.method, sent.target.replace(" ", ""), sent.body, _fit(sent.headers)).status)

    assert seen >= {401, 404, 405}
    assert seen <= {200, 401, 404, 405}
    assert sum_store.read(1, 0, 1).total == 0


def _fit(headers: Mapping[str, str]) -> dict[str, str]:
    """Leave out what no server would hand to its application."""
    return {name: value for name, value in headers.items() if value.isascii() and value.isprintable()}
