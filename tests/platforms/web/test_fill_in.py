"""Forms at a card and answers to presses, over HTTP and without script."""

import asyncio
import re
from html import unescape
from uuid import uuid4

import orjson
import pytest

from platforms.content import AnswerPress, Button, Edit, Field, Form, Menu, OpenForm, Post
from platforms.events import (
    ButtonPressed,
    FormSubmitted,
    Ignored,
    InboundEvent,
    MessageRef,
    Receipt,
)
from platforms.markup import parse
from platforms.web.feed import Patience
from platforms.web.limits import FIELD_MAX
from platforms.web.parse import chat_of
from platforms.web.parse import parse as parse_payload
from tests.platforms.web.stand_in import AT_ONCE_S, Running, StandInGateway, running_page
from tests.platforms.web.test_page import CHAT, Forms, fresh_token, post

PLACE = chat_of("local", CHAT)
CARD = MessageRef(chat=PLACE, message_id="card1")
BUTTONS = (
    (Button(label="Approve", payload="a", style="primary"), Button(label="Deny", payload="d")),
    (Menu(label="More", options=(Button(label="Edit", payload="fe"),)),),
)
SCRIPT = "\nimport torch\n\ttrain()\n"
FORM = Form(
    id="fe:1",
    title="Edit what runs",
    fields=(
        Field(name="script", label="Script", text=SCRIPT, multiline=True, max_length=FIELD_MAX),
        Field(name="flavor", label="Flavour", text="t4-small"),
    ),
    submit="Save",
)


async def card(page: Running) -> Forms:
    """A card stands, and a browser without script looks at it."""
    await page.adapter.perform(
        Post(chat=PLACE, body=parse("May I?"), nonce="card1", controls=BUTTONS)
    )
    browser = Forms(page)
    await browser.open(f"/chat/{CHAT}")
    return browser


async def open_form(page: Running, event: InboundEvent) -> None:
    """What the gateway does with a press that opens a form."""
    if isinstance(event, ButtonPressed):
        opening = OpenForm(press=event.press, form=FORM, chat=event.chat, person="local")
        await page.adapter.perform(opening)


def answering(page: Running, text: str) -> None:
    """Answer every press and form with these words, as the desk would."""

    async def answer(event: InboundEvent) -> None:
        assert isinstance(event, ButtonPressed | FormSubmitted)
        assert event.press is not None
        await page.adapter.perform(AnswerPress(press=event.press, text=text))

    page.gateway.on_event = answer


async def test_a_form_without_script() -> None:
    """The press comes back with the form at its card; what is filled in is stored, then shown."""
    async with running_page() as page:
        browser = await card(page)
        page.gateway.on_event = lambda event: open_form(page, event)
        await browser.submit("press", payload="fe")
        assert browser.url == f"/chat/{CHAT}"
        assert browser.html.index('id="m-card1"') < browser.html.index('class="fill"')
        assert "Edit what runs" in browser.html
        assert "http-equiv" not in browser.html  # loading again would take the words away
        answering(page, "Changed: look at it again.")
        await browser.submit("form", {"field.script": "a\r\nb", "field.flavor": ""})
        event = await page.gateway.event(1)
        assert isinstance(event, FormSubmitted)
        assert (event.form_id, event.card) == ("fe:1", CARD)
        assert event.values == {"script": "a\nb", "flavor": ""}
        assert event.author.kind == "human"
        assert "Changed: look at it again." in browser.html
        assert 'class="fill"' not in browser.html


async def test_what_a_form_held_beforehand_comes_back_unchanged() -> None:
    """A browser drops one line end after the tag; that one is ours."""
    async with running_page() as page:
        browser = await card(page)
        page.gateway.on_event = lambda event: open_form(page, event)
        await browser.submit("press", payload="fe")
        area = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", browser.html, re.DOTALL)
        assert area
        assert unescape(area[1]) == SCRIPT


async def test_words_to_the_presser_without_script() -> None:
    """The page after a press waits for its answer and shows it once."""
    async with running_page() as page:
        browser = await card(page)
        answering(page, "Only Ann may <decide>.")
        await browser.submit("press", payload="a")
        assert "Only Ann may &lt;decide&gt;." in browser.html
        await browser.open(browser.url)
        assert "Only Ann" not in browser.html


@pytest.mark.warp
async def test_an_answer_that_takes_its_time_is_asked_for_again() -> None:
    """A page without script looks again by itself until the answer is there."""
    async with running_page(patience=Patience(answer_s=0.05)) as page:
        browser = await card(page)
        _, fields = browser.form("press")
        await browser.submit("press", payload="a")
        again = f"/chat/{CHAT}?said={fields['key']}"
        assert f'content="2;url={again}"' in browser.html
        event = await page.gateway.event(0)
        assert isinstance(event, ButtonPressed)
        await page.adapter.perform(AnswerPress(press=event.press, text="Now."))
        await browser.open(again)
        assert "Now." in browser.html
        assert "http-equiv" not in browser.html


async def test_a_form_that_was_not_stored_keeps_its_words() -> None:
    """503, the form with what was filled in and the same key; sent again it is stored."""
    async with running_page() as page:
        browser = await card(page)
        page.gateway.on_event = lambda event: open_form(page, event)
        await browser.submit("press", payload="fe")
        key = browser.form("form")[1]["key"]
        page.gateway.receipt = Receipt.BUSY
        words = {"field.script": "mine <b>", "field.flavor": "l4x1"}
        await browser.submit("form", words, status=503)
        assert "mine &lt;b&gt;</textarea>" in browser.html
        assert 'value="l4x1"' in browser.html
        assert "could not store this just now" in browser.html
        assert browser.form("form")[1]["key"] == key
        page.gateway.receipt = Receipt.STORED
        answering(page, "")
        await browser.submit("form", words)
        assert (await page.gateway.event(1)).delivery_key == key


