"""Pure: what the real service refuses, and in which words.

Source: developers.openai.com/api/docs/api-reference/responses/create and error bodies people have
published. What the reasoning led to is checked more strictly than the service does: it has to be
followed by just that.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.wire.openai.rules import Refusal
from tests.wire.openai.script import tokens
from tests.wire.responses.script import follower_of, led_to

Json = Mapping[str, Any]
_PARAMETERS = (
    "access_programs background background_options context_management conversation image include "
    "input instructions max_output_tokens max_tool_calls metadata model moderation "
    "parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options "
    "prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options "
    "temperature text tool_choice tools top_logprobs top_p truncation user"
)
PARAMETERS = frozenset(_PARAMETERS.split())
INCLUDABLE = frozenset({"reasoning.encrypted_content", "message.output_text.logprobs"})
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
ROLES = ("assistant", "system", "developer", "user")
NAME = re.compile(r"^[a-zA-Z0-9_-]+$")
CALL_ID_MAX = 64
CACHE_KEY_MAX = 64
OUTPUT_MIN = 16
_KEYS = {
    "message": {"type", "role", "content", "id", "status", "phase"},
    "function_call": {"type", "call_id", "name", "arguments", "id", "status"},
    "function_call_output": {"type", "call_id", "output", "id", "status"},
    "reasoning": {"type", "id", "summary", "content", "encrypted_content", "status"},
}
_CODEX_REFUSES = ("max_output_tokens", "temperature", "top_p")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How the codex backend of ChatGPT says no."""

    message: str
    status: int = 400

    @property
    def body(self) -> Json:
        return {"detail": self.message}


def refusal_of(
    request: Any, *, models: Sequence[str], context_window: int, codex: bool = False
) -> Refusal | Detail | None:
    """The first reason to refuse a request, or None."""
    if not isinstance(request, dict):
        return Refusal(message="We could not parse the JSON body of your request.")
    if codex and (detail := next(_codex(request), None)):
        return detail
    return next(_refusals(request, models, context_window), None)


def _codex(request: Json) -> Iterator[Detail]:
    for name in _CODEX_REFUSES:
        if name in request:
            yield Detail(message=f"Unsupported parameter: {name}")
    if not request.get("instructions"):
        yield Detail(message="Instructions are required")
    if request.get("store") is not False:
        yield Detail(message="Store must be set to false")
    if request.get("stream") is not True:
        yield Detail(message="Stream must be set to true")
    if not isinstance(request.get("input"), list):
        yield Detail(message="Input must be a list")


