"""How a codex child ends: deadlines, death, garbage, idleness, and how many may live."""

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.credentials import Lease
from agent.errors import (
    ContextOverflow,
    LostTrack,
    ProviderAuthFailed,
    ProviderError,
    ProviderOverloaded,
    ReplyMalformed,
    RequestRejected,
    StreamBroken,
)
from agent.messages import ResultStatus, ToolResult, UserMessage
from agent.providers.base import PartCompleted, Stop, StreamEvent, TextReceived
from agent.providers.codex.client import CodexProvider
from agent.providers.codex.opening import Launch
from agent.providers.codex.times import LIVE_MAX, CodexTimes
from agent.providers.codex.tools import CommandTool
from agent.tools.base import CallContext, PreparedCall
from tests.wire.codex.stage import (
    LEASE,
    LOGIN,
    ORIGIN,
    QUICK,
    Stage,
    actions_of,
    calls_of,
    message_of,
    request,
    stage,
    step,
    stop_of,
)

pytestmark = pytest.mark.warp

COMMAND = "item/commandExecution/requestApproval"
QUESTION = UserMessage(text="make it")
BEGUN = {
    "type": "commandExecution",
    "id": "c1",
    "command": "make",
    "cwd": "/w",
    "status": "inProgress",
}
DONE = {**BEGUN, "status": "completed", "exitCode": 0}
ASKED: list[dict[str, Any]] = [
    {"started": BEGUN},
    {"ask": COMMAND, "params": {"itemId": "c1", "command": "make", "cwd": "/w"}},
]


async def failing(
    here: Stage, *, lease: Lease = LEASE, session: str = "s1"
) -> tuple[list[StreamEvent], ProviderError]:
    """The events of a step, and how it fails."""
    events: list[StreamEvent] = []
    with pytest.raises(ProviderError) as caught:
        async for event in here.provider.stream(request(QUESTION, session=session), lease):
            events.append(event)
    return events, caught.value


def quick(**seconds: float) -> CodexTimes:
    """Bounds of a test; what is not named is far away."""
    return replace(QUICK, **seconds)


# -- the start


@pytest.mark.parametrize(
    ("method", "bound", "seconds"),
    [
        ("initialize", "initialize_s", 0.1),
        ("account/read", "initialize_s", 1.0),
        ("thread/start", "thread_s", 0.1),
        ("turn/start", "turn_s", 0.1),
    ],
)
async def test_each_request_of_the_start_has_its_bound(
    tmp_path: Path, method: str, bound: str, seconds: float
) -> None:
    """A child that does not answer is retired; a fresh one may do better."""
    times = quick(**{bound: seconds})
    async with stage(tmp_path, times=times, answers={method: "silence"}) as here:
        _, error = await failing(here)
        assert here.pool.live == 0
        for started in here.started():
            with pytest.raises(ProcessLookupError):
                os.kill(started["started"], 0)
    assert isinstance(error, StreamBroken) and error.transport
    assert method in str(error)


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ({"version": "0.124.9"}, RequestRejected, "too old"),
        ({"sandbox": {"type": "dangerFullAccess"}}, RequestRejected, "not read-only"),
        ({"account": {"account": None, "requiresOpenaiAuth": True}}, ProviderAuthFailed, "login"),
        ({"stderr": "boom\nline two\n", "exit": 3}, StreamBroken, "line two"),
        (
            {"stderr": "ERROR Failed to refresh token: 400 Bad Request\n", "exit": 1},
            ProviderAuthFailed,
            "log in again",
        ),
        (
            {"answers": {"thread/start": {"error": {"code": -32001, "message": "busy"}}}},
            ProviderOverloaded,
            "busy",
        ),
        (
            {"answers": {"turn/start": {"error": {"code": -32001, "message": "busy"}}}},
            ProviderOverloaded,
            "busy",
        ),
    ],
)
async def test_a_start_that_fails_says_why(
    tmp_path: Path, script: dict[str, Any], kind: type[ProviderError], words: str
) -> None:
    """Too old, too free, not logged in, dead, busy: each is its own error."""
    async with stage(tmp_path, [{"message": "x"}], **script) as here:
        _, error = await failing(here, lease=LOGIN if "account" in script else LEASE)
        assert here.pool.live == 0
    assert type(error) is kind
    assert words in str(error)


