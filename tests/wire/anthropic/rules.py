"""Pure: what the real service refuses, and in which words.

Source: https://platform.claude.com/docs/en/api/messages, .../build-with-claude/extended-thinking,
.../prompt-caching, .../agents-and-tools/tool-use, and error bodies people have published.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.wire.anthropic.script import signature
from tests.wire.openai.script import tokens

Json = Mapping[str, Any]
_PARAMETERS = (
    "cache_control container inference_geo max_tokens messages metadata model output_config "
    "service_tier stop_sequences stream system temperature thinking tool_choice tools top_k top_p"
)
PARAMETERS = frozenset(_PARAMETERS.split())
CALL_ID = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
TOOL_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
THOUGHTS = ("thinking", "redacted_thinking")
USER_BLOCKS = ("text", "image", "document", "tool_result")
PICTURES = ("image/jpeg", "image/png", "image/gif", "image/webp")
MARKS = 4
IMAGE_BYTES = 5 * 1024 * 1024
EFFORTS = ("low", "medium", "high", "xhigh", "max")
_EXTRA = "Extra inputs are not permitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error body of the service and its status."""

    message: str
    status: int = 400
    type: str = "invalid_request_error"

    @property
    def body(self) -> Json:
        error = {"type": self.type, "message": self.message}
        return {"type": "error", "error": error, "request_id": "req_loopback"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRules:
    """What a model takes: `budget` and `adaptive` thinking, none at all, an answer begun for it.

    `unasked`: it thinks where a request says nothing of thinking.
    """

    budget: bool = True
    adaptive: bool = True
    disabled: bool = True
    unasked: bool = False
    prefill: bool = True
    output: int = 64_000


def refusal_of(
    request: Any, *, models: Mapping[str, ModelRules], context_window: int = 200_000
) -> Refusal | None:
    """The first reason to refuse a request, or None."""
    if not isinstance(request, dict):
        return Refusal(message="The request body is not valid JSON: expected value")
    return next(_refusals(request, models, context_window), None)


def _refusals(
    request: Json, models: Mapping[str, ModelRules], context_window: int
) -> Iterator[Refusal]:
    for name in ("model", "max_tokens", "messages"):
        if name not in request:
            yield Refusal(message=f"{name}: Field required")
            return
    for name in request:
        if name not in PARAMETERS:
            yield Refusal(message=f"{name}: {_EXTRA}")
    if (rules := models.get(request["model"])) is None:
        yield Refusal(message=f"model: {request['model']}", status=404, type="not_found_error")
        return
    yield from _shapes(request)
    yield from _cap(request, rules)
    yield from _thinking(request, rules)
    yield from _tools(request)
    yield from _marks(request)
    yield from _sides(request, rules)
    yield from _calls(request["messages"])
    yield from _thoughts(request, rules)
    used = tokens(request["messages"]) + tokens(request.get("tools", ()))
    if used > context_window:
        yield Refusal(message=f"prompt is too long: {used} tokens > {context_window} maximum")


def _shapes(request: Json) -> Iterator[Refusal]:
    if not isinstance(request["messages"], list) or not request["messages"]:
        yield Refusal(message="messages: at least one message is required")
    for block in _system(request):
        if not block["text"].strip():
            yield Refusal(message="system: text content blocks must be non-empty")
    for place, message in enumerate(request["messages"]):
        at = f"messages.{place}"
        if message.get("role") not in ("user", "assistant"):
            yield Refusal(message=f"{at}.role: Input should be 'user' or 'assistant'")
        content = message.get("content")
        if not isinstance(content, str | list) or not content:
            yield Refusal(message=f"{at}: all messages must have non-empty content")
        for index, block in enumerate(_content(message)):
            yield from _block(f"{at}.content.{index}", message["role"], block)


def _block(at: str, role: str, block: Json) -> Iterator[Refusal]:
    kind = block.get("type")
    if role == "user" and kind not in USER_BLOCKS:
        yield Refusal(message=f"{at}.type: Input tag '{kind}' is not expected in a user message")
    if role == "assistant" and kind in ("tool_result", "image"):
        yield Refusal(message=f"{at}: `{kind}` blocks can only be in `user` messages")
    match kind:
        case "text":
            yield from _words(at, block)
        case "image":
            yield from _image(at, block)
        case "tool_use":
            yield from _call(at, block)
        case "tool_result":
            yield from _result(at, block)


def _words(at: str, block: Json) -> Iterator[Refusal]:
    if not block.get("text"):
        yield Refusal(message=f"{at}: text content blocks must be non-empty")
    elif not block["text"].strip():
        yield Refusal(message=f"{at}: text content blocks must contain non-whitespace text")


def _image(at: str, block: Json) -> Iterator[Refusal]:
    source = block.get("source") or {}
    if source.get("media_type") not in PICTURES:
        yield Refusal(message=f"{at}.image.source.base64.media_type: Input should be {PICTURES}")
    if (size := len(source.get("data", ""))) > IMAGE_BYTES:
        yield Refusal(
            message=f"{at}.image.source.base64: image exceeds 5 MB maximum: {size} bytes > "
            f"{IMAGE_BYTES} bytes"
        )


def _call(at: str, block: Json) -> Iterator[Refusal]:
    if not CALL_ID.match(str(block.get("id", ""))):
        yield Refusal(message=f"{at}.tool_use.id: String should match pattern '{CALL_ID.pattern}'")
    if not isinstance(block.get("input"), dict):
        yield Refusal(message=f"{at}.tool_use.input: Input should be a valid dictionary")
    if not TOOL_NAME.match(str(block.get("name", ""))):
        yield Refusal(message=f"{at}.tool_use.name: String should match '{TOOL_NAME.pattern}'")


def _result(at: str, block: Json) -> Iterator[Refusal]:
    inner = block.get("content", "")
    for index, part in enumerate(inner if isinstance(inner, list) else ()):
        if part.get("type") not in ("text", "image", "document"):
            yield Refusal(message=f"{at}.tool_result.content.{index}.type: unexpected")
        yield from _block(f"{at}.tool_result.content.{index}", "user", part)


def _cap(request: Json, rules: ModelRules) -> Iterator[Refusal]:
    cap = request["max_tokens"]
    if type(cap) is not int or cap < 1:
        yield Refusal(message="max_tokens: Input should be greater than or equal to 1")
    elif cap > rules.output:
        yield Refusal(
            message=f"max_tokens: {cap} > {rules.output}, which is the maximum allowed number of "
            f"output tokens for {request['model']}"
        )


def _thinking(request: Json, rules: ModelRules) -> Iterator[Refusal]:
    thinking = request.get("thinking") or {"type": "adaptive" if rules.unasked else "disabled"}
    kind = thinking.get("type")
    if kind == "disabled" and not rules.disabled:
        yield Refusal(message='"thinking.type.disabled" is not supported for this model.')
    if kind == "enabled" and not rules.budget:
        yield Refusal(
            message='"thinking.type.enabled" is not supported for this model. Use '
            '"thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        )
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if type(budget) is not int or budget < 1024:
            yield Refusal(
                message="thinking.enabled.budget_tokens: Input should be greater than or equal "
                "to 1024"
            )
        elif budget >= request["max_tokens"]:
            yield Refusal(message="`max_tokens` must be greater than `thinking.budget_tokens`")
    elif kind == "adaptive":
        if not rules.adaptive:
            yield Refusal(message="adaptive thinking is not supported on this model")
    elif kind != "disabled":
        yield Refusal(message=f"thinking: Input tag '{kind}' found using 'type' does not match")
    effort = (request.get("output_config") or {}).get("effort", "high")
    if effort not in EFFORTS:
        yield Refusal(message=f"output_config.effort: Input should be one of {EFFORTS}")
    if "output_config" in request and not rules.adaptive:
        yield Refusal(message="This model does not support the effort parameter.")


def _tools(request: Json) -> Iterator[Refusal]:
    for index, tool in enumerate(request.get("tools") or ()):
        at = f"tools.{index}"
        if not TOOL_NAME.match(str(tool.get("name", ""))):
            yield Refusal(message=f"{at}.custom.name: String should match '{TOOL_NAME.pattern}'")
        if (tool.get("input_schema") or {}).get("type") != "object":
            yield Refusal(message=f"{at}.custom.input_schema.type: Input should be 'object'")
        for name in tool:
            if name not in ("name", "description", "input_schema", "cache_control", "type"):
                yield Refusal(message=f"{at}.custom.{name}: {_EXTRA}")
    used = any(b["type"] == "tool_use" for m in request["messages"] for b in _content(m))
    if used and not request.get("tools"):
        yield Refusal(
            message="Requests which include `tool_use` or `tool_result` blocks must define tools"
        )


def _marks(request: Json) -> Iterator[Refusal]:
    marked = [block for block in _every_block(request) if "cache_control" in block]
    if len(marked) > MARKS:
        yield Refusal(
            message=f"A maximum of {MARKS} blocks with cache_control may be provided. Found "
            f"{len(marked)}."
        )
    lives = []
    for block in marked:
        if block.get("type") in THOUGHTS:
            yield Refusal(message=f"{block['type']}.cache_control: {_EXTRA}")
        mark = block["cache_control"]
        if mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in ("5m", "1h"):
            yield Refusal(message="cache_control: Input should be ephemeral, for 5m or 1h")
        lives.append(mark.get("ttl", "5m"))
    if lives != sorted(lives):
        yield Refusal(message="a ttl='1h' cache_control block must not come after a ttl='5m' one")


def _sides(request: Json, rules: ModelRules) -> Iterator[Refusal]:
    messages = request["messages"]
    if messages[0]["role"] != "user":
        yield Refusal(message='messages: first message must use the "user" role')
    for before, after in itertools.pairwise(messages):
        if before["role"] == after["role"]:
            yield Refusal(
                message='messages: roles must alternate between "user" and "assistant", but found '
                f'multiple "{after["role"]}" roles in a row'
            )
    last = messages[-1]
    if last["role"] == "user":
        return
    block = _content(last)[-1]
    if block["type"] == "text" and block["text"] != block["text"].rstrip():
        yield Refusal(
            message="messages: final assistant content cannot end with trailing whitespace"
        )
    if not rules.prefill and not any("server" in b["type"] for b in _content(last)):
        yield Refusal(
            message="This model does not support assistant message prefill. The conversation "
            "must end with a user message."
        )


def _calls(messages: Sequence[Json]) -> Iterator[Refusal]:
    """Every call is answered first thing in the next message, once, and nothing else answers."""
    waiting: list[str] = []
    known: set[str] = set()
    for place, message in enumerate(messages):
        blocks = _content(message)
        kinds = [block["type"] == "tool_result" for block in blocks]
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if kinds != sorted(kinds, reverse=True):
            yield Refusal(message=f"messages.{place}: `tool_result` blocks must come first")
        for answer in answered:
            if answer not in waiting:
                yield Refusal(
                    message=f"messages.{place}.content: unexpected `tool_use_id` found in "
                    f"`tool_result` blocks: {answer}. Each `tool_result` block must have a "
                    "corresponding `tool_use` block in the previous message."
                )
        if missing := [call for call in waiting if call not in answered]:
            yield _unanswered(place - 1, missing)
        if len(set(answered)) < len(answered):
            yield Refusal(message=f"messages.{place}: each tool_use must have a single result")
        waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if known & set(waiting) or len(set(waiting)) < len(waiting):
            yield Refusal(message=f"messages.{place}: `tool_use` ids must be unique")
        known |= set(waiting)
    if waiting:
        yield _unanswered(len(messages) - 1, waiting)


def _unanswered(place: int, ids: Sequence[str]) -> Refusal:
    return Refusal(
        message=f"messages.{place}: `tool_use` ids were found without `tool_result` blocks "
        f"immediately after: {', '.join(ids)}. Each `tool_use` block must have a corresponding "
        "`tool_result` block in the next message."
    )


def _thoughts(request: Json, rules: ModelRules) -> Iterator[Refusal]:
    """Thoughts come back as they were signed; a reply that goes on keeps its way of thinking."""
    messages = request["messages"]
    for place, message in enumerate(messages):
        if _content(message)[-1]["type"] in THOUGHTS:
            yield Refusal(
                message=f"messages.{place}: The final block in an assistant message cannot be "
                "`thinking`."
            )
        for index, block in enumerate(_content(message)):
            at = f"messages.{place}.content.{index}"
            if block["type"] == "thinking":
                signed = signature(request["model"], block["thinking"])
                if block.get("signature") != signed or set(block) != _THINKING_FIELDS:
                    yield Refusal(message=f"{at}: Invalid `signature` in `thinking` block")
            if block["type"] == "redacted_thinking":
                foreign = not str(block.get("data", "")).startswith(request["model"])
                if foreign or set(block) != {"type", "data"}:
                    yield Refusal(message=f"{at}: Invalid `data` in `redacted_thinking` block")
    turn = _open_turn(messages)
    if not turn:
        return
    omitted = "adaptive" if rules.unasked else "disabled"
    kind = (request.get("thinking") or {}).get("type", omitted)
    first = _content(messages[turn[0]])[0]["type"]
    if kind == "enabled" and first not in THOUGHTS:
        yield Refusal(
            message=f"messages.{turn[0]}.content.0.type: Expected `thinking` or "
            f"`redacted_thinking`, but found `{first}`. When `thinking` is enabled, a final "
            "`assistant` message must start with a thinking block (preceeding the lastmost set of "
            "`tool_use` and `tool_result` blocks). To avoid this requirement, disable `thinking`."
        )
    held = [b for place in turn for b in _content(messages[place]) if b["type"] in THOUGHTS]
    if kind == "disabled" and held:
        yield Refusal(
            message=f"messages.{turn[0]}.content.0: When thinking is disabled, an `assistant` "
            "message in the final position cannot contain `thinking`. To use thinking blocks, "
            "enable `thinking` in your request."
        )


_THINKING_FIELDS = {"type", "thinking", "signature"}


def _open_turn(messages: Sequence[Json]) -> list[int]:
    """The assistant messages of the reply that still goes on."""
    places: list[int] = []
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if message["role"] == "assistant":
            places.insert(0, place)
        elif not any(block["type"] == "tool_result" for block in _content(message)):
            break
    return places


def _content(message: Json) -> list[Json]:
    content = message.get("content") or ()
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _system(request: Json) -> list[Json]:
    return _content({"content": request.get("system")})


def _every_block(request: Json) -> list[Json]:
    inner = [block for message in request["messages"] for block in _content(message)]
    return [*(request.get("tools") or ()), *_system(request), *inner]
