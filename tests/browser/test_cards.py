"""Cards in the chat in a real browser: keyboard order, menus, questions, forms, phone, dark."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from gateway.card import INLINE, face
from gateway.card_view import CardView, arguments_of
from gateway.shown import decoded
from platforms.content import AnswerPress, Button, Controls, Edit, Field, Form, Menu, OpenForm, Post
from platforms.events import (
    ButtonPressed,
    ChatRef,
    FormSubmitted,
    InboundEvent,
    MessageRef,
    Receipt,
)
from platforms.markup import parse
from tests.browser.conftest import PHONE, TOO_WIDE, opened, write
from tests.browser.test_chat_page import CONTRAST, NAMELESS
from tests.gateway.card_cases import CARD, JOB
from tests.platforms.web.stand_in import Running, running_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BUTTONS: Controls = (
    (
        Button(label="Approve once, at most $2.09", payload="a", style="primary"),
        Button(label="Deny", payload="d", style="danger"),
        Button(label="Show all", payload="s"),
    ),
    (
        Menu(
            label="More",
            options=(
                Button(label="Edit", payload="fe"),
                Button(label="Deny with a reason", payload="fd"),
                Button(label="Deny and stop", payload="ds", confirm="End the whole turn?"),
            ),
        ),
    ),
)
SCRIPT = "\nimport torch\n\ttrain()  \n"
FORM = Form(
    id="fe:1",
    title="Edit what runs",
    fields=(
        Field(name="script", label="Script", text=SCRIPT, multiline=True, max_length=60_000),
        Field(name="timeout", label="Timeout", text="45 min"),
    ),
    submit="Save",
)
# What the Tab key reaches, by its words.
FOCUS = "() => (document.activeElement.value || document.activeElement.innerText).split('\\n')[0]"


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Running]:
    """The whole web surface with a gateway to script."""
    async with running_page() as running:
        yield running


async def event(page: Running, number: int) -> InboundEvent:
    """An event the page has sent."""
    async with asyncio.timeout(60):
        return await page.gateway.event(number)


async def card(tab: Page, page: Running, view: CardView = CARD) -> Locator:
    """A card stands in the chat of this page."""
    await write(tab, "Fine-tune it")
    chat = (await event(page, 0)).chat
    body = face(view, inline=INLINE, fits=page.adapter.fits).body
    await page.adapter.perform(Post(chat=chat, body=body, nonce="c1", controls=BUTTONS))
    found = tab.locator("#m-c1")
    await expect(found.get_by_role("button", name="Deny", exact=True)).to_be_visible()
    return found


def ref(chat: ChatRef) -> MessageRef:
    """The card."""
    return MessageRef(chat=chat, message_id="c1")


async def open_form(page: Running, number: int, form: Form = FORM) -> None:
    """Answer a press with a form."""
    pressed = await event(page, number)
    assert isinstance(pressed, ButtonPressed)
    opening = OpenForm(press=pressed.press, form=form, chat=pressed.chat, person="local")
    await page.adapter.perform(opening)


async def test_deny_comes_before_approve(browser: Browser, page: Running) -> None:
    """With the Tab key, and to the eye; Enter on the menu shows what folds out."""
    async with opened(browser, page.url) as tab:
        found = await card(tab, page)
        await found.locator("pre").last.focus()
        reached = []
        for _ in range(4):
            await tab.keyboard.press("Tab")
            reached.append(await tab.evaluate(FOCUS))
        assert reached == ["d", "a", "s", "More"]
        deny = await found.get_by_role("button", name="Deny", exact=True).bounding_box()
        approve = await found.get_by_role("button", name="Approve once").bounding_box()
        assert deny is not None
        assert approve is not None
        assert deny["x"] < approve["x"]
        await tab.keyboard.press("Enter")
        await expect(found.get_by_role("button", name="Edit")).to_be_visible()
        await tab.keyboard.press("Tab")
        assert await tab.evaluate(FOCUS) == "fe"
        await tab.keyboard.press("Escape")
        await expect(found.get_by_role("button", name="Edit")).to_be_hidden()
        assert await tab.evaluate(FOCUS) == "More"
        assert len(page.gateway.deliveries) == 1  # Escape stopped nothing


async def test_a_question_is_asked_first(browser: Browser, page: Running) -> None:
    """The first press folds the question out; only the second one counts."""
    async with opened(browser, page.url) as tab:
        found = await card(tab, page)
        await found.get_by_text("More").click()
        await found.locator("summary", has_text="Deny and stop").dblclick()
        assert len(page.gateway.deliveries) == 1
        # What folds out is scrolled to, so that the second press may not be on it any more.
        if not await found.get_by_text("End the whole turn?").is_visible():
            await found.locator("summary", has_text="Deny and stop").click()
        await expect(found.get_by_text("End the whole turn?")).to_be_visible()
        await expect(found.get_by_text("Not now")).to_be_visible()
        assert len(page.gateway.deliveries) == 1
        await found.get_by_role("button", name="Deny and stop").click()
        pressed = await event(page, 1)
        assert isinstance(pressed, ButtonPressed)
        assert (pressed.payload, pressed.card) == ("ds", ref(pressed.chat))
        await expect(found.locator("details[open]")).to_have_count(0)


async def test_a_form_opens_at_its_card(browser: Browser, page: Running) -> None:
    """It has the focus and the text to the letter; what is typed survives the card's changes."""
    async with opened(browser, page.url) as tab:
        found = await card(tab, page)
        await found.get_by_text("More").click()
        await found.get_by_role("button", name="Edit").click()
        await open_form(page, 1)
        box = found.get_by_label("Script")
        await expect(box).to_be_focused()
        assert await box.input_value() == SCRIPT
        await box.fill("\n\nprint('mine')\n")
        chat = (await event(page, 1)).chat
        body = parse("**Approval K7Q2F: hf_jobs run**\n\nHalf of the time is over.")
        await page.adapter.perform(Edit(message=ref(chat), body=body, controls=BUTTONS))
        await expect(found).to_contain_text("Half of the time")
        assert await box.input_value() == "\n\nprint('mine')\n"
        await expect(box).to_be_focused()
        await found.get_by_role("button", name="Save").click()
        sent = await event(page, 2)
        assert isinstance(sent, FormSubmitted)
        assert sent.values == {"script": "\n\nprint('mine')\n", "timeout": "45 min"}
        assert (sent.form_id, sent.card) == ("fe:1", ref(chat))
        await expect(found.locator(".fill")).to_have_count(0)
        assert sent.press is not None
        await page.adapter.perform(AnswerPress(press=sent.press, text="Priced anew."))
        await expect(tab.locator("#toast")).to_have_text("Priced anew.")


