"""One app in several workspaces and organisations: each is answered by its own token."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from platforms.blocks import plain
from platforms.content import AnswerPress, Edit, Field, Form, OpenForm, Upload
from platforms.errors import ChatUnavailable, CredentialsRejected, FileUnavailable
from platforms.events import (
    Account,
    Attachment,
    CommandInvoked,
    FormSubmitted,
    Ignored,
    InboundEvent,
    MentionKind,
    MessageReceived,
    MessageRef,
)
from platforms.files import FileAddress
from platforms.slack.reading import Identity, Index, Person, Reading, person_of
from platforms.slack.workspaces import addressees
from tests.platforms.slack.ground import Ground
from tests.platforms.slack.journal import (
    ADA,
    GENERAL,
    Journal,
    adapter_of,
    chat_of,
    connected,
    post,
    posted,
    running,
)
from tests.platforms.slack.moments import Moments, settle
from tests.wire.slack import SlackServer

SECOND = "xoxb-0000000009-0000000009-TESTsecondOfNoRealBot"


@asynccontextmanager
async def two(**settings: Any) -> AsyncIterator[tuple[SlackServer, SlackServer]]:
    """A workspace and its neighbour T2, both with the app, a channel C1 and somebody called U1."""
    async with SlackServer() as first:
        second = neighbour(first, **settings)
        for each in (first, second):
            each.channel(GENERAL)
        yield first, second


def neighbour(first: SlackServer, **settings: Any) -> SlackServer:
    """One more workspace of the same app."""
    settings = {"team": "T2", "bot_user": "U2BOT", "bot_token": SECOND, **settings}
    return SlackServer(beside=first, **settings)


def tokens(*servers: SlackServer) -> tuple[str, ...]:
    """Their bot tokens."""
    return tuple(each.bot_token for each in servers)


async def events(journal: Journal, number: int) -> list[InboundEvent]:
    """The events, once that many deliveries came."""
    await journal.count(number)
    return journal.events


async def test_the_same_chat_id_in_two_workspaces_never_mixes() -> None:
    """Events carry their space, answers go out by its token, and both are told in `status`."""
    async with two() as (first, second):
        journal = Journal()
        async with running(first, journal, bot_token=tokens(first, second)) as adapter:
            assert adapter.liveness().facts["workspace"] == "T1, T2"
            await first.say(chat=GENERAL, user=ADA, text="here")
            await second.say(chat=GENERAL, user=ADA, text="there")
            heard = {e.text: e for e in await events(journal, 2) if isinstance(e, MessageReceived)}
            assert heard["here"].chat == chat_of(first, GENERAL)
            assert heard["there"].chat == chat_of(second, GENERAL)
            assert heard["there"].author.space == "T2"
            assert not heard["there"].author.external
            for server, words in ((first, "to T1"), (second, "to T2")):
                message = await posted(adapter, post(chat_of(server, GENERAL), words))
                await adapter.perform(Edit(message=message, body=plain(f"{words}!")))
                assert [each.text for each in server.ours(GENERAL)] == [f"{words}!"]
            upload = Upload(
                chat=chat_of(second, GENERAL), data=b"1", name="a.txt", mime="text/plain", nonce="n"
            )
            await adapter.perform(upload)
            assert [len(each.ours(GENERAL)) for each in (first, second)] == [1, 2]


async def test_files_and_earlier_words_are_read_by_their_workspaces_token() -> None:
    """What lies in the second one is not asked for with the token of the first."""
    async with (
        two() as (first, second),
        connected(first, bot_token=tokens(first, second)) as adapter,
    ):
        file = Attachment(id="F1", kind="document", file="https://files.slack.com/F1")
        for server, space in ((first, "T1"), (second, "T2")):
            await server.say(chat=GENERAL, user=ADA, text=f"before in {space}")
            ts = await server.say(chat=GENERAL, user=ADA, text="now")
            message = MessageRef(chat=chat_of(server, GENERAL), message_id=ts)
            place = await adapter.locate(file, message)
            assert isinstance(place, FileAddress)
            assert place.headers["Authorization"] == f"Bearer {server.bot_token}"
            told = await adapter.earlier(message, 20)
            assert [each.text for each in told] == [f"before in {space}"]
        elsewhere = replace(message, chat=replace(message.chat, space="T3"))
        with pytest.raises(FileUnavailable):
            await adapter.locate(file, elsewhere)


async def test_a_command_press_and_form_are_of_their_workspace() -> None:
    """Each is answered where it came from, though a form comes without an address."""
    async with two() as (first, second):
        journal = Journal()
        async with running(first, journal, bot_token=tokens(first, second)) as adapter:
            await second.command(chat=GENERAL, user=ADA, text="status")
            (command,) = await events(journal, 1)
            assert isinstance(command, CommandInvoked)
            assert command.chat == chat_of(second, GENERAL)
            assert command.press is not None
            await adapter.perform(AnswerPress(press=command.press, text="fine"))
            form = Form(id="f1", title="Why", fields=(Field(name="why", label="Why"),))
            await adapter.perform(
                OpenForm(press=command.press, form=form, chat=command.chat, person=ADA)
            )
            await second.submit(ADA, {"why": "so"})
            filled = (await events(journal, 2))[-1]
            assert isinstance(filled, FormSubmitted)
            assert filled.chat == chat_of(second, GENERAL)
            assert filled.press is not None
            await adapter.perform(AnswerPress(press=filled.press, text="thanks"))
            assert [each.text for each in second.ephemerals] == ["fine", "thanks"]
            assert (first.ephemerals, first.interactions.modals) == ([], [])


async def test_an_unknown_workspace_is_ignored() -> None:
    """Events, presses and commands of a workspace without a token here are stored as such."""
    async with two() as (first, second):
        journal = Journal()
        async with running(first, journal):
            await second.say(chat=GENERAL, user=ADA, text="@gatepost hello")
            await second.command(chat=GENERAL, user=ADA, text="status")
            message = second.methods.call(
                "chat.postMessage", {"channel": GENERAL, "blocks": [BUTTON]}, SECOND
            )
            await second.press(chat=GENERAL, ts=message["ts"], user=ADA, label="Go")
            found = await journal.count(5)
            reasons = [d.events.reason if isinstance(d.events, Ignored) else d for d in found]
            assert reasons == ["unknown_workspace"] * 5
            assert len({each.events.delivery_key for each in found}) == 5  # type: ignore[union-attr]


BUTTON = {
    "type": "actions",
    "elements": [
        {
            "type": "button",
            "text": {"type": "plain_text", "text": "Go"},
            "value": "1",
            "action_id": "a",
        }
    ],
}


async def test_an_organisation_has_one_token_and_one_space() -> None:
    """Every workspace of it is served; people may have ids of the whole organisation."""
    async with SlackServer(enterprise="E1", whole=True) as server:
        other = neighbour(server, bot_user="U0BOT", enterprise="E1", whole=True)
        journal = Journal()
        async with running(server, journal) as adapter:
            await server.say(chat=GENERAL, user="W1", text="from T1")
            await other.say(chat="C2", user="W2", text="from T2")
            await other.command(chat="C2", user="W2", text="status")
            found = await events(journal, 3)
            assert {each.chat.space for each in found} == {"E1"}
            assert {(each.author.id, each.author.space) for each in found} == {
                ("W1", "E1"),
                ("W2", "E1"),
            }
            assert not any(each.author.external for each in found)
            assert adapter.liveness().facts["workspace"] == "E1"
            chat = await adapter.direct("W1", "E1")
            assert (chat.space, chat.chat_id) == ("E1", "D1")
            message = await posted(adapter, post(found[0].reply_to, "hello"))
            assert message.chat.space == "E1"


async def test_a_shared_channel_seen_by_two_workspaces_is_one_act() -> None:
    """One logical key, one place: later messages stay with the workspace that stored the first."""
    async with two() as (first, second):
        journal = Journal()
        async with running(first, journal, bot_token=tokens(first, second)):
            for ts, server, text in (
                ("1795262400.000100", first, "hello"),
                ("1795262400.000100", second, "hello"),
                ("1795262401.000100", second, "<@U2BOT> you there"),
            ):
                server.send_event(
                    {
                        "type": "message",
                        "channel": "C7",
                        "channel_type": "channel",
                        "user": "U5",
                        "user_team": "T9",
                        "text": text,
                        "ts": ts,
                    },
                    shared=True,
                )
                await journal.count(journal.stored + 1)
            found = [each for each in journal.events if isinstance(each, MessageReceived)]
            assert found[0].logical_key == found[1].logical_key
            assert len({each.delivery_key for each in found}) == 3
            assert {each.chat for each in found} == {chat_of(first, "C7")}
            assert {(each.author.space, each.author.external) for each in found} == {("T9", True)}
            people = {"T1": ("T1", False), "T2": ("T2", False), "T9": ("T9", True)}
            for number, (team, known) in enumerate(people.items()):
                body = {"type": "message", "channel": "C7", "user": "U6", "user_team": team}
                ts = f"179526250{number}.000100"
                first.send_event({**body, "text": "x", "ts": ts}, shared=True)
                await journal.count(journal.stored + 1)
                author = journal.events[-1].author
                assert (author.space, author.external) == known
            assert [each.kind for each in found[2].mentions] == [MentionKind.US]


async def test_our_own_words_of_the_other_workspace_are_an_echo() -> None:
    """What one of our bots says in a shared channel is not taken for somebody's by the other."""
    async with two() as (first, second):
        journal = Journal()
        async with running(first, journal, bot_token=tokens(first, second)):
            body = {"type": "message", "channel": "C7", "text": "x", "ts": "1795262400.000100"}
            first.send_event({**body, "user": "U2BOT", "bot_id": "B2BOT"}, shared=True)
            first.send_event({**body, "ts": "1795262400.000200", "bot_id": "B2BOT"}, shared=True)
            first.send_event({**body, "ts": "1795262400.000300", "user": "U2BOT"})
            found = await events(journal, 3)
            assert [each.author.is_us for each in found] == [True, True, False]


