"""Steps of a codex entry that end in the middle of a turn, so that each is paid before the next."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.errors import StreamBroken
from agent.messages import Message, Text, Usage, UserMessage
from agent.providers.base import PartCompleted, Stop, StreamEvent, UsageReported
from tests.agent.providers.test_codex_steps import QUESTION, asks_for, ran, result
from tests.wire.codex.stage import (
    LEASE,
    QUICK,
    actions_of,
    calls_of,
    message_of,
    request,
    results_of,
    stage,
    step,
    stop_of,
)

SPENDING: list[dict[str, Any]] = [{"usage": [90, 9]}, {"item": ran("c1")}]
"""A call of the model inside, then what it asked for."""


def always(usage: Usage) -> bool:
    """Every report is enough for one step."""
    return True


def usage_of(events: list[StreamEvent]) -> list[UsageReported]:
    """What a step says it has used."""
    return [event for event in events if isinstance(event, UsageReported)]


def after(events: list[StreamEvent], *more: Message) -> tuple[Message, ...]:
    """The transcript after a first step, with what came meanwhile."""
    message = message_of(events)
    return (QUESTION, message, *results_of(events, message), *more)


async def test_a_step_ends_after_an_action_once_enough_is_used(tmp_path: Path) -> None:
    """The next one reads on in the same turn, and counts what was used from there on."""
    reports = [{"usage": [40, 4]}, {"usage": [50, 5]}]
    turn = [*SPENDING, *asks_for("c2"), *reports, {"message": "Made.", "item": "m2"}]
    asked: list[Usage] = []

    def enough(usage: Usage) -> bool:
        asked.append(usage)
        return usage.input >= 90

    async with stage(tmp_path, turn) as here:
        first = await step(here.provider, request(QUESTION, enough=enough))
        history = after(first)
        second = await step(here.provider, request(*history, enough=enough))
        message = message_of(second, 2)
        history += (message, result(message, "No."))
        third = await step(here.provider, request(*history, enough=enough))
        assert here.methods().count("turn/start") == 1
    assert stop_of(first) is stop_of(second) is Stop.TOOL_CALLS
    assert [each.call.provider_id for each in actions_of(first)] == ["c1"]
    assert calls_of(first) == []
    assert [each.usage.input for each in usage_of(first)] == [90]
    assert asked == [Usage(input=90, output=9)]
    assert [call.name for call in calls_of(second)] == ["codex_command"]
    assert usage_of(second) == [UsageReported(usage=Usage(input=0, output=0), later=True)]
    assert [each.usage.input for each in usage_of(third)] == [40, 90]
    assert {each.first for each in usage_of(third)} == {Usage(input=40, output=4)}
    assert PartCompleted(part=Text(text="Made.")) in third
    assert stop_of(third) is Stop.DONE


async def test_a_step_goes_on_until_enough_is_used(tmp_path: Path) -> None:
    """And never ends where nothing but words, or nothing at all, has been paid for."""
    early = [{"item": ran("c0")}, {"say": "pulse"}]
    words = [{"message": "So far."}, {"usage": [90, 9]}, {"say": "pulse"}]
    turn = [*early, *words, {"usage": [1, 1]}, {"message": "Made.", "item": "m2"}]
    async with stage(tmp_path, turn, [*SPENDING, {"message": "Two."}]) as here:
        first = await step(here.provider, request(QUESTION, enough=always))
        assert stop_of(first) is Stop.DONE
        more = (QUESTION, message_of(first), UserMessage(text="q2"))
        second = await step(here.provider, request(*more, enough=lambda usage: False))
    assert stop_of(second) is Stop.DONE


async def test_what_people_said_meanwhile_reaches_the_turn(tmp_path: Path) -> None:
    """Between two steps of a turn the child is steered."""
    turn = [*SPENDING, *asks_for("c2"), {"message": "Made.", "item": "m2"}]
    async with stage(tmp_path, turn) as here:
        first = await step(here.provider, request(QUESTION, enough=always))
        more = UserMessage(text="and b too")
        second = await step(here.provider, request(*after(first, more), enough=always))
        said = [each["input"][0]["text"] for each in here.requests("turn/steer")]
    assert said == ["and b too"]
    assert len(calls_of(second)) == 1
    assert stop_of(second) is Stop.TOOL_CALLS


async def test_a_turn_that_is_left_is_interrupted_at_once(tmp_path: Path) -> None:
    """It was not paid for; the next turn begins with what was done, and pays what came unread."""
    turn = [*SPENDING, {"silence": True}]
    again = [{"usage": [5, 5]}, {"message": "Made.", "item": "m2"}]
    async with stage(tmp_path, turn, again) as here:
        first = await step(here.provider, request(QUESTION, enough=always))
        here.provider.leave("other")
        here.provider.leave("s1")
        await here.until(lambda stage: "turn/interrupt" in stage.methods(), within_s=5)
        second = await step(here.provider, request(*after(first)))
        assert len(here.started()) == 1
        told = here.requests("turn/start")[1]["input"][0]["text"]
    assert "Your command 'touch a' in /w" in told
    assert stop_of(second) is Stop.DONE


async def test_what_was_used_unread_is_paid_by_the_next_turn(tmp_path: Path) -> None:
    """A report that no step has read is nobody's until then."""
    turn = [*SPENDING, {"sleep": 0.1}, {"usage": [40, 4]}, {"spawn": 0}, {"silence": True}]
    again = [{"usage": [5, 5]}, {"message": "Made.", "item": "m2"}]
    async with stage(tmp_path, turn, again) as here:
        first = await step(here.provider, request(QUESTION, enough=always))
        await here.until(lambda stage: any("spawned" in each for each in stage.log()))
        here.provider.leave("s1")
        second = await step(here.provider, request(*after(first)))
    assert sum(usage_of(events)[-1].usage.input for events in (first, second)) == 135