async def test_a_form_that_was_not_stored_stays(browser: Browser, page: Running) -> None:
    """With its words and the reason; sent again it is the same act. Cancel is silence."""
    async with opened(browser, page.url) as tab:
        found = await card(tab, page)
        await found.get_by_text("More").click()
        await found.get_by_role("button", name="Edit").click()
        await open_form(page, 1)
        await found.get_by_label("Timeout").fill("2h")
        page.gateway.receipt = Receipt.BUSY
        await tab.keyboard.press("Enter")
        await expect(found.locator(".fill .failure")).to_contain_text("could not store this")
        await expect(found.get_by_label("Timeout")).to_have_value("2h")
        page.gateway.receipt = Receipt.STORED
        await found.get_by_role("button", name="Save").click()
        assert isinstance(await event(page, 2), FormSubmitted)
        await expect(found.locator(".fill")).to_have_count(0)
        await found.get_by_text("More").click()
        await found.get_by_role("button", name="Edit").click()
        await open_form(page, 3)
        await found.get_by_role("button", name="Cancel").click()
        await expect(found.locator(".fill")).to_have_count(0)
        await tab.reload()
        await expect(tab.locator(".fill")).to_have_count(0)
        assert len(page.gateway.deliveries) == 4


async def test_a_second_page_sees_the_form_and_keeps_its_cursor(
    browser: Browser, page: Running
) -> None:
    """It opens there too, but only who pressed is taken to it; it ends in both."""
    async with opened(browser, page.url) as tab:
        found = await card(tab, page)
        chat = (await event(page, 0)).chat
        page.gateway.remember(ref(chat), parse("May I?"), BUTTONS)
        async with opened(browser, page.url, f"/chat/{chat.chat_id}") as other:
            await expect(other.locator("main[data-connected]")).to_be_visible()
            await other.fill("#text", "in the middle of a w")
            await found.get_by_text("More").click()
            await found.get_by_role("button", name="Edit").click()
            await open_form(page, 1)
            await expect(other.locator("#m-c1 .fill")).to_be_visible()
            await expect(other.locator("#text")).to_be_focused()
            await page.adapter.perform(Edit(message=ref(chat), body=parse("Denied by Ann.")))
            for each in (tab, other):
                await expect(each.locator("#m-c1")).to_contain_text("Denied by Ann.")
                await expect(each.locator(".fill")).to_have_count(0)
                await expect(each.locator("#m-c1.boxed")).to_have_count(1)


