"""A pool lends each connection to one thread at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor

from storage.pool import Pool


class Made:
    """A connection that tells whether it is open."""

    def __init__(self) -> None:
        self.open = True

    def close(self) -> None:
        self.open = False


def test_the_last_connection_given_back_is_the_first_taken() -> None:
    pool = Pool(Made)
    first, second = pool.take(), pool.take()
    pool.give(first)
    pool.give(second)

    assert first is not second
    assert pool.take() is second
    assert pool.take() is first


def test_no_connection_is_with_two_threads_and_there_are_no_more_than_threads() -> None:
    made: list[Made] = []
    together = threading.Barrier(8)
    taken: list[list[Made]] = []

    def connect() -> Made:
        made.append(Made())
        return made[-1]

    pool = Pool(connect)

    def use(_: int) -> None:
        mine = []
        for _ in range(50):
            connection = pool.take()
            mine.append(connection)
            # Until all eight have one.
            together.wait(60)
            pool.give(connection)
            together.wait(60)
        taken.append(mine)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(8)))
    assert len(made) == 8
    assert all(len(set(map(id, round_))) == 8 for round_ in zip(*taken, strict=True))


def test_clear_closes_what_is_idle_and_leaves_what_is_lent() -> None:
    pool = Pool(Made)
    lent, idle = pool.take(), pool.take()
    pool.give(idle)

    pool.clear()

    assert (lent.open, idle.open) == (True, False)
    pool.give(lent)
    assert pool.take() is lent


def test_a_connection_given_back_after_the_close_is_closed() -> None:
    pool = Pool(Made)
    lent = pool.take()
    pool.close()

    pool.give(lent)

    assert not lent.open
