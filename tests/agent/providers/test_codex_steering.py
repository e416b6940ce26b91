"""Words that come while the child is in a turn."""

import asyncio
from pathlib import Path

import pytest

from agent.errors import StreamBroken
from agent.messages import Message, UserMessage
from agent.providers.base import Stop
from agent.providers.codex import prelude
from agent.providers.codex.prelude import Mark
from tests.agent.providers.test_codex_steps import QUESTION, asks_for, ran
from tests.wire.codex.stage import ORIGIN, calls_of, message_of, request, stage, step, stop_of

pytestmark = pytest.mark.warp

MORE = UserMessage(text="and b too", author="Ben")
REFUSED = {"error": {"code": -32600, "message": "no active turn to steer"}}


class Chat:
    """What people say, one batch after the other; what was taken has joined the turn."""

    def __init__(self, *batches: tuple[Message, ...]) -> None:
        self.joined: tuple[Message, ...] = ()
        self.fails: Exception | None = None
        self._batches = list(batches)
        self._news = asyncio.Event()
        if batches:
            self._news.set()

    async def said(self) -> None:
        await self._news.wait()
        self._news.clear()

    async def take(self) -> tuple[Message, ...]:
        if self.fails is not None:
            raise self.fails
        taken = self._batches.pop(0) if self._batches else ()
        self.joined += taken
        if self._batches:
            self._news.set()
        return taken


async def test_words_reach_the_child_in_the_middle_of_its_turn(tmp_path: Path) -> None:
    """In order and once: the next turn is not told them again."""
    chat = Chat((MORE,), (UserMessage(text="and c"),))
    turn = [{"item": ran("c1")}, {"received": "turn/steer", "times": 2}, {"message": "Made."}]
    async with stage(tmp_path, turn, [{"message": "Two."}]) as here:
        first = await step(here.provider, request(QUESTION, joins=chat))
        steered = here.requests("turn/steer")
        history = (QUESTION, *chat.joined, message_of(first), UserMessage(text="q2"))
        await step(here.provider, request(*history))
        _, second = here.requests("turn/start")
    assert [each["input"][0]["text"] for each in steered] == ["Ben: and b too", "and c"]
    assert {each["expectedTurnId"] for each in steered} == {"turn-1"}
    assert [each["text"] for each in second["input"]] == ["q2"]
    assert stop_of(first) is Stop.DONE


async def test_words_the_child_does_not_take_begin_its_next_turn(tmp_path: Path) -> None:
    """In the same step; what it has of them is known afterwards."""
    chat = Chat((MORE,))
    turn = [{"received": "turn/steer"}, {"message": "One."}]
    answers = {"turn/steer": REFUSED}
    async with stage(tmp_path, turn, [{"message": "Two."}], [], answers=answers) as here:
        first = await step(here.provider, request(QUESTION, joins=chat))
        told = [each["input"][0]["text"] for each in here.requests("turn/start")]
        history = (QUESTION, *chat.joined, message_of(first), UserMessage(text="q3"))
        await step(here.provider, request(*history))
        assert "thread/revert" not in here.methods()
        assert here.requests("turn/start")[2]["input"][0]["text"] == "q3"
    assert told == ["make it", "Ben: and b too"]
    assert message_of(first).text == "One.\n\nTwo."


async def test_words_join_a_turn_that_asks_people_next(tmp_path: Path) -> None:
    """What was refused before the step ended is said with the answer."""
    chat = Chat((MORE,))
    turn = [{"received": "turn/steer"}, *asks_for(), {"message": "Made."}]
    async with stage(tmp_path, turn, answers={"turn/steer": REFUSED}) as here:
        first = await step(here.provider, request(QUESTION, joins=chat))
        assert len(calls_of(first)) == 1
        known = prelude.known((QUESTION, *chat.joined, message_of(first)), ORIGIN)
    assert known.rest == (MORE,)


async def test_a_child_that_dies_when_it_is_told_fails_the_step(tmp_path: Path) -> None:
    """The words have joined the turn by then: another attempt is asked with them."""
    chat = Chat((MORE,))
    turn = [{"received": "turn/steer"}, {"exit": 1}]
    async with stage(tmp_path, turn, answers={"turn/steer": "silence"}) as here:
        with pytest.raises(StreamBroken):
            await step(here.provider, request(QUESTION, joins=chat))
    assert chat.joined == (MORE,)


async def test_words_that_cannot_be_stored_end_the_step(tmp_path: Path) -> None:
    """The child has not been told them, and its turn goes no further with us."""
    chat = Chat((MORE,))
    chat.fails = RuntimeError("another owner")
    async with stage(tmp_path, [{"work": 0.1}, {"message": "Made."}]) as here:
        with pytest.raises(RuntimeError, match="another owner"):
            await step(here.provider, request(QUESTION, joins=chat))
        assert "turn/steer" not in here.methods()


def test_the_newest_mark_of_a_message_counts() -> None:
    """A step may hold several turns of the child; what the last did not hear is told again."""
    marks = (Mark(thread="t", turn="1"), Mark(thread="t", turn="2", untold=1))
    message = message_of([])
    parts = tuple(mark.part(ORIGIN) for mark in marks)
    messages = (QUESTION, MORE, type(message)(parts=parts, origin=ORIGIN))
    known = prelude.known(messages, ORIGIN)
    assert known.mark == marks[1]
    assert known.turns == {"1", "2"}
    assert known.rest == (MORE,)
