"""Hours as ISO 8601 times in UTC, in a member of their own beside the hour: ``time=iso``."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from handlers.record import SECONDS_AN_HOUR

_FIRST_AFTER = int(datetime(9999, 12, 31, 23, tzinfo=UTC).timestamp()) // SECONDS_AN_HOUR + 1
"""The first hour of the year 10000, for which ISO 8601 has no four digits."""


def with_times(members: tuple[str, ...], rows: list[Any]) -> tuple[tuple[str, ...], list[Any]]:
    """Add the member ``time`` after ``hour``, which is one of the members; None beyond the year 9999."""
    at = members.index("hour") + 1
    timed = [(*row[:at], iso_time(row[at - 1]), *row[at:]) for row in rows]
    return (*members[:at], "time", *members[at:]), timed


@lru_cache(maxsize=1_024)
def iso_time(hour: int) -> str | None:
    """Write an hour since the Unix epoch as ``2026-11-24T07:00:00Z``; None beyond the year 9999."""
    if hour >= _FIRST_AFTER:
        return None
    return datetime.fromtimestamp(hour * SECONDS_AN_HOUR, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
