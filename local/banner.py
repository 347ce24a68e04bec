"""What the log says when the server starts and ends."""

from urllib.parse import unquote, urlsplit

from handlers.access import Access
from handlers.settings import Settings
from handlers.version import VERSION


def started(settings: Settings, access: Access, url: str, connections: int) -> str:
    """Return the first line of the log: all of what an operator asks first, and no secret."""
    if access.tokens:
        who = f"{len(access.tokens)} tokens"
    else:
        who = "no tokens, open to everybody" if access.anonymous == "yes" else "no tokens, for this machine only"
    return (
        f"version {VERSION}, {database(settings.database_url)}, {settings.threads} threads, {who}; "
        f"listening on {url}, for {connections} connections"
    )


def database(url: str) -> str:
    """Name a database by its URL, which has been opened, without what may be secret: user, password, options."""
    parts = urlsplit(url)
    path = unquote(parts.path.removeprefix("/"))
    if parts.scheme == "sqlite":
        return f"SQLite {path}"
    return f"PostgreSQL {path or '(default database)'} at {parts.netloc.rpartition('@')[2] or '(default host)'}"


def ended(reason: str, answered: int, complete: bool) -> str:
    """Return the last line: why the server stopped, and what it answered since its start."""
    all_of_them = "every request was answered" if complete else "some requests were left without an answer"
    return f"stopped by {reason} after {answered:,} requests; {all_of_them}"
