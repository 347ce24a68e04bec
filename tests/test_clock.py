"""The clock by which deliveries are kept, while the system's is moved."""

import pytest

from storage.clock import Clock

DAY = 86_400


class Hands:
    """Both clocks of the system, to be moved."""

    def __init__(self) -> None:
        self.system, self.ticks = 1_000_000.0, 50.0

    def pass_by(self, seconds: float) -> None:
        self.system += seconds
        self.ticks += seconds


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    made = Hands()
    monkeypatch.setattr("time.time", lambda: made.system)
    monkeypatch.setattr("time.monotonic", lambda: made.ticks)
    return made


def test_the_time_is_the_systems_as_long_as_nobody_moves_it(hands: Hands) -> None:
    clock = Clock(DAY)

    hands.pass_by(5_000)

    assert clock.latest() == clock.earliest() == 1_005_000


@pytest.mark.parametrize(("moved", "earliest", "latest"), [(DAY, 1_000_010, 1_086_410), (-DAY, 913_610, 1_000_010)])
def test_a_clock_that_is_moved_errs_on_the_side_of_keeping(
    hands: Hands, moved: int, earliest: int, latest: int
) -> None:
    clock = Clock(DAY)
    hands.system += moved
    hands.pass_by(10)

    assert (clock.earliest(), clock.latest()) == (earliest, latest)

    hands.system -= moved
    assert clock.earliest() == clock.latest() == 1_000_010


@pytest.mark.parametrize("moved", [400 * DAY, -400 * DAY])
def test_a_clock_that_stays_where_it_was_moved_to_is_believed_once_all_before_is_old(hands: Hands, moved: int) -> None:
    clock = Clock(DAY)
    hands.system += moved
    assert clock.earliest() != clock.latest()

    hands.pass_by(DAY + 1)

    assert clock.earliest() == clock.latest() == 1_000_000 + moved + DAY + 1