async def test_what_people_are_asked_is_not_interrupted(tmp_path: Path) -> None:
    """While it waits for them the child spends nothing."""
    async with stage(tmp_path, [*asks_for(), {"message": "Made."}]) as here:
        first = await step(here.provider, request(QUESTION, enough=always))
        here.provider.leave("s1")
        message = message_of(first)
        second = await step(here.provider, request(QUESTION, message, result(message, "No.")))
        assert "turn/interrupt" not in here.methods()
        assert [each["result"] for each in here.answers()] == [{"decision": "decline"}]
    assert stop_of(second) is Stop.DONE


async def test_a_left_child_that_does_not_let_go_is_killed(tmp_path: Path) -> None:
    """Nobody else would stop it from spending."""
    times = replace(QUICK, interrupt_s=0.05)
    async with stage(tmp_path, [*SPENDING, {"silence": True}], times=times, deaf=True) as here:
        await step(here.provider, request(QUESTION, enough=always))
        here.provider.leave("s1")
        pid = here.started()[0]["started"]
        await here.until(lambda _: not alive(pid), within_s=5)


async def test_what_a_child_did_before_it_died_between_steps_is_told(tmp_path: Path) -> None:
    """Its last actions are read first; one without a result is unknown."""
    begun = ran("c3", "touch c", status="inProgress")
    turn = [*SPENDING, {"sleep": 0.1}, {"item": ran("c2")}, {"started": begun}, {"exit": 1}]
    async with stage(tmp_path, turn) as here:
        events = await step(here.provider, request(QUESTION, enough=always))
        history = after(events)
        pid = here.started()[0]["started"]
        await here.until(lambda _: not alive(pid))
        with pytest.raises(StreamBroken):
            async for event in here.provider.stream(request(*history), LEASE):
                events.append(event)
    ended = {each.call.provider_id: each.status.value for each in actions_of(events)}
    assert ended == {"c1": "done", "c2": "done", "c3": "unknown"}


def alive(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
