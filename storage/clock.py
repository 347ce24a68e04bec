"""A clock for what must not be removed too early, while the system's may be moved."""

import time

_STEP_SECONDS = 60
"""From which difference on the system's clock has been moved, or this machine has slept."""


class Clock:
    """Seconds since the Unix epoch, by the system and by what has gone by since the start, whichever is the safer.

    Where the two have differed for as long as things are kept, the system is believed: what was stored before is old
    by then.
    """

    def __init__(self, kept_seconds: float) -> None:
        """Begin with the system's time."""
        self._kept = kept_seconds
        self._start = time.time() - time.monotonic()
        self._differ_since: float | None = None

    def latest(self) -> int:
        """Tell the time to note for what is stored now: too late keeps it for longer."""
        return int(max(self._read()))

    def earliest(self) -> int:
        """Tell the time by which to remove: too early removes less."""
        return int(min(self._read()))

    def _read(self) -> tuple[float, float]:
        system, ticks = time.time(), time.monotonic()
        if abs(system - self._start - ticks) < _STEP_SECONDS:
            self._differ_since = None
        elif self._differ_since is None:
            self._differ_since = ticks
        elif ticks - self._differ_since > self._kept:
            self._start, self._differ_since = system - ticks, None
        return system, self._start + ticks
