"""One sum per flow key, in key order."""

import random
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from handlers.aggregate import aggregate
from handlers.record import MAX_INTEGER, FlowRecord
from tests.factories import make_record, make_sum

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=3)
records = st.builds(
    FlowRecord,
    src_app=names,
    dest_app=names,
    vpc_id=st.sampled_from(["vpc-0", "vpc-1"]),
    hour=st.integers(0, 2),
    bytes_tx=st.integers(0, MAX_INTEGER),
    bytes_rx=st.integers(0, MAX_INTEGER),
)


def test_records_of_one_key_become_one_sum() -> None:
    sums = aggregate([make_record(bytes_tx=1, bytes_rx=2), make_record(bytes_tx=10, bytes_rx=20)])

    assert sums == [make_sum(records=2, bytes_tx=11, bytes_rx=22)]


def test_each_part_of_the_key_tells_sums_apart() -> None:
    changes: list[dict[str, Any]] = [{}, {"src_app": "x"}, {"dest_app": "x"}, {"vpc_id": "x"}, {"hour": 9}]

    assert len(aggregate(make_record(**change) for change in changes)) == 5


def test_names_that_join_alike_stay_apart() -> None:
    assert len(aggregate([make_record(src_app="ab", dest_app="c"), make_record(src_app="a", dest_app="bc")])) == 2


def test_no_records_make_no_sums() -> None:
    assert aggregate([]) == []


def test_a_sum_may_pass_what_a_store_can_hold_and_stays_exact() -> None:
    (row,) = aggregate([make_record(bytes_tx=MAX_INTEGER)] * 3)

    assert row[6] == 3 * MAX_INTEGER


@given(st.lists(records, max_size=50))
def test_sums_are_those_of_a_plain_count_and_in_key_order(batch: list[FlowRecord]) -> None:
    expected: Counter[tuple[int, str, str, str, str]] = Counter()
    for r in batch:
        for what, amount in (("records", 1), ("rx", r.bytes_rx), ("tx", r.bytes_tx)):
            expected[(r.hour, r.src_app, r.dest_app, r.vpc_id, what)] += amount

    sums = aggregate(batch)

    assert {(*s[:4], what): n for s in sums for what, n in zip(("records", "rx", "tx"), s[4:], strict=True)} == expected
    assert [s[:4] for s in sums] == sorted(s[:4] for s in sums)


@given(st.lists(records, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(batch: list[FlowRecord], rng: random.Random) -> None:
    shuffled = rng.sample(batch, len(batch))

    assert aggregate(shuffled) == aggregate(batch)
