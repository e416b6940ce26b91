"""The transcript as input items: rules of the API, reasoning in its place, stable bytes."""

import base64
import json
from typing import Any

import orjson
import pytest

from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Note,
    Origin,
    Part,
    PartialReply,
    ProviderPart,
    ResultStatus,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.providers.base import AS_IT_IS, Adjustments, ModelRequest, ToolSpec
from agent.providers.openai_responses import ResponsesEndpoint
from agent.providers.openai_responses.items import PHASE, REASONING
from agent.providers.openai_responses.request import RequestEncoder
from tests.agent.providers.pictures import noisy, sent_sides
from tests.wire.responses.script import encrypted

HERE = Origin(provider="main", endpoint="http://h/v1", model="loopback-1")
THERE = Origin(provider="other", endpoint="http://o/v1", model="m")
FILES = ToolSpec(
    name="files",
    description="Files.",
    parameters={
        "type": "object",
        "properties": {"path": {"type": "string", "pattern": "^/", "format": "path"}},
    },
)
PNG = Media(mime="image/png", data=b"\x89PNG\r\n\x1a\n" + bytes(8), name="a.png")
PDF = Media(mime="application/pdf", data=b"%PDF", name="b.pdf")
Json = dict[str, Any]


def encoder(**kwargs: Any) -> RequestEncoder:
    options: Json = {"origin": HERE, "omit": frozenset(), "cache_key": False, "stream_only": False}
    return RequestEncoder(**(options | kwargs))


def request(*messages: Message, **kwargs: Any) -> ModelRequest:
    options: Json = {"system": "", "tools": (), "max_output_tokens": None} | kwargs
    return ModelRequest(messages=messages, **options)


def body_of(asked: ModelRequest, **kwargs: Any) -> Json:
    body: Json = orjson.loads(encoder(**kwargs).encode(asked))
    return body


def rendered(*messages: Message, **adjusted: Any) -> list[Json]:
    adjustments = Adjustments(**adjusted) if adjusted else AS_IT_IS
    items: list[Json] = body_of(request(*messages, adjustments=adjustments))["input"]
    return items


def said(*parts: Part | str, origin: Origin = HERE) -> AssistantMessage:
    whole = tuple(Text(text=part) if isinstance(part, str) else part for part in parts)
    return AssistantMessage(parts=whole, origin=origin)


def call(own_id: str, provider_id: str = "", arguments: str = "{}") -> ToolCall:
    return ToolCall(id=own_id, name="files", arguments=arguments, provider_id=provider_id)


def result(call_id: str, text: str = "ok", *media: Media) -> ToolResult:
    return ToolResult(
        call_id=call_id, name="files", status=ResultStatus.DONE, text=text, media=media
    )


def user(text: str, author: str = "", *media: Media) -> UserMessage:
    return UserMessage(text=text, author=author, media=media)


def thought(before: str, item_id: str = "rs_1", origin: Origin = HERE) -> ProviderPart:
    """A reasoning item that led to what `before` names."""
    content = encrypted(origin.model, before)
    item = {"type": "reasoning", "id": item_id, "summary": [], "encrypted_content": content}
    return ProviderPart(origin=origin, shape=REASONING, payload=json.dumps(item).encode())


def phase(words: str, origin: Origin = HERE) -> ProviderPart:
    return ProviderPart(origin=origin, shape=PHASE, payload=words.encode())


CALLED = "function_call files"


def test_a_plain_request() -> None:
    """Model, instructions, input; nothing is stored, thoughts come encrypted, the reply streams."""
    assert body_of(request(user("hello"), system="Be kind.")) == {
        "model": "loopback-1",
        "instructions": "Be kind.",
        "input": [{"role": "user", "content": "hello"}],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "stream": True,
    }


