"""Try again, after pauses that grow and that no two clients take alike."""

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.5

Result = TypeVar("Result")


def retry(attempt: Callable[[], Result], passes: Callable[[Exception], bool], seconds: float) -> Result:
    """Call ``attempt`` until it succeeds; raise its error when that does not pass, or ``seconds`` have gone by.

    The first error that passes is followed by another try however long it took: a connection that a firewall has
    forgotten needs seconds to be found dead.
    """
    deadline = time.monotonic() + seconds
    for pause in pauses():
        try:
            return attempt()
        except Exception as error:
            if not passes(error) or (pause and time.monotonic() + pause > deadline):
                raise
        time.sleep(pause)
    raise AssertionError("there is always another pause")


def pauses() -> Iterator[float]:
    """Give seconds to wait: any time up to a bound that doubles. The first is none: most often a connection was stale.

    "Full jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    yield 0.0
    bound = FIRST_PAUSE
    while True:
        yield random.uniform(0, bound)  # noqa: S311 (nothing is kept secret by it)
        bound = min(2 * bound, LONGEST_PAUSE)
