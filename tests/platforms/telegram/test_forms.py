"""A form on Telegram: one person is asked to reply, and what they reply is an ordinary message."""

from datetime import UTC, datetime
from typing import Any

import pytest

from platforms import errors
from platforms.blocks import plain
from platforms.content import Button, Delete, Done, Edit, Field, Form, OpenForm, Sent
from platforms.events import ButtonPressed, MessageReceived, MessageRef, PressToken
from platforms.measure import utf16_len
from platforms.telegram.client import TelegramAdapter
from platforms.telegram.limits import PART_SOFT, PLACEHOLDER_MAX
from platforms.telegram.prompt import HINT, NAMELESS, TOO_LONG_TO_SHOW, as_prompt
from tests.platforms.telegram.journal import (
    ADA,
    TEAM,
    Journal,
    chat_of,
    connected,
    post,
    posted,
    running,
)
from tests.wire.server import CutAfter
from tests.wire.telegram import Asking, TelegramServer

BOB = 1002
PRESS = PressToken(kind="callback", value="1", usable_until=datetime(2026, 11, 21, tzinfo=UTC))
DENY = Button(label="Deny...", payload="f1" + "A" * 37, style="danger")
REASON = Form(
    id="f1",
    title="Deny K7Q2F",
    fields=(Field(name="reason", label="Why not? The model is told."),),
)


def open_form(server: TelegramServer, chat: int, thread: int | None = None) -> OpenForm:
    """Ask Ada for a reason."""
    where = chat_of(server, chat, thread)
    return OpenForm(press=PRESS, form=REASON, chat=where, person=str(ADA), person_name="Ada")


async def asked(adapter: TelegramAdapter, operation: OpenForm) -> MessageRef:
    """Open a form; returns where its prompt stands."""
    outcome = await adapter.perform(operation)
    assert isinstance(outcome, Sent)
    return outcome.message


async def test_only_the_presser_is_asked() -> None:
    """The message names them, the input field opens for nobody else, and one request does it."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.group(TEAM)
        server.person(BOB, "Bob")
        said = await server.say(chat=TEAM, user=ADA, text="hello")
        before = len(server.record)
        prompt = await asked(adapter, open_form(server, TEAM))
        assert len(server.record) == before + 1
        (shown,) = server.ours(TEAM)
        assert prompt == MessageRef(chat=chat_of(server, TEAM), message_id=str(shown.message_id))
        assert shown.text == f"Ada: Deny K7Q2F\n\nWhy not? The model is told.\n\n{HINT}"
        assert shown.mentions == (f"user:{ADA}",)
        assert [(e["type"], e["offset"], e["length"]) for e in shown.entities] == [
            ("text_mention", 0, 3),
            ("bold", 5, 10),
        ]
        assert shown.asking == Asking(placeholder="Why not? The model is told.", people=(ADA,))
        assert (shown.reply_to, shown.preview, said) == (None, False, 2)
        with pytest.raises(AssertionError, match="asks 1002 for nothing"):
            await server.fill_in(chat=TEAM, user=BOB, message_id=shown.message_id, text="no")


@pytest.mark.parametrize("place", ["private", "group", "topic", "general"])
async def test_a_reply_comes_back_with_the_prompt_it_answers(place: str) -> None:
    """Press, prompt and reply; the quote of the reply is the reference that was returned."""
    async with TelegramServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            chat = ADA if place == "private" else TEAM
            thread = None
            if chat == TEAM:
                server.group(TEAM, forum=place in {"topic", "general"})
            if place == "topic":
                thread = server.topic(TEAM, "News")
            await server.say(chat=chat, user=ADA, text="hello", thread=thread)
            where = chat_of(server, chat, thread)
            card = await posted(adapter, post(where, "May it?", controls=((DENY,),)))
            await server.press(
                chat=chat, user=ADA, message_id=int(card.message_id), label=DENY.label
            )
            press = (await journal.count(2))[1].events
            assert isinstance(press, tuple)
            (pressed,) = press
            assert isinstance(pressed, ButtonPressed)
            assert (pressed.payload, pressed.card) == (DENY.payload, card)
            prompt = await asked(
                adapter,
                OpenForm(
                    press=pressed.press,
                    form=REASON,
                    chat=pressed.chat,
                    person=pressed.author.id,
                    person_name=pressed.author.name,
                ),
            )
            await server.fill_in(
                chat=chat, user=ADA, message_id=int(prompt.message_id), text="too dear"
            )
            reply = (await journal.count(3))[2].events
            assert isinstance(reply, tuple)
            (replied,) = reply
            assert isinstance(replied, MessageReceived)
            assert (replied.text, replied.author.id) == ("too dear", str(ADA))
            assert replied.quote is not None
            assert (replied.quote.message, replied.quote.author.is_us) == (prompt, True)


async def test_a_prompt_is_taken_back_but_never_edited() -> None:
    """Telegram leaves a message with a forced reply as it is; deleting it is what ends it."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        prompt = await asked(adapter, open_form(server, ADA))
        with pytest.raises(errors.MessageGone):
            await adapter.perform(Edit(message=prompt, body=plain("too late")))
        assert isinstance(await adapter.perform(Delete(message=prompt)), Done)
        assert server.ours(ADA) == ()


