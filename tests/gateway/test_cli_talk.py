"""When an answer is complete, over a real control socket and the real adapter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from gateway.cli.answers import Answers, BrokenOff, open_overseer
from gateway.cli.asking import NotRunning, Refused
from gateway.cli.lasting import LastingTalk
from gateway.cli.talk import dial, open_talk
from gateway.errors import GatewayError
from platforms.blocks import plain_text
from platforms.events import Receipt
from platforms.terminal.wire import MessageShown
from tests.gateway.hand_clock import HandClock
from tests.gateway.terminal_house import SESSION, House

pytestmark = pytest.mark.warp


@asynccontextmanager
async def answers(house: House, clock: HandClock | None = None) -> AsyncIterator[Answers]:
    """Someone who talks there, and waits a minute by the clock if nobody is there."""
    clock = clock or HandClock()
    redial = partial(dial, house.place, "")
    talk = LastingTalk(
        await redial(), redial, patience_s=60.0, sleep=clock.sleep, monotonic=clock.monotonic
    )
    async with open_overseer(house.place, talk.chat) as overseer:
        answers = Answers(talk, overseer, others_for_s=0.6, silent_for_s=0.5)
        try:
            yield answers
        finally:
            await answers.close()
            talk.close()


def texts(shown: tuple[MessageShown, ...]) -> list[str]:
    """What stands in messages."""
    return [plain_text(message.body) for message in shown]


async def test_an_answer_ends_with_its_turn_and_not_with_a_pause(house: House) -> None:
    """However long a tool runs, what stands is taken only when nothing runs or waits any more."""
    async with answers(house) as person:
        asked = asyncio.create_task(person.answer("hello"))
        assert await house.heard.get() == "hello"
        house.desk.running = [{"session_key": SESSION}]
        await house.post("thinking", "n1")
        await house.desk.questioned()
        await house.edit("half", "n1")
        await house.desk.questioned()
        house.desk.running, house.desk.outbox = [], {"in_flight": 1, "dead": 3}
        await house.desk.questioned()
        assert not asked.done()
        await house.edit("whole", "n1")
        await house.post("second part", "n2")
        house.desk.outbox = {"dead": 3}
        assert texts(await asked) == ["whole", "second part"]


async def test_what_other_chats_wait_for_does_not_hold_us_up(house: House) -> None:
    """A delivery that is stuck elsewhere costs a while, not for ever."""
    house.desk.outbox = {"pending": 1}
    house.desk.running = [{"session_key": "web:local|web:someone"}]
    async with answers(house) as person:
        asked = asyncio.create_task(person.answer("hello"))
        await house.heard.get()
        await house.post("answer", "n1")
        async with asyncio.timeout(60):
            assert texts(await asked) == ["answer"]


async def test_what_came_before_is_kept_apart(house: House) -> None:
    """A message sent while no terminal was open is not taken for the answer."""
    await house.post("from the night", "n0")
    async with answers(house) as person:
        asked = asyncio.create_task(person.answer("hello"))
        await house.heard.get()
        await house.post("answer", "n1")
        assert texts(await asked) == ["answer"]
        assert texts(tuple(person.earlier)) == ["from the night"]


async def test_a_silent_gateway_is_no_answer(house: House) -> None:
    """An idle gateway that shows nothing has ignored the message."""
    async with answers(house) as person:
        assert await person.answer("hello") == ()


async def test_words_that_can_never_be_stored_are_an_error(house: House) -> None:
    """The sentence is the adapter's; nothing is waited for."""
    async with answers(house) as person:
        with pytest.raises(GatewayError, match="did not understand"):
            await person.answer(" ")


async def test_words_that_are_not_taken_just_now_are_said_again(
    house: House, clock: HandClock
) -> None:
    """Under their old key, after a second; for a minute, then the person is told."""
    house.receipt = Receipt.BUSY
    async with answers(house, clock) as person:
        asked = asyncio.create_task(person.answer("hello"))
        assert await house.heard.get() == "hello"
        assert await clock.asleep() == [1.0]
        house.receipt = Receipt.STORED
        clock.advance(1.0)
        assert await house.heard.get() == "hello"
        await house.post("answer", "n1")
        assert texts(await asked) == ["answer"]
        assert len(house.keys) == 2
        assert len(set(house.keys)) == 1

        house.receipt = Receipt.BUSY
        asked = asyncio.create_task(person.answer("hello"))
        await clock.asleep()
        clock.advance(60.0)
        with pytest.raises(GatewayError, match="Nothing is lost"):
            await asked


