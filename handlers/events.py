"""Events of API Gateway and of function URLs, decoded into types: whatever the event is, a request or a 400."""

from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode

import msgspec

from handlers.web import Request, RequestError

_UNKNOWN = "The event is neither of a REST API nor of payload format 2.0, which an HTTP API and a function URL have"


class Carried(NamedTuple):
    """A request, and whether AWS has checked its signature and lets its principal invoke this function."""

    request: Request
    signed: bool


class _Http(msgspec.Struct, rename="camel", kw_only=True):
    method: str
    source_ip: str | None = None


class _Authorizer(msgspec.Struct):
    iam: dict[str, Any] | None = None


class _Context(msgspec.Struct, rename="camel", kw_only=True):
    http: _Http
    authorizer: _Authorizer | None = None
    domain_name: str | None = None
    request_id: str | None = None
    stage: str | None = None


class _Event(msgspec.Struct, rename="camel", kw_only=True):
    body: str | None = None
    is_base64_encoded: bool | None = None


class _Payload2(_Event, rename="camel", kw_only=True):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html ."""

    raw_path: str
    request_context: _Context
    raw_query_string: str | None = None
    headers: dict[str, str] | None = None


class _Identity(msgspec.Struct, rename="camel", kw_only=True):
    source_ip: str | None = None
    user_arn: str | None = None


class _RestContext(msgspec.Struct, rename="camel", kw_only=True):
    identity: _Identity | None = None
    request_id: str | None = None


class _Payload1(_Event, rename="camel", kw_only=True):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html ."""

    http_method: str
    path: str
    multi_value_query_string_parameters: dict[str, list[str]] | None = None
    multi_value_headers: dict[str, list[str]] | None = None
    request_context: _RestContext | None = None


def read_event(event: object) -> Carried:
    """Decode an event. A member that is null counts as missing. Raises RequestError 400 when it is no request."""
    if not isinstance(event, dict):
        raise RequestError(400, _UNKNOWN)
    try:
        if event.get("version") == "2.0":
            return _http_api_request(msgspec.convert(event, _Payload2))
        # Payload 1.0 of an HTTP API has a version; an event of a load balancer says "elb", and escapes otherwise.
        if "httpMethod" in event and "version" not in event and not _is_load_balancers(event):
            return _rest_api_request(msgspec.convert(event, _Payload1))
    except msgspec.ValidationError as error:
        raise RequestError(400, f"The event is malformed: {error}") from None
    except UnicodeEncodeError:
        # JSON can spell a lone surrogate; msgspec does not take one where it looks a text up.
        raise RequestError(400, "The event is malformed: a text in it has no UTF-8") from None
    raise RequestError(400, _UNKNOWN)


def _is_load_balancers(event: dict[str, Any]) -> bool:
    context = event.get("requestContext")
    return isinstance(context, dict) and "elb" in context


def _http_api_request(event: _Payload2) -> Carried:
    """Read payload format 2.0: of an HTTP API, whose path comes decoded, or of a function URL, whose path does not."""
    context = event.request_context
    path = event.raw_path
    if ".lambda-url." in (context.domain_name or ""):
        path = unquote(path)
    stage = context.stage or "$default"
    if stage != "$default" and f"{path}/".startswith(f"/{stage}/"):
        path = path.removeprefix(f"/{stage}") or "/"
    headers = {name.lower(): value for name, value in (event.headers or {}).items()}
    signed = context.authorizer is not None and bool(context.authorizer.iam)
    http = context.http
    query, peer, named = event.raw_query_string or "", http.source_ip or "", context.request_id or ""
    return Carried(Request(http.method, path, query, headers, _body(event), peer, named), signed)


def _rest_api_request(event: _Payload1) -> Carried:
    """Read payload format 1.0, of a REST API, which hands over a query that it has taken apart and decoded."""
    query = urlencode(event.multi_value_query_string_parameters or {}, doseq=True, errors="surrogatepass")
    headers = {name.lower(): ", ".join(values) for name, values in (event.multi_value_headers or {}).items()}
    context = event.request_context or _RestContext()
    identity = context.identity or _Identity()
    peer, named = identity.source_ip or "", context.request_id or ""
    request = Request(event.http_method, unquote(event.path), query, headers, _body(event), peer, named)
    return Carried(request, bool(identity.user_arn))


def _body(event: _Event) -> bytes:
    body = event.body or ""
    if not event.is_base64_encoded:
        # A lone surrogate, which JSON can spell, becomes bytes that the handlers refuse.
        return body.encode("utf-8", "surrogatepass")
    import base64

    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        raise RequestError(400, "The event is malformed: its body is not base64, and isBase64Encoded is true") from None
