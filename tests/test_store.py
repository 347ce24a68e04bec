"""The store's contract, the same on every engine, and behind group commit."""

import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.aggregate import aggregate
from handlers.record import MAX_INTEGER, FlowKey, FlowRecord, FlowStore, FlowSum, SumTooLarge
from storage import SumStore, open_store
from tests.engines import on_cluster, versions
from tests.factories import make_record, make_sum
from tests.process import ROOT


def everything(store: FlowStore, hour: int = 1) -> list[FlowSum]:
    return store.read(hour, 0, 1_000_000).sums


def test_the_engine_named_in_the_header_is_the_one_in_use(sum_store: SumStore, engine: str) -> None:
    asked = {"sqlite": "SELECT 'SQLite ' || sqlite_version()", "postgresql": "SELECT version()"}[engine]
    with sum_store._engine.writing() as connection:
        (version,) = connection.execute(asked).fetchone()

    assert version.startswith(versions()[engine].partition(" with Citus")[0])


def test_what_was_added_is_read_back(store: FlowStore) -> None:
    store.add([make_sum(records=3)])

    assert store.read(1, 0, 10)[:2] == (1, [make_sum(records=3)])


def test_a_second_batch_adds_to_the_first(store: FlowStore) -> None:
    store.add([make_sum(records=1, bytes_rx=10, bytes_tx=100)])
    store.add([make_sum(records=2, bytes_rx=20, bytes_tx=200)])

    assert everything(store) == [make_sum(records=3, bytes_rx=30, bytes_tx=300)]


def test_an_hour_without_flows_is_empty(store: FlowStore) -> None:
    store.add([make_sum(hour=1)])

    assert store.read(2, 0, 10)[:2] == (0, [])


def test_an_empty_batch_changes_nothing(store: FlowStore) -> None:
    store.add([])

    assert store.read(1, 0, 10)[:2] == (0, [])


def test_each_part_of_the_key_tells_sums_apart(store: FlowStore) -> None:
    keys = [("a", "b", "c"), ("a", "b", "d"), ("a", "c", "c"), ("b", "b", "c")]
    store.add([make_sum(*key, hour=hour) for hour in (1, 2) for key in keys])

    assert everything(store, 1) == [make_sum(*key, hour=1) for key in keys]
    assert everything(store, 2) == [make_sum(*key, hour=2) for key in keys]


def test_names_are_ordered_by_code_point(store: FlowStore) -> None:
    names = ["A", "Z", "a", "z", "~", "\x7f", "é", "ÿ", "Ā", "\ud7ff", "\ue000", "\uffff", "😀", "a ", "a!", "aa", " "]
    store.add(sorted(make_sum(a, b) for a in names for b in names))

    read = [(s[1], s[2]) for s in everything(store)]

    assert read == sorted((a, b) for a in names for b in names)


@pytest.mark.parametrize("count", [1, 300, 3_000])
def test_names_of_any_characters_come_back_as_they_are(store: FlowStore, count: int) -> None:
    awkward = ["a\tb", "a\nb", "a\\b", "\\N", "\\.", "'", '"', "{}", "{a,b}", "NULL", "%s", "$1", "?", "\x01", "😀é"]
    sums = sorted(make_sum(name, f"{number:04}", name) for number in range(count) for name in awkward)

    store.add(sums)
    store.add(sums)

    assert everything(store) == [(*row[:4], 2, 600, 200) for row in sums]


def test_pages_far_into_an_hour_put_together_are_the_whole(sum_store: SumStore) -> None:
    sums = [make_sum(f"app-{number:04}") for number in range(5_000)]
    sum_store.add(sums)

    pages = [sum_store.read(1, offset, 333) for offset in range(0, 5_001, 333)]

    assert [row for page in pages for row in page.sums] == sums
    assert {page.total for page in pages} == {5_000}


