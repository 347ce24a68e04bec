"""The query string -> one query value."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl

from handlers.record import MAX_INTEGER
from handlers.settings import Settings
from handlers.web import Fault, invalid

_DIGITS = re.compile(r"[0-9]{1,19}")
_MAX_NAME_TOLD = 100


class HourQuery(NamedTuple):
    """A page of one hour's sums: ``page`` counts from 1, ``size`` is the sums on it."""

    hour: int
    page: int
    size: int

    @property
    def offset(self) -> int:
        """The sums on the pages before this one."""
        return (self.page - 1) * self.size


class _Parameter(NamedTuple):
    least: int
    most: int
    default: int | None


def parse_hour_query(query: str, settings: Settings) -> HourQuery:
    """Read ``hour`` (required), ``page`` and ``size``.

    Raises RequestError (422) that names every parameter that is bad, missing, unknown or repeated.
    """
    parameters = {
        "hour": _Parameter(0, MAX_INTEGER, None),
        "page": _Parameter(1, MAX_INTEGER, 1),
        "size": _Parameter(1, settings.max_page_size, settings.default_page_size),
    }
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        given.setdefault(name, []).append(value)
    faults = [fault for name in parameters | given for fault in _faults(name, given.get(name, []), parameters)]
    if faults:
        raise invalid(faults, len(faults))
    numbers = [int(given[name][0]) if name in given else parameter.default for name, parameter in parameters.items()]
    asked = HourQuery(*numbers)  # type: ignore[arg-type]
    if asked.page * asked.size > MAX_INTEGER:
        raise invalid([Fault(("query", "page"), f"page times size is more than {MAX_INTEGER}")], 1)
    return asked


def _faults(name: str, values: list[str], parameters: dict[str, _Parameter]) -> Iterator[Fault]:
    """Say what is wrong with one parameter, given the values it came with."""
    parameter = parameters.get(name)
    loc = ("query", name[:_MAX_NAME_TOLD])
    if parameter is None:
        yield Fault(loc, f"Unknown parameter; there are {', '.join(parameters)}")
    elif not values and parameter.default is None:
        yield Fault(loc, "Required, but missing")
    elif len(values) > 1:
        yield Fault(loc, "Given more than once")
    elif values and not _in_range(values[0], parameter):
        yield Fault(loc, f"Expected a whole number from {parameter.least} to {parameter.most}")


def _in_range(value: str, parameter: _Parameter) -> bool:
    return bool(_DIGITS.fullmatch(value)) and parameter.least <= int(value) <= parameter.most
