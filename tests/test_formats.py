"""Bodies: lines and tables, and what each of their errors says; and that every format gives the same sums."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from handlers.record import FlowStore
from handlers.routes import answer
from handlers.settings import Settings
from handlers.web import Request, Response
from storage import SumStore
from tests.factories import SAMPLE, from_json, make_flow, to_json

Ask = Callable[..., Response]
LINES, TABLE = "application/x-ndjson", "text/csv"
HEADER = "src_app,dest_app,vpc_id,hour,bytes_tx,bytes_rx"


@pytest.fixture
def post(sum_store: FlowStore) -> Ask:
    def post(body: bytes, media: str, **headers: str) -> Response:
        named = {"content-type": media, **headers}
        return answer(Request("POST", "/flows", headers=named, body=body), sum_store, Settings(max_batch_flows=10))

    return post


def as_table(flows: list[dict[str, Any]], end: str = "\r\n") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER.split(","), lineterminator=end)
    writer.writeheader()
    writer.writerows(flows)
    return text.getvalue().encode()


def errors(response: Response) -> list[tuple[list[Any], str, int | None]]:
    return [(each["loc"], each["msg"], each.get("line")) for each in from_json(response.body)["errors"]]


@pytest.mark.parametrize(
    "body",
    [
        b"\n".join(map(to_json, SAMPLE)),
        b"\r\n".join(map(to_json, SAMPLE)) + b"\r\n",
        b"\n\n  \n".join(json.dumps(flow).encode() for flow in SAMPLE) + b"\n\n",
    ],
)
def test_lines_are_counted_like_an_array(post: Ask, sum_store: SumStore, body: bytes) -> None:
    posted = post(body, LINES)

    assert (posted.status, posted.body) == (201, b'{"accepted":5,"flows":4}')
    assert [row[5:] for row in sum_store.read(1, 0, 10).sums] == [(500, 100), (900, 300)]


@pytest.mark.parametrize(
    "body",
    [
        as_table(SAMPLE),
        as_table(SAMPLE, "\n"),
        b"\xef\xbb\xbf" + as_table(SAMPLE),
        as_table(SAMPLE, "\n\n"),
        as_table(SAMPLE).rstrip(),
    ],
)
def test_a_table_is_counted_like_an_array(post: Ask, sum_store: SumStore, body: bytes) -> None:
    posted = post(body, TABLE)

    assert (posted.status, posted.body) == (201, b'{"accepted":5,"flows":4}')
    assert [row[5:] for row in sum_store.read(1, 0, 10).sums] == [(500, 100), (900, 300)]


def test_a_tables_columns_may_be_in_any_order_and_others_are_ignored(post: Ask, sum_store: SumStore) -> None:
    body = b'hour,note,bytes_rx, bytes_tx,vpc_id,src_app,dest_app\n1,"a, ""b""\nc",007,1,v,"x ""y"" , z",d\n'

    assert post(body, "Text/CSV; header=present; charset=UTF-8").status == 201
    assert sum_store.read(1, 0, 10).sums == [(1, 'x "y" , z', "d", "v", 1, 7, 1)]


@pytest.mark.parametrize("media", [LINES, TABLE])
def test_an_empty_batch_is_stored_as_none(post: Ask, media: str) -> None:
    body = HEADER.encode() if media == TABLE else b"\n"

    assert post(body, media).body == b'{"accepted":0,"flows":0}'


def test_each_bad_line_is_named_with_its_number(post: Ask, sum_store: SumStore) -> None:
    good = to_json(make_flow())
    lines = [good, b"", to_json(make_flow(hour="1")), b"{no", b"7", good + good, b"[" * 5_000, b'{"src_app":1', good]

    refused = post(b"\n".join(lines), LINES)

    assert refused.status == 422
    assert [(loc, line) for loc, _, line in errors(refused)] == [
        (["body", 1, "hour"], 3),
        (["body", 2], 4),
        (["body", 3], 5),
        (["body", 4], 6),
        (["body", 5], 7),
        (["body", 6], 8),
    ]
    assert sum_store.read(1, 0, 10).total == 0


def test_an_object_spread_over_lines_is_none(post: Ask) -> None:
    assert post(json.dumps(make_flow(), indent=1).encode(), LINES).status == 422
    assert post(b"[" + to_json(make_flow()) + b"]", LINES).status == 422


def test_each_bad_row_is_named_with_its_line(post: Ask, sum_store: SumStore) -> None:
    rows = [HEADER, "a,b,v,1,1,1", '"a', 'b",b,v,x,-1,1.0', "a,b,v,1,1", "a,b,v,1,1,1,1", ",b,v,1,1,1", "a,b,v,٣,+1, 1"]

    refused = post("\n".join(rows).encode(), TABLE)

    assert refused.status == 422
    assert errors(refused) == [
        (["body", 1, "hour"], "Expected `int`, got `str`", 3),
        (["body", 1, "bytes_tx"], "Expected `int`, got `str`", 3),
        (["body", 1, "bytes_rx"], "Expected `int`, got `str`", 3),
        (["body", 2], "Expected 6 fields, as the header line has, got 5", 5),
        (["body", 3], "Expected 6 fields, as the header line has, got 7", 6),
        (["body", 4, "src_app"], "Expected `str` of length >= 1", 7),
        (["body", 5, "hour"], "Expected `int`, got `str`", 8),
        (["body", 5, "bytes_tx"], "Expected `int`, got `str`", 8),
        (["body", 5, "bytes_rx"], "Expected `int`, got `str`", 8),
    ]
    assert sum_store.read(1, 0, 10).total == 0


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"", 1),
        (b"src_app,dest_app\n", 1),
        (HEADER.encode() + b",hour\n", 1),
        (b'"src_app', 1),
        (HEADER.encode() + b'\na,b,v,1,1,1\n"x', 3),
        (HEADER.encode() + b'\na,"b"c,v,1,1,1\n', 2),
        (HEADER.encode() + b"\n" + b"x" * 200_000 + b",b,v,1,1,1", 2),
    ],
)
def test_what_is_no_table_is_refused_as_a_whole_with_the_line(post: Ask, body: bytes, line: int) -> None:
    refused = post(body, TABLE)

    assert refused.status == 422
    assert [(loc, number) for loc, _, number in errors(refused)] == [(["body"], line)]


@pytest.mark.parametrize("media", [LINES, TABLE])
def test_bad_utf8_is_refused_as_a_whole(post: Ask, media: str) -> None:
    refused = post(b"\xff\n", media)

    assert (refused.status, errors(refused)[0][0]) == (422, ["body"])


@pytest.mark.parametrize("media", [LINES, TABLE])
def test_too_many_are_too_many(post: Ask, media: str) -> None:
    flows = [make_flow()] * 11
    body = as_table(flows) if media == TABLE else b"\n".join(map(to_json, flows))

    assert post(body, media).status == 406
    assert post(body, media, prefer="handling=lenient").status == 406


@pytest.mark.parametrize("media", [LINES, TABLE])
def test_the_good_ones_are_counted_where_that_is_preferred(post: Ask, sum_store: SumStore, media: str) -> None:
    flows = [make_flow(), make_flow(bytes_tx="x"), make_flow()]
    body = as_table(flows) if media == TABLE else b"\n".join(map(to_json, flows))

    sifted = post(body, media, prefer="handling=lenient")

    told = from_json(sifted.body)
    assert (sifted.status, told["accepted"], told["refused"]) == (201, 2, 1)
    assert told["errors"][0]["line"] == (3 if media == TABLE else 2)
    assert sum_store.read(1, 0, 10).sums[0][4] == 2


def long_line(length: int) -> bytes:
    record = to_json(make_flow(x=""))
    return record.replace(b'"x":""', b'"x":"' + b"a" * (length - len(record)) + b'"')


def test_a_line_over_64_kib_is_bad_whatever_it_holds(post: Ask) -> None:
    good = to_json(make_flow())
    lines = [good, long_line(65_537), b"", long_line(65_536), b"7" * 300_000, good]

    refused, sifted = (post(b"\n".join(lines), LINES, prefer=prefer) for prefer in ("", "handling=lenient"))

    told = [(["body", 1], "Longer than 65536 bytes", 2), (["body", 3], "Longer than 65536 bytes", 5)]
    assert errors(refused) == errors(sifted) == told
    assert (refused.status, from_json(sifted.body)["accepted"]) == (422, 3)


@pytest.mark.parametrize(
    "row", [b"x" * 65_527 + b",b,v,1,1,1", b"," * 65_537, b'"' + b"\n" * 65_537, b'"\n",' * 20_000]
)
def test_a_row_over_64_kib_refuses_its_table(post: Ask, row: bytes) -> None:
    for prefer in ("", "handling=lenient"):
        refused = post(HEADER.encode() + b"\na,b,v,1,1,1\n\n" + row, TABLE, prefer=prefer)

        assert (refused.status, errors(refused)) == (422, [(["body"], "No CSV: a row is longer than 65536 bytes", 4)])


def test_a_header_line_may_name_100_columns_and_no_more(post: Ask) -> None:
    for columns, status in ((100, 201), (101, 422)):
        more = columns - 6
        body = HEADER.encode() + b"".join(b",c%d" % number for number in range(more)) + b"\na,b,v,1,1,1" + b"," * more
        posted = post(body, TABLE)

        assert posted.status == status
    assert errors(posted) == [(["body"], "The header line names 101 columns, more than 100", 1)]


def test_a_header_line_of_commas_is_refused_before_it_is_cut(post: Ask) -> None:
    refused = post(b"," * 1_000_000, TABLE)

    assert errors(refused) == [(["body"], "No CSV: a row is longer than 65536 bytes", 1)]


def test_lines_are_counted_through_any_number_of_empty_ones(post: Ask) -> None:
    empty = b"\n" * 100_000 + b"\r\n" * 50_000

    refused = post(HEADER.encode() + b"\n" + empty + b"a,b,v,1,1,x\n" + empty + b"a,b,v,1,x,1", TABLE)
    assert [line for *_, line in errors(refused)] == [150_002, 300_003]
    refused = post(empty + b"7\n" + empty + b"8", LINES)
    assert [line for *_, line in errors(refused)] == [150_001, 300_002]


@pytest.mark.parametrize("media", ["application/jsonl", "text/plain", "text/csv; charset=latin1", "text/csv,text/csv"])
def test_any_other_type_is_refused_with_what_there_is(post: Ask, media: str) -> None:
    refused = post(b"", media)

    assert refused.status == 415
    assert "application/json, application/x-ndjson or text/csv" in from_json(refused.body)["error_message"]


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=5)
numbers = st.integers(0, 2**40)
flows = st.lists(
    st.builds(make_flow, src_app=names, dest_app=names, vpc_id=names, bytes_tx=numbers, bytes_rx=numbers), max_size=10
)


@examples(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60
)
@given(flows)
def test_every_format_gives_the_same_sums(post: Ask, sum_store: SumStore, flows: list[dict[str, Any]]) -> None:
    read = []
    for body, media in (
        (to_json(flows), "application/json"),
        (b"\n".join(map(to_json, flows)), LINES),
        (as_table(flows), TABLE),
    ):
        sum_store.clear()
        assert post(body, media).status == 201
        read.append(sum_store.read(1, 0, 100).sums)

    assert read[0] == read[1] == read[2]


@examples(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=200
)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet=HEADER + '",\r\n{}[]:1 ', max_size=300).map(str.encode)))
def test_no_bytes_get_a_5xx(post: Ask, body: bytes) -> None:
    for media in (LINES, TABLE):
        assert post(HEADER.encode() + b"\n" + body if media == TABLE else body, media).status in (201, 422, 406)
