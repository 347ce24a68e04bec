"""The kept totals of hours are those of the sums there are, and their version tells every write."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import storage.retention
from handlers.question import Hours, HourTotal
from handlers.record import MAX_INTEGER, AlreadyDelivered, FlowStore, FlowSum, SumTooLarge
from storage import LazyStore, SumStore
from storage.kept import bound
from storage.totals import halves, of_batch, whole
from tests.factories import make_delivery, make_sum

EVERYTHING = Hours()


def summed(store: FlowStore, *hours: int) -> list[HourTotal]:
    """Add up what the hours have, newest first."""
    read = {hour: store.read(hour, 0, 1_000_000).sums for hour in sorted(hours, reverse=True)}
    return [HourTotal(hour, len(sums), *added_up(sums)) for hour, sums in read.items() if sums]


def added_up(sums: Sequence[FlowSum]) -> tuple[int, int, int]:
    return sum(row[4] for row in sums), sum(row[5] for row in sums), sum(row[6] for row in sums)


def kept(store: FlowStore, hours: Hours = EVERYTHING) -> list[HourTotal]:
    total, found = store.hours(hours, 0, 1_000)
    assert total == len(found)
    return found


def test_an_empty_store_has_no_hours(store: FlowStore) -> None:
    assert store.hours(EVERYTHING, 0, 10) == (0, [])


def test_hours_come_newest_first_with_what_their_sums_add_up_to(store: FlowStore) -> None:
    store.add([make_sum(hour=1, records=2), make_sum("a", hour=7), make_sum("b", hour=7, bytes_rx=5)])
    store.add([make_sum(hour=1)])

    assert kept(store) == [HourTotal(7, 2, 2, 305, 200), HourTotal(1, 1, 3, 600, 200)]


@pytest.mark.parametrize(
    ("hours", "found"),
    [
        (Hours(chosen=(3,)), [3]),
        (Hours(chosen=(9, 1, 3, 3, 4)), [9, 3, 1]),
        (Hours(chosen=tuple(range(3, 1_003))), [9, 7, 5, 3]),
        (Hours(first=3), [9, 7, 5, 3]),
        (Hours(first=3, end=7), [5, 3]),
        (Hours(first=7, end=7), []),
        (Hours(end=MAX_INTEGER), [9, 7, 5, 3, 1]),
        (Hours(first=MAX_INTEGER), []),
    ],
)
def test_hours_are_chosen_one_by_one_or_from_one_on_and_before_another(
    store: FlowStore, hours: Hours, found: list[int]
) -> None:
    store.add([make_sum(hour=hour) for hour in (1, 3, 5, 7, 9)])

    assert [total.hour for total in kept(store, hours)] == found


@pytest.mark.parametrize(("offset", "limit", "found"), [(0, 2, [4, 3]), (2, 2, [2, 1]), (3, 9, [1]), (4, 9, [])])
def test_a_part_of_the_hours_knows_how_many_there_are(
    store: FlowStore, offset: int, limit: int, found: list[int]
) -> None:
    store.add([make_sum(hour=hour) for hour in (1, 2, 3, 4)])

    total, hours = store.hours(EVERYTHING, offset, limit)

    assert (total, [each.hour for each in hours]) == (4, found)


@pytest.mark.parametrize("count", [3, 250, 3_000])
def test_totals_past_what_an_engines_integer_holds_are_exact(store: FlowStore, count: int) -> None:
    store.add([make_sum(f"app-{number:04}", bytes_rx=MAX_INTEGER, bytes_tx=1) for number in range(count)])
    store.add([make_sum(f"zoo-{number:04}", bytes_rx=MAX_INTEGER - 1, records=2**40) for number in range(count)])

    rx = count * (2 * MAX_INTEGER - 1)
    assert kept(store) == [HourTotal(1, 2 * count, count + count * 2**40, rx, 101 * count)]


def test_a_batch_of_many_hours_adds_to_each(store: FlowStore) -> None:
    batch = [make_sum(name, hour=hour, bytes_rx=hour) for hour in range(1_000) for name in "abc"]

    store.add(batch)
    store.add(batch)

    assert kept(store) == [HourTotal(hour, 3, 6, 6 * hour, 600) for hour in range(999, -1, -1)]


@pytest.mark.parametrize("count", [1, 199, 250, 3_000])
def test_a_refused_batch_changes_neither_totals_nor_version(store: FlowStore, count: int) -> None:
    store.add([make_sum(f"app-{count - 1:04}", bytes_tx=MAX_INTEGER)])
    before = kept(store), store.version(EVERYTHING)

    with pytest.raises(SumTooLarge):
        store.add([make_sum(f"app-{number:04}", bytes_tx=1) for number in range(count)])

    assert (kept(store), store.version(EVERYTHING)) == before


@pytest.mark.usefixtures("versioned")
def test_a_page_tells_the_version_of_its_hour(store: FlowStore) -> None:
    for places in ((0, 10), (5, 10), (2_000, 10)):
        assert store.read(1, *places).version == store.version(Hours((1,)))
    store.add([make_sum(f"app-{number:04}") for number in range(2_500)])
    for places in ((0, 10), (5, 10), (1_900, 10), (2_600, 10)):
        assert store.read(1, *places).version == store.version(Hours((1,))) != store.read(2, *places).version


@pytest.mark.usefixtures("versioned")
def test_a_version_is_of_its_hours_only(store: FlowStore) -> None:
    store.add([make_sum(hour=hour) for hour in (1, 2, 3)])
    before = store.version(Hours(chosen=(1, 3))), store.version(Hours(first=2, end=3))

    store.add([make_sum(hour=2)])

    assert store.version(Hours(chosen=(1, 3))) == before[0]
    assert store.version(Hours(first=2, end=3)) != before[1]


@pytest.mark.usefixtures("versioned")
def test_a_version_does_not_come_back_when_an_hour_is_gone_and_filled_again(sum_store: SumStore) -> None:
    seen = set()
    for _ in range(50):
        sum_store.add([make_sum()])
        seen.add(sum_store.version(EVERYTHING))
        list(sum_store.remove(1))
        assert kept(sum_store) == []

    assert len(seen) == 50


def test_clearing_leaves_no_totals(sum_store: SumStore) -> None:
    sum_store.add([make_sum(), make_sum(hour=2)])
    before = sum_store.version(EVERYTHING)

    sum_store.clear()

    assert kept(sum_store) == []
    assert sum_store.version(EVERYTHING) != before or not before


def test_no_sum_over_some_hours_exceeds_their_bound(sum_store: SumStore) -> None:
    sum_store.add([make_sum(hour=hour, bytes_rx=MAX_INTEGER, bytes_tx=7, records=3) for hour in (1, 2, 3)])

    assert bound(sum_store._engine.dialect, sum_store._engine.fetch, Hours(first=2)) == 2 * (MAX_INTEGER + 10)
    assert bound(sum_store._engine.dialect, sum_store._engine.fetch, Hours(first=4)) == 0


def test_a_store_that_is_opened_late_has_the_same_totals(sum_store: SumStore, database_url: str) -> None:
    sum_store.add([make_sum()])
    late = LazyStore(database_url, 8, 24)

    assert late.hours(EVERYTHING, 0, 10) == sum_store.hours(EVERYTHING, 0, 10)
    assert late.version(EVERYTHING) == sum_store.version(EVERYTHING)
    late.close()


batches = st.lists(
    st.builds(
        make_sum,
        st.sampled_from("abcdef"),
        hour=st.integers(0, 2),
        records=st.integers(1, 2**33),
        bytes_rx=st.integers(0, 2**62) | st.just(MAX_INTEGER),
        bytes_tx=st.integers(0, 2**34),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[:4],
).map(sorted)
keys = st.none() | st.sampled_from(["key-1", "key-2"])
steps = st.lists(
    st.tuples(st.just("add"), batches, keys)
    | st.tuples(st.sampled_from(["prune", "begin to remove"]), st.integers(0, 3)),
    max_size=12,
)


def take(step: tuple[object, ...], store: FlowStore, sum_store: SumStore) -> bool:
    """Take a step; tell whether it has written."""
    match step:
        case ("add", list(batch), key):
            with suppress(SumTooLarge, AlreadyDelivered):
                store.add(batch, [make_delivery(key)] if isinstance(key, str) else [])
                return True
        case ("prune", int(before)):
            return any(removed.flows for removed in sum_store.prune(before))
        case (_, int(hour)):
            return any(removed.flows for removed, _ in zip(sum_store.remove(hour), range(1), strict=False))
    return False


@pytest.fixture
def emptied(store: FlowStore, sum_store: SumStore) -> Callable[[], FlowStore]:
    """The store, emptied before each of a property's examples."""

    def clear() -> FlowStore:
        sum_store.clear()
        return store

    return clear


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60
)
@given(steps)
def test_after_any_steps_the_totals_are_those_of_the_sums_and_a_version_is_of_one_content(
    emptied: Callable[[], FlowStore],
    sum_store: SumStore,
    monkeypatch: pytest.MonkeyPatch,
    taken: list[tuple[object, ...]],
) -> None:
    monkeypatch.setattr(storage.retention, "MOST", 3)
    store = emptied()
    seen: dict[str, list[FlowSum]] = {}
    version = store.version(EVERYTHING)
    for step in taken:
        written = take(step, store, sum_store)

        assert kept(store) == summed(store, 0, 1, 2)
        before, version = version, store.version(EVERYTHING)
        content = [row for hour in range(3) for row in store.read(hour, 0, 100).sums]
        # On a cluster there is none.
        if version:
            assert (version != before) == written
            assert seen.setdefault(version, content) == content