def test_everything_that_can_be_asked_for() -> None:
    """The cap, an effort, flat tools that are not strict; the session is only hashed."""
    asked = request(
        user("x"),
        tools=(FILES,),
        max_output_tokens=99,
        session="telegram:42",
        adjustments=Adjustments(effort="high"),
    )
    body = body_of(asked, cache_key=True)
    assert body["max_output_tokens"] == 99
    assert body["reasoning"] == {"effort": "high"}
    assert body["tools"] == [
        {
            "type": "function",
            "name": "files",
            "description": "Files.",
            "parameters": FILES.parameters,
            "strict": False,
        }
    ]
    assert len(body["prompt_cache_key"]) == 32
    assert "telegram" not in str(body)
    assert "previous_response_id" not in body


def test_what_the_endpoint_refuses_is_left_out() -> None:
    """The omit set takes out fields of any name."""
    asked = request(user("x"), max_output_tokens=99, adjustments=Adjustments(effort="low"))
    omit = frozenset({"max_output_tokens", "reasoning", "include", "temperature"})
    assert set(body_of(asked, omit=omit)) == {"model", "input", "store", "stream"}


def test_the_codex_backend_is_known_by_its_address() -> None:
    """Nobody has to configure what it refuses."""
    codex = ResponsesEndpoint(
        name="c",
        base_url="https://chatgpt.com/backend-api/codex",
        model="m",
        omit=frozenset({"include"}),
    )
    assert codex.omitted >= {"max_output_tokens", "temperature", "include"}
    other = ResponsesEndpoint(name="o", base_url="https://api.openai.com/v1", model="m")
    assert other.omitted == frozenset()


@pytest.mark.parametrize(
    ("adjusted", "stream_only", "streams"),
    [
        ({}, False, True),
        ({"stream": False}, False, False),
        ({"plain": True}, False, False),
        ({}, True, True),
        ({"stream": False}, True, True),
        ({"plain": True}, True, True),
    ],
)
def test_streaming(adjusted: Json, stream_only: bool, streams: bool) -> None:
    """A plain request is not streamed, except where the backend insists on it."""
    asked = request(user("x"), adjustments=Adjustments(**adjusted))
    assert body_of(asked, stream_only=stream_only)["stream"] is streams


@pytest.mark.parametrize(
    ("adjusted", "reasoning"),
    [
        ({"effort": None}, None),
        ({"effort": "none"}, {"effort": "none"}),
        ({"effort": "max"}, {"effort": "max"}),
        ({"effort": "max", "thinking": False}, {"effort": "none"}),
        ({"thinking": False}, None),
    ],
)
def test_effort(adjusted: Json, reasoning: Json | None) -> None:
    """Nothing is said of effort unless it is set; thinking off is the effort none."""
    asked = request(user("x"), adjustments=Adjustments(**adjusted))
    assert body_of(asked).get("reasoning") == reasoning


def test_keywords_are_stripped_where_asked() -> None:
    """`pattern` and `format` go, and come back with the next request that may have them."""
    coder = encoder()
    for keywords in (True, False, True):
        asked = request(user("x"), tools=(FILES,), adjustments=Adjustments(keywords=keywords))
        properties = orjson.loads(coder.encode(asked))["tools"][0]["parameters"]["properties"]
        assert ("pattern" in properties["path"]) is keywords


def test_neighbours_of_one_role_become_one_message() -> None:
    """Words of people, notes and summaries join; speakers are named on one line."""
    items = rendered(
        Summary(text="s"), user("a", "Ann\nB."), Note(text="n"), said("c"), PartialReply(text="d")
    )
    assert items == [
        {
            "role": "user",
            "content": "[Summary of what was said before: s]\n\nAnn B.: a\n\n"
            "[Note from the gateway, not from a person: n]",
        },
        {"role": "assistant", "content": "c\n\nd"},
    ]


def test_empty_words_are_left_out() -> None:
    """Empty messages go, and what they kept apart comes together."""
    foreign = said(thought("message", origin=THERE), " ", origin=THERE)
    assert rendered(user("a"), PartialReply(text=" "), foreign, user(""), user("b", "Ann")) == [
        {"role": "user", "content": "a\n\nAnn: b"}
    ]


