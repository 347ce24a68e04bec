"""The document as a whole: the route table, the operations, and the schemas of the types that they name."""

from collections.abc import Iterator, Sequence
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import msgspec

from handlers.language import MOST_VALUES
from handlers.openapi.bodies import request_body
from handlers.openapi.operations import OPERATIONS, Operation, Shape, operation_of
from handlers.openapi.refusals import REFUSALS, Refusal, has_tokens, refusals_here, statuses_of
from handlers.record import FlowRecord
from handlers.settings import Settings
from handlers.version import VERSION

if TYPE_CHECKING:
    from handlers.routes import Route

_TEXT: dict[str, Any] = {"type": "string"}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {"description": "The request's own, or a new one; the log has it.", "required": True},
    "Cache-Control": {"description": "An answer may be kept, and is to be asked for again each time."},
    "Content-Disposition": {"description": "The name of a file to save it as (RFC 6266); not with JSON."},
    "Content-Encoding": {"description": "How the answer is packed."},
    "ETag": {"description": "The answer's validator, for If-None-Match; another one after each write to the sums."},
    "Vary": {"description": "Which headers of the request it depends on."},
    "Link": {"description": "With cursor, where to go on (RFC 8288)."},
    "Retry-After": {"description": "Seconds to wait before asking again.", "required": True},
    "WWW-Authenticate": {"description": "What a token has to be (RFC 6750).", "required": True},
    "Idempotency-Replayed": {"description": "The batch had been counted before, and was not counted again."},
    "Preference-Applied": {"description": "Bad records were left out, as was preferred."},
}

# Of hours only the different ones count, and so a list of too many may be right.
_MANY: dict[str, dict[str, int]] = {"hour": {}}

_Schemas = dict[Shape, dict[str, Any]]


def describe(routes: "Sequence[Route]", settings: Settings) -> dict[str, Any]:
    """Make the document of these routes, with the limits that the settings give them."""
    schemas, components = _schemas()
    refusals = refusals_here(settings)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, settings, schemas)
    made: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Flow Aggregation Service",
            "version": VERSION,
            "description": "One exact running sum per flow key: hour, src_app, dest_app, vpc_id.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {str(status): _refused(refusal, schemas) for status, refusal in refusals.items()},
            "headers": {name: {"schema": _TEXT, **header} for name, header in HEADERS.items()},
        },
    }
    if has_tokens(settings):
        made["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return made


def _schemas() -> tuple[_Schemas, dict[str, Any]]:
    """Write the schema of every type that is named, and the components that they share."""
    shapes: list[Shape] = [FlowRecord, *(shape for each in OPERATIONS.values() for shape in each.answers)]
    shapes += dict.fromkeys(refusal.shape for refusal in REFUSALS.values() if refusal.shape is not None)
    written, components = msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")
    for component in components.values():
        if "description" in component:
            component["description"] = cleandoc(component["description"]).replace("``", "`")
    return dict(zip(shapes, written, strict=True)), components


def _operation(route: "Route", settings: Settings, schemas: _Schemas) -> dict[str, Any]:
    operation = operation_of(route.method, route.path)
    parameters = [*_parameters(operation, settings)]
    made: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": parameters,
        "responses": dict(_responses(route, operation, settings, schemas)),
    }
    if operation.takes_flows:
        made["requestBody"] = request_body(schemas[FlowRecord], settings)
    if words := [*operation.rules, *(["The local server only."] if route.local else [])]:
        made["description"] = " ".join(words)
    if has_tokens(settings):
        # Beside a scheme without scopes there may stand the roles that it takes.
        made["security"] = [{"bearer": [route.role]}] if route.role else []
    return made


def _parameters(operation: Operation, settings: Settings) -> Iterator[dict[str, Any]]:
    for parameter in operation.query(settings):
        schema = parameter.schema
        if parameter.many:
            schema = {"type": "array", "items": schema, **_MANY.get(parameter.name, {"maxItems": MOST_VALUES})}
        yield {"name": parameter.name, "in": "query", "description": parameter.meaning, "schema": schema}
    for header in operation.headers:
        yield {"in": "header", **header}


def _responses(
    route: "Route", operation: Operation, settings: Settings, schemas: _Schemas
) -> Iterator[tuple[str, dict[str, Any]]]:
    yield (
        str(operation.status),
        {
            "links": {
                name: {"operationId": name, "parameters": {parameter: value}}
                for name, parameter, value in operation.links
            },
            "description": operation.summary,
            "headers": _headers(operation.told),
            "content": {
                operation.media: {"schema": _any_of([schemas[shape] for shape in operation.answers])},
                **{media: {"schema": _TEXT if media.startswith("text/") else {}} for media in operation.also},
            },
        },
    )
    for status in statuses_of(route, operation.refusals, settings):
        yield str(status), {"$ref": f"#/components/responses/{status}"}


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _refused(refusal: Refusal, schemas: _Schemas) -> dict[str, Any]:
    told = {"description": refusal.when, "headers": _headers(refusal.headers)}
    if refusal.shape is None:
        return told
    return {**told, "content": {"application/json": {"schema": schemas[refusal.shape]}}}


def _headers(names: Sequence[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}
