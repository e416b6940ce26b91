"""When an answer is complete, over a real control socket and the real adapter."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.asking import NotRunning, Refused
from gateway.cli.talk import Answers, open_overseer, open_talk
from gateway.control import ControlServer
from gateway.errors import GatewayError
from platforms.blocks import plain, plain_text
from platforms.content import Edit, Post
from platforms.events import Delivery, MessageReceived, Receipt
from platforms.terminal.client import TerminalAdapter
from platforms.terminal.parse import chat_of
from platforms.terminal.wire import MessageShown

CHAT = chat_of(os.getuid())


@dataclass(slots=True)
class Desk:
    """A gateway's state as `status` tells it; `asked` is set at each question."""

    running: list[dict[str, str]] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)
    outbox: dict[str, int] = field(default_factory=dict)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def status(self) -> Any:
        """See Operator."""
        self.asked.set()
        return {"running": self.running, "waiting": self.waiting, "outbox": self.outbox}

    async def why(self, ident: str) -> tuple[str, ...]:
        """See Operator."""
        return ()

    async def send(self, chat: str, text: str, key: str | None) -> Any:
        """See Operator."""
        raise GatewayError("nobody sends here")

    async def questioned(self) -> None:
        """Return once somebody asks anew."""
        self.asked.clear()
        async with asyncio.timeout(5):
            await self.asked.wait()


class House:
    """A running gateway but for its agent, which the test plays."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.desk = Desk()
        self.adapter = TerminalAdapter(now=lambda: datetime.now(UTC))
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.receipt = Receipt.STORED

    async def ingest(self, delivery: Delivery) -> Receipt:
        """See Ingest."""
        assert isinstance(delivery.events, tuple)
        (event,) = delivery.events
        assert isinstance(event, MessageReceived)
        self.heard.put_nowait(event.text)
        return self.receipt

    async def post(self, text: str, nonce: str) -> None:
        """Show a message."""
        await self.adapter.perform(Post(chat=CHAT, body=plain(text), nonce=nonce))

    async def edit(self, text: str, nonce: str) -> None:
        """Change it."""
        from platforms.events import MessageRef

        message = MessageRef(chat=CHAT, message_id=nonce)
        await self.adapter.perform(Edit(message=message, body=plain(text)))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house."""
    house = House(tmp_path)
    running = asyncio.create_task(house.adapter.run(house.ingest))
    server = ControlServer(tmp_path, operator=house.desk, terminals=house.adapter)
    await server.start()
    yield house
    await house.adapter.close()
    await server.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def answers(house: House) -> AsyncIterator[Answers]:
    """Someone who talks there."""
    async with (
        open_talk(house.place, "") as talk,
        open_overseer(house.place, talk.chat) as overseer,
    ):
        answers = Answers(talk, overseer, others_for_s=0.6, silent_for_s=0.5)
        try:
            yield answers
        finally:
            await answers.close()


def texts(shown: tuple[MessageShown, ...]) -> list[str]:
    """What stands in messages."""
    return [plain_text(message.body) for message in shown]


async def test_an_answer_ends_with_its_turn_and_not_with_a_pause(house: House) -> None:
    """However long a tool runs, what stands is taken only when nothing runs or waits any more."""
    async with answers(house) as person:
        asked = asyncio.create_task(person.answer("hello"))
        assert await house.heard.get() == "hello"
        house.desk.running = [{"session_key": f"terminal:local|terminal:{CHAT.chat_id}"}]
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
        async with asyncio.timeout(10):
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


async def test_words_that_are_not_stored_are_an_error(house: House) -> None:
    """The sentence is the adapter's; nothing is waited for."""
    house.receipt = Receipt.BUSY
    async with answers(house) as person:
        with pytest.raises(GatewayError, match="Nothing is lost"):
            await person.answer("hello")


async def test_a_gateway_that_ends_is_an_error(house: House) -> None:
    """Whoever waits for an answer is told."""
    async with answers(house) as person:
        asked = asyncio.create_task(person.answer("hello"))
        await house.heard.get()
        await house.adapter.close()
        with pytest.raises(GatewayError, match="your message is kept"):
            await asked


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
