"""Group commit: who gathers, who waits, and who fails."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest

from handlers.question import Found, HourPage, Hours, HourTotal, Question, Row, StoreSize
from handlers.record import (
    MAX_INTEGER,
    AlreadyDelivered,
    Delivery,
    FlowKey,
    FlowSum,
    OutcomeUnknown,
    StoreUnavailable,
    SumTooLarge,
)
from storage import SumStore, deadline, group_commit, open_store
from storage.group_commit import LARGE, GroupCommit
from tests.factories import make_delivery, make_sum
from tests.postgresql import PostgreSQL
from tests.process import SECONDS, until


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
def writers(sum_store: SumStore) -> Iterator[Writers]:
    made = Writers(sum_store)
    yield made
    # Where a test has failed, its threads would wait for ever.
    made.gate.open()
    made.pool.shutdown()


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

    assert [[row[1] for row in sums] for sums in writers.gate.commits] == [["a"], ["b", "f"], ["c", "e"], ["d"]]


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


def test_a_batch_that_is_settled_does_not_wait_for_the_rest_of_its_group(writers: Writers) -> None:
    futures = writers.start([make_sum("first")])
    held = writers.pool.submit(writers.grouped.add, [make_sum("b")], [make_delivery("held")])
    until(lambda: len(writers.grouped._waiting) == 1)
    futures.append(writers.pool.submit(writers.grouped.add, [make_sum("a")]))
    until(lambda: len(writers.grouped._waiting) == 2)
    writers.gate.holds = "held"

    writers.gate.passes.release(2)
    with pytest.raises(StoreUnavailable):
        held.result(SECONDS)
    assert not futures[1].done()

    writers.gate.open()
    for future in futures:
        future.result()


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_batch_that_waits_too_long_is_withdrawn_and_never_stored(
    writers: Writers, sum_store: SumStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = writers.start([make_sum("first")])[0]
    monkeypatch.setattr(deadline, "ANSWER_SECONDS", 0.1)

    with pytest.raises(StoreUnavailable) as caught:
        writers.pool.submit(writers.grouped.add, [make_sum("late")]).result(SECONDS)
    writers.gate.open()
    first.result()
    writers.grouped.add([make_sum("next")])

    assert caught.type is StoreUnavailable
    assert [row[1] for row in sum_store.read(1, 0, 10).sums] == ["first", "next"]


@pytest.mark.parametrize("engine", ["sqlite"])
def test_the_outcome_of_a_batch_that_is_being_committed_when_its_time_ends_is_unknown(
    writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = writers.start([make_sum("first")])[0]
    monkeypatch.setattr(deadline, "ANSWER_SECONDS", 2)
    late = writers.pool.submit(writers.grouped.add, [make_sum("late")])
    until(lambda: len(writers.grouped._waiting) == 1)
    leader = writers.pool.submit(writers.grouped.add, [make_sum("last")])
    until(lambda: len(writers.grouped._waiting) == 2)

    writers.gate.passes.release()
    with pytest.raises(OutcomeUnknown):
        late.result(SECONDS)
    writers.gate.open()

    for future in (first, leader):
        future.result()
    assert [[row[1] for row in sums] for sums in writers.gate.commits] == [["first"], ["last", "late"]]


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_batch_whose_time_has_ended_is_not_tried_again(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    first = writers.start([make_sum("first")])[0]
    with monkeypatch.context() as brief:
        brief.setattr(deadline, "ANSWER_SECONDS", 2)
        late = writers.pool.submit(writers.grouped.add, [make_sum("late")])
        until(lambda: len(writers.grouped._waiting) == 1)
    leader = writers.pool.submit(writers.grouped.add, [make_sum("b")], [make_delivery("held")])
    until(lambda: len(writers.grouped._waiting) == 2)
    writers.gate.holds = "held"

    writers.gate.passes.release()
    with pytest.raises(OutcomeUnknown):
        late.result(SECONDS)
    writers.gate.open()

    first.result()
    with pytest.raises(StoreUnavailable):
        leader.result()
    assert writers.gate.commits == [[make_sum("first")]]


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_large_batch_does_not_wait_for_ever_for_those_ahead(
    sum_store: SumStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "LARGE", 1)
    writers = Writers(sum_store, 2)
    (first,) = writers.start([make_sum("first")])
    monkeypatch.setattr(deadline, "ANSWER_SECONDS", 0.1)

    with pytest.raises(StoreUnavailable):
        writers.pool.submit(writers.grouped.add, [make_sum("late")]).result(SECONDS)
    writers.gate.open()

    first.result()
    assert writers.gate.commits == [[make_sum("first")]]


def test_nobody_waits_longer_for_a_server_that_hangs_than_for_one_answer(
    other_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(other_server.url)
    store.clear()
    grouped = GroupCommit(store, store.writers)
    monkeypatch.setattr(deadline, "ANSWER_SECONDS", 2)
    outcomes: dict[str, tuple[type, float]] = {}

    def add(name: str, deliveries: Sequence[Delivery], rows: int) -> None:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable) as caught:
            grouped.add([make_sum(name, f"to-{number:05}") for number in range(rows)], deliveries)
        outcomes[name] = caught.type, time.monotonic() - started

    with other_server.frozen_whole(), ThreadPoolExecutor(16) as pool:
        for number in range(8):
            pool.submit(add, f"small-{number}", [make_delivery(str(number))] if number % 2 else (), 1)
            pool.submit(add, f"large-{number}", (), LARGE)
    with psycopg.connect(other_server.url, autocommit=True) as admin:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'flows'"
        until(lambda: admin.execute(asked).fetchone() == (0,))

    assert len(outcomes) == 16
    # Two seconds, one for the cancel, and room for a busy machine; two waits in a row, each with a connect, take 14.
    assert max(seconds for _, seconds in outcomes.values()) < 9
    monkeypatch.undo()
    stored = {row[1] for row in store.read(1, 0, 1_000).sums}
    assert stored <= {name for name, (kind, _) in outcomes.items() if kind is OutcomeUnknown}
    store.close()


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
