"""Answers in every format, through every edge and over every engine."""

import csv
import gzip
import io
import json
import time
from typing import Any
from urllib.parse import urlencode

import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from handlers.accept import MEDIA
from handlers.record import MAX_INTEGER, FlowSum
from handlers.routes import answer
from handlers.settings import Settings
from handlers.web import Request, Response
from storage import SumStore
from tests.edges import Answer, Ask
from tests.engines import on_cluster
from tests.factories import SAMPLE, SAMPLE_HOUR_2, from_json, make_flow, make_sum, to_json

JSON = {"Content-Type": "application/json"}
ODD = ["=1+1", 'a"b', "a,b", "a\nb", "a\r\nb", "\r", " a ", "é😀", "\ufeff", "'", "\t", "null", "1"]


def read_rows(media: str, body: bytes) -> list[dict[str, Any]]:
    """Read an answer's rows, by another reader than ours."""
    if media == "parquet":
        found: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist()
        return found
    if media == "arrow":
        with pyarrow.ipc.open_stream(body) as reader:
            read: list[dict[str, Any]] = reader.read_all().to_pylist()
        return read
    if media == "ndjson":
        return [from_json(line) for line in body.splitlines()]
    numbers = {"hour", "bytes_rx", "bytes_tx", "records", "flows"}
    rows = csv.DictReader(io.StringIO(body.decode(), newline=""))
    return [{k: (int(v) if k in numbers else v) if v else None for k, v in row.items()} for row in rows]


