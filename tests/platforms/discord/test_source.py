"""The way in, over the loopback server with the real SDK: stored first, nothing lost or doubled."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from platforms.blocks import plain
from platforms.content import AnswerPress, Button, Edit
from platforms.discord.client import DiscordAdapter
from platforms.errors import CredentialsRejected, PlatformUnavailable, RightsMissing
from platforms.events import (
    Account,
    ButtonPressed,
    ChatMembershipChanged,
    ChatRef,
    CommandHelp,
    CommandInvoked,
    Ignored,
    MentionKind,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    MessageRef,
    Receipt,
)
from tests.platforms.discord.journal import (
    ACCOUNT,
    Journal,
    adapter_of,
    chat_of,
    connected,
    post,
    posted,
    running,
)
from tests.wire.discord import BOT_ID, DiscordServer, refusal
from tests.wire.server import CutBefore, HalfOpen

CALLBACK = "POST /interactions/{interaction}/{token}/callback"
CHANNEL = "GET /channels/{channel}"
HELP = (
    CommandHelp(
        name="status", summary="what is going on", args="[WORD]", summaries={"de": "was los ist"}
    ),
)


async def test_a_message_arrives_as_it_was_written() -> None:
    """Text, author, place and mention of us come through the gateway."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            said = await server.say(server.general, server.ada, f"<@{BOT_ID}> hello")
            event = await journal.event()
        assert isinstance(event, MessageReceived)
        assert (event.text, event.author.id) == ("hello", str(server.ada.id))
        assert event.chat == chat_of(server.general)
        assert event.message.message_id == str(said.id)
        assert [mention.kind for mention in event.mentions] == [MentionKind.US]
        assert event.account == ACCOUNT
        assert adapter.liveness().connected is False


@pytest.mark.parametrize("plain", [True, False], ids=["text frames", "zlib stream"])
async def test_both_kinds_of_frames(plain: bool) -> None:
    """Plain text and one compressed stream carry the same events."""
    async with DiscordServer(plain=plain) as server:
        journal = Journal()
        async with running(server, journal):
            await server.say(server.dm(server.ada), server.ada, "psst")
            event = await journal.event()
        assert isinstance(event, MessageReceived)
        assert (event.text, event.chat_kind) == ("psst", "dm")


async def test_raw_is_what_came() -> None:
    """A delivery holds the frame, byte for byte JSON with its sequence number."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal):
            said = await server.say(server.general, server.ada, "keep me")
            [delivery] = await journal.count(1)
        assert delivery.raw.startswith(b'{"op": 0, "t": "MESSAGE_CREATE", "s": 3')
        assert str(said.id).encode() in delivery.raw


async def test_events_wait_for_a_slow_journal_in_order() -> None:
    """While a delivery is held nothing overtakes it, and nothing is lost."""
    async with DiscordServer() as server:
        journal = Journal()
        journal.held = asyncio.Event()
        async with running(server, journal) as adapter:
            for number in range(20):
                await server.say(server.general, server.ada, str(number))
            await journal.count(1)
            assert adapter.liveness().facts["waiting"] == "20"
            journal.held.set()
            await journal.count(20)
        assert journal.texts() == [str(number) for number in range(20)]


async def test_a_full_backlog_stops_reading_and_loses_nothing() -> None:
    """Beyond its room the socket is left unread; memory stays bounded and order is kept."""
    async with DiscordServer() as server:
        journal = Journal()
        journal.held = asyncio.Event()
        async with running(server, journal, room=8) as adapter:
            for number in range(100):
                await server.say(server.general, server.ada, str(number))
            await journal.count(1)
            assert adapter.liveness().facts["waiting"] == "8"
            journal.held.set()
            await journal.count(100)
        assert journal.texts() == [str(number) for number in range(100)]


async def test_busy_is_offered_again_until_it_is_stored() -> None:
    """A delivery the journal had no room for comes again, and the ones behind it keep waiting."""
    async with DiscordServer() as server:
        journal = Journal()
        journal.next_receipts.extend([Receipt.BUSY, Receipt.BUSY])
        async with running(server, journal):
            await server.say(server.general, server.ada, "first")
            await server.say(server.general, server.ada, "second")
            await journal.count(4)
        assert journal.texts() == ["first", "first", "first", "second"]


async def test_a_cancelled_delivery_is_offered_by_the_next_run() -> None:
    """What was not stored when the adapter was stopped is offered when it runs again."""
    async with DiscordServer() as server, connected(server) as adapter:
        journal = Journal()
        journal.held = asyncio.Event()
        for _ in range(2):
            task = asyncio.create_task(adapter.run(journal))
            await server.gateway.ready()
            if not journal.deliveries:
                await server.say(server.general, server.ada, "not yet stored")
                await journal.count(1)
            else:
                await journal.count(2)
            task.cancel()
            await asyncio.wait([task])
            await server.gateway.gone()
        assert journal.texts() == ["not yet stored"] * 2


async def test_each_event_twice_has_one_key() -> None:
    """A repeat is delivered again with the same keys; telling them apart is the journal's task."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal):
            said = await server.say(server.general, server.ada, "once")
            await server.redeliver(said)
            await journal.count(2)
        first, second = journal.deliveries
        assert first.events == second.events
        assert first.raw != second.raw


