"""The query language: what the parameters of a read mean together."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from handlers.cursor import read_cursor
from handlers.parameters import (
    FILTERS,
    Wanted,
    flow_parameters,
    graph_parameters,
    hours_parameters,
    name_parameters,
)
from handlers.query import Misread, fault, read_query, wrong
from handlers.question import KEY, SUMS, TOTAL, WALK, Hours, Names, Question, Sort
from handlers.record import MAX_INTEGER
from handlers.settings import Settings
from handlers.web import Fault, invalid

if TYPE_CHECKING:
    from handlers.accept import Format

TIMES = ("hour", "from", "to", "last")
_WHEN = "give hour, or from and to, or last=24h; from=0 is everything"

MOST_VALUES = 100
"""Values that one filter may have."""
MOST_HOURS = 1_000
"""Hours that may be chosen one by one."""


class Asked(NamedTuple):
    """A question, and which page of the answer is meant, or which cursor it goes on from."""

    question: Question
    records: bool
    page: int = 1
    size: int = 0
    given: tuple[str, ...] = ()
    """The parameters that were."""
    format: "Format | None" = None
    times: bool = False
    """Whether each hour is to be a time, too."""

    @property
    def by_cursor(self) -> bool:
        """Tell whether it is a step of a walk."""
        return "cursor" in self.given

    @property
    def part(self) -> bool:
        """Tell whether only a part of the rows was asked for, rather than what there is."""
        return not {"page", "size", "cursor", "top"}.isdisjoint(self.given)


def read_flows_query(query: str, settings: Settings, now: int = 0) -> Asked:
    """Read a query of GET /flows; ``now`` is the current hour. Raises RequestError (422) that says what to change."""
    given = read_query(query, flow_parameters(settings), TIMES, _WHEN)
    members = given.get("group_by", KEY)
    records = "group_by" in given or "include" in given
    _refuse_together(given, "cursor", "page", "top", "sort")
    if "cursor" in given and "last" in given:
        raise wrong("last", "Not with cursor: the hours move on meanwhile; give from and to")
    _refuse_together(given, "top", "page", "size")
    if "time" in given and "hour" not in members:
        raise wrong("time", "The items have no hour to give the time of; add hour to group_by")
    question = Question(hours_of(given, now), filters_of(given), members, both="direction" in given)
    return (_by_cursor if "cursor" in given else ordered)(question, records, given, settings)


def _by_cursor(question: Question, records: bool, given: Mapping[str, Any], settings: Settings) -> Asked:
    if not question.members:
        raise wrong("cursor", "The total is one row: leave cursor out")
    size = given.get("size", settings.default_page_size)
    question = question._replace(order=tuple(Sort(name) for name in WALK if name in question.members), limit=size + 1)
    try:
        question = question._replace(after=read_cursor(given["cursor"], question))
    except Misread as error:
        raise wrong("cursor", str(error)) from None
    return Asked(question, records, 1, size, tuple(given), given.get("format"), "time" in given)


def read_names_query(query: str, settings: Settings, member: str, now: int = 0) -> Asked:
    """Read a query of GET /apps or GET /vpcs, whose rows are about ``member``. Raises RequestError (422)."""
    given = read_query(query, name_parameters(settings))
    _refuse_together(given, "top", "page", "size")
    question = Question(hours_of(given, now), filters_of(given), (member,), prefix=given.get("prefix", ""))
    return ordered(question, True, given, settings)


def read_graph_query(query: str, settings: Settings, most: int, now: int = 0) -> Asked:
    """Read a query of GET /graph, with ``most`` links where it does not say how many. Raises RequestError (422)."""
    given = read_query(query, graph_parameters(settings), TIMES, _WHEN)
    question = Question(hours_of(given, now), filters_of(given), ("src_app", "dest_app"), both="direction" in given)
    return ordered(question, True, {"top": min(most, settings.max_page_size), **given}, settings)


class AskedHours(NamedTuple):
    """Which hours, and which page of them."""

    hours: Hours
    page: int
    size: int
    format: "Format | None" = None
    times: bool = False


def read_hours_query(query: str, settings: Settings, now: int = 0) -> AskedHours:
    """Read a query of GET /hours: which hours, the page and its size. Raises RequestError (422)."""
    given = read_query(query, hours_parameters(settings))
    page, size = _page(given, settings)
    return AskedHours(hours_of(given, now), page, size, given.get("format"), "time" in given)


def hours_of(given: Mapping[str, Any], now: int) -> Hours:
    """Say which hours are meant; without any they are all. Raises RequestError (422)."""
    _refuse_together(given, "last", "hour", "from", "to")
    if "last" in given:
        return Hours((), max(0, now + 1 - given["last"]), now + 1)
    chosen = tuple(sorted(set(chain.from_iterable(given.get("hour", ())))))
    if chosen and ("from" in given or "to" in given):
        raise wrong("hour", "Give either hour, or from and to")
    if "to" in given and "from" not in given:
        raise wrong("from", "Required with to; from=0 is the beginning")
    if len(chosen) > MOST_HOURS:
        raise wrong("hour", f"At most {MOST_HOURS} hours may be chosen; give from and to")
    hours = Hours(chosen, given.get("from", 0), given.get("to"))
    if hours.end is not None and hours.end <= hours.first:
        raise wrong("to", "Expected an hour after from: to is not part of the answer")
    return hours


def filters_of(given: Mapping[str, Any]) -> tuple[tuple[str, Names], ...]:
    """Put the values of each filter together; one that lets every name through is none. Raises RequestError (422)."""
    found = []
    for name in FILTERS:
        values: tuple[Wanted, ...] = given.get(name, ())
        if len(values) > MOST_VALUES:
            raise wrong(name, f"Given more than {MOST_VALUES} times")
        # What a list of choices sends for "all of them"; left in, it would keep the answer from the kept totals.
        if (names := _names(values)) != Names():
            found.append((name, names))
    return tuple(found)


def _names(values: Sequence[Wanted]) -> Names:
    def of(*, prefix: bool, excluded: bool) -> tuple[str, ...]:
        return tuple(sorted({each.name for each in values if (each.prefix, each.excluded) == (prefix, excluded)}))

    if Wanted("", prefix=True, excluded=False) in values:
        values = [each for each in values if each.excluded]
    return Names(
        of(prefix=False, excluded=False),
        of(prefix=True, excluded=False),
        of(prefix=False, excluded=True),
        of(prefix=True, excluded=True),
    )


def ordered(question: Question, records: bool, given: Mapping[str, Any], settings: Settings) -> Asked:
    """Add the order, and the page or the first rows that are meant. Raises RequestError (422)."""
    limit = given.get("top")
    sorts: tuple[Sort, ...] = given.get("sort", (Sort(TOTAL, True),) if limit else ())
    sums = SUMS if records else SUMS[:2]
    for each in sorts:
        if each.member not in (*question.members, *sums, TOTAL):
            add = "; add include=records" if each.member == "records" else ""
            raise wrong("sort", f"The items have no {each.member} to sort by{add}")
    named = {each.member for each in sorts}
    order = (*sorts, *(Sort(name) for name in question.members if name not in named))
    if limit:
        page, size = 1, 0
        question = question._replace(order=order, limit=limit, rest=True)
    else:
        page, size = _page(given, settings)
        question = question._replace(order=order, offset=(page - 1) * size, limit=size, counted=True)
    return Asked(question, records, page, size, tuple(given), given.get("format"), "time" in given)


def _page(given: Mapping[str, Any], settings: Settings) -> tuple[int, int]:
    page, size = given.get("page", 1), given.get("size", settings.default_page_size)
    if page * size > MAX_INTEGER:
        raise wrong("page", f"page times size is more than {MAX_INTEGER}")
    return page, size


def _refuse_together(given: Mapping[str, Any], name: str, *others: str) -> None:
    """Refuse parameters that exclude each other."""
    met: list[Fault] = [fault(other, f"Not with {name}: leave one of them out") for other in others if other in given]
    if name in given and met:
        raise invalid(met, len(met))
