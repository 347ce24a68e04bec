"""A second look at what was refused as a whole: which record, which member, and why."""

import codecs
import re
from collections.abc import Generator
from typing import Any

import msgspec

from handlers.batch import Bad, Piece
from handlers.record import MAX_NAMES_BYTES, MAX_RECORD_BYTES, FlowRecord, well_named
from handlers.web import Fault, RequestError, invalid

_RECORD = msgspec.json.Decoder(FlowRecord)
_SYNTAX = msgspec.json.Decoder(msgspec.Raw)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MEMBER = {field.name: msgspec.json.Decoder(field.type) for field in msgspec.structs.fields(FlowRecord)}

_UTF8_STEP = 1 << 20
_SPACE = re.compile(rb"[ \t\n\r]*")
_SPACE_STEP = 1 << 16
_BYTE = re.compile(r"(?<=\(byte )\d+(?=\)$)")
_NAMES_TOO_LONG = f"src_app, dest_app and vpc_id together take more than {MAX_NAMES_BYTES} bytes of UTF-8"
# What msgspec says where a text ends too early, and where it goes on after a value.
_TRUNCATED = "Input data was truncated"
_TRAILING = "trailing characters"

TOO_LONG = Fault((), f"Longer than {MAX_RECORD_BYTES} bytes")
"""What is wrong with a record that is not parsed: no valid one needs as many."""


def check_utf8(body: bytes) -> None:
    """Refuse bad UTF-8 anywhere, also in ignored members, which msgspec skips unread; in steps, to cost no memory."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(body), _UTF8_STEP):
            decoder.decode(body[start : start + _UTF8_STEP])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise _malformed("JSON must be UTF-8, and this is not") from None


def read_elements(body: bytes, start: int, until: int) -> Generator[Piece, None, int]:
    """Read an array's elements one by one: the next one, and all that begin before ``until``.

    ``start`` is where an element begins, or 0, where the array does. Returns where the next element begins, or the
    body's length where the array has ended. Raises RequestError (422) where it is no array, or no JSON.
    """
    place = _skip(body, start) if start else _first(body)
    if place == len(body):
        return place
    while True:
        end = _value_end(body, place)
        if end is None:
            yield Bad((TOO_LONG,), endless=True)
            return len(body)
        what = read_record(memoryview(body)[place:end])
        yield [what] if isinstance(what, FlowRecord) else Bad(what)
        place = _skip(body, end)
        if body.startswith(b"]", place):
            return _array_end(body, place + 1)
        if not body.startswith(b",", place):
            raise _malformed(f"JSON is malformed: expected ',' or ']' (byte {place})")
        place = _begin(body, place + 1)
        if place >= until:
            return place


def _first(body: bytes) -> int:
    """Find where an array's first element begins; for one without any, the body's length."""
    place = _skip(body, 0)
    if not body.startswith(b"[", place):
        if len(body) <= MAX_RECORD_BYTES:
            _value_end(body, place)
        raise _malformed("Expected an array of flow objects")
    place = _begin(body, place + 1)
    return _array_end(body, place + 1) if body.startswith(b"]", place) else place


def _begin(body: bytes, place: int) -> int:
    """Find where the next element begins, after what says that there may be one."""
    place = _skip(body, place)
    if place == len(body):
        raise _malformed(_TRUNCATED)
    return place


def _array_end(body: bytes, place: int) -> int:
    place = _skip(body, place)
    if place < len(body):
        raise _malformed(f"JSON is malformed: trailing characters (byte {place})")
    return place


def _skip(body: bytes, place: int) -> int:
    """Pass by white space, in steps: millions of blanks at once would keep every other thread waiting."""
    while (found := _SPACE.match(body, place, place + _SPACE_STEP)) and found.end() - place == _SPACE_STEP:
        place = found.end()
    return found.end() if found else place


def _value_end(body: bytes, place: int) -> int | None:
    """Find where the JSON value that begins at a place ends, at the latest before what follows it.

    None where it is longer than a record may be. It ends where msgspec says that something follows it: json's scanner
    could tell too, but builds the value, and 64 MiB of ``[],[],[]`` in it take 1.4 GB.
    """
    text = memoryview(body)[place : place + MAX_RECORD_BYTES + 1]
    more = len(body) - place > len(text)
    try:
        _SYNTAX.decode(text)
    except RecursionError:
        raise _malformed("JSON is nested too deeply") from None
    except msgspec.DecodeError as error:
        message = str(error)
        if _TRAILING in message:
            # "(byte 8)": one past the first character that does not belong.
            return place + int(message.rpartition("byte ")[2].rstrip(")")) - 1
        if more and message == _TRUNCATED:
            return None
        raise _malformed(_BYTE.sub(lambda found: str(place + int(found[0])), message)) from None
    if not more:
        return len(body)
    # It may go on: only before a blank it has surely ended.
    return place + len(text) if text[-1] in b" \t\n\r" else None


def _malformed(message: str) -> RequestError:
    return invalid([Fault(("body",), message)], 1)


def read_record(element: bytes | memoryview) -> FlowRecord | list[Fault]:
    """Read one flow object, or say of each of its members what is wrong; ``loc`` is relative to the object."""
    try:
        record = _RECORD.decode(element)
        if well_named(record):
            return record
    except msgspec.ValidationError:
        pass
    try:
        members = _MEMBERS.decode(element)
    except msgspec.ValidationError as error:
        return [Fault((), str(error))]
    values, faults = _read_members(members)
    if faults:
        return faults
    record = FlowRecord(**values)
    return record if well_named(record) else [Fault((), _NAMES_TOO_LONG)]


def _read_members(members: dict[str, msgspec.Raw]) -> tuple[dict[str, Any], list[Fault]]:
    values: dict[str, Any] = {}
    faults = []
    for name, decoder in _MEMBER.items():
        if name not in members:
            faults.append(Fault((name,), "Required, but missing"))
            continue
        try:
            value = values[name] = decoder.decode(members[name])
        except msgspec.ValidationError as error:
            faults.append(Fault((name,), str(error)))
        else:
            if isinstance(value, str) and "\0" in value:
                faults.append(Fault((name,), "Must not contain the NUL character"))
    return values, faults
