"""A real browser: Debian's Chromium, driven by Playwright, that notes whatever goes wrong in a page."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
MISSING = "there is no Chromium; on Debian and Ubuntu: apt-get install chromium"
MILLISECONDS = 20_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser without a window; as root it cannot have its sandbox."""
    expect.set_options(timeout=MILLISECONDS)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page in a profile of its own, and what happened in it."""

    def __init__(self, browser: Browser, port: int, **how: Any) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.context = browser.new_context(base_url=self.origin, **how)
        self.context.set_default_timeout(MILLISECONDS)
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.page = self.tab()

    def tab(self) -> Page:
        """Open another tab of the same profile."""
        page = self.context.new_page()
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda said: self._note(said.type, said.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        return page

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.problems.append(text)

    def open(self, query: str = "") -> Page:
        """Go to the dashboard, and wait until every panel has its numbers."""
        self.page.goto(f"/dashboard{query}")
        self.settled()
        return self.page

    def settled(self, words: str = "") -> None:
        """Wait until nothing is on its way, and the status is as expected: empty unless something is wrong."""
        settled(self.page, words)

    def expect_failures(self, status: str) -> None:
        """Take it that the browser complained of refused requests, of which the page has told."""
        assert any(status in problem for problem in self.problems), (status, self.problems)
        self.problems = [problem for problem in self.problems if status not in problem]

    def close(self) -> None:
        """End the visit. Nothing may have gone wrong, and nothing may have left for elsewhere."""
        self.context.close()
        assert self.problems == []
        assert [url for url in self.requests if not url.startswith((self.origin, "data:"))] == []


def settled(page: Page, words: str = "") -> None:
    """Wait until a dashboard has loaded all that it asked for, and its status line says these words."""
    expect(page.locator("#main")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#status")).to_have_text(words)


class Held:
    """Answers that wait until they are let go."""

    def __init__(self, page: Page, pattern: str) -> None:
        self.routes: list[Route] = []
        self.holding = True
        page.route(re.compile(pattern), self._hold)

    def _hold(self, route: Route) -> None:
        if self.holding:
            self.routes.append(route)
        else:
            route.continue_()

    def let_go(self) -> None:
        """Answer what has been asked, and hold no more."""
        self.holding = False
        for route in self.routes:
            route.continue_()


def exact(number: Locator) -> int:
    """Read the digits behind a number on the page."""
    text = number.get_attribute("title") or number.inner_text()
    return int(re.sub(r"[^0-9]", "", text))
