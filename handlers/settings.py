"""Every setting: its name, default, limits and meaning, in one table that is read from a mapping."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from handlers.record import MAX_INTEGER


class SettingsError(Exception):
    """A setting is wrong; the message is a sentence for whoever set it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """The settings, each read from the variable of its name in upper case."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = 8080
    database_url: Annotated[
        str,
        Meta(
            description="Where the sums are kept: `sqlite:///relative/path`, `sqlite:////absolute/path` or "
            "`postgresql://user:password@host:port/name`."
        ),
    ] = "sqlite:///flows.db"
    citus_shards: Annotated[
        int, Meta(ge=1, le=64_000, description="Shards of each table that is made on a Citus cluster; a few a node.")
    ] = 8
    idempotency_hours: Annotated[
        int, Meta(ge=1, le=8_760, description="Hours that the keys of batches, and their answers, are kept.")
    ] = 24
    api_tokens: Annotated[
        str,
        Meta(
            description="Who may come in: `NAME:ROLE:SHA256` for each token, separated by commas, as `make token` "
            "prints it."
        ),
    ] = ""
    api_tokens_file: Annotated[
        str, Meta(description="A file of the same, one a line, `#` before remarks; read at the start.")
    ] = ""
    allow_anonymous: Annotated[
        int, Meta(ge=0, le=1, description="`1` lets everybody in where there are no tokens, also from elsewhere.")
    ] = 0
    allowed_hosts: Annotated[
        str,
        Meta(
            description="Host names that the server answers to, besides local ones, separated by commas; "
            "`.example.net` includes every name below it. Empty: any name, but only local ones where there are "
            "neither tokens nor `ALLOW_ANONYMOUS`."
        ),
    ] = ""
    rate_limit: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000_000,
            description="Requests a minute that each token's name, or each address, has in the long run; more are "
            "refused with 429; 0: any number.",
        ),
    ] = 0
    rate_burst: Annotated[
        int, Meta(ge=1, le=10_000_000, description="Requests that each may send at once, where `RATE_LIMIT` is set.")
    ] = 60
    trusted_proxies: Annotated[
        str,
        Meta(
            description="Addresses and networks of proxies, separated by commas, whose `X-Forwarded-For` is believed "
            "when addresses are counted."
        ),
    ] = ""
    keep_hours: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_INTEGER,
            description="Hours that sums are kept, of hours since the Unix epoch; `make prune` removes older ones. "
            "0 keeps all.",
        ),
    ] = 0
    threads: Annotated[
        int,
        Meta(ge=1, le=1_000, description="POSTs worked on at once; a few large ones and other requests come on top."),
    ] = 32
    max_waiting: Annotated[
        int, Meta(ge=0, le=1_000_000, description="POSTs that may wait for a free thread; more are answered 503.")
    ] = 500
    request_timeout: Annotated[
        int,
        Meta(
            ge=1, le=86_400, description="Seconds from a request's first byte to its last; a later one is refused, 408."
        ),
    ] = 120
    max_batch_flows: Annotated[
        int, Meta(ge=1, le=MAX_INTEGER, description="Flow objects one POST may hold; more are refused with 406.")
    ] = 100_000
    max_body_bytes: Annotated[
        int, Meta(ge=1, le=2**40, description="Bytes the body of a POST may have; more are refused with 413.")
    ] = 67_108_864
    default_page_size: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Sums on a page when `size` is not given.")
    ] = 50
    max_page_size: Annotated[int, Meta(ge=1, le=1_000_000, description="The largest `size` that may be asked for.")] = (
        1_000
    )
    log_file: Annotated[
        str, Meta(description="The log, rotated at 10 MB with five old ones kept; `-` is standard error.")
    ] = "server.log"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Meta(description="Least level logged: `DEBUG`, `INFO` (a line per request), `WARNING` or `ERROR`."),
    ] = "INFO"
    log_format: Annotated[Literal["text", "json"], Meta(description="`text`, or `json`: a JSON object a line.")] = (
        "text"
    )
    pid_file: Annotated[
        str, Meta(description="Names the running server, and is locked by it: one server to a file.")
    ] = "server.pid"
    shutdown_seconds: Annotated[
        int, Meta(ge=0, le=3_600, description="On SIGTERM or SIGINT, how long received requests may take to finish.")
    ] = 20


_WORDS = {"log_level": "DEBUG, INFO, WARNING or ERROR", "log_format": "text or json"}
"""The settings that are one of a few words."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from a mapping such as ``os.environ``; one that is missing or empty has its default.

    Raises SettingsError that names the setting and what it may be.
    """
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        text = environ.get(field.encode_name, "").strip()
        if text:
            values[field.name] = _read(field, text)
    settings = Settings(**values)
    if settings.default_page_size > settings.max_page_size:
        raise SettingsError(
            f"DEFAULT_PAGE_SIZE is {settings.default_page_size}, but MAX_PAGE_SIZE is {settings.max_page_size}: "
            "a page cannot be larger than the largest page"
        )
    return settings


def _read(field: msgspec.structs.FieldInfo, text: str) -> Any:
    try:
        return msgspec.convert(text, field.type, strict=False)
    except msgspec.ValidationError as error:
        # The value stays unsaid: another setting's may be a secret put under the wrong name.
        if field.name in _WORDS:
            expected = _WORDS[field.name]
        elif limits := _limits(field):
            expected = f"a whole number {limits}"
        else:
            expected = str(error).replace("`", "")
        raise SettingsError(f"{field.encode_name} is wrong: expected {expected}") from None


def _limits(field: msgspec.structs.FieldInfo) -> str:
    for meta in getattr(field.type, "__metadata__", ()):
        if meta.le is not None:
            return f"from {meta.ge} to {meta.le}"
    return ""
