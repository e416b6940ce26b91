"""Words that join a turn in the middle of a model call, through a provider that takes them in."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from agent.credentials import Lease
from agent.effects import TurnState
from agent.messages import AssistantMessage, Origin, PartialReply, Text, ToolResult, UserMessage
from agent.providers.base import (
    ModelRequest,
    PartCompleted,
    Stop,
    StreamCompleted,
    StreamEvent,
    TextReceived,
)
from tests.agent.listed_journal import ListedJournal
from tests.agent.scripted import ScriptedProvider, Step, call, entry, unavailable, user
from tests.agent.test_runner import Turn

SPARE = Origin(provider="spare", endpoint="http://loopback", model="spare-1")
MORE = UserMessage(text="and b too")
ANSWER: tuple[Step, ...] = (
    PartCompleted(part=Text(text="ok")),
    StreamCompleted(stop=Stop.DONE),
)
CALLS: tuple[Step, ...] = (
    PartCompleted(part=call()),
    StreamCompleted(stop=Stop.TOOL_CALLS),
)


class Listening(ScriptedProvider):
    """A provider that takes in what is said during its first reply."""

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        assert request.joins is not None
        if not self.requests:
            await request.joins.said()
            await request.joins.take()
        async with aclosing(super().stream(request, lease)) as events:
            async for event in events:
                yield event


async def test_what_joined_stands_before_the_reply() -> None:
    """In the rows as in what is stored, and in the next request of the turn."""
    provider = Listening(CALLS, ANSWER)
    turn = Turn(entry(provider), journal=ListedJournal((MORE,)))
    turn.signals.say()
    assert (await turn.run()).state is TurnState.DONE
    kinds = [type(message) for message in turn.journal.turn.own]
    asked = [type(message) for message in provider.requests[1].messages]
    assert kinds == [UserMessage, AssistantMessage, ToolResult, AssistantMessage]
    assert asked[:4] == [UserMessage, UserMessage, AssistantMessage, ToolResult]


async def test_whoever_takes_over_is_asked_with_what_joined() -> None:
    """The attempt that took it in has failed."""
    spare = ScriptedProvider(ANSWER, origin=SPARE)
    failing = Listening((TextReceived(text="I"), unavailable()))
    turn = Turn(entry(failing), entry(spare, "spare"), journal=ListedJournal((MORE,)))
    turn.signals.say()
    await turn.run()
    assert spare.requests[-1].messages == (user("hi"), MORE)
    assert not any(isinstance(each, PartialReply) for each in turn.journal.turn.messages)


async def test_nothing_joins_a_turn_that_is_stopped_or_left() -> None:
    """What waits gets a turn of its own, in this run or the next."""
    provider = Listening(ANSWER)
    turn = Turn(entry(provider), journal=ListedJournal((MORE,)))
    turn.signals.say()
    turn.journal.on_write = lambda name: turn.signals.park() if name == "step_opened" else None
    await turn.run()
    assert turn.journal.arriving == [(MORE,)]
