"""Which hours are old: those of more than KEEP_HOURS ago, where an hour is one since the Unix epoch."""

from handlers.record import SECONDS_AN_HOUR


def oldest_kept(now_seconds: int, keep_hours: int) -> int:
    """Tell the first hour that is kept; with ``keep_hours`` 0 that is the first of all."""
    return max(0, now_seconds // SECONDS_AN_HOUR - keep_hours) if keep_hours else 0
