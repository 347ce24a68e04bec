"""Validators: whoever has an answer already asks whether it is still that. RFC 9110, 8.8.3 and 13.1.2."""

import hashlib
import re

from handlers.accept import Shape

_FORM = "2"
"""To be changed with whatever changes answers to a question about the same sums."""


def etag_of(version: str, asked: str, shape: Shape) -> str:
    """Make the validator of an answer, from the version of the sums it is made of, the question and its form.

    It is a weak one. Each format and coding has its own, so that no cache takes one for the other; but a strong one
    promises the same bytes, and those of gzip and Parquet change with the libraries that make them.
    """
    told = "\0".join((_FORM, version, asked, shape.format, "gzip" if shape.gzip else ""))
    return f'W/"{hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def version_of(body: bytes) -> str:
    """Return the version of an answer whose sums have none: a hash of its bytes."""
    return hashlib.sha256(body).hexdigest()


def is_known(etag: str, if_none_match: str) -> bool:
    """Tell whether an If-None-Match names a validator: by a star, or in its list; weak or strong is the same here."""
    if if_none_match.strip() == "*":
        return True
    return etag.removeprefix("W/") in re.findall(r'"[\x21\x23-\x7e\x80-\xff]*"', if_none_match)
