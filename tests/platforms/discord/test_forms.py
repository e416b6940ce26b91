"""Forms over the loopback server with the real SDK: the one first answer, and who gives it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from platforms.content import AnswerPress, Button, Done, Field, Form, Menu, OpenForm
from platforms.discord import limits
from platforms.discord.client import DiscordAdapter
from platforms.errors import (
    MessageRejected,
    PlatformUnavailable,
    PressExpired,
    SendUncertain,
    TooLong,
)
from platforms.events import ButtonPressed, FormSubmitted, Receipt
from tests.platforms.discord.hand_time import HandTime
from tests.platforms.discord.journal import (
    Journal,
    chat_of,
    connected,
    post,
    posted,
    ref_of,
    running,
)
from tests.wire.discord import DiscordServer, Interaction
from tests.wire.server import CutAfter, CutBefore, HalfOpen, Hold

CALLBACK = "POST /interactions/{interaction}/{token}/callback"
FOLLOW_UP = "POST /webhooks/{application}/{token}"
CONTROLS = (
    (Button(label="Deny...", payload="f:deny"), Button(label="Deny", payload="dn:1")),
    (Menu(label="More", options=(Button(label="Edit", payload="f:edit"),)),),
)
FORM = Form(
    id="f-form:1",
    title="Deny K7Q2F",
    fields=(
        Field(name="reason", label="Why?", multiline=True),
        Field(name="amount", label="How much?", text="5", required=False, max_length=10),
    ),
)
PLAIN, PRIVATE, OPENED = 6, 4, 9


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        yield running_server


@pytest.fixture
def time() -> HandTime:
    return HandTime()


async def _press(
    server: DiscordServer,
    adapter: DiscordAdapter,
    journal: Journal,
    payload: str = "f:deny",
) -> tuple[Interaction, ButtonPressed]:
    """A card is posted and its button pressed; both sides of the press."""
    number = len(journal.deliveries) + 1
    await posted(adapter, post(server.general, "card", f"c{number}", controls=CONTROLS))
    interaction = await server.press(server.bot_messages(server.general)[-1], server.ada, payload)
    event = await journal.event(number)
    assert isinstance(event, ButtonPressed)
    return interaction, event


def _opening(event: ButtonPressed, form: Form = FORM) -> OpenForm:
    return OpenForm(press=event.press, form=form, chat=event.chat, person=event.author.id)


def _said(event: ButtonPressed, text: str = "") -> AnswerPress:
    return AnswerPress(press=event.press, text=text)


def _answers(server: DiscordServer) -> list[int]:
    """Kinds of the first answers that were tried."""
    return [seen.arguments["body"]["type"] for seen in server.requests(CALLBACK)]


async def test_a_form_is_the_first_answer(server: DiscordServer) -> None:
    """The press is stored and not acknowledged; the form is, with every field as it was meant."""
    journal = Journal()
    async with running(server, journal) as adapter:
        interaction, event = await _press(server, adapter, journal)
        assert _answers(server) == []
        assert await adapter.perform(_opening(event)) == Done()
        shown = await server.form_of(interaction)
        [seen] = server.requests(CALLBACK)
    assert "Authorization" not in seen.headers
    assert (shown["custom_id"], shown["title"]) == ("f-form:1", "Deny K7Q2F")
    reason, amount = shown["components"]
    assert (reason["type"], reason["label"], amount["label"]) == (18, "Why?", "How much?")
    assert (
        reason["component"].items()
        >= {
            "type": 4,
            "custom_id": "reason",
            "style": 2,
            "required": True,
            "max_length": 500,
        }.items()
    )
    assert (
        amount["component"].items()
        >= {
            "custom_id": "amount",
            "style": 1,
            "value": "5",
            "required": False,
            "max_length": 10,
        }.items()
    )


async def test_a_menu_opens_a_form_too(server: DiscordServer) -> None:
    """An option's payload says it as a button's does."""
    journal = Journal()
    async with running(server, journal) as adapter:
        await posted(adapter, post(server.general, "card", controls=CONTROLS))
        card = server.bot_messages(server.general)[0]
        interaction = await server.choose(card, server.ada, "f:edit")
        event = await journal.event()
        assert isinstance(event, ButtonPressed)
        await adapter.perform(_opening(event))
        await server.form_of(interaction)
    assert _answers(server) == [OPENED]


async def test_what_was_filled_in_comes_back(server: DiscordServer) -> None:
    """Stored first, then acknowledged without a trace; words about it are for the person alone."""
    crew = server.world.add_role(server.guild, "crew")
    server.guild.add_member(server.ada, [crew])
    journal = Journal()
    async with running(server, journal) as adapter:
        interaction, event = await _press(server, adapter, journal)
        await adapter.perform(_opening(event))
        await server.form_of(interaction)
        journal.held = asyncio.Event()
        sent = await server.fill(interaction, {"reason": "too dear\nfor today"})
        form = await journal.event(2)
        assert _answers(server) == [OPENED]
        journal.held.set()
        assert isinstance(form, FormSubmitted)
        assert form.press is not None
        await adapter.perform(AnswerPress(press=form.press, text="Denied."))
        assert _answers(server) == [OPENED, PLAIN]
        journal.held = None
        await server.redeliver_interaction(sent)
        await journal.count(3)
    card = server.bot_messages(server.general)[0]
    assert (form.form_id, form.card, form.chat) == ("f-form:1", ref_of(card), event.chat)
    assert form.values == {"reason": "too dear\nfor today", "amount": "5"}
    assert (form.author, form.author.roles) == (event.author, (str(crew.id),))
    assert form.logical_key != event.logical_key
    assert journal.deliveries[1].events == journal.deliveries[2].events
    private = server.messages(server.general, viewer=server.ada)[-1]
    assert (private.content, private.private_to) == ("Denied.", server.ada)


async def test_a_form_that_is_closed_is_silence(server: DiscordServer) -> None:
    """Nothing comes of it, and the button opens it again."""
    journal = Journal()
    async with running(server, journal) as adapter:
        interaction, event = await _press(server, adapter, journal)
        await adapter.perform(_opening(event))
        await server.form_of(interaction)
        server.dismiss(interaction)
        again, event = await _press(server, adapter, journal)
        await adapter.perform(_opening(event))
        await server.form_of(again)
    assert len(journal.deliveries) == 2
    assert _answers(server) == [OPENED, OPENED]


async def test_forms_in_direct_messages(server: DiscordServer) -> None:
    """Without a guild the person has no roles and the form comes from the same chat."""
    journal = Journal()
    direct = server.dm(server.ada)
    async with running(server, journal) as adapter:
        await posted(adapter, post(direct, "card", controls=CONTROLS))
        interaction = await server.press(server.bot_messages(direct)[0], server.ada, "f:deny")
        event = await journal.event()
        assert isinstance(event, ButtonPressed)
        await adapter.perform(_opening(event))
        await server.form_of(interaction)
        await server.fill(interaction, {"reason": "no"})
        form = await journal.event(2)
    assert isinstance(form, FormSubmitted)
    assert (form.chat, form.author.roles) == (chat_of(direct), ())


async def test_a_form_may_be_ready_before_the_journal_returns(server: DiscordServer) -> None:
    """It is opened at once and answers the press; no second answer follows."""
    journal = Journal()
    async with running(server, journal) as adapter:
        journal.held = asyncio.Event()
        interaction, event = await _press(server, adapter, journal)
        await adapter.perform(_opening(event))
        await server.form_of(interaction)
        journal.held.set()
        journal.held = None
        _, plain = await _press(server, adapter, journal, "dn:1")
        await adapter.perform(_said(plain, "noted"))
    assert _answers(server) == [OPENED, PLAIN]


# Words instead of a form.


async def test_words_instead_of_a_form_are_the_first_answer(server: DiscordServer) -> None:
    """Private, without mentions or previews; what is said later follows."""
    journal = Journal()
    async with running(server, journal) as adapter:
        _, event = await _press(server, adapter, journal)
        words = f"Chat approvers decide this, <@{server.ada.id}> https://a.example"
        await adapter.perform(_said(event, words))
        assert server.requests(FOLLOW_UP) == []
        await adapter.perform(_said(event, "More."))
        with pytest.raises(PressExpired):
            await adapter.perform(_opening(event))
    first, second = server.messages(server.general, viewer=server.ada)[-2:]
    assert [first.private_to, second.private_to] == [server.ada, server.ada]
    assert (second.content, first.embeds_suppressed) == ("More.", True)
    assert server.messages(server.general) == server.bot_messages(server.general)[:1]
    assert server.pinged() == []
    assert _answers(server)[0] == PRIVATE


async def test_no_words_only_end_the_waiting(server: DiscordServer) -> None:
    """An answer without words is a plain first answer."""
    journal = Journal()
    async with running(server, journal) as adapter:
        _, event = await _press(server, adapter, journal)
        await adapter.perform(_said(event))
    assert _answers(server) == [PLAIN]


# Nothing comes.


async def test_a_form_that_does_not_come_is_waited_for_so_long(
    server: DiscordServer, time: HandTime
) -> None:
    """Then the press is acknowledged plainly; a form is too late, words follow."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        interaction, event = await _press(server, adapter, journal)
        await time.sleeping(limits.FORM_WAIT_S)
        assert _answers(server) == []
        time.advance(limits.FORM_WAIT_S)
        await server.seen(lambda seen: seen.operation == CALLBACK)
        with pytest.raises(PressExpired):
            await adapter.perform(_opening(event))
        await adapter.perform(_said(event, "Try again."))
    assert interaction.answer == PLAIN
    assert server.messages(server.general, viewer=server.ada)[-1].content == "Try again."


