"""Long questions take turns, and whatever is short is answered meanwhile."""

import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import local.store
import local.turns
from handlers.question import APP, KEY, WALK, Hours, Names, Question, Sort
from handlers.record import TooManyQuestions
from local.dispatcher import SPARE, step_aside
from local.store import LONG_ROWS, LocalStore, may_be_long
from local.turns import WAITING, WAITING_OF_A_KIND, Turns, turns_at_once
from storage import SumStore, open_store
from tests.factories import make_sum
from tests.process import SECONDS, raw_get, read_all, running
from tests.test_dispatcher import serving, status_of


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(WAITING + 2) as threads:
        yield threads


class Asker:
    """Takes turns in threads of its own, and keeps each until it is told."""

    def __init__(self, turns: Turns, pool: ThreadPoolExecutor) -> None:
        self.turns, self.pool = turns, pool
        self.begun: list[str] = []
        self.changed = threading.Condition()

    def ask(self, kind: str) -> "tuple[threading.Event, Future[None]]":
        over = threading.Event()

        def have() -> None:
            with self.turns.turn(kind):
                with self.changed:
                    self.begun.append(kind)
                    self.changed.notify_all()
                over.wait(SECONDS)

        return over, self.pool.submit(have)

    def wait_begun(self, *kinds: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.begun == list(kinds), SECONDS), self.begun

    def wait_waiting(self, count: int) -> None:
        pause = threading.Event()
        for _ in range(10 * SECONDS):
            if sum(map(len, self.turns._waiting.values())) == count:
                return
            pause.wait(0.1)
        raise AssertionError(self.turns._waiting)


def test_questions_of_one_kind_wait_for_each_other_and_others_do_not(pool: ThreadPoolExecutor) -> None:
    asker = Asker(Turns(2), pool)
    first, first_done = asker.ask("many")
    asker.wait_begun("many")
    second, second_done = asker.ask("many")
    asker.wait_waiting(1)

    other, other_done = asker.ask("other")
    asker.wait_begun("many", "other")
    first.set()
    asker.wait_begun("many", "other", "many")

    second.set()
    other.set()
    assert [done.result(SECONDS) for done in (first_done, second_done, other_done)] == [None] * 3


def test_the_kind_that_took_the_least_time_is_the_next(pool: ThreadPoolExecutor) -> None:
    asker = Asker(Turns(2), pool)
    asker.turns._seconds.update(long=9.0, short=0.1)
    held = [asker.ask("a"), asker.ask("b")]
    for waiting, kind in enumerate(("long", "long", "short"), start=1):
        asker.wait_waiting(waiting - 1)
        held.append(asker.ask(kind))
    asker.wait_waiting(3)

    held[0][0].set()
    with asker.changed:
        assert asker.changed.wait_for(lambda: len(asker.begun) == 3, SECONDS)

    assert asker.begun[2] == "short"
    for over, _ in held:
        over.set()
    assert [done.result(SECONDS) for _, done in held] == [None] * 5


