"""What a gap swallowed comes back from history: late, in order, each message once."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from platforms.events import Account, ChatRef, Delivery, Gap, MessageRef, Receipt
from tests.platforms.slack.ground import HISTORY, REPLIES, Ground, mark_of
from tests.platforms.slack.journal import (
    ADA,
    DM,
    GENERAL,
    Journal,
    chat_of,
    connected,
    post,
    posted,
)
from tests.platforms.slack.moments import Moments, settle
from tests.wire.server import Answer, CutBefore, Fault
from tests.wire.slack import Rates, SlackServer

pytestmark = pytest.mark.warp


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    """A server without adapter, in a channel with us."""
    time = Moments()
    async with SlackServer(clock=time.wall, echoes=False) as server:
        server.channel(GENERAL)
        yield Ground(time=time, server=server)


async def test_what_a_lost_socket_missed_is_read_back(ground: Ground) -> None:
    """Once, late, oldest first, and the finished gap is reported with its count."""
    async with ground.running():
        await ground.told("before")
        lost_at = ground.time.now()
        async with ground.cut_off():
            await ground.untold("one", "two", "three")
            assert ground.adapter is not None
            since = ground.adapter.liveness().gap_since
            assert since == pytest.approx(ground.time.clock(), abs=0.1)
        gap = await ground.reported()
        assert ground.late() == ["one", "two", "three"]
        keys = [event.logical_key for event in ground.received()]
        assert len(keys) == len(set(keys)) == 4
        assert (gap.cause, gap.recovered) == ("no live socket", 3)
        assert gap.account == Account(platform="slack", id=ground.server.world.app_id)
        assert lost_at - timedelta(seconds=5) <= gap.since <= lost_at < gap.until
        assert ground.adapter.liveness().gap_since is None
        await ground.told("after")
        assert [event.text for event in ground.received() if not event.late] == ["before", "after"]


async def test_what_a_dead_process_missed_is_read_back(ground: Ground) -> None:
    """From the stored marks: channel, direct message and thread; nothing that was stored before."""
    old = await ground.untold("long known")
    await ground.time.advance(1_000)
    channel = await ground.untold("known")
    reply = await ground.untold("known reply", thread=channel)
    direct = await ground.untold("known direct", chat=DM)
    await ground.time.advance(1_000)
    missed = await ground.untold("channel 1", "channel 2")
    await ground.untold("reply 1", thread=channel)
    await ground.untold("direct 1", chat=DM)
    await ground.untold("reply 2", thread=channel)
    await ground.untold("elsewhere", chat="C9")
    await ground.time.advance(100)
    asked: list[Account] = []

    async def marks(account: Account) -> tuple[MessageRef, ...]:
        asked.append(account)
        stale = MessageRef(chat=ChatRef(account=account, chat_id="C8"), message_id="F123")
        return (
            mark_of(ground, channel),
            mark_of(ground, reply, thread=channel),
            mark_of(ground, direct, DM),
            stale,
        )

    async with ground.running(marks=marks):
        gap = await ground.reported()
        # Six minutes of overlap show what the journal knows; the marks tell what is new.
        new = [e.text for e in ground.received() if not e.text.startswith("known")]
        assert sorted(new) == ["channel 1", "channel 2", "direct 1", "reply 1", "reply 2"]
        assert all(event.late for event in ground.received())
        in_channel = [e for e in ground.received() if e.chat.chat_id == GENERAL]
        assert [e.order for e in in_channel] == sorted(e.order for e in in_channel)
        assert (gap.cause, gap.recovered) == ("not running", 5)
        found = next(event for event in ground.received() if event.text == "channel 2")
        assert (found.message.message_id, found.logical_key) == (missed, f"{GENERAL}:{missed}")
        reply_event = next(event for event in ground.received() if event.text == "reply 2")
        assert reply_event.chat.thread_id == channel
        assert old not in [event.message.message_id for event in ground.received()]
        async with ground.cut_off():
            pass
        await ground.reported(2)
    assert len(asked) == 1


async def test_threads_are_found_by_history_and_by_marks(ground: Ground) -> None:
    """History says which of its messages have replies of late; older roots are known places."""
    forgotten = await ground.untold("forgotten")
    ancient = await ground.untold("ancient")
    await ground.time.advance(20 * 3_600)
    reply = await ground.untold("said in the old thread", thread=ancient)
    await ground.time.advance(5 * 3_600)
    young = await ground.untold("young")
    await ground.time.advance(3_600)
    await ground.untold("not read: its root is a day old and nobody knew it", thread=forgotten)
    await ground.untold("reply to the ancient", thread=ancient)
    await ground.untold("reply to the young", thread=young)
    new = await ground.untold("new")
    await ground.untold("reply to the new", thread=new)

    async def marks(account: Account) -> tuple[MessageRef, ...]:
        return (mark_of(ground, young), mark_of(ground, reply, thread=ancient))

    async with ground.running(marks=marks):
        await ground.reported()
        news = ["reply to the ancient", "reply to the young", "new", "reply to the new"]
        assert [text for text in ground.late() if text in news] == news
        assert not any("not read" in text for text in ground.late())


async def test_live_messages_are_not_read_twice(ground: Ground) -> None:
    """What came by event meanwhile is known; a race of both is one act by its logical key."""
    async with ground.running():
        await ground.told("before")
        async with ground.cut_off():
            await ground.untold("missed")
        ground.journal.held = asyncio.Event()
        racing = await ground.server.say(chat=GENERAL, user=ADA, text="racing")
        await settle()
        ground.journal.held.set()
        await ground.server.settled()
        gap = await ground.reported()
        assert ground.late()[0] == "missed" and "before" not in ground.late()
        keys = {e.logical_key for e in ground.received() if e.text == "racing"}
        assert keys == {f"{GENERAL}:{racing}"}
        assert gap.recovered is not None and gap.recovered >= 1


async def test_a_day_and_five_hundred_messages_are_the_limit(ground: Ground) -> None:
    """Of a chat the newest 500 of the last 24 hours come, in pages of at most 200."""
    await ground.untold("older than a day")
    await ground.time.advance(25 * 3_600)
    first = await ground.untold("anchor")
    await ground.untold(*(str(number) for number in range(620)))

    async def marks(account: Account) -> tuple[MessageRef, ...]:
        return (mark_of(ground, first),)

    async with ground.running(marks=marks):
        gap = await ground.reported()
        assert ground.late() == [str(number) for number in range(120, 620)]
        assert gap.recovered == 500
        pages = [int(seen.arguments["limit"]) for seen in ground.server.requests(HISTORY)]
        assert pages == [200, 200, 100]


async def test_reading_back_keeps_within_slacks_rates(ground: Ground) -> None:
    """Forty chats with a thread each: never a 429, at most 100 calls in any minute."""
    ground.server.methods.rates = Rates(clock=ground.time.clock)
    marks = []
    for number in range(40):
        chat = f"C{number + 100}"
        ground.server.channel(chat)
        root = await ground.untold("root", chat=chat)
        await ground.untold("reply", chat=chat, thread=root)
        marks.append(mark_of(ground, root, chat))
    before = ground.time.seconds

    async def stored(account: Account) -> tuple[MessageRef, ...]:
        return tuple(marks)

    async with ground.running(marks=stored):
        while not ground.gaps:
            await ground.time.advance(1)
        seconds = ground.time.seconds - before
        calls = [*ground.server.requests(HISTORY), *ground.server.requests(REPLIES)]
        assert len(calls) == 80 and {seen.status for seen in calls} == {200}
        assert 35 <= seconds <= 60
        assert ground.late().count("reply") == 40


async def test_a_chat_that_refuses_is_left_out(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    """The line names the missing right or what the chat says; the others are read."""
    caplog.set_level(logging.INFO)
    ground.server.channel("C2", private=True)
    ground.server.channel("C3")
    ts = [await ground.untold("known", chat=chat) for chat in (GENERAL, "C2", "C3")]
    for chat in (GENERAL, "C2", "C3"):
        await ground.untold(f"new in {chat}", chat=chat)
    ground.server.channel("C3", member=False)
    ground.server.methods.scopes.discard("groups:history")

    async def marks(account: Account) -> tuple[MessageRef, ...]:
        chats = zip((GENERAL, "C2", "C3"), ts, strict=True)
        return tuple(mark_of(ground, each, chat) for chat, each in chats)

    async with ground.running(marks=marks):
        gap = await ground.reported()
        assert [text for text in ground.late() if text != "known"] == [f"new in {GENERAL}"]
        assert "C2 can't be read back: the Slack app lacks the right groups:history" in caplog.text
        assert "C3 can't be read back: Slack: not_in_channel" in caplog.text
        assert gap.recovered == 1


async def test_a_gap_nobody_lets_us_read_is_reported_as_such(ground: Ground) -> None:
    """Without the right to read anything it is over, and nothing could be recovered."""
    ground.server.methods.scopes.discard("channels:history")
    async with ground.running():
        await ground.told("before")
        async with ground.cut_off():
            pass
        gap = await ground.reported()
        assert gap.recovered is None
        assert ground.adapter is not None
        assert ground.adapter.liveness().gap_since is None


@pytest.mark.parametrize(
    ("faults", "waited_s"),
    [
        ([Answer(status=429, headers={"Retry-After": "30"})], 30),
        ([Answer(status=429)], 5),
        ([Answer(status=200, body=b'{"ok":false,"error":"ratelimited"}')], 5),
        ([Answer(status=503)] * 2, 6),
        ([Answer(status=200, body=b"<html>")], 1),
        ([CutBefore()] * 3, 21),
        ([Answer(status=200, body=b'{"ok":false,"error":"fatal_error"}')], 1),
    ],
    ids=["429-hint", "429", "ratelimited", "5xx", "garbage", "cut", "fatal"],
)
async def test_reading_back_outlasts_faults(
    ground: Ground, faults: list[Fault], waited_s: float
) -> None:
    """A hint is waited for, what nobody understands is tried again, and nothing is lost."""
    async with ground.running():
        await ground.told("before")
        async with ground.cut_off():
            await ground.untold("missed")
            ground.server.faults.add(HISTORY, *faults)
        began = ground.time.seconds
        gap = await ground.reported()
        assert ground.late() == ["missed"]
        assert gap.recovered == 1
        assert ground.time.seconds - began == pytest.approx(waited_s, abs=1)


async def test_a_chat_that_never_answers_well_is_left_out_in_the_end(ground: Ground) -> None:
    """Five tries in 51 s, then the others have their turn."""
    ground.server.channel("C2")
    async with ground.running():
        await ground.told("before", chat="C2")
        await ground.time.advance(1)
        await ground.told("before")
        async with ground.cut_off():
            await ground.untold("missed", chat="C2")
            ground.server.faults.add(HISTORY, *[Answer(status=500)] * 5)
        gap = await ground.reported()
        assert ground.late() == ["missed"]
        assert gap.recovered == 1


async def test_while_slack_is_away_the_gap_stays_open(ground: Ground) -> None:
    """Sockets stand but the Web API can't be reached: the gap waits, live messages go on."""
    async with ground.running() as adapter:
        await ground.told("before")
        async with ground.cut_off():
            await ground.untold("missed")
            refused = Answer(status=200, body=b'{"ok":false,"error":"request_timeout"}')
            ground.server.faults.add(HISTORY, refused, refused)
        await settle()
        assert adapter.liveness().connected
        assert adapter.liveness().gap_since is not None
        await ground.told("live")
        await ground.time.advance(30)
        assert adapter.liveness().gap_since is not None
        await ground.time.advance(30)
        gap = await ground.reported()
        assert ground.late() == ["missed"] and gap.recovered == 1
        assert adapter.liveness().gap_since is None


