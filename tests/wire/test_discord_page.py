"""A person works a card on the loopback Discord's page, in a real browser, the real adapter behind.

The browser takes a second or two.
"""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from platforms.blocks import Code, plain
from platforms.content import AnswerPress, Button, Edit, Field, Form, Menu, OpenForm
from platforms.events import ButtonPressed, FormSubmitted
from tests.platforms.discord.journal import Journal, post, posted, running
from tests.wire.discord import DiscordServer

PATIENCE_MS = 60_000
CONTROLS = (
    (
        Button(label="Approve once", payload="ap:1", style="primary"),
        Button(label="Deny", payload="dn:1", style="danger"),
    ),
    (Menu(label="More", options=(Button(label="Deny with a reason", payload="f:dn"),)),),
)
FORM = Form(
    id="f:dn",
    title="Deny K7Q2F",
    fields=(Field(name="reason", label="Why?", multiline=True, max_length=40),),
)


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


async def test_a_card_is_worked_by_hand(page: Page) -> None:
    """A menu opens a form, cancelled once and sent once; then words in private, and no controls."""
    journal = Journal()
    async with DiscordServer() as server, running(server, journal) as adapter:
        body = (*plain("Approval K7Q2F: hf_jobs run"), Code(language="", text='{"op":"run"}'))
        card = await posted(adapter, post(server.general, body, controls=CONTROLS))
        await page.goto(server.url)
        dialog = page.locator("#forms form")
        for number in (1, 2):
            await page.get_by_label("More").select_option("Deny with a reason")
            event = await journal.event(number)
            assert isinstance(event, ButtonPressed)
            opening = OpenForm(press=event.press, form=FORM, chat=event.chat, person="42")
            await adapter.perform(opening)
            await expect(dialog).to_contain_text("Deny K7Q2F")
            if number == 1:
                await dialog.get_by_text("Cancel").click()
                await expect(dialog).to_have_count(0)
        await dialog.get_by_label("Why?").fill("too dear\nfor today")
        await dialog.get_by_text("Submit").click()
        form = await journal.event(3)
        assert isinstance(form, FormSubmitted)
        assert form.values == {"reason": "too dear\nfor today"}
        assert form.press is not None
        await adapter.perform(AnswerPress(press=form.press, text="Denied."))
        private = page.locator("#messages li.private")
        await expect(private).to_contain_text("Denied.")
        await page.get_by_text("Approve once").click()
        await journal.event(4)
        await adapter.perform(Edit(message=card, body=plain("Denied by Ada 13:41")))
        await expect(page.locator("#messages button, #messages select")).to_have_count(0)