async def test_the_wait_counts_from_the_arrival(server: DiscordServer, time: HandTime) -> None:
    """What the journal took of the three seconds is gone."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        journal.held = asyncio.Event()
        await _press(server, adapter, journal)
        time.advance(2.0)
        journal.held.set()
        await time.sleeping(limits.FORM_WAIT_S - 2.0)


async def test_a_form_on_its_way_is_not_overtaken(server: DiscordServer, time: HandTime) -> None:
    """The time is up while it is being opened: one answer, the form."""
    journal = Journal()
    released = asyncio.Event()
    async with running(server, journal, clock=time.clock) as adapter:
        interaction, event = await _press(server, adapter, journal)
        await time.sleeping(limits.FORM_WAIT_S)
        server.faults.add(CALLBACK, Hold(released=released))
        opening = asyncio.create_task(adapter.perform(_opening(event)))
        saying = asyncio.create_task(adapter.perform(_said(event, "and words")))
        await posted(adapter, post(server.general, "meanwhile", "m"))
        time.advance(limits.FORM_WAIT_S)
        released.set()
        await opening
        await saying
        await posted(adapter, post(server.general, "behind it", "b"))
    assert (interaction.answer, _answers(server)) == (OPENED, [OPENED])
    private = server.messages(server.general, viewer=server.ada)[-2]
    assert private.content == "and words"


async def test_a_press_that_was_not_stored_waits_for_nothing(
    server: DiscordServer, time: HandTime
) -> None:
    """Neither a form nor a plain answer is due; Discord says that it failed."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        journal.next_receipts.append(Receipt.UNWANTED)
        await _press(server, adapter, journal)
        await server.say(server.general, server.ada, "and then")
        await journal.count(2)
        time.advance(limits.FORM_WAIT_S)
    assert _answers(server) == []


