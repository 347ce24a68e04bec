"""A line of the table."""

from typing import NamedTuple


class Line(NamedTuple):
    """What was measured, and whether that is within its limit; a line without a limit only tells."""

    name: str
    figures: str
    ratio: str
    limit: str
    reached: bool
