"""The Responses server against the vendor's own SDK, which the product does not use."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from aiohttp import web
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseStreamEvent, response_create_params
from pydantic import TypeAdapter

from tests.wire.openai import OpenAIServer
from tests.wire.openai.script import CallTool
from tests.wire.responses import (
    RESPONSES,
    Cut,
    Refuse,
    Reply,
    ResponsesServer,
    Say,
    Stream,
    Think,
    event,
    response_of,
    stream_of,
)
from tests.wire.responses.rules import PARAMETERS
from tests.wire.responses.script import encrypted, said
from tests.wire.responses.server import conversed

MODEL = "loopback-1"
ENCRYPTED: Any = ["reasoning.encrypted_content"]
TOOL: Any = {
    "type": "function",
    "name": "files",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
REPLIES = [
    Reply(
        items=(
            Think(summary=("I look.", "I see.")),
            Say(deltas=("Hel", "lo"), phase="commentary"),
            CallTool(name="files", arguments='{"ä": 1}', id="call_a", piece=3),
        )
    ),
    Reply(items=(Refuse(text="No."),)),
    Reply(items=(Say(deltas=("Hel",)),), reason="max_output_tokens"),
    Reply(error={"code": "server_error", "message": "boom"}),
]


@pytest.fixture
async def server() -> AsyncIterator[ResponsesServer]:
    async with ResponsesServer() as server:
        yield server


@pytest.fixture
async def client(server: ResponsesServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=server.base_url, api_key="sk-loopback", max_retries=0, timeout=60
    ) as client:
        yield client


def test_parameters_are_those_of_the_sdk() -> None:
    """The server knows exactly the parameters the SDK knows."""
    known = set(response_create_params.ResponseCreateParamsBase.__annotations__)
    assert known | {"stream"} == PARAMETERS


@pytest.mark.parametrize("reply", REPLIES, ids=["all", "refused", "cut", "failed"])
def test_every_event_is_one_the_sdk_knows(reply: Reply) -> None:
    """All events parse strictly into the vendor's models, and their numbers count up."""
    known: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    asked = {"model": MODEL, "include": ENCRYPTED, "tools": [TOOL]}
    numbers = []
    for step in stream_of(reply, asked):
        assert isinstance(step, bytes)
        name, data = step.decode().strip().split("\n")
        parsed = known.validate_python(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {parsed.type}"
        numbers.append(parsed.sequence_number)
    assert numbers == list(range(len(numbers)))
    Response.model_validate(response_of(reply, asked))


async def test_whole_reply(server: ResponsesServer, client: AsyncOpenAI) -> None:
    """A reply without streaming parses into the SDK's types."""
    server.respond(REPLIES[0])
    reply: Any = await client.responses.create(model=MODEL, input="hello", tools=[TOOL])
    assert reply.output_text == "Hello"
    assert reply.output[-1].name == "files"
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens


async def test_streamed_reply_is_accumulated_by_the_sdk(
    server: ResponsesServer, client: AsyncOpenAI
) -> None:
    """The SDK's own accumulator rebuilds text, split arguments, reasoning and usage."""
    server.respond(REPLIES[0])
    async with client.responses.stream(
        model=MODEL, input="hello", tools=[TOOL], store=False, include=ENCRYPTED
    ) as stream:
        final: Any = await stream.get_final_response()
    thought, words, call = final.output
    assert thought.encrypted_content == encrypted(MODEL, "message")
    assert words.content[0].text == "Hello"
    assert call.arguments == '{"ä": 1}'


async def test_delay_is_released_by_an_event(server: ResponsesServer, client: AsyncOpenAI) -> None:
    """A delta waits for its event, and the one before it has arrived by then."""
    gate = asyncio.Event()
    server.respond(said("one", gate, "two"))
    stream: Any = await client.responses.create(model=MODEL, input="hello", stream=True)
    texts: list[str] = []
    async for part in stream:
        if part.type == "response.output_text.delta":
            texts.append(part.delta)
            gate.set()
    assert texts == ["one", "two"]


async def test_hang_up_is_recorded(server: ResponsesServer, client: AsyncOpenAI) -> None:
    """A client that leaves during an answer is seen leaving."""
    server.respond(said("one", asyncio.Event(), "two"))
    stream: Any = await client.responses.create(model=MODEL, input="hello", stream=True)
    async for part in stream:
        if part.type == "response.output_text.delta":
            break
    await stream.close()
    await server.hung_up()


async def test_items_go_back_as_the_sdk_has_them(
    server: ResponsesServer, client: AsyncOpenAI
) -> None:
    """The documented way: the whole output and the result of its call are the next input."""
    server.respond(REPLIES[0], "Done.")
    first: Any = await client.responses.create(
        model=MODEL, input="hello", tools=[TOOL], store=False, include=ENCRYPTED
    )
    items: list[Any] = [{"role": "user", "content": "hello"}]
    items += [item.model_dump(exclude_none=True) for item in first.output]
    items.append({"type": "function_call_output", "call_id": "call_a", "output": "ok"})
    second: Any = await client.responses.create(
        model=MODEL, input=items, tools=[TOOL], store=False, include=ENCRYPTED
    )
    assert second.output_text == "Done."


def called(call_id: str = "a") -> Any:
    return {"type": "function_call", "call_id": call_id, "name": "files", "arguments": "{}"}


def output(call_id: str = "a") -> Any:
    return {"type": "function_call_output", "call_id": call_id, "output": "ok"}


def thought(before: str = "message", model: str = MODEL, **more: Any) -> Any:
    content = encrypted(model, before)
    return {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": content} | more


SAID: Any = {"role": "assistant", "content": "x"}
ASK: Any = {"role": "user", "content": "hello"}
PICTURE: Any = {"type": "input_image", "image_url": "data:image/png;base64,!", "detail": "auto"}
ITEMS: list[tuple[str, list[Any], str]] = [
    ("output without call", [ASK, output()], "No tool call found for function call output"),
    ("call without output", [ASK, called()], "No tool output found for function call a"),
    ("output before call", [ASK, output(), called()], "No tool call found"),
    ("two outputs", [ASK, called(), output(), output()], "No tool call found"),
    ("long id", [ASK, called("x" * 65), output("x" * 65)], "maximum length 64"),
    ("no id", [ASK, called("")], "Missing required parameter: 'input[1].call_id'"),
    ("widowed reasoning", [ASK, thought()], "without its required following item"),
    ("reasoning before another item", [thought(), called(), output()], "required following item"),
    ("reasoning before a person", [SAID, thought(), ASK], "required following item"),
    ("reasoning of another model", [thought(model="m"), SAID], "could not be verified"),
    ("reasoning in the clear", [thought(content=[{}]), SAID], "array too long"),
    ("reasoning without summary", [{"type": "reasoning", "id": "rs"}], "'input[0].summary'"),
    ("role", [{"role": "robot", "content": "x"}], "Invalid value: 'robot'"),
    ("no content", [{"role": "user"}], "Missing required parameter: 'input[0].content'"),
    ("no parts", [{"role": "user", "content": []}], "empty array"),
    ("type of an item", [{"type": "thing"}], "Invalid value: 'thing'"),
    (
        "type of a part",
        [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}],
        "Invalid value: 'input_text'",
    ),
    ("field of an item", [ASK | {"name": "Ann"}], "Unknown parameter: 'input[0].name'"),
    ("picture", [{"role": "user", "content": [PICTURE]}], "Expected a base64-encoded data URL"),
]


@pytest.mark.parametrize(("items", "expected"), [i[1:] for i in ITEMS], ids=[i[0] for i in ITEMS])
async def test_items_are_checked(
    server: ResponsesServer, client: AsyncOpenAI, items: list[Any], expected: str
) -> None:
    """Items the real service refuses are refused in its words, and use up no script."""
    server.respond("unused")
    with pytest.raises(openai.BadRequestError) as caught:
        await client.responses.create(model=MODEL, input=items, tools=[TOOL])
    assert expected in str(caught.value)
    assert len(server.answers) == 1


NESTED: Any = {"type": "function", "function": {"name": "files"}}


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({"frobnicate": 1}, "unknown_parameter"),
        ({"messages": []}, "unknown_parameter"),
        ({"max_tokens": 99}, "unknown_parameter"),
        ({"previous_response_id": "resp_1", "store": False}, "previous_response_not_found"),
        ({"max_output_tokens": 15}, "integer_below_min_value"),
        ({"reasoning": {"effort": "huge"}}, "invalid_value"),
        ({"include": ["thoughts"]}, "invalid_value"),
        ({"tools": [NESTED]}, "unknown_parameter"),
        ({"tools": [TOOL | {"name": "a b"}]}, "invalid_value"),
        ({"tools": [TOOL | {"strict": None}]}, "invalid_function_parameters"),
        ({"tools": [TOOL | {"parameters": {"type": "array"}}]}, "invalid_function_parameters"),
        ({"prompt_cache_key": "k" * 65}, "string_above_max_length"),
        ({"input": None}, "missing_required_parameter"),
        ({"input": "word " * 200_000}, "context_length_exceeded"),
        ({"model": "nope"}, "model_not_found"),
    ],
)
async def test_parameters_are_checked(
    server: ResponsesServer, client: AsyncOpenAI, extra: dict[str, Any], code: str
) -> None:
    """Parameters the real service refuses are refused with its code."""
    body: dict[str, Any] = {"model": MODEL, "input": [ASK]} | extra
    with pytest.raises(openai.BadRequestError) as caught:
        await client.post("/responses", body=body, cast_to=object)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "item", [{"type": "item_reference", "id": "rs"}, thought() | {"encrypted_content": ""}]
)
async def test_nothing_is_stored(client: AsyncOpenAI, item: Any) -> None:
    """An item that is only named is not found."""
    with pytest.raises(openai.NotFoundError, match="Items are not persisted"):
        await client.responses.create(model=MODEL, input=[item, SAID])


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"max_output_tokens": 99}, "Unsupported parameter: max_output_tokens"),
        ({"temperature": 1}, "Unsupported parameter: temperature"),
        ({"stream": False}, "Stream must be set to true"),
        ({"store": True}, "Store must be set to false"),
        ({"instructions": None}, "Instructions are required"),
        ({"input": "hello"}, "Input must be a list"),
    ],
)
async def test_the_codex_backend_has_rules_of_its_own(extra: dict[str, Any], words: str) -> None:
    """What ChatGPT's backend refuses, in its shape."""
    async with (
        ResponsesServer(codex=True) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="sk-loopback", max_retries=0) as client,
    ):
        body = {"model": MODEL, "instructions": "x", "input": [ASK], "store": False, "stream": True}
        with pytest.raises(openai.BadRequestError) as caught:
            await client.post("/responses", body=body | extra, cast_to=object)
        assert caught.value.response.json() == {"detail": words}
        assert [seen.status for seen in server.requests(RESPONSES)] == [400]


