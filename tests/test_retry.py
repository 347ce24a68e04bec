"""Trying again: how often, after what, and for how long."""

from itertools import islice

import pytest

from storage.retry import LONGEST_PAUSE, pauses, retry


class Flaky:
    """Fails so many times, then answers how often it was called."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise ValueError(self.calls)
        return self.calls


def test_it_is_called_until_it_succeeds() -> None:
    assert retry(Flaky(3), lambda error: True, 60) == 4


def test_an_error_that_does_not_pass_is_raised_at_once() -> None:
    flaky = Flaky(3)

    with pytest.raises(ValueError, match="2"):
        retry(flaky, lambda error: error.args[0] < 2, 60)
    assert flaky.calls == 2


def test_when_the_time_is_up_the_last_error_is_raised() -> None:
    flaky = Flaky(1_000_000)

    with pytest.raises(ValueError, match=r"[0-9]+"):
        retry(flaky, lambda error: True, 0.05)
    assert 2 <= flaky.calls < 100


def test_the_first_pause_is_none_and_the_others_grow_to_a_bound_and_differ() -> None:
    several = [list(islice(pauses(), 40)) for _ in range(50)]

    assert {each[0] for each in several} == {0.0}
    assert len({each[5] for each in several}) > 40
    for number, bound in ((1, 0.01), (2, 0.02), (5, 0.16), (39, LONGEST_PAUSE)):
        assert bound / 4 < max(each[number] for each in several) <= bound
