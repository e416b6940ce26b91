"""Requests that differ: pictures, thoughts that go back, heals, what endpoints want."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from agent.messages import (
    AssistantMessage,
    Media,
    PartialReply,
    ProviderPart,
    Summary,
    Text,
    ToolCall,
    UserMessage,
)
from agent.providers.base import AS_IT_IS, Adjustments, ToolSpec
from agent.providers.openai_chat import ChatEndpoint
from agent.providers.openai_chat.form import ChatForm, form_for
from tests.agent.providers.chat_transcripts import (
    FILES,
    HERE,
    PICTURE,
    PNG,
    THERE,
    call,
    encoder,
    rendered,
    request,
    result,
    said,
    shown,
    user,
)
from tests.agent.providers.pictures import noisy, sent_sides


def test_summaries_are_the_gateways_words() -> None:
    """A summary stands in a user message, marked."""
    assert rendered(Summary(text="so far"), user("b")) == [
        {"role": "user", "content": "[Summary of what was said before: so far]\n\nb"}
    ]


def test_pictures_of_people() -> None:
    """Words and pictures are parts in their order; a picture alone still has its sender."""
    both = UserMessage(text="look", author="Ann", media=(PNG, PNG))
    alone = UserMessage(text="", author="Bob", media=(PNG,))
    assert rendered(user("a"), both, alone, user("c")) == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a\n\nAnn: look"},
                PICTURE,
                PICTURE,
                {"type": "text", "text": "Bob:"},
                PICTURE,
                {"type": "text", "text": "c"},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("adjust", "form"),
    [
        (Adjustments(media=False), {}),
        (Adjustments(image_bytes=2), {}),
        (AS_IT_IS, {"images": False}),
    ],
)
def test_pictures_an_entry_cannot_take(adjust: Adjustments, form: dict[str, Any]) -> None:
    """A line of text stands in their place, and all is a plain string again."""
    asked = UserMessage(text="look", media=(PNG,))
    (body,) = rendered(asked, adjust=adjust, **form)
    first, line = body["content"].split("\n\n")
    assert first == "look"
    assert line.startswith("[A picture (image/png, 1 KiB) is left out here: ")


def test_pictures_that_are_too_large_are_made_smaller() -> None:
    """Each time to the same bytes, and their type goes with them."""
    asked = UserMessage(text="look", media=(noisy(200, 100),))
    (body,) = rendered(asked, adjust=Adjustments(image_pixels=100))
    head, _, encoded = body["content"][1]["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert sent_sides(encoded) == ("JPEG", (100, 50))
    assert rendered(asked, adjust=Adjustments(image_pixels=100)) == [body]


def test_files_are_lines() -> None:
    """What is no picture has no field on this wire."""
    pdf = Media(mime="application/pdf", data=b"x", name="a.pdf")
    (body,) = rendered(UserMessage(text="read", media=(pdf,)))
    assert "[A file a.pdf (application/pdf, 1 KiB) is left out" in body["content"]


def test_what_tools_show_follows_their_results() -> None:
    """A tool message is text; its pictures come in a user message after the step's last result."""
    calls = said("", call("c1"), call("c2"))
    body = rendered(user("a"), calls, shown("c1", PNG), shown("c2", PNG, text=""), user("b"))
    assert [m["role"] for m in body] == ["user", "assistant", "tool", "tool", "user"]
    assert [m["content"] for m in body[2:4]] == ["ok", "(no output)"]
    assert body[4]["content"] == [
        {"type": "text", "text": "[Shown by the tool files:]"},
        PICTURE,
        {"type": "text", "text": "[Shown by the tool files:]"},
        PICTURE,
        {"type": "text", "text": "b"},
    ]
    between = rendered(user("a"), calls, shown("c1", PNG), result("c2"), said("done"), user("b"))
    assert [m["role"] for m in between[3:]] == ["tool", "user", "assistant", "user"]
    assert between[4]["content"][1] == PICTURE


@pytest.mark.parametrize("adjust", [Adjustments(tool_media=False), Adjustments(media=False)])
def test_tool_pictures_as_text(adjust: Adjustments) -> None:
    """Where they are refused, the result says so, and people's pictures are another matter."""
    body = rendered(
        UserMessage(text="a", media=(PNG,)),
        said("", call("c1"), call("c2")),
        shown("c1", PNG),
        shown("c2", PNG, text=""),
        adjust=adjust,
    )
    assert [m["role"] for m in body] == ["user", "assistant", "tool", "tool"]
    assert body[2]["content"].startswith("ok\n[A picture")
    assert body[3]["content"].startswith("[A picture")
    assert isinstance(body[0]["content"], str) is not adjust.media


