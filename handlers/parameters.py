"""The parameters of every read: what each means, and how its value is read."""

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import NamedTuple

from handlers.query import Misread, Parameter, whole
from handlers.question import APP, KEY, SUMS, TOTAL, Sort
from handlers.record import MAX_INTEGER, MAX_NAME_CHARACTERS
from handlers.settings import Settings
from handlers.times import LAST_PATTERN, PATTERN, read_end, read_hours, read_last, read_start

FILTERS = ("src_app", "dest_app", "vpc_id", APP)

_HOUR_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER},
        {"type": "string", "pattern": f"^{PATTERN}$"},
    ]
}
_ANY = r"[^\u0000]"
_PLAIN = r"[^,*\u0000]"
_WANTED = (
    rf"^(!?={_ANY}{{1,{MAX_NAME_CHARACTERS}}}"
    rf"|(![^=~^,*\u0000]|[^!=~^,*\u0000]){_PLAIN}{{0,{MAX_NAME_CHARACTERS - 1}}}\*?|!?\*)$"
)
"""What ``read_wanted`` reads."""

_GROUPS = "|".join(["total", *(",".join(each) for size in range(1, 5) for each in permutations(KEY, size))])
_SORTED = f"-?({'|'.join((*KEY, APP, *SUMS, TOTAL))})"


class Wanted(NamedTuple):
    """A value of a filter: a name or the beginning of one, wanted or not."""

    name: str
    prefix: bool
    excluded: bool


def read_wanted(value: str) -> Wanted:
    """Read a filter's value: ``name``, ``prefix*``, either after ``!``, or literally after ``=``.

    Raises Misread, also for what looks like a list or a pattern: taken as a name, it would silently match nothing.
    """
    excluded = value.startswith("!")
    value = value.removeprefix("!") if excluded else value
    literal = value.startswith("=")
    prefix = not literal and value.endswith("*")
    name = value[1:] if literal else value.removesuffix("*")
    if not prefix and not name:
        raise Misread("Expected a name, a prefix*, !either, or =a name taken literally")
    if not literal:
        _refuse_patterns(name)
    return Wanted(_read_prefix(name), prefix, excluded)


def _refuse_patterns(name: str) -> None:
    if "," in name:
        raise Misread(
            "Commas do not separate names: repeat the parameter, as in app=a&app=b; write =a,b for a name a,b"
        )
    if "*" in name:
        raise Misread("A * may only be at the end, as in web*; write =*web for a name that has one elsewhere")
    if name.startswith(("~", "^")):
        raise Misread(
            "Regular expressions are not supported, only web*; write =~web for a name that begins with ~ or ^"
        )


def _need_each_once(names: Sequence[str], allowed: Sequence[str], expected: str) -> None:
    if len(set(names)) != len(names) or not set(names) <= set(allowed):
        raise Misread(f"Expected {expected}")


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise Misread(f"Expected {_either(allowed)}")
        return value

    return read


def _read_group(value: str) -> tuple[str, ...]:
    if value == "total":
        return ()
    names = value.split(",")
    _need_each_once(names, KEY, f"total, or some of {', '.join(KEY)}, each once, with commas between")
    return tuple(names)


def _read_sort(value: str) -> tuple[Sort, ...]:
    sorts = tuple(Sort(term.removeprefix("-"), term.startswith("-")) for term in value.split(","))
    allowed = (*KEY, APP, *SUMS, TOTAL)
    expected = f"some of {', '.join(allowed)}, each once, a - before it for descending"
    _need_each_once([sort.member for sort in sorts], allowed, expected)
    return sorts


def times() -> tuple[Parameter, ...]:
    """List the parameters that say which hours."""
    return (
        Parameter(
            "hour",
            "An hour, as a number or an ISO 8601 time; or a day, `2026-11-24`: its 24 hours in UTC. May be repeated.",
            read_hours,
            _HOUR_SCHEMA,
            True,
        ),
        Parameter(
            "from", "The first hour; of a day it is 00:00 UTC. `from=0` is everything.", read_start, _HOUR_SCHEMA
        ),
        Parameter(
            "to",
            "The hour before which to end, so `from=2026-11-24&to=2026-11-25` is one day. Without it there is no end.",
            read_end,
            _HOUR_SCHEMA,
        ),
        Parameter(
            "last",
            "The last hours (`24h`), days of 24 hours (`7d`) or weeks (`4w`) up to and including the current hour.",
            read_last,
            {"type": "string", "pattern": f"^{LAST_PATTERN}$", "examples": ["24h"]},
        ),
    )