@pytest.fixture
def sample(ask: Ask) -> None:
    ask("POST", "/flows", to_json(SAMPLE), JSON)


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html, */*;q=0.1"])
def test_json_is_given_to_the_byte_unless_another_format_is_wanted(ask: Ask, accept: str | None) -> None:
    read = ask("GET", "/flows?hour=2", b"", {} if accept is None else {"Accept": accept})

    assert (read.status, read.body) == (200, SAMPLE_HOUR_2)
    assert read.headers["vary"] == "Accept, Accept-Encoding"
    assert "content-encoding" not in read.headers


@pytest.mark.usefixtures("sample")
def test_lines_and_tables_are_these(ask: Ask) -> None:
    lines = ask("GET", "/flows?hour=2", b"", {"Accept": "application/x-ndjson"})
    table = ask("GET", "/flows?hour=2", b"", {"Accept": "text/csv"})

    assert (lines.status, lines.headers["content-type"]) == (200, "application/x-ndjson")
    assert lines.body == (
        b'{"src_app":"baz","dest_app":"qux","vpc_id":"vpc-0","hour":2,"bytes_rx":500,"bytes_tx":100}\n'
        b'{"src_app":"baz","dest_app":"qux","vpc_id":"vpc-1","hour":2,"bytes_rx":500,"bytes_tx":100}\n'
    )
    assert (table.status, table.headers["content-type"]) == (200, "text/csv; charset=utf-8; header=present")
    assert table.body == (
        b"src_app,dest_app,vpc_id,hour,bytes_rx,bytes_tx\r\nbaz,qux,vpc-0,2,500,100\r\nbaz,qux,vpc-1,2,500,100\r\n"
    )


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize("format", ["ndjson", "csv", "parquet", "arrow"])
@pytest.mark.parametrize(
    "query",
    [
        "hour=1",
        "from=0&sort=src_app",
        "from=0&size=2",
        "from=0&page=2&size=2",
        "from=0&include=records&sort=-bytes_rx",
        "from=0&group_by=hour,src_app",
        "from=0&group_by=total",
        "from=0&direction=both&vpc_id=vpc-0",
        "from=0&cursor=&size=3",
        "hour=9",
    ],
)
def test_every_format_has_the_rows_that_json_has(ask: Ask, query: str, format: str) -> None:  # noqa: A002
    items = ask("GET", f"/flows?{query}").json["items"]
    read = ask("GET", f"/flows?{query}&format={format}")

    assert (read.status, read.headers["content-type"]) == (200, MEDIA[format])  # type: ignore[index]
    assert read_rows(format, read.body) == items


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize("format", ["ndjson", "csv", "parquet", "arrow"])
def test_the_rest_comes_last_without_names(ask: Ask, format: str) -> None:  # noqa: A002
    first, rest = read_rows(format, ask("GET", f"/flows?from=0&group_by=src_app&top=1&format={format}").body)

    assert first == {"src_app": "baz", "bytes_rx": 1500, "bytes_tx": 300, "records": 3}
    assert rest == {"src_app": None, "bytes_rx": 900, "bytes_tx": 300, "records": 2}


def test_the_last_hours_go_by_the_clock_of_the_edge(ask: Ask, sum_store: SumStore) -> None:
    now = int(time.time()) // 3_600
    sum_store.add([make_sum(hour=hour) for hour in (now - 30, now - 1)])

    for route in ("/flows?include=records&", "/hours?", "/flows?group_by=hour&"):
        assert [item["hour"] for item in ask("GET", f"{route}last=3h").json["items"]] == [now - 1]
    assert [link["records"] for link in ask("GET", "/graph?last=3h").json["links"]] == [1]
    assert [app["records"] for app in ask("GET", "/apps?last=2d").json["items"]] == [2, 2]
    assert ask("GET", "/vpcs?last=24").status == 422


def test_the_last_hours_are_others_once_the_hour_is_over(sum_store: SumStore, settings: Settings) -> None:
    sum_store.add([make_sum(hour=hour) for hour in (10, 11)])

    def read(received: float, known: str = "") -> Response:
        request = Request("GET", "/flows", "last=2h", {"if-none-match": known}, received=received)
        return answer(request, sum_store, settings)

    first = read(12 * 3_600 - 0.1)
    etag = dict(first.headers)["ETag"]

    assert [item["hour"] for item in from_json(first.body)["items"]] == [10, 11]
    assert read(11 * 3_600, etag).status == 304
    assert [item["hour"] for item in from_json(read(12 * 3_600, etag).body)["items"]] == [11]


def test_a_day_is_its_24_hours_everywhere(ask: Ask, sum_store: SumStore) -> None:
    day = 498_744
    sum_store.add([make_sum(hour=hour) for hour in (day - 1, day, day + 23, day + 24)])

    for route in ("/flows?", "/flows?cursor=&", "/hours?", "/flows?group_by=hour&"):
        items = ask("GET", f"{route}hour=2026-11-24").json["items"]
        assert sorted(item["hour"] for item in items) == [day, day + 23]
    assert ask("GET", "/graph?hour=2026-11-24").json["links"][0]["records"] == 2
    assert ask("GET", "/vpcs?hour=2026-11-24&hour=2026-11-25").json["items"][0]["records"] == 3
    assert ask("GET", "/apps?from=2026-11-24&to=2026-11-25").json["items"][0]["records"] == 2


@pytest.mark.usefixtures("sample")
def test_names_come_in_every_format_and_a_graph_in_one(ask: Ask) -> None:
    assert ask("GET", "/apps?format=csv").body.startswith(b"app,bytes_rx,bytes_tx,records\r\nbar,300,900,2\r\n")
    assert ask("GET", "/vpcs", b"", {"Accept": "text/csv"}).body.count(b"\r\n") == 3
    assert ask("GET", "/graph?hour=1&format=csv").status == 422


@pytest.mark.usefixtures("sample")
def test_all_the_sums_of_several_hours_come_hour_by_hour(ask: Ask) -> None:
    every = read_rows("ndjson", ask("GET", "/flows?from=0&format=ndjson").body)

    assert [(row["hour"], row["src_app"]) for row in every] == [(1, "baz"), (1, "foo"), (2, "baz"), (2, "baz")]


@pytest.mark.parametrize("format", ["ndjson", "csv", "parquet", "arrow"])
def test_without_a_page_every_row_is_given(ask: Ask, sum_store: SumStore, format: str) -> None:  # noqa: A002
    sum_store.add([make_sum(f"app-{number:05}", bytes_rx=number) for number in range(2_500)])

    every = read_rows(format, ask("GET", f"/flows?hour=1&format={format}").body)
    page = read_rows(format, ask("GET", f"/flows?hour=1&size=7&page=3&format={format}").body)

    assert [row["bytes_rx"] for row in every] == list(range(2_500))
    assert page == every[14:21]


@pytest.mark.parametrize("format", ["json", "ndjson", "csv", "parquet", "arrow"])
def test_sums_beyond_64_bits_are_told_to_the_last_digit(ask: Ask, sum_store: SumStore, format: str) -> None:  # noqa: A002
    sum_store.add([make_sum(f"app-{number}", bytes_rx=MAX_INTEGER, bytes_tx=1) for number in range(5)])
    exact = 5 * MAX_INTEGER

    read = ask("GET", f"/flows?hour=1&group_by=total&format={format}")
    top = ask("GET", f"/flows?hour=1&top=1&format={format}")

    assert exact > 2**65
    if format == "json":
        assert f'"bytes_rx":{exact},"bytes_tx":5' in read.body.decode()
        assert f'"other":{{"rows":4,"bytes_rx":{4 * MAX_INTEGER},"bytes_tx":4}}' in top.body.decode()
    else:
        assert int(_row(read, format)["bytes_rx"]) == exact
        assert int(read_rows(format, top.body)[-1]["bytes_rx"]) == 4 * MAX_INTEGER


def _row(read: Answer, format: str) -> dict[str, Any]:  # noqa: A002
    if format == "ndjson":
        # By a reader that keeps large integers.
        found: dict[str, Any] = json.loads(read.body)
        return found
    (row,) = read_rows(format, read.body)
    return row


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_columns_are_64_bit_integers_where_all_values_fit_and_decimals_elsewhere(
    ask: Ask,
    sum_store: SumStore,
    format: str,  # noqa: A002
) -> None:
    half = MAX_INTEGER // 2
    sum_store.add(
        [
            make_sum(hour=1, bytes_rx=half, bytes_tx=half),
            make_sum(hour=2, bytes_rx=half, bytes_tx=half + 1),
            make_sum("x", hour=2, bytes_rx=MAX_INTEGER, bytes_tx=0),
            make_sum("y", hour=2, bytes_rx=MAX_INTEGER, bytes_tx=0),
        ]
    )

    def types(target: str) -> dict[str, str]:
        body = ask("GET", f"{target}&format={format}").body
        schema = pyarrow.parquet.read_schema(io.BytesIO(body)) if format == "parquet" else _schema(body)
        return {field.name: str(field.type) for field in schema}

    names = {"src_app": "string", "dest_app": "string", "vpc_id": "string", "hour": "int64"}
    fit, wide = (dict.fromkeys(("bytes_rx", "bytes_tx"), kind) for kind in ("int64", "decimal128(38, 0)"))
    assert types("/flows?hour=2") == {**names, **fit}
    assert types("/flows?hour=1&direction=both") == {**names, **fit}
    assert types("/flows?hour=1&group_by=hour") == {"hour": "int64", **fit, "records": "int64"}
    assert types("/apps?hour=1") == {"app": "string", **fit, "records": "int64"}
    assert types("/hours?hour=1") == {"hour": "int64", **fit, "records": "int64", "flows": "int64"}
    # Of rows that are all there, each value is looked at, and that of the rest too.
    assert types("/flows?hour=2&group_by=src_app&size=2") == {"src_app": "string", **fit, "records": "int64"}
    assert types("/flows?hour=2&group_by=src_app&top=2")["bytes_rx"] == "int64"
    assert types("/flows?hour=2&group_by=src_app&top=1")["bytes_rx"] == "decimal128(38, 0)"
    assert types("/hours?hour=2")["bytes_rx"] == "decimal128(38, 0)"
    # Of a stream the type comes before the rows, and so goes by what the hours come to.
    assert types("/flows?hour=2&group_by=src_app") == {"src_app": "string", **wide, "records": "decimal128(38, 0)"}


def _schema(stream: bytes) -> Any:
    with pyarrow.ipc.open_stream(stream) as reader:
        return reader.schema


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_grouped_columns_can_be_calculated_with(ask: Ask, format: str) -> None:  # noqa: A002
    ask("POST", "/flows", to_json(SAMPLE), JSON)

    rows = read_rows(format, ask("GET", f"/flows?from=0&group_by=src_app&format={format}").body)

    assert [row["bytes_tx"] * 8 / 3600 for row in rows] == [300 * 8 / 3600] * 2


def test_an_hour_has_a_time_beside_it_in_every_format(ask: Ask, sum_store: SumStore) -> None:
    sum_store.add([make_sum(hour=hour) for hour in (0, 498_751, 70_389_528, MAX_INTEGER)])
    times = ["1970-01-01T00:00:00Z", "2026-11-24T07:00:00Z", None, None]

    for route in ("/flows?from=0&sort=hour&", "/flows?from=0&group_by=hour&", "/flows?from=0&cursor=&", "/hours?"):
        items = ask("GET", f"{route}time=iso").json["items"]
        at = list(items[0]).index("hour")
        assert list(items[0])[at : at + 3] == ["hour", "time", "bytes_rx"]
        assert sorted((item["hour"], item["time"] or "") for item in items) == [
            (hour, time or "") for hour, time in zip((0, 498_751, 70_389_528, MAX_INTEGER), times, strict=True)
        ]
        for kind in ("ndjson", "csv"):
            assert read_rows(kind, ask("GET", f"{route}time=iso&format={kind}").body) == items
        for kind in ("parquet", "arrow"):
            rows = read_rows(kind, ask("GET", f"{route}time=iso&format={kind}").body)
            told = [row["time"] and row["time"].strftime("%Y-%m-%dT%H:%M:%SZ") for row in rows]
            assert told == [item["time"] for item in items]
    assert ask("GET", "/hours?hour=70389527&time=iso").json["items"] == []
    assert read_rows("csv", ask("GET", "/flows?from=0&top=1&time=iso&format=csv").body)[-1]["time"] is None
    assert ask("GET", "/graph?from=0&time=iso").status == 422
    assert ask("GET", "/apps?time=iso").status == 422


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(("format", "media"), [("ndjson", "application/x-ndjson"), ("csv", "text/csv")])
def test_rows_with_times_can_be_posted_again(ask: Ask, format: str, media: str) -> None:  # noqa: A002
    body = ask("GET", f"/flows?hour=2&time=iso&include=records&format={format}").body

    assert ask("POST", "/flows", body, {"Content-Type": media}).json == {"accepted": 2, "flows": 2}


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/flows?hour=1&format=csv", "flows-1.csv"),
        ("/v1/flows?from=0&format=csv", "flows-all.csv"),
        ("/flows?hour=498751&format=csv", "flows-2026-11-24T07.csv"),
        ("/flows?hour=2026-11-24&format=csv", "flows-2026-11-24T00-to-2026-11-25T00.csv"),
        ("/flows?from=2026-11-24&to=2026-11-25&format=ndjson", "flows-2026-11-24T00-to-2026-11-25T00.ndjson"),
        ("/flows?hour=498751&hour=498753&format=csv", "flows-2026-11-24T07-and-more.csv"),
        ("/flows?from=2026-11-24&group_by=hour,src_app&app=a&format=parquet",
         "flows-from-2026-11-24T00-by-hour-src_app.parquet"),
        ("/flows?from=0&group_by=total&format=arrow", "flows-all-by-total.arrow"),
        ("/apps?top=3&format=csv", "apps-all.csv"),
        ("/vpcs?from=3&format=csv", "vpcs-from-3.csv"),
        (f"/hours?from=1&to={MAX_INTEGER}&format=csv", f"hours-1-to-{MAX_INTEGER}.csv"),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_json_names_a_file_to_save_it_as(ask: Ask, target: str, name: str) -> None:
    assert ask("GET", target).headers["content-disposition"] == f'attachment; filename="{name}"'
    assert "content-disposition" not in ask("GET", target.rpartition("&")[0]).headers


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/flows?hour=1", {"Accept": "text/html"}, 406),
        ("/flows?hour=1", {"Accept-Encoding": "identity;q=0"}, 406),
        ("/flows?hour=1&format=xml", {}, 422),
        ("/flows?hour=1&format=", {}, 422),
        ("/flows?hour=1&format=csv&format=csv", {}, 422),
        ("/flows?hour=x", {"Accept": "text/html"}, 422),
        ("/nowhere", {"Accept": "text/html"}, 404),
        ("/flows?hour=1&format=csv", {"Accept": "text/html"}, 200),
    ],
)
def test_what_cannot_be_given_is_an_error_of_the_usual_shape(
    ask: Ask, target: str, headers: dict[str, str], status: int
) -> None:
    read = ask("GET", target, b"", headers)

    assert read.status == status
    if status != 200:
        assert read.headers["content-type"] == "application/json"
        assert read.json["status_code"] == status


VALIDATED = [
    "/flows?hour=1",
    "/graph?hour=1",
    "/flows?from=1&format=csv",
    "/flows?hour=1&group_by=src_app",
    "/hours",
    "/apps?hour=1",
]


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize("target", VALIDATED)
def test_who_has_an_answer_already_is_told_so_until_something_of_its_hours_is_written(
    ask: Ask, target: str, engine: str
) -> None:
    if "csv" in target and on_cluster(engine):
        pytest.skip("on a cluster what is streamed has no validator")
    first = ask("GET", target)
    known = {"If-None-Match": first.headers["etag"]}
    ask("POST", "/flows", to_json([make_flow(hour=1 if target == "/hours" else 7)]), JSON)
    other = ask("GET", target, b"", known)
    ask("POST", "/flows", to_json([make_flow()]), JSON)
    changed = ask("GET", target, b"", known)

    assert first.headers["cache-control"] == "no-cache"
    if target not in ("/hours", "/flows?from=1&format=csv"):
        assert (other.status, other.body) == (304, b"")
        assert other.headers["etag"] == first.headers["etag"]
        assert other.headers["vary"] == first.headers["vary"]
        assert not {"content-type", "content-length"} & set(other.headers)
    assert changed.status == 200
    assert changed.body != first.body
    assert ask("GET", target, b"", {"If-None-Match": changed.headers["etag"]}).status == 304
    assert ask("GET", target, b"", {"If-None-Match": f'"x", {changed.headers["etag"]}'}).status == 304
    assert ask("GET", target, b"", {"If-None-Match": "*"}).status == 304


@pytest.mark.usefixtures("sample", "versioned")
def test_every_form_of_an_answer_has_a_validator_of_its_own(ask: Ask) -> None:
    forms = [
        {"Accept": media, "Accept-Encoding": coding} for media in MEDIA.values() for coding in ("gzip", "identity")
    ]

    told = [ask("GET", "/flows?hour=1", b"", form).headers["etag"] for form in forms]

    assert len(set(told)) == 10
    assert ask("GET", "/flows?hour=1").headers["etag"] in told
    assert ask("GET", "/flows?hour=1&page=1").headers["etag"] in told
    assert ask("GET", "/flows?hour=1&page=2").headers["etag"] not in told
    assert ask("GET", "/flows?hour=x", b"", {"If-None-Match": "*"}).status == 422
    assert ask("GET", "/flows?hour=1", b"", {"If-None-Match": "*", "Accept": "image/*"}).status == 406


def test_a_post_is_answered_in_json_whatever_is_accepted(ask: Ask) -> None:
    headers = {**JSON, "Accept": "text/csv", "Accept-Encoding": "gzip"}

    posted = ask("POST", "/flows", to_json(SAMPLE), headers)

    assert (posted.status, posted.body) == (201, b'{"accepted":5,"flows":4}')
    assert "vary" not in posted.headers


@pytest.mark.parametrize(
    "query", ["hour=1&size=1000", "hour=1&size=100&page=2", "hour=1&format=csv", "hour=1&format=ndjson"]
)
def test_a_long_answer_is_packed_where_gzip_is_accepted(ask: Ask, sum_store: SumStore, query: str) -> None:
    sum_store.add([make_sum(f"app-{number:05}") for number in range(2_000)])

    packed = ask("GET", f"/flows?{query}", b"", {"Accept-Encoding": "gzip, deflate, br"})

    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept, Accept-Encoding"
    assert gzip.decompress(packed.body) == ask("GET", f"/flows?{query}").body
    assert len(packed.body) < 20_000


@pytest.mark.usefixtures("sample")
def test_what_is_short_or_packed_already_is_packed_only_where_it_must_be(ask: Ask) -> None:
    for target in ("/flows?hour=2", "/flows?hour=2&format=parquet", "/flows?hour=2&format=csv&size=5"):
        plain = ask("GET", target, b"", {"Accept-Encoding": "gzip"})
        packed = ask("GET", target, b"", {"Accept-Encoding": "gzip, identity;q=0"})

        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=5)
numbers = st.integers(0, 2**40)
flow = st.builds(
    make_flow,
    src_app=names | st.sampled_from(ODD),
    dest_app=names | st.sampled_from(ODD),
    vpc_id=names,
    hour=st.integers(0, 3),
    bytes_tx=numbers,
    bytes_rx=numbers,
)


@examples(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60
)
@given(st.lists(flow, max_size=12), st.sampled_from([("ndjson", "application/x-ndjson"), ("csv", "text/csv")]))
def test_what_is_given_out_can_be_posted_again_and_doubles_every_sum(
    sum_store: SumStore, flows: list[dict[str, Any]], media: tuple[str, str]
) -> None:
    def send(method: str, query: str, body: bytes = b"", kind: str = "application/json") -> Any:
        request = Request(method, "/flows", query, {"content-type": kind}, body)
        return answer(request, sum_store, Settings(default_page_size=100))

    sum_store.clear()
    assert send("POST", "", to_json(flows)).status == 201
    before = from_json(send("GET", "from=0").body)["items"]
    streamed = send("GET", f"from=0&format={media[0]}")
    body = b"".join(streamed.chunks)
    streamed.chunks.close()

    assert send("POST", "", body, media[1]).status == 201
    after = from_json(send("GET", "from=0").body)["items"]

    doubled = [{**item, "bytes_rx": 2 * item["bytes_rx"], "bytes_tx": 2 * item["bytes_tx"]} for item in before]
    assert after == doubled
    assert streamed.chunks.records == len(before)


few = st.sampled_from(["a", "b", "a,b", "*", "~x"])
large = st.integers(0, 9) | st.integers(MAX_INTEGER // 3, MAX_INTEGER)
stored = st.dictionaries(
    st.tuples(st.sampled_from([0, 1, 498_751, MAX_INTEGER]), few, few, st.just("v")),
    st.tuples(st.integers(1, 3), large, large),
    max_size=8,
).map(lambda found: sorted((*key, *totals) for key, totals in found.items()))
groups = st.lists(st.sampled_from(["src_app", "dest_app", "vpc_id", "hour"]), unique=True, min_size=1)


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(stored, groups, st.booleans(), st.none() | few)
def test_grouped_rows_are_the_same_in_every_format_members_in_their_order(
    sum_store: SumStore, flows: list[FlowSum], group: list[str], both: bool, app: str | None
) -> None:
    named = {"app": f"={app}"} if app else {}
    asked = urlencode({"from": 0, "group_by": ",".join(group), **named, **({"direction": "both"} if both else {})})

    def read(kind: str) -> bytes:
        page = "&size=1000" if kind == "json" else ""
        read = answer(Request("GET", "/flows", f"{asked}&format={kind}{page}"), sum_store, Settings())
        assert read.status == 200
        if read.chunks is None:
            return read.body
        body = b"".join(read.chunks)
        read.chunks.close()
        return body

    sum_store.clear()
    sum_store.add(flows)
    items = json.loads(read("json"))["items"]

    for item in items:
        assert list(item) == [*group, "bytes_rx", "bytes_tx", "records"]
        if both and app and {"src_app", "dest_app"} <= item.keys():
            assert item["src_app"] == app
    rows = {kind: read_rows(kind, read(kind)) for kind in ("csv", "parquet", "arrow")}
    assert rows["csv"] == [json.loads(line) for line in read("ndjson").splitlines()] == items
    assert [
        {name: value if isinstance(value, str) else int(value) for name, value in row.items()}
        for row in rows["parquet"]
    ] == items
    assert rows["arrow"] == rows["parquet"]


@pytest.mark.usefixtures("sample")
def test_a_graph_and_the_document_are_packed_and_known_again_too(ask: Ask, sum_store: SumStore) -> None:
    sum_store.add([make_sum(f"app-{number:05}", hour=1) for number in range(50)])

    for target in ("/graph?from=0", "/openapi.json"):
        plain = ask("GET", target, b"", {"Accept": "text/csv"})
        packed = ask("GET", target, b"", {"Accept-Encoding": "gzip"})
        known = ask("GET", target, b"", {"If-None-Match": plain.headers["etag"]})
        refused = ask("GET", target, b"", {"Accept-Encoding": "identity;q=0"})

        assert (plain.status, plain.headers["content-type"]) == (200, "application/json")
        assert gzip.decompress(packed.body) == plain.body
        assert (known.status, known.body, known.headers["etag"]) == (304, b"", plain.headers["etag"])
        assert refused.status == 406


def test_a_graph_that_has_changed_is_told_anew(ask: Ask, sum_store: SumStore) -> None:
    sum_store.add([make_sum()])
    first = ask("GET", "/graph?hour=1")
    sum_store.add([make_sum("other")])

    again = ask("GET", "/graph?hour=1", b"", {"If-None-Match": first.headers["etag"]})
    fewer = ask("GET", "/graph?hour=1&top=1", b"", {"If-None-Match": again.headers["etag"]})

    assert (again.status, len(again.json["links"])) == (200, 2)
    assert (fewer.status, len(fewer.json["links"])) == (200, 1)