async def test_own_words_come_with_their_nonce_and_own_edits_do_not_come() -> None:
    """What another process says in our name is told apart by its nonce; edits are left out."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            message = await posted(adapter, post(server.general, "mine", "nonce-1"))
            await adapter.perform(Edit(message=message, body=plain("mine, more")))
            await server.say(server.general, server.bot, "not from here")
            await server.say(server.general, server.ada, "yours")
            await journal.count(1)
        assert journal.texts() == ["yours"]
        assert [(own.text, own.nonce, own.author.is_us) for own in journal.own] == [
            ("mine", "nonce-1", True),
            ("not from here", None, True),
        ]


async def test_edits_and_deletions() -> None:
    """A changed message comes as its new state, a deleted one as a fact; previews are nothing."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal):
            said = await server.say(server.general, server.ada, "one")
            await server.edit(said, "two")
            await server.delete(said)
            edited, deleted = await journal.event(2), await journal.event(3)
        assert isinstance(edited, MessageEdited)
        assert edited.text == "two"
        assert isinstance(deleted, MessageDeleted)
        assert deleted.messages == (edited.message,)


async def test_a_guild_that_is_new_is_told_of() -> None:
    """Once for each time we were let in; those we have been in for long are no news."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal):
            now = datetime.now(UTC).isoformat()
            new = {"id": "41771983423143999", "name": "New", "joined_at": now, "channels": []}
            old = {**new, "id": "41771983423143998", "joined_at": "2020-01-02T03:04:05+00:00"}
            await server.send_event("GUILD_CREATE", old)
            await server.send_event("GUILD_CREATE", new)
            (delivery,) = await journal.count(1)
        assert isinstance(delivery.events, tuple)
        (event,) = delivery.events
        assert isinstance(event, ChatMembershipChanged)
        assert (event.change, event.chat.space, event.chat.chat_id) == (
            "we_joined", "41771983423143999", "*",
        )  # fmt: skip
        assert event.subject.is_us
        assert b"channels" not in delivery.raw


async def test_a_poisoned_event_among_many() -> None:
    """A malformed event is stored as ignored; the others, before and behind it, come through."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal):
            for number in range(5):
                await server.say(server.general, server.ada, str(number))
            await server.send_event("MESSAGE_CREATE", {"id": 7, "channel_id": ["x"]})
            await server.send_event("MESSAGE_CREATE", None)
            await server.send_event("GUILD_CREATE", {"channels": 7})
            await server.say(server.general, server.ada, "last")
            await journal.count(8)
        assert journal.texts() == ["0", "1", "2", "3", "4", "last"]
        ignored = [d.events for d in journal.deliveries if isinstance(d.events, Ignored)]
        assert [one.reason for one in ignored] == ["malformed", "malformed"]
        assert len(server.requests("GATEWAY IDENTIFY")) == 1


