"""Threads for requests: so many for POSTs, some for everything else, and a bound on what waits for one."""

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from handlers.routes import ROUTES

if TYPE_CHECKING:
    from local.channel import Channel

LARGE_BODY = 1 << 20
"""Bytes from which a POST is large: what it takes in memory is many times that."""

LARGE_AT_ONCE = 4
PACKED = 32
"""How many times longer than it is a packed body is taken for."""

SPARE = 4
"""The least number of threads that POSTs cannot have."""

OPEN = 2
OPEN_PATHS = frozenset(route.path for route in ROUTES if route.role == "")
"""Whoever asks whether the service is alive shall not wait behind those who ask a store that hangs."""

PATIENCE_SECONDS = 2.0
LARGE_PATIENCE_SECONDS = 5.0
WAIT_SECONDS = 10.0
"""How long a request waits at most, however well it goes with those before it."""

logger = logging.getLogger(__name__)


def others_at_once(threads: int) -> int:
    """Tell how many requests other than POSTs are worked on at once, beside so many POSTs."""
    return max(SPARE, threads // 4)


class _Lane:
    """Requests of one kind: at most so many are worked on at once, the others wait without a thread."""

    __slots__ = ("behind", "busy", "freed", "held", "most", "name", "patience", "room", "waiting")

    def __init__(self, name: str, most: int, room: float, patience: float = PATIENCE_SECONDS) -> None:
        self.name = name
        self.most = most
        self.room = room
        self.patience = patience
        # Threads of it, also those on their way to a request; and requests of it, waiting and worked on.
        self.busy = self.held = 0
        self.behind = False
        # When one that waited last had its turn.
        self.freed = 0.0
        self.waiting: deque[tuple[Channel, float]] = deque()

    def give_up(self, now: float) -> "list[Channel]":
        """Take out those that have waited too long: all of them, when no thread at all comes free."""
        if self.waiting and now - max(self.freed, self.waiting[0][1]) > self.patience:
            self.behind = True
        refused = []
        while self.waiting and (self.behind or now - self.waiting[0][1] > WAIT_SECONDS):
            refused.append(self.waiting.popleft()[0])
        self.held -= len(refused)
        return refused


class _Worker(threading.Thread):
    """A thread that answers the requests of the lane it has been woken for, until there is none."""

    def __init__(self, dispatcher: "Dispatcher", number: int) -> None:
        super().__init__(name=f"request-{number}", daemon=True)
        self.lane: _Lane
        self.turn = threading.Lock()
        self.turn.acquire()
        self._dispatcher = dispatcher

    def run(self) -> None:
        self.turn.acquire()
        done = 0
        while not self._dispatcher.ended:
            channel, done = self._dispatcher.next_for(self, done), 0
            if channel is None:
                self.turn.acquire()
            else:
                _serve(channel)
                done = 1


class Dispatcher:
    """Takes waitress's dispatcher's place: hands each connection with a received request to a thread, or refuses it.

    The thread that was idle last is the next to be woken, by a bare lock of its own: cheaper than a condition that all
    of them wait on. What is refused is answered by the server's loop, since threads are what is missing.
    """

    def __init__(self, threads: int, max_waiting: int) -> None:
        """Start ``threads`` for POSTs, and others for large POSTs and for everything else."""
        self._posts = _Lane("POSTs", threads, max_waiting)
        self._large = _Lane("large POSTs", min(LARGE_AT_ONCE, threads), max_waiting, LARGE_PATIENCE_SECONDS)
        # As many of these wait as there are connections.
        self._others = _Lane("requests other than POSTs", others_at_once(threads), float("inf"))
        self._open = _Lane("open requests", OPEN, float("inf"))
        self._lanes = (self._posts, self._large, self._others, self._open)
        self._lock = threading.Lock()
        self._draining = False
        self.ended = False
        self._refused: deque[Channel] = deque()
        # As many as can be busy, so whenever a lane has a place free there is an idle one.
        self._workers = [_Worker(self, number) for number in range(sum(lane.most for lane in self._lanes))]
        self._idle = list(self._workers)
        for worker in self._workers:
            worker.start()

    def add_task(self, channel: "Channel") -> None:
        """Have a connection's first request answered: now, when a thread comes free, or by a refusal."""
        lane = self._lane_of(channel)
        with self._lock:
            free = lane.busy < lane.most
            if not (free or self._draining) and (lane.behind or lane.held >= lane.most + lane.room):
                self._refused.append(channel)
                return
            lane.held += 1
            lane.waiting.append((channel, time.monotonic()))
            if free:
                lane.busy += 1
                worker = self._idle.pop()
                worker.lane = lane
                worker.turn.release()

    def next_for(self, worker: _Worker, done: int) -> "Channel | None":
        """Take the next request of a worker's lane, ``done`` with one or none; without one it is idle from here on."""
        lane = worker.lane
        with self._lock:
            lane.behind = False
            lane.held -= done
            if lane.waiting:
                channel, _ = lane.waiting.popleft()
                if lane.waiting:
                    # The others' patience begins anew.
                    lane.freed = time.monotonic()
                return channel
            lane.busy -= 1
            self._idle.append(worker)
            return None

    def answer_refused(self) -> None:
        """Answer what has been refused; for the server's loop, after each of its turns."""
        while self._refused:
            channel = self._refused.popleft()
            channel.refuse()
            _serve(channel)

    def look(self, now: float) -> None:
        """Refuse what has waited too long; for the server's loop, now and then."""
        for lane in self._lanes:
            with self._lock:
                refused = lane.give_up(now)
                self._refused.extend(refused)
            if refused:
                logger.warning("%d %s waited too long and are refused", len(refused), lane.name)

    def drain(self) -> None:
        """Let whatever comes from here on wait: a server that stops takes in all it has been sent, in one go."""
        self._draining = True

    def shutdown(self, timeout: float) -> None:
        """End the threads, waiting a while for those that are busy, and drop what waits."""
        with self._lock:
            self.ended = True
            left = [channel for lane in self._lanes for channel, _ in lane.waiting]
            for lane in self._lanes:
                lane.waiting.clear()
            for worker in self._idle:
                worker.turn.release()
        for channel in left:
            channel.cancel()
        deadline = time.monotonic() + timeout
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))

    def _lane_of(self, channel: "Channel") -> _Lane:
        request = channel.requests[0]
        if request.command != "POST" or request.error is not None:
            return self._open if request.path in OPEN_PATHS else self._others
        length = request.body_bytes_received
        if "CONTENT_ENCODING" in request.headers:
            length *= PACKED
        return self._posts if length <= LARGE_BODY else self._large


def _serve(channel: "Channel") -> None:
    try:
        channel.service()
    except BaseException:  # as waitress does: a thread outlives whatever one request does to it
        logger.exception("a request could not be answered")
