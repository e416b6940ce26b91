"""Other wires under the whole gateway: thinking, a tool, a restart, and the past sent back.

The servers refuse what the vendors' do: thinking that was changed or left out where it has to
stand, items out of order, calls without results.
"""

from pathlib import Path
from typing import Any

from tests.scenarios.stage import INCLUDED, KEY, MODEL, Stage
from tests.scenarios.terminal import TerminalSurface
from tests.wire import anthropic, responses
from tests.wire.anthropic.server import AnthropicServer
from tests.wire.openai.script import CallTool
from tests.wire.responses.server import ResponsesServer

LIST = '{"operation": "list"}'
QUESTIONS = ("What is here?", "And now?", "Once more?")
ANSWERS = ("Nothing is here.", "Still nothing.", "As before.")


def provider(api: str, base_url: str, model: str, more: str = "") -> str:
    """A provider on loopback, as TOML."""
    return f"""
[[providers]]
name = "other"
api = "{api}"
base_url = "{base_url}"
model = "{model}"
api_key = "{KEY}"
{INCLUDED}
{more}
"""


async def converse(stage: Stage) -> None:
    """Three turns with a restart of the gateway between them; nobody else is ever asked."""
    async with stage:
        for question, answer in zip(QUESTIONS, ANSWERS, strict=True):
            await stage.surface.say(question)
            await stage.sees(answer)
            if question is QUESTIONS[0]:
                await stage.halt()
                await stage.start()
        assert stage.surface.shown() == list(ANSWERS)
        assert stage.model.asked == []


def thoughts(messages: list[Any]) -> int:
    """How many blocks of thinking a request holds."""
    blocks = [block for m in messages if isinstance(m["content"], list) for block in m["content"]]
    return sum(block["type"] == "thinking" for block in blocks)


async def test_anthropic_messages(tmp_path: Path) -> None:
    """The thinking before a call goes back with its signature, also after the restart."""
    async with AnthropicServer(key=KEY) as server:
        think = anthropic.Think(text="I should look.")
        server.reply(
            anthropic.Reply(blocks=(think, anthropic.Use(name="files", input=LIST))), *ANSWERS
        )
        more = 'thinking = "budget"\neffort = "high"'
        first = provider("anthropic-messages", server.url, "claude-sonnet-4-5", more)
        await converse(Stage(TerminalSurface(), path=tmp_path, first=first))
        assert [thoughts(body["messages"]) for body in server.asked] == [0, 1, 1, 1]


async def test_openai_responses(tmp_path: Path) -> None:
    """The reasoning item stands before the call it led to, also after the restart."""
    async with ResponsesServer(key=KEY) as server:
        call = CallTool(name="files", arguments=LIST)
        server.respond(responses.Reply(items=(responses.Think(), call)), *ANSWERS)
        first = provider("openai-responses", server.base_url, MODEL)
        await converse(Stage(TerminalSurface(), path=tmp_path, first=first))
        kinds = [[item.get("type", "message") for item in body["input"]] for body in server.asked]
        assert all(kind[1:3] == ["reasoning", "function_call"] for kind in kinds[1:])
