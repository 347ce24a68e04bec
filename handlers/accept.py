"""In which format, and how packed, an answer is wanted: Accept and Accept-Encoding -> one Shape.

RFC 9110, 12.5.1 and 12.5.3.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from handlers.formats import ARROW, JSON, LINES, PARQUET, TABLE
from handlers.web import Request, RequestError

Format = Literal["json", "ndjson", "csv", "parquet", "arrow"]

COLUMNAR: frozenset[Format] = frozenset({"parquet", "arrow"})
"""The formats of typed columns, which pyarrow writes."""

VARY = ("Vary", "Accept, Accept-Encoding")
"""What any answer depends on that is given in several formats."""

_ANYTHING = ("*/*", "", JSON)


class Shape(NamedTuple):
    """The form that an answer is given in."""

    format: Format = "json"
    gzip: bool = False
    """Whether gzip is at least as welcome as no coding at all."""
    plain: bool = True
    """Whether no coding at all is acceptable."""


class _Offer(NamedTuple):
    """A format by its media type, and what may be said of that type and still mean it."""

    format: Format
    media: str
    parameters: Mapping[str, str]


_UTF8 = {"charset": "utf-8"}
# In the order of preference between equals.
_OFFERS = (
    _Offer("json", JSON, _UTF8),
    _Offer("ndjson", LINES, _UTF8),
    _Offer("csv", TABLE, {**_UTF8, "header": "present"}),
    _Offer("parquet", PARQUET, {}),
    _Offer("arrow", ARROW, {}),
)
MEDIA: Mapping[Format, str] = {
    "json": JSON,
    "ndjson": LINES,
    "csv": f"{TABLE}; charset=utf-8; header=present",
    "parquet": PARQUET,
    "arrow": ARROW,
}
"""The Content-Type of each format."""

FORMATS: tuple[Format, ...] = tuple(offer.format for offer in _OFFERS)

_LONGEST_REMEMBERED = 200
_PLAIN = Shape()
# What is quoted may hold commas and semicolons, and ends with the header where its quotes do not: so each is read once.
_QUOTED = r'"(?:[^"\\]|\\.?)*(?:"|$)'
_ELEMENT = rf'(?:[^,"]|{_QUOTED})+'
_PART = rf'(?:[^;"]|{_QUOTED})+'
_QUALITY = r"[01]\.?|0?\.[0-9]{1,3}|1\.0{1,3}"


class _Range(NamedTuple):
    """One element of Accept or Accept-Encoding: what it names, with what parameters, and how welcome that is."""

    name: str
    parameters: Mapping[str, str]
    quality: float


def shape_of(request: Request, named: Format | None = None) -> Shape:
    """Find the form in which a request wants its answer: the format that its query has ``named``, or else by Accept.

    It is JSON where neither says. Raises RequestError 406 where nothing that there is would be accepted.
    """
    headers = request.headers
    if named is None and headers.get("accept", "") in _ANYTHING and "accept-encoding" not in headers:
        return _PLAIN
    wanted = named or _wanted(headers.get("accept", ""))
    if wanted in COLUMNAR:
        _need_pyarrow()
    return _coded(wanted, headers.get("accept-encoding"))


def _wanted(accept: str) -> Format:
    if accept in _ANYTHING:
        return "json"
    ranges = _ranges(accept)
    # What is no header at all says nothing.
    if not ranges:
        return "json"
    welcome = {offer.format: _welcome(offer, ranges) for offer in _OFFERS}
    best = max(welcome, key=welcome.__getitem__)
    if best in COLUMNAR and not _has_pyarrow() and any(welcome[each] for each in welcome if each not in COLUMNAR):
        welcome = {name: quality for name, quality in welcome.items() if name not in COLUMNAR}
        best = max(welcome, key=welcome.__getitem__)
    if welcome[best] == 0:
        known = ", ".join(offer.media for offer in _OFFERS)
        raise RequestError(
            406, f"There is none of what Accept names; there is {known}, and format= for it", headers=(VARY,)
        )
    return best


def _welcome(offer: _Offer, ranges: Sequence[_Range]) -> float:
    """Tell how welcome a format is: the most specific range that matches it says so."""
    found = [(closeness, each.quality) for each in ranges if (closeness := _closeness(offer, each)) >= 0]
    return max(found, default=(0, 0.0))[1]


def _closeness(offer: _Offer, accepted: _Range) -> int:
    """Tell how specific a range is about a format; below 0 where it is about another."""
    if accepted.name == offer.media:
        fits = all(offer.parameters.get(name) == value for name, value in accepted.parameters.items())
        return 2 + len(accepted.parameters) if fits else -1
    if accepted.name == offer.media.partition("/")[0] + "/*":
        return 1
    # A lone star is what old Java sends.
    return 0 if accepted.name in ("*/*", "*") else -1


def _ranges(header: str) -> Sequence[_Range]:
    """Read a header, or remember it: most clients send always the same, and reading a browser's takes 50 µs."""
    return _remembered(header) if len(header) <= _LONGEST_REMEMBERED else tuple(_weighed(header))


@lru_cache(maxsize=64)
def _remembered(header: str) -> Sequence[_Range]:
    return tuple(_weighed(header))


def _weighed(header: str) -> Iterator[_Range]:
    """Read a list of names with parameters and q-values; what is none is left out."""
    for element in re.findall(_ELEMENT, header):
        name, *parts = (part.strip() for part in re.findall(_PART, element) or [""])
        parameters = {}
        quality: float | None = 1.0
        for part in parts:
            key, _, value = (word.strip() for word in part.lower().partition("="))
            if key == "q":
                quality = float(value) if value and re.fullmatch(_QUALITY, value) else None
                # What follows was for extensions, of which there are none.
                break
            parameters[key] = value.strip('"')
        if name and quality is not None:
            yield _Range(name.lower(), parameters, quality)


def _coded(wanted: Format, accepted: str | None) -> Shape:
    """Add how the answer may be coded. Raises RequestError 406 where neither gzip nor no coding at all may be."""
    if accepted is None:
        return Shape(wanted)
    qualities = {each.name.removeprefix("x-"): each.quality for each in _ranges(accepted)}
    # The star is about all that is not named. Of no coding at all nothing may be said, and then it is acceptable.
    star = qualities.get("*")
    gzip = qualities.get("gzip", star or 0.0)
    plain = qualities.get("identity", star)
    if not gzip and plain == 0:
        raise RequestError(406, "Answers come with Content-Encoding gzip, or with none: accept either", headers=(VARY,))
    return Shape(wanted, gzip > 0 and gzip >= (plain or 0.0), plain != 0)


def _has_pyarrow() -> bool:
    from handlers.formats.parquet import installed

    return installed()


def _need_pyarrow() -> None:
    if not _has_pyarrow():
        message = (
            "Parquet and Arrow need a package that is not installed here: make install_parquet, or use another format"
        )
        raise RequestError(406, message, headers=(VARY,))
