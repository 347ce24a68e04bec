"""Idempotency-Key: the sender's name for a batch, by which one sent again is known and counted once.

https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header
"""

import hashlib
import re

from handlers.prefer import LENIENT, prefers_lenient
from handlers.record import Delivery, FlowStore
from handlers.web import Fault, Request, RequestError, Response, invalid

HEADER = "idempotency-key"

# A string of RFC 8941, whose parameters mean nothing here, or the same bare, which many clients send.
_MAX_CHARACTERS = 255
_QUOTED = rf'"((?:[ !#-\[\]-~]|\\["\\]){{1,{_MAX_CHARACTERS}}})"(?: *;[ -~]*)?'
_BARE = rf"[!#-+\--:<-\[\]-~]{{1,{_MAX_CHARACTERS}}}"
PATTERN = f"{_QUOTED}|{_BARE}"
"""What the header's value may be, once the white space around it is taken away."""


def read_key(request: Request) -> str | None:
    """Read the key of a request, None where there is none. Raises RequestError (422)."""
    text = request.headers.get(HEADER)
    if text is None:
        return None
    text = text.strip(" \t")
    found = re.fullmatch(PATTERN, text)
    if found is None:
        expected = f'Expected one string of 1 to {_MAX_CHARACTERS} printable ASCII characters, as in "8e03978e-40d5"'
        raise invalid([Fault(("header", HEADER), expected)], 1)
    return text if found[1] is None else re.sub(r"\\(.)", r"\1", found[1])


def delivery_of(request: Request, key: str, answer: bytes) -> Delivery:
    """Make the delivery of a request in its caller's scope: the fingerprint is over the body, its type and Prefer."""
    fingerprint = hashlib.sha256()
    for name in ("content-type", "prefer"):
        value = request.headers.get(name, "").strip().lower().encode("utf-8", "surrogatepass")
        fingerprint.update(b"%d:%b" % (len(value), value))
    fingerprint.update(request.body)
    return Delivery(request.caller, key, fingerprint.digest(), answer)


def replay(request: Request, stored: Delivery, sent: Delivery) -> Response:
    """Answer as before. Raises RequestError (422) where something else was sent under the same key."""
    if stored.fingerprint != sent.fingerprint:
        message = "The request is invalid: another request has had this Idempotency-Key; nothing was counted"
        fault = Fault(("header", HEADER), "Had by another request before")
        raise RequestError(422, message, members={"errors": [fault.told()], "errors_total": 1})
    applied = (LENIENT,) if prefers_lenient(request) else ()
    return Response(201, stored.answer, (*applied, ("Idempotency-Replayed", "true")))


def replay_if_known(request: Request, key: str, store: FlowStore) -> Response | None:
    """Answer as before, where this very request has been counted."""
    sent = delivery_of(request, key, b"")
    stored = store.find(*sent.name)
    return replay(request, stored, sent) if stored and stored.fingerprint == sent.fingerprint else None