@pytest.mark.parametrize("limit", [1, 3, 7, 25, 1_000])
def test_pages_put_together_are_the_whole(store: FlowStore, limit: int) -> None:
    sums = [make_sum(f"app-{number:02}") for number in range(25)]
    store.add(sums)

    pages = [store.read(1, offset, limit) for offset in range(0, 26, limit)]

    assert [row for page in pages for row in page.sums] == sums
    assert {page.total for page in pages} == {25}


def test_a_page_near_the_end_is_right_though_sums_came_in_while_it_was_looked_for(
    sum_store: SumStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = [make_sum(f"app-{number:04}") for number in range(3_000)]
    late = [make_sum(f"late-{number}") for number in range(7)]
    sum_store.add(sums)
    count = sum_store._engine.count

    def count_and_then(count_sql: str, hour: int) -> int:
        counted = count(count_sql, hour)
        sum_store.add(late)
        return counted

    monkeypatch.setattr(sum_store._engine, "count", count_and_then)

    assert sum_store.read(1, 2_980, 10)[:2] == (3_007, sums[2_980:2_990])
    assert sum_store.read(1, 3_000, 10).sums == [(*s[:4], 2, 600, 200) for s in late]


@pytest.mark.parametrize("offset", [25, 26, 1_000, MAX_INTEGER - 50])
def test_a_page_past_the_end_is_empty_and_still_knows_the_total(store: FlowStore, offset: int) -> None:
    store.add([make_sum(f"app-{number:02}") for number in range(25)])

    assert store.read(1, offset, 50)[:2] == (25, [])


def test_the_largest_hour_and_sum_are_kept_exactly(store: FlowStore) -> None:
    largest = make_sum(hour=MAX_INTEGER, bytes_rx=MAX_INTEGER, bytes_tx=MAX_INTEGER - 1)
    store.add([largest])
    store.add([make_sum(hour=MAX_INTEGER, bytes_rx=0, bytes_tx=1)])

    assert everything(store, MAX_INTEGER) == [
        make_sum(hour=MAX_INTEGER, records=2, bytes_rx=MAX_INTEGER, bytes_tx=MAX_INTEGER)
    ]


@pytest.mark.parametrize("count", [1, 199, 200, 201, 1_000, 3_000])
@pytest.mark.parametrize("member", ["bytes_rx", "bytes_tx"])
def test_a_sum_past_the_largest_is_refused_by_its_key_and_nothing_of_its_batch_is_kept(
    store: FlowStore, count: int, member: str
) -> None:
    full: dict[str, Any] = {member: MAX_INTEGER}
    more: dict[str, Any] = {member: 1}
    stored = make_sum(f"app-{count // 2:04}", **full)
    store.add([stored])

    with pytest.raises(SumTooLarge) as caught:
        store.add([make_sum(f"app-{number:04}", **more) for number in range(count)])

    assert caught.value.key == FlowKey(*stored[:4])
    assert store.read(1, 0, 10)[:2] == (1, [stored])


def test_a_sum_too_large_before_it_is_stored_is_refused_too(store: FlowStore) -> None:
    with pytest.raises(SumTooLarge) as caught:
        store.add([make_sum("a"), make_sum("b", bytes_tx=MAX_INTEGER + 1)])

    assert caught.value.key == FlowKey(1, "b", "bar", "vpc-0")
    assert store.read(1, 0, 10)[:2] == (0, [])


def test_after_a_refusal_the_store_goes_on(store: FlowStore) -> None:
    with pytest.raises(SumTooLarge):
        store.add([make_sum(bytes_tx=MAX_INTEGER + 1)])

    store.add([make_sum()])

    assert everything(store) == [make_sum()]


def test_the_kept_total_is_what_a_count_would_give(store: FlowStore) -> None:
    rng = random.Random(5)
    seen: dict[int, set[str]] = defaultdict(set)
    for _ in range(30):
        batch = sorted({(rng.randrange(3), f"app-{rng.randrange(400)}") for _ in range(rng.randrange(1, 300))})
        store.add([make_sum(name, hour=hour) for hour, name in batch])
        for hour, name in batch:
            seen[hour].add(name)

    assert {hour: store.read(hour, 0, 1).total for hour in seen} == {hour: len(names) for hour, names in seen.items()}


def test_many_writers_on_the_same_keys_lose_nothing(store: FlowStore) -> None:
    keys = [f"app-{number}" for number in range(20)]

    def write(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(25):
            store.add([make_sum(name, bytes_rx=1, bytes_tx=2) for name in sorted(rng.sample(keys, 10))])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))

    sums = everything(store)
    assert sum(s[4] for s in sums) == sum(s[5] for s in sums) == 8 * 25 * 10
    assert sum(s[6] for s in sums) == 2 * 8 * 25 * 10