async def test_slacks_own_rate_notice_is_a_gap(ground: Ground) -> None:
    """The minute it names is read back after it has ended; a second notice joins the first."""
    async with ground.running() as adapter:
        await ground.time.advance(30)
        await ground.told("before")
        minute = int(ground.time.wall()) // 60 * 60
        ground.server.hold_back(minute)
        await ground.server.settled()
        await ground.untold("held back 1")
        await settle()
        assert adapter.liveness().connected
        assert adapter.liveness().gap_since is not None
        assert ground.server.requests(HISTORY) == []
        await ground.time.advance(20)
        ground.server.hold_back(minute + 60)
        await ground.server.settled()
        await ground.time.advance(30)
        await ground.untold("held back 2")
        assert ground.gaps == []
        await ground.time.advance(60)
        gap = await ground.reported()
        assert ground.late() == ["held back 1", "held back 2"]
        assert (gap.cause, gap.recovered) == ("rate notice", 2)
        assert gap.since.timestamp() == minute and gap.until.timestamp() == minute + 120


async def test_a_full_journal_is_waited_for(ground: Ground) -> None:
    """Nobody else would bring these messages again, so each is offered until it is taken."""
    async with ground.running():
        await ground.told("before")
        async with ground.cut_off():
            await ground.untold("one", "two")
            ground.journal.next_receipts.extend([Receipt.BUSY] * 4)
        await ground.reported()
        assert ground.late() == ["one"] * 5 + ["two"]
        assert ground.journal.stored == 3


