"""What a body may be: by its media type, bytes <-> records. Each type is a module of its own."""

from collections.abc import Callable
from typing import NamedTuple

from handlers.batch import Batch
from handlers.codec import decode
from handlers.web import Request, RequestError

JSON = "application/json"
LINES = "application/x-ndjson"
TABLE = "text/csv"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
"""What only answers may be, as the one before."""

Decoder = Callable[[bytes, int, bool], Batch]
"""Called with the body, MAX_BATCH_FLOWS, and whether bad records shall be left out."""


class Media(NamedTuple):
    """What a Content-Type says."""

    name: str
    charset: str


def decoder_of(request: Request) -> Decoder:
    """Find the decoder of a request's Content-Type; none counts as JSON. Raises RequestError 415."""
    media = _media(request.headers.get("content-type", ""))
    if media.name not in _DECODERS or media.charset not in ("", "utf-8"):
        known = f"{JSON}, {LINES} or {TABLE}"
        raise RequestError(415, f"Send the flow objects as Content-Type: {known}, in UTF-8")
    return _DECODERS[media.name]


def _media(text: str) -> Media:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    charsets = [each.removeprefix("charset=").strip('"') for each in parameters if each.startswith("charset=")]
    return Media(name, charsets[0] if charsets else "")


def _lines(body: bytes, max_flows: int, lenient: bool) -> Batch:
    from handlers.formats.ndjson import decode_lines

    return decode_lines(body, max_flows, lenient)


def _table(body: bytes, max_flows: int, lenient: bool) -> Batch:
    from handlers.formats.csv import decode_table

    return decode_table(body, max_flows, lenient)


MEDIA = (JSON, LINES, TABLE)
"""What a body may be; no Content-Type counts as the first."""

_DECODERS: dict[str, Decoder] = {"": decode, JSON: decode, LINES: _lines, TABLE: _table}
