"""Shortcuts: a form from anywhere or about a message, whose words come as somebody's own."""

import logging

import pytest

from platforms.content import AnswerPress
from platforms.events import (
    Author,
    CommandInvoked,
    FormSubmitted,
    Ignored,
    MessageReceived,
    MessageRef,
)
from platforms.slack.limits import METADATA_MAX, QUOTE_MAX, RESPONSE_URL_LIFE_S
from platforms.slack.parse import parse
from platforms.slack.shortcuts import ask_view
from platforms.slack.stamps import is_stamp
from tests.platforms.slack.journal import ADA, GENERAL, Journal, chat_of, running
from tests.platforms.slack.test_parse import INDEX, NOW
from tests.wire.slack import SlackServer
from tests.wire.slack.interactions import NOT_IN_THREADS

OPENED = "views.open"


async def test_a_shortcut_from_anywhere_is_a_form_whose_words_reach_us_directly() -> None:
    """The form asks one question; sent, it is a direct message of who sent it."""
    async with SlackServer() as server:
        server.person(ADA, "ada")
        journal = Journal()
        async with running(server, journal):
            await server.shortcut(user=ADA)
            await server.seen(lambda seen: seen.operation == OPENED)
            modal = server.modal(ADA)
            assert (modal.title, modal.labels) == ("Ask gatepost", ("Your words",))
            await server.submit(ADA, {"Your words": "What is new?\nToday."})
            told, asked = (each.events for each in await journal.count(2))
            assert isinstance(told, Ignored)
            assert told.reason == "service_message"
            assert isinstance(asked, tuple)
            (event,) = asked
            assert isinstance(event, MessageReceived)
            assert (event.text, event.quote) == ("What is new?\nToday.", None)
            assert event.chat == event.reply_to == chat_of(server, "D1")
            assert (event.chat_kind, event.author.id, event.author.guest) == ("dm", ADA, False)
            assert is_stamp(event.message.message_id)
            await server.settled()
            assert modal.closed


async def test_a_shortcut_under_a_message_quotes_it() -> None:
    """Its words, author and place come along as a quote; nothing is said in its channel."""
    async with SlackServer() as server:
        server.person(ADA, "ada")
        server.person("U2", "bob")
        journal = Journal()
        async with running(server, journal):
            root = await server.say(chat=GENERAL, user=ADA, text="all")
            ts = await server.say(chat=GENERAL, user="U2", text="@ada broke it & left", thread=root)
            await server.shortcut(user=ADA, callback_id="ask_about", chat=GENERAL, ts=ts)
            await server.seen(lambda seen: seen.operation == OPENED)
            shown = server.modal(ADA).view["blocks"][0]["text"]["text"]
            assert shown == "bob: @ada broke it & left"
            await server.submit(ADA, {"Your words": "Is that so?"})
            await journal.count(4)
            event = journal.events[-1]
            assert isinstance(event, MessageReceived)
            assert event.quote is not None
            assert event.quote.text == "@ada broke it & left"
            assert event.quote.author == Author(id="U2", space="T1", name="bob", locale="en-US")
            assert event.quote.message == MessageRef(
                chat=chat_of(server, GENERAL, root), message_id=ts
            )
            assert event.chat == chat_of(server, "D1")
            assert server.ours(GENERAL) == ()


async def test_a_form_that_cannot_be_opened_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An expired trigger ends there, and the next shortcut works."""
    caplog.set_level(logging.WARNING)
    async with SlackServer() as server:
        async with running(server, Journal()):
            server.interactions._triggers.clear()
            delivery = await server.shortcut(user="U404")
            del server.world.people["U404"]
            await server.seen(lambda seen: seen.operation == "conversations.open")
            await server.shortcut(user=ADA)
            await server.seen(lambda seen: seen.operation == OPENED)
            assert delivery.state == "done"
            assert len(server.interactions.modals) == 1
        assert "could not be opened: Slack: user_not_found" in caplog.text


async def test_a_long_quote_is_cut_to_what_a_form_carries() -> None:
    """Characters that take several in the form's own notes still fit."""
    for text in ("x" * 9_000, '"\n' * 4_000, "é😀" * 3_000):
        message = {"ts": "1795262400.000100", "user": "U1", "text": text}
        payload = {"message": message, "channel": {"id": "C1"}}
        view = ask_view(payload, "D1", INDEX)
        assert len(view["private_metadata"]) <= METADATA_MAX
        sent = {
            "type": "view_submission",
            "user": {"id": "U1", "team_id": "T1"},
            "view": {**view, "id": "V1", "hash": "1"},
        }
        (event,) = parse(sent, INDEX, now=NOW)  # type: ignore[misc]
        assert isinstance(event, MessageReceived)
        assert event.quote is not None
        assert 1_000 <= len(event.quote.text) <= QUOTE_MAX
        assert text.strip().startswith(event.quote.text[:900].strip())


@pytest.mark.parametrize("metadata", ["", "7", "[]", '["D1"]', "[7, null]", '["D 1", null]'])
def test_a_form_without_our_notes_is_malformed(metadata: str) -> None:
    """Nobody's words go to a place nobody named."""
    view = {"callback_id": "ask", "private_metadata": metadata, "id": "V1", "hash": "1"}
    sent = {"type": "view_submission", "user": {"id": "U1"}, "view": view}
    assert getattr(parse(sent, INDEX, now=NOW), "reason", "") == "malformed"


def test_a_shortcut_of_somebody_else_is_none_of_ours() -> None:
    """Only the two of our manifest are known."""
    payload = {"type": "shortcut", "callback_id": "other", "user": {"id": "U1"}}
    assert getattr(parse(payload, INDEX, now=NOW), "reason", "") == "unsupported_kind"


async def test_slack_itself_refuses_a_command_inside_a_thread() -> None:
    """So nothing arrives; what begins with `!` does."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal):
            root = await server.say(chat=GENERAL, user=ADA, text="root")
            with pytest.raises(AssertionError, match="not supported in threads"):
                await server.command(chat=GENERAL, user=ADA, text="status", thread=root)
            await server.say(chat=GENERAL, user=ADA, text="!status", thread=root)
            await journal.count(2)
            assert not any(isinstance(each, CommandInvoked) for each in journal.events)
        assert "supported in threads" in NOT_IN_THREADS


@pytest.mark.parametrize("how", ["late", "used up"])
async def test_private_words_find_their_reader_without_the_address(how: str) -> None:
    """It is good five times within half an hour; then they go to the person all the same."""
    async with SlackServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            await server.command(chat=GENERAL, user=ADA, text="status")
            await journal.count(1)
            (event,) = journal.events
            assert isinstance(event, CommandInvoked)
            assert event.press is not None
            words = ["1", "2", "3", "4", "5", "6"] if how == "used up" else ["6"]
            if how == "late":
                server.transport.now += RESPONSE_URL_LIFE_S
            for text in words:
                await adapter.perform(AnswerPress(press=event.press, text=text))
            assert [(each.user, each.text) for each in server.ephemerals] == [
                (ADA, text) for text in words
            ]
            assert [s.operation for s in server.record].count("chat.postEphemeral") == 1
            assert not any(isinstance(each, FormSubmitted) for each in journal.events)
