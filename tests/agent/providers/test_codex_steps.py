"""Steps of a codex entry against a loopback child: turns, questions to people, what comes after."""

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.messages import (
    AssistantMessage,
    Message,
    Origin,
    ResultStatus,
    Summary,
    Text,
    ToolResult,
    UserMessage,
)
from agent.providers.base import (
    ModelRerouted,
    PartCompleted,
    ReasoningReceived,
    Stop,
    StreamOpened,
    TextReceived,
    UsageReported,
)
from agent.providers.codex import prelude
from agent.providers.codex.times import CodexTimes
from agent.providers.codex.tools import CommandTool, FilesTool
from agent.tools.base import CallContext, PreparedCall, ToolOutput
from tests.wire.codex.stage import (
    LEASE,
    LOGIN,
    PATIENT,
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
FILES = "item/fileChange/requestApproval"
QUESTION = UserMessage(text="make it")


def ran(item: str = "c1", command: str = "touch a", **more: Any) -> dict[str, Any]:
    """A command as it ended."""
    ended = {"status": "completed", "exitCode": 0, "aggregatedOutput": "ok\n"}
    return {
        "type": "commandExecution",
        "id": item,
        "command": command,
        "cwd": "/w",
        **ended,
        **more,
    }


def asks_for(item: str = "c1", command: str = "touch a", **more: Any) -> list[dict[str, Any]]:
    """A command that begins, is asked, and ends as it was answered."""
    return [
        {"started": ran(item, command, status="inProgress")},
        {
            "ask": COMMAND,
            "params": {"itemId": item, "command": command, "cwd": "/w", **more},
            "answers": {
                "accept": [{"finished": ran(item, command)}],
                "decline": [{"finished": ran(item, command, status="declined", exitCode=None)}],
            },
        },
    ]


async def run(here: Stage, events: list[Any], index: int = -1) -> tuple[Message, ToolOutput]:
    """Run a call of a step as the gateway does once people have allowed it."""
    message = message_of(events)
    call = message.calls[index]
    tool = FilesTool(here.pool) if call.name == "codex_files" else CommandTool(here.pool)
    prepared = tool.prepare(json.loads(call.arguments))
    assert isinstance(prepared, PreparedCall)
    output = await tool.run(prepared, CallContext(call_id=call.id, session="s1"))
    return message, output


def result(message: Message, output: ToolOutput | str, index: int = -1) -> ToolResult:
    """The result of a call: what it gave, or a refusal in these words."""
    assert isinstance(message, AssistantMessage)
    call = message.calls[index]
    status = ResultStatus.REFUSED if isinstance(output, str) else output.status
    text = output if isinstance(output, str) else output.text
    return ToolResult(call_id=call.id, name=call.name, status=status, text=text)


async def test_a_turn_from_greeting_to_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Greet, look at the account, open a thread, begin a turn, and read it to its end."""
    turn = [
        {"reasoning": "thinking"},
        {"delta": "Hel"},
        {"item": {"type": "webSearch", "id": "w", "query": "q"}},
        {"item": {"type": "contextCompaction", "id": "z"}},
        {"message": "Hello."},
        {"usage": [100, 20]},
    ]
    caplog.set_level("INFO")
    async with stage(tmp_path, turn) as here:
        events = await step(here.provider, request(QUESTION, effort="high"))
        methods = ["initialize", "initialized", "account/read", "thread/start", "turn/start"]
        assert here.methods() == methods
        (started,) = here.started()
    assert events[0] == StreamOpened(request_id="turn-1", model="gpt-test")
    assert ReasoningReceived(text="thinking") in events
    assert TextReceived(text="Hel") in events and TextReceived(text="lo.") in events
    assert PartCompleted(part=Text(text="Hello.")) in events
    assert [each.call.name for each in actions_of(events)] == ["codex_web_search"]
    assert [e.usage.input for e in events if isinstance(e, UsageReported)] == [100]
    assert stop_of(events) is Stop.DONE
    assert "codex also did: {'contextCompaction': 1}" in caplog.messages
    assert started["argv"] == ["app-server"]
    assert started["group"] == started["started"]  # it leads a group of its own
    assert started["cwd"] == str(tmp_path / "work")
    seen = {"CODEX_HOME", "GATEPOST_CODEX_KEY", "HOME", "PATH", "LC_CTYPE"}
    assert set(started["env"]) <= seen
    assert "key-of-the-test" not in (tmp_path / "home" / "config.toml").read_text()


async def test_the_limits_reach_the_wire(tmp_path: Path) -> None:
    """Read-only, no network, on request, by people: said when the thread opens and per turn."""
    async with stage(tmp_path, [{"message": "Hi."}]) as here:
        await step(here.provider, request(QUESTION, effort="low"))
        (thread,), (turn,) = here.requests("thread/start"), here.requests("turn/start")
        (greeting,) = here.requests("initialize")
    assert thread["modelProvider"] == "gatepost"
    assert thread["sandbox"] == "read-only"
    assert turn["sandboxPolicy"] == {"type": "readOnly", "networkAccess": False}
    assert turn["approvalPolicy"] == thread["approvalPolicy"] == "on-request"
    assert turn["approvalsReviewer"] == thread["approvalsReviewer"] == "user"
    assert thread["developerInstructions"] == "Be brief."
    assert turn["effort"] == "low"
    assert greeting["capabilities"] == {"experimentalApi": True}


async def test_without_a_key_the_childs_own_login_is_used(tmp_path: Path) -> None:
    """It asks its own provider, and no key is in its environment."""
    account = {"account": {"type": "chatgpt"}, "requiresOpenaiAuth": True}
    async with stage(tmp_path, [{"message": "Hi."}], account=account) as here:
        assert stop_of(await step(here.provider, request(QUESTION), LOGIN)) is Stop.DONE
        (thread,), (started,) = here.requests("thread/start"), here.started()
    assert "modelProvider" not in thread
    assert "GATEPOST_CODEX_KEY" not in started["env"]


async def test_a_turn_that_speaks_before_its_request_is_answered(tmp_path: Path) -> None:
    """Requests, answers and notifications interleave."""
    async with stage(tmp_path, [{"message": "Hi."}], early=True) as here:
        events = await step(here.provider, request(QUESTION))
    assert PartCompleted(part=Text(text="Hi.")) in events


async def test_foreign_threads_and_turns_are_ignored(tmp_path: Path) -> None:
    """Neither their words nor their ends nor their questions are this turn's."""
    item = {"type": "agentMessage", "id": "x", "text": "foreign"}
    command = {"itemId": "x", "command": "rm", "cwd": "/"}
    ended = {"id": "turn-1", "status": "completed"}
    other, older = (
        {"threadId": "other", "turnId": "turn-1"},
        {"threadId": "thr-1", "turnId": "old"},
    )
    turn = [
        {"send": {"method": "item/completed", "params": {**other, "item": item}}},
        {"send": {"method": "item/completed", "params": {**older, "item": item}}},
        {"send": {"method": "turn/completed", "params": {**other, "turn": ended}}},
        {"send": {"method": "unknown/thing", "params": {}}},
        {"send": {"id": 90, "method": COMMAND, "params": {**other, **command}}},
        {"send": {"id": 91, "method": COMMAND, "params": {**older, **command}}},
        {"send": {"id": 92, "method": "account/chatgptAuthTokens/refresh", "params": {}}},
        {"send": {"id": 93, "method": "item/tool/call", "params": {"threadId": "thr-1"}}},
        {"message": "Mine."},
    ]
    async with stage(tmp_path, turn) as here:
        events = await step(here.provider, request(QUESTION))
    answers = {each["id"]: each for each in here.answers()}
    assert [e.text for e in events if isinstance(e, TextReceived)] == ["Mine."]
    assert calls_of(events) == []
    assert set(answers) == {92, 93}
    assert {each["error"]["code"] for each in answers.values()} == {-32601}


# -- people decide


async def test_a_command_waits_for_people_and_runs_once(tmp_path: Path) -> None:
    """The step ends with a call; running it accepts that request, and the turn is read on."""
    turn = [
        {"message": "Let me."},
        *asks_for(),
        {"usage": [90, 9]},
        {"message": "Made.", "item": "m2"},
    ]
    async with stage(tmp_path, turn) as here:
        first = await step(here.provider, request(QUESTION))
        assert stop_of(first) is Stop.TOOL_CALLS
        assert here.answers() == []
        message, output = await run(here, first)
        second = await step(here.provider, request(QUESTION, message, result(message, output)))
        assert here.answers() == [{"id": 0, "result": {"decision": "accept"}}]
        assert here.methods().count("turn/start") == 1
    assert json.loads(calls_of(first)[0].arguments) == {"command": "touch a", "cwd": "/w"}
    assert output == ToolOutput(text="Exit code 0.\nok")
    assert PartCompleted(part=Text(text="Made.")) in second
    assert actions_of(second) == []
    assert stop_of(second) is Stop.DONE
    assert [e.usage.input for e in second if isinstance(e, UsageReported)] == [90]


async def test_file_changes_wait_for_people_too(tmp_path: Path) -> None:
    """They are shown by path with what changes, as the item began."""
    change = {"path": "/w/n.txt", "kind": {"type": "add"}, "diff": "hello\n"}
    item = {"type": "fileChange", "id": "p1", "changes": [change], "status": "inProgress"}
    done = {"finished": {**item, "status": "completed"}}
    turn = [
        {"started": item},
        {"ask": FILES, "params": {"itemId": "p1"}, "answers": {"accept": [done]}},
        {"message": "Changed."},
    ]
    async with stage(tmp_path, turn) as here:
        first = await step(here.provider, request(QUESTION))
        _, output = await run(here, first)
    assert json.loads(calls_of(first)[0].arguments) == {
        "changes": [{"path": "/w/n.txt", "kind": "add", "diff": "hello\n"}]
    }
    assert output == ToolOutput(text="Changed:\n/w/n.txt")


async def test_a_refusal_is_declined_and_read(tmp_path: Path) -> None:
    """The child hears no, and the words of the refusal in the middle of its turn."""
    async with stage(tmp_path, [*asks_for(), {"message": "Then not."}]) as here:
        first = await step(here.provider, request(QUESTION))
        message = message_of(first)
        denied = result(message, "Denied by Ann.")
        second = await step(here.provider, request(QUESTION, message, denied))
        assert here.answers() == [{"id": 0, "result": {"decision": "decline"}}]
        (steered,) = here.requests("turn/steer")
    assert steered["expectedTurnId"] == "turn-1"
    assert "Denied by Ann." in steered["input"][0]["text"]
    assert stop_of(second) is Stop.DONE
    assert actions_of(second) == []  # the call has its result already


async def test_questions_asked_together_are_one_step(tmp_path: Path) -> None:
    """People are interrupted once; what they allow runs, what they do not is declined."""
    both = [
        {
            "ask": COMMAND,
            "params": {"itemId": f"c{n}", "command": f"touch {n}", "cwd": "/w"},
            "answers": {
                "accept": [{"finished": ran(f"c{n}")}],
                "decline": [{"finished": ran(f"c{n}", status="declined")}],
            },
        }
        for n in (1, 2)
    ]
    async with stage(tmp_path, [{"asks": both}, {"message": "Done."}], times=PATIENT) as here:
        first = await step(here.provider, request(QUESTION))
        assert len(calls_of(first)) == 2
        message, output = await run(here, first, index=0)
        results = (result(message, output, 0), result(message, "No.", 1))
        await step(here.provider, request(QUESTION, message, *results))
        decisions = [each["result"]["decision"] for each in here.answers()]
    assert decisions == ["accept", "decline"]


async def test_what_came_meanwhile_is_said_in_the_turn(tmp_path: Path) -> None:
    """New words of people reach the open turn with turn/steer."""
    async with stage(tmp_path, [*asks_for(), {"message": "Done."}]) as here:
        first = await step(here.provider, request(QUESTION))
        message, output = await run(here, first)
        more = UserMessage(text="and b too")
        ended = request(QUESTION, message, result(message, output), more)
        await asyncio.wait_for(step(here.provider, ended), 60)
        said = [each["input"][0]["text"] for each in here.requests("turn/steer")]
        begun = [each["input"][0]["text"] for each in here.requests("turn/start")]
    # The turn may be over by then: then a further one begins with these words.
    assert "and b too" in "".join(said + begun[1:])


async def test_words_the_turn_does_not_take_begin_another(tmp_path: Path) -> None:
    """Nothing that people said is lost where a turn can't be steered."""
    refused = {"turn/steer": {"error": {"code": -32600, "message": "not steerable"}}}
    turns = ([*asks_for(), {"message": "One."}], [{"message": "Two.", "item": "m9"}])
    async with stage(tmp_path, *turns, answers=refused) as here:
        first = await step(here.provider, request(QUESTION))
        message, output = await run(here, first)
        more = UserMessage(text="and b too")
        second = await step(
            here.provider, request(QUESTION, message, result(message, output), more)
        )
        begun = [each["input"][0]["text"] for each in here.requests("turn/start")]
    assert begun[1] == "and b too"
    texts = [
        e.part.text for e in second if isinstance(e, PartCompleted) and isinstance(e.part, Text)
    ]
    assert "".join(texts).replace("\n", "") == "One.Two."
    assert stop_of(second) is Stop.DONE


async def test_unknown_contents_and_permissions_are_told(tmp_path: Path) -> None:
    """Nothing is declined in silence: the model has a result, the chat a line."""
    permission = {"itemId": "p", "permissions": {"network": {"enabled": True}}}
    turn = [
        {"ask": "item/permissions/requestApproval", "params": permission},
        {"ask": COMMAND, "params": {"itemId": "c1"}, "answers": {"decline": []}},
        {"message": "Fine."},
    ]
    async with stage(tmp_path, turn) as here:
        events = await step(here.provider, request(QUESTION))
        answers = [each["result"] for each in here.answers()]
    assert answers == [{"permissions": {}, "scope": "turn"}, {"decision": "decline"}]
    assert [each.status for each in actions_of(events)] == [ResultStatus.REFUSED] * 2
    shown = "".join(e.text for e in events if isinstance(e, TextReceived))
    assert "it was given none" in shown and "it was declined" in shown
    assert stop_of(events) is Stop.DONE


async def test_a_question_of_the_agent_goes_to_people(tmp_path: Path) -> None:
    """Their words come back to it as the answer, without who gave it."""
    asked = {"id": "q", "question": "Which?", "options": [{"label": "A"}, {"label": "B"}]}
    turn = [
        {"ask": "item/tool/requestUserInput", "params": {"itemId": "i", "questions": [asked]}},
        {"message": "B it is."},
    ]
    async with stage(tmp_path, turn) as here:
        first = await step(here.provider, request(QUESTION))
        (call,) = calls_of(first)
        assert call.name == "codex_question"
        message = message_of(first)
        answered = ToolResult(
            call_id=message.calls[0].id,
            name=call.name,
            status=ResultStatus.DONE,
            text="Ann answered: B",
        )
        second = await step(here.provider, request(QUESTION, message, answered))
        assert here.answers() == [{"id": 0, "result": {"answers": {"q": {"answers": ["B"]}}}}]
    assert stop_of(second) is Stop.DONE


async def test_an_action_that_asks_again_does_not_block(tmp_path: Path) -> None:
    """A further question for the same action ends the run of the first call."""
    params = {"itemId": "c1", "command": "touch a", "cwd": "/w"}
    again = {
        "ask": COMMAND,
        "params": {**params, "additionalPermissions": {"network": {"enabled": True}}},
    }
    turn = [
        {"ask": COMMAND, "params": params, "answers": {"accept": [again]}},
        {"message": "Done."},
    ]
    async with stage(tmp_path, turn) as here:
        first = await step(here.provider, request(QUESTION))
        message, output = await run(here, first)
        assert "asks for something further" in output.text
        second = await step(here.provider, request(QUESTION, message, result(message, output)))
        (call,) = calls_of(second)
    assert json.loads(call.arguments)["permissions"] == {"network": {"enabled": True}}


# -- later


async def gone(here: Stage) -> None:
    """The child of the session ends, as after its idle time."""
    await here.provider.reset()
    assert here.pool.live == 0


async def test_an_approval_after_the_child_is_gone_is_asked_for_again(tmp_path: Path) -> None:
    """The request is cancelled; the next turn resumes the thread, is told, and runs nothing."""
    again = [*asks_for("c7"), {"message": "Done."}]
    async with stage(tmp_path, asks_for(), again) as here:
        first = await step(here.provider, request(QUESTION))
        await gone(here)
        message, output = await run(here, first)
        assert output.status is ResultStatus.NOT_RUN
        assert output.text.startswith(prelude.LATER)
        second = await step(here.provider, request(QUESTION, message, result(message, output)))
        words = [each["result"]["decision"] for each in here.answers()]
        resumed, (_, turn) = here.requests("thread/resume"), here.requests("turn/start")
    assert words == ["cancel"]
    assert resumed[0]["threadId"] == "thr-1"
    assert "touch a" in turn["input"][0]["text"] and prelude.LATER in turn["input"][0]["text"]
    assert stop_of(second) is Stop.TOOL_CALLS
    assert [call.arguments for call in calls_of(second)] == [
        call.arguments for call in calls_of(first)
    ]


async def test_an_open_question_is_cancelled_in_time(tmp_path: Path) -> None:
    """After `open_ask_s` it is closed; a later approval runs nothing, and is asked for again."""
    times = replace(QUICK, open_ask_s=0.05)
    async with stage(tmp_path, asks_for(), asks_for("c9"), times=times) as here:
        first = await step(here.provider, request(QUESTION))
        await here.until(lambda stage: bool(stage.answers()))
        assert here.answers()[0]["result"] == {"decision": "cancel"}
        message, output = await run(here, first)
        assert output.status is ResultStatus.NOT_RUN
        assert here.pool.live == 1
        second = await step(here.provider, request(QUESTION, message, result(message, output)))
    assert [call.arguments for call in calls_of(second)] == [
        call.arguments for call in calls_of(first)
    ]


# -- what the thread knows


async def test_turns_of_others_are_told(tmp_path: Path) -> None:
    """What another provider served stands in the background of the next turn."""
    async with stage(tmp_path, [{"message": "One."}], [{"message": "Three."}]) as here:
        first = await step(here.provider, request(QUESTION))
        other = AssistantMessage(
            parts=(Text(text="Two."),), origin=Origin(provider="p", endpoint="e", model="m")
        )
        history = (QUESTION, message_of(first), UserMessage(text="q2"), other)
        await step(here.provider, request(*history, UserMessage(text="q3")))
        text = here.requests("turn/start")[1]["input"][0]["text"]
    assert "User: q2" in text and "Assistant: Two." in text and "One." not in text
    assert text.endswith("q3")


async def test_a_thread_that_is_lost_is_told_everything(tmp_path: Path) -> None:
    """Where the stored thread can't be resumed, a new one gets the whole chat."""
    async with stage(tmp_path, [{"message": "One."}], [{"message": "Two."}]) as here:
        first = await step(here.provider, request(QUESTION))
        await gone(here)
        (tmp_path / "home" / "threads.json").write_text('{"x": {}, "y": {}}')
        history = (QUESTION, message_of(first), UserMessage(text="q2"))
        await step(here.provider, request(*history))
        assert here.methods().count("thread/start") == 2
        text = here.requests("turn/start")[1]["input"][0]["text"]
    assert "User: make it" in text and "Assistant: One." in text


@pytest.mark.parametrize(
    ("version", "method", "params"),
    [
        ("0.125.0", "thread/rollback", {"threadId": "thr-1", "numTurns": 1}),
        ("0.169.0", "thread/revert", {"threadId": "thr-1", "beforeTurnId": "turn-2"}),
    ],
)
@pytest.mark.parametrize("resumed", [False, True])
async def test_what_was_undone_is_taken_back(
    tmp_path: Path, version: str, method: str, params: dict[str, Any], resumed: bool
) -> None:
    """Turns that stand nowhere in the transcript are rolled back, spelled by version."""
    turns = ([{"message": "One."}], [{"message": "Two."}], [{"message": "Three."}])
    async with stage(tmp_path, *turns, version=version) as here:
        first = await step(here.provider, request(QUESTION))
        history = (QUESTION, message_of(first))
        await step(here.provider, request(*history, UserMessage(text="q2")))
        if resumed:
            await gone(here)
        await step(here.provider, request(*history, UserMessage(text="q3")))
        assert here.requests(method) == [params]
        text = here.requests("turn/start")[2]["input"][0]["text"]
    assert text == "q3"


async def test_a_chat_begun_anew_gets_a_new_thread(tmp_path: Path) -> None:
    """Without a mark in the transcript nothing of the old thread goes on."""
    turns = ([{"message": "One."}], [{"message": "Two."}], [{"message": "Three."}])
    async with stage(tmp_path, *turns) as here:
        first = await step(here.provider, request(QUESTION))
        await step(here.provider, request(QUESTION, message_of(first), UserMessage(text="q2")))
        await step(here.provider, request(UserMessage(text="fresh")))
        assert here.methods().count("thread/start") == 2


async def test_a_folded_chat_has_the_thread_folded(tmp_path: Path) -> None:
    """A new summary in front of the chat is thread/compact/start, once."""
    turns = ([{"message": "One."}], [{"message": "Two."}], [{"message": "Three."}])
    async with stage(tmp_path, *turns) as here:
        first = await step(here.provider, request(QUESTION))
        history: list[Message] = [Summary(text="so far"), QUESTION, message_of(first)]
        history.append(UserMessage(text="q2"))
        second = await step(here.provider, request(*history))
        assert here.methods().count("thread/compact/start") == 1
        history += [message_of(second), UserMessage(text="q3")]
        await step(here.provider, request(*history))
        assert here.methods().count("thread/compact/start") == 1
        assert here.methods().count("thread/start") == 1


async def test_a_reroute_names_the_model_that_is_paid_for(tmp_path: Path) -> None:
    """An event of its own tells it."""
    turn = [
        {"say": "model/rerouted", "params": {"fromModel": "gpt-test", "toModel": "gpt-dear"}},
        {"message": "Hi."},
    ]
    async with stage(tmp_path, turn) as here:
        events = await step(here.provider, request(QUESTION))
    assert ModelRerouted(model="gpt-dear") in events


# -- stopping


async def test_a_stop_interrupts_the_turn(tmp_path: Path) -> None:
    """Closing the stream is turn/interrupt; the child and its thread go on."""
    turns = ([{"delta": "Well"}, {"silence": True}], [{"message": "Again."}])
    async with stage(tmp_path, *turns) as here:
        async with aclosing(here.provider.stream(request(QUESTION), LEASE)) as events:
            async for event in events:
                if isinstance(event, TextReceived):
                    break
        again = await step(here.provider, request(QUESTION))
        assert here.methods().count("turn/interrupt") == 1
        assert here.methods().count("thread/start") == 1
        assert len(here.started()) == 1
    assert stop_of(again) is Stop.DONE


async def test_a_child_that_does_not_let_go_is_killed(tmp_path: Path) -> None:
    """After `interrupt_s` it is killed, and the next step begins with another."""
    times = replace(QUICK, interrupt_s=0.05)
    turns = ([{"delta": "Well"}, {"silence": True}], [{"message": "Again."}])
    async with stage(tmp_path, *turns, times=times, deaf=True) as here:
        async with aclosing(here.provider.stream(request(QUESTION), LEASE)) as events:
            async for event in events:
                if isinstance(event, TextReceived):
                    break
        await step(here.provider, request(QUESTION))
        assert len(here.started()) == 2


def test_the_numbers_are_those_of_the_design() -> None:
    """Every bound of the child, in seconds."""
    times = CodexTimes()
    assert (times.initialize_s, times.thread_s, times.turn_s) == (10, 15, 10)
    assert (times.interrupt_s, times.open_ask_s) == (5, 120)
    assert (times.turn_limit_s, times.after_tool_s, times.silence_s) == (600, 90, 180)
    assert times.idle_s == 300
    assert QUICK.turn_limit_s == times.turn_limit_s