def test_calls_and_results() -> None:
    """Calls keep their order, results are not merged with anything, empty output has words."""
    items = rendered(
        user("a"), said("look", call("c1"), call("c2", "", "{cut")), result("c1"), result("c2", "")
    )
    assert items[1:] == [
        {"role": "assistant", "content": "look"},
        {"type": "function_call", "call_id": "c1", "name": "files", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "files", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "ok"},
        {"type": "function_call_output", "call_id": "c2", "output": "(no output)"},
    ]


@pytest.mark.parametrize(
    ("origin", "provider_ids", "expected"),
    [
        (HERE, ("p1", "p2"), ["p1", "p2"]),
        (THERE, ("p1", "p2"), ["c1", "c2"]),
        (HERE, ("p1", "p1"), ["c1", "c2"]),
        (HERE, ("p1", ""), ["c1", "c2"]),
        (HERE, ("p0", "p1"), ["c1", "c2"]),
    ],
    ids=["its own", "foreign", "not distinct", "missing", "used before"],
)
def test_provider_ids_return_to_their_origin_only(
    origin: Origin, provider_ids: tuple[str, str], expected: list[str]
) -> None:
    """A provider sees its own ids if they can be told apart, every other one sees ours."""
    calls = [call(f"c{n}", i) for n, i in enumerate(provider_ids, 1)]
    items = rendered(
        user("a"),
        said(call("c0", "p0")),
        result("c0"),
        said(*calls, origin=origin),
        result("c1"),
        result("c2"),
    )
    assert [item["call_id"] for item in items[1:]] == ["p0", "p0", *expected, *expected]


def test_our_ids_are_rendered_as_the_wire_takes_them() -> None:
    """An id that is too long or has other letters becomes a stable one."""
    for own in ("c" * 65, "turn:1/call:2"):
        items = rendered(user("a"), said(call(own)), result(own))
        assert items[1]["call_id"] == items[2]["call_id"] != own
        assert len(items[1]["call_id"]) <= 64
        assert items == rendered(user("a"), said(call(own)), result(own))


def test_reasoning_goes_back_whole_and_before_what_it_led_to() -> None:
    """Every item stands byte for byte at its place, and nothing joins what follows it."""
    first, second = thought("message", "rs_1"), thought(CALLED, "rs_2")
    body = encoder().encode(
        request(user("a"), said(first, "Look.", second, call("c1")), result("c1"), user("b"))
    )
    assert first.payload in body
    assert second.payload in body
    items = orjson.loads(body)["input"]
    kinds = [item.get("id") or item.get("type") or item["role"] for item in items]
    assert kinds == [
        *("user", "rs_1", "assistant", "rs_2", "function_call", "function_call_output", "user"),
    ]
    items = rendered(user("a"), said(first, "Look."), PartialReply(text="more"))
    assert [item.get("content") for item in items] == ["a", None, "Look.", "more"]


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        ((thought("message", "rs_1"), "x"), ["rs_1"]),
        ((thought("reasoning", "rs_1"), thought("message", "rs_2"), "x"), ["rs_1", "rs_2"]),
        (("x", thought("message")), []),
        ((thought("message"), " "), []),
        ((thought("message"), " ", thought(CALLED, "rs_2"), call("c1")), ["rs_2"]),
        ((thought("message", origin=THERE), "x"), []),
        (
            (
                ProviderPart(origin=HERE, shape="thinking", payload=b"{}"),
                "x",
            ),
            [],
        ),
    ],
    ids=["its own", "two", "at the end", "before nothing", "of two", "foreign", "unknown shape"],
)
def test_only_own_reasoning_with_its_follower_goes_back(
    parts: tuple[Part | str, ...], kept: list[str]
) -> None:
    """What is foreign or widowed is left out."""
    items = rendered(user("a"), said(*parts), *(result(p.id) for p in said(*parts).calls))
    assert [item["id"] for item in items if item.get("type") == "reasoning"] == kept


def test_another_model_of_the_endpoint_is_another_origin() -> None:
    """Reasoning of one model is not shown to its neighbour."""
    other = Origin(provider=HERE.provider, endpoint=HERE.endpoint, model="loopback-2")
    items = rendered(user("a"), said(thought("message", origin=other), "x", origin=other))
    assert [item.get("type") for item in items] == [None, None]


