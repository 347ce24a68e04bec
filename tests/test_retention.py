"""Old hours go, a few rows at a time, and counts, writers and the file's size stay right."""

import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import handlers.aws
import storage.retention
from handlers.access import ANYBODY
from handlers.record import MAX_INTEGER, StoreUnavailable
from handlers.retention import oldest_kept
from handlers.settings import Settings
from storage import LazyStore, SumStore, open_store
from storage.retention import BEFORE_ALL, Removed
from tests.factories import make_delivery, make_sum

NOW = 490_000


def fill(store: SumStore, hour: int, flows: int) -> None:
    store.add([make_sum(f"app-{number:05}", hour=hour) for number in range(flows)])


def counts(store: SumStore, *hours: int) -> list[int]:
    """Read hours' counts, each of which is that of the sums there are."""
    pages = [store.read(hour, 0, 1_000_000) for hour in hours]
    assert [page.total for page in pages] == [len(page.sums) for page in pages]
    return [page.total for page in pages]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten sums a transaction."""
    monkeypatch.setattr(storage.retention, "MOST", 10)


@pytest.mark.parametrize(
    ("now", "keep", "oldest"),
    [
        (NOW * 3_600, 0, 0),
        (NOW * 3_600, 1, NOW - 1),
        (NOW * 3_600 + 3_599, 24, NOW - 24),
        (NOW * 3_600, NOW, 0),
        (NOW * 3_600, MAX_INTEGER, 0),
    ],
)
def test_the_oldest_hour_that_is_kept_lies_so_many_hours_back(now: int, keep: int, oldest: int) -> None:
    assert oldest_kept(now, keep) == oldest


def test_hours_before_one_are_removed_the_oldest_first_and_the_others_untouched(sum_store: SumStore) -> None:
    for hour in (3, 1, 2, 7):
        fill(sum_store, hour, hour)

    removed = list(sum_store.prune(3))

    assert removed == [Removed(1, 1, True), Removed(2, 2, True)]
    assert counts(sum_store, 1, 2, 3, 7) == [0, 0, 3, 7]
    assert list(sum_store.prune(3)) == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("flows", "parts"), [(9, [9]), (10, [10, 0]), (11, [10, 1]), (34, [10, 10, 10, 4])])
def test_an_hour_is_removed_a_few_sums_a_transaction(sum_store: SumStore, flows: int, parts: list[int]) -> None:
    fill(sum_store, 1, flows)
    left = flows

    for part, step in zip(parts, sum_store.remove(1), strict=True):
        left -= part
        assert step.flows == part
        assert counts(sum_store, 1) == [left]

    assert left == 0


@pytest.mark.usefixtures("small")
def test_pruning_that_is_left_off_goes_on_another_time(sum_store: SumStore) -> None:
    fill(sum_store, 1, 25)

    for _ in sum_store.prune(2):
        break

    assert counts(sum_store, 1) == [15]
    assert sum(step.flows for step in sum_store.prune(2)) == 15
    assert counts(sum_store, 1) == [0]


@pytest.mark.usefixtures("small")
def test_names_of_any_characters_are_removed_in_their_order(sum_store: SumStore) -> None:
    names = ["A", "a", "~", "é", "\ud7ff", "\ue000", "\uffff", "😀", " "]
    sum_store.add(sorted(make_sum(a, b, c) for a in names for b in names for c in "xy"))

    removed = [step.flows for step in sum_store.remove(1)]

    assert removed == [10] * 16 + [2]
    assert counts(sum_store, 1) == [0]


def test_an_hour_that_was_removed_may_get_sums_again(sum_store: SumStore) -> None:
    fill(sum_store, 1, 5)
    list(sum_store.prune(2))

    fill(sum_store, 1, 3)

    assert counts(sum_store, 1) == [3]
    assert list(sum_store.prune(2)) == [Removed(1, 3, True)]


def test_removing_an_hour_without_sums_removes_nothing(sum_store: SumStore) -> None:
    fill(sum_store, 2, 5)

    assert list(sum_store.remove(1)) == [Removed(1, 0, True)]
    assert counts(sum_store, 1, 2) == [0, 5]


def test_deliveries_outlive_their_sums(sum_store: SumStore) -> None:
    sum_store.add([make_sum()], [make_delivery()])

    list(sum_store.prune(2))

    assert sum_store.find("", "key-1") == make_delivery()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.dictionaries(st.integers(0, 9) | st.just(MAX_INTEGER), st.integers(1, 25)), st.integers(0, 10))
def test_what_is_left_is_exactly_the_hours_from_the_one_named_on(
    sum_store: SumStore, hours: dict[int, int], before: int
) -> None:
    sum_store.clear()
    for hour, flows in hours.items():
        fill(sum_store, hour, flows)

    removed = sum(step.flows for step in sum_store.prune(before))

    assert removed == sum(flows for hour, flows in hours.items() if hour < before)
    assert counts(sum_store, *hours) == [flows if hour >= before else 0 for hour, flows in hours.items()]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("pruners", [1, 2])
def test_writers_of_the_very_hours_that_are_removed_keep_counts_exact(sum_store: SumStore, pruners: int) -> None:
    for hour in (1, 2):
        fill(sum_store, hour, 300)

    def write(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(30):
            numbers = sorted(rng.sample(range(1_000), 20))
            sum_store.add([make_sum(f"app-{number:05}", hour=hour) for hour in (1, 2, 3) for number in numbers])

    with ThreadPoolExecutor(4 + pruners) as pool:
        writing = [pool.submit(write, seed) for seed in range(4)]
        pruning = [pool.submit(lambda: sum(step.flows for step in sum_store.prune(3))) for _ in range(pruners)]
        for each in writing:
            each.result()
        removed = [each.result() for each in pruning]

    assert sum(removed) >= 600 - sum(counts(sum_store, 1, 2))
    list(sum_store.prune(3))
    assert counts(sum_store, 1, 2) == [0, 0]
    assert sum(row[4] for row in sum_store.read(3, 0, 1_000_000).sums) == 4 * 30 * 20


@pytest.mark.parametrize("engine", ["postgresql"])
def test_a_writer_in_the_middle_of_its_transaction_is_counted_once(sum_store: SumStore, database_url: str) -> None:
    fill(sum_store, 1, 5)
    with psycopg.connect(database_url) as other:
        other.execute("INSERT INTO flow_sum VALUES (1, 1, 300, 100, 'zoo', 'bar', 'vpc-0')")
        other.execute("INSERT INTO hour_count VALUES (1, 64, 1, 1, 0, 300, 0, 100, 0, 7)")
        assert [step.flows for step in sum_store.remove(1)] == [5]
        other.commit()

    assert counts(sum_store, 1) == [1]


@pytest.mark.parametrize("engine", ["postgresql"])
def test_a_role_that_may_delete_can_prune(sum_store: SumStore, database_url: str) -> None:
    fill(sum_store, 1, 5)
    role = f"role_{os.urandom(4).hex()}"
    schema = database_url.rpartition("%3D")[2]
    with psycopg.connect(database_url, autocommit=True) as admin:
        # A coordinator of a cluster logs in to its workers as the role.
        admin.execute(f"CREATE ROLE {role} LOGIN")
        admin.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON flow_sum, hour_count TO {role}")
        admin.execute(f"GRANT SELECT ON flow_schema TO {role}")
        store = open_store(f"{database_url}%20-crole%3D{role}")

        assert list(store.prune(2)) == [Removed(1, 5, True)]

        store.close()
        admin.execute(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize("engine", ["sqlite"])
def test_the_file_shrinks_in_steps(sum_store: SumStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.retention, "MOST_PAGES", 20)
    fill(sum_store, 1, 20_000)
    fill(sum_store, 2, 100)
    sum_store._engine.shrink()
    before = (tmp_path / "flows.db").stat().st_size
    list(sum_store.prune(2))

    pages = list(sum_store.give_back())

    assert set(pages[:-1]) == {20}
    assert len(pages) > 5
    assert (tmp_path / "flows.db").stat().st_size < before / 20
    assert counts(sum_store, 1, 2) == [0, 100]


@pytest.mark.parametrize("engine", ["sqlite"])
def test_the_file_is_not_waited_for_while_another_reads_it(sum_store: SumStore, tmp_path: Path) -> None:
    fill(sum_store, 1, 2_000)
    with sum_store._engine._reader() as reader:  # type: ignore[attr-defined]
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM hour_count").fetchall()
        list(sum_store.prune(2))
        started = time.monotonic()
        list(sum_store.give_back())
        assert time.monotonic() - started < storage.sqlite.BUSY_SECONDS
        reader.execute("COMMIT")

    fill(sum_store, 2, 1)
    assert list(sum_store.give_back()) == [0]
    assert (tmp_path / "flows.db").stat().st_size < 100_000


class Context:
    """What Lambda hands a function: here the time left falls to nothing after some questions."""

    def __init__(self, questions: int) -> None:
        self.questions = questions

    def get_remaining_time_in_millis(self) -> int:
        self.questions -= 1
        return 300_000 if self.questions > 0 else 1_000


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, sum_store: SumStore) -> Callable[[int], None]:
    """Have the functions work on the store, and keep so many hours."""

    def served(keep_hours: int) -> None:
        monkeypatch.setattr(handlers.aws, "_service", lambda: (sum_store, Settings(keep_hours=keep_hours), ANYBODY))

    return served


@pytest.mark.usefixtures("small")
def test_the_function_removes_old_hours_and_tells_how_many(sum_store: SumStore, serve: Callable[[int], None]) -> None:
    now = int(time.time()) // 3_600
    for hour in (1, now - 26, now - 23, now, now + 5):
        fill(sum_store, hour, 15)
    serve(24)

    assert handlers.aws.prune({}, Context(99)) == {"removed": 30, "hours": 2, "done": True}
    assert counts(sum_store, 1, now - 26, now - 23, now, now + 5) == [0, 0, 15, 15, 15]


@pytest.mark.usefixtures("small")
def test_the_function_stops_in_time_and_goes_on_at_the_next_event(
    sum_store: SumStore, serve: Callable[[int], None]
) -> None:
    for hour in (1, 2):
        fill(sum_store, hour, 15)
    serve(24)

    assert handlers.aws.prune({}, Context(3)) == {"removed": 25, "hours": 1, "done": False}
    assert counts(sum_store, 1, 2) == [0, 5]
    assert handlers.aws.prune({}, Context(99)) == {"removed": 5, "hours": 1, "done": True}


def test_the_function_keeps_everything_without_a_setting(sum_store: SumStore, serve: Callable[[int], None]) -> None:
    fill(sum_store, 0, 5)
    serve(0)

    assert handlers.aws.prune({}, Context(99)) == {"removed": 0, "hours": 0, "done": True}
    assert counts(sum_store, 0) == [5]


def test_a_store_that_fails_is_an_error_of_the_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LazyStore(f"sqlite:///{tmp_path}/nowhere/flows.db", 8, 24)
    monkeypatch.setattr(handlers.aws, "_service", lambda: (store, Settings(keep_hours=1), ANYBODY))

    with pytest.raises(StoreUnavailable):
        handlers.aws.prune({}, Context(99))


def test_before_all_is_before_every_name() -> None:
    assert BEFORE_ALL < ("\x01", "\x01", "\x01")
