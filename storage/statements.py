"""A question as SQL, on either database: which rows it means, and which part of them is told."""

from collections.abc import Callable, Sequence
from typing import Any

from peewee import SQL, Case, NodeList, Select, Tuple, Value, fn

from handlers.question import APP, KEY, SUMS, TOTAL, Hours, Names, Question, Sort
from storage.model import FlowSumRow

LOW_BITS = 32
# Written out, where parameters would make SQLite take the same sum for two.
_CARRY = SQL(str(1 << LOW_BITS))
_LOW = SQL(str((1 << LOW_BITS) - 1))
_ENDS = ("src_app", "dest_app")
_BACK = {"bytes_rx": "bytes_tx", "bytes_tx": "bytes_rx", "records": "records"}
"""What each sum is, seen from the other end."""
_LAST = "\U0010ffff"
_SURROGATES = range(0xD800, 0xE000)


class Columns:
    """The columns of a question's rows: those of its members, then one for each sum, or its high and its low part.

    The value is ``high * 2**32 + low``, with ``low`` below 2**32, so that parts sort as the values do.
    """

    def __init__(self, members: tuple[str, ...], *, parted: bool) -> None:
        self.members = members
        self.parted = parted
        self.names = (*members, *(name for member in SUMS for name in self.of(member)))

    def of(self, member: str) -> tuple[str, ...]:
        """Name the columns that hold a member or a sum."""
        return (f"{member}_high", f"{member}_low") if self.parted and member in SUMS else (member,)

    def order(self, order: tuple[Sort, ...]) -> str:
        """Write an order, of at least one member."""
        terms = ((term, sort.descending) for sort in order for term in self._terms(sort.member))
        return "ORDER BY " + ", ".join(f"{term} DESC" if descending else term for term, descending in terms)

    def _terms(self, member: str) -> tuple[str, ...]:
        if member != TOTAL:
            return self.of(member)
        if not self.parted:
            # A cast, for on PostgreSQL two bigints may make none.
            return ("CAST(bytes_rx AS numeric) + bytes_tx",)
        low = "bytes_rx_low + bytes_tx_low"
        return f"bytes_rx_high + bytes_tx_high + (({low}) >> {LOW_BITS})", f"({low}) & {_LOW.sql}"

    def totals(self) -> str:
        """Write the sums over all rows."""
        return ", ".join(f"COALESCE(SUM({name}), 0)" for member in SUMS for name in self.of(member))

    def whole(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put the sums' parts together, and make integers of what PostgreSQL's driver gives as decimals."""
        at = len(self.members)
        parts = row[at:]
        if not self.parted:
            return (*row[:at], *map(int, parts))
        return (*row[:at], *((high << LOW_BITS) + low for high, low in zip(parts[::2], parts[1::2], strict=True)))


def rows_of(question: Question, columns: Columns) -> Any:
    """Write the query for all the rows that a question means, in no order."""
    source, of, limits = _source(question, add_up=not columns.parted)
    members = [of[member].alias(member) for member in question.members]
    sums = [term for member in SUMS for term in _sum(member, of[member], columns, merges=question.merges)]
    if question.after:
        order = [sort.member for sort in question.order]
        limits.append(Tuple(*(of[member] for member in order)) > Tuple(*map(Value, question.after)))
    query = Select([source], [*members, *sums])
    if limits:
        query = query.where(_together(limits, " AND "))
    return query.group_by(*(of[member] for member in question.members)) if question.merges and members else query


def _source(question: Question, *, add_up: bool) -> tuple[Any, dict[str, Any], list[Any]]:
    """Choose the table or subquery to take rows from, its columns by name, and what is to be asked of them.

    The subquery may add up what it can, where no sum overflows.
    """
    stored = {name: getattr(FlowSumRow, name) for name in (*KEY, *SUMS)}
    limits = [*_hours(question.hours), *(term for name, names in question.filters for term in _filter(name, names))]
    if question.members == (APP,):
        ends = _ends(stored, limits, question.prefix, add_up=add_up)
        return ends, {name: getattr(ends.c, name) for name in (APP, *SUMS)}, []
    if question.both:
        folded = _folded(stored, limits, question.seen_from)
        of, limits = {name: getattr(folded.c, name) for name in stored}, []
    else:
        folded, of = FlowSumRow, stored
    if question.prefix:
        limits.append(_begins(of[question.members[0]], question.prefix))
    return folded, of, limits


def _folded(stored: dict[str, Any], limits: list[Any], seen_from: str) -> Any:
    """Turn every flow so that its source is ``seen_from``, one of its ends, or else the end that sorts first."""
    src, dest = stored["src_app"], stored["dest_app"]
    forwards = src == seen_from if seen_from else src <= dest
    turned = {"src_app": dest, "dest_app": src, **{name: stored[back] for name, back in _BACK.items()}}
    columns = [
        (Case(None, [(forwards, column)], turned[name]) if turned.get(name, column) is not column else column).alias(
            name
        )
        for name, column in stored.items()
    ]
    return _where(columns, limits).alias("folded")


def _ends(stored: dict[str, Any], limits: list[Any], prefix: str, *, add_up: bool) -> Any:
    """Take every flow twice, once from either end; one from an app to itself once.

    Sources lie together within an hour, so that adding them up by hour first spares a sort: measured a third less.
    """
    hour, src, dest = stored["hour"], stored["src_app"], stored["dest_app"]

    def end(app: Any, sums: dict[str, Any], *more: Any) -> Any:
        columns = [(fn.SUM(column) if add_up else column).alias(name) for name, column in sums.items()]
        chosen = [*limits, *more, *([_begins(app, prefix)] if prefix else [])]
        return _where([app.alias(APP), *columns], chosen)

    out = end(src, {name: stored[name] for name in SUMS})
    back = end(dest, {name: stored[_BACK[name]] for name in SUMS}, src != dest)
    if add_up:
        out, back = out.group_by(hour, src), back.group_by(dest)
    return out.union_all(back).alias("ends")


def _where(columns: list[Any], limits: list[Any]) -> Any:
    query = FlowSumRow.select(*columns)
    return query.where(_together(limits, " AND ")) if limits else query


def _sum(member: str, column: Any, columns: Columns, *, merges: bool) -> list[Any]:
    summed: Callable[[Any], Any] = _total if merges else lambda term: term
    if not columns.parted:
        return [summed(column).alias(member)]
    high, low = summed(column / _CARRY), summed(column.bin_and(_LOW))
    name_high, name_low = columns.of(member)
    return [(high + low / _CARRY).alias(name_high), low.bin_and(_LOW).alias(name_low)]


def _total(term: Any) -> Any:
    return fn.COALESCE(fn.SUM(term), SQL("0"))


def _hours(hours: Hours) -> list[Any]:
    hour = FlowSumRow.hour
    if len(hours.chosen) == 1:
        return [hour == hours.chosen[0]]
    if hours.chosen:
        return [hour.in_(hours.chosen)]
    limits = [hour >= hours.first] if hours.first else []
    return limits if hours.end is None else [*limits, hour < hours.end]


def _filter(name: str, names: Names) -> list[Any]:
    """Write a filter as terms that all have to hold; `APP` wants either end to be wanted, and none to be excluded."""
    columns = [getattr(FlowSumRow, end) for end in (_ENDS if name == APP else (name,))]
    wanted = [term for column in columns for term in _any_of(column, names.exact, names.prefixes)]
    others = [term for column in columns for term in _any_of(column, names.not_exact, names.not_prefixes)]
    return [*([_together(wanted, " OR ")] if wanted else []), *(~term for term in others)]


def _together(terms: Sequence[Any], operator: str) -> Any:
    """Write terms one after another: Peewee would nest them, deeper than SQLite's parser or Python's stack goes."""
    return NodeList(terms, operator, parens=True)


def _any_of(column: Any, exact: tuple[str, ...], prefixes: tuple[str, ...]) -> list[Any]:
    listed = [column.in_(exact)] if exact else []
    return [*listed, *(_begins(column, prefix) for prefix in prefixes)]


def _begins(column: Any, prefix: str) -> Any:
    """Write that a name begins so: as a range, which an index serves, and in which no letter means anything else."""
    end = _after(prefix)
    return (column >= prefix) & (column < end) if end else column >= prefix


def _after(prefix: str) -> str:
    """Find the least text, by code point, that is greater than all that begin so; "" where there is none."""
    kept = prefix.rstrip(_LAST)
    if not kept:
        return ""
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)
