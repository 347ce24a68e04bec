"""Deadlines: how long the store may still wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from math import inf
from time import monotonic

import pytest

from storage import deadline


@contextmanager
def ending_in(seconds: float) -> Iterator[None]:
    with deadline.until(monotonic() + seconds):
        yield


def test_without_a_deadline_there_is_no_end() -> None:
    assert deadline.left() == inf


def test_an_inner_deadline_may_be_sooner_and_not_later() -> None:
    with ending_in(100):
        with ending_in(50):
            assert deadline.left() <= 50
        with ending_in(1_000):
            assert deadline.left() <= 100
        assert 50 < deadline.left() <= 100
    assert deadline.left() == inf


def test_a_deadline_ends_with_its_block_whatever_happens_there() -> None:
    with pytest.raises(ValueError, match="x"), ending_in(1):
        raise ValueError("x")

    assert deadline.left() == inf


def test_a_deadline_that_has_passed_leaves_less_than_nothing() -> None:
    with ending_in(-1):
        assert deadline.left() < 0


def test_a_thread_has_no_part_in_anothers_deadline_unless_it_runs_in_its_context() -> None:
    with ending_in(100):
        context = copy_context()

    assert deadline.left() == inf
    assert context.run(deadline.left) <= 100
