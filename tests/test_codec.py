"""Every rule about what a valid flow record is."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import codec
from handlers.codec import decode
from handlers.record import MAX_INTEGER, MAX_RECORD_BYTES, FlowRecord
from handlers.web import RequestError
from tests.factories import SAMPLE, make_flow, make_record, to_json

NAMES = ("src_app", "dest_app", "vpc_id")
NUMBERS = ("hour", "bytes_tx", "bytes_rx")
MAX_FLOWS = 1_000


def read(body: bytes, max_flows: int) -> list[FlowRecord]:
    return list(decode(body, max_flows).records)


def refusal(body: bytes, max_flows: int = MAX_FLOWS) -> dict[str, Any]:
    with pytest.raises(RequestError) as caught:
        read(body, max_flows)
    assert caught.value.status == 422
    return dict(caught.value.members)


def locations(body: bytes, max_flows: int = MAX_FLOWS) -> list[tuple[Any, ...]]:
    return [error["loc"] for error in refusal(body, max_flows)["errors"]]


def one_flow(member: str, json_value: str) -> bytes:
    return to_json([make_flow(**{member: "@"})]).replace(b'"@"', json_value.encode())


def test_the_sample_is_read_in_its_order() -> None:
    records = read(to_json(SAMPLE), MAX_FLOWS)

    assert [(r.src_app, r.hour, r.bytes_tx) for r in records] == [
        ("foo", 1, 100),
        ("foo", 1, 200),
        ("baz", 1, 100),
        ("baz", 2, 100),
        ("baz", 2, 100),
    ]


def test_an_empty_array_is_an_empty_batch() -> None:
    assert read(b" [ ] ", MAX_FLOWS) == []


@pytest.mark.parametrize("member", NUMBERS)
@pytest.mark.parametrize("value", ["0", "-0", str(MAX_INTEGER)])
def test_a_number_from_zero_to_the_largest_is_taken(member: str, value: str) -> None:
    (record,) = read(one_flow(member, value), MAX_FLOWS)

    assert getattr(record, member) == int(value)


@pytest.mark.parametrize("member", NUMBERS)
@pytest.mark.parametrize(
    "value", ["-1", str(MAX_INTEGER + 1), "9" * 30, "9" * 5_000, "1.0", "1e2", '"1"', "true", "null", "[1]", "{}"]
)
def test_any_other_number_is_refused_by_its_place(member: str, value: str) -> None:
    assert locations(one_flow(member, value)) == [("body", 0, member)]


@pytest.mark.parametrize("member", NAMES)
@pytest.mark.parametrize("value", ["a", "a" * 255, "é" * 255, "😀" * 255, '\\"', "\\u00e9", "\\ud83d\\ude00", " "])
def test_a_name_of_1_to_255_characters_is_taken(member: str, value: str) -> None:
    assert len(read(one_flow(member, f'"{value}"'), MAX_FLOWS)) == 1


@pytest.mark.parametrize("member", NAMES)
@pytest.mark.parametrize("value", ['""', f'"{"a" * 256}"', f'"{"é" * 256}"', '"a\\u0000b"', "1", "null", "[]"])
def test_any_other_name_is_refused_by_its_place(member: str, value: str) -> None:
    assert locations(one_flow(member, value)) == [("body", 0, member)]


def test_three_names_may_take_2600_bytes_together_and_no_more() -> None:
    fits = make_flow(src_app="😀" * 255, dest_app="😀" * 255, vpc_id="😀" * 140)
    too_long = fits | {"vpc_id": "😀" * 140 + "a"}

    assert len(read(to_json([fits]), MAX_FLOWS)) == 1
    assert locations(to_json([fits, too_long])) == [("body", 1)]


def test_the_bytes_of_escaped_names_are_counted_too() -> None:
    flow = make_flow(src_app="@", dest_app="@", vpc_id="@")
    body = to_json([flow]).replace(b"@", b"\\ud83d\\ude00" * 255)

    assert locations(body) == [("body", 0)]


def test_every_bad_member_of_every_bad_record_is_named() -> None:
    flows = [
        make_flow(hour="x", src_app="a\0b"),
        make_flow(),
        7,
        {"src_app": "", "hour": -1},
        None,
    ]

    assert locations(to_json(flows)) == [
        ("body", 0, "src_app"),
        ("body", 0, "hour"),
        ("body", 2),
        ("body", 3, "src_app"),
        ("body", 3, "dest_app"),
        ("body", 3, "vpc_id"),
        ("body", 3, "hour"),
        ("body", 3, "bytes_tx"),
        ("body", 3, "bytes_rx"),
        ("body", 4),
    ]


def test_a_message_says_what_was_expected() -> None:
    (error,) = refusal(one_flow("hour", '"1"'))["errors"]

    assert error == {"loc": ("body", 0, "hour"), "msg": "Expected `int`, got `str`"}


def test_at_most_100_errors_are_told_and_all_are_counted() -> None:
    told = refusal(to_json([make_flow(hour=-1, bytes_tx=-1)] * 300))

    assert len(told["errors"]) == 100
    assert told["errors_total"] == 600
    assert told["errors"][99]["loc"] == ("body", 49, "bytes_tx")


def test_only_the_first_error_is_told_of_more_elements_than_a_batch_may_have() -> None:
    many = to_json([make_flow(hour=-1)] * 11)
    as_many_as_may = to_json([make_flow(hour=-1)] * 10)

    assert locations(many, max_flows=10) == [("body", 0, "hour")]
    assert len(locations(as_many_as_may, max_flows=10)) == 10


def test_a_first_error_past_the_limit_is_the_one_told() -> None:
    flows = [make_flow()] * 15 + [make_flow(hour=-1, bytes_rx=-1)] * 2

    assert locations(to_json(flows), max_flows=10) == [("body", 15, "hour")]


def test_millions_of_bad_elements_are_refused_with_one_error() -> None:
    body = b"[" + b"1," * 2_000_000 + b"1]"

    assert locations(body, max_flows=100_000) == [("body", 0)]


def test_more_good_records_than_a_batch_may_have_are_left_to_the_handler() -> None:
    assert len(read(to_json([make_flow()] * 11), 10)) == 11


def test_unknown_members_are_ignored_whatever_they_hold() -> None:
    flow = make_flow(extra={"a": [1, 2, {"src_app": 3}]}, records=99)
    body = to_json([flow]).replace(b"99", b"1e999")

    assert read(body, MAX_FLOWS) == [make_record()]


def test_of_a_repeated_member_the_last_counts() -> None:
    good_last = to_json([make_flow()]).replace(b"{", b'{"hour":"x","hour":7,', 1).replace(b'"hour":1,', b"")
    bad_last = to_json([make_flow()]).replace(b"}", b',"hour":"x"}')

    assert read(good_last, MAX_FLOWS) == [make_record(hour=7)]
    assert locations(bad_last) == [("body", 0, "hour")]


def test_members_are_known_by_name_however_it_is_escaped() -> None:
    body = to_json([make_flow()]).replace(b'"hour"', b'"h\\u006fur"')

    assert read(body, MAX_FLOWS) == [make_record()]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[",
        b"[{]",
        b"[] []",
        b"[,]",
        b"[{},]",
        b"nonsense",
        b"\xef\xbb\xbf[]",
        b"\xff\xfe",
        b"[\xff]",
        b'[{"src_app":"\xff"}]',
        b'[{"src_app":"\xed\xa0\x80"}]',
        b'[{"src_app":"\\ud800"}]',
        b'[{"extra":"\\udc00\\ud800"}]',
        b'[{"extra":"a\x00b"}]',
        b"[NaN]",
        b"[1e]",
        b"[01]",
        b"[" * 200_000,
        b"[" * 200_000 + b"]" * 200_000,
        b'[{"extra":' + b"[" * 200_000 + b"]" * 200_000 + b"}]",
        b'[1, {"extra":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_001 + b"]",
        b'[{"hour":-1}, nonsense]',
    ],
)
def test_what_is_not_json_is_one_error_of_the_body(body: bytes) -> None:
    assert locations(body) == [("body",)]


@pytest.mark.parametrize("body", [b"{}", b"null", b"1", b'"[]"', b"true", to_json(make_flow())])
def test_what_is_not_an_array_is_one_error_of_the_body(body: bytes) -> None:
    assert locations(body) == [("body",)]


def test_bad_utf8_in_an_ignored_member_is_refused_wherever_it_stands() -> None:
    padding = make_flow(extra="x" * 30_000)
    good = to_json([*[padding] * 100, make_flow(extra="é")])

    assert len(read(good, MAX_FLOWS)) == 101
    assert locations(good.replace("é".encode(), b"\xc3")) == [("body",)]


@given(st.lists(st.sampled_from(["good", "bad", "worse"]), max_size=16), st.sampled_from(["", " ", "\n\t "]))
def test_the_index_told_is_the_index_sent_however_it_is_spaced(kinds: list[str], space: str) -> None:
    texts = {"good": to_json(make_flow(x='],{"')).decode(), "bad": '{"a":"]"}', "worse": '"[,"'}
    body = f"{space}[{space}{f'{space},{space}'.join(texts[kind] for kind in kinds)}{space}]{space}".encode()
    wrong = [index for index, kind in enumerate(kinds) if kind != "good"]

    if wrong:
        assert sorted({loc[1] for loc in locations(body)}) == wrong
    else:
        assert read(body, MAX_FLOWS) == [make_record()] * len(kinds)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut bodies as often as can be."""
    monkeypatch.setattr(codec, "_PART", 200)


