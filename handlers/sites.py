"""Which names the service answers to, and what it refuses of what a browser sends for another site's page."""

import re
from collections.abc import Sequence
from functools import lru_cache

from handlers.settings import SettingsError
from handlers.web import Request, RequestError

_HOST = r"\[(.*)\](?::[0-9]*)?|([^:]*)(?::[0-9]*)?"
_NAME = r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*"
_OTHER_SITES = frozenset({"cross-site", "same-site"})
"""Sec-Fetch-Site of a request that a page of another origin made; an address typed in, or a bookmark, is ``none``."""

Names = tuple[str, ...]
"""Lower-case host names and addresses; one that begins with a dot stands for itself and every name below it."""


def read_names(text: str) -> Names:
    """Read the names of ALLOWED_HOSTS, separated by commas. Raises SettingsError."""
    names = tuple(name.strip().lower().strip("[]") for name in text.split(",") if name.strip())
    if not all(re.fullmatch(_NAME, name) or (":" in name and _is_address(name)) for name in names):
        raise SettingsError(
            "ALLOWED_HOSTS is wrong: expected names such as flows.example.net or .example.net, without a port"
        )
    return names


def _is_address(name: str) -> bool:
    from ipaddress import ip_address

    try:
        return bool(ip_address(name))
    except ValueError:
        return False


def refuse_other_names(request: Request, names: Names) -> None:
    """Refuse a request to a name that is neither local nor among ``names``.

    A page whose site's name was made to point here (DNS rebinding) has the browser ask for that name. No other site
    has a local name. Without a Host, which browsers always send, there is no name to refuse.

    Raises RequestError: 421 (RFC 9110, 15.5.20), or 403 where there are no names.
    """
    host = request.headers.get("host", "").strip().lower()
    if host and not is_answered(host, names):
        if names:
            raise RequestError(421, "This service does not answer to this name; ALLOWED_HOSTS has those that it does")
        raise RequestError(403, "Without tokens only requests to a local name are answered, such as localhost")


@lru_cache(maxsize=64)
def is_answered(host: str, names: Names) -> bool:
    """Return whether a Host, in lower case, is localhost, a loopback address, or one of ``names``."""
    from ipaddress import ip_address

    found = re.fullmatch(_HOST, host)
    name = (found[1] or found[2] or "") if found else ""
    if name == "localhost" or name in names or _is_below(name, names):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _is_below(name: str, names: Sequence[str]) -> bool:
    return any(each.startswith(".") and f".{name}".endswith(each) for each in names)


def refuse_other_sites(request: Request, *, is_open: bool) -> None:
    """Refuse what a browser sends for another site's page, by Origin and Sec-Fetch-Site. Raises RequestError 403.

    https://fetch.spec.whatwg.org/#origin-header, https://www.w3.org/TR/fetch-metadata/
    """
    headers = request.headers
    origin = headers.get("origin")
    if origin is not None:
        host = headers.get("host", "").strip().lower()
        if not host or origin.strip().lower().partition("://")[2] != host:
            raise _another_sites()
    if headers.get("sec-fetch-site") in _OTHER_SITES and not _is_followed_link(request, is_open=is_open):
        raise _another_sites()


def _is_followed_link(request: Request, *, is_open: bool) -> bool:
    """Return whether a request shows its answer in a tab of its own, out of reach of the page that had it sent.

    To read sums that way takes a click (``?1``): a script could else have any number of questions worked on.
    """
    headers = request.headers
    return (
        request.method in ("GET", "HEAD")
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
        and (is_open or headers.get("sec-fetch-user") == "?1")
    )


def _another_sites() -> RequestError:
    return RequestError(403, "Without tokens no requests of other sites' pages are answered")
