"""The transcript as a Messages request: rules of the API, stable bytes, marks in reach."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.history import repair
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
from agent.providers.anthropic_messages.cache_marks import STEP, cache_marks
from agent.providers.anthropic_messages.request import BEFORE, GO_ON, RequestEncoder
from agent.providers.anthropic_messages.thinking import ThinkingForm, form_for, thinking_options
from agent.providers.base import EFFORTS, Adjustments, ModelRequest, ToolSpec
from tests.wire.anthropic import MODELS
from tests.wire.anthropic.caches import PromptCache
from tests.wire.anthropic.rules import refusal_of
from tests.wire.anthropic.script import signature

MODEL = "claude-loopback"
HERE = Origin(provider="main", endpoint="http://h", model=MODEL)
THERE = Origin(provider="other", endpoint="http://o/v1", model="m")
SISTER = replace(HERE, model="claude-sonnet-4-5")
FILES = ToolSpec(
    name="files",
    description="Files.",
    parameters={"type": "object", "properties": {"path": {"type": "string", "pattern": "^a"}}},
)
PICTURE = Media(mime="image/png", data=b"\x89PNG", name="a.png")
THINKING = Adjustments(effort="medium")
MARK = {"type": "ephemeral"}


def encoder(**kwargs: Any) -> RequestEncoder:
    options: dict[str, Any] = {"origin": HERE, "output_cap": 8192, "form": "budget"}
    return RequestEncoder(**(options | kwargs))


def request(*messages: Message, **kwargs: Any) -> ModelRequest:
    options: dict[str, Any] = {"system": "", "tools": (), "max_output_tokens": None} | kwargs
    return ModelRequest(messages=messages, **options)


def body_of(*messages: Message, coder: RequestEncoder | None = None, **kwargs: Any) -> Any:
    return orjson.loads((coder or encoder()).encode(request(*messages, **kwargs)))


def unmarked(value: Any) -> Any:
    """A body without its cache marks."""
    if isinstance(value, dict):
        return {k: unmarked(v) for k, v in value.items() if k != "cache_control"}
    return [unmarked(each) for each in value] if isinstance(value, list) else value


def rendered(*messages: Message, **kwargs: Any) -> Any:
    return unmarked(body_of(*messages, **kwargs)["messages"])


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def said(words: str, *calls: ToolCall, origin: Origin = HERE) -> AssistantMessage:
    parts: Sequence[Part] = ([Text(text=words)] if words else []) + list(calls)
    return AssistantMessage(parts=tuple(parts), origin=origin)


def reply(*parts: Part, origin: Origin = HERE) -> AssistantMessage:
    return AssistantMessage(parts=parts, origin=origin)


def thought(words: str = "Hm.", origin: Origin = HERE) -> ProviderPart:
    block = {
        "type": "thinking",
        "thinking": words,
        "signature": signature(origin.model, words),
    }
    return ProviderPart(origin=origin, shape="thinking", payload=orjson.dumps(block))


def call(own_id: str, provider_id: str = "", arguments: str = "{}") -> ToolCall:
    return ToolCall(id=own_id, name="files", arguments=arguments, provider_id=provider_id)


def result(call_id: str, words: str = "ok", **kwargs: Any) -> ToolResult:
    given: dict[str, Any] = {"status": ResultStatus.DONE} | kwargs
    return ToolResult(call_id=call_id, name="files", text=words, **given)


def user(words: str, author: str = "", *media: Media) -> UserMessage:
    return UserMessage(text=words, author=author, media=media)


def use(wire_id: str, given: Any = None) -> dict[str, Any]:
    return {"type": "tool_use", "id": wire_id, "name": "files", "input": given or {}}


def tool_result(wire_id: str, content: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": wire_id, "content": content, **more}


def test_a_plain_request() -> None:
    """Model, cap, marked system and message, a stream; nothing that was not asked for."""
    assert body_of(user("hello"), system="Be kind.") == {
        "model": MODEL,
        "max_tokens": 8192,
        "system": [{**text("Be kind."), "cache_control": MARK}],
        "messages": [{"role": "user", "content": [{**text("hello"), "cache_control": MARK}]}],
        "stream": True,
    }


def test_cap_tools_and_no_stream() -> None:
    """The call's own cap goes before the endpoint's; tools have a schema, the last one a mark."""
    other = replace(FILES, name="other")
    body = body_of(
        user("x"),
        tools=(FILES, other),
        max_output_tokens=9,
        adjustments=Adjustments(stream=False),
    )
    assert (body["max_tokens"], body["stream"]) == (9, False)
    assert [tool["name"] for tool in body["tools"]] == ["files", "other"]
    assert [tool.get("cache_control") for tool in body["tools"]] == [None, MARK]
    assert body["tools"][0]["input_schema"] == FILES.parameters


def test_keywords_are_stripped_when_asked() -> None:
    """The copy without `pattern` is the outgoing one alone."""
    coder = encoder()
    for keywords, found in ((False, None), (True, "^a"), (False, None)):
        adjusted = Adjustments(keywords=keywords)
        body = body_of(user("x"), coder=coder, tools=(FILES,), adjustments=adjusted)
        assert body["tools"][0]["input_schema"]["properties"]["path"].get("pattern") == found


def test_past_calls_without_tools_have_definitions() -> None:
    """A transcript with calls is refused without tools; those of the past may not be called."""
    body = body_of(user("a"), said("", call("c1")), result("c1"), user("b"))
    assert [tool["name"] for tool in body["tools"]] == ["files"]
    assert body["tool_choice"] == {"type": "none"}
    assert "tools" not in body_of(user("a"))


def test_neighbours_of_one_side_become_one_message() -> None:
    """Words of several people, notes and summaries join; speakers are named on one line."""
    assert rendered(
        Summary(text="s"),
        user("a", "Ann\nB."),
        user("b"),
        Note(text="n"),
        said("c"),
        said("d"),
        user("e"),
    ) == [
        {
            "role": "user",
            "content": [
                text("[Summary of what was said before: s]"),
                text("Ann B.: a"),
                text("b"),
                text("[Note from the gateway, not from a person: n]"),
            ],
        },
        {"role": "assistant", "content": [text("c"), text("d")]},
        {"role": "user", "content": [text("e")]},
    ]


def test_empty_words_are_left_out() -> None:
    """Empty messages go, and what they kept apart comes together."""
    foreign = reply(thought(origin=THERE), origin=THERE)
    assert rendered(user("a"), PartialReply(text=" "), foreign, user(""), user("b", "Ann")) == [
        {"role": "user", "content": [text("a"), text("Ann: b")]}
    ]


def test_results_come_first_after_their_calls() -> None:
    """Calls keep their order, results stand before what people said meanwhile."""
    failed = result("c2", "", status=ResultStatus.FAILED)
    assert rendered(
        user("a"),
        said("look", call("c1", arguments='{"a":1}'), call("c2")),
        result("c1"),
        failed,
        user("b"),
    )[1:] == [
        {"role": "assistant", "content": [text("look"), use("c1", {"a": 1}), use("c2")]},
        {
            "role": "user",
            "content": [
                tool_result("c1"),
                tool_result("c2", "(no output)", is_error=True),
                text("b"),
            ],
        },
    ]


def test_arguments_go_back_byte_for_byte() -> None:
    """Large numbers, order and spaces stay as the model wrote them; no object is `{}`."""
    written = '{"b": 123456789012345678901234567890, "a" : 1.0}'
    messages = (user("a"), said("", call("c1", arguments=written)), result("c1"))
    assert b'"input":' + written.encode() + b"}" in encoder().encode(request(*messages))
    broken = (user("a"), said("", call("c1", arguments="{cut")), result("c1"))
    assert rendered(*broken)[1]["content"] == [use("c1")]


@pytest.mark.parametrize(
    ("origin", "provider_ids", "expected"),
    [
        (HERE, ("toolu_1", "toolu_2"), ["toolu_1", "toolu_2"]),
        (THERE, ("p1", "p2"), ["c1", "c2"]),
        (SISTER, ("p1", "p2"), ["c1", "c2"]),
        (HERE, ("p1", "p1"), ["c1", "c2"]),
    ],
    ids=["its own", "foreign", "another model", "not distinct"],
)
def test_provider_ids_return_to_their_origin_only(
    origin: Origin, provider_ids: tuple[str, str], expected: list[str]
) -> None:
    """A provider sees its own ids if they can be told apart, every other one sees ours."""
    calls = [call(f"c{n}", i) for n, i in enumerate(provider_ids, 1)]
    messages = rendered(user("a"), said("", *calls, origin=origin), result("c1"), result("c2"))
    assert [block["id"] for block in messages[1]["content"]] == expected
    assert [block["tool_use_id"] for block in messages[2]["content"]] == expected


def test_pictures() -> None:
    """Pictures are base64 before the words about them, in results too; the rest is a line."""
    image = {
        "type": "image",
        "source": {
            "type": "base64",
            "media_type": "image/png",
            "data": base64.b64encode(PICTURE.data).decode(),
        },
    }
    song = Media(mime="audio/ogg", data=b"x")
    first, _, last = rendered(
        user("look", "", PICTURE, song),
        said("", call("c1"), call("c2")),
        result("c1", media=(PICTURE,)),
        result("c2", "", media=(PICTURE,)),
    )
    assert first["content"][0] == image
    assert first["content"][1]["text"].startswith("[A file (audio/ogg")
    assert first["content"][2] == text("look")
    assert last["content"] == [
        tool_result("c1", [text("ok"), image]),
        tool_result("c2", [image]),
    ]


@pytest.mark.parametrize(
    ("adjustments", "in_message", "in_result"),
    [
        (Adjustments(), "image", "image"),
        (Adjustments(media=False), "text", "text"),
        (Adjustments(tool_media=False), "image", "text"),
        (Adjustments(image_bytes=4), "text", "text"),
        (Adjustments(image_bytes=8), "image", "image"),
    ],
)
def test_pictures_that_are_not_taken(
    adjustments: Adjustments, in_message: str, in_result: str
) -> None:
    """What an entry can't take is a line of text; a smaller limit leaves small pictures."""
    first, _, last = rendered(
        user("", "", PICTURE),
        said("", call("c1")),
        result("c1", "", media=(PICTURE,)),
        adjustments=adjustments,
    )
    assert first["content"][0]["type"] == in_message
    assert last["content"][0]["content"][0]["type"] == in_result


