"""The model server against the vendor's own SDK, which the product does not use on this path."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from aiohttp import web
from openai import AsyncOpenAI
from openai.types.chat import completion_create_params

from tests.wire.openai import CallTool, Cut, OpenAIServer, Reply, Stream, chunk, converse, rules
from tests.wire.openai.script import stream_of

MODEL = "loopback-1"
ASK: Any = {"role": "user", "content": "hello"}
TOOL: Any = {
    "type": "function",
    "function": {"name": "files", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(models=(MODEL, "gpt-5")) as server:
        yield server


@pytest.fixture
async def client(server: OpenAIServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=server.base_url, api_key="sk-loopback", max_retries=0, timeout=60
    ) as client:
        yield client


def call(*ids: str) -> dict[str, Any]:
    """An assistant message with calls of these ids."""
    function = {"name": "files", "arguments": "{}"}
    calls = [{"id": i, "type": "function", "function": function} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(call_id: str) -> dict[str, Any]:
    """A tool message that answers `call_id`."""
    return {"role": "tool", "tool_call_id": call_id, "content": "ok"}


async def test_parameters_are_those_of_the_sdk() -> None:
    """The server knows exactly the parameters the SDK knows."""
    known = set(completion_create_params.CompletionCreateParamsBase.__annotations__)
    assert known | {"stream"} == rules.PARAMETERS


async def test_whole_reply(server: OpenAIServer, client: AsyncOpenAI) -> None:
    """A reply without streaming parses into the SDK's types."""
    server.reply(Reply(deltas=("Hello ", "there"), calls=(CallTool(name="files", arguments="{}"),)))
    reply: Any = await client.chat.completions.create(model=MODEL, messages=[ASK], tools=[TOOL])
    assert reply.choices[0].message.content == "Hello there"
    assert reply.choices[0].message.tool_calls[0].function.name == "files"
    assert reply.choices[0].finish_reason == "tool_calls"
    assert reply.usage.completion_tokens > 0


async def test_streamed_reply_is_accumulated_by_the_sdk(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    """The SDK's own accumulator rebuilds text, split arguments and usage."""
    arguments = json.dumps({"operation": "read", "path": "notes äöü.md"})
    server.reply(
        Reply(
            deltas=("Hel", "lo"),
            calls=(
                CallTool(name="files", arguments=arguments, id="call_a", piece=3),
                CallTool(name="files", arguments="{}", id="call_b"),
            ),
        )
    )
    async with client.chat.completions.stream(
        model=MODEL, messages=[ASK], tools=[TOOL], stream_options={"include_usage": True}
    ) as stream:
        final: Any = await stream.get_final_completion()
    message = final.choices[0].message
    assert message.content == "Hello"
    assert [c.id for c in message.tool_calls] == ["call_a", "call_b"]
    assert message.tool_calls[0].function.arguments == arguments
    assert final.usage.total_tokens == final.usage.prompt_tokens + final.usage.completion_tokens


async def test_usage_comes_only_when_asked_for(server: OpenAIServer, client: AsyncOpenAI) -> None:
    """Without `include_usage` no chunk carries usage."""
    server.reply("Hello")
    stream: Any = await client.chat.completions.create(model=MODEL, messages=[ASK], stream=True)
    chunks = [part async for part in stream]
    assert all(part.usage is None for part in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_delay_is_released_by_an_event(server: OpenAIServer, client: AsyncOpenAI) -> None:
    """A delta waits for its event, and the one before it has arrived by then."""
    gate = asyncio.Event()
    server.reply(Reply(deltas=("one", gate, "two")))
    stream: Any = await client.chat.completions.create(model=MODEL, messages=[ASK], stream=True)
    texts: list[str] = []
    async for part in stream:
        texts.append(part.choices[0].delta.content or "")
        if texts[-1] == "one":
            assert not gate.is_set()
            gate.set()
    assert "".join(texts) == "onetwo"


async def test_hang_up_is_recorded(server: OpenAIServer, client: AsyncOpenAI) -> None:
    """A client that leaves during an answer is seen leaving."""
    server.reply(Reply(deltas=("one", asyncio.Event(), "two")))
    stream: Any = await client.chat.completions.create(model=MODEL, messages=[ASK], stream=True)
    async for part in stream:
        if part.choices[0].delta.content == "one":
            break
    await stream.close()
    await server.hung_up()


async def test_models(server: OpenAIServer, client: AsyncOpenAI) -> None:
    """Models are listed, shown, and unknown ones refused."""
    assert [model.id async for model in client.models.list()] == [MODEL, "gpt-5"]
    assert (await client.models.retrieve(MODEL)).id == MODEL
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("nope")


async def test_transcriptions(server: OpenAIServer, client: AsyncOpenAI) -> None:
    """What was spoken comes back with its length; another form or model is refused."""
    server.spoken[b"OggS words"] = "hello there"
    told = await client.audio.transcriptions.create(
        model="whisper-1", file=("a.ogg", b"OggS words"), language="en"
    )
    assert told.text == "hello there"
    assert told.usage is not None and told.usage.type == "duration"
    for name, model in (("a.txt", "whisper-1"), ("a.ogg", "nope")):
        with pytest.raises(openai.APIStatusError):
            await client.audio.transcriptions.create(model=model, file=(name, b"OggS words"))


async def test_keys(server: OpenAIServer) -> None:
    """A wrong key is refused as the service refuses it, and not repeated in full."""
    async with AsyncOpenAI(
        base_url=server.base_url, api_key="sk-wrong-0123456789", max_retries=0
    ) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.chat.completions.create(model=MODEL, messages=[ASK])
    assert caught.value.code == "invalid_api_key"
    assert "sk-wrong-0123456789" not in str(caught.value)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([ASK, call("a"), ASK], "must be followed by tool messages"),
        ([ASK, call("a", "b"), result("a")], "did not have response messages: b"),
        ([ASK, result("a")], "must be a response to a preceeding message"),
        ([ASK, call("a"), result("a"), ASK, result("a")], "must be a response to a preceeding"),
        ([ASK, call("x" * 41), result("x" * 41)], "maximum length 40"),
        ([ASK, call()], "Invalid 'messages[1].tool_calls': empty array"),
        ([{"role": "user", "content": None}], "expected a string, got null"),
        ([{"role": "robot", "content": "x"}], "Invalid value: 'robot'"),
        ([{"role": "tool", "content": "x"}], "Missing parameter 'tool_call_id'"),
        ([], "Invalid 'messages': empty array"),
    ],
)
async def test_messages_are_checked(
    server: OpenAIServer, client: AsyncOpenAI, messages: list[Any], expected: str
) -> None:
    """Messages the real service refuses are refused in its words, and use up no script."""
    server.reply("unused")
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    assert expected in str(caught.value)
    assert len(server.script) == 1


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({"frobnicate": 1}, "unknown_parameter"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "invalid_parameter_combination"),
        ({"max_completion_tokens": 0}, "integer_below_min_value"),
        ({"tools": []}, "empty_array"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "invalid_value"),
        ({"prompt_cache_key": "k" * 65}, "string_above_max_length"),
        ({"model": "gpt-5", "max_tokens": 5}, "unsupported_parameter"),
    ],
)
async def test_parameters_are_checked(
    server: OpenAIServer, client: AsyncOpenAI, extra: dict[str, Any], code: str
) -> None:
    """Parameters the real service refuses are refused with its code."""
    body: dict[str, Any] = {"model": MODEL, "messages": [ASK]} | extra
    with pytest.raises(openai.BadRequestError) as caught:
        await client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.code == code


