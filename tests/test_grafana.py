"""The dashboard for Grafana: what it asks for is what the service answers, and what it draws is in the answers."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.factories import from_json, make_flow, to_json
from tests.process import ROOT, Running, running

BOARD: dict[str, Any] = from_json((ROOT / "local" / "grafana" / "flows.json").read_bytes())
INFINITY, PROMETHEUS = "yesoreyeram-infinity-datasource", "prometheus"
VARIABLES = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
TOKENS = {"read": "grafana's-token", "write": "agent's-token"}
AUTHORIZATION = f"Bearer {TOKENS['read']}"
ODD = ["!web", "=web", "web*", "*", "a&b=c", "ü/?#%2B", "a,b c", "{x}:$y"]
"""Names that mean something in a filter, in a query string, or to Grafana."""

HOUR = 494_839
"""The hour of the first flow, and of the greatest."""

Choice = Mapping[str, Sequence[str]]
"""The values that are chosen of each variable; none: all."""


def panels() -> list[dict[str, Any]]:
    return [*BOARD["panels"], *(inner for panel in BOARD["panels"] for inner in panel.get("panels", ()))]


def drawn() -> list[dict[str, Any]]:
    return [panel for panel in panels() if panel["type"] != "row"]


def questions() -> list[dict[str, Any]]:
    """List all that is asked of the service: by panels, and for the choices."""
    asked = [target for panel in drawn() for target in panel["targets"] if target["datasource"]["type"] == INFINITY]
    return asked + [VARIABLES[name]["query"]["infinityQuery"] for name in ("vpc_id", "app")]


def expressions() -> list[str]:
    return [target["expr"] for panel in drawn() for target in panel["targets"] if "expr" in target]


def filled(url: str, choice: Choice, first: datetime, end: datetime) -> str:
    """Fill in a URL as Grafana does, and write its query anew, as the Infinity data source does.

    https://grafana.com/docs/grafana/latest/dashboards/variables/variable-syntax/
    """

    def value(found: re.Match[str]) -> str:
        name, _, form = found[1].partition(":")
        if name in ("__from", "__to"):
            assert form == "date:iso"
            time = first if name == "__from" else end
            return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        kind, parameter, prefix = form.split(":")
        assert kind == "customqueryparam"
        if not choice.get(name):
            return str(VARIABLES[name]["allValue"])
        return "&".join(f"{parameter}={quote(prefix, safe='')}{quote(value, safe='')}" for value in choice[name])

    path, _, query = re.sub(r"\$\{([^}]+)\}", value, url).partition("?")
    return f"{path}?{urlencode(sorted(parse_qsl(query, strict_parsing=True)))}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with tokens, and flows in three hours, of plain names and of odd ones."""
    tokens = [f"{role}er:{role}:{hashlib.sha256(token.encode()).hexdigest()}" for role, token in TOKENS.items()]
    flows = [make_flow(hour=HOUR + hour, src_app=f"app-{hour}", dest_app="db") for hour in range(3)]
    flows += [make_flow(hour=HOUR, src_app=name, dest_app="db", vpc_id=name) for name in ODD]
    flows += [make_flow(hour=HOUR, src_app="app-0", dest_app="db", bytes_rx=10**12)]
    with running(tmp_path_factory.mktemp("grafana"), API_TOKENS=",".join(tokens)) as server:
        headers = {"Authorization": f"Bearer {TOKENS['write']}", "Prefer": "handling=lenient"}
        status, _ = server.ask("POST", "/flows", to_json([*flows, {}]), **headers)
        assert status == 201
        yield server


BEGIN = datetime.fromtimestamp(HOUR * 3600, UTC)
RANGES = {
    "whole hours": (BEGIN, BEGIN + timedelta(hours=3)),
    "within hours": (BEGIN + timedelta(minutes=26, milliseconds=7), BEGIN + timedelta(hours=2, minutes=1)),
}
CHOICES: dict[str, Choice] = {
    "all": {},
    "one": {"vpc_id": ["vpc-0"], "app": ["app-1"]},
    "several": {"vpc_id": ["vpc-0", "web*"], "app": ["app-0", "app-1", "web*"]},
    "odd ones": {"vpc_id": ODD, "app": ODD},
}


