"""How much a model is asked to think, and which of its thoughts it gets back."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from agent.messages import AssistantMessage, Message, ProviderPart, Text
from agent.providers.anthropic_messages.thinking import (
    ThinkingForm,
    form_for,
    reasons,
    thinking_options,
    thinks,
)
from agent.providers.base import Adjustments
from tests.agent.providers.anthropic_transcripts import (
    HERE,
    MODEL,
    SISTER,
    THERE,
    THINKING,
    body_of,
    call,
    encoder,
    rendered,
    reply,
    request,
    result,
    said,
    thought,
    user,
)


@pytest.mark.parametrize(
    ("model", "unasked", "at_high", "at_none"),
    [
        ("claude-3-5-sonnet-20241022", False, False, False),
        ("claude-opus-4-5", False, True, False),
        ("claude-opus-4-6", False, True, False),
        ("claude-opus-5", True, True, False),
        ("claude-fable-5", True, True, True),
        ("deepseek-chat", False, False, False),
    ],
)
def test_whether_a_model_thinks(model: str, unasked: bool, at_high: bool, at_none: bool) -> None:
    """By what is asked for; what a request asks for is what it says of it."""
    form = form_for(model)
    found = [thinks(form, model, effort) for effort in (None, "high", "none")]
    assert found == [unasked, at_high, at_none]
    assert [reasons(model, thinking=None, effort=e) for e in (None, "high", "none")] == found
    for effort, expected in (("high", at_high), ("none", False)):
        options = thinking_options(form, model, Adjustments(effort=effort), cap=8_192)
        kind = options.get("thinking", {}).get("type", "disabled")
        assert (kind != "disabled") == expected


def test_a_form_that_is_configured_says_that_the_model_thinks() -> None:
    """Whatever it is called; `off` says that it does not."""
    assert reasons("opus-behind-a-proxy", thinking="budget", effort=None)
    assert not reasons("claude-opus-5", thinking="off", effort="high")


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


FABLE = "claude-fable-5"
OLD, NEW, NONE = "claude-sonnet-4-5", "claude-opus-4-8", Adjustments(effort="none")


def loop(model: str) -> tuple[Message, ...]:
    """The open loop, as a model thought in it."""
    origin = replace(HERE, model=model)
    return tuple(
        reply(
            *(
                thought(origin=origin) if isinstance(part, ProviderPart) else part
                for part in m.parts
            ),
            origin=origin,
        )
        if isinstance(m, AssistantMessage)
        else m
        for m in LOOP
    )


@pytest.mark.parametrize(
    ("model", "adjustments", "expected", "asked"),
    [
        (OLD, THINKING, WITH_THOUGHTS, "enabled"),
        (OLD, Adjustments(), WITHOUT, None),
        (OLD, replace(THINKING, thinking=False), WITHOUT, None),
        (OLD, replace(THINKING, replay=False), WITHOUT, None),
        (NEW, THINKING, WITH_THOUGHTS, "adaptive"),
        (NEW, Adjustments(), WITHOUT, None),
        (NEW, NONE, WITHOUT, "disabled"),
        (NEW, replace(THINKING, replay=False), WITHOUT, "adaptive"),
        ("claude-sonnet-5", Adjustments(), WITH_THOUGHTS, None),
        ("claude-sonnet-5", NONE, WITHOUT, "disabled"),
        (FABLE, Adjustments(), WITH_THOUGHTS, None),
        (FABLE, NONE, WITH_THOUGHTS, None),
        (FABLE, replace(THINKING, thinking=False), WITHOUT, None),
        ("kimi-k2", Adjustments(), WITH_THOUGHTS, None),
        ("kimi-k2", Adjustments(thinking=False), WITHOUT, None),
    ],
)
def test_thoughts_of_an_open_loop(
    model: str, adjustments: Adjustments, expected: list[list[str]], asked: str | None
) -> None:
    """A loop goes on in the way of thinking it began with; stripped of it, it goes on without."""
    coder = encoder(form=form_for(model), origin=replace(HERE, model=model))
    body = body_of(*loop(model), coder=coder, adjustments=adjustments)
    assert kinds(body["messages"]) == expected
    assert body.get("thinking", {}).get("type") == asked


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


def test_a_reply_does_not_end_with_a_thought() -> None:
    """A thought that led to nothing is left out, and a reply of thoughts alone with it."""
    ended = reply(thought("one"), Text(text="b"), thought("two"), Text(text=" "))
    messages = rendered(user("a"), ended, user("c"), reply(thought("three")), user("d"))
    assert kinds(messages) == [["text"], ["thinking", "text"], ["text", "text"]]
