"""The way in by long polls: nothing is confirmed that is not stored, and the loop finds its way."""

import asyncio

import pytest

from platforms.errors import CredentialsRejected, PlatformUnavailable
from platforms.events import CommandHelp, Ignored, Receipt
from platforms.telegram.polling import Pace
from tests.platforms.telegram.journal import (
    ADA,
    QUICK,
    TEAM,
    Journal,
    adapter_of,
    connected,
    offsets,
    poll_from,
    running,
)
from tests.wire.server import Answer, CutBefore, HalfOpen
from tests.wire.telegram import TelegramServer
from tests.wire.telegram.methods import MENU_SCOPES


async def test_nothing_is_confirmed_before_it_is_stored() -> None:
    """While the journal holds an update, no poll carries an offset above it."""
    async with TelegramServer() as server:
        journal = Journal()
        journal.held = asyncio.Event()
        async with running(server, journal):
            await server.say(chat=ADA, user=ADA, text="one")
            await journal.count(1)
            assert set(offsets(server.record)) == {0}
            assert len(server.updates.pending) == 1
            journal.held.set()
            await server.seen(poll_from(100_002))
            assert server.updates.pending == {}


async def test_one_busy_update_keeps_the_whole_batch() -> None:
    """The batch comes again with the same keys, and only then is it confirmed."""
    async with TelegramServer() as server:
        journal = Journal()
        journal.next_receipts.extend([Receipt.STORED, Receipt.BUSY])
        await server.say(chat=ADA, user=ADA, text="one")
        await server.say(chat=ADA, user=ADA, text="two")
        async with running(server, journal):
            await server.seen(poll_from(100_003))
        assert journal.texts()[:2] == ["one", "two"]
        assert sorted(journal.texts()[2:]) == ["one", "two"]
        keys = [delivery.events[0].delivery_key for delivery in journal.deliveries]  # type: ignore[index]
        assert set(keys[2:]) == set(keys[:2])


async def test_unwanted_updates_are_confirmed() -> None:
    """A chat nobody listed is counted by the journal and does not come again."""
    async with TelegramServer() as server:
        journal = Journal()
        journal.next_receipts.append(Receipt.UNWANTED)
        async with running(server, journal):
            await server.say(chat=TEAM, user=ADA, text="chatter")
            await server.seen(poll_from(100_002))


async def test_a_poisoned_update_among_good_ones() -> None:
    """It is stored as ignored, the others are admitted, and the poll goes on."""
    async with TelegramServer() as server:
        journal = Journal()
        for number in range(50):
            await server.say(chat=ADA, user=ADA, text=str(number))
        await server.send_raw({"message": {"message_id": "x", "chat": [], "date": None}})
        await server.send_raw("no object at all")
        for number in range(50, 98):
            await server.say(chat=ADA, user=ADA, text=str(number))
        async with running(server, journal):
            await server.seen(poll_from(100_101))
        reasons = [d.events.reason for d in journal.deliveries if isinstance(d.events, Ignored)]
        assert reasons == ["malformed", "malformed"]
        assert journal.texts() == [str(number) for number in range(98)]


async def test_half_a_character_in_a_name() -> None:
    """A lone surrogate, which strict JSON readers refuse, costs nothing but its own place."""
    async with TelegramServer() as server:
        journal = Journal()
        server.person(ADA, "Ada \ud83d")
        async with running(server, journal):
            await server.say(chat=ADA, user=ADA, text="hello")
            (delivery,) = await journal.count(1)
        assert isinstance(delivery.events, tuple)
        assert delivery.events[0].author.name == "Ada \ufffd"
        assert delivery.raw.decode()


async def test_chats_do_not_wait_for_each_other() -> None:
    """In one batch every chat keeps its order while another one's update is held."""
    async with TelegramServer() as server:
        for text in ("one", "two"):
            for user in (ADA, 2002):
                await server.say(chat=user, user=user, text=f"{text} {user}")
        journal = Journal()
        journal.held = asyncio.Event()
        async with running(server, journal):
            await journal.count(2)
            assert journal.texts() == ["one 1001", "one 2002"]
            journal.held.set()
            await server.seen(poll_from(100_005))
        assert sorted(journal.texts()[2:]) == ["two 1001", "two 2002"]


async def test_ids_drawn_anew_are_followed_down() -> None:
    """After an idle week ids may be lower than the offset that was reached."""
    async with TelegramServer() as server:
        journal = Journal()
        async with running(server, journal):
            await server.say(chat=ADA, user=ADA, text="before")
            await server.seen(poll_from(100_002))
            server.jump_ids(41)
            await server.say(chat=ADA, user=ADA, text="after")
            await server.seen(poll_from(42))
        assert journal.texts() == ["before", "after"]