@pytest.mark.parametrize("options", [PHONE, {}], ids=["phone", "desk"])
async def test_all_of_it_can_be_read(
    browser: Browser, page: Running, options: dict[str, Any]
) -> None:
    """Long arguments wrap and scroll down, never sideways, and read exactly as what runs."""
    arguments = '{"argv":["' + "x" * 1_500 + '","\u202egnp.exe","\u05d0\u05d1 \u05d2"]}'
    view = _with(arguments)
    async with opened(browser, page.url, **options) as tab:
        if options:
            await tab.fill("#text", "Fine-tune it")
            await tab.tap(".send")
            chat = (await event(page, 0)).chat
            body = face(view, inline=INLINE, fits=page.adapter.fits).body
            await page.adapter.perform(Post(chat=chat, body=body, nonce="c1", controls=BUTTONS))
            found = tab.locator("#m-c1")
        else:
            found = await card(tab, page, view)
        fence = found.locator("pre").first
        await expect(fence).to_be_visible()
        assert decoded(await fence.text_content() or "") == arguments
        assert await fence.evaluate("el => el.scrollWidth <= el.clientWidth")
        assert await fence.evaluate("el => getComputedStyle(el).unicodeBidi") == "isolate"
        assert await tab.evaluate(TOO_WIDE) == []
        await found.get_by_text("More").click()
        await found.get_by_role("button", name="Edit").click()
        await open_form(page, 1)
        await expect(found.locator("textarea")).to_be_visible()
        assert await tab.evaluate(TOO_WIDE) == []
        if options:
            heights = await found.locator("button:visible").evaluate_all(
                "all => all.map((el) => el.getBoundingClientRect().height)"
            )
            assert min(heights) >= 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_card_can_be_read(browser: Browser, page: Running, scheme: str) -> None:
    """All text has the contrast of WCAG AA on either ground, and everything to press has a name."""
    async with opened(browser, page.url, color_scheme=scheme) as tab:
        found = await card(tab, page)
        await found.get_by_text("More").click()
        await found.locator("summary", has_text="Deny and stop").click()
        assert await tab.evaluate(CONTRAST) == []
        assert await tab.evaluate(NAMELESS) == []
        await found.get_by_role("button", name="Edit").click()
        await open_form(page, 1)
        await expect(found.locator(".fill")).to_be_visible()
        assert await tab.evaluate(CONTRAST) == []
        assert await tab.evaluate(NAMELESS) == []


async def test_words_of_a_model_never_look_like_a_card(browser: Browser, page: Running) -> None:
    """The same words without buttons have no box, no columns and nothing to press."""
    async with opened(browser, page.url) as tab:
        found = await card(tab, page)
        chat = (await event(page, 0)).chat
        body = face(CARD, inline=INLINE, fits=page.adapter.fits).body
        await page.adapter.perform(Post(chat=chat, body=body, nonce="fake"))
        fake = tab.locator("#m-fake")
        await expect(fake).to_contain_text("Approval K7Q2F")
        await expect(fake.locator("button:not(.copy), summary, .labelled")).to_have_count(0)
        edge = "el => getComputedStyle(el.querySelector('.body')).borderTopWidth"
        assert await found.evaluate(edge) == "1px"
        assert await fake.evaluate(edge) == "0px"


async def test_without_script(browser: Browser, page: Running) -> None:
    """Menu, question, form, and the words to who pressed: links and forms alone."""
    async with opened(browser, page.url, java_script_enabled=False) as tab:
        await tab.fill("#text", "Fine-tune it")
        await tab.click(".send")
        chat = (await event(page, 0)).chat
        await expect(tab.locator(".message.user")).to_contain_text("Fine-tune it")
        body = face(CARD, inline=INLINE, fits=page.adapter.fits).body
        await page.adapter.perform(Post(chat=chat, body=body, nonce="c1", controls=BUTTONS))
        await tab.reload()
        found = tab.locator("#m-c1")
        await found.get_by_text("More").click()
        await expect(found.get_by_text("End the whole turn?")).to_be_hidden()
        answering = asyncio.ensure_future(open_form(page, 1))
        await found.get_by_role("button", name="Edit").click()
        await answering
        await expect(found.locator("textarea")).to_have_value(SCRIPT)
        await found.get_by_label("Timeout").fill("1h")

        async def answer() -> None:
            sent = await event(page, 2)
            assert isinstance(sent, FormSubmitted)
            assert sent.press is not None
            assert sent.values == {"script": SCRIPT, "timeout": "1h"}
            await page.adapter.perform(AnswerPress(press=sent.press, text="Priced anew."))

        answering = asyncio.ensure_future(answer())
        await found.get_by_role("button", name="Save").click()
        await answering
        await expect(tab.locator(".said")).to_have_text("Priced anew.")
        await expect(tab.locator(".fill")).to_have_count(0)


def _with(arguments: str) -> CardView:
    return replace(CARD, items=(replace(JOB, arguments=arguments_of(arguments), snapshots=()),))
