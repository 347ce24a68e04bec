"""The flows that the dashboard's tests look at, and how they read what it shows."""

import re
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser import settled
from tests.factories import from_json, make_flow
from tests.process import Running

HOUR = 494_000
"""08:00 on 2026-05-10, in hours since the epoch."""
PAIRS = [("web-1", "orders"), ("web-2", "orders"), ("orders", "db"), ("db", "orders"), ("web-1", "mail"), ("db", "db")]
FLOWS = [
    make_flow(
        src_app=src_app,
        dest_app=dest_app,
        vpc_id="vpc-a" if number % 2 else "vpc-b",
        hour=HOUR + hour,
        bytes_tx=1_000_003 * (number + 1) + hour,
        bytes_rx=40_000_007 * (6 - number) + hour,
    )
    for number, (src_app, dest_app) in enumerate(PAIRS)
    for hour in range(30)
]
NEWEST = HOUR + 29


def api(server: Running, query: str) -> Any:
    status, body = server.ask("GET", query)
    assert status == 200, body
    return from_json(body)


def texts(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def column(page: Page, member: str) -> list[str]:
    """The cells of one column of the table of flows."""
    return texts(page, f"#flows tbody td.{member}")


def shows(page: Page, *pairs: str) -> None:
    """Wait until the address has these pairs, and the panels follow."""
    for pair in pairs:
        expect(page).to_have_url(re.compile(rf"[?&]{re.escape(pair)}(&|$)"))
    settled(page)


def asked_of_the_api(urls: list[str]) -> list[str]:
    """The paths of the API that were asked for, without the page's own files."""
    return [re.sub(r"^http://[^/]*|\?.*", "", url) for url in urls if "/dashboard" not in url]


def integers(value: Any) -> Iterator[int]:
    """Every whole number in an answer, and the totals of what goes both ways."""
    if isinstance(value, dict):
        if "bytes_tx" in value:
            yield value["bytes_tx"] + value["bytes_rx"]
        yield from (found for each in value.values() for found in integers(each))
    elif isinstance(value, list):
        yield from (found for each in value for found in integers(each))
    elif isinstance(value, int):
        yield value


def sums(answer: Any) -> set[int]:
    """What the rows of an answer add up to, without and with the rest."""
    rows = answer["links"] if "links" in answer else answer["items"]
    every = [*rows, answer["other"]] if "other" in answer else rows
    return {found for some in (rows, every) for found in integers(total_of(some))}


def total_of(rows: list[dict[str, int]]) -> dict[str, int]:
    return {member: sum(row[member] for row in rows) for member in ("bytes_tx", "bytes_rx", "records")}
