"""Questions to a store, on every engine, against the same answered by plain Python from all that was added."""

from collections import defaultdict
from collections.abc import Iterable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.language import MOST_HOURS, MOST_VALUES
from handlers.parameters import FILTERS
from handlers.question import APP, KEY, SUMS, TOTAL, WALK, Found, Hours, Names, Question, Rest, Row, Sort
from handlers.record import MAX_INTEGER, FlowSum
from storage import SumStore

NAMES = ["a", "ab", "abc", "b", "B", "ä", "~", "😀", "a\U0010ffff", "a%", "a_", "*", "!a"]
HOURS = [0, 1, 2, 7, MAX_INTEGER]


def model(sums: Iterable[FlowSum], question: Question) -> Found:
    """Answer a question about sums as slowly and plainly as can be."""
    found: dict[tuple[str | int, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for flow in _views(filter(lambda flow: _matches(flow, question), map(_named, sums)), question):
        members = tuple(flow[member] for member in question.members)
        if not question.prefix or str(members[0]).startswith(question.prefix):
            for place, member in enumerate(SUMS):
                found[members][place] += int(flow[member])
    if not question.members and not found:
        found[()] = [0, 0, 0]
    rows = sorted([(*members, *totals) for members, totals in found.items()])
    for sort in reversed(question.order):
        rows.sort(key=lambda row: _value(row, question, sort.member), reverse=sort.descending)
    total = len(rows) if question.counted else None
    if question.after:
        rows = [row for row in rows if [_value(row, question, s.member) for s in question.order] > list(question.after)]
    end = None if question.limit is None else question.offset + question.limit
    told = rows[question.offset : end]
    left = [row for row in rows if row not in told]
    rest = Rest(len(left), *(sum(int(row[place]) for row in left) for place in (-3, -2, -1)))
    return Found(list(told), total, rest if question.rest else None)


def _named(flow: FlowSum) -> dict[str, str | int]:
    hour, src_app, dest_app, vpc_id, records, bytes_rx, bytes_tx = flow
    members = (src_app, dest_app, vpc_id, hour, bytes_rx, bytes_tx, records)
    return dict(zip((*KEY, *SUMS), members, strict=True))


def _matches(flow: dict[str, str | int], question: Question) -> bool:
    chosen, first, end = question.hours
    hour = int(flow["hour"])
    if hour not in chosen if chosen else hour < first or (end is not None and hour >= end):
        return False
    return all(_is_among([str(flow[end]) for end in _ends(name)], names) for name, names in question.filters)


def _ends(name: str) -> tuple[str, ...]:
    return ("src_app", "dest_app") if name == APP else (name,)


def _is_among(values: list[str], names: Names) -> bool:
    def any_of(exact: tuple[str, ...], prefixes: tuple[str, ...]) -> bool:
        return any(value in exact or value.startswith(prefixes) for value in values)

    wanted = any_of(names.exact, names.prefixes) or not (names.exact or names.prefixes)
    return wanted and not any_of(names.not_exact, names.not_prefixes)


def _views(flows: Iterable[dict[str, str | int]], question: Question) -> Iterable[dict[str, str | int]]:
    for flow in flows:
        turned = {**flow, "src_app": flow["dest_app"], "dest_app": flow["src_app"]}
        turned |= {"bytes_rx": flow["bytes_tx"], "bytes_tx": flow["bytes_rx"]}
        if question.members == (APP,):
            yield {APP: flow["src_app"], **flow}
            if flow["src_app"] != flow["dest_app"]:
                yield {APP: turned["src_app"], **turned}
        elif question.both and (seen_from := _seen_from(question)):
            yield flow if flow["src_app"] == seen_from else turned
        else:
            yield turned if question.both and str(flow["src_app"]) > str(flow["dest_app"]) else flow


def _seen_from(question: Question) -> str | None:
    for name, (exact, prefixes, *_) in question.filters:
        if name == APP and len(exact) == 1 and not prefixes:
            return exact[0]
    return None


def _value(row: Row, question: Question, member: str) -> str | int:
    values = dict(zip((*question.members, *SUMS), row, strict=True))
    return int(values["bytes_rx"]) + int(values["bytes_tx"]) if member == TOTAL else values[member]


names = st.sampled_from(NAMES)
small = st.integers(0, 9)
large = small | st.integers(MAX_INTEGER - 9, MAX_INTEGER) | st.integers(2**32 - 2, 2**32 + 2)


def _sums(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[list[FlowSum]]:
    keys = st.tuples(st.sampled_from(HOURS), names, names, names)
    found = st.dictionaries(keys, st.tuples(st.integers(1, 9), numbers, numbers), max_size=30)
    return found.map(lambda found: sorted((*key, *totals) for key, totals in found.items()))


flow_sums = _sums(small) | _sums(large)
some = st.lists(names, max_size=2).map(tuple)
filters = st.dictionaries(
    st.sampled_from(["src_app", "dest_app", "vpc_id", APP]),
    st.builds(Names, some, some, some, some) | names.map(lambda name: Names((name,))),
    max_size=2,
).map(lambda found: tuple(found.items()))
hours = st.one_of(
    st.builds(Hours, st.sets(st.sampled_from(HOURS), min_size=1).map(lambda found: tuple(sorted(found)))),
    st.builds(Hours, st.just(()), st.sampled_from(HOURS), st.none() | st.sampled_from(HOURS)),
)
members = st.lists(st.sampled_from(KEY), unique=True).map(tuple) | st.just((APP,))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    about = draw(members)
    sorts = draw(st.lists(st.sampled_from([*about, *SUMS, TOTAL]), unique=True, max_size=3))
    order = [Sort(member, draw(st.booleans())) for member in sorts]
    order += [Sort(member) for member in about if member not in sorts]
    return Question(
        draw(hours),
        draw(filters),
        about,
        draw(st.booleans()) and about != (APP,),
        draw(st.sampled_from(["", "a", "a\U0010ffff", "😀"])) if about and about[0] != "hour" else "",
        tuple(order),
        offset=draw(st.integers(0, 3)),
        limit=draw(st.integers(1, 9)),
        counted=draw(st.booleans()),
    )


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(flow_sums, st.lists(questions(), min_size=3, max_size=8))
def test_every_question_is_answered_exactly(sum_store: SumStore, flows: list[FlowSum], asked: list[Question]) -> None:
    sum_store.clear()
    sum_store.add(flows)

    for question in asked:
        assert sum_store.ask(question) == model(flows, question)


def test_a_question_of_as_many_hours_and_names_as_there_may_be_is_answered(sum_store: SumStore) -> None:
    flows: list[FlowSum] = [(hour, f"a{hour}", "b", "v", 1, hour, 2) for hour in range(1_500)]
    sum_store.add(flows)
    kinds = [tuple(f"{letter}{number}" for number in range(MOST_VALUES)) for letter in "abcd"]
    choices = [Names(*(kinds[place] if place == kind else () for place in range(4))) for kind in range(4)]
    choices.append(Names(kinds[0][:25], kinds[0][25:50], kinds[2][:25], kinds[3][:25]))
    question = Question(Hours(tuple(range(MOST_HOURS))), limit=10, counted=True)
    order = tuple(map(Sort, KEY))

    for names in choices:
        for filters in [(name,) for name in FILTERS] + [FILTERS]:
            asked = question._replace(filters=tuple((name, names) for name in filters), order=order)
            assert sum_store.ask(asked) == model(flows, asked)
            asked = asked._replace(members=(APP,), order=(Sort(APP),), prefix="a")
            assert sum_store.ask(asked) == model(flows, asked)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(flow_sums, st.lists(questions(), min_size=3, max_size=8))
def test_what_is_left_of_the_first_rows_is_the_rest(
    sum_store: SumStore, flows: list[FlowSum], asked: list[Question]
) -> None:
    sum_store.clear()
    sum_store.add(flows)

    for question in (question._replace(offset=0, rest=True) for question in asked):
        assert sum_store.ask(question) == model(flows, question)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(flow_sums, st.lists(questions(), min_size=3, max_size=8))
def test_a_stream_gives_all_the_rows_in_order(sum_store: SumStore, flows: list[FlowSum], asked: list[Question]) -> None:
    sum_store.clear()
    sum_store.add(flows)

    for question in (question._replace(offset=0, limit=None) for question in asked):
        streamed = [row for chunk in sum_store.stream(question) for row in chunk]
        assert streamed == model(flows, question._replace(limit=10_000)).rows
        assert {type(value) for row in streamed for value in row} <= {str, int}


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(flow_sums, questions(), st.integers(1, 5))
def test_a_walk_from_row_to_row_meets_each_once(
    sum_store: SumStore, flows: list[FlowSum], question: Question, limit: int
) -> None:
    order = tuple(Sort(name) for name in WALK if name in question.members) or (Sort(APP),)
    walk = question._replace(order=order, offset=0, limit=limit, counted=False)
    sum_store.clear()
    sum_store.add(flows)
    if not question.members:
        return

    met: list[Row] = []
    while rows := sum_store.ask(walk).rows:
        met += rows
        walk = walk._replace(after=tuple(_value(rows[-1], walk, sort.member) for sort in order))

    assert met == model(flows, walk._replace(after=(), limit=10_000)).rows
