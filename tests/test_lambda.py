"""The functions as Lambda runs them: the real runtime client, in a process of its own, against a local Runtime API."""

import subprocess
import sys
from pathlib import Path

import pytest

from handlers.access import digest_of
from handlers.web import GUARDS
from storage import open_store
from tests.edges import event
from tests.factories import SAMPLE_HOUR_2, from_json
from tests.lambda_runtime import Outcome, function
from tests.postgresql import PostgreSQL
from tests.process import ROOT, environment
from tests.template import FUNCTIONS


@pytest.mark.parametrize("kind", ["http_api", "function_url", "rest_api"])
def test_the_sample_goes_in_and_comes_out_to_the_byte(kind: str, database_url: str) -> None:
    with (
        function(FUNCTIONS["WriteFunction"], DATABASE_URL=database_url) as write,
        function(FUNCTIONS["ReadFunction"], DATABASE_URL=database_url) as read,
    ):
        posted = write.invoke(event(f"{kind}_post"))
        again = write.invoke(event(f"{kind}_post"))
        found = read.invoke(event(f"{kind}_get"))

    posted.body["headers"].pop("X-Request-Id")
    again.body["headers"].pop("X-Request-Id")
    assert posted == again
    assert found.body["headers"].pop("X-Request-Id")
    assert found.body["headers"].pop("ETag")
    assert (posted.kind, posted.body["statusCode"], posted.body["body"]) == (
        "response",
        201,
        '{"accepted":5,"flows":4}',
    )
    twice = SAMPLE_HOUR_2.replace(b":500", b":1000").replace(b":100}", b":200}")
    assert found == Outcome(
        "response",
        {
            "statusCode": 200,
            "headers": {
                **dict(GUARDS),
                "Content-Type": "application/json",
                "Vary": "Accept, Accept-Encoding",
                "Cache-Control": "no-cache",
            },
            "body": twice.decode(),
            "isBase64Encoded": False,
        },
    )


def test_an_instance_outlives_a_restart_of_its_database(other_server: PostgreSQL) -> None:
    store = open_store(other_server.url)
    store.clear()
    store.close()
    with function("handlers.aws.write", DATABASE_URL=other_server.url) as write:
        before = write.invoke(event("http_api_post"))
        other_server.stop()
        other_server.start()
        after = write.invoke(event("http_api_post"))

    assert before.body["statusCode"] == after.body["statusCode"] == 201


def test_a_wrong_setting_is_told_by_the_log_and_the_answers_are_500(tmp_path: Path) -> None:
    with function("handlers.aws.read", DATABASE_URL=f"sqlite:///{tmp_path}/f.db", MAX_PAGE_SIZE="many") as read:
        answered = read.invoke(event("http_api_get"))

    assert (answered.kind, answered.body["statusCode"]) == ("response", 500)
    assert from_json(answered.body["body"].encode())["request_id"] in read.log
    assert "MAX_PAGE_SIZE is wrong: expected a whole number" in read.log


@pytest.mark.parametrize("kind", ["http_api", "function_url", "rest_api"])
def test_without_tokens_only_requests_that_aws_has_authenticated_are_let_in(tmp_path: Path, kind: str) -> None:
    signed, unsigned, open_route = event(f"{kind}_post"), event(f"{kind}_post"), event(f"{kind}_get")
    for asked in (unsigned, open_route):
        # As API Gateway and a function URL write it where a route asks for no authentication.
        asked["requestContext"].pop("authorizer", None)
        asked["requestContext"].pop("identity", None)
        asked["headers"]["authorization"] = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261124"
    open_route |= {"rawPath": "/", "path": "/"}
    with (
        function("handlers.aws.write", DATABASE_URL=f"sqlite:///{tmp_path}/f.db", ALLOW_ANONYMOUS="0") as write,
        function("handlers.aws.read", DATABASE_URL=f"sqlite:///{tmp_path}/f.db", ALLOW_ANONYMOUS="0") as read,
    ):
        refused, taken, opened = write.invoke(unsigned), write.invoke(signed), read.invoke(open_route)

    assert (refused.body["statusCode"], taken.body["statusCode"], opened.body["statusCode"]) == (503, 201, 200)
    assert "Nobody has been allowed in yet" in refused.body["body"]


def test_a_function_with_tokens_takes_the_one_it_knows(tmp_path: Path) -> None:
    entry = f"web-1:write:{digest_of('secret').hex()}"
    posted = event("http_api_post")
    signed = posted | {"headers": {**posted["headers"], "authorization": "Bearer secret"}}
    with function("handlers.aws.write", DATABASE_URL=f"sqlite:///{tmp_path}/f.db", API_TOKENS=entry) as write:
        refused, taken = write.invoke(posted), write.invoke(signed)

    assert (refused.body["statusCode"], taken.body["statusCode"]) == (401, 201)
    assert "secret" not in write.log


def test_on_lambda_a_sqlite_url_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/flows.db"
    with function("handlers.aws.write", DATABASE_URL=url, AWS_LAMBDA_FUNCTION_NAME="write") as write:
        answered = write.invoke(event("http_api_post"))

    assert answered.body["statusCode"] == 500
    assert "DATABASE_URL names a SQLite file" in write.log
    assert not (tmp_path / "flows.db").exists()


def test_the_log_has_a_line_of_json_for_each_request(tmp_path: Path) -> None:
    settings = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    with function("handlers.aws.write", DATABASE_URL=f"sqlite:///{tmp_path}/flows.db", **settings) as write:
        write.invoke(event("http_api_post"))

    (line,) = [from_json(line.encode()) for line in write.log.splitlines() if '"access"' in line]
    assert line["level"] == "INFO"
    assert line["message"].startswith("POST /flows 201 ")
    assert line["requestId"]


def test_an_event_that_is_no_request_is_answered_400_and_the_instance_lives_on(tmp_path: Path) -> None:
    with function("handlers.aws.read", DATABASE_URL=f"sqlite:///{tmp_path}/flows.db") as read:
        refused = read.invoke({"source": "aws.events"})
        answered = read.invoke(event("http_api_get"))

    assert (refused.kind, refused.body["statusCode"]) == ("response", 400)
    assert "refused an event" in read.log
    assert answered.body["statusCode"] == 200


def test_a_function_on_sqlite_imports_neither_a_server_nor_a_driver(tmp_path: Path) -> None:
    code = (
        "import sys, json; before = set(sys.modules); import handlers.aws as edge;"
        "edge.write(json.load(open('tests/events/http_api_post.json')), None);"
        "print(); print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    url = f"sqlite:///{tmp_path}/flows.db"
    command, settings = [sys.executable, "-c", code], environment(DATABASE_URL=url, ALLOW_ANONYMOUS="1")

    ended = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=True)

    # msgspec looks for typing_extensions, and takes it where it is.
    assert set(ended.stdout.splitlines()[-1].split()) - {"typing_extensions"} == {
        "handlers",
        "msgspec",
        "peewee",
        "storage",
    }


def test_a_schedule_has_old_hours_removed(database_url: str) -> None:
    with function(FUNCTIONS["WriteFunction"], DATABASE_URL=database_url) as write:
        write.invoke(event("http_api_post"))
    with function(FUNCTIONS["PruneFunction"], DATABASE_URL=database_url, KEEP_HOURS="24") as prune:
        pruned = prune.invoke({"source": "aws.events", "detail-type": "Scheduled Event"})

    assert pruned == Outcome("response", {"removed": 4, "hours": 2, "done": True})
