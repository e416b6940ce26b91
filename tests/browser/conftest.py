"""One real browser for all page tests, and what no page may do while it is watched."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
EXPECTED = ("Failed to load resource", "net::ERR_")
"""What the browser itself logs about an answer that is not 2xx, or none; tests cause these."""

WAIT_MS = 60_000
"""A browser beside other tests on two cores is slow at times."""

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}
# What scrolls inside its own box may be wider than the screen; nothing else may.
TOO_WIDE = """() => Array.from(document.querySelectorAll('body *'))
  .filter((el) => el.checkVisibility() && !el.closest('pre > *, .table > *, .unseen'))
  .filter((el) => el.getBoundingClientRect().right > screen.width + 0.5)
  .map((el) => el.outerHTML.slice(0, 80))"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(browser_executable: str) -> AsyncIterator[Browser]:
    """Chromium without a window."""
    expect.set_options(timeout=WAIT_MS)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=browser_executable, args=list(FLAGS)
        )
        yield chromium
        await chromium.close()


@dataclass
class Watched:
    """Collects what must not happen: script errors, policy violations, requests elsewhere."""

    own: str
    problems: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Watch one page."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        page.on("request", lambda request: self._request(request.url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(EXPECTED):
            self.problems.append(message.text)

    def _request(self, url: str) -> None:
        if not url.startswith(self.own):
            self.problems.append(f"request to {url}")


@asynccontextmanager
async def opened(
    browser: Browser, url: str, path: str = "/", **options: Any
) -> AsyncIterator[Page]:
    """A fresh browser profile on a page; at the end nothing forbidden must have happened."""
    context = await browser.new_context(base_url=url, reduced_motion="reduce", **options)
    context.set_default_timeout(WAIT_MS)
    watched = Watched(own=url)
    page = await context.new_page()
    watched.follow(page)
    await page.goto(path)
    try:
        yield page
        assert watched.problems == []
    finally:
        await context.close()


async def write(tab: Page, text: str) -> None:
    """Put a message into the box and send it with Enter."""
    await tab.fill("#text", text)
    await tab.press("#text", "Enter")