async def test_a_program_that_is_not_there_is_no_outage(tmp_path: Path) -> None:
    """Nobody tries it again: the next provider is asked, and the operator is told."""
    async with stage(tmp_path) as here:
        missing = CodexProvider(
            ORIGIN,
            launch=Launch(argv=("no-such-codex", "app-server"), home=tmp_path / "h", model="m"),
            pool=here.pool,
            directory_for=lambda session: tmp_path,
        )
        with pytest.raises(RequestRejected, match="no-such-codex"):
            await step(missing, request(QUESTION))


# -- the turn


async def test_silence_retires_the_child(tmp_path: Path) -> None:
    """Nothing for `silence_s`: some questions of the child never surface."""
    times = quick(silence_s=0.3)
    async with stage(tmp_path, [{"delta": "Well"}, {"silence": True}], times=times) as here:
        events, error = await failing(here)
        assert here.pool.live == 0
    assert TextReceived(text="Well") in events
    assert isinstance(error, StreamBroken) and error.silent
    assert "nothing came for 0.3 s" in str(error)


async def test_silence_after_a_tool_is_shorter(tmp_path: Path) -> None:
    """After an action the model is to speak."""
    times = quick(after_tool_s=0.3, silence_s=60)
    item = {"type": "webSearch", "id": "w", "query": "q"}
    async with stage(tmp_path, [{"item": item}, {"silence": True}], times=times) as here:
        _, error = await failing(here)
    assert "nothing came for 0.3 s" in str(error)


async def test_a_turn_has_a_deadline(tmp_path: Path) -> None:
    """However lively it is; what it said is there for a partial reply."""
    times = quick(turn_limit_s=0.5)
    turn = [{"delta": "more ", "item": "m"}, {"sleep": 0.05}] * 40
    async with stage(tmp_path, turn, times=times) as here:
        events, error = await failing(here)
    assert any(isinstance(event, TextReceived) for event in events)
    assert isinstance(error, StreamBroken)
    assert "the turn took over 0.5 s" in str(error)


async def test_a_shorter_first_wait_can_be_asked_for(tmp_path: Path) -> None:
    """A trial after an outage does not wait for minutes."""
    async with stage(tmp_path, [{"silence": True}]) as here:
        with pytest.raises(StreamBroken, match="nothing came"):
            await step(here.provider, request(QUESTION, first_byte_s=0.3))


async def test_waiting_for_people_is_no_time_of_the_turn(tmp_path: Path) -> None:
    """Neither the deadline nor the silence runs while they decide."""
    times = quick(turn_limit_s=0.5, silence_s=0.5, after_tool_s=0.5)
    ask = {**ASKED[1], "answers": {"accept": [{"finished": DONE}]}}
    async with stage(tmp_path, [ASKED[0], ask, {"message": "Made."}], times=times) as here:
        first = await step(here.provider, request(QUESTION))
        await asyncio.sleep(0.6)  # the people take longer than all of these
        message = message_of(first)
        output = await run(here, first)
        assert output.status is ResultStatus.DONE
        call = message.calls[0]
        made = ToolResult(call_id=call.id, name=call.name, status=output.status, text=output.text)
        second = await step(here.provider, request(QUESTION, message, made))
    assert stop_of(second) is Stop.DONE


async def run(here: Stage, events: list[StreamEvent]) -> Any:
    """Run the one call of a step."""
    tool = CommandTool(here.pool)
    prepared = tool.prepare(json.loads(calls_of(events)[0].arguments))
    assert isinstance(prepared, PreparedCall)
    return await tool.run(prepared, CallContext(call_id="call-1", session="s1"))