async def test_a_gateway_that_does_not_come_back_is_an_error(
    house: House, clock: HandClock
) -> None:
    """It is tried for a minute, ever more slowly; what stood by then is there."""
    async with answers(house, clock) as person:
        asked = asyncio.create_task(person.answer("hello"))
        await house.heard.get()
        house.desk.running = [{"session_key": SESSION}]
        await house.post("half", "n1")
        await house.desk.questioned()
        await house.shut()
        waited: list[float] = []
        while sum(waited) < 60.0:
            waited += await clock.asleep()
            clock.advance(waited[-1])
        assert waited == [1.0, 2.0, 5.0, 10.0, 10.0, 10.0, 10.0, 10.0, 2.0]
        with pytest.raises(BrokenOff, match="your message is kept") as broken:
            await asked
        assert texts(broken.value.shown) == ["half"]


async def test_a_gateway_that_comes_back_gives_the_whole_answer(
    house: House, clock: HandClock
) -> None:
    """What stood before it went away is no answer while the turn goes on."""
    async with answers(house, clock) as person:
        asked = asyncio.create_task(person.answer("hello"))
        await house.heard.get()
        house.desk.running = [{"session_key": SESSION}]
        await house.post("half", "n1")
        await house.desk.questioned()
        await house.shut()
        house.desk.running, house.desk.open_turns = [], [{"session_key": SESSION, "state": "open"}]
        assert await clock.asleep() == [1.0]
        clock.advance(1.0)
        assert await clock.asleep() == [2.0]
        await house.open()
        clock.advance(2.0)
        await house.desk.questioned()
        await house.desk.questioned()
        assert not asked.done()
        house.desk.open_turns = []
        await house.post("whole", "n1")
        assert texts(await asked) == ["whole"]
        assert house.heard.empty()


async def test_a_gateway_is_not_silent_while_we_are_away(house: House, clock: HandClock) -> None:
    """It runs again and owes nothing, but can show nothing before it is dialled again."""
    async with answers(house, clock) as person:
        asked = asyncio.create_task(person.answer("hello"))
        await house.heard.get()
        await house.desk.questioned()
        await house.shut()
        await clock.asleep()
        await house.open()
        await house.post("answer", "n1")
        for _ in range(8):  # twice as long as an idle gateway may be silent
            await house.desk.questioned()
        assert not asked.done()
        clock.advance(1.0)
        assert texts(await asked) == ["answer"]


async def test_an_answer_made_while_we_were_away_is_the_answer(
    house: House, clock: HandClock
) -> None:
    """The words were stored, but we had not heard so; they are sent again and taken as known."""
    async with answers(house, clock) as person:
        house.stored.clear()
        asked = asyncio.create_task(person.answer("hello"))
        await house.heard.get()
        await house.shut()
        house.stored.set()
        await house.open()
        await house.post("answer", "n1")
        await clock.asleep()
        clock.advance(1.0)
        assert texts(await asked) == ["answer"]
        assert person.earlier == []
        assert len(house.keys) == 2
        assert len(set(house.keys)) == 1


async def test_words_that_were_never_confirmed_are_an_error(house: House, clock: HandClock) -> None:
    """Nobody can say whether they were stored, and the sentence doesn't."""
    async with answers(house, clock) as person:
        house.stored.clear()
        asked = asyncio.create_task(person.answer("hello"))
        await house.heard.get()
        await house.shut()
        await clock.asleep()
        clock.advance(60.0)
        with pytest.raises(GatewayError, match="before it had confirmed your message"):
            await asked


async def test_what_is_shown_again_is_not_taken_for_the_answer(
    house: House, clock: HandClock
) -> None:
    """A gateway that came back may not know what was seen."""
    async with answers(house, clock) as person:
        asked = asyncio.create_task(person.answer("one"))
        await house.heard.get()
        await house.post("answer one", "n1")
        assert texts(await asked) == ["answer one"]
        asked = asyncio.create_task(person.answer("two"))
        await house.heard.get()
        await house.desk.questioned()
        await house.shut()
        await house.open()
        await house.post("answer one", "n1")
        await house.post("answer two", "n2")
        await clock.asleep()
        clock.advance(1.0)
        assert texts(await asked) == ["answer two"]


async def test_two_things_in_a_row(house: House) -> None:
    """Each has its own answer."""
    async with answers(house) as person:
        for number in range(2):
            asked = asyncio.create_task(person.answer(f"question {number}"))
            assert await house.heard.get() == f"question {number}"
            await house.post(f"answer {number}", f"n{number}")
            assert texts(await asked) == [f"answer {number}"]


async def test_nobody_there_and_a_bad_name(house: House, tmp_path: Path) -> None:
    """Two different sentences."""
    with pytest.raises(NotRunning):
        async with open_talk(tmp_path / "elsewhere", ""):
            pass
    with pytest.raises(Refused, match="chat's name"):
        async with open_talk(house.place, "Bad Name"):
            pass


async def test_a_name_is_a_conversation_that_is_found_again(house: House) -> None:
    """Without one it is another; under the same one it is the same, also in two terminals."""
    async with (
        open_talk(house.place, "") as plain,
        open_talk(house.place, "plan") as plan,
        open_talk(house.place, "plan") as again,
    ):
        assert plan.chat == again.chat != plain.chat
