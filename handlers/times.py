"""Hours in a query: as numbers, or as times by ISO 8601 that mean hours since the Unix epoch."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from handlers.query import Misread
from handlers.record import MAX_INTEGER

EXPECTED = (
    f"Expected an hour, as a whole number from 0 to {MAX_INTEGER} or a time from 1970 on such as 2026-11-24T07:00Z"
)
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

# A plus that was not escaped has become a space.
_ISO = re.compile(rf"{_DATE}(T{_TIME}(Z|[-+ ][0-9]{{2}}(:?[0-9]{{2}})?)?)?")


def hour_reader(*, up: bool = False) -> Callable[[str], int]:
    """Make a reader of hours. A time within an hour means the hour it is in, or with ``up`` the one after it.

    A time without a zone is in UTC. The reader raises Misread.
    """

    def read(value: str) -> int:
        if len(value) <= 19 and value.isascii() and value.isdigit():
            hour = int(value)
        elif len(value) <= 40 and _ISO.fullmatch(value):
            hour = _since_epoch(value.replace(" ", "+"), up=up)
        else:
            raise Misread(EXPECTED)
        if not 0 <= hour <= MAX_INTEGER:
            raise Misread(EXPECTED)
        return hour

    return read


def _since_epoch(value: str, *, up: bool) -> int:
    try:
        time = datetime.fromisoformat(value)
        since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        raise Misread(EXPECTED) from None
    hours, within = divmod(since, _HOUR)
    return hours + (up and within > timedelta())