def ask(server: Running, url: str, choice: Choice, span: str) -> Any:
    target = filled(url, choice, *RANGES[span])
    status, body = server.ask("GET", target, Authorization=AUTHORIZATION)
    assert status == 200, (target, body)
    return from_json(body)


def rows(answer: Any, selector: str) -> list[dict[str, Any]]:
    found = answer[selector] if selector else [answer]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("span", RANGES)
@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_everything_that_is_asked_for_is_answered_with_the_columns_that_are_drawn(
    server: Running, choice: Choice, span: str
) -> None:
    for question in questions():
        found = rows(ask(server, question["url"], choice, span), question["root_selector"])

        assert found, question["url"]
        for column in question["columns"]:
            kind = str if column["type"] == "string" else int
            assert all(isinstance(row[column["selector"]], kind) for row in found), (question["url"], column)


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_is_chosen_is_taken_as_it_is(server: Running, name: str) -> None:
    url = panel_called("Greatest flows")["targets"][0]["url"]

    found = ask(server, url, {"vpc_id": [name], "app": [name]}, "whole hours")["items"]

    assert [(row["src_app"], row["vpc_id"]) for row in found] == [(name, name)]


def test_the_choices_are_the_names_of_the_time_range_those_with_the_most_bytes_first(server: Running) -> None:
    def names(member: str, choice: Choice) -> list[str]:
        url = VARIABLES[member]["query"]["infinityQuery"]["url"]
        return [item[member] for item in ask(server, url, choice, "whole hours")["items"]]

    assert names("vpc_id", {})[0] == "vpc-0"
    assert set(names("vpc_id", {})) == {"vpc-0", *ODD}
    assert names("app", {})[:2] == ["db", "app-0"]
    assert set(names("app", {"vpc_id": ["web*"]})) == {"web*", "db"}


def panel_called(title: str) -> dict[str, Any]:
    (panel,) = (panel for panel in drawn() if panel["title"] == title)
    return panel


def test_hours_become_times(server: Running) -> None:
    question = panel_called("Bytes per hour")["targets"][0]
    computed = {column["text"]: column["selector"] for column in question["computed_columns"]}

    items = ask(server, question["url"], {}, "within hours")["items"]

    assert computed == {"time": "hour * 3600000"}
    assert [datetime.fromtimestamp(item["hour"] * 3600, UTC) for item in items] == [
        BEGIN + timedelta(hours=hour) for hour in (2, 1, 0)
    ]


def test_a_graphs_links_join_its_nodes(server: Running) -> None:
    nodes, links = panel_called("Who talks to whom")["targets"]
    assert (nodes["format"], links["format"]) == ("node-graph-nodes", "node-graph-edges")
    assert nodes["url"] == links["url"]
    made = [{column["text"] for column in target["computed_columns"]} for target in (nodes, links)]
    assert made[0] >= {"id", "title", "mainstat"}
    assert made[1] >= {"id", "source", "target", "mainstat"}

    answer = ask(server, nodes["url"], {}, "whole hours")

    ends = {link[end] for link in answer["links"] for end in ("src_app", "dest_app")}
    assert ends == {node["app"] for node in answer["nodes"]}


def fields(question: Mapping[str, Any]) -> set[str]:
    return {column["text"] for column in (*question["columns"], *question["computed_columns"])}