@pytest.mark.parametrize(
    ("turn", "kind"),
    [
        ([{"exit": 1}], StreamBroken),
        ([{"raw": "".join(f"garbage {n}\n" for n in range(4))}, {"silence": True}], ReplyMalformed),
        ([{"delta": "a <turn_"}, {"delta": "aborted>"}, {"silence": True}], StreamBroken),
        ([{"stderr": "invalid_grant\n"}, {"silence": True}], ProviderAuthFailed),
    ],
)
async def test_a_child_of_no_use_is_retired(
    tmp_path: Path, turn: list[dict[str, Any]], kind: type[ProviderError]
) -> None:
    """Death, garbage, an abort and a broken login end it; the next turn has another."""
    async with stage(tmp_path, turn, [{"message": "Again."}]) as here:
        _, error = await failing(here)
        assert here.pool.live == 0
        assert stop_of(await step(here.provider, request(QUESTION))) is Stop.DONE
        assert len(here.started()) == 2
    assert type(error) is kind


async def test_a_few_bad_lines_are_skipped(tmp_path: Path) -> None:
    """Three lines that are no message do no harm."""
    turn = [{"raw": "x\n[1]\n\n{}\n"}, {"message": "Fine."}]
    async with stage(tmp_path, turn) as here:
        assert stop_of(await step(here.provider, request(QUESTION))) is Stop.DONE


async def test_an_action_without_a_result_at_death_is_unknown(tmp_path: Path) -> None:
    """It is told as one before the failure, so that nobody moves on before it is settled."""
    async with stage(tmp_path, [{"started": BEGUN}, {"exit": 1}]) as here:
        events, error = await failing(here)
    (doubt,) = actions_of(events)
    assert doubt.status is ResultStatus.UNKNOWN
    assert json.loads(doubt.call.arguments) == {"command": "make", "cwd": "/w"}
    assert isinstance(error, StreamBroken)


async def test_death_while_an_approved_action_runs_is_unknown(tmp_path: Path) -> None:
    """The call that people allowed has lost it; what they say is told, and nothing runs again."""
    ask = {**ASKED[1], "answers": {"accept": [{"exit": 1}]}}
    turns = ([ASKED[0], ask], [{"message": "Looked."}])
    async with stage(tmp_path, *turns) as here:
        first = await step(here.provider, request(QUESTION))
        with pytest.raises(LostTrack):
            await run(here, first)
        message = message_of(first)
        call = message.calls[0]
        words = "It may have taken effect."
        unknown = ResultStatus.UNKNOWN
        seen = ToolResult(call_id=call.id, name=call.name, status=unknown, text=words)
        second = await step(here.provider, request(QUESTION, message, seen))
        told = here.requests("turn/start")[1]["input"][0]["text"]
        assert here.methods().count("thread/resume") == 1
    assert "may have taken effect" in told
    assert actions_of(second) == []


async def test_a_run_that_is_cut_interrupts_the_turn(tmp_path: Path) -> None:
    """Nothing goes on unread after /stop."""
    ask = {**ASKED[1], "answers": {"accept": [{"silence": True}]}}
    async with stage(tmp_path, [ASKED[0], ask]) as here:
        first = await step(here.provider, request(QUESTION))
        running = asyncio.create_task(run(here, first))
        await here.until(lambda stage: bool(stage.answers()))
        running.cancel()
        await asyncio.wait((running,))
    assert here.methods().count("turn/interrupt") == 1


async def test_a_turn_nobody_comes_back_to_is_ended(tmp_path: Path) -> None:
    """After an approved action the child would go on by itself, and spend."""
    ask = {**ASKED[1], "answers": {"accept": [{"finished": DONE}]}}
    async with stage(tmp_path, [ASKED[0], ask, {"silence": True}], times=quick(turn_s=0.3)) as here:
        first = await step(here.provider, request(QUESTION))
        await run(here, first)
        await here.until(lambda stage: "turn/interrupt" in stage.methods())


async def test_a_failed_turn_keeps_its_child(tmp_path: Path) -> None:
    """The provider behind it failed, not the child; its turn is taken back, and asked again."""
    overflow = {"message": "too long", "codexErrorInfo": "contextWindowExceeded"}
    async with stage(tmp_path, [{"fail": overflow}], [{"message": "Again."}]) as here:
        _, error = await failing(here)
        assert isinstance(error, ContextOverflow)
        assert here.pool.live == 1
        events = await step(here.provider, request(QUESTION))
        assert stop_of(events) is Stop.DONE
        assert len(here.started()) == 1
        assert "thread/revert" in here.methods()


