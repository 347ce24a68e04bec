"""A pool lends each connection to one thread at a time."""

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
    busy: set[int] = set()

    def connect() -> Made:
        made.append(Made())
        return made[-1]

    pool = Pool(connect)

    def use(_: int) -> bool:
        connection = pool.take()
        alone = id(connection) not in busy
        busy.add(id(connection))
        busy.remove(id(connection))
        pool.give(connection)
        return alone

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(use, range(2_000)))
    assert 1 <= len(made) <= 8


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
