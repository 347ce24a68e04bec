"""Group commit: who gathers, who waits, and who fails."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from handlers.question import Found, HourPage, Hours, HourTotal, Question, Row, StoreSize
from handlers.record import (
    MAX_INTEGER,
    AlreadyDelivered,
    Delivery,
    FlowKey,
    FlowSum,
    StoreUnavailable,
    SumTooLarge,
)
from storage import SumStore, group_commit
from storage.group_commit import GroupCommit
from tests.factories import make_delivery, make_sum


class Gate:
    """A store whose commits wait to be let through, and are counted."""

    def __init__(self, store: SumStore) -> None:
        self.store = store
        self.commits: list[Sequence[FlowSum]] = []
        self.arrived = threading.Semaphore(0)
        self.passes = threading.Semaphore(0)
        self.fails_with: Exception | None = None
        self.closed = False
        self.holds = ""

    def add(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery] = ()) -> None:
        self.arrived.release()
        self.passes.acquire()
        if self.fails_with is not None:
            raise self.fails_with
        if self.holds in [delivery.key for delivery in deliveries]:
            raise StoreUnavailable("canceling statement due to lock timeout")
        self.store.add(sums, deliveries)
        self.commits.append(sums)

    def read(self, hour: int, offset: int, limit: int) -> HourPage:
        return self.store.read(hour, offset, limit)

    def ask(self, question: Question) -> Found:
        return self.store.ask(question)

    def stream(self, question: Question) -> Iterator[list[Row]]:
        return self.store.stream(question)

    def hours(self, hours: Hours, offset: int, limit: int) -> tuple[int, list[HourTotal]]:
        return self.store.hours(hours, offset, limit)

    def span(self) -> Hours | None:
        return self.store.span()

    def version(self, hours: Hours) -> str:
        return self.store.version(hours)

    def find(self, scope: str, key: str) -> Delivery | None:
        return self.store.find(scope, key)

    def answers(self, seconds: float) -> bool:
        return self.store.answers(seconds)

    def size(self) -> StoreSize:
        return self.store.size()

    def close(self) -> None:
        self.closed = True

    def open(self) -> None:
        self.passes.release(1_000)


class Writers:
    """Threads that add batches: the first is in its commit, the others wait behind it."""

    def __init__(self, store: SumStore, writers: int = 1) -> None:
        self.gate = Gate(store)
        self.grouped = GroupCommit(self.gate, writers)
        self.pool = ThreadPoolExecutor(16)

    def start(self, first: Sequence[FlowSum], *others: Sequence[FlowSum]) -> list[Future[None]]:
        futures = [self.pool.submit(self.grouped.add, first)]
        self.gate.arrived.acquire()
        for number, sums in enumerate(others, start=1):
            futures.append(self.pool.submit(self.grouped.add, sums))
            while len(self.grouped._waiting) < number:
                pass
        return futures


@pytest.fixture
def writers(sum_store: SumStore) -> Writers:
    return Writers(sum_store)


def test_batches_that_come_during_a_commit_go_in_together(writers: Writers) -> None:
    futures = writers.start([make_sum("a")], [make_sum("b")], [make_sum("a")], [make_sum("c"), make_sum("d")])

    writers.gate.open()
    for future in futures:
        future.result()

    assert writers.gate.commits == [
        [make_sum("a")],
        [make_sum("a"), make_sum("b"), make_sum("c"), make_sum("d")],
    ]


def test_a_key_in_many_batches_of_a_group_is_stored_once_with_their_sum(writers: Writers) -> None:
    futures = writers.start([make_sum("first")], *([make_sum("a", bytes_rx=1, bytes_tx=2)] for _ in range(5)))

    writers.gate.open()
    for future in futures:
        future.result()

    assert writers.gate.commits[1] == [make_sum("a", records=5, bytes_rx=5, bytes_tx=10)]


def test_nobody_is_answered_before_the_commit(writers: Writers) -> None:
    futures = writers.start([make_sum("a")], [make_sum("b")], [make_sum("c")])

    assert not any(future.done() for future in futures)
    writers.gate.passes.release()
    futures[0].result()
    writers.gate.arrived.acquire()
    assert not any(future.done() for future in futures[1:])

    writers.gate.open()
    for future in futures:
        future.result()


def test_a_batch_that_cannot_be_stored_fails_alone(writers: Writers, sum_store: SumStore) -> None:
    sum_store.add([make_sum("full", bytes_tx=MAX_INTEGER)])
    futures = writers.start(
        [make_sum("a")],
        [make_sum("b")],
        [make_sum("c"), make_sum("full", bytes_tx=1)],
        [make_sum("d")],
        [make_sum("e")],
    )

    writers.gate.open()

    with pytest.raises(SumTooLarge) as caught:
        futures.pop(2).result()
    for future in futures:
        future.result()
    assert caught.value.key == FlowKey(1, "full", "bar", "vpc-0")
    assert [row[1] for row in sum_store.read(1, 0, 10).sums] == ["a", "b", "d", "e", "full"]


def test_batches_that_are_too_large_only_together_are_told_apart(writers: Writers, sum_store: SumStore) -> None:
    half = MAX_INTEGER // 2 + 1
    futures = writers.start([make_sum("first")], [make_sum("a", bytes_tx=half)], [make_sum("a", bytes_tx=half)])

    writers.gate.open()

    futures[1].result()
    with pytest.raises(SumTooLarge):
        futures[2].result()
    assert sum_store.read(1, 0, 10).sums[0] == make_sum("a", bytes_tx=half)


def test_a_store_that_is_unavailable_fails_the_whole_group_at_once(writers: Writers) -> None:
    futures = writers.start([make_sum("a")], [make_sum("b")], [make_sum("c")])

    writers.gate.fails_with = StoreUnavailable("locked")
    writers.gate.open()

    for future in futures:
        with pytest.raises(StoreUnavailable):
            future.result()
    assert writers.gate.passes._value == 1_000 - 2


def test_after_a_failure_the_next_batch_is_stored(writers: Writers, sum_store: SumStore) -> None:
    (future,) = writers.start([make_sum("a")])
    writers.gate.fails_with = RuntimeError("a fault")
    writers.gate.open()
    with pytest.raises(RuntimeError, match="a fault"):
        future.result()

    writers.gate.fails_with = None
    writers.grouped.add([make_sum("b")])

    assert sum_store.read(1, 0, 10).sums == [make_sum("b")]


def test_a_group_ends_at_its_size(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MAX_GROUP_SUMS", 2)
    futures = writers.start([make_sum("a")], *([make_sum(name)] for name in "bcdef"))

    writers.gate.open()
    for future in futures:
        future.result()

    assert [[row[1] for row in sums] for sums in writers.gate.commits] == [["a"], ["b", "c"], ["d", "e"], ["f"]]


def test_a_large_batch_goes_beside_the_groups_where_the_store_takes_several_writers(
    sum_store: SumStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "LARGE", 3)
    writers = Writers(sum_store, writers=3)
    large = [make_sum(name) for name in "xyz"]
    small = writers.start([make_sum("a")], [make_sum("b")])
    beside = [writers.pool.submit(writers.grouped.add, large) for _ in range(3)]
    for _ in range(2):
        writers.gate.arrived.acquire()

    # One leads the small ones, two go beside it, and the third waits for one of these.
    assert not writers.gate.arrived.acquire(blocking=False)
    writers.gate.open()
    for future in (*small, *beside):
        future.result()

    assert sorted(map(len, writers.gate.commits)) == [1, 1, 3, 3, 3]
    assert [row[4] for row in sum_store.read(1, 0, 10).sums] == [1, 1, 3, 3, 3]


def test_a_large_batch_waits_for_its_turn_where_the_store_takes_one_writer(
    sum_store: SumStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "LARGE", 3)
    writers = Writers(sum_store)
    futures = writers.start([make_sum("a")], [make_sum(name) for name in "xyz"])

    writers.gate.open()
    for future in futures:
        future.result()

    assert sorted(map(len, writers.gate.commits)) == [1, 3]


def test_a_delivery_that_comes_twice_into_a_group_is_counted_once(writers: Writers, sum_store: SumStore) -> None:
    twice = make_delivery("twice")
    futures = writers.start([make_sum("first")], [make_sum("a")])
    for number, (sums, delivery) in enumerate([([make_sum("b")], twice), ([make_sum("b")], twice)], start=2):
        futures.append(writers.pool.submit(writers.grouped.add, sums, [delivery]))
        while len(writers.grouped._waiting) < number:
            pass

    writers.gate.open()
    for future in futures[:3]:
        future.result()
    with pytest.raises(AlreadyDelivered):
        futures[3].result()

    assert [row[4] for row in sum_store.read(1, 0, 10).sums] == [1, 1, 1]


def test_a_key_that_another_holds_fails_those_with_keys_only(writers: Writers, sum_store: SumStore) -> None:
    futures = writers.start([make_sum("first")], [make_sum("a")])
    futures.append(writers.pool.submit(writers.grouped.add, [make_sum("b")], [make_delivery("held")]))
    while len(writers.grouped._waiting) < 2:
        pass
    writers.gate.holds = "held"

    writers.gate.open()
    with pytest.raises(StoreUnavailable):
        futures.pop(2).result()
    for future in futures:
        future.result()

    assert [row[1] for row in sum_store.read(1, 0, 10).sums] == ["a", "first"]


def test_what_is_known_is_taken_out_of_its_group_and_the_rest_is_counted(writers: Writers, sum_store: SumStore) -> None:
    sum_store.add([make_sum("known")], [make_delivery("known")])
    futures = writers.start([make_sum("first")])
    batches = [("a", "new"), ("known", "known"), ("b", "other")]
    for number, (name, key) in enumerate(batches, start=1):
        futures.append(writers.pool.submit(writers.grouped.add, [make_sum(name)], [make_delivery(key)]))
        while len(writers.grouped._waiting) < number:
            pass

    writers.gate.open()
    with pytest.raises(AlreadyDelivered) as caught:
        futures.pop(2).result()
    for future in futures:
        future.result()

    assert list(caught.value.found) == [("", "known")]
    assert [(row[1], row[4]) for row in sum_store.read(1, 0, 10).sums] == [
        ("a", 1),
        ("b", 1),
        ("first", 1),
        ("known", 1),
    ]


def test_closing_it_closes_the_store_it_wraps(sum_store: SumStore) -> None:
    gate = Gate(sum_store)

    GroupCommit(gate).close()

    assert gate.closed
