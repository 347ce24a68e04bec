"""Which bodies are kept while they are received: none that a handler would not look at."""

import logging
from collections.abc import Callable
from io import BytesIO
from typing import IO, TYPE_CHECKING, cast

from waitress.buffers import OverflowableBuffer

from handlers.web import Request

if TYPE_CHECKING:
    from waitress.parser import HTTPRequestParser

KEPT_UNASKED = 1 << 16
"""Bytes of a body that are kept without a look at its head: they are in memory already when the head is parsed."""

TakesBody = Callable[[Request], bool]
"""Takes a request whose body has not been received; returns whether to keep the body."""

logger = logging.getLogger(__name__)


class DroppedBody(BytesIO):
    """Stands in the place of a body that was not kept, so that nobody takes it for an empty one."""


class CappedBuffer(OverflowableBuffer):  # type: ignore[misc]
    """A body's buffer that forgets what comes after its limit, so that a long body costs no disk and gets its 413."""

    def __init__(self, overflow: int, room: int) -> None:
        """Keep ``overflow`` bytes in memory, more in a temporary file, and no more than ``room``; 0 drops the body."""
        super().__init__(overflow)
        self._room = room
        self._dropped = room == 0
        self.failed = False
        self.received = 0
        """Bytes that were appended, kept or not."""

    def append(self, data: bytes) -> None:
        """Keep what there is room for; where it cannot be written, say so in ``failed``."""
        self.received += len(data)
        if self._room <= 0:
            return
        try:
            super().append(data[: self._room])
            self._room -= len(data)
        except OSError:
            # The temporary folder is full, or gone.
            logger.exception("a body could not be kept")
            self.failed, self._room = True, 0

    def getfile(self) -> IO[bytes]:
        """Return what was kept, or what stands in its place."""
        return DroppedBody() if self._dropped else cast("IO[bytes]", super().getfile())


def takes_all(_: Request) -> bool:
    """Keep every body."""
    return True


def is_wanted(parsed: "HTTPRequestParser", takes_body: TakesBody) -> bool:
    """Return whether to keep the body of a request whose head has been parsed."""
    if not (parsed.chunked or parsed.content_length > KEPT_UNASKED or parsed.expect_continue):
        return True
    headers = {name.lower().replace("_", "-"): value for name, value in parsed.headers.items()}
    return takes_body(Request(parsed.command, parsed.path, parsed.query, headers))