async def test_a_frame_that_is_no_json_costs_one_connection() -> None:
    """Garbage on the socket ends in a resumed session."""
    async with DiscordServer(plain=True) as server:
        journal = Journal()
        async with running(server, journal):
            await server.send_raw("{no json")
            await server.seen(lambda seen: seen.operation == "GATEWAY RESUME")
            await server.gateway.ready()
            await server.say(server.general, server.ada, "still here")
            await journal.count(1)


async def _resumed(server: DiscordServer, journal: Journal) -> None:
    await server.say(server.general, server.ada, "in the gap")
    await journal.count(2)
    assert journal.texts() == ["before", "in the gap"]
    assert len(server.requests("GATEWAY IDENTIFY")) == 1
    assert len(server.requests("GATEWAY RESUME")) == 1
    assert server.gateway.connections[0].path == "/gateway/resume"


@pytest.mark.parametrize("how", ["op 7", "close 4000", "close 1006", "op 9 resumable"])
async def test_a_lost_connection_is_resumed_without_loss(how: str) -> None:
    """What is said while we are away is replayed; nobody identifies anew."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal):
            await server.say(server.general, server.ada, "before")
            await journal.count(1)
            server.gateway.hold()
            match how:
                case "op 7":
                    await server.gateway.ask_reconnect()
                case "close 4000":
                    await server.gateway.close(4000)
                case "close 1006":
                    await server.gateway.abort()
                case _:
                    await server.gateway.invalidate(resumable=True)
            await server.gateway.gone()
            server.gateway.release()
            await _resumed(server, journal)


async def test_events_lost_on_the_way_are_replayed() -> None:
    """What got a number but never arrived comes with the resumed session, in order."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal):
            server.gateway.lose_next = 2
            await server.say(server.general, server.ada, "lost one")
            await server.say(server.general, server.ada, "lost two")
            await server.gateway.close(4000)
            await server.say(server.general, server.ada, "three")
            await journal.count(3)
        assert journal.texts() == ["lost one", "lost two", "three"]


@pytest.mark.parametrize("how", ["op 9", "4007", "4009"])
async def test_a_session_that_is_over_is_begun_anew(how: str) -> None:
    """Op 9 and the closes that mean the same lead to IDENTIFY, and the gap is read back."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal):
            await server.say(server.general, server.ada, "before")
            await journal.count(1)
            server.gateway.hold()
            if how == "op 9":
                await server.gateway.invalidate()
            else:
                server.gateway.forget_sessions()
                await server.gateway.close(int(how))
            await server.gateway.gone()
            await server.say(server.general, server.ada, "in the gap")
            server.gateway.release()
            await journal.count(2)
            await server.gateway.ready()
            await server.say(server.general, server.ada, "behind it")
            await journal.count(3)
        assert journal.texts() == ["before", "in the gap", "behind it"]
        late = await journal.event(2)
        assert late.late
        assert late.chat == chat_of(server.general)
        assert len(server.requests("GATEWAY IDENTIFY")) == 2


async def test_what_came_while_nothing_ran_is_read_back() -> None:
    """A fresh process reads every chat from its newest stored message on; old marks are left."""
    async with DiscordServer() as server:
        stored = await server.say(server.general, server.ada, "stored before the stop")
        await server.say(server.general, server.ada, "while nothing ran")

        async def marks(account: Account) -> tuple[MessageRef, ...]:
            here = MessageRef(chat=chat_of(server.general), message_id=str(stored.id))
            long_ago = MessageRef(
                chat=ChatRef(account=account, chat_id="4199"), message_id="175928847299117063"
            )
            return (here, long_ago)

        journal = Journal()
        async with running(server, journal, marks=marks):
            await journal.count(1)
            await server.say(server.general, server.ada, "and now")
            await journal.count(2)
        assert journal.texts() == ["while nothing ran", "and now"]
        assert (await journal.event(1)).late
        assert not server.requests("GET /channels/4199/messages")


async def test_a_forgotten_session_is_found_out_by_resuming() -> None:
    """RESUME answered by op 9 goes on with IDENTIFY."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal):
            server.gateway.forget_sessions()
            await server.gateway.close(4000)
            await server.seen(lambda seen: seen.operation == "GATEWAY RESUME")
            await server.gateway.ready()
            await server.say(server.general, server.ada, "hello again")
            await journal.count(1)
        assert len(server.requests("GATEWAY IDENTIFY")) == 2


