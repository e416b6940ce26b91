"""A call that a stop left in doubt, as the person at the page sees and decides it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from agent.tools.base import CallContext, EffectClass, PreparedCall, ToolOutput
from tests.agent.scripted import ScriptedTool
from tests.browser.conftest import opened, write
from tests.browser.whole import WholeGateway
from tests.wire.openai import CallTool, Reply

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


class Mail:
    """A tool that never comes back the first time."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.runs = 0

    async def __call__(self, prepared: PreparedCall, context: CallContext) -> ToolOutput:
        self.runs += 1
        if not self.began.is_set():
            self.began.set()
            await asyncio.Event().wait()
        return ToolOutput(text="sent")


@pytest.fixture
def mail() -> Mail:
    """What the tool does."""
    return Mail()


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(tmp_path: Path, mail: Mail) -> AsyncIterator[WholeGateway]:
    """A gateway whose model can send mail, and whose stop waits for nothing."""
    tool = ScriptedTool(name="mail", effect=EffectClass.ONCE, does=mail)
    async with WholeGateway(tmp_path, tools={"mail": tool}, drain_s=0) as running:
        yield running


async def test_a_call_in_doubt_is_decided_at_the_page(
    browser: Browser, gateway: WholeGateway, mail: Mail
) -> None:
    """The card has four buttons; evidence adds a message, a decision takes the buttons away."""
    gateway.model.reply(Reply(calls=(CallTool(name="mail", arguments="{}"),)))
    async with opened(browser, gateway.url) as tab:
        await write(tab, "Mail the report to Ben")
        async with asyncio.timeout(60):
            await mail.began.wait()
        await gateway.halt()
        await gateway.start()
        card = tab.locator(".message.boxed", has_text="In doubt")
        await expect(card.get_by_role("button")).to_have_count(4)
        await card.get_by_role("button", name="Show evidence").click()
        await expect(
            tab.locator(".message.assistant", has_text="no result was stored")
        ).to_be_visible()
        gateway.model.reply("It went out.")
        await card.get_by_role("button", name="Mark done").click()
        await expect(tab.locator("#log")).to_contain_text("It went out.")
        await expect(tab.locator("#log").get_by_role("button", name="Run again")).to_have_count(0)
        await expect(card).to_contain_text("Answered by you")
    assert mail.runs == 1