def test_a_transcript_that_begins_with_the_model() -> None:
    """A person begins: what was cut off before is named."""
    assert rendered(said("a"), user("b"))[0] == {"role": "user", "content": [text(BEFORE)]}


def test_a_reply_of_ours_at_the_end_goes_on_as_it_stands() -> None:
    """A paused reply is the last message, byte for byte but for white space at its very end."""
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    part = ProviderPart(origin=HERE, shape="server_tool_use", payload=orjson.dumps(search))
    messages = rendered(user("a"), reply(Text(text=" b \n"), part, Text(text="c \n")))
    assert messages[1] == {"role": "assistant", "content": [text(" b \n"), search, text("c")]}


@pytest.mark.parametrize("last", [PartialReply(text="half"), said("half", origin=THERE)])
def test_other_words_at_the_end_are_not_put_into_its_mouth(last: Message) -> None:
    """Newer models refuse an answer begun by somebody else; they are asked to go on instead."""
    assert rendered(user("a"), last)[1:] == [
        {"role": "assistant", "content": [text("half")]},
        {"role": "user", "content": [text(GO_ON)]},
    ]


def test_what_json_cannot_hold_is_refused() -> None:
    """A lone surrogate is our fault and never sent."""
    with pytest.raises(TypeError):
        encoder().encode(request(user("\ud800")))


