"""Chats and lines on the way out: what waits for what, and what a dead chat takes with it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.outlet import Outlet
from gateway.store.records import chats, outbox
from platforms.blocks import plain
from platforms.content import Post
from platforms.errors import (
    ChatUnavailable,
    CredentialsRejected,
    PlatformUnavailable,
    SendUncertain,
    ThreadGone,
)
from platforms.pacing import Limiter
from tests.gateway.way_out import ANN, WayOut, limited

Make = Callable[..., WayOut]

ACCOUNT = "telegram:77"
KICKED = ChatUnavailable("the bot was kicked", reason="kicked")


async def states(way: WayOut, *rows: outbox.OutboxRow) -> list[str]:
    """The states of rows."""
    return [(await way.fate(row))[0] for row in rows]


async def mark_of(way: WayOut, chat: str = ANN) -> str | None:
    """How a chat is marked."""
    return await way.store.read(lambda tx: chats.state_of(tx, account=ACCOUNT, chat=chat))


async def revived(way: WayOut, chat: str = ANN) -> None:
    """Someone wrote in a dead chat."""
    await way._write(lambda tx: chats.clear(tx, account=ACCOUNT, chat=chat, state="dead"))


# Lines.


async def test_sessions_of_one_chat_do_not_wait_for_each_other(way: WayOut) -> None:
    """A row that is tried again holds back its own session's rows, in their order."""
    way.adapter.then(Post, PlatformUnavailable("down"))
    await way.send("one", "two", line="s1")
    await way.clock.asleep()
    await way.send("other", line="s2")
    await way.adapter.shows("1001", "other")
    await way.slept(1.0)
    await way.settled()
    assert way.adapter.shown("1001") == ["other", "one", "two"]


async def test_a_doubt_holds_back_its_own_line_only(make_way: Make) -> None:
    """While it is looked for, its session waits; everyone else is served."""
    way = make_way(read_back=True)
    way.adapter.then(Post, SendUncertain("cut"))
    await way.send("one", "two", line="s1")
    await way.clock.asleep()
    await way.send("other", line="s2")
    await way.send("command")
    await way.adapter.shows("1001", "other", "command")
    await way.slept(2.0, 1.0)
    await way.settled()
    assert way.adapter.shown("1001") == ["other", "command", "one", "two"]


async def test_what_comes_for_a_busy_line_waits_behind_it(way: WayOut) -> None:
    """Rows handed over one by one keep the order of their making."""
    held = asyncio.Event()
    way.adapter.then(Post, held)
    for text in ("one", "two", "three"):
        await way.send(text, line="s1")
    await way.adapter.performing(1)
    held.set()
    await way.settled()
    assert way.adapter.shown("1001") == ["one", "two", "three"]


async def test_waits_are_stretched_by_chance(way: WayOut) -> None:
    """By up to a fifth, so that not all that failed together comes again together."""
    way.outlet = Outlet(
        account=way.adapter.account,
        adapter=way.adapter,
        limiter=Limiter(()),
        store=way.store,
        clock=way.clock,
        sleep=way.clock.sleep,
        jitter=lambda: 1.0,
    )
    way.adapter.then(Post, PlatformUnavailable("down"), PlatformUnavailable("down"))
    await way.send("hello")
    await way.slept(1.2, 2.4)
    await way.settled()
    assert way.adapter.shown("1001") == ["hello"]


# Dead chats.


