"""Group commit: while one commit is being synced, the batches that arrive gather, and go in together as the next."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from handlers.question import Found, HourPage, Hours, HourTotal, Question, Row, StoreSize
from handlers.record import (
    AlreadyDelivered,
    Delivery,
    FlowStore,
    FlowSum,
    OutcomeUnknown,
    StoreUnavailable,
)
from storage import deadline

MAX_GROUP_SUMS = 100_000
"""Sums that end a group: a large batch gains nothing from company, and memory should stay bounded."""

LARGE = 2_000
"""Sums from which a batch goes beside the groups, where the store takes several writers.

Small batches gain by company, and lose by it when several lead: measured on PostgreSQL, POSTs of 10 records from 64
connections, 3,400 a second with one leader, 2,800 with four.
"""


class _Batch:
    """A batch on its way to disk, and the thread that waits for it."""

    __slots__ = ("abandoned", "deadline", "deliveries", "error", "settled", "sums", "turn")

    def __init__(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery]) -> None:
        self.sums = sums
        self.deliveries = deliveries
        self.deadline = deadline.from_now()
        self.settled = False
        self.abandoned = False
        self.error: Exception | None = None
        # A bare lock costs a tenth of an Event, and one thread waits for it at most once.
        self.turn = threading.Lock()
        self.turn.acquire()


class GroupCommit:
    """A FlowStore that wraps another: each ``add`` returns once its batch is on disk, many batches a transaction.

    The first thread to come leads: it commits whatever has gathered, wakes those it committed for, and hands the
    lead to one that has come since. The method is old: DeWitt et al., "Implementation techniques for main memory
    database systems", SIGMOD 1984.

    No thread waits longer than ANSWER_SECONDS in all. A batch that is still queued then is withdrawn.
    """

    def __init__(
        self, store: FlowStore, writers: int = 1, observe: Callable[[int, float], None] = lambda _, __: None
    ) -> None:
        """Wrap a store that takes ``writers`` at the same time: one for the groups, the others for large batches.

        ``observe`` is called with the batches, and the seconds, of each transaction that was committed.
        """
        self._store = store
        self._observe = observe
        self._beside = threading.Semaphore(writers - 1) if writers > 1 else None
        self._lock = threading.Lock()
        self._waiting: deque[_Batch] = deque()
        self._led = False

    def add(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery] = ()) -> None:
        """Add a batch; see FlowStore. A batch that cannot be stored fails alone."""
        if self._beside is not None and len(sums) >= LARGE:
            self._add_beside(self._beside, sums, deliveries)
            return
        batch = _Batch(sums, deliveries)
        with self._lock:
            follows, self._led = self._led, True
            if follows:
                self._waiting.append(batch)
        if follows:
            self._wait(batch)
        if not batch.settled:
            self._lead(batch)
        if batch.error is not None:
            raise batch.error

    def read(self, hour: int, offset: int, limit: int) -> HourPage:
        """Read a part of an hour's sums; see FlowStore."""
        return self._store.read(hour, offset, limit)

    def hours(self, hours: Hours, offset: int, limit: int) -> tuple[int, list[HourTotal]]:
        """Read the kept totals of some hours; see FlowStore."""
        return self._store.hours(hours, offset, limit)

    def span(self) -> Hours | None:
        """Read the range from the first hour that has sums to the last; see FlowStore."""
        return self._store.span()

    def version(self, hours: Hours) -> str:
        """Tell the version of some hours; see FlowStore."""
        return self._store.version(hours)

    def find(self, scope: str, key: str) -> Delivery | None:
        """Find a delivery that is stored; see FlowStore."""
        return self._store.find(scope, key)

    def ask(self, question: Question) -> Found:
        """Answer a question; see FlowStore."""
        return self._store.ask(question)

    def stream(self, question: Question) -> Iterator[list[Row]]:
        """Answer with rows alone; see FlowStore."""
        return self._store.stream(question)

    def answers(self, seconds: float) -> bool:
        """Tell whether the wrapped store answers in time; see FlowStore."""
        return self._store.answers(seconds)

    def size(self) -> StoreSize:
        """Tell how large the wrapped store is; see FlowStore."""
        return self._store.size()

    def close(self) -> None:
        """Close the wrapped store; see FlowStore."""
        self._store.close()

    def _commit(self, sums: Sequence[FlowSum], deliveries: Sequence[Delivery], batches: int) -> None:
        started = time.perf_counter()
        self._store.add(sums, deliveries)
        self._observe(batches, time.perf_counter() - started)

    def _add_beside(
        self, writers: threading.Semaphore, sums: Sequence[FlowSum], deliveries: Sequence[Delivery]
    ) -> None:
        with deadline.until(deadline.from_now()):
            if not writers.acquire(timeout=deadline.ANSWER_SECONDS):
                raise StoreUnavailable("the large batches ahead took too long")
            try:
                self._commit(sums, deliveries, 1)
            finally:
                writers.release()

    def _wait(self, batch: _Batch) -> None:
        """Wait until a batch is settled, or has to lead. Raises StoreUnavailable or OutcomeUnknown when time is up."""
        if batch.turn.acquire(timeout=deadline.ANSWER_SECONDS):
            return
        with self._lock:
            if batch.settled or batch.turn.acquire(blocking=False):
                return
            batch.abandoned = True
            if batch in self._waiting:
                self._waiting.remove(batch)
                raise StoreUnavailable("the batches ahead took too long")
        raise OutcomeUnknown("the commit took too long")

    def _lead(self, own: _Batch) -> None:
        """Commit a group. The lead is handed over before the threads of the last transaction compete for the lock."""
        with deadline.until(own.deadline):
            left = [self._gather(own)]
            while left:
                settled, again = self._try(left.pop())
                left += again
                if not left:
                    self._hand_over()
                for batch in settled:
                    batch.turn.release()

    def _gather(self, own: _Batch) -> list[_Batch]:
        """Take from the queue's front as many as make a group with the leader's own batch."""
        group: list[_Batch] = []
        size = len(own.sums)
        with self._lock:
            while self._waiting and size < MAX_GROUP_SUMS:
                group.append(self._waiting.popleft())
                size += len(group[-1].sums)
        group.append(own)
        return group

    def _hand_over(self) -> None:
        with self._lock:
            if self._waiting:
                # The last to come has the most time left. Under the lock, or it could withdraw at the same time.
                self._waiting.pop().turn.release()
            else:
                self._led = False

    def _try(self, group: list[_Batch]) -> tuple[list[_Batch], list[list[_Batch]]]:
        """Commit a group in one transaction. Return the batches that it settles, and the groups to try, the next last.

        A group that is refused is halved until the batch to blame stands alone. Batches that have been delivered
        already are taken out of it. One that comes twice is committed, and then found so.
        """
        group, twice = _apart(group)
        parts = [group + twice]
        try:
            self._commit(_merge(group), [delivery for batch in group for delivery in batch.deliveries], len(group))
        except OutcomeUnknown as error:
            _end(group + twice, error)
        except StoreUnavailable as error:
            # Another may hold one of the keys: those without any shall not fail by it, if there is time for them.
            keyed = [batch for batch in group if batch.deliveries] + twice
            _end(keyed if keyed and deadline.left() > 0 else group + twice, error)
        except AlreadyDelivered as error:
            _end([batch for batch in group if _known(batch, error)], error)
        except Exception as error:  # whatever it is, it belongs to the threads that wait
            if len(group) == 1:
                _end(group, error)
            else:
                middle = len(group) // 2
                parts = [twice, group[middle:], group[:middle]]
        else:
            _end(group, None)
            if not twice:
                return group, []
        again = [[batch for batch in part if not (batch.settled or batch.abandoned)] for part in parts]
        return [batch for part in parts for batch in part if batch.settled], [part for part in again if part]


