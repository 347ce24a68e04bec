"""A second look at a batch that was refused as a whole: which record, which member, and why."""

import codecs
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from handlers.record import MAX_NAMES_BYTES, FlowRecord, well_named
from handlers.web import MAX_ERRORS_TOLD, TOO_MANY, Fault, RequestError, invalid

_RECORD = msgspec.json.Decoder(FlowRecord)
_SYNTAX = msgspec.json.Decoder(msgspec.Raw)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MEMBER = {field.name: msgspec.json.Decoder(field.type) for field in msgspec.structs.fields(FlowRecord)}

_ARRAY_END = ord("]")
_UTF8_STEP = 1 << 20
_NAMES_TOO_LONG = f"src_app, dest_app and vpc_id together take more than {MAX_NAMES_BYTES} bytes of UTF-8"


def look_again(body: bytes, max_flows: int) -> list[FlowRecord]:
    """Read a batch that failed as a whole record by record, to name everything that is wrong with it.

    It may yet be good: a repeated member whose last value alone is valid fails only the typed decoder.
    """
    check_utf8(body)
    try:
        _SYNTAX.decode(body)
        records, faults, total, _, cut = _sift(body, max_flows)
    except RecursionError:
        raise _malformed("JSON is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise _malformed(str(error)) from None
    if faults:
        note = f"; the batch holds more than {max_flows} elements, so only the first error is told" if cut else ""
        raise invalid(faults, total, note)
    return records


def look_leniently(body: bytes, max_flows: int) -> "Sifted":
    """Read a batch record by record, leaving out the bad ones.

    Raises RequestError 422 where the body as a whole is bad, 406 where it holds more than ``max_flows`` elements.
    """
    check_utf8(body)
    try:
        _SYNTAX.decode(body)
        sifted = _sift(body, max_flows, lenient=True)
    except RecursionError:
        raise _malformed("JSON is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise _malformed(str(error)) from None
    if sifted.cut:
        raise RequestError(406, TOO_MANY)
    return sifted


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


class Sifted(NamedTuple):
    """The good records of a batch, the first faults of the bad ones, how many faults, and how many bad records."""

    records: list[FlowRecord]
    faults: list[Fault]
    total: int
    refused: int
    cut: bool


def _sift(body: bytes, max_flows: int, *, lenient: bool = False) -> Sifted:
    """Part the good records of an array from the faults of the bad ones; ``cut`` short when there are too many."""
    records: list[FlowRecord] = []
    faults: list[Fault] = []
    total = refused = 0
    for index, element in enumerate(_elements(body)):
        found = _read_record(element)
        if isinstance(found, FlowRecord):
            # One more than may be is enough for the handler to see that there are too many.
            records += [found] if len(records) <= max_flows else []
        else:
            total += len(found)
            refused += 1
            room = MAX_ERRORS_TOLD - len(faults)
            faults += [Fault(("body", index, *fault.loc), fault.msg) for fault in found[:room]]
        if (faults or lenient) and index >= max_flows:
            return Sifted([], faults[:1], 1, refused, cut=True)
    return Sifted(records, faults, total, refused, cut=False)


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


def _read_record(element: memoryview) -> FlowRecord | list[Fault]:
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