async def test_a_dead_chat_takes_everything_with_it(way: WayOut) -> None:
    """Threads and other sessions too, without a request each; other chats live on."""
    held = asyncio.Event()
    way.adapter.then(Post, held, KICKED)
    stored = await way.stored("nobody sends it yet", chat=f"{ANN}/7", line="s3")
    (first,) = await way.send("one", line="s1")
    await way.adapter.performing(1)
    (second,) = await way.send("two", line="s2")
    waiting = await way.send("three", "four", line="s1")
    await way.adapter.until(lambda: len(way.adapter.performed) == 2)
    held.set()
    await way.settled()
    assert await states(way, first, second) == ["sent", "dead"]
    assert await states(way, *waiting, stored) == ["dead", "dead", "dead"]
    (later,) = await way.send("five", chat=f"{ANN}/7")
    (elsewhere,) = await way.send("six", chat="telegram:10010")
    await way.settled()
    assert await way.fate(later) == ("dead", None, "kicked")
    assert await states(way, elsewhere) == ["sent"]
    assert len(way.adapter.performed) == 3
    assert await mark_of(way) == "dead"


async def test_owners_hear_of_a_dead_chat_once(way: WayOut) -> None:
    """However many of its rows were being tried."""
    way.adapter.then(Post, KICKED, KICKED)
    await way.send("one", line="s1")
    await way.send("two", line="s2")
    await way.settled()
    await way.send("three")
    await way.settled()
    assert [key for key, _ in way.alerts] == ["dead:telegram:1001"]
    assert way.alerts[0][1] == (
        "telegram:1001 can't be written to any more (kicked); nothing is sent there until someone"
        " writes to me in it."
    )


async def test_a_row_between_two_tries_dies_with_its_chat(way: WayOut) -> None:
    """It makes no request of its own to learn that nobody is there."""
    way.adapter.then(Post, PlatformUnavailable("down"), KICKED)
    (slow,) = await way.send("one", line="s1")
    await way.clock.asleep()
    assert await way.outlet.post(await way.stored("two", line="s2")) is None
    await way.slept(1.0)
    await way.settled()
    assert await way.fate(slow) == ("dead", None, "kicked")
    assert len(way.adapter.performed) == 2


async def test_a_chat_known_as_dead_gets_nothing(way: WayOut) -> None:
    """After a start the mark is in the store."""
    way.adapter.then(Post, KICKED)
    await way.send("one")
    await way.settled()
    way.outlet = way.made()
    way.outlet.know(tuple(await way.store.read(lambda tx: chats.marked(tx, ACCOUNT))))
    (row,) = await way.send("two")
    await way.settled()
    assert await way.fate(row) == ("dead", None, "kicked")
    assert len(way.adapter.performed) == 1


async def test_a_chat_that_lives_again_is_written_to(way: WayOut) -> None:
    """Someone wrote in it; if it dies once more, that is news again."""
    way.adapter.then(Post, KICKED)
    await way.send("one")
    await way.settled()
    await revived(way)
    await way.send("two")
    await way.settled()
    assert way.adapter.shown("1001") == ["two"]
    way.adapter.then(Post, KICKED)
    await way.send("three")
    await way.settled()
    assert [key for key, _ in way.alerts] == ["dead:telegram:1001"] * 2


async def test_a_thread_that_is_gone_does_not_bury_its_chat(way: WayOut) -> None:
    """Words for it stand in the chat itself, and the chat goes on."""
    way.adapter.then(Post, ThreadGone("deleted"))
    await way.send("one", chat=f"{ANN}/7")
    await way.settled()
    assert way.adapter.shown("1001") == ["one"]
    assert (await mark_of(way), way.alerts) == (None, [])


# Chats and accounts that must not be written to for now.


async def test_a_held_chat_waits(way: WayOut) -> None:
    """Its threads and stream edits too, while other chats are served; then in order."""
    way.outlet.hold(ANN)
    rows = await way.send("one", "two", line="s1")
    (thread,) = await way.send("in a thread", chat=f"{ANN}/7")
    await way.send("elsewhere", chat="telegram:2")
    await way.adapter.shows("2", "elsewhere")
    await way.settled()
    assert not await way.outlet.stream_edit(rows[0], "1", plain("grown"))
    assert await states(way, *rows, thread) == ["pending"] * 3
    assert way.outlet.depth == 3
    way.outlet.release(ANN)
    await way.settled()
    assert way.adapter.shown("1001") == ["one", "two"]
    assert way.adapter.shown("1001/7") == ["in a thread"]