async def test_faults_on_our_side_leave_live_messages_alone(ground: Ground) -> None:
    """A journal that raises and a report that can't be stored are logged; the gap is read anew."""

    class Fragile(Journal):
        fragile = True

        async def __call__(self, delivery: Delivery) -> Receipt:
            if self.fragile and "missed" in str(delivery.events):
                self.fragile = False
                raise RuntimeError("a fault")
            return await super().__call__(delivery)

    async def on_gap(gap: Gap) -> None:
        ground.gaps.append(gap)
        raise RuntimeError("another fault")

    ground.journal = Fragile()
    async with ground.running(on_gap=on_gap):
        await ground.told("before")
        async with ground.cut_off():
            await ground.untold("missed")
        await settle()
        await ground.told("live")
        await ground.reported()
        assert ground.late() == ["missed"]
        await ground.told("still live")


async def test_our_own_messages_come_back_with_their_nonce(ground: Ground) -> None:
    """What another process posts with our token shows in history too, without one of ours."""
    async with ground.running() as adapter:
        await ground.told("before")
        async with ground.cut_off():
            await posted(adapter, post(chat_of(ground.server, GENERAL), "ours", nonce="abc123"))
        await ground.reported()
        (event,) = [event for event in ground.received() if event.late]
        assert (event.text, event.author.is_us, event.nonce) == ("ours", True, "abc123")


