"""Reloads at the worst moments and two tabs at once: nothing is lost, nothing happens twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from agent.tools.base import CallContext, EffectClass, PreparedCall, ToolOutput
from tests.agent.scripted import ScriptedTool
from tests.browser.conftest import opened, write
from tests.browser.whole import WholeGateway
from tests.wire.openai import CallTool, Reply

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ASKS = Reply(calls=(CallTool(name="mail", arguments='{"verdict": "ask"}'),))
SHOWN = """() => Array.from(document.querySelectorAll('#log .message')).map((message) =>
  [message.id, message.querySelector('.body').innerText])"""


class Mail:
    """A tool that counts how often it ran."""

    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self, prepared: PreparedCall, context: CallContext) -> ToolOutput:
        self.runs += 1
        return ToolOutput(text="sent")


@pytest.fixture
def mail() -> Mail:
    """What the tool does."""
    return Mail()


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(tmp_path: Path, mail: Mail) -> AsyncIterator[WholeGateway]:
    """A gateway whose model wants to send mail, which somebody has to allow."""
    tool = ScriptedTool(name="mail", effect=EffectClass.ONCE, does=mail)
    async with WholeGateway(tmp_path, tools={"mail": tool}) as running:
        yield running


def card(tab: Page) -> Locator:
    """The card of the call."""
    return tab.locator(".message.boxed", has_text="Approval")


async def test_a_card_outlives_a_reload_and_is_one_in_two_tabs(
    browser: Browser, gateway: WholeGateway, mail: Mail
) -> None:
    """Approved in one tab after a reload, it is decided in both, and the call ran once."""
    gateway.model.reply(ASKS)
    async with opened(browser, gateway.url) as tab, opened(browser, gateway.url) as other:
        await write(tab, "Mail it.")
        await expect(card(tab)).to_have_count(1)
        await tab.reload()
        await other.goto(tab.url)
        for each in (tab, other):
            await expect(card(each)).to_have_count(1)
            await expect(card(each).get_by_role("button", name="Approve once")).to_be_visible()
        gateway.model.reply("It went out.")
        await card(tab).get_by_role("button", name="Approve once").click()
        for each in (tab, other):
            await expect(each.locator("#log")).to_contain_text("It went out.")
            await expect(each.get_by_role("button", name="Approve once")).to_have_count(0)
            await expect(each.locator("#log [aria-busy]")).to_have_count(0)
        live = await tab.evaluate(SHOWN)
        await tab.reload()
        await same(tab, live)
    assert mail.runs == 1


async def test_what_is_typed_into_a_form_outlives_a_reload(
    browser: Browser, gateway: WholeGateway, mail: Mail
) -> None:
    """The form stands open again with its words; they reach the model once, and then are gone."""
    gateway.model.reply(ASKS)
    async with opened(browser, gateway.url) as tab:
        await write(tab, "Mail it.")
        await deny_with_a_reason(tab)
        await card(tab).locator(".fill textarea, .fill input:not([type=hidden])").fill("Ben is")
        await tab.reload()
        field = card(tab).locator(".fill textarea, .fill input:not([type=hidden])")
        await expect(field).to_have_value("Ben is")
        await expect(tab.locator("main[data-connected]")).to_be_visible()
        await expect(tab.locator(".fill")).to_have_count(1)
        await expect(field).to_have_value("Ben is")
        await field.fill("Ben is away.")
        gateway.model.reply("Then not.")
        await card(tab).locator(".fill button").first.click()
        await expect(tab.locator("#log")).to_contain_text("Then not.")
        await tab.reload()
        await expect(tab.locator(".fill")).to_have_count(0)
        assert not [
            key for key in await tab.evaluate("Object.keys(sessionStorage)") if "form" in key
        ]
        told = await gateway.asked(2)
    assert [text.count("Ben is away.") for role, text in told if role == "tool"] == [1]
    assert mail.runs == 0


async def same(tab: Page, live: list[list[str]]) -> None:
    """Wait until a tab shows exactly these messages, by id and words."""
    bodies = tab.locator("#log .message .body")
    await expect(bodies).to_have_text([words for _, words in live], use_inner_text=True)
    assert [ident for ident, _ in await tab.evaluate(SHOWN)] == [ident for ident, _ in live]


async def deny_with_a_reason(tab: Page) -> None:
    """Press the button whose form asks for the reason."""
    found = card(tab)
    await expect(found).to_have_count(1)
    button = found.get_by_role("button", name="Deny with a reason")
    if not await button.is_visible():
        await found.locator("summary").first.click()
    await button.click()
    await expect(found.locator(".fill")).to_be_visible()


async def test_two_tabs_on_one_answer_and_a_switch_in_between(
    browser: Browser, gateway: WholeGateway
) -> None:
    """A tab that comes in the middle, one that was elsewhere meanwhile: both show it once."""
    held = asyncio.Event()
    gateway.model.reply(Reply(deltas=("The first half, the", held, " second half.")))
    async with opened(browser, gateway.url) as tab, opened(browser, gateway.url) as other:
        await write(tab, "Say it slowly.")
        await expect(tab.locator("#log")).to_contain_text("The first half,")
        await other.goto(tab.url)
        await expect(other.locator("#log")).to_contain_text("The first half,")
        gateway.answers("Something else.")
        await tab.goto("/")
        await write(tab, "Another matter.")
        await expect(tab.locator("#log")).to_contain_text("Something else.")
        held.set()
        await tab.locator("#list .title", has_text="Say it slowly.").click()
        for each in (tab, other):
            await expect(each.locator("#log")).to_contain_text("second half.")
            await expect(each.locator("#log [aria-busy]")).to_have_count(0)
        await same(tab, await other.evaluate(SHOWN))
        assert len(await tab.evaluate(SHOWN)) == 2
        await expect(tab.locator("#list .title")).to_have_text(
            ["Another matter.", "Say it slowly."], use_inner_text=True
        )
