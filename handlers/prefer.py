"""Prefer: what a client would like, where it has the choice (RFC 7240)."""

from handlers.web import Request

LENIENT = ("Preference-Applied", "handling=lenient")
"""The header that says that bad records were left out, as was preferred."""


def prefers_lenient(request: Request) -> bool:
    """Tell whether bad records shall be left out rather than refuse their batch; of several words the first counts.

    Every other preference may be ignored, and is.
    """
    for preference in request.headers.get("prefer", "").split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "handling":
            return value.strip().strip('"').lower() == "lenient"
    return False
