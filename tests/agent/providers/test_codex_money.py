"""Money of a codex entry: each call of the child is paid for, or the next one is not made."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.errors import StreamBroken
from agent.messages import Message, Usage
from agent.providers.base import Stop, StreamEvent, UsageReported
from tests.agent.providers.test_codex_steps import QUESTION, asks_for, ran, result, run
from tests.wire.codex.stage import (
    LEASE,
    QUICK,
    Stage,
    actions_of,
    message_of,
    request,
    results_of,
    stage,
    step,
    stop_of,
)

pytestmark = pytest.mark.warp

SPENDING: list[dict[str, Any]] = [{"usage": [90, 9]}, {"item": ran("c1")}]
"""A call of the model inside, then what it asked for."""


class Purse:
    """Money for so many input tokens: what was told, in order."""

    def __init__(self, fits: int) -> None:
        self.fits = fits
        self.told: list[int] = []

    async def spend(self, usage: Usage) -> bool:
        self.told.append(usage.input)
        return usage.input < self.fits


def usage_of(events: list[StreamEvent]) -> list[UsageReported]:
    """What a step says it has used."""
    return [event for event in events if isinstance(event, UsageReported)]


def after(events: list[StreamEvent], *more: Message) -> tuple[Message, ...]:
    """The transcript after a first step, with what came meanwhile."""
    message = message_of(events)
    return (QUESTION, message, *results_of(events, message), *more)


async def test_each_report_is_paid_at_once(tmp_path: Path) -> None:
    """And the step goes on while there is money; what it used for a question is paid with it."""
    reports = [{"usage": [40, 4]}, {"usage": [50, 5]}]
    turn = [*SPENDING, *asks_for("c2"), *reports, {"message": "Made.", "item": "m2"}]
    purse = Purse(1_000)
    async with stage(tmp_path, turn) as here:
        first = await step(here.provider, request(QUESTION, spend=purse.spend))
        history = after(first, result(message_of(first), "No."))
        second = await step(here.provider, request(*history, spend=purse.spend))
        assert "turn/interrupt" not in here.methods()
    assert (stop_of(first), stop_of(second)) == (Stop.TOOL_CALLS, Stop.DONE)
    assert [each.call.provider_id for each in actions_of(first)] == ["c1"]
    assert purse.told == [90, 40, 90]
    assert [each.usage.input for each in usage_of(second)] == [40, 90]
    assert {each.first for each in usage_of(second)} == {Usage(input=40, output=4)}


async def test_a_step_that_used_nothing_new_says_so(tmp_path: Path) -> None:
    """The call that wanted two things asked of people was paid with the first of them."""
    turn = [{"usage": [9, 1]}, *asks_for("c1"), *asks_for("c2"), {"message": "Made."}]
    async with stage(tmp_path, turn) as here:
        first = await step(here.provider, request(QUESTION))
        message = message_of(first)
        second = await step(here.provider, request(QUESTION, message, result(message, "No.")))
    assert usage_of(second) == [UsageReported(usage=Usage(input=0, output=0), later=True)]


async def test_the_turn_is_interrupted_before_a_call_that_does_not_fit(tmp_path: Path) -> None:
    """Once what runs has ended; what it did is kept, and the thread goes on in another turn."""
    running = ran("c2", status="inProgress")
    both = [{"started": running}, *SPENDING, {"finished": ran("c2")}, {"silence": True}]
    again = [{"usage": [5, 5]}, {"message": "Made.", "item": "m2"}]
    async with stage(tmp_path, both, again) as here:
        first = await step(here.provider, request(QUESTION, spend=Purse(90).spend))
        assert here.methods()[-1] == "turn/interrupt"
        second = await step(here.provider, request(*after(first), spend=Purse(90).spend))
        assert (len(here.started()), here.methods().count("turn/start")) == (1, 2)
    assert [each.call.provider_id for each in actions_of(first)] == ["c1", "c2"]
    assert {each.status.value for each in actions_of(first)} == {"done"}
    assert (stop_of(first), stop_of(second)) == (Stop.TOOL_CALLS, Stop.DONE)
    assert [each.usage.input for each in usage_of(second)] == [5]


async def test_a_turn_that_is_over_anyway_is_not_interrupted(tmp_path: Path) -> None:
    """After its words the child asks its model no more."""
    turn = [{"item": ran("c0")}, {"message": "Made."}, {"usage": [90, 9]}, {"say": "pulse"}]
    async with stage(tmp_path, turn) as here:
        events = await step(here.provider, request(QUESTION, spend=Purse(1).spend))
        assert "turn/interrupt" not in here.methods()
    assert stop_of(events) is Stop.DONE


async def test_a_child_that_spends_on_is_killed(tmp_path: Path) -> None:
    """Where it does not let go of its turn, what it has done is still told."""
    times = replace(QUICK, interrupt_s=0.05)
    turn = [*SPENDING, {"silence": True}]
    events: list[StreamEvent] = []
    async with stage(tmp_path, turn, times=times, deaf=True) as here:
        with pytest.raises(StreamBroken):
            async for event in here.provider.stream(request(QUESTION, spend=Purse(1).spend), LEASE):
                events.append(event)
        assert here.pool.live == 0
    assert [each.call.provider_id for each in actions_of(events)] == ["c1"]


# -- an approved action has ended, and nobody reads on


async def approved(here: Stage) -> tuple[Message, ...]:
    """A first step that asks for an action, which is approved: the transcript after it."""
    first = await step(here.provider, request(QUESTION))
    message, output = await run(here, first)
    return (QUESTION, message, result(message, output))


async def test_a_turn_that_is_left_is_interrupted_at_once(tmp_path: Path) -> None:
    """It was not paid for; the next turn begins with what was done."""
    again = [{"usage": [5, 5]}, {"message": "Made.", "item": "m2"}]
    async with stage(tmp_path, [*asks_for(), {"silence": True}], again) as here:
        history = await approved(here)
        here.provider.leave("other")
        here.provider.leave("s1")
        await here.until(lambda stage: "turn/interrupt" in stage.methods())
        second = await step(here.provider, request(*history))
        assert len(here.started()) == 1
        told = here.requests("turn/start")[1]["input"][0]["text"]
    assert "Your command 'touch a' in /w" in told
    assert stop_of(second) is Stop.DONE


async def test_what_was_used_unread_is_paid_by_the_next_turn(tmp_path: Path) -> None:
    """A report that no step has read is nobody's until then."""
    turn = [{"usage": [90, 9]}, *asks_for(), {"usage": [40, 4]}, {"spawn": 0}, {"silence": True}]
    again = [{"usage": [5, 5]}, {"message": "Made.", "item": "m2"}]
    async with stage(tmp_path, turn, again) as here:
        history = await approved(here)
        await here.until(lambda stage: any("spawned" in each for each in stage.log()))
        here.provider.leave("s1")
        second = await step(here.provider, request(*history))
    assert usage_of(second)[-1].usage.input == 45