def test_a_reader_sees_whole_batches_and_their_total(store: FlowStore, engine: str) -> None:
    if on_cluster(engine):
        pytest.skip("a cluster does not promise it: see the README")
    stop = False

    def write() -> None:
        for batch in range(60):
            store.add([make_sum(f"app-{batch:03}-{number:03}") for number in range(50)])

    def watch() -> list[tuple[int, int]]:
        seen = []
        while not stop:
            page = store.read(1, 0, 100_000)
            seen.append((page.total, len(page.sums)))
        return seen

    with ThreadPoolExecutor(2) as pool:
        watching = pool.submit(watch)
        pool.submit(write).result()
        stop = True
        seen = watching.result()

    assert all(total == found and total % 50 == 0 for total, found in seen)


names = st.sampled_from(["a", "b", "é", "😀"])
records = st.builds(
    make_record,
    src_app=names,
    dest_app=names,
    hour=st.integers(0, 1),
    bytes_tx=st.integers(0, 2**40),
    bytes_rx=st.integers(0, 2**40),
)


def cut(records: Sequence[FlowRecord], places: Sequence[int]) -> list[Sequence[FlowRecord]]:
    ends = sorted(min(place, len(records)) for place in places)
    return [records[start:end] for start, end in zip([0, *ends], [*ends, len(records)], strict=True)]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60
)
@given(st.lists(records, max_size=40), st.lists(st.integers(0, 40), max_size=6), st.randoms(use_true_random=False))
def test_any_way_of_cutting_and_ordering_batches_gives_the_same_sums(
    fresh_store: Callable[[], FlowStore], batch: list[FlowRecord], places: list[int], rng: random.Random
) -> None:
    store = fresh_store()
    parts = cut(rng.sample(batch, len(batch)), places)

    for part in rng.sample(parts, len(parts)):
        store.add(aggregate(part))

    assert everything(store, 0) + everything(store, 1) == aggregate(batch)


@pytest.fixture
def fresh_store(store: FlowStore, sum_store: SumStore) -> Callable[[], FlowStore]:
    """The store, emptied before each of a property's examples."""

    def clear() -> FlowStore:
        sum_store.clear()
        return store

    return clear


def test_sums_outlive_the_store(database_url: str, sum_store: SumStore) -> None:
    sum_store.add([make_sum()])
    sum_store.close()

    again = open_store(database_url)

    assert again.read(1, 0, 10)[:2] == (1, [make_sum()])
    again.close()


def test_processes_that_open_a_new_database_together_make_it_once(database_url: str) -> None:
    code = (
        "import sys; from storage import open_store; s = open_store(sys.argv[1]);"
        "[s.add([(1, 'a', 'b', 'c', 1, 1, 1)]) for _ in range(20)]"
    )
    command = [sys.executable, "-c", code, database_url]
    started = [subprocess.Popen(command, cwd=ROOT, env=os.environ) for _ in range(4)]

    assert [process.wait() for process in started] == [0, 0, 0, 0]
    store = open_store(database_url)
    assert store.read(1, 0, 10)[:2] == (1, [(1, "a", "b", "c", 80, 80, 80)])
    store.close()


def test_clear_removes_every_sum_and_says_how_many(sum_store: SumStore) -> None:
    sum_store.add([make_sum(name, hour=hour) for hour in (1, 2) for name in ("a", "b", "c")])

    assert sum_store.clear() == 6
    assert sum_store.clear() == 0
    assert sum_store.read(1, 0, 10)[:2] == (0, [])
