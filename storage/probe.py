"""Whether a store answers in time: asked in a thread of its own, since one that hangs would hang the asker too."""

import logging
import threading
from collections.abc import Callable
from contextvars import copy_context

from handlers.record import StoreMissing

logger = logging.getLogger(__name__)


class _Asked:
    """A question on its way, and whether it was answered."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.answered = False
        self.missing: StoreMissing | None = None


class Probe:
    """Asks one question at a time, however many want to know: a store that hangs costs one thread."""

    def __init__(self, ask: Callable[[], object]) -> None:
        """Take the question; whatever it raises, there is no answer."""
        self._ask = ask
        self._lock = threading.Lock()
        self._asked: _Asked | None = None

    def answers(self, seconds: float) -> bool:
        """Return whether the query is answered within ``seconds``. Raises StoreMissing if its file is gone."""
        with self._lock:
            if self._asked is None or self._asked.ended.is_set():
                new = _Asked()
                # In the context of the request that asks, for the log. Where there is no thread to be had, it raises.
                run = copy_context().run
                threading.Thread(target=run, args=(self._run, new), name="probe", daemon=True).start()
                self._asked = new
            asked = self._asked
        ended = asked.ended.wait(seconds)
        if asked.missing is not None:
            raise asked.missing
        return ended and asked.answered

    def _run(self, asked: _Asked) -> None:
        try:
            self._ask()
            asked.answered = True
        except StoreMissing as error:
            asked.missing = error
        except Exception:
            logger.warning("the store does not answer", exc_info=True)
        finally:
            asked.ended.set()