async def test_one_workspace_lost_leaves_the_others() -> None:
    """Its posts are turned away, an alarm names it, and the other goes on; without any it ends."""
    async with two() as (first, second):
        journal = Journal()
        both = tokens(first, second)
        async with running(first, journal, bot_token=both) as adapter:
            second.send_event({"type": "app_uninstalled"})
            await second.settled()
            assert "workspace T2 is lost: the Slack app was removed" in adapter.liveness().alarm
            with pytest.raises(ChatUnavailable):
                await adapter.perform(post(chat_of(second, GENERAL), "lost"))
            await posted(adapter, post(chat_of(first, GENERAL), "here"))
        adapter = adapter_of(first, bot_token=both)
        await adapter.connect()
        run = asyncio.create_task(adapter.run(journal))
        await first.connected()
        for server in (first, second):
            server.send_event(
                {"type": "tokens_revoked", "tokens": {"bot": [server.world.bot_user]}}
            )
        with pytest.raises(CredentialsRejected, match="revoked"):
            await asyncio.wait_for(run, 60)
        await adapter.close()


@pytest.mark.warp
async def test_a_refused_token_of_several_is_an_alarm() -> None:
    """At the start the others serve; a call refused later stops its workspace alone."""
    async with two() as (first, second):
        second.methods.token_error = "account_inactive"
        async with running(first, Journal(), bot_token=tokens(first, second)) as adapter:
            assert "workspace of bot token 2 is lost" in adapter.liveness().alarm
            assert adapter.liveness().facts["workspace"] == "T1"
            with pytest.raises(ChatUnavailable, match="T2 has no bot token"):
                await adapter.perform(post(chat_of(second, GENERAL), "x"))
        second.methods.token_error = None
        async with running(first, Journal(), bot_token=tokens(first, second)) as adapter:
            second.methods.token_error, since = "token_revoked", len(first.record)
            with pytest.raises(ChatUnavailable, match="token_revoked"):
                await adapter.perform(post(chat_of(second, GENERAL), "x"))
            await first.seen(lambda seen: seen.operation == "auth.test", since=since)
            await settle()
            assert "T2 is lost" in adapter.liveness().alarm


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"team": "T1"}, "two of Slack's bot tokens are for T1"),
        ({"app_id": "A9"}, "belong to several apps"),
    ],
)
async def test_tokens_that_do_not_belong_together(settings: dict[str, str], words: str) -> None:
    """Two of one workspace, or of two apps, are refused in words that say which."""
    async with two(**settings) as (first, second):
        adapter = adapter_of(first, bot_token=tokens(first, second))
        with pytest.raises(CredentialsRejected, match=words):
            await adapter.connect()
        await adapter.close()


