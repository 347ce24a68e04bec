"""Turns for long questions: a few at once, of each kind fewer, and no more waiting than there are threads for."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from os import cpu_count

from handlers.record import TooManyQuestions

WAITING_OF_A_KIND = 8
WAITING = 32
WAIT_SECONDS = 20.0
"""How long a question waits for its turn before it is refused."""


def turns_at_once() -> int:
    """Return how many long queries run at once: one per processor, and at least two."""
    return max(2, cpu_count() or 1)


class Turns:
    """Hands out turns: many questions of one kind wait for each other, and those of other kinds not for them.

    At most half of the turns are of one kind. Of the kinds that wait, the one that took the least time when it had its
    last turn comes first.
    """

    def __init__(self, at_once: int, step_aside: Callable[[], bool] = lambda: True) -> None:
        """Begin with every turn free; ``step_aside`` returns whether there is a thread for one more long query."""
        self._at_once = at_once
        self._step_aside = step_aside
        self._lock = threading.Lock()
        self._running: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, deque[threading.Lock]] = {}
        # Kinds are few: what questions are about, not what they ask of it.
        self._seconds: dict[Hashable, float] = {}

    @contextmanager
    def turn(self, kind: Hashable) -> Iterator[None]:
        """Wait for a turn, and have it for as long as the context lasts. Raises TooManyQuestions."""
        self._take(kind)
        began = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._running[kind] -= 1
                self._seconds[kind] = time.monotonic() - began
                self._start()

    def _take(self, kind: Hashable) -> None:
        mine = threading.Lock()
        mine.acquire()
        with self._lock:
            same = self._waiting.get(kind, ())
            free = self._fits(kind) and not same
            crowded = len(same) >= WAITING_OF_A_KIND or sum(map(len, self._waiting.values())) >= WAITING
            if (crowded and not free) or not self._step_aside():
                raise TooManyQuestions
            self._waiting.setdefault(kind, deque()).append(mine)
            self._start()
        if not mine.acquire(timeout=WAIT_SECONDS):
            self._give_up(kind, mine)

    def _give_up(self, kind: Hashable, mine: threading.Lock) -> None:
        """Leave the queue, unless the turn has come at this very moment."""
        with self._lock:
            queue = self._waiting.get(kind, deque())
            if mine in queue:
                queue.remove(mine)
                if not queue:
                    del self._waiting[kind]
                raise TooManyQuestions

    def _fits(self, kind: Hashable) -> bool:
        return self._running.total() < self._at_once and self._running[kind] < self._at_once // 2

    def _start(self) -> None:
        """Let as many go on as fit, those first that are likely to take the least time."""
        for kind in sorted(self._waiting, key=lambda kind: self._seconds.get(kind, 0.0)):
            queue = self._waiting[kind]
            while queue and self._fits(kind):
                self._running[kind] += 1
                queue.popleft().release()
            if not queue:
                del self._waiting[kind]