async def test_what_people_are_asked_is_not_interrupted(tmp_path: Path) -> None:
    """While it waits for them the child spends nothing."""
    async with stage(tmp_path, [*asks_for(), {"message": "Made."}]) as here:
        first = await step(here.provider, request(QUESTION))
        here.provider.leave("s1")
        message = message_of(first)
        second = await step(here.provider, request(QUESTION, message, result(message, "No.")))
        assert "turn/interrupt" not in here.methods()
        assert [each["result"] for each in here.answers()] == [{"decision": "decline"}]
    assert stop_of(second) is Stop.DONE


async def test_a_left_child_that_does_not_let_go_is_killed(tmp_path: Path) -> None:
    """Nobody else would stop it from spending."""
    times = replace(QUICK, interrupt_s=0.05)
    turn = [*asks_for(), {"silence": True}]
    async with stage(tmp_path, turn, times=times, deaf=True) as here:
        await approved(here)
        here.provider.leave("s1")
        pid = here.started()[0]["started"]
        await here.until(lambda _: not alive(pid))


async def test_what_a_child_did_before_it_died_between_steps_is_told(tmp_path: Path) -> None:
    """Its last actions are read first; one without a result is unknown."""
    begun = ran("c3", "touch c", status="inProgress")
    turn = [*asks_for(), {"item": ran("c2")}, {"started": begun}, {"exit": 1}]
    events: list[StreamEvent] = []
    async with stage(tmp_path, turn) as here:
        history = await approved(here)
        pid = here.started()[0]["started"]
        await here.until(lambda _: not alive(pid))
        with pytest.raises(StreamBroken):
            async for event in here.provider.stream(request(*history), LEASE):
                events.append(event)
    ended = {each.call.provider_id: each.status.value for each in actions_of(events)}
    assert ended == {"c2": "done", "c3": "unknown"}


def alive(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
