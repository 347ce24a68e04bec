"""Cursors: the place of a row in a question's order, as text that a client hands back as it is."""

from base64 import b64decode, urlsafe_b64encode
from hashlib import blake2b

import msgspec

from handlers.query import Misread
from handlers.question import Question, Row
from handlers.record import MAX_INTEGER, MAX_NAME_CHARACTERS

_DECODER = msgspec.json.Decoder(tuple[str, list[str | int]])
_MOST = 12_000
"""Characters that no cursor reaches: three names of 255 characters, each escaped and packed."""

_NO_CURSOR = "Not a cursor of this service; begin again with cursor= and nothing after it"


def write_cursor(question: Question, row: Row) -> str:
    """Write the place of a row, the last that was told, for the same question to go on from."""
    values = dict(zip(question.members, row, strict=False))
    place = [values[sort.member] for sort in question.order]
    return urlsafe_b64encode(msgspec.json.encode((_mark(question), place))).decode().rstrip("=")


def read_cursor(cursor: str, question: Question) -> tuple[str | int, ...]:
    """Read a place; the empty cursor is the one before all rows, and has none. Raises Misread."""
    if not cursor:
        return ()
    try:
        if len(cursor) > _MOST:
            raise ValueError
        mark, place = _DECODER.decode(b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except (ValueError, msgspec.MsgspecError):
        raise Misread(_NO_CURSOR) from None
    if mark != _mark(question):
        raise Misread("A cursor of another question: repeat that one's parameters, or begin again with cursor=")
    members = [sort.member for sort in question.order]
    if len(place) != len(members) or not all(map(_is_value, members, place)):
        raise Misread(_NO_CURSOR)
    return tuple(place)


def _is_value(member: str, value: str | int) -> bool:
    """Tell whether a member can have a value: a cursor that was made up must not reach the database."""
    if member == "hour":
        return isinstance(value, int) and 0 <= value <= MAX_INTEGER
    return isinstance(value, str) and len(value) <= MAX_NAME_CHARACTERS and "\0" not in value


def _mark(question: Question) -> str:
    """Tell questions apart by all that decides which rows there are, so that what is marked so fits the order."""
    asked = repr((question.hours, question.filters, question.members, question.both))
    return blake2b(asked.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
