"""The page of the loopback Bot API server in a browser: cards and forms by hand."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from platforms.blocks import Code, plain
from platforms.content import AnswerPress, Button, Field, Form, OpenForm, Sent
from platforms.events import ButtonPressed, MessageReceived
from tests.platforms.telegram.journal import ADA, TEAM, Journal, chat_of, post, posted, running
from tests.wire.telegram import TelegramServer

pytestmark = pytest.mark.slow  # a browser


@pytest.fixture
async def page(browser_executable: str) -> AsyncIterator[Page]:
    """A browser's page; what goes wrong on it fails the test."""
    problems: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=browser_executable, args=["--no-sandbox"]
        )
        page = await browser.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.extend([said.text] * (said.type == "error")))
        yield page
        await browser.close()
    assert problems == []


async def test_a_person_presses_reads_and_fills_in(page: Page) -> None:
    """A card, the private word to who pressed, a form only they see, and their reply."""
    async with TelegramServer() as server:
        server.group(TEAM, "Team")
        journal = Journal()
        async with running(server, journal) as adapter:
            chat = chat_of(server, TEAM)
            row = (
                Button(label="Approve once, at most $2.09", payload="a1", style="primary"),
                Button(label="Deny with a reason", payload="f1", style="danger"),
            )
            body = (
                *plain("Approval K7Q2F: hf_jobs run"),
                Code(language="", text='{"op":"run"}'),
            )
            await posted(adapter, post(chat, body, controls=(row,)))
            await page.goto(server.url)
            await page.locator("#chat").select_option(str(TEAM))
            await page.get_by_role("button", name="Deny with a reason").click()
            (delivery,) = await journal.count(1)
            assert isinstance(delivery.events, tuple)
            (press,) = delivery.events
            assert isinstance(press, ButtonPressed)
            await adapter.perform(AnswerPress(press=press.press, text="Why not?", alert=True))
            await expect(page.locator("#notices")).to_have_text("Why not?")
            form = Form(id="f1", title="Deny K7Q2F", fields=(Field(name="r", label="Reason"),))
            prompt = await adapter.perform(
                OpenForm(
                    press=press.press,
                    form=form,
                    chat=press.chat,
                    person=press.author.id,
                    person_name="Ada",
                )
            )
            assert isinstance(prompt, Sent)
            field = page.get_by_placeholder("Reason")
            await field.fill("too dear")
            await page.locator("#user").fill("1002")
            await page.locator("#user").press("Tab")
            await expect(page.get_by_placeholder("Reason")).to_have_count(0)
            await page.locator("#user").fill(str(ADA))
            await page.locator("#user").press("Tab")
            await field.fill("too dear")
            await field.press("Enter")
            reply = (await journal.count(2))[1].events
            assert isinstance(reply, tuple)
            (replied,) = reply
            assert isinstance(replied, MessageReceived)
            assert replied.text == "too dear"
            assert replied.quote is not None
            assert replied.quote.message == prompt.message
            await page.locator("#admin").check()
            await expect(page.locator("#admin")).to_be_checked()
            assert server.world.room(TEAM).rank(ADA) == "administrator"
