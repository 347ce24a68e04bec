"""The listening socket: accepts connections, and makes room for new ones when old ones that stand still fill it."""

import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer

from local.bodies import TakesBody
from local.channel import Channel
from local.dispatcher import Dispatcher

ACCEPTED_AT_ONCE = 32
"""waitress accepts one a turn of its loop, which takes a millisecond where there are a thousand."""

PATIENCE_SECONDS = 5.0
"""How long a connection may stand still while more than nine tenths of the places are taken."""

logger = logging.getLogger(__name__)


class Listener(TcpWSGIServer):  # type: ignore[misc]
    """waitress's server, which never leaves a newcomer unanswered for the sake of a connection that stands still."""

    channel_class = Channel
    active_channels: dict[int, Channel]

    def __init__(
        self,
        application: Callable[..., Any],
        listener: socket.socket,
        dispatcher: Dispatcher,
        takes_body: TakesBody,
        **tuning: Any,
    ) -> None:
        """Listen on a bound socket; ``takes_body`` is asked about each longer body before it is received."""
        self.lingering: deque[Channel] = deque()
        adjustments = Adjustments(sockets=[listener], **tuning)
        adjustments.takes_body = takes_body
        described = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            application,
            {},
            _sock=listener,
            dispatcher=dispatcher,
            adj=adjustments,
            sockinfo=described,
            bind_socket=False,
        )

    def add_task(self, channel: Channel) -> None:
        """Have a connection's next request answered, once the answers before it have been taken."""
        if not channel.holds_back():
            self.task_dispatcher.add_task(channel)

    def handle_accept(self) -> None:
        """Accept what waits, as far as there is room."""
        for _ in range(ACCEPTED_AT_ONCE):
            known = len(self._map)
            if known < self.adj.connection_limit:
                super().handle_accept()
            if len(self._map) == known:
                return

    def make_room(self, now: float) -> None:
        """Close the connections that stand still for longest where all places are taken.

        For the server's loop, between its turns: within one, events that were meant for a closed connection would
        reach the next that has its file descriptor.
        """
        # While a place is left, waitress does not stop to listen.
        if len(self._map) >= self.adj.connection_limit - 1:
            self._close_longest_still(now, max(1, self.adj.connection_limit // 50), 0.0)

    def look(self, now: float) -> None:
        """Close what has lingered, or stands still while places are few; for the server's loop, now and then."""
        while self.lingering and (self.lingering[0].lingers_until or now) < now:
            self.lingering.popleft().handle_close()
        limit: int = self.adj.connection_limit
        crowd = len(self._map) - limit * 9 // 10
        if crowd > 0:
            self._close_longest_still(now, crowd, PATIENCE_SECONDS)

    def _close_longest_still(self, now: float, most: int, patience: float) -> None:
        still = [(each.still(now), number) for number, each in self.active_channels.items()]
        longest = sorted((each for each in still if each[0] >= patience), reverse=True)[:most]
        for _, number in longest:
            self.active_channels[number].make_way()
        if longest:
            logger.info("closed %d connections that stood still, to make room for others", len(longest))
