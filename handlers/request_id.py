"""The id of a request: the sender's own or a new one; it is returned, and is on every line of the log about it."""

import logging
import re
import uuid
from contextvars import ContextVar
from typing import Any

HEADER = "x-request-id"
TOKEN_PREFIX = "flows_"  # noqa: S105 (it is no token)
"""By which a token is known for one where it should not be, as in a repository, or in a line of the log."""

_FIT = rf"(?!.*{TOKEN_PREFIX})[A-Za-z0-9._~:/+=@-]{{1,128}}"
"""What may go into a line of the log as it stands."""

_CURRENT: ContextVar[str] = ContextVar("request_id", default="")


def begin(*offered: str | None) -> str:
    """Begin a request: the first id offered that is fit, or else a new one, is current from here on in this thread."""
    for text in offered:
        if text and re.fullmatch(_FIT, text):
            break
    else:
        text = uuid.uuid4().hex
    _CURRENT.set(text)
    return text


def current() -> str:
    """Tell the id of the request that is being answered; a new one outside of any."""
    return _CURRENT.get() or begin()


def mark_log_records() -> None:
    """Give every record of the log the id as ``request_id``, empty outside of requests: a root does this once."""
    make = logging.getLogRecordFactory()

    def marked(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.request_id = _CURRENT.get()
        return record

    logging.setLogRecordFactory(marked)
