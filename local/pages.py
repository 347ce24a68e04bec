"""Pages of the local server: files out of installed packages, each by a path of its own, and what a browser is told."""

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from handlers.accept import shape_of
from handlers.etag import is_known
from handlers.record import FlowStore
from handlers.routes import Route
from handlers.settings import Settings
from handlers.web import Request, RequestError, Response

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


_COMPRESSED = frozenset({".html", ".js", ".css", ".svg"})
_COMPRESSED_FROM = 1_024
_GZIP_LEVEL = 9
"""It is done once for each file: plotly's 4.8 MB become 1.4 MB."""


class File(NamedTuple):
    """A file as it is answered; ``etag`` changes with its content."""

    content: bytes
    content_type: str
    etag: str


class Page(NamedTuple):
    """A file of a package: as it is, and compressed, where it gains by that. Both are shared by all answers."""

    plain: File
    gzip: File | None


def policy(**sources: str) -> str:
    """Write a Content-Security-Policy that lets a page use this server only, and more where it is named.

    ``policy(style="'self' 'unsafe-inline'")``. No script within the page runs. https://www.w3.org/TR/CSP3/
    """
    allowed: Mapping[str, str] = {
        "script": "'self'",
        "style": "'self'",
        "img": "'self'",
        "connect": "'self'",
        **sources,
    }
    directives = [f"{name}-src {source}" for name, source in {"default": "'none'", **allowed}.items()]
    return "; ".join((*directives, "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"))


_POLICY = policy()


def file_route(path: str, package: str, name: str, csp: str = _POLICY) -> Route:
    """Make the route of one file, ``name`` within an importable package; it is read when it is first asked for.

    It is open to everybody: a page has to come before it can ask for a token. The name is fixed here, so no path can
    lead out of the package.
    """

    def get_file(request: Request, _store: FlowStore, _settings: Settings) -> Response:
        return _answer(request, read_page(package, name), csp)

    return Route(path, "GET", get_file, "", local=True)


@cache
def read_page(package: str, name: str) -> Page:
    """Read a file of a package, without importing that, and compress it.

    Raises RequestError (404) where the package is not installed.
    """
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    if not folders:
        raise RequestError(404, f"This needs the Python package {package}, which is not installed")
    path = Path(folders[0]) / name
    content = path.read_bytes()
    content_type, digest = CONTENT_TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:32]
    plain = File(content, content_type, f'"{digest}"')
    if path.suffix not in _COMPRESSED or len(content) < _COMPRESSED_FROM:
        return Page(plain, None)
    # Another representation, which needs another strong validator: RFC 9110, 8.8.3.
    return Page(plain, File(gzip.compress(content, _GZIP_LEVEL, mtime=0), content_type, f'"{digest}-gzip"'))


def _answer(request: Request, page: Page, csp: str) -> Response:
    # What has no compressed form, such as an image, is sent as it is to every client.
    packed = page.gzip if shape_of(request, "json").gzip else None
    file = packed or page.plain
    headers: tuple[tuple[str, str], ...] = (
        ("Vary", "Accept-Encoding"),
        ("ETag", file.etag),
        # A browser asks each time whether it is still the same, since another version has the same path.
        ("Cache-Control", "no-cache"),
        ("Content-Security-Policy", csp),
        ("Referrer-Policy", "no-referrer"),
    )
    if is_known(file.etag, request.headers.get("if-none-match", "")):
        return Response(304, b"", headers)
    if packed:
        headers = (*headers, ("Content-Encoding", "gzip"))
    return Response(200, file.content, headers, content_type=file.content_type, binary=packed is not None)
