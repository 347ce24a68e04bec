"""python -m tests.screenshot: two days of a shop's traffic, and the dashboard's picture of the second."""

import math
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser import CHROMIUM, MISSING, Visit, chromium
from tests.factories import make_flow
from tests.process import ROOT, running

PICTURE = ROOT / "local" / "dashboard" / "screenshot.png"
FIRST = 494_760
"""Midnight, in hours since the epoch."""
HOURS = 48
MEGABYTE = 1_000_000
TRAFFIC = (
    ("web-frontend", "catalog", "vpc-shop", 900, 5200),
    ("web-frontend", "search", "vpc-shop", 420, 2600),
    ("web-frontend", "cart", "vpc-shop", 350, 700),
    ("web-frontend", "auth", "vpc-shop", 160, 120),
    ("mobile-api", "catalog", "vpc-shop", 500, 3100),
    ("mobile-api", "search", "vpc-shop", 260, 1500),
    ("mobile-api", "auth", "vpc-shop", 140, 90),
    ("cart", "orders", "vpc-shop", 210, 140),
    ("orders", "payments", "vpc-pay", 90, 60),
    ("orders", "stock", "vpc-shop", 240, 190),
    ("orders", "mail", "vpc-shop", 130, 10),
    ("payments", "postgres-pay", "vpc-pay", 310, 480),
    ("catalog", "postgres-shop", "vpc-data", 600, 4300),
    ("catalog", "redis", "vpc-data", 300, 2400),
    ("orders", "postgres-shop", "vpc-data", 820, 640),
    ("stock", "postgres-shop", "vpc-data", 350, 410),
    ("search", "search-index", "vpc-data", 510, 3600),
    ("search-index", "catalog", "vpc-data", 40, 1300),
    ("auth", "redis", "vpc-data", 80, 150),
    ("reports", "postgres-shop", "vpc-data", 60, 2900),
    ("postgres-shop", "backup", "vpc-data", 2600, 12),
    ("postgres-pay", "backup", "vpc-data", 700, 6),
    ("mail", "smtp-relay", "vpc-edge", 180, 9),
    ("monitoring", "web-frontend", "vpc-edge", 12, 75),
    ("monitoring", "orders", "vpc-edge", 10, 64),
    ("monitoring", "payments", "vpc-edge", 9, 51),
)
"""Who talks to whom, in which VPC, and about how many megabytes an hour each way."""


def flows() -> Iterator[dict[str, Any]]:
    """Make the traffic: more by day than by night, and backups at three."""
    rng = random.Random(11)
    for hour in range(HOURS):
        day = 0.55 - 0.45 * math.cos(2 * math.pi * (hour - 3) / 24)
        for src_app, dest_app, vpc_id, sent, received in TRAFFIC:
            share = (2.5 if hour % 24 == 3 else 0.02) if dest_app == "backup" else day
            scale = share * MEGABYTE * rng.lognormvariate(0, 0.25)
            yield make_flow(
                src_app=src_app,
                dest_app=dest_app,
                vpc_id=vpc_id,
                hour=FIRST + hour,
                bytes_tx=int(sent * scale),
                bytes_rx=int(received * scale),
            )


def main() -> None:
    """Serve, look, and keep the picture."""
    if not CHROMIUM:
        sys.exit(f"No picture: {MISSING}.")
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server, chromium() as browser:
        server.post(list(flows()))
        visit = Visit(browser, server.port, viewport={"width": 1200, "height": 1150})
        page = visit.open()
        page.locator("#hours .bars .point").first.wait_for()
        # Links fade in.
        expect(page.locator(".sankey-link").first).to_have_css("fill-opacity", re.compile("0.34"))
        page.screenshot(path=PICTURE)
        visit.close()
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
