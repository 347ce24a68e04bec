"""What each route does, in words, and in which shape it answers: an entry for every route of the table."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from handlers.accept import MEDIA
from handlers.batch import BatchAccepted, BatchSifted
from handlers.graph import Graph
from handlers.health import Alive, Ready
from handlers.openapi.bodies import HEADERS
from handlers.openapi.shapes import AppPage, AppTop, FlowPage, FlowTop, FlowWalk, HourPage, VpcPage, VpcTop
from handlers.parameters import flow_parameters, graph_parameters, hours_parameters, name_parameters
from handlers.query import Parameter
from handlers.root import Greeting
from handlers.settings import Settings

Shape = Any
"""A type that msgspec writes the schema of."""


class Operation(NamedTuple):
    """What a route is for, how it is asked and answered."""

    name: str
    summary: str
    answers: tuple[Shape, ...]
    """One of these, the fullest first."""

    tag: str = "flows"
    status: int = 200
    media: str = "application/json"
    also: tuple[str, ...] = ()
    """Media types of other forms in which the same is answered."""

    query: Callable[[Settings], Sequence[Parameter]] = lambda _: ()
    headers: tuple[dict[str, Any], ...] = ()
    refusals: tuple[int, ...] = ()
    told: tuple[str, ...] = ()
    """Headers that an answer may have."""

    rules: tuple[str, ...] = ()
    """What its parameters have to do with each other, which OpenAPI has no words for."""

    takes_flows: bool = False
    links: tuple[tuple[str, str, str], ...] = ()
    """What may be asked next: an operation, a parameter of it, and where its value is."""


_KNOWN: dict[str, Any] = {
    "headers": (
        {
            "name": "If-None-Match",
            "description": "The `ETag` of an answer that is there already: where it is still right, 304 says so.",
            "schema": {"type": "string"},
        },
    ),
    "refusals": (304, 406, 422),
    "told": ("Cache-Control", "Content-Encoding", "ETag", "Vary"),
}
"""What goes with an answer that is packed or not, and has a validator."""

_FORMS: dict[str, Any] = {
    **_KNOWN,
    "told": (*_KNOWN["told"], "Content-Disposition"),
    "also": tuple(media.partition(";")[0] for name, media in MEDIA.items() if name != "json"),
}
"""What goes with a table: it is answered in several formats, too."""

_HOURS = "Without hour, from and last, all hours are meant. Give one of them only; to goes with from, and is after it."
_NAMES = (
    _HOURS,
    "top is not with page or size; sort names members that the items have.",
)

OPERATIONS = {
    "GET /": Operation("getRoot", "Which service this is", (Greeting,), "service"),
    "GET /healthz": Operation("getHealth", "Whether the process answers", (Alive,), "service"),
    "GET /readyz": Operation("getReadiness", "Whether the store answers too", (Ready,), "service"),
    "GET /metrics": Operation(
        "getMetrics", "What the local server counts, for Prometheus", (str,), "service", media="text/plain"
    ),
    "GET /openapi.json": Operation(
        "getOpenapi", "This document", (dict[str, Any],), "service", **{**_KNOWN, "refusals": (304, 406)}
    ),
    "GET /flows": Operation(
        "getFlows",
        "Query sums of flows: filter them by hour and name, group, sort, and choose a part",
        (FlowPage, FlowTop, FlowWalk),
        query=flow_parameters,
        **{**_FORMS, "told": (*_FORMS["told"], "Link")},
        rules=(
            "One of hour, from and last is required, and only one of them; to goes with from, and is after it.",
            "top is not with page or size; cursor is not with page, top, sort or last.",
            "sort names members that the items have; they have records with group_by or include.",
            "time requires items that have an hour.",
        ),
    ),
    "GET /hours": Operation(
        "getHours",
        "Hours with their totals, newest first",
        (HourPage,),
        query=hours_parameters,
        **_FORMS,
        rules=(_HOURS,),
    ),
    "GET /apps": Operation(
        "getApps",
        "Apps, with the flows at either end of which they are, as seen from them",
        (AppPage, AppTop),
        query=name_parameters,
        **_FORMS,
        rules=_NAMES,
    ),
    "GET /vpcs": Operation(
        "getVpcs", "VPCs with their totals", (VpcPage, VpcTop), query=name_parameters, rules=_NAMES, **_FORMS
    ),
    "GET /graph": Operation(
        "getGraph",
        "Who talks to whom: the greatest links, and the apps at their ends",
        (Graph,),
        query=graph_parameters,
        **_KNOWN,
        rules=("One of hour, from and last is required, and only one of them; to goes with from, and is after it.",),
    ),
    "POST /flows": Operation(
        "postFlows",
        "Count a batch of flow records: all of it or nothing; it is on disk before the answer",
        (BatchSifted, BatchAccepted),
        status=201,
        headers=HEADERS,
        refusals=(406, 409, 413, 415, 422),
        told=("Idempotency-Replayed", "Preference-Applied"),
        takes_flows=True,
        links=(("getFlows", "hour", "$request.body#/0/hour"),),
    ),
}
"""By method and path; what ``/v1`` has is the same."""


def operation_of(method: str, path: str) -> Operation:
    """Find a route's entry. Raises KeyError where it has none."""
    twin = path.startswith("/v1/")
    found = OPERATIONS[f"{method} {path.removeprefix('/v1') if twin else path}"]
    return found._replace(name=f"{found.name}V1") if twin else found