async def test_refused_upgrades_are_tried_again() -> None:
    """A gateway that answers 503 is asked again, and the session goes on."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal):
            server.gateway.refuse_upgrades(1)
            await server.gateway.close(4000)
            await server.seen(lambda seen: seen.operation == "GATEWAY RESUME")
            await server.say(server.general, server.ada, "after all")
            await journal.count(1)


@pytest.mark.parametrize(
    ("code", "words"), [(4004, "Reset Token"), (4013, "intents"), (4014, "Message Content Intent")]
)
async def test_a_final_close_stops_with_a_clear_sentence(code: int, words: str) -> None:
    """The adapter does not try again, and says what to do."""
    async with DiscordServer() as server, connected(server) as adapter:
        server.gateway.refuse_identify(code)
        with pytest.raises(CredentialsRejected, match=words) as caught:
            await adapter.run(Journal())
        assert isinstance(caught.value, RightsMissing) is (code == 4014)
        assert len(server.requests("GATEWAY IDENTIFY")) == 1


async def test_a_switched_off_intent_is_refused_by_the_real_rule() -> None:
    """Without the switch in the portal IDENTIFY ends in 4014."""
    async with DiscordServer(content_allowed=False) as server, connected(server) as adapter:
        with pytest.raises(RightsMissing, match="Message Content Intent"):
            await adapter.run(Journal())


async def test_a_wrong_token_is_refused_at_connect() -> None:
    """The first call says so, and what to do."""
    async with DiscordServer() as server:
        for token in ("wrong", " "):
            adapter = adapter_of(server, token=token)
            with pytest.raises(CredentialsRejected, match="token"):
                await adapter.connect()
            await adapter.close()


async def test_a_diverting_address_is_refused() -> None:
    """An interactions endpoint would take every press away from us."""
    async with DiscordServer() as server:
        server.interactions_url = "https://elsewhere.example/"
        adapter = adapter_of(server)
        with pytest.raises(CredentialsRejected, match="Interactions Endpoint URL"):
            await adapter.connect()
        await adapter.close()


async def test_nobody_there_can_be_tried_again() -> None:
    """A refused connection is PlatformUnavailable, and the same adapter connects later."""
    async with DiscordServer() as server:
        nowhere = DiscordAdapter(token=server.token, base_url="http://127.0.0.1:9/api/v10")
        with pytest.raises(PlatformUnavailable):
            await nowhere.connect()
        await nowhere.close()
        adapter = adapter_of(server)
        cut = (CutBefore(), CutBefore())  # a GET on a dead connection is repeated once
        for faults in (cut, (refusal(503),), (refusal(418),)):
            server.faults.add("GET /users/@me", *faults)
            with pytest.raises(PlatformUnavailable):
                await adapter.connect()
        assert await adapter.connect() == ACCOUNT
        await adapter.close()


async def test_run_before_connect_is_refused() -> None:
    """Without a connection there is nothing to run."""
    async with DiscordServer() as server:
        with pytest.raises(PlatformUnavailable):
            await adapter_of(server).run(Journal())


# Threads.


async def test_a_thread_is_judged_by_its_parent() -> None:
    """A thread that began while we listen, and one from before, name their channel."""
    async with DiscordServer() as server:
        old = server.world.add_thread(server.general, "old")
        journal = Journal()
        async with running(server, journal):
            new = await server.start_thread(server.general, "new")
            for thread in (old, new):
                await server.say(thread, server.ada, "inside")
            await journal.count(2)
        for number, thread in enumerate((old, new), 1):
            event = await journal.event(number)
            assert event.chat == chat_of(thread)
            assert event.chat.thread_id == str(thread.id)
        assert server.requests(CHANNEL) == []


async def test_an_unknown_thread_is_looked_up_once() -> None:
    """An archived thread that wakes is asked for by one GET, even if the first one fails."""
    async with DiscordServer() as server:
        thread = server.world.add_thread(server.general, "archived")
        thread.archived = True
        server.faults.add(CHANNEL, CutBefore())
        journal = Journal()
        async with running(server, journal):
            for text in ("one", "two"):
                await server.say(thread, server.ada, text)
            await journal.count(2)
        assert [(await journal.event(number)).chat for number in (1, 2)] == [chat_of(thread)] * 2
        assert [seen.status for seen in server.requests(CHANNEL)] in ([0, 200], [200])


async def test_a_channel_nobody_may_look_at_counts_as_a_channel() -> None:
    """A refused look-up does not hold up the messages behind it."""
    async with DiscordServer() as server:
        hidden = server.world.add_channel(server.guild, "hidden")
        journal = Journal()
        async with running(server, journal):
            secret = server.world.add_channel(server.guild, "secret")
            secret.access = "hidden"
            await server.say(secret, server.ada, "one")
            await server.say(hidden, server.ada, "two")
            await journal.count(2)
        assert journal.texts() == ["one", "two"]


# Presses and commands.


async def _card(server: DiscordServer, adapter: DiscordAdapter) -> Any:
    controls = ((Button(label="Approve", payload="ap:1", style="primary"),),)
    await posted(adapter, post(server.general, "card", controls=controls))
    return server.bot_messages(server.general)[-1]


async def test_a_press_is_stored_and_then_answered() -> None:
    """No first answer before the journal has it; then a deferred update at once."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            card = await _card(server, adapter)
            journal.held = asyncio.Event()
            press = await server.press(card, server.ada, "ap:1")
            event = await journal.event()
            assert server.requests(CALLBACK) == []
            journal.held.set()
            seen = await server.seen(lambda seen: seen.operation == CALLBACK)
        assert isinstance(event, ButtonPressed)
        assert (event.payload, event.author.id) == ("ap:1", str(server.ada.id))
        assert event.card is not None
        assert event.card.message_id == str(card.id)
        assert seen.arguments["body"] == {"type": 6}
        assert "Authorization" not in seen.headers
        assert press.answer == 6