def _end(group: list[_Batch], error: Exception | None) -> None:
    for batch in group:
        batch.error = error
        batch.settled = True


def _known(batch: _Batch, error: AlreadyDelivered) -> bool:
    return any(delivery.name in error.found for delivery in batch.deliveries)


def _apart(group: list[_Batch]) -> tuple[list[_Batch], list[_Batch]]:
    """Part a group into batches whose deliveries differ, and those that come a second time."""
    names: set[tuple[str, str]] = set()
    first: list[_Batch] = []
    twice: list[_Batch] = []
    for batch in group:
        own = {delivery.name for delivery in batch.deliveries}
        (twice if own & names else first).append(batch)
        names |= own
    return first, twice


def _merge(group: list[_Batch]) -> Sequence[FlowSum]:
    """Make one batch of many: each key once, in key order. Sums of sums are sums."""
    if len(group) == 1:
        return group[0].sums
    merged: dict[tuple[int, str, str, str], tuple[int, int, int]] = {}
    for batch in group:
        for hour, src_app, dest_app, vpc_id, records, bytes_rx, bytes_tx in batch.sums:
            key = hour, src_app, dest_app, vpc_id
            n, rx, tx = merged.get(key, (0, 0, 0))
            merged[key] = n + records, rx + bytes_rx, tx + bytes_tx
    return [(*key, *merged[key]) for key in sorted(merged)]