async def test_unknown_model_and_long_context(client: AsyncOpenAI) -> None:
    """A model that does not exist is a 404; a context beyond the window names its size."""
    with pytest.raises(openai.NotFoundError) as missing:
        await client.chat.completions.create(model="nope", messages=[ASK])
    assert missing.value.code == "model_not_found"
    long: Any = {"role": "user", "content": "word " * 200_000}
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model=MODEL, messages=[long])
    assert caught.value.code == "context_length_exceeded"


async def test_cut_is_an_error_to_the_sdk_too(server: OpenAIServer, client: AsyncOpenAI) -> None:
    """A body that is cut is a transport error, whoever reads it."""
    server.reply(Stream(steps=(chunk({"content": "Hel"}), Cut())))
    stream: Any = await client.chat.completions.create(model=MODEL, messages=[ASK], stream=True)
    with pytest.raises(openai.APIConnectionError):
        [part async for part in stream]


async def test_converse_calls_the_tool_and_remembers() -> None:
    """The default model echoes, remembers, calls `files` and then reads its result."""
    async with (
        OpenAIServer(default=converse) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="sk-loopback") as client,
    ):
        messages: list[Any] = [ASK]
        first: Any = await client.chat.completions.create(model=MODEL, messages=messages)
        text = first.choices[0].message.content
        assert "**hello**" in text
        messages += [
            {"role": "assistant", "content": text},
            {"role": "user", "content": "list files"},
        ]
        asked: Any = await client.chat.completions.create(
            model=MODEL, messages=messages, tools=[TOOL]
        )
        made = asked.choices[0].message.tool_calls[0]
        assert json.loads(made.function.arguments) == {"operation": "list", "path": "."}
        messages += [call(made.id), {**result(made.id), "content": "notes.md"}]
        last: Any = await client.chat.completions.create(model=MODEL, messages=messages)
        assert "notes.md" in last.choices[0].message.content
        assert len(server.asked) == 3


async def test_an_unscripted_request_fails_the_test(client: AsyncOpenAI) -> None:
    """Neither an unknown path nor a chat request nobody scripted passes in silence."""
    with pytest.raises(AssertionError, match="unscripted requests"):
        async with (
            OpenAIServer() as server,
            AsyncOpenAI(base_url=server.base_url, api_key="sk-loopback", max_retries=0) as other,
        ):
            with pytest.raises(openai.InternalServerError):
                await other.chat.completions.create(model=MODEL, messages=[ASK])
            with pytest.raises(openai.NotFoundError):
                await other.post("/nope", cast_to=object)
            assert len(server.unexpected) == 2


def test_a_stream_ends_as_the_service_ends_it() -> None:
    """Finish chunk, then usage without choices when asked for, then the end marker."""
    request = {"model": MODEL, "messages": [ASK], "stream_options": {"include_usage": True}}
    *_, finish, usage, done = stream_of(Reply(deltas=("x",)), request)
    assert isinstance(finish, bytes)
    assert isinstance(usage, bytes)
    assert b'"finish_reason":"stop"' in finish
    assert b'"choices":[]' in usage
    assert done == b"data: [DONE]\n\n"


PERFORMED = {
    "POST /v1/chat/completions": test_whole_reply,
    "POST /v1/audio/transcriptions": test_transcriptions,
    "GET /v1/models": test_models,
    "GET /v1/models/{model}": test_models,
}
"""Which test lets the SDK perform what the server offers."""


def test_each_operation_is_performed() -> None:
    """A new route without a test of the SDK's fails; the page for people is none of its."""
    routes = [each for each in OpenAIServer().routes() if isinstance(each, web.RouteDef)]
    assert {f"{each.method} {each.path}" for each in routes} - {"GET /"} == set(PERFORMED)
