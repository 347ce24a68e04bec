"""template.yaml says what the code says, and asks for no less than it should."""

import importlib
import re
from typing import Any

import pytest

from handlers.routes import ROUTES
from handlers.settings import Settings
from tests.process import ROOT
from tests.template import FUNCTIONS, RESOURCES, TEMPLATE, routes

ANSWERING = ("WriteFunction", "ReadFunction")
MAKEFILE = (ROOT / "Makefile").read_text()


def of_type(name: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in RESOURCES.values() if resource["Type"] == name]


def test_its_routes_are_the_route_table_and_whatever_has_no_route() -> None:
    table = {f"{route.method} {route.path}" for route in ROUTES if not route.local}

    assert set(routes()) == table | {"$default"}


def test_posts_go_to_the_write_function_and_everything_else_to_the_read_function() -> None:
    posts = {key for key in routes() if key.startswith("POST ")}

    assert {routes()[key] for key in posts} == {"handlers.aws.write"}
    assert {function for key, function in routes().items() if key not in posts} == {"handlers.aws.read"}


def test_the_functions_it_names_are_there() -> None:
    for handler in FUNCTIONS.values():
        module, _, name = handler.rpartition(".")

        assert callable(getattr(importlib.import_module(module), name))


def test_no_route_is_open_unless_a_parameter_says_so() -> None:
    assert TEMPLATE["Parameters"]["Authorization"]["Default"] == "AWS_IAM"
    open_to_all = {f"{route.method} {route.path}" for route in ROUTES if route.role == ""}
    for route in of_type("AWS::ApiGatewayV2::Route"):
        asked = "NONE" if route["RouteKey"] in open_to_all else {"!Ref": "Authorization"}
        assert route["AuthorizationType"] == asked, route["RouteKey"]


def test_without_signatures_and_tokens_the_functions_let_nobody_in() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]

    assert variables["ALLOW_ANONYMOUS"] == "0"
    assert variables["API_TOKENS"]["!If"][0] == "ByToken"
    assert variables["API_TOKENS"]["!If"][1]["!Sub"].startswith("{{resolve:secretsmanager:${TokensSecret}:")


def test_the_database_url_comes_out_of_a_secret() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]

    assert variables["DATABASE_URL"]["!Sub"].startswith("{{resolve:secretsmanager:${DatabaseSecret}:SecretString:")


def test_every_variable_is_a_setting() -> None:
    given = [TEMPLATE["Globals"]["Function"], *of_type("AWS::Serverless::Function")]
    names = {name for one in given for name in one.get("Environment", {}).get("Variables", {})}

    assert names <= {name.upper() for name in Settings.__struct_fields__}
    assert "KEEP_HOURS" in names


def test_what_the_makefile_builds_for_is_what_the_functions_run_on() -> None:
    function = TEMPLATE["Globals"]["Function"]

    assert function["Runtime"] == "python" + re.findall(r"^LAMBDA_PYTHON := (.*)$", MAKEFILE, re.MULTILINE)[0]
    assert function["Architectures"] == ["arm64"]
    assert "--platform manylinux_2_28_aarch64" in MAKEFILE
    built = re.findall(r"^(build-.*):$", MAKEFILE, re.MULTILINE)
    assert built[0].split() == [f"build-{name}" for name in FUNCTIONS]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_limits_a_log_and_alarms(name: str) -> None:
    properties = RESOURCES[name]["Properties"]
    watched = {
        alarm["MetricName"]
        for alarm in of_type("AWS::CloudWatch::Alarm")
        if {"Name": "FunctionName", "Value": {"!Ref": name}} in alarm["Dimensions"]
    }

    assert {"MemorySize", "Timeout", "ReservedConcurrentExecutions"} <= set(properties)
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    # A schedule that finds the function still at work may well wait.
    assert watched == ({"Errors", "Throttles"} if name in ANSWERING else {"Errors"})


@pytest.mark.parametrize("name", ANSWERING)
def test_the_api_may_invoke_each_function(name: str) -> None:
    (permission,) = [
        permission for permission in of_type("AWS::Lambda::Permission") if permission["FunctionName"] == {"!Ref": name}
    ]

    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert "execute-api" in str(permission["SourceArn"])
    assert ":${Api}/*" in str(permission["SourceArn"])


def test_what_removes_old_hours_is_there_only_where_hours_are_not_kept_for_ever() -> None:
    of_it = {name for name, resource in RESOURCES.items() if "Prune" in name or "PruneFunction" in str(resource)}
    (event,) = RESOURCES["PruneFunction"]["Properties"]["Events"].values()

    assert of_it == {"PruneFunction", "PruneLog", "PruneErrors"}
    assert {RESOURCES[name]["Condition"] for name in of_it} == {"Prunes"}
    assert TEMPLATE["Conditions"]["Prunes"] == {"!Not": [{"!Equals": [{"!Ref": "KeepHours"}, 0]}]}
    assert (event["Type"], event["Properties"]["Schedule"]) == ("Schedule", "rate(1 hour)")


def test_an_alarm_watches_what_the_handlers_answer_themselves() -> None:
    # An HTTP API's metrics: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    (alarm,) = [alarm for alarm in of_type("AWS::CloudWatch::Alarm") if alarm["Namespace"] == "AWS/ApiGateway"]

    assert (alarm["MetricName"], alarm["Dimensions"]) == ("5xx", [{"Name": "ApiId", "Value": {"!Ref": "Api"}}])


def test_every_alarm_tells_the_topic() -> None:
    assert all(
        alarm["AlarmActions"] == {"!If": ["AlarmsTold", [{"!Ref": "AlarmTopic"}], {"!Ref": "AWS::NoValue"}]}
        for alarm in of_type("AWS::CloudWatch::Alarm")
    )


@pytest.mark.parametrize("name", TEMPLATE["Parameters"])
def test_every_parameter_is_in_the_readme_with_its_default_and_meaning(name: str) -> None:
    parameter = TEMPLATE["Parameters"][name]
    default = f"`{parameter['Default']}`" if parameter.get("Default") not in (None, "") else ""

    assert f"| `{name}` | {default} | {parameter['Description']} |" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", TEMPLATE["Outputs"])
def test_every_output_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in (ROOT / "README.md").read_text()
