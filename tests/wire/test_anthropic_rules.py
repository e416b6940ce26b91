"""The Messages server refuses what the real service refuses, and takes what it takes."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.wire.anthropic import MODELS, ModelRules
from tests.wire.anthropic.caches import PromptCache
from tests.wire.anthropic.rules import refusal_of
from tests.wire.anthropic.script import signature

MODEL = "claude-loopback"
TOOL = {"name": "files", "description": "", "input_schema": {"type": "object"}}
RULES = {**MODELS, "old": ModelRules(budget=False, adaptive=False, prefill=False)}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def use(call_id: str = "a") -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "files", "input": {}}


def result(call_id: str = "a") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": "ok"}


def thought(model: str = MODEL) -> dict[str, Any]:
    return {"type": "thinking", "thinking": "Hm.", "signature": signature(model, "Hm.")}


def request(*contents: Any, **more: Any) -> dict[str, Any]:
    """A request whose messages alternate, beginning with a person."""
    messages = [
        {"role": ("user", "assistant")[at % 2], "content": content}
        for at, content in enumerate(contents)
    ]
    return {"model": MODEL, "max_tokens": 4096, "messages": messages, **more}


def marked(block: dict[str, Any], **mark: Any) -> dict[str, Any]:
    return {**block, "cache_control": {"type": "ephemeral", **mark}}


def thinking(tokens: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": tokens}


LOOP = (
    [text("a")],
    [thought(), use()],
    [result()],
)
TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("plain", request("hello")),
    ("blocks", request([text("a"), text("b")], "c", [text("d")], system=[text("s")])),
    ("calls", request("a", [text("b"), use()], [result(), text("c")], tools=[TOOL])),
    ("thinking", request(*LOOP, tools=[TOOL], thinking=thinking(1024))),
    (
        "adaptive, no thought",
        request(
            "a",
            [use()],
            [result()],
            tools=[TOOL],
            thinking={"type": "adaptive"},
            output_config={"effort": "max"},
        ),
    ),
    ("old thoughts, thinking off", request("a", [thought(), text("b")], "c")),
    (
        "a loop that thinks unasked",
        request("a", [thought("claude-sonnet-5"), use()], [result()], tools=[TOOL])
        | {"model": "claude-sonnet-5"},
    ),
    ("a last reply", request("a", "b")),
    ("four marks", request([marked(text("x"))] * 4)),
    (
        "longer lives first",
        request(
            [marked(text("x")), marked(text("y"), ttl="5m")], system=[marked(text("s"), ttl="1h")]
        ),
    ),
]
REFUSED: list[tuple[str, Any, str]] = [
    ("no JSON", None, "not valid JSON"),
    ("no cap", {"model": MODEL, "messages": []}, "max_tokens: Field required"),
    ("no messages", {**request(), "messages": []}, "at least one message"),
    ("an unknown field", request("a", functions=[]), "functions: Extra inputs"),
    ("an unknown model", request("a", model="x"), "model: x"),
    ("cap of nothing", request("a", max_tokens=0), "max_tokens"),
    ("cap above the model's", request("a", max_tokens=64_001), "maximum allowed"),
    (
        "the model begins",
        {**request(), "messages": [{"role": "assistant", "content": "a"}]},
        "first message",
    ),
    (
        "two of one side",
        {**request(), "messages": [{"role": "user", "content": "a"}] * 2},
        "roles must alternate",
    ),
    ("a system message", {**request(), "messages": [{"role": "system", "content": "a"}]}, "role"),
    ("nothing said", request([]), "non-empty content"),
    ("empty text", request([text("")]), "must be non-empty"),
    ("blank text", request([text(" ")]), "non-whitespace"),
    ("empty system", request("a", system=[text(" ")]), "system"),
    ("white space at the end", request("a", "b "), "trailing whitespace"),
    ("an answer begun", request("a", "b", model="claude-opus-4-8"), "prefill"),
    ("a call id", request("a", [use("a b")], [result("a b")], tools=[TOOL]), "tool_use.id"),
    ("no result", request("a", [use()], "b", tools=[TOOL]), "without `tool_result`"),
    ("no result at all", request("a", [use()], tools=[TOOL]), "without `tool_result`"),
    ("a result of nothing", request([result()]), "unexpected `tool_use_id`"),
    ("a late result", request("a", [use()], [text("b"), result()], tools=[TOOL]), "come first"),
    ("two results", request("a", [use()], [result(), result()], tools=[TOOL]), "single result"),
    (
        "one id twice",
        request("a", [use()], [result()], [use()], [result()], tools=[TOOL]),
        "unique",
    ),
    ("calls without tools", request("a", [use()], [result()]), "must define tools"),
    ("a tool without a schema", request("a", tools=[{"name": "x"}]), "input_schema"),
    ("a foreign kind", request([use()]), "not expected"),
    (
        "an image of no kind",
        request([{"type": "image", "source": {"media_type": "image/tiff"}}]),
        "media_type",
    ),
    ("five marks", request([marked(text("x"))] * 5), "maximum of 4"),
    ("a mark on a thought", request("a", [marked(thought()), text("b")], "c"), "cache_control"),
    ("longer lives last", request([marked(text("x")), marked(text("y"), ttl="1h")]), "ttl"),
    ("a small budget", request("a", thinking=thinking(1023)), "1024"),
    ("a budget of all", request("a", thinking=thinking(4096)), "must be greater"),
    (
        "no budget here",
        request("a", model="claude-opus-4-8", thinking=thinking(1024)),
        "not supported",
    ),
    ("no adaptive here", request("a", model="old", thinking={"type": "adaptive"}), "adaptive"),
    ("no effort here", request("a", model="old", output_config={"effort": "low"}), "effort"),
    ("an unknown effort", request("a", output_config={"effort": "none"}), "effort"),
    ("a thought of another model", request("a", [thought("x"), text("b")], "c"), "signature"),
    (
        "a changed thought",
        request("a", [{**thought(), "thinking": "h"}, text("b")], "c"),
        "signature",
    ),
    (
        "thinking off, where it can't be",
        request("a", model="claude-fable-5", thinking={"type": "disabled"}),
        "disabled",
    ),
    ("a thought at the end", request("a", [text("b"), thought()], "c"), "final block"),
    (
        "a loop without a thought",
        request("a", [use()], [result()], tools=[TOOL], thinking=thinking(1024)),
        "must start with a thinking block",
    ),
    ("a loop with a thought, thinking off", request(*LOOP, tools=[TOOL]), "disabled"),
]


@pytest.mark.parametrize("body", [t[1] for t in TAKEN], ids=[t[0] for t in TAKEN])
def test_what_is_taken(body: dict[str, Any]) -> None:
    """Requests as the documentation shows them pass."""
    assert refusal_of(body, models=RULES) is None


@pytest.mark.parametrize(("body", "words"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_is_refused(body: Any, words: str) -> None:
    """Each rule has a request that breaks it."""
    refusal = refusal_of(body, models=RULES)
    assert refusal is not None
    assert words in refusal.message


def test_a_long_chat_is_refused() -> None:
    """The window is counted."""
    refusal = refusal_of(request("word " * 4000), models=RULES, context_window=1000)
    assert refusal is not None
    assert "prompt is too long" in refusal.message


def in_reach(blocks: int) -> bool:
    """Whether a request finds the one before after so many more blocks."""
    cache = PromptCache()
    cache.look(request([marked(text("0"))]))
    more = [text(str(number)) for number in range(1, blocks)]
    return cache.look(request([text("0"), *more, marked(text("end"))])).known_blocks == 1


@pytest.mark.parametrize(("blocks", "expected"), [(1, True), (20, True), (21, False)])
def test_caches_look_back_over_twenty_blocks(blocks: int, expected: bool) -> None:
    """What was marked is found up to 20 blocks before a mark, and no further."""
    assert in_reach(blocks) is expected


CHANGES: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda body: {**body, "model": "other"},
    lambda body: {**body, "system": [text("new")]},
    lambda body: {**body, "tools": [TOOL]},
]


@pytest.mark.parametrize("change", CHANGES)
def test_caches_know_exact_beginnings_alone(change: Any) -> None:
    """Another model, system prompt or tool list is another beginning."""
    cache = PromptCache()
    body = request([marked(text("a"))])
    assert cache.look(body).known_blocks == 0
    assert cache.look(body).known_blocks == 1
    assert cache.look(change(body)).known_blocks == 0
