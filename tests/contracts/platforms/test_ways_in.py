"""What every Source keeps: nothing is acknowledged unstored, lost, counted twice or mixed up."""

import asyncio
from random import Random

import pytest

from platforms.errors import SendUncertain
from platforms.events import ButtonPressed, MessageReceived, Receipt
from tests.contracts.platforms.benches import BENCHES, Bench, listening, running
from tests.contracts.platforms.journal import Journal
from tests.contracts.platforms.posts import GO, card
from tests.wire.server import CutAfter
from tests.wire.slack import SlackServer

POISONED_AMONG = 100


@pytest.fixture(params=list(BENCHES))
def name(request: pytest.FixtureRequest) -> str:
    """One adapter after the other."""
    return str(request.param)


async def _comes_again(bench: Bench, said: object) -> None:
    """What was not taken is delivered anew: by the platform, or by whoever wrote it."""
    if bench.server is None:
        await bench.again(said)
    elif isinstance(bench.server, SlackServer):
        await bench.server.advance(400.0)


async def test_nothing_is_acknowledged_before_it_is_stored(name: str) -> None:
    """While the journal holds a delivery its sender hears nothing, and then that it is stored.

    On Discord only a press is ever answered.
    """
    async with listening(name) as (bench, journal):
        if name == "discord":
            await bench.adapter.perform(card(bench.chat))
        journal.held = asyncio.Event()
        if name == "discord":
            await bench.press(await bench.newest(), GO.payload)
        else:
            await bench.say("hello")
        await journal.count(1)
        assert bench.acknowledgements == 0
        journal.held.set()
        await bench.acknowledged(1)
        assert journal.stored == 1


async def test_what_finds_no_room_is_stored_later_once(name: str) -> None:
    """BUSY is never taken for stored: the same words come again, and are one act."""
    async with listening(name) as (bench, journal):
        journal.next_receipts.append(Receipt.BUSY)
        said = await bench.say("hello")
        await journal.count(1)
        await _comes_again(bench, said)
        await journal.count(2)
        if name != "discord":
            await bench.acknowledged(1)
        assert await journal.heard(1) == ["hello"]
        assert journal.stored == 1


async def test_the_same_words_many_times_at_once_are_one_act(name: str) -> None:
    """Whatever the wire repeats, both keys of the gateway's table see one message."""
    async with listening(name) as (bench, journal):
        said = await bench.say("hello")
        await asyncio.gather(*(bench.again(said) for _ in range(3)))
        await journal.count(4)
        assert await journal.heard(1) == ["hello"]
        assert len({event.logical_key for event in journal.events}) == 1


async def test_one_poisoned_among_a_hundred(name: str) -> None:
    """It is kept as malformed, or refused to its face by the page; the other 99 come, each once."""
    async with listening(name) as (bench, journal):
        texts = [f"number {number}" for number in range(POISONED_AMONG - 1)]
        middle = Random(name).randrange(1, len(texts))
        for text in texts[:middle]:
            await bench.say(text)
        await bench.nonsense()
        for text in texts[middle:]:
            await bench.say(text)
        heard = await journal.heard(len(texts))
        assert sorted(heard) == sorted(texts)
        if name != "web":
            await journal.count(POISONED_AMONG)
            assert journal.reasons == ["malformed"]
        await bench.say("after it")
        assert "after it" in await journal.heard(POISONED_AMONG)


async def test_order_restores_what_was_said(name: str) -> None:
    """Whatever overtakes what, the places of messages tell in which order they were written."""
    async with listening(name) as (bench, journal):
        texts = [f"number {number}" for number in range(20)]
        said = []
        for number, text in enumerate(texts):
            said.append(await bench.say(text))
            await journal.count(number + 1)
        shuffled = Random(name).sample(said, len(said))
        for one in shuffled:
            await bench.again(one)
        await journal.count(2 * len(texts))
        later = [e for e in journal.events if isinstance(e, MessageReceived)][len(texts) :]
        if bench.server is None:
            later = list(journal.messages.values())  # a repeat is placed where it came again
        assert [event.text for event in sorted(later, key=lambda event: event.order)] == texts


async def test_stopped_in_the_middle_of_a_delivery(name: str) -> None:
    """Cancelled while the journal holds it: not acknowledged, taken by the next run, one act."""
    journal = Journal()
    async with BENCHES[name]() as bench:
        journal.held = asyncio.Event()
        async with running(bench, journal):
            said = await bench.say("hello")
            await journal.count(1)
        assert bench.acknowledgements == 0
        assert journal.stored == 0
        assert not bench.adapter.liveness().connected
        journal.held.set()
        async with running(bench, journal):
            await _comes_again(bench, said)
            await journal.count(2)
            await bench.say("and then")
            assert await journal.heard(2) == ["hello", "and then"]


async def test_a_press_before_the_card_is_known_to_stand(name: str) -> None:
    """The post's answer never comes; the press tells payload and card byte for byte all the same.

    Our own surfaces know the card's id before it stands: it is the post's nonce.
    """
    async with listening(name) as (bench, journal):
        if bench.server is not None:
            bench.server.faults.add(bench.post, CutAfter())
            with pytest.raises(SendUncertain):
                await bench.adapter.perform(card(bench.chat))
        else:
            await bench.adapter.perform(card(bench.chat))
        message = await bench.newest()
        await bench.press(message, GO.payload)
        (delivery,) = await journal.count(1)
        assert isinstance(delivery.events, tuple)
        (event,) = delivery.events
        assert isinstance(event, ButtonPressed)
        assert (event.payload, event.card) == (GO.payload, message)
        assert event.chat == bench.chat
