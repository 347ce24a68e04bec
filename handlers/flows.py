"""The /flows resource: take batches of flow records, answer questions about their sums."""

from operator import itemgetter
from typing import cast

from handlers.aggregate import aggregate
from handlers.batch import Batch
from handlers.codec import encode
from handlers.compression import check_packing, unpack
from handlers.formats import decoder_of
from handlers.idempotency import delivery_of, read_key, replay, replay_if_known
from handlers.prefer import LENIENT, prefers_lenient
from handlers.record import AlreadyDelivered, Delivery, FlowStore
from handlers.settings import Settings
from handlers.web import TOO_MANY, Request, RequestError, Response

_RECORDS = itemgetter(4)
"""How many records a FlowSum has."""


def post_flows(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Count flow objects, once for each Idempotency-Key: all of them or none, or the good ones where that is preferred.

    They are on disk when this returns.

    Raises RequestError 415 (a type or encoding that is not known), 413 (body too long), 422 (bad records), 406 (too
    many), and what the store raises.
    """
    decode = decoder_of(request)
    request = request._replace(body=unpack(request, settings.max_body_bytes))
    key = read_key(request)
    try:
        batch = decode(request.body, settings.max_batch_flows, prefers_lenient(request))
        return ingest(batch, request, key, store, settings)
    except RequestError:
        # What has been counted is answered as before, though it would be refused by now.
        if key is None or (answered := replay_if_known(request, key, store)) is None:
            raise
        return answered


def check_head(request: Request, max_body_bytes: int) -> None:
    """Check what a POST's head says of its body. Raises RequestError 415 or 413, as ``post_flows`` does."""
    decoder_of(request)
    check_packing(request, max_body_bytes)


def get_flows(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Answer a page of one hour's sums, or any other question about them.

    Raises RequestError 422 on a bad query, 406 where no format would be accepted, and what the store raises.
    """
    # Imported where it is asked for: a function that only counts starts the sooner without.
    from handlers.hour_page import read_hour_page

    answered = read_hour_page(request, store, settings)
    if answered is None:
        from handlers.reads import read_flows

        return read_flows(request, store, settings)
    return answered


def ingest(batch: Batch, request: Request, key: str | None, store: FlowStore, settings: Settings) -> Response:
    """Count decoded records: the common door behind every format.

    Raises RequestError 406 on too many of them, 422 on a key that another request has had.
    """
    sums = aggregate(batch.records)
    accepted = sum(map(_RECORDS, sums))
    if accepted > settings.max_batch_flows:
        raise RequestError(406, TOO_MANY)
    answer = encode(batch.answer(accepted, len(sums)))
    delivery = None if key is None else delivery_of(request, key, answer)
    try:
        store.add(sums, () if delivery is None else (delivery,))
    except AlreadyDelivered as known:
        # Raised for a delivery only.
        sent = cast("Delivery", delivery)
        return replay(request, known.found[sent.name], sent)
    return Response(201, answer, (LENIENT,) if batch.lenient else (), accepted, batch.refused)
