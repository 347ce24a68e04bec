"""What a POST of flow records may be: its media types, headers and examples."""

from typing import Any

from handlers.compression import ENCODINGS
from handlers.formats import JSON, LINES, MEDIA, TABLE
from handlers.idempotency import PATTERN
from handlers.record import MAX_NAMES_BYTES, MAX_RECORD_BYTES, FlowRecord
from handlers.settings import Settings

EXAMPLE = FlowRecord(src_app="foo", dest_app="bar", vpc_id="vpc-0", hour=1, bytes_tx=100, bytes_rx=300)
_OTHER = FlowRecord(src_app="baz", dest_app="qux", vpc_id="vpc-1", hour=2, bytes_tx=100, bytes_rx=500)

HEADERS: tuple[dict[str, Any], ...] = (
    {
        "name": "Idempotency-Key",
        "description": "A name for this batch, by which one that is sent again is counted once.",
        "schema": {"type": "string", "pattern": f"^(?:{PATTERN})$"},
    },
    {
        "name": "Prefer",
        "description": "`handling=lenient` leaves out bad records rather than refuse the batch (RFC 7240).",
        "schema": {"type": "string", "examples": ["handling=lenient"]},
    },
    {
        "name": "Content-Encoding",
        "description": "How the body is packed.",
        "schema": {"type": "string", "enum": list(ENCODINGS)},
    },
)


def request_body(flow: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Describe the bodies, given the schema of a flow record."""
    batch = {"type": "array", "items": flow, "maxItems": settings.max_batch_flows}
    content = {
        JSON: {"schema": batch, "examples": {"batch": {"value": [EXAMPLE, _OTHER]}}},
        # As OpenAPI 3.2 has it: the lines of a sequential media type are the items of an array.
        LINES: {"schema": batch},
        TABLE: {
            "schema": {"type": "string", "description": "A header line names the columns, in any order."},
            "examples": {"batch": {"value": _table((EXAMPLE, _OTHER))}},
        },
    }
    description = (
        "Flow records. Whole numbers are written without a fraction: 1, not 1.0. The three names of one take at most "
        f"{MAX_NAMES_BYTES} bytes of UTF-8 together, one record at most {MAX_RECORD_BYTES} bytes of the body; the "
        f"whole takes at most {settings.max_body_bytes} bytes, also once unpacked."
    )
    return {"required": True, "description": description, "content": {name: content[name] for name in MEDIA}}


def _table(records: tuple[FlowRecord, ...]) -> str:
    names = FlowRecord.__struct_fields__
    rows = (names, *([str(getattr(record, name)) for name in names] for record in records))
    return "".join(",".join(row) + "\n" for row in rows)
