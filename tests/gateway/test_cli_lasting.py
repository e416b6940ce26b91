"""A chat that outlives its gateway, over real control sockets and the real adapter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

import pytest

from gateway.cli.asking import Refused
from gateway.cli.lasting import Away, Back, LastingTalk
from gateway.cli.talk import HungUp, Talk, dial
from platforms.blocks import plain
from platforms.events import Receipt
from platforms.terminal.limits import CONNECTIONS_MAX
from platforms.terminal.wire import MessageShown, NotStored, Press, Say, Stored
from tests.gateway.hand_clock import HandClock
from tests.gateway.terminal_house import House


@asynccontextmanager
async def talking(house: House, clock: HandClock) -> AsyncIterator[LastingTalk]:
    """Someone who talks there."""
    redial = partial(dial, house.place, "")
    talk = LastingTalk(await redial(), redial, sleep=clock.sleep, monotonic=clock.monotonic)
    try:
        yield talk
    finally:
        talk.close()


async def test_what_was_not_confirmed_is_sent_again_in_order(
    house: House, clock: HandClock
) -> None:
    """Words and presses, said before and while it was away, each under its own key, once stored."""
    async with talking(house, clock) as talk:
        done = talk.say("stored")
        assert await talk.hear() == Stored(key=done)
        house.stored.clear()
        first = talk.say("first")
        press = Press(key=str(uuid4()), message_id="m", payload="go")
        talk.send(press)
        assert [await house.heard.get() for _ in range(2)] == ["stored", "first"]
        await house.shut()
        assert await talk.hear() == Away()
        last = talk.say("last")
        assert [act.key for act in talk.unconfirmed] == [first, press.key, last]
        house.stored.set()
        await house.open()
        returning = asyncio.create_task(talk.hear())
        assert await clock.asleep() == [1.0]
        clock.advance(1.0)
        assert await returning == Back()
        assert [await house.heard.get() for _ in range(3)] == ["first", "go", "last"]
        stored = [await talk.hear() for _ in range(3)]
        assert stored == [Stored(key=key) for key in (first, press.key, last)]
        assert talk.unconfirmed == ()
    assert house.keys == [done, first, first, press.key, last]


async def test_who_takes_nothing_now_gets_it_again_in_order(house: House, clock: HandClock) -> None:
    """What is said meanwhile does not overtake it."""
    async with talking(house, clock) as talk:
        house.receipt = Receipt.BUSY
        first = talk.say("first")
        refusal = await talk.hear()
        assert isinstance(refusal, NotStored)
        assert (refusal.key, refusal.again) == (first, True)
        house.receipt = Receipt.STORED
        second = talk.say("second")
        await clock.asleep()
        clock.advance(1.0)
        assert [await talk.hear() for _ in range(2)] == [Stored(key=first), Stored(key=second)]
    assert house.keys == [first, first, second]


async def test_what_can_never_be_stored_is_not_kept(house: House, clock: HandClock) -> None:
    """It would be refused for ever."""
    async with talking(house, clock) as talk:
        talk.say(" ")
        assert isinstance(await talk.hear(), NotStored)
        assert talk.unconfirmed == ()
        talk.say("x" * (5 << 20))
        assert isinstance(await talk.hear(), NotStored)
        assert talk.unconfirmed == ()


async def test_tries_come_ever_more_slowly_and_begin_anew(house: House, clock: HandClock) -> None:
    """After a gateway that was there for good, the next absence is tried quickly again."""
    async with talking(house, clock) as talk:
        for _ in range(2):
            await house.shut()
            assert await talk.hear() == Away()
            returning = asyncio.create_task(talk.hear())
            for delay in (1.0, 2.0, 5.0, 10.0, 10.0):
                assert await clock.asleep() == [delay]
                clock.advance(delay)
            assert await clock.asleep() == [10.0]
            await house.open()
            clock.advance(10.0)
            assert await returning == Back()
            await house.post("hello", "n1")
            assert await talk.hear() == MessageShown(message_id="n1", body=plain("hello"))


async def test_a_gateway_that_is_stopping_is_tried_on(house: House, clock: HandClock) -> None:
    """Its socket is still there when its terminals are not taken any more."""
    async with talking(house, clock) as talk:
        await house.adapter.close()
        assert await talk.hear() == Away()
        for delay in (1.0, 2.0):
            returning = asyncio.create_task(talk.hear())
            assert await clock.asleep() == [delay]
            clock.advance(delay)
            assert await returning == Back()
            assert await talk.hear() == Away()


async def test_a_chat_that_is_refused_has_ended(house: House, clock: HandClock) -> None:
    """One that was never there is not waited for; the sentence is the gateway's."""
    others = [await dial(house.place, "") for _ in range(CONNECTIONS_MAX)]
    try:
        async with talking(house, clock) as talk:
            with pytest.raises(Refused, match="Too many terminals"):
                await talk.hear()
    finally:
        for other in others:
            other.close()


async def test_a_gateway_of_ones_own_is_not_waited_for(house: House) -> None:
    """It ends with the chat, and the chat with it."""
    talk = LastingTalk(await dial(house.place, ""), None)
    await house.shut()
    with pytest.raises(HungUp):
        await talk.hear()
    talk.close()


async def test_a_gateway_that_hangs_up_before_it_answers_is_away(
    house: House, clock: HandClock
) -> None:
    """A connection without a word is no refusal."""
    tries = 0

    async def redial() -> Talk:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise HungUp("the gateway has ended the connection")
        return await dial(house.place, "")

    talk = LastingTalk(
        await dial(house.place, ""), redial, sleep=clock.sleep, monotonic=clock.monotonic
    )
    await house.shut()
    assert await talk.hear() == Away()
    await house.open()
    returning = asyncio.create_task(talk.hear())
    for delay in (1.0, 2.0):
        assert await clock.asleep() == [delay]
        clock.advance(delay)
    assert await returning == Back()
    assert tries == 2
    talk.send(Say(key=str(uuid4()), text="hello"))
    assert isinstance(await talk.hear(), Stored)
    talk.close()
