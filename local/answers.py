"""The service's answers to the agent, decoded into types: whatever the service sends, an answer or a sentence."""

from typing import Annotated, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from handlers.record import MAX_INTEGER
from local.terminal import shortened

Count: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]


class Stopped(Exception):
    """The agent cannot continue; the message is a sentence for the user."""


class Stuck(Stopped):
    """Started again it would stop at the same place."""


class Accepted(NamedTuple):
    """The answer 201: how many records were counted and refused, and why, by the places of those that are named."""

    accepted: int
    refused: int
    errors: dict[int, str]


class FlowKey(msgspec.Struct):
    """The key of a sum that would be too large."""

    hour: int
    src_app: str
    dest_app: str
    vpc_id: str


class Refusal(msgspec.Struct):
    """Any other answer: what the service says, and with status 409 the key that it is about."""

    error_message: str = ""
    key: FlowKey | None = None


class _RecordError(msgspec.Struct):
    """What is wrong with one record: ``loc`` is "body", the record's place in the batch, and perhaps a member."""

    loc: list[int | str]
    msg: str


class _Accepted(msgspec.Struct):
    accepted: Count
    refused: Count = 0
    errors: list[_RecordError] = []


_ACCEPTED = msgspec.json.Decoder(_Accepted)
_REFUSAL = msgspec.json.Decoder(Refusal)
_NO_JSON = (msgspec.MsgspecError, UnicodeError, RecursionError)


def read_accepted(body: bytes, records: int) -> Accepted:
    """Decode a 201 response to a batch of ``records``. Raises Stopped when it is no answer to that."""
    try:
        answer = _ACCEPTED.decode(body)
    except _NO_JSON as error:
        raise Stopped(f"the service answered 201, and its answer cannot be read: {shortened(str(error))}") from None
    if answer.accepted + answer.refused != records:
        raise Stopped(
            f"the service answered that it accepted {answer.accepted:,} records and refused {answer.refused:,}, "
            f"of a batch of {records:,}"
        )
    return Accepted(answer.accepted, answer.refused, _errors(answer, records))


def read_refusal(body: bytes) -> Refusal:
    """Decode any other answer; one that is not the service's, such as a proxy's page, becomes the message."""
    try:
        return _REFUSAL.decode(body)
    except _NO_JSON:
        return Refusal(body.decode(errors="replace"))


def _errors(answer: _Accepted, records: int) -> dict[int, str]:
    """Return what is first wrong with each record that is named."""
    errors: dict[int, str] = {}
    for error in answer.errors:
        match error.loc:
            case ["body", int(place), *member] if 0 <= place < records:
                errors.setdefault(place, shortened(": ".join([*map(str, member), error.msg])))
            case _:
                raise Stopped(f"the service named a record that the batch does not have: {shortened(str(error.loc))}")
    if len(errors) > answer.refused:
        raise Stopped(f"the service named {len(errors):,} records as refused, and counted {answer.refused:,}")
    return errors


def has_key(record: bytes, key: FlowKey) -> bool:
    """Return whether a record is one of a key."""
    try:
        return msgspec.json.decode(record, type=FlowKey) == key
    except msgspec.ValidationError:
        return False
