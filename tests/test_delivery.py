"""Deliveries, the same on every engine and behind group commit: each is counted once."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

import storage.delivery
from handlers.record import MAX_INTEGER, AlreadyDelivered, FlowStore, SumTooLarge
from storage import SumStore, open_store
from storage.delivery import Pruning
from storage.group_commit import GroupCommit
from tests.factories import make_delivery, make_sum

HOUR = 3_600


def kept(store: SumStore) -> list[str]:
    """Read the keys of the deliveries that are stored."""
    with store._engine.writing() as connection:
        return [key for (key,) in connection.execute("SELECT key FROM delivery ORDER BY key").fetchall()]


@pytest.mark.parametrize("count", [0, 1, 300, 3_000])
def test_a_delivery_that_comes_again_is_known_with_its_answer_and_counts_nothing(store: FlowStore, count: int) -> None:
    sums = [make_sum(f"app-{number:04}") for number in range(count)]
    delivery = make_delivery(answer=b'{"accepted":1}')
    store.add(sums, [delivery])

    with pytest.raises(AlreadyDelivered) as caught:
        store.add(sums, [delivery._replace(answer=b"another")])

    assert caught.value.found == {delivery.name: delivery}
    assert store.read(1, 0, count + 1)[:2] == (count, sums)


def test_what_was_sent_before_under_a_key_is_told(store: FlowStore) -> None:
    store.add([make_sum()], [make_delivery(fingerprint=b"\x00first\xff")])

    with pytest.raises(AlreadyDelivered) as caught:
        store.add([make_sum("other")], [make_delivery(fingerprint=b"second")])

    assert [delivery.fingerprint for delivery in caught.value.found.values()] == [b"\x00first\xff"]
    assert store.read(1, 0, 10).sums == [make_sum()]


def test_another_key_or_another_scope_is_another_delivery(store: FlowStore) -> None:
    for delivery in (make_delivery("a"), make_delivery("b"), make_delivery("a", scope="agent")):
        store.add([make_sum()], [delivery])

    assert store.read(1, 0, 10).sums == [make_sum(records=3, bytes_rx=900, bytes_tx=300)]


def test_a_batch_that_is_refused_leaves_no_delivery(store: FlowStore) -> None:
    with pytest.raises(SumTooLarge):
        store.add([make_sum(bytes_tx=MAX_INTEGER + 1)], [make_delivery()])

    store.add([make_sum()], [make_delivery()])

    assert store.read(1, 0, 10)[:2] == (1, [make_sum()])


@pytest.mark.parametrize("count", [1, 3_000])
def test_a_delivery_is_known_though_its_sums_would_not_fit_a_second_time(store: FlowStore, count: int) -> None:
    sums = [make_sum(f"app-{number:04}", bytes_tx=MAX_INTEGER // 2 + 1) for number in range(count)]
    store.add(sums, [make_delivery()])

    with pytest.raises(AlreadyDelivered):
        store.add(sums, [make_delivery()])


def test_of_several_deliveries_only_the_known_ones_are_told_and_nothing_is_stored(sum_store: SumStore) -> None:
    sum_store.add([make_sum("a")], [make_delivery("a")])

    with pytest.raises(AlreadyDelivered) as caught:
        sum_store.add([make_sum("b")], [make_delivery("b"), make_delivery("a"), make_delivery("c")])

    assert list(caught.value.found) == [("", "a")]
    assert kept(sum_store) == ["a"]
    assert sum_store.read(1, 0, 10).sums == [make_sum("a")]


@pytest.mark.parametrize("grouped", [False, True])
def test_of_many_that_come_at_once_through_many_stores_one_counts(
    sum_store: SumStore, database_url: str, grouped: bool
) -> None:
    with closing(open_store(database_url)) as other:
        stores = [GroupCommit(each, each.writers) if grouped else each for each in (sum_store, other)]

        def send(number: int) -> bool:
            try:
                stores[number % 2].add([make_sum(bytes_rx=1)], [make_delivery(f"key-{number // 8}")])
            except AlreadyDelivered:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            counted = list(pool.map(send, range(400)))

    assert sum(counted) == 50
    assert [sum(counted[start : start + 8]) for start in range(0, 400, 8)] == [1] * 50
    assert sum_store.read(1, 0, 10).sums[0][4:6] == (50, 50)


def test_old_deliveries_are_removed_as_others_come_and_younger_ones_stay(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000_000.0]
    for clock in ("time.time", "time.monotonic"):
        monkeypatch.setattr(clock, lambda: now[0])
    monkeypatch.setattr(storage.delivery, "PRUNE_EVERY_SECONDS", 0)
    with closing(open_store(database_url, idempotency_hours=2)) as store:
        for key in ("a", "b", "c"):
            store.add([make_sum()], [make_delivery(key)])
            now[0] += HOUR

        store.add([make_sum()], [make_delivery("d")])

        # "a" is three hours old, "b" just two.
        assert kept(store) == ["b", "c", "d"]
        store.add([make_sum()], [make_delivery("a")])
        assert store.read(1, 0, 10).sums[0][4] == 5


@pytest.mark.parametrize("hours", [-10, 10])
def test_a_clock_that_is_moved_removes_nothing(database_url: str, hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr(storage.delivery, "PRUNE_EVERY_SECONDS", 0)
    with closing(open_store(database_url, idempotency_hours=1)) as store:
        store.add([make_sum()], [make_delivery("a")])
        now[0] += hours * HOUR
        store.add([make_sum()], [make_delivery("b")])
        now[0] -= hours * HOUR
        store.add([make_sum()], [make_delivery("c")])

        assert kept(store) == ["a", "b", "c"]
        with pytest.raises(AlreadyDelivered):
            store.add([make_sum()], [make_delivery("a")])


def test_more_are_removed_than_come_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    pruning = Pruning(24)

    assert pruning.due(1) is not None
    assert pruning.due(500) is None
    clock[0] += 1
    due = pruning.due(1_000)
    assert due is not None
    assert due[1] >= 2 * 1_500
    clock[0] += 1
    due = pruning.due(1_000_000)
    assert due is not None
    assert due[1] <= 10_000
    pruning.rest(HOUR)
    clock[0] += HOUR - 1
    assert pruning.due(1) is None


def test_a_delivery_can_be_looked_up(store: FlowStore) -> None:
    delivery = make_delivery(scope="agent", fingerprint=b"\x00\xff")
    store.add([make_sum()], [delivery])

    assert store.find("agent", "key-1") == delivery
    assert store.find("", "key-1") is None


def test_many_that_prune_at_once_remove_all_and_disturb_nobody(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1_000_000.0]
    for clock in ("time.time", "time.monotonic"):
        monkeypatch.setattr(clock, lambda: now[0])
    monkeypatch.setattr(storage.delivery, "PRUNE_EVERY_SECONDS", 0)
    with closing(open_store(database_url, idempotency_hours=1)) as store:
        store.add([make_sum()], [make_delivery(f"old-{number:05}") for number in range(3_000)])
        now[0] += 2 * HOUR

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda n: store.add([make_sum()], [make_delivery(f"new-{n:02}")]), range(60)))

        assert kept(store) == [f"new-{number:02}" for number in range(60)]
    assert "cannot be removed" not in caplog.text


def test_clear_removes_deliveries_too(sum_store: SumStore) -> None:
    sum_store.add([make_sum()], [make_delivery()])

    sum_store.clear()

    assert kept(sum_store) == []