async def test_a_gap_goes_on_through_a_restart_of_the_run(ground: Ground) -> None:
    """The caller that begins anew after an outage gets what came in between."""
    async with ground.running(second_after_s=30.0) as adapter:
        await ground.told("before")
    await ground.untold("between")
    assert adapter.liveness().gap_since is not None
    run = asyncio.create_task(adapter.run(ground.journal))
    await ground.server.connected()
    gap = await ground.reported()
    assert ground.late() == ["between"]
    assert gap.recovered == 1
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run
    await adapter.close()


async def test_the_first_start_has_nothing_to_read_back(ground: Ground) -> None:
    """Without marks no chat is read and no gap reported."""

    async def marks(account: Account) -> tuple[MessageRef, ...]:
        return ()

    async with ground.running(marks=marks):
        await ground.time.advance(10)
        assert ground.gaps == []
        assert ground.server.requests(HISTORY) == []


async def test_over_http_a_start_reads_back_too(ground: Ground) -> None:
    """Signed requests stop coming after five minutes, so what came while we were away is read."""
    known = await ground.untold("known")
    await ground.time.advance(1_000)
    await ground.untold("missed")

    async def marks(account: Account) -> tuple[MessageRef, ...]:
        return (mark_of(ground, known),)

    async with connected(
        ground.server,
        http=True,
        marks=marks,
        on_gap=ground.on_gap,
        now=ground.time.now,
        clock=ground.time.clock,
        sleep=ground.time.sleep,
    ) as adapter:
        run = asyncio.create_task(adapter.run(ground.journal))
        gap = await ground.reported()
        assert "missed" in ground.late() and gap.recovered == 1
        assert adapter.liveness().connected
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