@pytest.mark.warp
async def test_a_stop_confirms_nothing_and_is_quick() -> None:
    """Cancelled while an update is held: it comes again; while waiting: done well within 2 s."""
    async with TelegramServer() as server:
        journal = Journal()
        journal.held = asyncio.Event()
        started, now = 0.0, asyncio.get_running_loop().time
        async with running(server, journal, pace=Pace(wait_s=50)):
            await server.say(chat=ADA, user=ADA, text="one")
            await journal.count(1)
            started = now()
        assert now() - started < 2
        assert len(server.updates.pending) == 1
        again = Journal()
        async with running(server, again, pace=Pace(wait_s=50)):
            await again.count(1)
            await server.seen(poll_from(100_002))
            started = now()
        assert now() - started < 2
        assert again.texts() == ["one"]


async def test_two_programs_on_one_token() -> None:
    """The server ends each other's polls; after the second time one gives up and says why."""
    async with TelegramServer(conflict_gap_s=0) as server:
        ours, theirs = adapter_of(server), adapter_of(server)
        for adapter in (ours, theirs):
            await adapter.connect()
        runs = [asyncio.create_task(adapter.run(Journal())) for adapter in (ours, theirs)]
        done, running_still = await asyncio.wait(
            runs, timeout=60, return_when=asyncio.FIRST_COMPLETED
        )
        for task in running_still:
            task.cancel()
        await asyncio.gather(*running_still, return_exceptions=True)
        errors = [task.exception() for task in done]
        assert [type(error) for error in errors] == [CredentialsRejected]
        assert "another process polls with this token" in str(errors[0])
        for adapter in (ours, theirs):
            await adapter.close()


async def test_one_conflict_is_forgiven() -> None:
    """A single 409, as a restart next to the old process makes it, only costs a poll."""
    conflict = Answer(
        status=409,
        body=b'{"ok":false,"error_code":409,"description":"Conflict: terminated by other"}',
    )
    async with TelegramServer() as server:
        server.faults.add("getUpdates", conflict)
        journal = Journal()
        async with running(server, journal):
            await server.say(chat=ADA, user=ADA, text="one")
            await journal.count(1)


@pytest.mark.warp
async def test_a_broken_poll_is_tried_again_on_a_new_connection() -> None:
    """Cut, silent and senseless answers are survived; the offset stays."""
    async with TelegramServer() as server:
        faults = (
            CutBefore(),
            HalfOpen(),
            Answer(status=200, body=b"<html>"),
        )
        for fault in faults:
            server.faults.add("getUpdates", fault)
            journal = Journal()
            pace = Pace(wait_s=0, answer_s=0.2, retry_s=0, busy_s=0)
            async with running(server, journal, pace=pace):
                await server.say(chat=ADA, user=ADA, text="one")
                await journal.count(1)


async def test_an_outage_is_told_to_the_caller() -> None:
    """After three broken polls in a row the caller connects anew, and goes on where it was."""
    async with TelegramServer() as server, connected(server) as adapter:
        server.faults.add("getUpdates", CutBefore(), CutBefore(), CutBefore())
        journal = Journal()
        with pytest.raises(PlatformUnavailable):
            await adapter.run(journal)
        assert not adapter.liveness().connected
        await adapter.connect()
        task = asyncio.create_task(adapter.run(journal))
        await server.say(chat=ADA, user=ADA, text="one")
        await journal.count(1)
        assert adapter.liveness().connected
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.warp
async def test_a_flood_of_polls_waits_as_told() -> None:
    """A 429 on a poll is waited out, not counted as an outage."""
    body = b'{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":1}}'
    async with TelegramServer() as server:
        server.faults.add("getUpdates", Answer(status=429, body=body))
        journal = Journal()
        async with running(server, journal):
            await server.say(chat=ADA, user=ADA, text="one")
            now = asyncio.get_running_loop().time
            started = now()
            await journal.count(1)
            assert now() - started > 0.9


async def test_a_poll_that_is_deaf_but_open_is_found_out() -> None:
    """Updates wait, polls stay empty: after two looks the poll moves to a new connection."""
    async with TelegramServer(longest_poll_s=0.05) as server:
        journal = Journal()
        async with running(server, journal, pace=Pace(wait_s=1, probe_s=0)):
            await server.seen(lambda seen: seen.operation == "getUpdates" and seen.status == 200)
            server.deafen()
            await server.say(chat=ADA, user=ADA, text="anybody there?")
            await journal.count(1)
        assert journal.texts() == ["anybody there?"]