def filters(*names: str) -> tuple[Parameter, ...]:
    """List the parameters that choose flows by name."""
    meaning = (
        "a name or a `prefix*`; `!` before either excludes it; `=` before a name takes it literally, as in `=a,b`. "
        "Repeat the parameter for several names."
    )
    schema = {"type": "string", "pattern": _WANTED}
    which = {name: f"`{name}` of a flow: " for name in FILTERS} | {APP: "Either end of a flow: "}
    return tuple(Parameter(name, which[name] + meaning, read_wanted, schema, True) for name in names)


def direction() -> Parameter:
    """Make the parameter that folds both ways into one."""
    meaning = (
        "`both` merges the flows from A to B and from B to A into one row. `src_app` is the name that `app` selects, "
        "if it is a single one, and else the name that sorts first; the bytes are as seen from `src_app`."
    )
    return Parameter("direction", meaning, _one_of("both"), {"type": "string", "enum": ["both"]})


def iso_times() -> Parameter:
    """Make the parameter that adds times to hours."""
    meaning = "`iso` adds `time` after `hour`: the hour as an ISO 8601 time in UTC, or null after the year 9999."
    return Parameter("time", meaning, _one_of("iso"), {"type": "string", "enum": ["iso"]})


def sort() -> Parameter:
    """Make the parameter that orders rows."""
    meaning = (
        "What to sort by: members of the items, or `bytes_total`, with commas between; `-` before one: descending."
    )
    return Parameter("sort", meaning, _read_sort, {"type": "string", "pattern": f"^{_SORTED}(,{_SORTED})*$"})


def top(settings: Settings) -> Parameter:
    """Make the parameter that asks for the first rows, and the rest as one."""
    meaning = "The first so many rows, by bytes unless `sort` says otherwise, and the rest as one in `other`."
    return _whole("top", meaning, 1, settings.max_page_size)


def formats() -> Parameter:
    """Make the parameter that names a format; it needs no header, and so fits into a link."""
    from handlers.accept import FORMATS

    meaning = "The format of the answer, whatever `Accept` says."
    return Parameter("format", meaning, _one_of(*FORMATS), {"enum": list(FORMATS)})


def pages(settings: Settings) -> tuple[Parameter, ...]:
    """List the parameters that choose a page."""
    return (
        _whole("page", f"Which page, from 1; times `size` at most {MAX_INTEGER}.", 1, MAX_INTEGER, 1),
        _whole("size", "How many rows on a page.", 1, settings.max_page_size, settings.default_page_size),
    )


def flow_parameters(settings: Settings) -> tuple[Parameter, ...]:
    """List the parameters of GET /flows."""
    return (
        *times(),
        *filters(*FILTERS),
        Parameter(
            "group_by",
            "Members that rows are grouped by, in that order: some of `src_app`, `dest_app`, `vpc_id`, `hour`, with "
            "commas between; or `total` for one row.",
            _read_group,
            {"type": "string", "pattern": f"^({_GROUPS})$"},
        ),
        Parameter(
            "include",
            "`records`: how many flow records were merged.",
            _one_of("records"),
            {"type": "string", "enum": ["records"]},
        ),
        direction(),
        iso_times(),
        sort(),
        top(settings),
        *pages(settings),
        Parameter(
            "cursor",
            "Go through all rows in key order: empty to begin, then `next` of the answer before.",
            str,
            {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"},
        ),
        formats(),
    )


def name_parameters(settings: Settings) -> tuple[Parameter, ...]:
    """List the parameters of GET /apps and GET /vpcs."""
    prefix = Parameter(
        "prefix",
        "How the name begins.",
        _read_prefix,
        {"type": "string", "pattern": f"^{_ANY}{{0,{MAX_NAME_CHARACTERS}}}$"},
    )
    return (prefix, *times(), *filters(*FILTERS), sort(), top(settings), *pages(settings), formats())


def graph_parameters(settings: Settings) -> tuple[Parameter, ...]:
    """List the parameters of GET /graph."""
    return (*times(), *filters(*FILTERS), direction(), top(settings))


def hours_parameters(settings: Settings) -> tuple[Parameter, ...]:
    """List the parameters of GET /hours."""
    return (*times(), iso_times(), *pages(settings), formats())


def _read_prefix(value: str) -> str:
    if len(value) > MAX_NAME_CHARACTERS or "\0" in value:
        raise Misread(f"A name has at most {MAX_NAME_CHARACTERS} characters, and none that is NUL")
    return value


def _whole(name: str, meaning: str, least: int, most: int, default: int | None = None) -> Parameter:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    otherwise = {} if default is None else {"default": default}
    return Parameter(name, meaning, whole(least, most), schema | otherwise)