async def test_words_wait_for_the_first_answer_wherever_they_come_from() -> None:
    """What a command says may be ready before the journal has returned; Discord takes it second."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal, commands=HELP) as adapter:
            await server.seen(lambda seen: seen.operation.startswith("PUT /applications"))
            journal.held = asyncio.Event()
            command = await server.invoke(server.general, server.ada, "status")
            event = await journal.event()
            assert isinstance(event, CommandInvoked)
            assert event.press is not None
            words = asyncio.create_task(
                adapter.perform(AnswerPress(press=event.press, text="I answer here."))
            )
            await asyncio.sleep(0)
            journal.held.set()
            await words
        assert command.original is not None
        assert (command.original.content, command.original.thinking) == ("I answer here.", False)


async def test_a_press_that_was_not_stored_is_not_answered() -> None:
    """Discord then says that the interaction failed, which is the truth."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            card = await _card(server, adapter)
            journal.next_receipts.append(Receipt.UNWANTED)
            await server.press(card, server.ada, "ap:1")
            await server.say(server.general, server.ada, "and then")
            await journal.count(2)
        assert server.requests(CALLBACK) == []


async def test_a_repeated_press_is_answered_once() -> None:
    """The second answer is refused by Discord, which is success."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            card = await _card(server, adapter)
            press = await server.press(card, server.ada, "ap:1")
            await server.seen(lambda seen: seen.operation == CALLBACK)
            mark = len(server.record)
            await server.redeliver_interaction(press)
            again = await server.seen(lambda seen: seen.operation == CALLBACK, since=mark)
            await server.say(server.general, server.ada, "alive")
            await journal.count(3)
        assert (again.status, press.answer) == (400, 6)
        assert journal.deliveries[0].events == journal.deliveries[1].events


async def test_a_native_command_shows_that_we_think() -> None:
    """Registered by bulk overwrite, used with words, stored, deferred for the user alone."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal, commands=HELP):
            await server.seen(lambda seen: seen.operation.startswith("PUT /applications"))
            used = await server.invoke(server.general, server.ada, "status", "all of it")
            event = await journal.event()
            seen = await server.seen(lambda seen: seen.operation == CALLBACK)
        assert isinstance(event, CommandInvoked)
        assert (event.name, event.args, event.chat_kind) == ("status", "all of it", "group")
        assert seen.arguments["body"] == {"type": 5, "data": {"flags": 64}}
        assert used.original is not None
        assert used.original.private_to is server.ada