flows = st.builds(
    make_flow,
    hour=st.integers(-1, 3),
    src_app=st.sampled_from(["a", "},{", "},", '"},{"', "\\", "é", "\0", "[{},{}]"]),
    extra=st.sampled_from([1, "},", [{}, {}], {"a": [{"hour": 1}, {"hour": -2}]}, "x" * 300]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(flows, max_size=12), st.sampled_from([b"", b" ", b"\n"]))
def test_a_body_read_in_parts_is_read_as_the_whole(
    small_parts: None, batch: list[dict[str, Any]], space: bytes
) -> None:
    body = b"[" + (b"," + space).join(map(to_json, batch)) + b"]"
    wrong = [index for index, flow in enumerate(batch) if flow["hour"] < 0 or "\0" in flow["src_app"]]

    if wrong:
        assert sorted({loc[1] for loc in locations(body)}) == wrong
    else:
        assert read(body, MAX_FLOWS) == [make_record(src_app=flow["src_app"], hour=flow["hour"]) for flow in batch]


@pytest.mark.parametrize("tail", [b",]", b", ]", b",,]", b"", b",", b"]]", b"}]", b",{}", b"] x"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_is_no_array_as_a_whole_is_none_in_parts(small_parts: None, tail: bytes, count: int) -> None:
    assert locations(to_json([make_flow()] * count)[:-1] + tail) == [("body",)]


def test_the_parts_of_a_body_are_as_many_as_its_length_asks_for(small_parts: None) -> None:
    body = to_json([make_flow()] * 20)

    assert len(list(codec._pieces(body))) == 10


def padded(length: int) -> bytes:
    """Make a good record of so many bytes."""
    record = to_json(make_flow(x=""))
    return record.replace(b'"x":""', b'"x":"' + b"a" * (length - len(record)) + b'"')


@pytest.mark.parametrize("before", [0, 1, 700])
def test_a_record_of_64_kib_is_taken_wherever_it_stands(before: int) -> None:
    for after in (0, 1, 700):
        body = b"[" + b", ".join([*[padded(120)] * before, padded(MAX_RECORD_BYTES), *[padded(120)] * after]) + b"]"

        assert len(read(body, MAX_FLOWS * 2)) == before + 1 + after


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(
    "long",
    [
        padded(MAX_RECORD_BYTES + 1),
        padded(300_000),
        b'"' + b"a" * 100_000 + b'"',
        b"9" * 100_000,
        b"{" + b",".join(b'"%d":1' % number for number in range(9_000)) + b"}",
        b'{"' + b"\\u0041" * 20_000 + b'":1}',
    ],
)
def test_a_longer_one_is_refused_by_its_place_and_nothing_after_it_is_read(long: bytes, lenient: bool) -> None:
    body = b"[" + padded(200) + b',{"hour":1},' + long + b",1]"

    with pytest.raises(RequestError) as caught:
        list(decode(body, MAX_FLOWS, lenient).records)

    assert caught.value.status == 422
    assert caught.value.members["errors"][-1] == {"loc": ("body", 2), "msg": "Longer than 65536 bytes"}
    assert caught.value.members["errors_total"] == 6


def test_millions_of_blanks_are_no_record() -> None:
    blanks = b" " * 1_000_000

    assert read(blanks + b"[" + blanks + b"]" + blanks, MAX_FLOWS) == []
    assert len(read(b"[" + blanks + to_json(make_flow()) + blanks + b"," + blanks + padded(200) + b"]", 9)) == 2
    assert locations(blanks) == locations(b"[" + blanks) == [("body",)]


def test_malformed_json_is_told_by_its_byte_in_the_body() -> None:
    body = b"[" + b",".join([padded(1_000)] * 300) + b",nonsense]"

    with pytest.raises(RequestError, match=rf"byte {body.index(b'nonsense') + 1}\)"):
        read(body, MAX_FLOWS)