@pytest.mark.warp
async def test_each_workspace_is_read_back_by_its_own_token() -> None:
    """A gap of the one app is read back in every workspace, each message at its place."""
    time = Moments()
    async with SlackServer(clock=time.wall, echoes=False) as first:
        second = neighbour(first, clock=time.wall, echoes=False)
        places = [Ground(time=time, server=each) for each in (first, second)]
        here, there = places
        there.journal, there.gaps = here.journal, here.gaps
        async with here.running(bot_token=tokens(first, second)):
            await here.told("one")
            await there.told("two")
            async with here.cut_off():
                await here.untold("three")
                await there.untold("four")
            await here.reported()
        late = {(e.chat.space, e.text) for e in here.received() if e.late}
        assert late == {("T1", "three"), ("T2", "four")}


@pytest.mark.parametrize(
    ("payload", "first"),
    [
        ({"team_id": "T9", "authorizations": [{"team_id": "T1"}]}, "T1"),
        ({"team_id": "T9", "context_team_id": "T1"}, "T1"),
        ({"team": None, "enterprise": {"id": "E1"}, "user": {"team_id": "T9"}}, "E1"),
        ({"team": {"id": "T9"}, "message": {"bot_id": "B1"}}, "B1"),
        ({"team": {"id": "T9"}, "view": {"app_installed_team_id": "T1", "bot_id": "B1"}}, "T1"),
        ({"team": "T1", "authorizations": 7, "user": []}, None),
    ],
)
def test_the_surest_name_of_an_installation_comes_first(
    payload: dict[str, Any], first: str | None
) -> None:
    """In shared channels what stands on the envelope may be another organisation's."""
    assert next(iter(addressees(payload)), None) == first


@pytest.mark.parametrize(
    ("team", "person", "space", "external"),
    [
        ("T1", Person(enterprise="E1"), "E1", False),
        ("T2", Person(enterprise="E1"), "E1", False),
        ("T9", Person(enterprise="E9"), "T9", True),
        ("T9", Person(), "T9", True),
        (None, Person(), "E1", False),
    ],
)
def test_in_a_shared_channel_the_whole_organisation_is_ours(
    team: str | None, person: Person, space: str, external: bool
) -> None:
    """Whatever workspace of it somebody is in; other organisations are external by theirs."""
    us = Identity(
        account=Account(platform="slack", id="A1"),
        space="E1",
        teams=frozenset({"E1", "T1"}),
        user_id="U0",
        bot_id="B0",
    )
    index = Index(us=us, people={"W1": person})
    reading = Reading(index=index, now=datetime.now(UTC), key="k", shared=True)
    author = person_of({"id": "W1"}, team, reading)
    assert author is not None
    assert (author.space, author.external) == (space, external)
