"""Threads for requests: so many for POSTs, some for everything else, and a bound on what waits for one."""

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from handlers.compression import unpacks_beyond
from handlers.routes import ROUTES
from local.turns import WAITING, turns_at_once

if TYPE_CHECKING:
    from local.channel import Channel, _Parser

LARGE_BODY = 1 << 18
"""Bytes, unpacked, from which a POST is large: what it takes in memory is about seven times that."""

LARGE_AT_ONCE = 4
LARGE_BYTES = 1 << 25
"""Bytes, unpacked, of the large POSTs worked on at once; one that is longer, or whose length is not known, is alone."""

TABLE_WEIGHT = 8
"""How many times longer than it is a CSV body counts: its rows are as many records as so much JSON."""

SMALL_BODY = LARGE_BODY // TABLE_WEIGHT
"""Bytes up to which a POST is not large, whatever its type."""

SPARE = 4
"""The least number of threads that POSTs cannot have."""

OPEN = 2
OPEN_PATHS = frozenset(route.path for route in ROUTES if route.role == "")
"""Whoever asks whether the service is alive shall not wait behind those who ask a store that hangs."""

PATIENCE_SECONDS = 2.0
LARGE_PATIENCE_SECONDS = 5.0
REFUSING_SECONDS = 0.02
WAIT_SECONDS = 10.0
"""How long a request waits at most, however well it goes with those before it."""

logger = logging.getLogger(__name__)


def others_at_once(threads: int) -> int:
    """Tell how many requests other than POSTs are worked on at once, beside so many POSTs."""
    return max(SPARE, threads // 4)


class _Lane:
    """Requests of one kind: at most so many are worked on at once, the others wait without a thread."""

    __slots__ = ("behind", "busy", "freed", "held", "most", "name", "patience", "room", "used", "waiting")

    def __init__(self, name: str, most: int, room: float, patience: float = PATIENCE_SECONDS) -> None:
        self.name = name
        self.most = most
        self.room = room
        self.patience = patience
        # Bytes of the large requests that are worked on; others count none.
        self.used = 0
        # Threads of it, also those on their way to a request; and requests of it, waiting and worked on.
        self.busy = self.held = 0
        self.behind = False
        # When one that waited last had its turn.
        self.freed = 0.0
        self.waiting: deque[tuple[Channel, float, int]] = deque()

    def fits(self) -> bool:
        """Return whether the memory budget leaves room for the first waiting request."""
        return not self.used or self.used + self.waiting[0][2] <= LARGE_BYTES

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
        self.used = 0
        self.turn = threading.Lock()
        self.turn.acquire()
        self._dispatcher = dispatcher

    def step_aside(self) -> bool:
        """Let another request have this one's place; see the dispatcher."""
        return self._dispatcher.step_aside(self)

    def run(self) -> None:
        self.turn.acquire()
        done = 0
        while not self._dispatcher.ended:
            channel, done = self._dispatcher.next_for(self, done), 0
            if channel is None:
                self.turn.acquire()
                continue
            if not self._dispatcher.moved(channel, self.lane):
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
        # Nothing is put into this one: what turns out to be long goes on in it, and leaves its place to others.
        self._long = _Lane("long questions", turns_at_once() + WAITING, 0)
        self._lanes = (self._posts, self._large, self._others, self._open, self._long)
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
        self._add(channel, *self._lane_of(channel))

    def _add(self, channel: "Channel", lane: _Lane, size: int) -> None:
        with self._lock:
            free = lane.busy < lane.most
            if not (free or self._draining) and (lane.behind or lane.held >= lane.most + lane.room):
                self._refused.append(channel)
                return
            lane.held += 1
            lane.waiting.append((channel, time.monotonic(), size))
            if free and lane.fits():
                self._wake(lane)

    def _wake(self, lane: _Lane) -> None:
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
            lane.used -= worker.used
            worker.used = 0
            if lane.waiting and lane.fits():
                channel, _, worker.used = lane.waiting.popleft()
                lane.used += worker.used
                if lane.waiting:
                    # The others' patience begins anew.
                    lane.freed = time.monotonic()
                    # One large request may have made room for several.
                    if worker.used and lane.busy < lane.most and lane.fits():
                        self._wake(lane)
                return channel
            lane.busy -= 1
            self._idle.append(worker)
            return None

    def moved(self, channel: "Channel", lane: _Lane) -> bool:
        """Let a packed POST wait for its turn among the large ones, where it turns out to be one."""
        request = channel.requests[0]
        if lane is not self._posts or "CONTENT_ENCODING" not in request.headers:
            return False
        stream = request.get_body_stream()
        body = stream.read()
        stream.seek(0)
        if not unpacks_beyond(body, request.headers["CONTENT_ENCODING"], LARGE_BODY // _weight(request)):
            return False
        self._add(channel, self._large, LARGE_BYTES)
        # It may have been refused, which the server's loop is to see.
        channel.server.pull_trigger()
        return True

    def step_aside(self, worker: _Worker) -> bool:
        """Let another request have a worker's place; return whether there is a thread for that."""
        with self._lock:
            left, lane = worker.lane, self._long
            if left is lane:
                return True
            if lane.busy == lane.most:
                return False
            left.busy -= 1
            left.held -= 1
            lane.busy += 1
            lane.held += 1
            worker.lane = lane
            if left.waiting and left.fits():
                self._wake(left)
            return True

    def answer_refused(self) -> bool:
        """Answer what has been refused; for the server's loop, after each of its turns. Returns whether more is left.

        The loop does not do so for long: each body is a file to be removed, and 25 of 64 MiB take up to a second.
        """
        ends = time.monotonic() + REFUSING_SECONDS
        while self._refused and time.monotonic() < ends:
            channel = self._refused.popleft()
            channel.refuse()
            _serve(channel)
        return bool(self._refused)

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
            left = [channel for lane in self._lanes for channel, *_ in lane.waiting]
            for lane in self._lanes:
                lane.waiting.clear()
            for worker in self._idle:
                worker.turn.release()
        for channel in left:
            channel.cancel()
        deadline = time.monotonic() + timeout
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))

    def _lane_of(self, channel: "Channel") -> tuple[_Lane, int]:
        """Choose a request's lane, and say how many bytes of its memory it takes; a packed one may yet be moved."""
        request = channel.requests[0]
        if request.command != "POST" or request.error is not None:
            return (self._open if request.path in OPEN_PATHS else self._others), 0
        if request.body_bytes_received <= SMALL_BODY:
            return self._posts, 0
        size = request.body_bytes_received * _weight(request)
        if size <= LARGE_BODY:
            return self._posts, 0
        return self._large, LARGE_BYTES if "CONTENT_ENCODING" in request.headers else size


def step_aside() -> bool:
    """Go on with a request that takes long beside those of its kind; return whether there is a thread for that."""
    worker = threading.current_thread()
    return not isinstance(worker, _Worker) or worker.step_aside()


def _weight(request: "_Parser") -> int:
    return TABLE_WEIGHT if request.headers.get("CONTENT_TYPE", "").lower().startswith("text/csv") else 1


def _serve(channel: "Channel") -> None:
    try:
        channel.service()
    except BaseException:  # as waitress does: a thread outlives whatever one request does to it
        logger.exception("a request could not be answered")
