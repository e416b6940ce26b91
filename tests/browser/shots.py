"""Takes the pictures of the page for the manual: `python -m tests.browser.shots [FOLDER]`.

Everything shown happens: a whole gateway runs, the tools run on real files, only the model's words
are scripted. Another folder than `docs` also gets pictures of what is seldom seen.
"""

import asyncio
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from playwright.async_api import Browser, Page, async_playwright, expect

from platforms.content import Button, Post
from platforms.markup import parse
from tests.browser.conftest import FLAGS, PHONE, opened, write
from tests.browser.whole import WholeGateway
from tests.gateway.web.desk import running_pages
from tests.platforms.web.stand_in import running_page
from tests.wire.openai import CallTool, Reply

DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 880}, "device_scale_factor": 1.5}
MODELS = {"main": "gpt-5"}
HOSTS = """\
host,release,since
web-1,42,2 days
web-2,41,9 days
db-1,42,2 days
cache-1,40,31 days
"""
EARLIER = (
    ("Note on the upgrade", "Here is a first version."),
    ("What is in app.log?", "A time-out, twice."),
)
ASKED = "Which hosts are outdated?"
ANSWER = """\
Two of the four in `hosts.csv`:

| host | release | since |
| --- | ---: | ---: |
| `web-2` | 41 | 9 days |
| `cache-1` | **40** | 31 days |

This brings them to release 42, one after the other:

```sh
for host in cache-1 web-2; do
  ssh "$host" sudo app-upgrade 42 || exit 1
done
```"""
WRITE_IT = "Write that into upgrade.sh, with a check after each host."
SCRIPT = """\
for host in cache-1 web-2; do
  ssh "$host" sudo app-upgrade 42 || exit 1
  test "$(ssh "$host" app-release)" = 42 || exit 1
done
"""
WRITTEN = (
    "`upgrade.sh` is in the workspace. After each upgrade it asks the host for its release and"
    " stops at the first that does not say 42, so a"
)


def calls(**arguments: str) -> CallTool:
    """A call of the `files` tool."""
    return CallTool(name="files", arguments=orjson.dumps(arguments).decode())


async def answered(tab: Page, words: str) -> None:
    """The last answer holds these words."""
    await expect(tab.locator(".message.assistant").last).to_contain_text(words)


async def story(gateway: WholeGateway, tab: Page, held: asyncio.Event) -> str:
    """Three chats, the last one in the middle of an answer; returns its address."""
    (gateway.workspace / "hosts.csv").write_text(HOSTS)
    for text, answer in EARLIER:
        gateway.answers(answer)
        await tab.goto("/")
        await write(tab, text)
        await answered(tab, answer)
    await tab.goto("/")
    gateway.model.reply(Reply(calls=(calls(operation="read", path="hosts.csv"),)))
    gateway.answers(ANSWER)
    await write(tab, ASKED)
    await expect(tab.locator("pre")).to_contain_text("done")
    await expect(tab.locator("#stop")).to_be_hidden()
    gateway.model.reply(
        Reply(calls=(calls(operation="write", path="upgrade.sh", content=SCRIPT),)),
        Reply(deltas=(WRITTEN, held)),
    )
    await write(tab, WRITE_IT)
    await answered(tab, "is in the workspace")
    return tab.url


async def conversation(browser: Browser, folder: Path) -> None:
    """The same moment on a desk, in the dark and on a phone."""
    held = asyncio.Event()
    with TemporaryDirectory() as place:
        async with WholeGateway(Path(place), models=MODELS) as gateway:
            async with opened(browser, gateway.url, **DESK, color_scheme="light") as tab:
                url = await story(gateway, tab, held)
                await tab.screenshot(path=folder / "web-light.png")
            path = url.removeprefix(gateway.url)
            async with opened(browser, gateway.url, path, **DESK, color_scheme="dark") as tab:
                await answered(tab, "is in the workspace")
                await tab.screenshot(path=folder / "web-dark.png")
            async with opened(browser, gateway.url, path, **PHONE) as tab:
                await answered(tab, "is in the workspace")
                await tab.screenshot(path=folder / "web-phone.png")
            held.set()


async def start(browser: Browser, folder: Path) -> None:
    """The first page of the demonstration."""
    with TemporaryDirectory() as place:
        async with (
            WholeGateway(Path(place), demo=True) as gateway,
            opened(browser, gateway.url, **DESK) as tab,
        ):
            await expect(tab.locator("main[data-connected]")).to_be_visible()
            await tab.screenshot(path=folder / "web-start.png")


async def rare(browser: Browser, folder: Path) -> None:
    """What is seldom seen: signing in, the list on a phone, buttons, a message not sent."""
    async with (
        running_page(token="t") as page,
        opened(browser, page.url, **DESK, color_scheme="dark") as tab,
    ):
        await tab.screenshot(path=folder / "web-sign-in.png")
    async with running_page() as page:
        manager = opened(browser, page.url, **PHONE)
        tab = await manager.__aenter__()
        await tab.fill("#text", "Clean up, please")
        await tab.tap(".send")
        chat = (await page.gateway.event(0)).chat
        rows = (
            (
                Button(label="Delete them", payload="a", style="primary"),
                Button(label="Keep them", payload="d", style="danger"),
            ),
        )
        card = parse("**Delete 14 files in `old`?**\n\n> The newest is from *May*.")
        await page.adapter.perform(Post(chat=chat, body=card, nonce="c1", controls=rows))
        await expect(tab.locator("#m-c1 button")).to_have_count(2)
        await tab.tap("button[popovertarget=chats] >> visible=true")
        await expect(tab.locator("nav")).to_be_visible()
        await tab.screenshot(path=folder / "web-drawer.png")
        await tab.keyboard.press("Escape")
    await expect(tab.locator("#connection")).to_be_visible()
    await tab.fill("#text", "Hello?")
    await tab.tap(".send")
    await expect(tab.locator(".failure")).to_be_visible()
    await tab.screenshot(path=folder / "web-lost.png")
    await manager.__aexit__(None, None, None)


async def desk(browser: Browser, folder: Path) -> None:
    """The queue, a card and the spend page over a scripted desk, in both palettes and small."""
    places = {"queue": "/approvals", "card": "/approvals/K7Q2F", "spend": "/spend"}
    looks: dict[str, dict[str, Any]] = {
        "light": {**DESK, "color_scheme": "light"},
        "dark": {**DESK, "color_scheme": "dark"},
        "phone": PHONE,
    }
    async with running_pages() as pages:
        for look, options in looks.items():
            for name, path in places.items():
                async with opened(browser, pages.url, path, **options) as tab:
                    picture = folder / f"web-{name}-{look}.png"
                    await tab.screenshot(path=picture, full_page=True)


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
            await desk(browser, folder)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")))