# In doubt, late, twice.


async def test_a_form_whose_answer_was_lost(server: DiscordServer, time: HandTime) -> None:
    """Repeated it stands, whether the first attempt had arrived or not."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        for fault in (CutAfter(), CutBefore()):
            server.faults.add(CALLBACK, fault)
            interaction, event = await _press(server, adapter, journal)
            with pytest.raises(SendUncertain):
                await adapter.perform(_opening(event))
            assert await adapter.perform(_opening(event)) == Done()
            assert interaction.answer == OPENED
            with pytest.raises(PressExpired):
                await adapter.perform(_opening(event))


async def test_words_whose_answer_was_lost_stand_once(
    server: DiscordServer, time: HandTime
) -> None:
    """As the first answer they are known to have arrived."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        _, event = await _press(server, adapter, journal)
        server.faults.add(CALLBACK, CutAfter())
        with pytest.raises(SendUncertain):
            await adapter.perform(_said(event, "Not you."))
        await adapter.perform(_said(event, "Not you."))
    seen = server.messages(server.general, viewer=server.ada)
    assert [message.content for message in seen] == ["card", "Not you."]


@pytest.mark.warp
async def test_a_form_that_hangs_holds_up_nothing_for_long(
    server: DiscordServer, time: HandTime
) -> None:
    """It is in doubt after a while, and words come behind it."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        _, event = await _press(server, adapter, journal)
        server.faults.add(CALLBACK, HalfOpen())
        opening = asyncio.create_task(adapter.perform(_opening(event)))
        await server.seen(lambda seen: seen.operation == CALLBACK)
        saying = asyncio.create_task(adapter.perform(_said(event, "Try again.")))
        with pytest.raises(SendUncertain):
            await opening
        await saying
    assert server.messages(server.general, viewer=server.ada)[-1].content == "Try again."


async def test_words_behind_a_form_in_doubt_follow(server: DiscordServer, time: HandTime) -> None:
    """Another answer than the one in doubt is not taken for it."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        _, event = await _press(server, adapter, journal)
        server.faults.add(CALLBACK, CutAfter())
        with pytest.raises(SendUncertain):
            await adapter.perform(_opening(event))
        await adapter.perform(_said(event, "Something went wrong."))
    seen = server.messages(server.general, viewer=server.ada)
    assert seen[-1].content == "Something went wrong."


