"""The offline demonstration."""

import re
from typing import Any

import orjson
import pytest

from agent.credentials import Lease
from agent.messages import (
    AssistantMessage,
    Message,
    Part,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.base import (
    ModelRequest,
    PartCompleted,
    Stop,
    StreamCompleted,
    StreamEvent,
    TextReceived,
    ToolSpec,
)
from agent.providers.demo import ORIGIN, Demo

LEASE = Lease(label="demo", headers={})
FILES = ToolSpec(name="files", description="Files.", parameters={"type": "object"})


async def play(*messages: Message, tools: tuple[ToolSpec, ...] = (FILES,)) -> list[StreamEvent]:
    """All events of one answer, and that every pause between deltas was awaited."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    request = ModelRequest(system="", messages=messages, tools=tools, max_output_tokens=None)
    events = [event async for event in Demo(pause=pause).stream(request, LEASE)]
    assert len(pauses) == sum(isinstance(event, TextReceived) for event in events)
    assert sum(pauses) <= 6.01
    return events


def parts(events: list[StreamEvent]) -> list[Part]:
    return [event.part for event in events if isinstance(event, PartCompleted)]


def user(text: str) -> UserMessage:
    return UserMessage(text=text)


@pytest.mark.parametrize("text", ["hello", "list files", "read notes.md", "long", "help", ""])
async def test_every_answer_says_what_it_is(text: str) -> None:
    """Each answer names itself a demonstration, streams its words and ends with its marker."""
    events = await play(user(text))
    shown = "".join(event.text for event in events if isinstance(event, TextReceived))
    assert "scripted offline demonstration" in shown
    assert parts(events)[0] == Text(text=shown)
    assert isinstance(events[-1], StreamCompleted)


async def test_it_remembers_what_was_said_before() -> None:
    """The message before this one is in the answer."""
    before = AssistantMessage(parts=(Text(text="x"),), origin=ORIGIN)
    (answer,) = parts(await play(user("my name is Ann"), before, user("and now?")))
    assert isinstance(answer, Text)
    assert "> my name is Ann" in answer.text
    assert "> and now?" in answer.text


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("list files", {"operation": "list"}),
        ("Which files are there?", {"operation": "list"}),
        ("please read notes.md", {"operation": "read", "path": "notes.md"}),
        ("read the file `a/b.txt`.", {"operation": "read", "path": "a/b.txt"}),
    ],
)
async def test_it_calls_the_tool(text: str, arguments: dict[str, Any]) -> None:
    """Asked for files it calls the tool, and stops for it."""
    events = await play(user(text))
    call = parts(events)[1]
    assert isinstance(call, ToolCall)
    assert orjson.loads(call.arguments) == arguments
    assert events[-1] == StreamCompleted(stop=Stop.TOOL_CALLS)


async def test_without_the_tool_it_only_talks() -> None:
    """No call is made to a tool that is not there."""
    assert (await play(user("list files"), tools=()))[-1] == StreamCompleted(stop=Stop.DONE)


async def test_it_shows_a_tool_result_safely() -> None:
    """A result is shown in a code block that nothing in it can end."""
    call = ToolCall(id="c1", name="files", arguments="{}")
    asked = AssistantMessage(parts=(call,), origin=ORIGIN)
    text = "notes.md\n```\n# not a heading"
    result = ToolResult(call_id="c1", name="files", status=ResultStatus.DONE, text=text)
    (answer,) = parts(await play(user("list files"), asked, result))
    assert isinstance(answer, Text)
    assert f"````\n{text}\n````" in answer.text


async def test_an_empty_workspace_is_explained() -> None:
    """Nobody is left with "(empty)"."""
    call = ToolCall(id="c1", name="files", arguments="{}")
    asked = AssistantMessage(parts=(call,), origin=ORIGIN)
    result = ToolResult(call_id="c1", name="files", status=ResultStatus.DONE, text="(empty)")
    (answer,) = parts(await play(user("list files"), asked, result))
    assert isinstance(answer, Text)
    assert "Put a text file into it" in answer.text


@pytest.mark.parametrize("text", ["What can you do?", "what do you do", "Help"])
async def test_it_says_what_there_is_to_try(text: str) -> None:
    """Asked what it can do, it answers with a table to try and the lines that bring a model."""
    (answer,) = parts(await play(user(text)))
    assert isinstance(answer, Text)
    assert "| List the files in the workspace. |" in answer.text
    assert 'api_key = "${OPENAI_API_KEY}"' in answer.text


async def test_the_long_answer_is_longer_than_any_message() -> None:
    """It does not fit into one message anywhere, and its code fences are closed."""
    (answer,) = parts(await play(user("a long one please")))
    assert isinstance(answer, Text)
    assert len(answer.text) > 2 * 4096
    assert len(re.findall(r"^```", answer.text, re.MULTILINE)) % 2 == 0