THOUGHT = ProviderPart(origin=HERE, shape="reasoning_content", payload="Grüße".encode())
DETAILS = ProviderPart(origin=HERE, shape="reasoning_details", payload=b'[{"type":"t"}]')
FOREIGN = ProviderPart(origin=THERE, shape="reasoning_content", payload=b"no")


def thought(part: ProviderPart, text: str, *calls: ToolCall) -> AssistantMessage:
    return AssistantMessage(parts=(part, Text(text=text), *calls), origin=part.origin)


def thoughts(body: Any) -> list[str | None]:
    return [m.get("reasoning_content") for m in body if m["role"] == "assistant"]


TURNS = (
    user("a"),
    thought(THOUGHT, "b", call("c1")),
    result("c1"),
    thought(THOUGHT, "c"),
    user("d"),
    thought(THOUGHT, "e", call("c2")),
    result("c2"),
)


@pytest.mark.parametrize(
    ("form", "adjust", "expected"),
    [
        ({}, AS_IT_IS, [None, None, None]),
        ({"reasoning_replay": "always"}, AS_IT_IS, ["Grüße", "Grüße", "Grüße"]),
        ({"reasoning_replay": "in_turn"}, AS_IT_IS, [None, None, "Grüße"]),
        ({"reasoning_replay": "always"}, Adjustments(replay=False), [None, None, None]),
        ({"reasoning_replay": "always"}, Adjustments(thinking=False), [None, None, None]),
    ],
    ids=["never", "always", "in turn", "replay off", "thinking off"],
)
def test_thoughts_go_back_by_policy(
    form: dict[str, Any], adjust: Adjustments, expected: list[str | None]
) -> None:
    """An endpoint gets its own thoughts back as its entry says; a heal may take them away."""
    assert thoughts(rendered(*TURNS, adjust=adjust, **form)) == expected


def test_thoughts_go_back_to_an_equal_origin_only() -> None:
    """Nobody else ever sees them, not even another model of the same endpoint."""
    other = replace(THOUGHT, origin=replace(HERE, model="loopback-2"))
    body = rendered(
        user("a"),
        thought(FOREIGN, "b"),
        user("c"),
        thought(other, "d"),
        reasoning_replay="always",
    )
    assert thoughts(body) == [None, None]


def test_details_go_back_byte_for_byte() -> None:
    """What the endpoint gave as a list is a list again."""
    body = rendered(user("a"), thought(DETAILS, "b"), reasoning_replay="always")
    assert body[1]["reasoning_details"] == [{"type": "t"}]


def test_a_thought_stays_with_its_reply() -> None:
    """Replies of others are not merged into the one a thought belongs to."""
    body = rendered(
        user("a"), PartialReply(text="b"), thought(THOUGHT, "c"), said("d"), user("e"),
        reasoning_replay="always",
    )  # fmt: skip
    assert [m["content"] for m in body] == ["a", "b", "c", "d", "e"]
    assert thoughts(body) == [None, "Grüße", None]


def test_replies_without_a_thought_get_an_empty_one() -> None:
    """An endpoint that wants one with every reply takes those of others too."""
    body = rendered(*TURNS[:3], said("x", origin=THERE), reasoning_replay="always", filler=True)
    assert thoughts(body) == ["Grüße", " "]
    off = rendered(*TURNS, adjust=Adjustments(replay=False), reasoning_replay="always", filler=True)
    assert thoughts(off) == [None, None, None]


def options(adjust: Adjustments, **form: Any) -> Any:
    asked = request(user("a"), adjustments=adjust, max_output_tokens=9, session="s")
    body = orjson.loads(encoder(**form).encode(asked))
    return {key: value for key, value in body.items() if key not in ("model", "messages")}


@pytest.mark.parametrize(
    ("adjust", "form", "expected"),
    [
        (
            Adjustments(stream=False),
            {},
            {"stream": False, "max_tokens": 9},
        ),
        (
            Adjustments(effort="high", stream=False),
            {},
            {"stream": False, "max_tokens": 9, "reasoning_effort": "high"},
        ),
        (
            Adjustments(effort="high", thinking=False, stream=False),
            {},
            {"stream": False, "max_tokens": 9},
        ),
        (
            Adjustments(effort="none", stream=False),
            {},
            {"stream": False, "max_tokens": 9, "reasoning_effort": "none"},
        ),
        (
            Adjustments(effort="none", stream=False),
            {"switch": True},
            {"stream": False, "max_tokens": 9, "thinking": {"type": "disabled"}},
        ),
        (
            Adjustments(thinking=False, stream=False),
            {"switch": True},
            {"stream": False, "max_tokens": 9, "thinking": {"type": "disabled"}},
        ),
        (
            Adjustments(effort="low"),
            {
                "omit": frozenset(
                    {"stream_options", "reasoning_effort", "max_tokens", "prompt_cache_key"}
                ),
                "cache_key": True,
            },
            {"stream": True},
        ),
    ],
)
def test_options(adjust: Adjustments, form: dict[str, Any], expected: Any) -> None:
    """Adjustments change their field and no other; what an endpoint omits is never sent."""
    assert options(adjust, **form) == expected


