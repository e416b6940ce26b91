"""`make fakes` in front of a whole gateway, as a person without accounts tries every platform."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from gateway.app import Gateway
from gateway.config import load
from gateway.equipment import providers
from tests.generous import generous
from tests.wire.fakes import TEAM, Fakes
from tests.wire.server import LoopbackServer

PATIENCE_MS = 60_000

pytestmark = pytest.mark.slow  # a browser and a whole gateway with every SDK


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """One page: the group on it, how a message there reaches the bot, and where words are typed."""

    server: LoopbackServer
    group: str
    mention: str
    command: str
    box: str


@pytest.fixture
async def consoles(tmp_path: Path) -> AsyncIterator[dict[str, Console]]:
    """Every page, with the gateway of the configuration that comes with them."""
    async with AsyncExitStack() as stack:
        fakes = await stack.enter_async_context(Fakes())
        fakes.furnish(tmp_path)
        file = tmp_path / "fakes.toml"
        file.write_text(f'{fakes.configuration(tmp_path)}\n[web]\nlisten = "127.0.0.1:0"\n')
        config = load(file, {})
        gateway = Gateway(config, budgets=generous)
        await gateway.start(await providers(config))
        stack.push_async_callback(gateway.stop)
        yield {
            "telegram": Console(
                server=fakes.telegram,
                group=str(TEAM),
                mention="@gatepost_bot",
                command="/whoami",
                box="input[name=text]",
            ),
            "slack": Console(
                server=fakes.slack,
                group="C1",
                mention="@gatepost",
                command="/gatepost whoami",
                box="input[name=text]",
            ),
            "discord": Console(
                server=fakes.discord,
                group=str(fakes.discord.general.id),
                mention="@bot",
                command="/whoami",
                box="#text",
            ),
        }


@pytest.fixture
async def page(browser_executable: str) -> AsyncIterator[Page]:
    """A browser's page; what goes wrong on it fails the test."""
    problems: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=browser_executable, args=["--no-sandbox"]
        )
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.extend([said.text] * (said.type == "error")))
        yield page
        await browser.close()
    assert problems == []


async def shows(page: Page, text: str) -> None:
    """Wait until words stand among the messages."""
    await page.locator("#messages").get_by_text(text).first.wait_for()


@pytest.mark.parametrize("name", ["telegram", "slack", "discord"])
async def test_a_person_talks_to_the_gateway_on_its_page(
    consoles: dict[str, Console], page: Page, name: str
) -> None:
    """A message, a tool call, one that is approved, a command, and a mention in the group."""
    console = consoles[name]

    async def say(text: str) -> None:
        await page.locator(console.box).fill(text)
        await page.locator(console.box).press("Enter")

    await page.goto(console.server.url)
    chats = page.locator("#chat option")
    await chats.nth(1).wait_for(state="attached")
    values = [await chats.nth(at).get_attribute("value") for at in range(await chats.count())]
    direct = next(value for value in values if value != console.group)
    await page.locator("#chat").select_option(direct)
    await say("hello **there**")
    await shows(page, "You said:")
    await say("list files")
    await shows(page, "The tool says:")
    await say("spend")
    await page.get_by_role("button", name="Approve once, at most $0.05").click()
    await shows(page, "Schedules, measured")
    await shows(page, "held $0.05")
    await say(console.command)
    await shows(page, "You:")
    await page.locator("#chat").select_option(console.group)
    await say("lunch, anyone?")
    await say(f"{console.mention} are you here?")
    await shows(page, "are you here?")
    await shows(page, "You said:")
    assert "lunch" not in await page.locator("#messages .ours, #messages .bot").inner_text()