@pytest.mark.parametrize("question", questions(), ids=lambda question: question["url"].partition("?")[0])
def test_columns_are_made_from_columns_that_are_there(question: Mapping[str, Any]) -> None:
    there = {column["selector"] for column in question["columns"]}

    # Infinity finds a column's type by its selector among the names of the columns: they are the same here.
    assert all(column["text"] == column["selector"] for column in question["columns"])
    for column in question["computed_columns"]:
        words = set(re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'", "", column["selector"])))
        assert words <= there | {"rowIndex"}, column
    assert (question["type"], question["parser"], question["source"]) == ("json", "backend", "url")
    assert question["url"].startswith("/")


@pytest.mark.parametrize("panel", drawn(), ids=lambda panel: panel["title"])
def test_what_a_panel_names_is_a_field_of_its_own(panel: Mapping[str, Any]) -> None:
    targets = panel["targets"]
    there = set().union(*(fields(target) if "url" in target else {target["legendFormat"]} for target in targets))
    named = {
        override["matcher"]["options"]
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["id"] == "byName"
    }
    for step in panel.get("transformations", ()):
        options = step["options"]
        named |= {each["targetField"] for each in options.get("conversions", ())}
        named |= {each["field"] for each in options.get("sort", ())}
        named |= {*options.get("excludeByName", ()), *options.get("indexByName", ())}
    named |= {panel["options"]["xField"]} if "xField" in panel["options"] else set()

    assert named <= there


def selectors(expression: str) -> list[tuple[str, str]]:
    """Find the series of an expression: names, and what is within the braces."""
    return re.findall(r"\b((?:flows|process)_[a-z_]+)(?:\{([^}]*)\})?", expression)


@pytest.fixture(scope="module")
def told(server: Running) -> list[Sample]:
    """What /metrics tells after some traffic."""
    server.ask("GET", "/flows?from=0", Authorization=AUTHORIZATION)
    status, body = server.ask("GET", "/metrics", Authorization=AUTHORIZATION)
    assert status == 200
    return [sample for family in text_string_to_metric_families(body.decode()) for sample in family.samples]


@pytest.mark.parametrize("expression", expressions())
def test_every_series_is_there_with_its_labels(expression: str, told: list[Sample]) -> None:
    targets = {"instance": "127.0.0.1:8080", "job": "flows"}
    found = selectors(expression.replace("$instance", ".*"))

    assert found
    grouped = {label for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for label in group.split(", ")}
    for name, braces in found:
        matchers = re.findall(r'(\w+)(=~|!~|=)"([^"]*)"', braces)
        samples = [sample.labels | targets for sample in told if sample.name == name]
        assert samples, name
        assert all({*grouped, *(label for label, *_ in matchers)} <= labels.keys() for labels in samples)
        # Nothing has failed here.
        matchers = [matcher for matcher in matchers if matcher[2] != "5.." and matcher[2] != "4.."]
        assert any(all(matches(labels, matcher) for matcher in matchers) for labels in samples), (name, braces)


def matches(labels: Mapping[str, str], matcher: tuple[str, str, str]) -> bool:
    label, operator, value = matcher
    equal = re.fullmatch(re.escape(value) if operator == "=" else value, labels[label]) is not None
    return equal is (operator != "!~")


def test_legends_name_labels_that_are_left() -> None:
    for panel in drawn():
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")):
                summed = re.search(r"\bsum by \(([^)]*)\)", target["expr"])
                assert label == "instance" if summed is None else label in summed[1].split(", ")


def test_panels_have_ids_of_their_own_and_room_of_their_own() -> None:
    numbers = [panel["id"] for panel in panels()]
    taken = [
        (x, y)
        for panel in BOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(set(numbers)) == len(numbers)
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


def test_data_sources_are_chosen_by_whoever_looks() -> None:
    def sources(value: Any) -> Iterator[dict[str, str]]:
        if isinstance(value, list):
            for each in value:
                yield from sources(each)
        elif isinstance(value, dict):
            yield from (each for name, each in value.items() if name == "datasource")
            for each in value.values():
                yield from sources(each)

    assert {(VARIABLES[name]["type"], VARIABLES[name]["query"]) for name in ("flows", "prometheus")} == {
        ("datasource", INFINITY),
        ("datasource", PROMETHEUS),
    }
    assert {(source["type"], source["uid"]) for source in sources(BOARD)} == {
        (INFINITY, "${flows}"),
        (PROMETHEUS, "${prometheus}"),
    }
    assert {panel["type"] for panel in drawn()} == {
        each["id"] for each in BOARD["__requires"] if each["type"] == "panel"
    }
    assert BOARD["id"] is None


def test_the_readmes_data_sources_are_those_of_the_dashboard() -> None:
    section = (ROOT / "README.md").read_text().split("### In Grafana")[1].split("\n##")[0]
    given = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)]
    (data_sources,) = (each["datasources"] for each in given if "datasources" in each)

    assert [each["type"] for each in data_sources] == [INFINITY, PROMETHEUS]
    assert data_sources[0]["jsonData"]["auth_method"] == "bearerToken"
    assert set(data_sources[0]["secureJsonData"]) == {"bearerToken"}
    assert "local/grafana/flows.json" in section