async def test_a_press_that_came_twice_opens_one_form(
    server: DiscordServer, time: HandTime
) -> None:
    """The repeat is stored, and what is tried for it hears that it has its answer."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        interaction, event = await _press(server, adapter, journal)
        await adapter.perform(_opening(event))
        await server.redeliver_interaction(interaction)
        await journal.count(2)
        with pytest.raises(PressExpired):
            await adapter.perform(_opening(event))
        await adapter.perform(_said(event, "Filled in already?"))
    assert interaction.answer == OPENED
    assert server.messages(server.general, viewer=server.ada)[-1].content == "Filled in already?"


async def test_an_ordinary_press_opens_nothing(server: DiscordServer) -> None:
    """It has been acknowledged; a form for it is dropped."""
    journal = Journal()
    async with running(server, journal) as adapter:
        _, event = await _press(server, adapter, journal, "dn:1")
        await server.seen(lambda seen: seen.operation == CALLBACK)
        with pytest.raises(PressExpired):
            await adapter.perform(_opening(event))
    assert server.open_forms() == []


async def test_a_form_after_three_seconds_is_too_late() -> None:
    """Discord has told the person already; so are words."""
    clock = [1_700_000_000.0]
    async with DiscordServer(now=lambda: clock[0]) as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            _, event = await _press(server, adapter, journal)
            clock[0] += limits.FIRST_ANSWER_S + 0.1
            for operation in (_opening(event), _said(event, "late")):
                with pytest.raises(PressExpired):
                    await adapter.perform(operation)


async def test_another_process_opens_it_in_time(server: DiscordServer) -> None:
    """All it takes is the stored token; what it did is not undone by the first one."""
    journal = Journal()
    async with running(server, journal) as adapter:
        interaction, event = await _press(server, adapter, journal)
    async with connected(server) as other:
        await other.perform(_opening(event))
    assert interaction.answer == OPENED


async def test_without_a_connection_nothing_is_opened(server: DiscordServer) -> None:
    """A form certainly did not open."""
    journal = Journal()
    async with running(server, journal) as adapter:
        _, event = await _press(server, adapter, journal)
    with pytest.raises(PlatformUnavailable):
        await adapter.perform(_opening(event))


# What fits.


async def test_a_form_as_large_as_it_may_be(server: DiscordServer) -> None:
    """Five fields of 4,000 characters; titles and labels are cut, texts never."""
    journal = Journal()
    fields = tuple(
        Field(
            name=f"field-{number}",
            label="l" * 60,
            text="x" * limits.FIELD_MAX,
            max_length=9_999,
        )
        for number in range(limits.FIELDS_MAX)
    )
    large = Form(id="i" * 64, title="t" * 60, fields=fields)
    async with running(server, journal) as adapter:
        interaction, event = await _press(server, adapter, journal)
        await adapter.perform(_opening(event, large))
        shown = await server.form_of(interaction)
        assert shown["title"] == "t" * 44 + "…"
        await server.fill(interaction, {"field-0": "y" * 4_000})
        form = await journal.event(2)
    assert isinstance(form, FormSubmitted)
    assert form.values["field-0"] == "y" * 4_000
    assert form.values["field-4"] == "x" * 4_000


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"fields": ()}, MessageRejected),
        ({"fields": FORM.fields * 3}, MessageRejected),
        ({"fields": (replace(FORM.fields[0], text="x" * 4_001, max_length=5_000),)}, TooLong),
        ({"fields": (replace(FORM.fields[0], text="x" * 501),)}, TooLong),
        ({"fields": (replace(FORM.fields[0], text="😀" * 251),)}, TooLong),
    ],
    ids=["no field", "six fields", "over the limit", "over its own limit", "counted both ways"],
)
async def test_a_form_that_does_not_fit_is_not_sent(
    server: DiscordServer, change: dict[str, Any], error: type[Exception]
) -> None:
    """The press is left to what comes instead."""
    journal = Journal()
    async with running(server, journal) as adapter:
        _, event = await _press(server, adapter, journal)
        with pytest.raises(error):
            await adapter.perform(_opening(event, replace(FORM, **change)))
        assert _answers(server) == []
        await adapter.perform(_said(event, "Too long for a form here."))
    assert _answers(server) == [PRIVATE]


async def test_several_lines_never_stand_in_a_field_of_one(server: DiscordServer) -> None:
    """What stands in a field beforehand would lose its line ends."""
    journal = Journal()
    form = replace(FORM, fields=(Field(name="script", label="Script", text="a\nb"),))
    async with running(server, journal) as adapter:
        interaction, event = await _press(server, adapter, journal)
        await adapter.perform(_opening(event, form))
        shown = await server.form_of(interaction)
        assert shown["components"][0]["component"]["style"] == 2
        await server.fill(interaction, {})
        sent = await journal.event(2)
    assert isinstance(sent, FormSubmitted)
    assert sent.values == {"script": "a\nb"}
