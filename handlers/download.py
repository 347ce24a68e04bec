"""Content-Disposition: the file name under which an answer that is no JSON is saved (RFC 6266)."""

from collections.abc import Sequence

from handlers.iso_time import iso_time
from handlers.question import Hours
from handlers.web import Request

_FIRST_DATE = 100_000
"""A smaller hour, before May 1981, is taken for a plain number, as the dashboard does."""


def content_disposition(
    request: Request, hours: Hours, extension: str, group: Sequence[str] | None = None
) -> tuple[str, str]:
    """Name a file after the resource, its hours and its group, in ASCII: ``flows-2026-11-24T07-by-src_app.csv``."""
    words = [request.path.rpartition("/")[2], _range(hours)]
    if group is not None:
        words += ["by", *(group or ("total",))]
    return "Content-Disposition", f'attachment; filename="{"-".join(words)}.{extension}"'


def _range(hours: Hours) -> str:
    if hours.chosen:
        first, last = hours.chosen[0], hours.chosen[-1]
        if first == last:
            return _hour(first)
        return (
            f"{_hour(first)}-to-{_hour(last + 1)}" if last - first < len(hours.chosen) else f"{_hour(first)}-and-more"
        )
    if hours.end is None:
        return f"from-{_hour(hours.first)}" if hours.first else "all"
    return f"{_hour(hours.first)}-to-{_hour(hours.end)}"


def _hour(hour: int) -> str:
    time = iso_time(hour) if hour > _FIRST_DATE else None
    return time[:13] if time else str(hour)