async def test_what_stands_there_now_can_be_copied() -> None:
    """The present text of a field is shown as code, exactly; one too long for that is not cut."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        now = '{"op":"run",\n "to":"@somebody","at":"train.py"}'
        form = Form(id="f", title="Edit", fields=(Field(name="a", label="New", text=now),))
        operation = OpenForm(
            press=PRESS, form=form, chat=chat_of(server, ADA), person=str(ADA), person_name="Ada"
        )
        await asked(adapter, operation)
        (shown,) = server.ours(ADA)
        assert shown.text == f"Ada: Edit\n\nNew\n\n{now}\n\n{HINT}"
        assert [entity["type"] for entity in shown.entities] == ["text_mention", "bold", "pre"]
        assert (shown.mentions, shown.links) == ((f"user:{ADA}",), ())
        long = Form(id="f", title="Edit", fields=(Field(name="a", label="New", text="x" * 5_000),))
        prompt = as_prompt(long, str(ADA), "Ada")
        assert prompt.wire.text == f"Ada: Edit\n\nNew\n\n{TOO_LONG_TO_SHOW}\n\n{HINT}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada", "Ada"),
        ("", NAMELESS),
        (" \n\u202e ", NAMELESS),
        ("Ada\n@everyone_else", "Ada @\u2060everyone_else"),
        ("a\u202edenied\u2066", "adenied"),
        ("👩‍🚀 Ada", "👩‍🚀 Ada"),
        ("x" * 300, "x" * 63 + "…"),
    ],
)
async def test_a_name_names_its_person_and_nobody_else(name: str, shown: str) -> None:
    """Whatever somebody calls themselves, one entity over exactly that name, and one ping."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        await asked(
            adapter,
            OpenForm(
                press=PRESS,
                form=REASON,
                chat=chat_of(server, ADA),
                person=str(ADA),
                person_name=name,
            ),
        )
        (message,) = server.ours(ADA)
        assert message.text.startswith(f"{shown}: Deny")
        assert message.entities[0]["length"] == utf16_len(shown)
        assert message.mentions == (f"user:{ADA}",)


@pytest.mark.parametrize("label", ["", "x" * 64, "x" * 65, "🎉" * 40, "two\nlines", "w " * 80])
def test_the_hint_in_the_input_field_fits(label: str) -> None:
    """At most 64 units on one line; where there is no label there is no hint."""
    form = Form(id="f", title="T" * 500, fields=(Field(name="a", label=label),))
    prompt = as_prompt(form, str(ADA), "Ada")
    assert utf16_len(prompt.placeholder) <= PLACEHOLDER_MAX
    assert "\n" not in prompt.placeholder
    assert bool(prompt.placeholder) == bool(label)
    assert prompt.wire.units <= PART_SOFT


@pytest.mark.parametrize(
    "fields",
    [{"person": "@ada"}, {"person": "-1001500"}, {"person": "1087968824"}, {"person": ""}, {}],
)
async def test_who_cannot_be_asked_is_not(fields: dict[str, Any]) -> None:
    """A name, a group, a stand-in, or a form without a field: refused without a request."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        before = len(server.record)
        form = REASON if fields else Form(id="f", title="T", fields=())
        with pytest.raises(errors.MessageRejected):
            await adapter.perform(
                OpenForm(
                    press=PRESS,
                    form=form,
                    chat=chat_of(server, ADA),
                    **({"person": str(ADA)} | fields),
                )
            )
        assert len(server.record) == before


async def test_a_prompt_may_stand_without_our_knowing() -> None:
    """A connection that breaks after the request leaves doubt, as with any post."""
    async with TelegramServer() as server, connected(server) as adapter:
        await server.say(chat=ADA, user=ADA, text="hello")
        server.faults.add("sendMessage", CutAfter())
        with pytest.raises(errors.SendUncertain):
            await adapter.perform(open_form(server, ADA))
        assert len(server.requests("sendMessage")) == len(server.ours(ADA)) == 1


async def test_a_closed_topic_takes_no_form() -> None:
    """The class is that of any other message there."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.group(TEAM, forum=True)
        topic = server.topic(TEAM, "News")
        server.world.room(TEAM).topics[topic].closed = True
        with pytest.raises(errors.ThreadGone):
            await adapter.perform(open_form(server, TEAM, topic))
