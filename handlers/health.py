"""The /healthz and /readyz resources: whether the process is alive, and whether its store answers."""

from typing import Literal

import msgspec

from handlers.record import FlowStore
from handlers.settings import Settings
from handlers.web import Request, Response, Unready

READY_SECONDS = 1.0
"""How long the store may take to answer a question and be ready."""


class Alive(msgspec.Struct):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(msgspec.Struct):
    """Its store answers too."""

    status: Literal["ready"] = "ready"


_ALIVE = msgspec.json.encode(Alive())
_READY = msgspec.json.encode(Ready())


def get_healthz(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Say that this process answers, whatever its store does."""
    return Response(200, _ALIVE)


def get_readyz(request: Request, store: FlowStore, settings: Settings) -> Response:
    """Say that the store answers. Raises Unready where it does not within a second."""
    if not store.answers(READY_SECONDS):
        raise Unready(f"The store does not answer within {READY_SECONDS:g} s")
    return Response(200, _READY)