# Thinking.


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("claude-3-5-sonnet-20241022", "off"),
        ("claude-3-haiku-20240307", "off"),
        ("claude-3-7-sonnet-20250219", "budget"),
        ("claude-opus-4-20250514", "budget"),
        ("claude-opus-4@20250514", "budget"),
        ("claude-sonnet-4-5-20250929", "budget"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "budget"),
        ("anthropic/claude-opus-4.6", "effort"),
        ("claude-sonnet-4-6", "effort"),
        ("claude-opus-4-8", "effort"),
        ("claude-sonnet-5", "effort"),
        ("claude-fable-5", "effort"),
        ("claude-mythos-preview", "effort"),
        ("kimi-k2-thinking", "off"),
        ("claude", "off"),
    ],
)
def test_the_form_by_name(model: str, form: ThinkingForm) -> None:
    """Up to 4.5 a budget, from 4.6 on an effort; nothing is guessed of other models."""
    assert form_for(model) == form


DISABLED = {"thinking": {"type": "disabled"}}


def budget(tokens: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def effort(level: str) -> dict[str, Any]:
    thinking = {"type": "adaptive", "display": "summarized"}
    return {"thinking": thinking, "output_config": {"effort": level}}


@pytest.mark.parametrize(
    ("form", "model", "adjustments", "cap", "expected"),
    [
        ("off", MODEL, Adjustments(effort="high"), 32_000, {}),
        ("budget", MODEL, Adjustments(), 32_000, {}),
        ("budget", MODEL, Adjustments(effort="none"), 32_000, {}),
        ("budget", MODEL, Adjustments(effort="low"), 32_000, budget(2_048)),
        ("budget", MODEL, Adjustments(effort="medium"), 32_000, budget(8_192)),
        ("budget", MODEL, Adjustments(effort="high"), 32_000, budget(16_384)),
        ("budget", MODEL, Adjustments(effort="max"), 32_000, budget(24_000)),
        ("budget", MODEL, Adjustments(effort="high"), 3_000, budget(1_976)),
        ("budget", MODEL, Adjustments(effort="high"), 2_048, budget(1_024)),
        ("budget", MODEL, Adjustments(effort="high"), 2_047, {}),
        ("budget", MODEL, Adjustments(effort="high", thinking=False), 32_000, {}),
        ("effort", MODEL, Adjustments(), 32_000, {}),
        ("effort", MODEL, Adjustments(effort="none"), 32_000, DISABLED),
        ("effort", MODEL, Adjustments(effort="xhigh"), 32_000, effort("xhigh")),
        ("effort", MODEL, Adjustments(effort="high", thinking=False), 32_000, DISABLED),
        ("effort", "claude-fable-5", Adjustments(effort="none"), 32_000, {}),
        ("effort", "claude-fable-5", Adjustments(effort="low"), 32_000, effort("low")),
    ],
)
def test_thinking_options(
    form: ThinkingForm, model: str, adjustments: Adjustments, cap: int, expected: dict[str, Any]
) -> None:
    """An effort is a budget that fits below the cap, or a level; without one nothing is asked."""
    assert thinking_options(form, model, adjustments, cap=cap) == expected


LOOP = (
    user("a"),
    reply(thought("one"), Text(text="look"), call("c1")),
    result("c1"),
    reply(thought("two"), call("c2")),
    result("c2"),
)


def kinds(messages: Any) -> list[list[str]]:
    return [[block["type"] for block in message["content"]] for message in messages]


WITH_THOUGHTS = [
    ["text"],
    ["thinking", "text", "tool_use"],
    ["tool_result"],
    ["thinking", "tool_use"],
    ["tool_result"],
]
WITHOUT = [[kind for kind in each if kind != "thinking"] for each in WITH_THOUGHTS]


def test_thoughts_go_back_in_place_and_as_they_came() -> None:
    """Byte for byte, before what they led to, and without any mark on them."""
    body = encoder().encode(request(*LOOP, adjustments=THINKING))
    assert thought("one").payload in body
    assert thought("two").payload in body
    assert kinds(orjson.loads(body)["messages"]) == WITH_THOUGHTS
    assert orjson.loads(body)["thinking"]["budget_tokens"] == 6_144


@pytest.mark.parametrize(
    ("form", "adjustments", "expected", "thinks"),
    [
        ("budget", THINKING, WITH_THOUGHTS, True),
        ("budget", Adjustments(), WITHOUT, False),
        ("budget", replace(THINKING, thinking=False), WITHOUT, False),
        ("budget", replace(THINKING, replay=False), WITHOUT, False),
        ("effort", THINKING, WITH_THOUGHTS, True),
        ("effort", Adjustments(), WITH_THOUGHTS, False),
        ("effort", Adjustments(effort="none"), WITHOUT, False),
        ("effort", replace(THINKING, replay=False), WITHOUT, True),
        ("off", Adjustments(), WITH_THOUGHTS, False),
        ("off", Adjustments(thinking=False), WITHOUT, False),
    ],
)
def test_thoughts_of_an_open_loop(
    form: ThinkingForm, adjustments: Adjustments, expected: list[list[str]], thinks: bool
) -> None:
    """A loop goes on in the way of thinking it began with; stripped of it, it goes on without."""
    body = body_of(*LOOP, coder=encoder(form=form), adjustments=adjustments)
    assert kinds(body["messages"]) == expected
    asked = body.get("thinking", {"type": "disabled"})
    assert (asked["type"] != "disabled") is thinks


@pytest.mark.parametrize(
    "began",
    [
        reply(thought(origin=SISTER), call("c0"), origin=SISTER),
        reply(call("c0"), origin=THERE),
        reply(call("c0")),
        reply(Text(text="look"), thought(), call("c0")),
    ],
    ids=["another model", "another provider", "no thought", "not first"],
)
def test_a_loop_that_began_without_a_thought_goes_on_without(began: AssistantMessage) -> None:
    """This one call is sent with thinking off; the next question thinks again."""
    loop = (user("a"), began, result("c0"), reply(thought(), call("c1")), result("c1"))
    body = body_of(*loop, adjustments=THINKING)
    assert "thinking" not in body
    assert not any("thinking" in each for each in kinds(body["messages"]))
    after = body_of(*loop, said("done"), user("b"), adjustments=THINKING)
    assert after["thinking"]["type"] == "enabled"
    assert ["thinking", "tool_use"] in kinds(after["messages"])


def test_thoughts_of_others_are_never_seen() -> None:
    """An equal origin is provider, endpoint and model."""
    for origin in (THERE, SISTER, replace(HERE, endpoint="http://x"), replace(HERE, provider="y")):
        messages = (user("a"), reply(thought(origin=origin), Text(text="b"), origin=origin))
        assert kinds(rendered(*messages, user("c"))) == [["text"]] * 3


# Cache marks.


@pytest.mark.parametrize(
    ("blocks", "before", "room", "expected"),
    [
        (0, None, 2, ()),
        (1, None, 2, (0,)),
        (5, None, 1, (4,)),
        (5, 2, 2, (2, 4)),
        (20, 1, 2, (1, 19)),
        (21, 1, 2, (19, 20)),
        (38, 1, 2, (19, 37)),
        (39, 1, 2, (1, 38)),
        (39, 1, 3, (19, 37, 38)),
        (60, 1, 3, (1, 55, 59)),
        (60, 1, 4, (19, 37, 55, 59)),
        (39, 1, 1, (38,)),
        (5, 2, 0, ()),
    ],
)
def test_where_marks_stand(
    blocks: int, before: int | None, room: int, expected: tuple[int, ...]
) -> None:
    """The newest, the last mark before it, and one more after every 18 blocks, as room allows."""
    assert cache_marks([True] * blocks, before, room=room) == expected


def test_marks_avoid_what_takes_none() -> None:
    """A mark that would stand on a thought stands before it."""
    markable = [True, True, False, False, True, False]
    assert cache_marks(markable, 3, room=2) == (1, 4)
    assert cache_marks([False, False], 1, room=2) == ()


def test_marks_live_as_long_as_configured() -> None:
    """All marks of a request live equally long."""
    body = body_of(user("a"), coder=encoder(cache_ttl="1h"), system="s", tools=(FILES,))
    hour = {"type": "ephemeral", "ttl": "1h"}
    assert body["tools"][0]["cache_control"] == body["system"][0]["cache_control"] == hour
    assert body["messages"][0]["content"][0]["cache_control"] == hour


def marked(body: Any) -> list[int]:
    """The places of the marks among all blocks of the messages."""
    blocks = [block for message in body["messages"] for block in message["content"]]
    return [at for at, block in enumerate(blocks) if "cache_control" in block]


@given(st.lists(st.tuples(st.integers(1, 16), st.booleans()), min_size=1, max_size=6))
def test_each_request_finds_what_the_one_before_left(steps: list[tuple[int, bool]]) -> None:
    """However many calls a step makes, the whole request before it is read from the cache."""
    messages: list[Message] = [user("a")]
    cache, coder = PromptCache(), encoder()
    known = 0
    for number, (calls, thinks) in enumerate([*steps, (0, False)]):
        body = body_of(
            *messages,
            coder=coder,
            system="s",
            tools=(FILES,),
            adjustments=THINKING,
            session="s",
        )
        looked = cache.look(body)
        assert looked.known_blocks >= known
        marks = marked(body)
        known = marks[-1] + 1
        assert len(marks) <= 2
        assert len(marks) < 2 or marks[1] - marks[0] <= STEP or looked.known_blocks == marks[0] + 1
        made = [call(f"c{number}_{n}") for n in range(calls)]
        messages.append(reply(*[thought()] * thinks, Text(text="look"), *made))
        messages.extend(result(each.id) for each in made)


# Any transcript.

TEXT = st.sampled_from(["", " ", "a", "b \n", "ä🎉"])
ORIGINS = st.sampled_from([HERE, THERE, SISTER])
REPLIES = st.tuples(TEXT, st.integers(0, 3), ORIGINS, st.booleans(), st.booleans(), st.booleans())
MESSAGES = st.lists(
    st.one_of(
        st.builds(user, TEXT, st.sampled_from(["", "Ann"])),
        st.builds(lambda words: user(words, "", PICTURE), TEXT),
        st.builds(Note, text=TEXT),
        st.builds(Summary, text=TEXT),
        st.builds(PartialReply, text=TEXT),
        REPLIES,
    ),
    max_size=12,
)
ADJUSTED = st.builds(
    Adjustments,
    effort=st.sampled_from([None, *EFFORTS]),
    thinking=st.booleans(),
    replay=st.booleans(),
    media=st.booleans(),
    tool_media=st.booleans(),
    keywords=st.booleans(),
)


def transcript(drawn: list[Any]) -> tuple[Message, ...]:
    """A repaired transcript: calls get distinct ids; some are answered, the rest was not run."""
    messages: list[Message] = []
    for place, item in enumerate(drawn):
        if not isinstance(item, tuple):
            messages.append(item)
            continue
        words, count, origin, named, thinks, answered = item
        calls = [call(f"c{place}_{n}", f"toolu_{place}_{n}" * named) for n in range(count)]
        parts: list[Part] = [thought(f"t{place}", origin)] * thinks
        # A thought alone is no reply.
        words = words if words.strip() or count or not thinks else "so"
        parts += [Text(text=words)] if words else []
        messages.append(reply(*parts, *calls, origin=origin))
        if answered:
            messages.extend(result(each.id, words, media=(PICTURE,)) for each in calls[:2])
    return repair(tuple(messages) or (user("start"),))


@given(
    MESSAGES,
    ADJUSTED,
    st.sampled_from([("budget", MODEL), ("effort", MODEL), ("effort", "claude-opus-4-8")]),
    st.booleans(),
    st.sampled_from([1, 2_048, 32_000]),
)
def test_any_transcript_is_accepted(
    drawn: list[Any],
    adjustments: Adjustments,
    entry: tuple[ThinkingForm, str],
    tools: bool,
    cap: int,
) -> None:
    """Whatever was said, by whomever, the request breaks no rule of the real service."""
    form, model = entry
    messages = transcript(drawn)
    if not any(part.strip() for part in map(words_of, messages)):
        messages = (*messages, user("start"))
    last = messages[-1]
    if isinstance(last, AssistantMessage) and last.origin == replace(HERE, model=model):
        messages = (*messages, user("go on"))  # what was paused has a test of its own
    body = body_of(
        *messages,
        coder=encoder(form=form, origin=replace(HERE, model=model)),
        system="s",
        tools=(FILES,) if tools else (),
        adjustments=adjustments,
        max_output_tokens=cap,
    )
    assert refusal_of(body, models=MODELS) is None


def words_of(message: Message) -> str:
    return message.text


@given(MESSAGES, st.lists(st.integers(0, 40), max_size=6))
def test_the_kept_past_changes_no_byte(drawn: list[Any], ends: list[int]) -> None:
    """Growing, shrinking and equal transcripts give the bytes a fresh encoder gives."""
    messages = (user("start"), *transcript(drawn))
    kept = encoder()
    for end in (*ends, len(messages)):
        for last in ((), (Note(text="n"),), (PartialReply(text="p"),)):
            part = request(*repair(messages[:end]), *last, session="s", adjustments=THINKING)
            assert kept.encode(part) == encoder().encode(part)


@given(MESSAGES)
def test_a_longer_transcript_begins_with_the_shorter(drawn: list[Any]) -> None:
    """But for its marks, every request begins with the messages of the one before."""
    messages = (user("start"), *transcript(drawn))
    coder = encoder(form="effort")
    before: list[Any] = []
    for end in range(1, len(messages) + 1):
        part = repair(messages[:end])
        if part != messages[:end] or isinstance(part[-1], AssistantMessage | PartialReply):
            continue
        blocks = [
            (message["role"], block)
            for message in rendered(*part, coder=coder, session="s", adjustments=THINKING)
            for block in message["content"]
        ]
        assert blocks[: len(before)] == before
        before = blocks


def test_sessions_and_changes_do_not_mix() -> None:
    """Sessions, a changed past and other adjustments give what a fresh encoder gives."""
    coder = encoder()
    for words in ("a", "b", "c"):
        for session in ("one", "two"):
            for adjustments in (THINKING, Adjustments(thinking=False)):
                part = request(
                    user(session),
                    reply(thought(), Text(text=words)),
                    user(words),
                    session=session,
                    adjustments=adjustments,
                )
                assert coder.encode(part) == encoder().encode(part)