async def test_cancel_is_silence() -> None:
    """The form is gone and nothing was stored."""
    async with running_page() as page:
        browser = await card(page)
        page.gateway.on_event = lambda event: open_form(page, event)
        await browser.submit("press", payload="fe")
        await browser.submit("form", close="1")
        assert 'class="fill"' not in browser.html
        assert len(page.gateway.deliveries) == 1


async def test_a_final_card_takes_its_form_along() -> None:
    """What can't be pressed any more can't be filled in either."""
    async with running_page() as page:
        browser = await card(page)
        page.gateway.on_event = lambda event: open_form(page, event)
        await browser.submit("press", payload="fe")
        await page.adapter.perform(Edit(message=CARD, body=parse("Denied by Ann.")))
        await browser.open(f"/chat/{CHAT}")
        assert 'class="fill"' not in browser.html
        assert "Denied by Ann." in browser.html
        assert 'class="message assistant boxed"' in browser.html


async def test_a_form_answered_by_a_form_leaves_the_new_one() -> None:
    """The desk may send it back at once with another word on it."""
    async with running_page() as page:
        browser = await card(page)
        page.gateway.on_event = lambda event: open_form(page, event)
        await browser.submit("press", payload="fe")
        second = Form(id="fe:2", title="Once more", fields=FORM.fields)

        async def again(event: InboundEvent) -> None:
            assert isinstance(event, FormSubmitted)
            assert event.press is not None
            await page.adapter.perform(
                OpenForm(press=event.press, form=second, chat=event.chat, person="local")
            )

        page.gateway.on_event = again
        await browser.submit("form", {"field.script": "x", "field.flavor": "y"})
        assert "Once more" in browser.html


async def test_a_form_is_stored_before_it_is_acknowledged() -> None:
    """The 202 waits for the journal, and the raw delivery parses to the same event again."""
    async with running_page() as page:
        token = await fresh_token(page)
        page.gateway.admits.clear()
        fields = {
            "token": token,
            "key": str(uuid4()),
            "card": "card1",
            "form": "fe:1",
            "field.why": "because",
        }
        sending = asyncio.create_task(post(page, "form", fields))
        async with asyncio.timeout(AT_ONCE_S):
            await page.gateway.asked.wait()
        assert not sending.done()
        page.gateway.admits.set()
        status, told, _ = await sending
        assert (status, told["key"]) == (202, fields["key"])
        stored = page.gateway.deliveries[0]
        assert parse_payload(orjson.loads(stored.raw)) == stored.events


async def test_a_form_needs_the_token_of_its_page() -> None:
    """Made elsewhere it does nothing."""
    async with running_page() as page:
        fields = {"token": "1.x", "key": str(uuid4()), "card": "card1", "form": "f", "field.a": ""}
        status, told, _ = await post(page, "form", fields)
        assert (status, told["code"], page.gateway.deliveries) == (403, "stale", [])


async def test_a_field_of_the_declared_size_fits() -> None:
    """Also where every character takes four bytes and is sent as twelve."""
    async with running_page() as page:
        browser = await card(page)
        page.gateway.on_event = lambda event: open_form(page, event)
        await browser.submit("press", payload="fe")
        answering(page, "")
        words = "\U0001f680" * FIELD_MAX
        await browser.submit("form", {"field.script": words, "field.flavor": "x"})
        event = await page.gateway.event(1)
        assert isinstance(event, FormSubmitted)
        assert event.values["script"] == words


async def test_nobody_holds_a_role() -> None:
    """Nobody administers a chat of the page."""
    async with running_page() as page:
        assert await page.adapter.roles("local", PLACE, frozenset({"admin"})) == frozenset()


async def test_a_card_of_before_a_restart_keeps_its_box() -> None:
    """Its last edit has no buttons, but the store knows that it had some."""
    gateway = StandInGateway()
    async with running_page(gateway) as page:
        await card(page)
        gateway.remember(CARD, parse("May I?"), BUTTONS)
        gateway.owners[CHAT] = "local"
    async with running_page(gateway) as page:
        browser = Forms(page)
        await page.adapter.perform(Edit(message=CARD, body=parse("Done: $0.51.")))
        await browser.open(f"/chat/{CHAT}")
        assert re.search(r'boxed" id="m-card1"', browser.html)


def test_what_is_no_form_is_ignored() -> None:
    """Values that are no texts, names that can't be, too many of them."""
    good = {
        "kind": "form",
        "user": "local",
        "chat": CHAT,
        "key": str(uuid4()),
        "at": "2026-11-21T12:00:00+00:00",
        "order": [1, 0],
        "card": "",
        "form": "fe:1",
        "values": {"why": "because"},
    }
    (event,) = _events({**good})
    assert isinstance(event, FormSubmitted)
    assert event.card is None
    for wrong in (
        {"values": {"why": 1}},
        {"values": ["why"]},
        {"values": {"ä": "x"}},
        {"values": {f"f{number}": "" for number in range(65)}},
        {"form": ""},
        {"card": "ä"},
        {"card": None, "form": None},
    ):
        ignored = parse_payload({**good, **wrong})
        assert isinstance(ignored, Ignored)
        assert ignored.reason == "malformed"


def _events(payload: object) -> tuple[InboundEvent, ...]:
    events = parse_payload(payload)
    assert isinstance(events, tuple)
    return events
