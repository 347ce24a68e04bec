"""respond(): where errors become answers, and what a fault does not tell."""

import logging

import pytest

from handlers.record import FlowKey, OutcomeUnknown, StoreUnavailable, SumTooLarge
from handlers.web import RequestError, Response, respond
from tests.factories import from_json


def raising(error: Exception) -> Response:
    def handle() -> Response:
        raise error

    return respond(handle)


def test_an_answer_passes_through() -> None:
    assert respond(lambda: Response(200, b"{}")) == Response(200, b"{}")


def test_the_callers_mistake_is_told_with_its_headers_and_members() -> None:
    response = raising(RequestError(405, "No", headers=(("Allow", "GET"),), members={"more": 1}))

    assert response == Response(405, b'{"error_message":"No","status_code":405,"more":1}', (("Allow", "GET"),))


def test_a_sum_too_large_is_a_conflict() -> None:
    assert raising(SumTooLarge(FlowKey(1, "a", "b", "c"))).status == 409


def test_an_unavailable_store_asks_for_a_retry(caplog: pytest.LogCaptureFixture) -> None:
    response = raising(StoreUnavailable("database is locked: /secret/path"))

    assert response.status == 503
    assert response.headers == (("Retry-After", "1"),)
    assert b"secret" not in response.body
    assert [vars(record)["request_id"] for record in caplog.records] == [from_json(response.body)["request_id"]]


def test_an_outcome_that_is_not_known_is_told_so() -> None:
    stored = from_json(raising(StoreUnavailable("locked")).body)["error_message"]
    unknown = from_json(raising(OutcomeUnknown("cut")).body)["error_message"]

    assert "nothing was stored" in stored
    assert "whether the batch was stored is not known" in unknown


def test_a_fault_tells_nothing_but_the_id_under_which_the_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = raising(RuntimeError("SELECT secret FROM /path"))

    told = from_json(response.body)
    assert response.status == told["status_code"] == 500
    assert set(told) == {"error_message", "status_code", "request_id"}
    assert b"secret" not in response.body
    assert [vars(record)["request_id"] for record in caplog.records] == [told["request_id"]]
    assert "SELECT secret FROM /path" in caplog.text