async def test_waiting_updates_alone_are_no_alarm() -> None:
    """While polls bring updates nobody asks what waits."""
    async with TelegramServer(longest_poll_s=0.05) as server:
        journal = Journal()
        async with running(server, journal, pace=Pace(wait_s=1, probe_s=60)):
            await server.say(chat=ADA, user=ADA, text="one")
            await server.seen(poll_from(100_002))
        assert server.requests("getWebhookInfo") == []


async def test_start_registers_commands_and_takes_polling() -> None:
    """The menu is set from the table, an old webhook goes, the backlog stays."""
    async with TelegramServer() as server:
        await server.say(chat=ADA, user=ADA, text="from before")
        commands = (
            CommandHelp(
                name="help",
                summary="what I can do here",
                args="[NAME]",
                summaries={"de": "was ich hier kann"},
            ),
            CommandHelp(name="not-for-telegram", summary="a name with a dash"),
        )
        journal = Journal()
        owners = (str(ADA), "999")  # the second has never written: Telegram knows no such chat
        async with running(server, journal, commands=commands, owners=owners):
            await journal.count(1)
        shown = {scope: words[0]["description"] for scope, words in server.methods.menus.items()}
        assert shown == {
            (scope, language): text
            for scope in (*MENU_SCOPES, f"chat {ADA}")
            for language, text in (("", "what I can do here"), ("de", "was ich hier kann"))
        }
        (gone,) = server.requests("deleteWebhook")
        assert str(gone.arguments.get("drop_pending_updates", "")).lower() in {"", "false"}
        (first, *_) = server.requests("getUpdates")
        assert first.arguments["allowed_updates"] == (
            '["message", "edited_message", "callback_query", "my_chat_member", "chat_member",'
            ' "message_reaction"]'
        )


async def test_an_owner_who_writes_later_gets_their_menu() -> None:
    """Telegram knows no chat with them before; one request a language, and never again."""
    async with TelegramServer() as server:
        commands = (CommandHelp(name="pair", summary="who may talk", tier="owner"),)
        async with running(server, Journal(), commands=commands, owners=(str(ADA),)):
            await server.seen(lambda seen: seen.operation == "getUpdates")
            assert server.methods.menus == {}
            await server.say(chat=ADA, user=ADA, text="hello")
            await server.seen(lambda seen: seen.operation == "setMyCommands" and seen.status == 200)
            await server.say(chat=ADA, user=ADA, text="again")
            await server.seen(poll_from(100_003))
        assert list(server.methods.menus) == [(f"chat {ADA}", "")]
        assert len(server.requests("setMyCommands")) == 2


async def test_a_refused_menu_does_not_stop_anything() -> None:
    """Commands work without the menu, so its failure is only logged."""
    async with TelegramServer() as server:
        server.faults.add("setMyCommands", Answer(status=500, body=b"{}"))
        journal = Journal()
        commands = (CommandHelp(name="help", summary="help"),)
        async with running(server, journal, commands=commands):
            await server.say(chat=ADA, user=ADA, text="one")
            await journal.count(1)


async def test_connect_names_us_or_says_what_is_wrong() -> None:
    """The account is the bot's id; a wrong token, silence and a stranger each have their class."""
    async with TelegramServer(privacy=True) as server:
        async with connected(server) as adapter:
            account = await adapter.connect()
            assert (account.platform, account.id) == ("telegram", "7000000001")
            facts = adapter.liveness().facts
            assert facts["bot"] == "@gatepost_bot"
            assert facts["privacy mode"] == "on"
        server.faults.add("getMe", Answer(status=200, body=b"<html>"), CutBefore())
        stranger = adapter_of(server)
        for _ in range(2):
            with pytest.raises(PlatformUnavailable):
                await stranger.connect()
        await stranger.close()


async def test_a_wrong_token_is_refused() -> None:
    """Nothing is tried again with it."""
    async with TelegramServer(token="7000000001:the-right-one") as server:
        server.token, right = "7000000001:another", server.token
        adapter = adapter_of(server)
        server.token = right
        with pytest.raises(CredentialsRejected, match="BotFather"):
            await adapter.connect()
        await adapter.close()


async def test_a_token_revoked_while_polling() -> None:
    """The loop ends with the reason."""
    async with TelegramServer() as server, connected(server, pace=QUICK) as adapter:
        unauthorized = b'{"ok":false,"error_code":401,"description":"Unauthorized"}'
        server.faults.add("getUpdates", Answer(status=401, body=unauthorized))
        with pytest.raises(CredentialsRejected):
            await adapter.run(Journal())
