"""Keyed agents who repeat each batch until it is acknowledged, and what goes wrong under them."""

import http.client
import random
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.factories import from_json, make_flow, to_json
from tests.process import SECONDS, Running, running

HOURS = (1, 2)
AGENTS = 8
_PAUSE = 0.01
_NAMES = ("foo", "bar", "baz")

Sums = dict[tuple[int, str, str], tuple[int, int]]


def free_port() -> int:
    """Choose a port that a server may be given again and again.

    It is none of those that Linux gives to connections, one of which could take it while the server is down.
    """
    rng = random.SystemRandom()
    while True:
        port = rng.randrange(10_000, 30_000)
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return port


def add(sums: Sums, flows: Iterable[dict[str, Any]]) -> None:
    """Sum flow objects as the service should."""
    for flow in flows:
        key = flow["hour"], flow["src_app"], flow["dest_app"]
        rx, tx = sums.get(key, (0, 0))
        sums[key] = rx + flow["bytes_rx"], tx + flow["bytes_tx"]


def totals(sums: Sums) -> dict[int, tuple[int, int]]:
    """Add the sums of each hour up."""
    found: dict[int, tuple[int, int]] = {}
    for (hour, *_), (rx, tx) in sums.items():
        rx_before, tx_before = found.get(hour, (0, 0))
        found[hour] = rx_before + rx, tx_before + tx
    return found


def kept(server: Running) -> dict[int, tuple[int, int]]:
    """Read the totals of hours that the service keeps."""
    status, body = server.ask("GET", "/hours?size=1000")
    assert status == 200
    return {item["hour"]: (item["bytes_rx"], item["bytes_tx"]) for item in from_json(body)["items"]}


def stored(server: Running) -> Sums:
    """Read every sum that agents have added to."""
    sums: Sums = {}
    for hour in HOURS:
        add(sums, server.items(hour))
    return sums


def post_once(port: int, body: bytes, key: str) -> tuple[int, bool]:
    """Send a batch; give the status, and whether it was counted before. A connection that breaks has status 0."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("POST", "/flows", body, {"Idempotency-Key": f'"{key}"'})
        response = connection.getresponse()
        answer = from_json(response.read())
    except (OSError, http.client.HTTPException):
        return 0, False
    finally:
        connection.close()
    assert response.status in {201, 503}, answer
    return response.status, "Idempotency-Replayed" in response.headers


class Fleet:
    """Agents, each a thread with batches of its own over keys that all share; it knows what was acknowledged."""

    def __init__(self, ports: Sequence[int], seed: int = 1, agents: int = AGENTS) -> None:
        """Make agents that send to some ports in turn."""
        self.acknowledged = self.repeated = self.replayed = self.unavailable = self.kills = 0
        self.sums: Sums = {}
        self._ports = ports
        self._more = threading.Condition()
        self._ends, self._given_up = threading.Event(), threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._work, args=(seed, number)) for number in range(agents)]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def wait_for(self, batches: int) -> None:
        """Wait until so many more batches are acknowledged. Raises what an agent has met."""
        with self._more:
            wanted = self.acknowledged + batches
            assert self._more.wait_for(lambda: self._errors or self.acknowledged >= wanted, 2 * SECONDS), "they hang"
        self._check()

    def finish(self) -> None:
        """Let each agent end the batch that it is at. Raises what an agent has met."""
        self._ends.set()
        for thread in self._threads:
            thread.join(2 * SECONDS)
            assert not thread.is_alive(), "an agent hangs"
        self._check()

    def give_up(self) -> None:
        """End agents whatever they are at; those that have finished are gone already."""
        self._given_up.set()
        for thread in self._threads:
            thread.join(2 * SECONDS)

    def _check(self) -> None:
        if self._errors:
            raise self._errors[0]

    def _fail(self, error: BaseException) -> None:
        with self._more:
            self._errors.append(error)
            self._more.notify_all()

    def _work(self, seed: int, number: int) -> None:
        rng = random.Random(f"{seed} {number}")
        batch = 0
        try:
            while not (self._ends.is_set() or self._given_up.is_set()):
                flows = [_flow(rng) for _ in range(rng.randrange(1, 20))]
                replayed = self._deliver(rng, to_json(flows), f"{seed}-{number}-{batch}")
                with self._more:
                    self.acknowledged += 1
                    self.replayed += replayed
                    add(self.sums, flows)
                    self._more.notify_all()
                batch += 1
        except BaseException as error:
            self._fail(error)

    def _deliver(self, rng: random.Random, body: bytes, key: str) -> bool:
        """Send the same until it is acknowledged; tell whether it had been counted by an earlier try."""
        while not self._given_up.is_set():
            status, replayed = post_once(rng.choice(self._ports), body, key)
            if status == 201:
                return replayed
            self.repeated += 1
            self.unavailable += status == 503
            self._given_up.wait(_PAUSE)
        raise RuntimeError("given up")


def _flow(rng: random.Random) -> dict[str, Any]:
    return make_flow(
        hour=rng.choice(HOURS),
        src_app=rng.choice(_NAMES),
        dest_app=rng.choice(_NAMES),
        bytes_tx=rng.randrange(1_000),
        bytes_rx=rng.randrange(1_000),
    )


@contextmanager
def fleet(*ports: int, seed: int = 1, agents: int = AGENTS) -> Iterator[Fleet]:
    """Have agents send for as long as the block lasts; it ends with ``finish`` while a server runs."""
    made = Fleet(ports, seed, agents)
    made.start()
    try:
        yield made
    finally:
        made.give_up()


def kill_at_random(folder: Path, seed: int, moments: Iterable[object]) -> Fleet:
    """Kill a server under a fleet at so many random moments, and start it again on its port each time.

    Raises AssertionError unless its sums are then what was acknowledged.
    """
    rng = random.Random(seed)
    port = free_port()
    with fleet(port, seed=seed) as agents:
        for _ in moments:
            with running(folder, PORT=str(port)) as server:
                agents.wait_for(rng.randrange(1, 60))
                server.kill()
                agents.kills += 1
        with running(folder, PORT=str(port)) as server:
            agents.finish()
            assert stored(server) == agents.sums, f"seed {seed}"
            assert kept(server) == totals(agents.sums), f"seed {seed}"
    return agents