async def test_cut_is_an_error_to_the_sdk_too(server: ResponsesServer, client: AsyncOpenAI) -> None:
    """A body that is cut is a transport error, whoever reads it."""
    server.respond(Stream(steps=(event("response.output_text.delta", delta="x"), Cut())))
    stream: Any = await client.responses.create(model=MODEL, input="hello", stream=True)
    with pytest.raises(openai.APIConnectionError):
        [part async for part in stream]


async def test_converse_calls_the_tool_and_reads_its_result() -> None:
    """The default model echoes, calls `files` and then reads its result."""
    async with (
        ResponsesServer(default=conversed) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="sk-loopback", max_retries=0) as client,
    ):
        ask: Any = {"role": "user", "content": "list files"}
        first: Any = await client.responses.create(model=MODEL, input=[ask], tools=[TOOL])
        call = first.output[-1]
        items: list[Any] = [ask, call.model_dump(exclude_none=True), output(call.call_id)]
        second: Any = await client.responses.create(model=MODEL, input=items, tools=[TOOL])
        assert "The tool says" in second.output_text


def test_each_operation_is_performed() -> None:
    """Beside what the chat server offers there is one route, which these tests are about."""
    mine, plain = (
        {each.path for each in server.routes() if isinstance(each, web.RouteDef)}
        for server in (ResponsesServer(), OpenAIServer())
    )
    assert mine - plain == {"/v1/responses"}