@pytest.mark.parametrize(
    ("adjusted", "reasoned", "phased", "included"),
    [
        ({}, True, True, True),
        ({"replay": False}, False, False, False),
        ({"thinking": False}, False, True, True),
    ],
)
def test_replay_can_be_turned_off(
    adjusted: Json, reasoned: bool, phased: bool, included: bool
) -> None:
    """Without replay nothing of the provider's own goes back or is asked for."""
    message = said(thought("message"), phase("commentary"), "x")
    body = body_of(request(user("a"), message, adjustments=Adjustments(**adjusted)))
    assert any(item.get("type") == "reasoning" for item in body["input"]) is reasoned
    assert ("phase" in body["input"][-1]) is phased
    assert ("include" in body) is included
    assert body["input"][-1]["content"] == "x"


def test_a_phase_belongs_to_its_words() -> None:
    """Commentary stays commentary, and the answer after it is none."""
    items = rendered(user("a"), said(phase("commentary"), "Look.", phase("final_answer"), "It is."))
    assert items[1:] == [
        {"role": "assistant", "content": "Look.", "phase": "commentary"},
        {"role": "assistant", "content": "It is.", "phase": "final_answer"},
    ]


def test_pictures_and_files() -> None:
    """A picture is sent as it is, a file becomes a line, words stay around them."""
    (item,) = rendered(user("see", "", PNG, PDF), user("and?"))
    url = "data:image/png;base64," + base64.b64encode(PNG.data).decode()
    words = item["content"][2]["text"]
    assert item["content"][:2] == [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "detail": "auto", "image_url": url},
    ]
    assert "b.pdf" in words
    assert words.endswith("\n\nand?")


@pytest.mark.parametrize(
    ("adjusted", "in_words", "in_result"),
    [
        ({}, True, True),
        ({"tool_media": False}, True, False),
        ({"media": False}, False, False),
        ({"image_bytes": 4}, False, False),
    ],
)
def test_pictures_can_be_turned_off(adjusted: Json, in_words: bool, in_result: bool) -> None:
    """Where a picture may not go, a line of text stands in its place."""
    messages = (user("see", "", PNG), said(call("c1")), result("c1", "ok", PNG))
    items = rendered(*messages, **adjusted)
    for found, expected in ((items[0]["content"], in_words), (items[2]["output"], in_result)):
        if expected:
            assert [part["type"] for part in found] == ["input_text", "input_image"]
        else:
            assert "a.png" in found
    bare = rendered(user("see"), said(call("c1")), result("c1", "", PNG))
    assert [part["type"] for part in bare[2]["output"]] == ["input_image"]


def test_pictures_that_are_too_large_are_made_smaller() -> None:
    """In messages and in results; their type goes with them."""
    large = noisy(200, 100)
    messages = (user("see", "", large), said(call("c1")), result("c1", "ok", large))
    items = rendered(*messages, image_bytes=40_000)
    for parts in (items[0]["content"], items[2]["output"]):
        head, _, encoded = parts[1]["image_url"].partition(",")
        assert head == "data:image/jpeg;base64"
        assert len(encoded) <= 40_000
        assert sent_sides(encoded) == ("JPEG", (200, 100))


def test_what_json_cannot_hold_is_refused() -> None:
    """A lone surrogate is our fault and never sent."""
    with pytest.raises(TypeError):
        encoder().encode(request(user("\ud800")))


def test_a_changed_past_is_encoded_again() -> None:
    """A session whose past was undone or compacted is not answered from memory."""
    coder = encoder()
    coder.encode(request(user("a"), said("b"), user("c"), session="s"))
    changed = request(user("a"), said("B"), user("c"), session="s")
    assert coder.encode(changed) == encoder().encode(changed)


def test_sessions_do_not_mix() -> None:
    """Two sessions with one encoder give what two encoders give."""
    coder = encoder()
    for text in ("a", "b", "c"):
        for session in ("one", "two"):
            part = request(user(session), said(text), user(text), session=session)
            assert coder.encode(part) == encoder().encode(part)