def _refusals(request: Json, models: Sequence[str], context_window: int) -> Iterator[Refusal]:
    for name in request:
        if name not in PARAMETERS:
            yield _refused(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    yield from _model(request, models)
    yield from _options(request)
    yield from _tools(request.get("tools"))
    items = request.get("input")
    if items is None:
        yield _missing("input")
        return
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    for at, item in enumerate(items):
        yield from _item(f"input[{at}]", item)
    yield from _order(items, request)
    if tokens(items) > context_window:
        yield _refused(
            "Your input exceeds the context window of this model. Please adjust your input and "
            "try again.",
            "input",
            "context_length_exceeded",
        )


def _model(request: Json, models: Sequence[str]) -> Iterator[Refusal]:
    model = request.get("model")
    if not model:
        yield _missing("model")
    elif model not in models:
        yield Refusal(
            message=f"The requested model '{model}' does not exist.",
            param="model",
            code="model_not_found",
        )


def _options(request: Json) -> Iterator[Refusal]:
    if request.get("previous_response_id") is not None:  # nothing is stored here
        previous = request["previous_response_id"]
        yield _refused(
            f"Previous response with id '{previous}' not found.",
            "previous_response_id",
            "previous_response_not_found",
        )
    cap = request.get("max_output_tokens")
    if cap is not None and cap < OUTPUT_MIN:
        yield _refused(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= "
            f"{OUTPUT_MIN}, but got {cap} instead.",
            "max_output_tokens",
            "integer_below_min_value",
        )
    effort = (request.get("reasoning") or {}).get("effort", "none")
    if effort not in EFFORTS:
        yield _value("reasoning.effort", effort, EFFORTS)
    for value in request.get("include") or ():
        if value not in INCLUDABLE:
            yield _value("include[0]", value, sorted(INCLUDABLE))
    if request.get("stream_options") is not None and not request.get("stream"):
        yield _refused(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    if len(key := request.get("prompt_cache_key") or "") > CACHE_KEY_MAX:
        yield _long("prompt_cache_key", key, CACHE_KEY_MAX)


def _tools(tools: Any) -> Iterator[Refusal]:
    for index, tool in enumerate(tools or ()):
        at = f"tools[{index}]"
        if tool.get("type") != "function":
            yield _value(f"{at}.type", tool.get("type"), ("function",))
            continue
        for key in tool:
            if key not in {"type", "name", "description", "parameters", "strict"}:
                name = f"{at}.{key}"
                yield _refused(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        yield from _name(f"{at}.name", tool.get("name"))
        yield from _schema(at, tool)


def _schema(at: str, tool: Json) -> Iterator[Refusal]:
    schema = tool.get("parameters") or {"type": "object"}
    why = ""
    if schema.get("type") != "object":
        why = (
            f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema['type']}\"'"
        )
    elif tool.get("strict", True) is not False and schema.get("additionalProperties") is not False:
        why = "In context=(), 'additionalProperties' is required to be supplied and to be false"
    if why:
        yield _refused(
            f"Invalid schema for function '{tool.get('name')}': {why}.",
            f"{at}.parameters",
            "invalid_function_parameters",
        )


def _item(at: str, item: Any) -> Iterator[Refusal]:
    if not isinstance(item, dict):
        yield _refused(f"Invalid type for '{at}': expected an object.", at, "invalid_type")
        return
    kind = item.get("type", "message")
    if kind == "item_reference":
        yield _not_found(item.get("id"))
        return
    if kind not in _KEYS:
        yield _value(at, kind, sorted(_KEYS))
        return
    for key in item:
        if key not in _KEYS[kind]:
            yield _refused(f"Unknown parameter: '{at}.{key}'.", f"{at}.{key}", "unknown_parameter")
    match kind:
        case "message":
            yield from _message(at, item)
        case "function_call":
            yield from _call_id(at, item)
            yield from _name(f"{at}.name", item.get("name"))
            if not isinstance(item.get("arguments"), str):
                yield _missing(f"{at}.arguments")
        case "function_call_output":
            yield from _call_id(at, item)
            if "output" not in item:
                yield _missing(f"{at}.output")
            yield from _content(f"{at}.output", item.get("output"), ("input_text", "input_image"))
        case _:
            yield from _reasoning(at, item)


def _message(at: str, item: Json) -> Iterator[Refusal]:
    role = item.get("role")
    if role not in ROLES:
        yield _value(f"{at}.role", role, ROLES)
    if item.get("phase") not in (None, "commentary", "final_answer"):
        yield _value(f"{at}.phase", item["phase"], ("commentary", "final_answer"))
    kinds = ("input_text", "input_image")
    if role == "assistant":
        kinds = ("output_text", "refusal")
    if item.get("content") is None:
        yield _missing(f"{at}.content")
    yield from _content(f"{at}.content", item.get("content"), kinds)


def _content(at: str, content: Any, kinds: Sequence[str]) -> Iterator[Refusal]:
    if not isinstance(content, list):
        return
    if not content:
        yield _refused(f"Invalid '{at}': empty array.", at, "empty_array")
    for index, part in enumerate(content):
        here = f"{at}[{index}]"
        if part.get("type") not in kinds:
            yield _value(f"{here}.type", part.get("type"), kinds)
        elif part["type"] == "input_image":
            yield from _image(here, part)
        elif not isinstance(part.get("text"), str):
            yield _missing(f"{here}.text")


def _image(at: str, part: Json) -> Iterator[Refusal]:
    if part.get("detail", "auto") not in ("low", "high", "auto", "original"):
        yield _value(f"{at}.detail", part["detail"], ("low", "high", "auto", "original"))
    head, _, data = str(part.get("image_url")).partition(",")
    try:
        sound = bool(re.fullmatch(r"data:image/(png|jpeg|gif|webp);base64", head))
        base64.b64decode(data, validate=True)
    except binascii.Error:
        sound = False
    if not sound:
        yield _refused(
            f"Invalid '{at}.image_url'. Expected a base64-encoded data URL with an image MIME "
            f"type (e.g. 'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU='), but got {head[:40]!r}.",
            f"{at}.image_url",
            "invalid_value",
        )


def _call_id(at: str, item: Json) -> Iterator[Refusal]:
    call_id = item.get("call_id")
    if not call_id:
        yield _missing(f"{at}.call_id")
    elif len(call_id) > CALL_ID_MAX:
        yield _long(f"{at}.call_id", call_id, CALL_ID_MAX)


def _reasoning(at: str, item: Json) -> Iterator[Refusal]:
    for name in ("id", "summary"):
        if name not in item:
            yield _missing(f"{at}.{name}")
    if item.get("content"):
        yield _refused(
            f"Invalid '{at}.content': array too long. Expected an array with maximum length 0, "
            f"but got an array with length {len(item['content'])} instead.",
            f"{at}.content",
            "array_above_max_length",
        )
    if not item.get("encrypted_content"):
        yield _not_found(item.get("id"))


def _order(items: Sequence[Json], request: Json) -> Iterator[Refusal]:
    """Reasoning is followed by what it led to, calls and outputs belong together."""
    calls: list[str] = []
    answered: list[str] = []
    for at, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "reasoning":
            yield from _follower(item, items[at + 1 :], request)
        elif kind == "function_call":
            calls.append(item["call_id"])
        elif kind == "function_call_output":
            call_id = item["call_id"]
            if calls.count(call_id) <= answered.count(call_id):
                yield _refused(
                    f"No tool call found for function call output with call_id {call_id}.", "input"
                )
            answered.append(call_id)
    for call_id in calls:
        if calls.count(call_id) > answered.count(call_id):
            yield _refused(f"No tool output found for function call {call_id}.", "input")


def _follower(item: Json, after: Sequence[Json], request: Json) -> Iterator[Refusal]:
    led = led_to(item.get("encrypted_content") or "")
    if led is None or led[0] != request.get("model"):
        content = str(item.get("encrypted_content"))
        yield _refused(
            f"The encrypted content {content[:4]}...{content[-4:]} could not be verified.",
            None,
            "invalid_encrypted_content",
        )
    elif not after or follower_of(after[0]) != led[1] or after[0].get("role") == "user":
        yield _refused(
            f"Item '{item.get('id')}' of type 'reasoning' was provided without its required "
            "following item.",
            "input",
        )


def _name(at: str, name: Any) -> Iterator[Refusal]:
    if not name:
        yield _missing(at)
    elif not NAME.match(name):
        yield _refused(
            f"Invalid '{at}': string does not match pattern. Expected a string that matches the "
            "pattern '^[a-zA-Z0-9_-]+$'.",
            at,
            "invalid_value",
        )
    elif len(name) > 64:
        yield _long(at, name, 64)


def _refused(message: str, param: str | None, code: str | None = None) -> Refusal:
    return Refusal(message=message, param=param, code=code)


def _not_found(item_id: Any) -> Refusal:
    return Refusal(
        message=f"Item with id '{item_id}' not found. Items are not persisted when `store` is set "
        "to false. Try again with `store` set to true, or remove this item from your input.",
        status=404,
        param="input",
    )


def _missing(at: str) -> Refusal:
    message = f"Missing required parameter: '{at}'."
    return _refused(message, at, "missing_required_parameter")


def _value(at: str, value: Any, known: Sequence[str]) -> Refusal:
    names = ", ".join(f"'{name}'" for name in known)
    return _refused(
        f"Invalid value: '{value}'. Supported values are: {names}.", at, "invalid_value"
    )


def _long(at: str, value: str, limit: int) -> Refusal:
    return _refused(
        f"Invalid '{at}': string too long. Expected a string with maximum length {limit}, but got "
        f"a string with length {len(value)} instead.",
        at,
        "string_above_max_length",
    )
