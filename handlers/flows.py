"""The /flows resource: take batches of flow records, answer questions about their sums."""

from collections.abc import Iterable
from operator import itemgetter

from handlers.aggregate import aggregate
from handlers.codec import BatchAccepted, decode, encode, flow_page
from handlers.query import parse_hour_query
from handlers.record import FlowRecord, FlowStore
from handlers.settings import Settings
from handlers.web import Request, RequestError, Response

_JSON = "application/json"
_RECORDS = itemgetter(4)
"""How many records a FlowSum has."""


def post_flows(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Count a JSON array of flow objects, all of them or none; they are on disk when this returns.

    Raises RequestError 415 (not JSON), 413 (body too long), 422 (bad records), 406 (too many), and what the store
    raises.
    """
    _check_media(request)
    if len(request.body) > settings.max_body_bytes:
        raise RequestError(413, f"The body is longer than {settings.max_body_bytes} bytes; send smaller batches")
    return ingest(decode(request.body, settings.max_batch_flows), store, settings)


def get_flows(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Answer a page of one hour's sums. Raises RequestError 422 on a bad query, and what the store raises."""
    asked = parse_hour_query(request.query, settings)
    found = store.read(asked.hour, asked.offset, asked.size)
    return Response(200, encode(flow_page(found, asked.page, asked.size)), records=len(found.sums))


def ingest(records: Iterable[FlowRecord], store: FlowStore, settings: Settings) -> Response:
    """Count decoded records: the common door behind every format. Raises RequestError 406 on too many of them."""
    sums = aggregate(records)
    accepted = sum(map(_RECORDS, sums))
    if accepted > settings.max_batch_flows:
        raise RequestError(406, "Too many flow objects are being registered")
    store.add(sums)
    return Response(201, encode(BatchAccepted(accepted, len(sums))), records=accepted)


def _check_media(request: Request) -> None:
    """Let only plain JSON in UTF-8 pass. A missing Content-Type counts as JSON."""
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media.strip().lower() not in ("", _JSON) or charset not in ("", "utf-8"):
        raise RequestError(415, f"Send the flow objects as Content-Type: {_JSON}, in UTF-8")
    if request.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise RequestError(415, "Send the body without Content-Encoding", headers=(("Accept-Encoding", "identity"),))
