"""A second look at a batch that was refused as a whole: which record, which member, and why."""

import codecs
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from handlers.batch import Batch
from handlers.record import MAX_NAMES_BYTES, FlowRecord, well_named
from handlers.web import MAX_ERRORS_TOLD, TOO_MANY, Fault, RequestError, invalid

_RECORD = msgspec.json.Decoder(FlowRecord)
_SYNTAX = msgspec.json.Decoder(msgspec.Raw)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MEMBER = {field.name: msgspec.json.Decoder(field.type) for field in msgspec.structs.fields(FlowRecord)}

_ARRAY_END = ord("]")
_UTF8_STEP = 1 << 20
_NAMES_TOO_LONG = f"src_app, dest_app and vpc_id together take more than {MAX_NAMES_BYTES} bytes of UTF-8"


class Found(NamedTuple):
    """What a place of a batch holds: a record, or what is wrong with it; and its line, where the batch has lines."""

    what: "FlowRecord | list[Fault]"
    line: int | None = None


def look_again(body: bytes, max_flows: int, *, lenient: bool = False) -> Batch:
    """Read a batch that failed as a whole record by record, to name everything that is wrong with it, or leave it out.

    It may yet be good: a repeated member whose last value alone is valid fails only the typed decoder.
    """
    check_utf8(body)
    try:
        _SYNTAX.decode(body)
        return sifted_batch((Found(read_record(element)) for element in _elements(body)), max_flows, lenient)
    except RecursionError:
        raise _malformed("JSON is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise _malformed(str(error)) from None


def sifted_batch(found: Iterable[Found], max_flows: int, lenient: bool) -> Batch:
    """Make a batch of the good records; refuse it because of the bad ones, or leave them out where that is preferred.

    Raises RequestError: 422 that names each bad record and member, or only the first where there are more than
    ``max_flows``; 406 where there are as many and bad ones may be left out.
    """
    records: list[FlowRecord] = []
    faults: list[Fault] = []
    total = refused = 0
    for index, (what, line) in enumerate(found):
        if isinstance(what, FlowRecord):
            # One more than may be is enough for the handler to see that there are too many.
            records += [what] if len(records) <= max_flows else []
        else:
            total += len(what)
            refused += 1
            room = MAX_ERRORS_TOLD - len(faults)
            faults += [Fault(("body", index, *fault.loc), fault.msg, line) for fault in what[:room]]
        if lenient and index >= max_flows:
            raise RequestError(406, TOO_MANY)
        if faults and index >= max_flows:
            note = f"; the batch holds more than {max_flows} elements, so only the first error is told"
            raise invalid(faults[:1], 1, note)
    if faults and not lenient:
        raise invalid(faults, total)
    return Batch(records, lenient, refused, faults, total)


def check_utf8(body: bytes) -> None:
    """Refuse bad UTF-8 anywhere, also in ignored members, which msgspec skips unread; in steps, to cost no memory."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(body), _UTF8_STEP):
            decoder.decode(body[start : start + _UTF8_STEP])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise _malformed("JSON must be UTF-8, and this is not") from None


def _malformed(message: str) -> RequestError:
    return invalid([Fault(("body",), message)], 1)


def _elements(body: bytes) -> Iterator[memoryview]:
    """Cut an array, known to be well-formed JSON and not empty, into its elements, building none of what they hold."""
    start = len(body) - len(body.lstrip())
    if body[start : start + 1] != b"[":
        raise _malformed("Expected an array of flow objects")
    view = memoryview(body)
    while view[start] != _ARRAY_END:
        start += 1
        end = start + _value_end(view[start:])
        yield view[start:end]
        start = end


def _value_end(text: memoryview) -> int:
    """Find where the first JSON value of a text ends: where msgspec says that something follows it.

    json's scanner could tell too, but builds the value, and 64 MiB of ``[],[],[]`` in it take 1.4 GB.
    """
    try:
        _SYNTAX.decode(text)
    except msgspec.DecodeError as error:
        # "trailing characters (byte 8)": one past the first character that does not belong.
        return int(str(error).rpartition("byte ")[2].rstrip(")")) - 1
    raise AssertionError("nothing follows an element, not even the end of its array")


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