def test_writers_beside_those_that_remove_keep_totals_exact(
    sum_store: SumStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.retention, "MOST", 7)

    def write(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(30):
            numbers = sorted(rng.sample(range(100), 10))
            sum_store.add(
                [make_sum(f"app-{number:02}", hour=hour, bytes_rx=2**40) for hour in (1, 2) for number in numbers]
            )

    with ThreadPoolExecutor(6) as pool:
        writing = [pool.submit(write, seed) for seed in range(4)]
        pruning = [pool.submit(lambda: list(sum_store.prune(2))) for _ in range(2)]
        for write_ended in writing:
            write_ended.result()
        for pruned in pruning:
            pruned.result()

    assert kept(sum_store) == summed(sum_store, 1, 2)
    list(sum_store.prune(3))
    assert sum_store.hours(EVERYTHING, 0, 10) == (0, [])


def test_of_hours_no_row_is_left_among_the_sums(sum_store: SumStore) -> None:
    sum_store.add([make_sum(hour=MAX_INTEGER, bytes_rx=MAX_INTEGER), make_sum("z", hour=MAX_INTEGER, bytes_rx=1)])

    with sum_store._engine.writing() as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM flow_sum").fetchall()
    assert rows == 2
    assert kept(sum_store) == [HourTotal(MAX_INTEGER, 2, 2, 2**63, 200)]


@given(st.lists(st.integers(-(2**80), 2**80)))
def test_the_parts_of_a_number_make_it_again_and_the_low_one_is_small(numbers: list[int]) -> None:
    parts = halves(numbers)

    assert whole(parts) == numbers
    assert all(0 <= low < 2**32 for low in parts[::2])


@given(batches)
def test_what_a_batch_adds_is_told_by_hour(batch: list[FlowSum]) -> None:
    assert of_batch(batch) == [
        (hour, *added_up([row for row in batch if row[0] == hour])) for hour in sorted({row[0] for row in batch})
    ]