async def test_a_chat_held_while_it_is_written_to(way: WayOut) -> None:
    """What is on its way arrives; what is behind it waits."""
    held = asyncio.Event()
    way.adapter.then(Post, held)
    await way.send("one", "two", line="s1")
    await way.adapter.performing(1)
    way.outlet.hold(ANN)
    held.set()
    await way.settled()
    assert way.adapter.shown("1001") == ["one"]
    way.outlet.release(ANN)
    await way.settled()
    assert way.adapter.shown("1001") == ["one", "two"]


async def test_a_chat_known_as_paused_waits(way: WayOut) -> None:
    """The mark of another part of the gateway holds it from the start."""
    marked = chats.MarkedChat(account=ACCOUNT, chat=ANN, state="paused", reason="x", since=0)
    way.outlet.know((marked,))
    (row,) = await way.send("hello")
    await way.settled()
    assert await states(way, row) == ["pending"]
    way.outlet.release(ANN)
    await way.adapter.shows("1001", "hello")
    await way.settled()


@pytest.mark.parametrize(("seconds", "told"), [(900.0, False), (901.0, True)])
async def test_owners_hear_of_a_long_rate_limit(way: WayOut, seconds: float, told: bool) -> None:
    """Over a quarter of an hour somebody may want to know why nothing comes."""
    way.adapter.then(Post, limited(seconds))
    await way.send("hello")
    await way.slept(seconds)
    await way.settled()
    assert way.alerts == (
        [
            (
                "limit:telegram:77",
                "telegram:77 may not send to telegram:1001 for 15 minutes: it is at the"
                " platform's rate limit. What waits is sent then.",
            )
        ]
        if told
        else []
    )


async def test_owners_hear_of_rejected_credentials_once(way: WayOut) -> None:
    """Every line meets them; after the account was mended it is news again."""
    way.adapter.then(Post, CredentialsRejected("revoked"), CredentialsRejected("revoked"))
    await way.send("one", line="s1")
    await way.send("two", line="s2")
    await way.settled()
    expected = (
        "rejected:telegram:77",
        "telegram takes no messages of mine: revoked. What is to be sent waits until that is"
        " mended; then send the gateway SIGHUP.",
    )
    assert way.alerts == [expected]
    way.adapter.then(Post, CredentialsRejected("revoked"))
    way.outlet.resume()
    await way.settled()
    assert way.alerts == [expected, expected]
    way.outlet.resume()
    await way.settled()
    assert sorted(way.adapter.shown("1001")) == ["one", "two"]


@pytest.mark.parametrize("purpose", ["final", "part", "send"])
async def test_owners_hear_of_words_that_are_lost(way: WayOut, purpose: Any) -> None:
    """Unreachable for a day: whoever asked can't be told there."""
    way.adapter.then(Post, PlatformUnavailable("down"), PlatformUnavailable("down"))
    (row,) = await way.send("hello", purpose=purpose)
    await way.clock.asleep()
    way.clock.advance(24 * 3600 + 1)
    await way.settled()
    assert await way.fate(row) == ("dead", None, "unreachable for a day")
    assert way.alerts == [
        (
            "failed:telegram:1001",
            "A message to telegram:1001 could not be delivered: unreachable for a day."
            f" `gatepost why o{row.id}` tells more.",
        )
    ]


@pytest.mark.parametrize("purpose", ["notice", "command", "anchor"])
async def test_nobody_hears_of_a_notice_that_is_lost(way: WayOut, purpose: Any) -> None:
    """A notice about a notice would have no end."""
    way.adapter.then(Post, PlatformUnavailable("down"), PlatformUnavailable("down"))
    await way.send("hello", purpose=purpose)
    await way.clock.asleep()
    way.clock.advance(24 * 3600 + 1)
    await way.settled()
    assert way.alerts == []