def test_no_more_wait_than_may_of_a_kind_and_in_all(pool: ThreadPoolExecutor) -> None:
    asker = Asker(Turns(2), pool)
    held = [asker.ask("a"), asker.ask("b")]
    for number in range(WAITING):
        asker.wait_waiting(number)
        held.append(asker.ask("abcd"[number // WAITING_OF_A_KIND]))
        asker.wait_waiting(number + 1)
        if number == WAITING_OF_A_KIND - 1:
            with pytest.raises(TooManyQuestions), asker.turns.turn("a"):
                pass

    with pytest.raises(TooManyQuestions), asker.turns.turn("new"):
        pass
    for over, _ in held:
        over.set()
    assert [done.result(SECONDS) for _, done in held] == [None] * len(held)


def test_one_that_waits_too_long_is_refused_and_leaves_nothing_behind(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local.turns, "WAIT_SECONDS", 0.01)
    turns = Turns(2)

    with turns.turn("a"), pytest.raises(TooManyQuestions), turns.turn("a"):
        pass

    with turns.turn("a"):
        assert turns._waiting == {}


def test_where_there_is_no_thread_for_it_it_is_refused() -> None:
    turns = Turns(2, step_aside=lambda: False)

    with pytest.raises(TooManyQuestions), turns.turn("a"):
        pass


@pytest.mark.parametrize(
    ("question", "long"),
    [
        (Question(Hours(), members=()), False),
        (Question(Hours(), members=("hour",)), False),
        (Question(Hours(), order=tuple(map(Sort, WALK)), limit=50), False),
        (Question(Hours((1,)), order=tuple(map(Sort, KEY)), limit=50), False),
        (Question(Hours((1, 2)), order=tuple(map(Sort, KEY)), limit=50), True),
        (Question(Hours((1,)), order=tuple(Sort(name, True) for name in KEY), limit=50), True),
        (Question(Hours(), (("src_app", Names(("a",))),), order=tuple(map(Sort, WALK))), True),
        (Question(Hours(), members=(APP,)), True),
        (Question(Hours(), members=("hour",), both=True), True),
    ],
)
def test_what_reads_totals_or_goes_by_key_is_not_long(question: Question, long: bool) -> None:
    assert may_be_long(question) is long


def test_a_stream_gives_its_turn_back_with_its_first_rows(sum_store: SumStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.store, "LONG_ROWS", 0)
    monkeypatch.setattr(local.turns, "WAIT_SECONDS", 0.01)
    sum_store.add([make_sum(f"app-{number:04}") for number in range(2_000)])
    store = LocalStore(sum_store)
    question = Question(Hours(), members=("src_app",), order=(Sort("src_app"),))

    rows = store.stream(question)
    assert len(next(rows)) == 1_000

    assert len(store.ask(question).rows) == 2_000
    assert [len(chunk) for chunk in rows] == [1_000]


def test_what_steps_aside_leaves_its_thread_to_others_up_to_a_bound() -> None:
    most = turns_at_once() + WAITING
    full, over = threading.Semaphore(0), threading.Event()
    stepped: list[bool] = []

    def hold(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/flows":
            stepped.append(step_aside())
            full.release()
            if stepped[-1]:
                over.wait(SECONDS)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with serving(hold, threads=4) as here, ExitStack() as stack:
        address = ("127.0.0.1", here.port)
        opened = [stack.enter_context(socket.create_connection(address, SECONDS)) for _ in range(most + SPARE)]
        for connection in opened:
            connection.sendall(raw_get("/flows"))
        for _ in opened:
            assert full.acquire(timeout=SECONDS)

        with socket.create_connection(address, SECONDS) as page:
            page.sendall(raw_get("/hours"))
            assert status_of(read_all(page)) == 200
        over.set()

        assert [status_of(read_all(connection)) for connection in opened] == [200] * len(opened)
        assert stepped.count(True) == most


HEAVY = "/flows?from=0&group_by=src_app,dest_app,vpc_id&sort=bytes_rx"
ASKERS = 20
SHORT = (
    "/flows?hour=1",
    "/hours",
    "/flows?from=0&group_by=total",
    "/flows?from=0&group_by=hour&sort=-hour&size=744",
    "/flows?from=0&cursor=",
)
LONG = ("/graph?from=0&top=50", "/apps?from=0&top=10", "/flows?from=0&sort=-bytes_total&size=25&include=records")


def test_pages_and_a_dashboard_are_answered_while_many_clients_ask_for_much(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/flows.db"
    filled = open_store(url, 8, 24)
    for hour in (1, 2):
        filled.add([make_sum(f"app-{number:06}", hour=hour) for number in range(LONG_ROWS // 2 + 1)])
    filled.close()
    with running(tmp_path, DATABASE_URL=url) as server, ExitStack() as stack:
        heavy = [stack.enter_context(server.connect()) for _ in range(ASKERS)]
        for connection in heavy:
            connection.sendall(raw_get(HEAVY))

        short = [server.ask("GET", path)[0] for path in SHORT]
        unanswered = len(heavy) - len(select.select(heavy, [], [], 0)[0])
        long = [server.ask("GET", path)[0] for path in LONG]

        statuses = [status_of(read_all(connection)) for connection in heavy]
        assert short == [200] * len(SHORT)
        assert long == [200] * len(LONG)
        # One of them had its turn, perhaps two, and the others were still waiting for theirs.
        assert unanswered >= WAITING_OF_A_KIND - 1
        assert set(statuses) == {200, 503}
        assert statuses.count(503) <= ASKERS - WAITING_OF_A_KIND
