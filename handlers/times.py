"""Hours in a query: as numbers, as ISO 8601 times and days that mean hours since the Unix epoch, or as the last few."""

import re
from datetime import UTC, datetime, timedelta

from handlers.query import Misread
from handlers.record import MAX_INTEGER

EXPECTED = (
    f"Expected an hour, as a whole number from 0 to {MAX_INTEGER} or a time from 1970 on such as 2026-11-24T07:00Z, "
    "or a day such as 2026-11-24"
)
EXPECTED_LAST = "Expected a number of hours, days or weeks such as last=24h, last=7d or last=4w"
HOURS_A_DAY = 24
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}(:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?)?"
# The days that there are from 1970 on: 31 in a month, 30, 28, and the 29th of February in leap years.
_YEAR = "(19[7-9][0-9]|[2-9][0-9]{3})"
_LEAP = "(19(7[26]|8[048]|9[26])|[2-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[3579][26])00)"
_DAY = (
    f"({_YEAR}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP}-02-29)"
)
_MINUTE = "[0-5][0-9]"
_CLOCK = f"([01][0-9]|2[0-3])(:{_MINUTE}(:{_MINUTE}([.,][0-9]{{1,9}})?)?)?"
_ZONE = f"(Z|[-+]([01][0-9]|2[0-3])(:?{_MINUTE})?)"
PATTERN = f"{_DAY}(T{_CLOCK}{_ZONE}?)?"
"""The times that there are; which are before 1970 in their zone cannot be said so."""

LAST_PATTERN = "[1-9][0-9]{0,5}[hdw]"
"""What ``read_last`` reads."""

# A plus that was not escaped has become a space.
_ISO = re.compile(rf"{_DATE}(T{_TIME}(Z|[-+ ][0-9]{{2}}(:?[0-9]{{2}})?)?)?")
_UNITS = {"h": 1, "d": HOURS_A_DAY, "w": 7 * HOURS_A_DAY}


def read_hours(value: str) -> range:
    """Read one hour, or the 24 hours of a day in UTC. A time within an hour means that hour. Raises Misread."""
    first = read_start(value)
    return range(first, first + (HOURS_A_DAY if re.fullmatch(_DATE, value) else 1))


def read_start(value: str) -> int:
    """Read the hour at which something starts: a day starts at its first, in UTC, and a time within an hour at it.

    Raises Misread.
    """
    return _read(value, up=False)


def read_end(value: str) -> int:
    """Read the hour before which something ends: a day's first, or the one after a time within an hour.

    Raises Misread.
    """
    return _read(value, up=True)


def read_last(value: str) -> int:
    """Read a number of hours, days of 24 hours, or weeks of 7 days; it is in hours. Raises Misread."""
    if not re.fullmatch(LAST_PATTERN, value):
        raise Misread(EXPECTED_LAST)
    return int(value[:-1]) * _UNITS[value[-1]]


def _read(value: str, *, up: bool) -> int:
    if len(value) <= 19 and value.isascii() and value.isdigit():
        hour = int(value)
    elif len(value) <= 40 and _ISO.fullmatch(value):
        hour = _since_epoch(value.replace(" ", "+"), up=up)
    else:
        raise Misread(EXPECTED)
    if not 0 <= hour <= MAX_INTEGER:
        raise Misread(EXPECTED)
    return hour


def _since_epoch(value: str, *, up: bool) -> int:
    try:
        time = datetime.fromisoformat(value)
        since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        raise Misread(EXPECTED) from None
    hours, within = divmod(since, _HOUR)
    return hours + (up and within > timedelta())