async def test_commands_are_overwritten_only_when_they_changed() -> None:
    """A second start with the same table asks and leaves it; another table replaces it."""
    async with DiscordServer() as server:
        listed = "GET /applications/{application}/commands"
        written = "PUT /applications/{application}/commands"
        other = (CommandHelp(name="status", summary="something else"),)
        for table, writes in ((HELP, 1), (HELP, 1), (other, 2)):
            mark = len(server.record)
            async with running(server, Journal(), commands=table):
                await server.seen(lambda seen: seen.operation == listed, since=mark)
                if writes != len(server.requests(written)):
                    await server.seen(lambda seen: seen.operation == written, since=mark)
            assert len(server.requests(written)) == writes


async def test_commands_that_cannot_be_registered_cost_only_the_menu() -> None:
    """Without the right to register, messages still come."""
    async with DiscordServer() as server:
        server.faults.add("GET /applications/{application}/commands", refusal(403, 50001))
        journal = Journal()
        async with running(server, journal, commands=HELP):
            await server.say(server.general, server.ada, "hello")
            await journal.count(1)


# Stopping.


@pytest.mark.warp
@pytest.mark.parametrize("muted", [False, True], ids=["open", "half open"])
async def test_a_clean_stop_is_quick(muted: bool) -> None:
    """Cancelling and closing take less than two seconds, even if nobody says goodbye."""
    async with DiscordServer() as server:
        adapter = adapter_of(server)
        await adapter.connect()
        journal = Journal()
        task = asyncio.create_task(adapter.run(journal))
        await server.gateway.ready()
        if muted:
            server.gateway.mute()
        now = asyncio.get_running_loop().time
        start = now()
        task.cancel()
        await asyncio.wait([task])
        await adapter.close()
        assert now() - start < 2.0
        assert task.cancelled()


@pytest.mark.warp
async def test_stopping_while_a_request_hangs() -> None:
    """A press whose answer hangs does not hold up the stop."""
    async with DiscordServer() as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            card = await _card(server, adapter)
            server.faults.add(CALLBACK, HalfOpen())
            await server.press(card, server.ada, "ap:1")
            await server.seen(lambda seen: seen.operation == CALLBACK)
            now = asyncio.get_running_loop().time
            start = now()
        assert now() - start < 2.0
