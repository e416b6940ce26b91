"""Takes the pictures of the page for the manual: `python -m tests.browser.shots [FOLDER]`."""

import asyncio
import shutil
import sys
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

from platforms.content import Button, Post, Typing
from platforms.events import ChatRef, MessageRef
from platforms.markup import parse
from platforms.web.history import Answering
from tests.browser.conftest import FLAGS, opened
from tests.platforms.web.stand_in import Running, StandInGateway, running_page

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
EXAMPLES = ("Show me what you can do", "List the files in the workspace", "/help")
ASKED = "What would it take to send the Monday report by itself?"
ANSWER = """\
Two things are missing, both small:

1. **A schedule.** The report has none; it runs when somebody starts it.
2. **A recipient.** `report.toml` names a channel that was archived in May.

| file | what it does | changes |
| --- | --- | ---: |
| `report.py` | collects and formats | 0 |
| `report.toml` | names the channel | 1 |
| `gatepost.toml` | gets the job | 6 |

This is the job:

```toml
[[cron]]
name = "monday-report"
schedule = "0 9 * * mon"
timezone = "Europe/Berlin"
prompt = "Run report.py and post its summary."
deliver = "slack:T1/C9"
```

Shall I write it into `gatepost.toml`?"""


async def story(page: Running, tab: Page) -> ChatRef:
    """Three chats, the last one in the middle of an answer."""
    chat: ChatRef | None = None
    for number, text in enumerate(("Why did the nightly build fail?", "Draft the notes", ASKED)):
        await tab.goto("/")
        await tab.fill("#text", text)
        await tab.press("#text", "Enter")
        chat = (await page.gateway.event(number)).chat
        await page.answer(chat, ANSWER)
    assert chat is not None
    await tab.fill("#text", "Yes, please. And tell me the next three times it fires.")
    await tab.press("#text", "Enter")
    await page.gateway.event(3)
    await page.adapter.perform(Typing(chat=chat, label="files write gatepost.toml"))
    await page.adapter.perform(
        Post(chat=chat, body=parse("Done. It fires next on Monday the 23rd, then"), nonce="a2")
    )
    await expect(tab.locator("#m-a2")).to_be_visible()
    await expect(tab.locator("#list a")).to_have_count(3)
    return chat


async def conversation(browser: Browser, folder: Path) -> None:
    """The same moment on a desk, in the dark and on a phone."""
    async with running_page() as page:
        async with opened(browser, page.url, viewport=DESK, color_scheme="light") as tab:
            chat = await story(page, tab)
            await tab.screenshot(path=folder / "web-light.png")
        path = f"/chat/{chat.chat_id}"
        async with opened(browser, page.url, path, viewport=DESK, color_scheme="dark") as tab:
            await expect(tab.locator("#m-a2")).to_be_visible()
            await tab.screenshot(path=folder / "web-dark.png")
        async with opened(
            browser, page.url, path, viewport=PHONE, is_mobile=True, has_touch=True
        ) as tab:
            await expect(tab.locator("#m-a2")).to_be_visible()
            await tab.screenshot(path=folder / "web-phone.png")


async def start(browser: Browser, folder: Path) -> None:
    """The first page of the demo."""
    demo = Answering(provider="demo", model="demo", demo=True, examples=EXAMPLES)
    async with (
        running_page(StandInGateway(answering_now=demo)) as page,
        opened(browser, page.url, viewport=DESK) as tab,
    ):
        await tab.screenshot(path=folder / "web-start.png")


async def rare(browser: Browser, folder: Path) -> None:
    """What is seldom seen: signing in, buttons, a lost connection, a message not sent."""
    async with (
        running_page(token="t") as page,
        opened(browser, page.url, viewport=DESK, color_scheme="dark") as tab,
    ):
        await tab.screenshot(path=folder / "web-sign-in.png")
    manager = None
    async with running_page() as page:
        manager = opened(browser, page.url, viewport=PHONE)
        tab = await manager.__aenter__()
        await tab.fill("#text", "Pay the invoice")
        await tab.press("#text", "Enter")
        chat = (await page.gateway.event(0)).chat
        rows = (
            (
                Button(label="Approve", payload="a", style="primary"),
                Button(label="Deny", payload="d", style="danger"),
                Button(label="Show all", payload="s"),
            ),
        )
        card = parse("**Approval K7QF: pay invoice 4711**\n\nAt most $120.00 from *acme*.")
        await page.adapter.perform(Post(chat=chat, body=card, nonce="c1", controls=rows))
        await page.show(MessageRef(chat=chat, message_id="p"), "> quoted\n\nThat is all.")
        await expect(tab.locator("#m-p")).to_be_visible()
    await expect(tab.locator("#connection")).to_be_visible()
    await tab.fill("#text", "Hello?")
    await tab.press("#text", "Enter")
    await expect(tab.locator(".failure")).to_be_visible()
    await tab.screenshot(path=folder / "web-lost.png")
    await manager.__aexit__(None, None, None)


async def main(folder: Path) -> None:
    """All pictures."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        await conversation(browser, folder)
        await start(browser, folder)
        if folder != Path("docs"):
            await rare(browser, folder)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")))