# -- standard error


async def test_the_last_words_are_for_operators_and_redacted(tmp_path: Path) -> None:
    """Of 200 kept lines 12 are told, without keys."""
    lines = "".join(f"line {n}\n" for n in range(300))
    secrets = "key-of-the-test and Bearer abc.def and sk-abcdefghijkl \x1b[31mred\x1b[0m\n"
    turn = [{"stderr": lines + secrets}, {"work": 0.1}, {"exit": 1}]
    async with stage(tmp_path, turn) as here:
        _, error = await failing(here)
    told = str(error)
    assert "line 299" in told and "line 280" not in told
    for secret in ("key-of-the-test", "abc.def", "sk-abcdefghijkl", "\x1b"):
        assert secret not in told


# -- how many live


async def test_at_most_four_live_and_the_oldest_goes_first(tmp_path: Path) -> None:
    """A fifth session takes the place of the one that was used least recently."""
    turns = [[{"message": f"{n}"}] for n in range(6)]
    async with stage(tmp_path, *turns) as here:
        assert LIVE_MAX == 4
        for number in range(5):
            await step(here.provider, request(QUESTION, session=f"s{number}"))
        assert here.pool.live == 4
        await step(here.provider, request(QUESTION, session="s1"))  # still there
        assert len(here.started()) == 5


async def test_more_sessions_queue(tmp_path: Path) -> None:
    """While every child is at work the next session waits for one of them."""
    turns = [[{"message": f"{n}"}, {"work": 0.1}] for n in range(2)]
    async with stage(tmp_path, *turns, most=1) as here:
        await asyncio.gather(
            *(step(here.provider, request(QUESTION, session=f"s{n}")) for n in range(2))
        )
        entries = here.log()
    begins = [n for n, entry in enumerate(entries) if "started" in entry]
    ends = [n for n, entry in enumerate(entries) if "ended" in entry]
    assert ends[0] < begins[1]


async def test_an_idle_child_is_ended(tmp_path: Path) -> None:
    """It goes by itself; its thread is resumed when it is needed again."""
    turns = ([{"message": "One."}], [{"message": "Two."}])
    async with stage(tmp_path, *turns, times=quick(idle_s=0.05)) as here:
        first = await step(here.provider, request(QUESTION))
        await here.until(lambda stage: any("ended" in entry for entry in stage.log()))
        more = request(QUESTION, message_of(first), UserMessage(text="more"))
        second = await step(here.provider, more)
        assert here.requests("thread/resume")[0]["threadId"] == "thr-1"
    assert PartCompleted(part=message_of(second).parts[0]) in second


async def test_another_key_is_another_child(tmp_path: Path) -> None:
    """A key that was renewed or rotated reaches the child by a fresh start."""
    async with stage(tmp_path, [{"message": "One."}], [{"message": "Two."}]) as here:
        first = await step(here.provider, request(QUESTION))
        other = Lease(label="b", headers={"Authorization": "Bearer another-key"})
        more = request(QUESTION, message_of(first), UserMessage(text="more"))
        await step(here.provider, more, other)
        assert len(here.started()) == 2
        assert here.methods().count("thread/resume") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="process groups are looked at in /proc")
async def test_the_whole_group_is_killed(tmp_path: Path) -> None:
    """Nothing that the child started in its group outlives it."""
    script = tmp_path / "codex"
    script.write_text("#!/bin/sh\nsleep 600 &\necho $! > pid\nexec sleep 600\n")
    script.chmod(0o755)
    async with stage(tmp_path, times=quick(initialize_s=0.3)) as here:
        launch = Launch(argv=(str(script),), home=tmp_path / "h", model="m")
        provider = CodexProvider(
            ORIGIN, launch=launch, pool=here.pool, directory_for=lambda session: tmp_path / "w"
        )
        with pytest.raises(StreamBroken):
            await step(provider, request(QUESTION))
    assert _is_gone(int((tmp_path / "w" / "pid").read_text()))


def _is_gone(pid: int) -> bool:
    """Whether a process has ended, also one that nobody has asked about yet."""
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().split()[2] == "Z"