def test_keywords_are_stripped_from_tools() -> None:
    """The tools kept from the request before are not mistaken for the stripped ones."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^x$"}}}
    tool = ToolSpec(name="t", description="", parameters=schema)
    coder = encoder()
    for keywords in (True, False, True):
        asked = request(user("a"), tools=(tool,), adjustments=Adjustments(keywords=keywords))
        parameters = orjson.loads(coder.encode(asked))["tools"][0]["function"]["parameters"]
        assert ("pattern" in parameters["properties"]["a"]) is keywords


def test_nine_letters_where_the_endpoint_wants_them() -> None:
    """Calls and their results agree on the rendered id."""
    body = rendered(user("a"), said("", call("call_1")), result("call_1"), nine=True)
    sent = body[1]["tool_calls"][0]["id"]
    assert len(sent) == 9
    assert sent.isalnum()
    assert body[2]["tool_call_id"] == sent


@pytest.mark.parametrize(
    ("base_url", "model", "expected"),
    [
        (
            "https://api.openai.com/v1",
            "gpt-5",
            ChatForm(cap_field="max_completion_tokens", cache_key=True),
        ),
        (
            "https://x.openai.azure.com/v1",
            "gpt-5",
            ChatForm(cap_field="max_completion_tokens"),
        ),
        (
            "https://api.deepseek.com",
            "deepseek-v4",
            ChatForm(reasoning_replay="always", filler=True, switch=True),
        ),
        (
            "https://api.moonshot.ai/v1",
            "kimi-k2-thinking",
            ChatForm(reasoning_replay="always", filler=True, switch=True),
        ),
        ("https://api.z.ai/api/paas/v4", "glm-5", ChatForm(switch=True)),
        ("https://openrouter.ai/api/v1", "x/y", ChatForm(reasoning_replay="always")),
        ("https://api.mistral.ai/v1", "codestral-latest", ChatForm(nine=True)),
        ("http://127.0.0.1:8000/v1", "mistralai/Devstral-Small", ChatForm(nine=True)),
        ("http://127.0.0.1:8000/v1", "deepseek-ai/DeepSeek-V4", ChatForm()),
        ("https://notdeepseek.com/v1", "m", ChatForm()),
        ("nonsense", "m", ChatForm()),
    ],
)
def test_what_is_known_of_endpoints(base_url: str, model: str, expected: ChatForm) -> None:
    """The address decides, and what an entry says itself goes before it."""
    assert form_for(base_url, model) == expected
    told = ChatEndpoint(
        name="n",
        base_url=base_url,
        model=model,
        cap_field="max_tokens",
        reasoning_replay="never",
        omit=frozenset({"x"}),
        images=False,
    ).form
    assert (told.cap_field, told.reasoning_replay, told.filler) == ("max_tokens", "never", False)
    assert (told.omit, told.images) == (frozenset({"x"}), False)


HISTORY = (
    UserMessage(text="a", media=(PNG,)),
    said("b", call("c1")),
    result("c1"),
    said("c"),
    user("d"),
)


@pytest.mark.parametrize(
    "adjust",
    [
        Adjustments(effort="high"),
        Adjustments(effort="none"),
        Adjustments(keywords=False),
        Adjustments(stream=False),
        Adjustments(plain=True),
        Adjustments(image_bytes=10_000),
        Adjustments(long_context=False),
        Adjustments(first_byte_s=1),
    ],
)
def test_heals_leave_the_messages_alone(adjust: Adjustments) -> None:
    """What changes a field changes no byte of the messages, which caches live on."""

    def messages(asked: Adjustments) -> bytes:
        body = encoder().encode(request(*HISTORY, system="S", tools=(FILES,), adjustments=asked))
        return body[: body.index(b'],"tools":')]

    assert messages(adjust) == messages(AS_IT_IS)


def test_a_picture_that_goes_changes_only_its_place() -> None:
    """All messages but the one with the picture stay as they were."""
    with_it, without = rendered(*HISTORY), rendered(*HISTORY, adjust=Adjustments(media=False))
    assert with_it[0] != without[0]
    assert with_it[1:] == without[1:]
