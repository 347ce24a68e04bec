"""The dashboard, from the navigation until every panel is drawn, in a real browser."""

import statistics
import time
from collections.abc import Iterator

from playwright.sync_api import Browser

from tests.bench import traffic
from tests.bench.line import Line
from tests.browser import CHROMIUM, MISSING, Visit, chromium
from tests.process import Running

SUMS = 100_000
SECONDS = 2.0
ROUNDS = 5


def dashboard(ours: Running) -> Iterator[Line]:
    """Open the page over an hour of 100,000 sums, in a new profile each time."""
    name = "Dashboard of an hour of 100,000 sums"
    if not CHROMIUM:
        yield Line(name, MISSING, "", "", True)
        return
    if ours.post(traffic.make_batch(traffic.make_keys(SUMS, 6), SUMS, 6))[0] != 201:
        raise RuntimeError("the server refused a batch")
    with chromium() as browser:
        taken = [_open(browser, ours.port) for _ in range(ROUNDS)]
    numbers, drawn = (statistics.median(seconds) for seconds in zip(*taken, strict=True))
    figures = f"{drawn:.2f} s; the numbers {numbers:.2f} s"
    yield Line(name, figures, "", f"<= {SECONDS:.0f} s", drawn <= SECONDS)


def _open(browser: Browser, port: int) -> tuple[float, float]:
    """Tell how many seconds it takes until the numbers are there, and until the pictures are."""
    visit = Visit(browser, port, viewport={"width": 1280, "height": 900})
    started = time.perf_counter()
    page = visit.open()
    numbers = time.perf_counter() - started
    for drawn in (".sankey-link", "#hours .bars .point"):
        page.locator(drawn).first.wait_for()
    seconds = time.perf_counter() - started
    visit.close()
    return numbers, seconds
