"""What operators see: health, metrics, request ids, logs of JSON, and CloudWatch's lines."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from handlers.metrics import SECONDS, Distribution, Metrics
from handlers.question import HourPage
from handlers.record import FlowStore, StoreUnavailable
from handlers.request_id import begin
from handlers.settings import Settings
from handlers.web import Request, Response
from storage import LazyStore, SumStore
from storage.probe import Probe
from tests.edges import EDGES, Ask, local_edge
from tests.factories import SAMPLE, from_json, make_flow, make_sum, to_json
from tests.process import running
from tests.test_edges import Broken

JSON = {"Content-Type": "application/json"}


def test_a_service_whose_store_answers_is_alive_and_ready(ask: Ask) -> None:
    assert ask("GET", "/healthz").json == {"status": "alive"}
    assert ask("GET", "/readyz").json == {"status": "ready"}


def test_a_service_whose_store_fails_is_alive_and_not_ready(edge: str, settings: Settings) -> None:
    ask = EDGES[edge](Broken(StoreUnavailable("secret")), settings)

    assert ask("GET", "/healthz").status == 200
    told = ask("GET", "/readyz")
    assert told.status == 503
    assert told.json["error_message"] == "The store does not answer within 1 s"
    assert "retry-after" in told.headers


def test_a_store_that_hangs_is_not_ready_in_time_and_costs_one_thread() -> None:
    hangs = threading.Event()
    asked: list[int] = []

    def ask() -> None:
        asked.append(1)
        hangs.wait()

    probe = Probe(ask)
    assert [probe.answers(0.01) for _ in range(3)] == [False, False, False]
    assert asked == [1]

    hangs.set()
    assert probe.answers(60)


def test_a_store_out_of_reach_does_not_answer(tmp_path: Path, sum_store: SumStore) -> None:
    gone = LazyStore(f"sqlite:///{tmp_path}/nowhere/flows.db", 8, 24)

    assert not gone.answers(60)
    assert sum_store.answers(60)


def test_where_there_is_no_thread_to_ask_the_next_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = Probe(lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            probe.answers(60)

    assert probe.answers(60)


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_whatever_the_question_raises_is_no_answer_and_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def ask() -> HourPage:
        raise RuntimeError("broken")

    assert not Probe(ask).answers(60)
    assert "RuntimeError: broken" in caplog.text


def test_a_store_tells_how_large_it_is(store: FlowStore) -> None:
    empty = store.size()
    store.add([make_sum(src_app=f"app-{number:04}") for number in range(3_000)])
    store.add([make_sum(hour=7)])

    size = store.size()

    assert (empty.sums, size.sums) == (0, 3_001)
    assert size.bytes > empty.bytes > 0


@pytest.mark.parametrize("offered", ["web-1/7", "a" * 128, "AZ.az_09~:/+=@-"])
def test_a_request_keeps_the_id_it_has(ask: Ask, offered: str) -> None:
    assert ask("GET", "/", b"", {"X-Request-Id": offered}).headers["x-request-id"] == offered


@pytest.mark.parametrize("offered", ["", "a b", "a" * 129, "é", 'a"', "a\tb"])
def test_an_id_that_is_none_is_replaced_by_a_new_one(offered: str) -> None:
    made = begin(offered)

    assert re.fullmatch("[0-9a-f]{32}", made)
    assert begin(None) != made


def test_every_answer_has_an_id_and_no_two_the_same(ask: Ask) -> None:
    told = [ask(method, path) for method, path in (("GET", "/"), ("GET", "/nowhere"), ("PUT", "/flows"))]

    ids = {answer.headers["x-request-id"] for answer in told}
    assert len(ids) in (1, 3)
    assert all(ids)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read Prometheus's text by its own parser."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_server_counts_what_it_answers_and_commits(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        for _ in range(3):
            server.post(SAMPLE)
        server.ask("POST", "/flows", to_json([make_flow(), {}]), Prefer="handling=lenient")
        server.ask("GET", "/flows?hour=2")
        server.ask("GET", "/secret-path")
        server.ask("FOO", "/flows")
        server.talk(b"nonsense\r\n\r\n")
        status, body = server.ask("GET", "/metrics")

    found = samples(body.decode())

    def requests(route: str, method: str, status: int) -> float:
        labels = (("method", method), ("route", route), ("status", str(status)))
        return found["flows_http_requests_total", labels]

    assert status == 200
    assert requests("/flows", "POST", 201) == 4
    assert requests("/flows", "GET", 200) == requests("other", "GET", 404) == requests("/flows", "other", 405) == 1
    assert requests("other", "other", 400) == 1
    assert found["flows_http_request_duration_seconds_count", (("method", "POST"), ("route", "/flows"))] == 4
    assert found["flows_records_accepted_total", ()] == 16
    assert found["flows_records_refused_total", ()] == 1
    assert found["flows_commit_batches_sum", ()] == found["flows_commit_seconds_count", ()] == 4
    assert found["flows_store_sums", ()] == 4
    assert found["flows_store_bytes", ()] > 0
    assert found["process_resident_memory_bytes", ()] > 0
    assert b"secret" not in body


def test_metrics_are_told_as_prometheus_wants_them_also_where_the_store_is_out_of_reach(settings: Settings) -> None:
    ask = local_edge(Broken(StoreUnavailable("locked")), settings)

    told = ask("GET", "/metrics")

    assert (told.status, told.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert b"flows_store_sums" not in told.body
    assert b"flows_http_requests_total" in told.body


def test_what_was_gathered_is_told_whole_however_much_it_is() -> None:
    counted = Metrics()
    request = Request("POST", "/flows")

    with ThreadPoolExecutor(8) as pool:
        for _ in range(2_500):
            pool.submit(counted.count_request, request, Response(201, b"", records=3, route="/flows"), 0.002)
    counted.count_commit(7, 0.3)
    told = {
        sample.name: sample.value for family in counted.collect() for sample in family.samples if not _bucket(sample)
    }

    assert told == {
        "flows_http_requests_total": 2_500,
        "flows_http_request_duration_seconds_count": 2_500,
        "flows_http_request_duration_seconds_sum": pytest.approx(5),
        "flows_records_accepted_total": 7_500,
        "flows_records_refused_total": 0,
        "flows_commit_batches_count": 1,
        "flows_commit_batches_sum": 7,
        "flows_commit_seconds_count": 1,
        "flows_commit_seconds_sum": 0.3,
    }


def _bucket(sample: Any) -> bool:
    return str(sample.name).endswith("_bucket")


@given(st.lists(st.floats(0, 20)))
def test_a_distribution_counts_each_value_under_every_bound_that_it_reaches(values: list[float]) -> None:
    seen = Distribution(SECONDS)

    for value in values:
        seen.observe(value)

    for name, count in seen.buckets():
        assert count == sum(value <= float(name) for value in values)


def test_the_functions_write_the_same_counts_for_cloudwatch(
    sum_store: FlowStore, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = EDGES["HTTP API"](sum_store, settings)

    ask("POST", "/flows", to_json([make_flow(), {}]), {**JSON, "Prefer": "handling=lenient", "X-Request-Id": "r-1"})
    ask("GET", "/secret-path")
    ask("FOO7", "/flows")

    posted, other, odd = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (posted["Route"], posted["Method"], posted["Status"], posted["request_id"]) == (
        "/flows",
        "POST",
        "201",
        "r-1",
    )
    assert (posted["Requests"], posted["RecordsAccepted"], posted["RecordsRefused"]) == (1, 1, 1)
    assert (other["Route"], other["Method"], other["Status"]) == ("other", "GET", "404")
    assert (odd["Route"], odd["Method"], odd["Status"]) == ("/flows", "other", "405")
    for line in (posted, other, odd):
        assert line["_aws"]["Timestamp"] > 1_700_000_000_000
        for directive in line["_aws"]["CloudWatchMetrics"]:
            assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
            assert {name for names in directive["Dimensions"] for name in names} <= set(line)
            assert {metric["Name"] for metric in directive["Metrics"]} <= set(line)
    assert "secret" not in json.dumps(other)


def test_a_log_of_json_has_an_object_a_line(tmp_path: Path) -> None:
    with running(tmp_path, LOG_FORMAT="json") as server:
        server.ask("POST", "/flows", to_json(SAMPLE), **{"X-Request-Id": "r-1", "Authorization": "Bearer secret"})
        server.terminate()

    text = (tmp_path / "server.log").read_text()
    lines = [from_json(line.encode()) for line in text.splitlines()]
    (access,) = [line for line in lines if line["logger"] == "access"]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert re.fullmatch(r"20[0-9-]{8}T[0-9:]{8}\.[0-9]{3}Z", access["time"])
    assert (access["method"], access["path"], access["status"], access["records"]) == ("POST", "/flows", 201, 5)
    assert access["request_id"] == "r-1"
    assert "secret" not in text
