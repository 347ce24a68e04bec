"""The id of a request: the sender's own or a new one; it is returned, and is on every line of the log about it."""

import logging
import re
from contextvars import ContextVar
from typing import Any

HEADER = "x-request-id"
TOKEN_PREFIX = "flows_"  # noqa: S105 (it is no token)
"""By which a token is known for one where it should not be, as in a repository, or in a line of the log."""

_FIT = rf"(?!.*{TOKEN_PREFIX})[A-Za-z0-9._~:/+=@-]{{1,128}}"
"""What may go into a line of the log as it stands."""

_CURRENT: ContextVar[str] = ContextVar("request_id", default="")


def begin(offered: str | None, otherwise: str = "") -> str:
    """Begin a request: the first of both ids that is fit, or a new one, is current from here on in this thread."""
    if offered and re.fullmatch(_FIT, offered):
        text = offered
    elif otherwise and re.fullmatch(_FIT, otherwise):
        text = otherwise
    else:
        # Imported where it is needed, which in a function it is not; nothing is kept secret by it.
        from random import getrandbits

        text = f"{getrandbits(128):032x}"
    _CURRENT.set(text)
    return text


def current() -> str:
    """Tell the id of the request that is being answered; a new one outside of any."""
    return _CURRENT.get() or begin(None)


def on_line() -> str:
    """Tell what goes on a line of the log that is written now: the id, and nothing outside of requests."""
    return _CURRENT.get()


def mark_log_records() -> None:
    """Give every record of the log the id as ``request_id``, where the formatter is not ours: a root does this once."""
    make = logging.getLogRecordFactory()

    def marked(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.request_id = _CURRENT.get()
        return record

    logging.setLogRecordFactory(marked)
