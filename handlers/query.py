"""The query string -> one query value."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from handlers.record import MAX_INTEGER
from handlers.settings import Settings
from handlers.web import Fault, RequestError, invalid

_MAX_NAME_TOLD = 100
_MOST_PAIRS = 2_000
"""Parameters that a query may have: a thousand hours, and as many of all others."""

_PLAIN = {"hour", "page", "size"}


class Misread(Exception):
    """A value of a parameter is not what it should be; the message says what that is, and is fit for the caller."""


class Parameter(NamedTuple):
    """One parameter of a query: what it means, how its values are read, and which they may be, as JSON Schema says.

    ``read`` raises Misread. One that is ``many`` may be given again and again, and each value is read.
    """

    name: str
    meaning: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    many: bool = False


class HourQuery(NamedTuple):
    """A page of one hour's sums: ``page`` counts from 1, ``size`` is the sums on it."""

    hour: int
    page: int
    size: int

    @property
    def offset(self) -> int:
        """The sums on the pages before this one."""
        return (self.page - 1) * self.size


def whole(least: int, most: int) -> Callable[[str], int]:
    """Make a reader of whole numbers: 1 to 19 ASCII digits, in a range."""

    def read(value: str) -> int:
        if not _is_whole(value) or not least <= int(value) <= most:
            raise Misread(f"Expected a whole number from {least} to {most}")
        return int(value)

    return read


def _is_whole(value: str) -> bool:
    # Only ASCII digits are both.
    return len(value) <= 19 and value.isascii() and value.isdigit()


def pairs_of(query: str) -> list[tuple[str, str]]:
    """Take a query string apart. What is no UTF-8 becomes U+FFFD: %-escaped, or as a surrogate that JSON can spell.

    Raises RequestError (422) where there are more than ``_MOST_PAIRS`` parameters.
    """
    if query.count("&") >= _MOST_PAIRS:
        raise invalid([Fault(("query",), f"More than {_MOST_PAIRS} parameters")], 1)
    if not query.isascii():
        query = query.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return parse_qsl(query, keep_blank_values=True)


def parse_hour_query(query: str, settings: Settings) -> HourQuery | None:
    """Read the plain question, ``hour``, ``page`` and ``size``, each once at most; or None where it is another.

    It is the one that is asked most, and a tenth of the work of all the others.
    """
    given = dict(pairs := pairs_of(query))
    if len(given) != len(pairs) or "hour" not in given or not given.keys() <= _PLAIN:
        return None
    if not all(map(_is_whole, given.values())):
        return None
    hour, page = int(given["hour"]), int(given.get("page", 1))
    size = int(given.get("size", settings.default_page_size))
    known = hour <= MAX_INTEGER and page >= 1 and 1 <= size <= settings.max_page_size and page * size <= MAX_INTEGER
    return HourQuery(hour, page, size) if known else None


def read_query(
    query: str, parameters: Sequence[Parameter], either: Sequence[str] = (), hint: str = ""
) -> dict[str, Any]:
    """Read every parameter that is given: a value each, or a tuple of them where there may be many.

    Raises RequestError (422) that names every one that is bad, unknown or repeated, and the first of ``either`` where
    none of them is there.
    """
    known = {parameter.name: parameter for parameter in parameters}
    given: dict[str, list[str]] = {}
    for name, value in pairs_of(query):
        given.setdefault(name, []).append(value)
    read: dict[str, Any] = {}
    faults = [] if not either or given.keys() & set(either) else [fault(either[0], f"Required, but missing: {hint}")]
    for name in known | given:
        if name in given:
            faults += _read(known.get(name), name, given[name], read, known)
    if faults:
        raise invalid(faults, len(faults))
    return read


def fault(name: str, message: str) -> Fault:
    """Name what is wrong with a parameter."""
    return Fault(("query", name[:_MAX_NAME_TOLD]), message)


def wrong(name: str, message: str) -> RequestError:
    """Make the 422 that says what to change about one parameter."""
    return invalid([fault(name, message)], 1)


def _read(
    parameter: Parameter | None, name: str, values: list[str], read: dict[str, Any], known: Mapping[str, Parameter]
) -> Iterator[Fault]:
    """Read one parameter's values, or say what is wrong with them."""
    if parameter is None:
        yield fault(name, f"Unknown parameter; there are {', '.join(known)}")
    elif len(values) > 1 and not parameter.many:
        yield fault(name, "Given more than once")
    else:
        try:
            found = tuple(map(parameter.read, values))
            read[name] = found if parameter.many else found[0]
        except Misread as error:
            yield fault(name, str(error))
