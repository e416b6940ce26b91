"""A person works a card on the loopback Slack's page, in a real browser, the real adapter behind.

The browser takes a second or two.
"""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from platforms.blocks import Code, Heading, Text, plain
from platforms.content import AnswerPress, Button, Edit, Field, Form, Menu, OpenForm
from platforms.events import ButtonPressed, FormSubmitted, InboundEvent
from tests.platforms.slack.journal import ADA, GENERAL, Journal, chat_of, post, posted, running
from tests.wire.slack import SlackServer

PATIENCE_MS = 60_000
CONTROLS = (
    (
        Button(label="Approve once, at most $2.09", payload="ap", style="primary"),
        Button(label="Delete", payload="dl", style="danger", confirm="Delete acme/data for good?"),
        Menu(
            label="More",
            options=(
                Button(label="Deny with a reason", payload="fdn"),
                Button(label="Deny and stop", payload="ds"),
            ),
        ),
    ),
)
FORM = Form(
    id="fdn:K7Q2F",
    title="Deny K7Q2F",
    fields=(
        Field(name="reason", label="Why?", multiline=True, max_length=40),
        Field(name="note", label="Note to self", required=False),
    ),
    submit="Deny",
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


async def arrived(journal: Journal, number: int) -> InboundEvent:
    """The event with that number, once it came."""
    await journal.count(number)
    return journal.events[number - 1]


async def test_a_card_is_worked_by_hand(page: Page) -> None:
    """A question declined and answered, a form cancelled and sent, private words, no controls."""
    journal = Journal()
    async with SlackServer(echoes=False) as server:
        server.channel(GENERAL).members.add(ADA)
        async with running(server, journal) as adapter:
            heading = Heading(level=2, spans=(Text(text="Approval K7Q2F: hf_jobs run"),))
            code = Code(language="", text='{"flavor":"a100-large","op":"run"}')
            chat = chat_of(server, GENERAL)
            card = await posted(adapter, post(chat, (heading, code), controls=CONTROLS))
            await page.goto(server.url)
            await page.locator("#chat option").nth(1).wait_for(state="attached")
            await page.locator("#chat").select_option(GENERAL)
            ask, dialog = page.locator("#ask"), page.locator("#modal")
            for answer in ("Cancel", "Delete"):
                await page.locator("#messages").get_by_role("button", name="Delete").click()
                await expect(ask).to_contain_text("Delete acme/data for good?")
                await ask.get_by_text(answer, exact=True).click()
                await expect(ask).to_be_hidden()
            press = await arrived(journal, 1)
            assert isinstance(press, ButtonPressed) and press.payload == "dl"
            for number in (2, 3):
                await page.locator("#messages select").select_option("Deny with a reason")
                event = await arrived(journal, number)
                assert isinstance(event, ButtonPressed) and event.payload == "fdn"
                await adapter.perform(
                    OpenForm(press=event.press, form=FORM, chat=event.chat, person=ADA)
                )
                await expect(dialog).to_contain_text("Deny K7Q2F")
                if number == 2:
                    await dialog.get_by_text("Cancel").click()
                    await expect(dialog).to_be_hidden()
            await dialog.get_by_label("Why?").fill("too dear\nfor today")
            await dialog.get_by_role("button", name="Deny").click()
            form = await arrived(journal, 4)
            assert isinstance(form, FormSubmitted)
            assert form.values == {"reason": "too dear\nfor today", "note": ""}
            await expect(dialog).to_be_hidden()
            assert form.press is not None
            await adapter.perform(AnswerPress(press=form.press, text="Denied."))
            await expect(page.locator("#messages")).to_contain_text("sees this: Denied.")
            await adapter.perform(Edit(message=card, body=plain("Denied by Ada 13:41")))
            await expect(page.locator("#messages button, #messages select")).to_have_count(0)
            await server.settled()
