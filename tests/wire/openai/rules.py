"""Pure: what the real service refuses, and in which words.

Source: platform.openai.com/docs/api-reference/chat/create and error bodies people have published.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.wire.openai.script import tokens

Json = Mapping[str, Any]
_PARAMETERS = (
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens "
    "max_tokens messages metadata modalities model moderation n parallel_tool_calls prediction "
    "presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention "
    "reasoning_effort response_format safety_identifier seed service_tier stop store stream "
    "stream_options temperature tool_choice tools top_logprobs top_p user verbosity "
    "web_search_options"
)
PARAMETERS = frozenset(_PARAMETERS.split())
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
NAME = re.compile(r"^[a-zA-Z0-9_-]+$")
CALL_ID_MAX = 40
CACHE_KEY_MAX = 64
REASONING_MODELS = ("o1", "o3", "o4", "gpt-5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error body of the service and its status."""

    message: str
    status: int = 400
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None

    @property
    def body(self) -> Json:
        error = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}


def refusal_of(request: Any, *, models: Sequence[str], context_window: int) -> Refusal | None:
    """The first reason to refuse a request, or None."""
    if not isinstance(request, dict):
        return Refusal(
            message="We could not parse the JSON body of your request. (HINT: This likely means "
            "you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, "
            "but what was sent was not valid JSON. If you have trouble figuring out how to fix "
            "this, please contact us through our help center at help.openai.com.)"
        )
    return next(_refusals(request, models, context_window), None)


def _refusals(request: Json, models: Sequence[str], context_window: int) -> Iterator[Refusal]:
    yield from _unknown(request)
    yield from _model(request, models)
    messages = request.get("messages")
    if messages is None:
        yield _missing("messages")
        return
    if not isinstance(messages, list):
        yield _type("messages", "an array of objects", messages)
        return
    if not messages:
        yield _empty("messages")
    for index, message in enumerate(messages):
        yield from _message(f"messages[{index}]", message)
    yield from _order(messages)
    yield from _tools(request)
    yield from _numbers(request)
    used = tokens(messages)
    if used > context_window:
        yield Refusal(
            message=f"This model's maximum context length is {context_window} tokens. However, "
            f"your messages resulted in {used} tokens. Please reduce the length of the messages.",
            param="messages",
            code="context_length_exceeded",
        )


def _unknown(request: Json) -> Iterator[Refusal]:
    for name in request:
        if name not in PARAMETERS:
            yield Refusal(
                message=f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
            )


def _model(request: Json, models: Sequence[str]) -> Iterator[Refusal]:
    model = request.get("model")
    if not model:
        yield Refusal(message="you must provide a model parameter")
    elif model not in models:
        yield Refusal(
            message=f"The model `{model}` does not exist or you do not have access to it.",
            status=404,
            code="model_not_found",
        )
    elif str(model).startswith(REASONING_MODELS) and request.get("max_tokens") is not None:
        yield Refusal(
            message="Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )


def _message(at: str, message: Any) -> Iterator[Refusal]:
    if not isinstance(message, dict):
        yield _type(at, "an object", message)
        return
    role = message.get("role")
    if role is None:
        yield _missing(f"{at}.role")
    elif role not in ROLES:
        quoted = ", ".join(f"'{name}'" for name in ROLES[:-1])
        yield Refusal(
            message=f"Invalid value: '{role}'. Supported values are: {quoted}, and '{ROLES[-1]}'.",
            param=f"{at}.role",
            code="invalid_value",
        )
    if "tool_calls" in message:
        yield from _calls(f"{at}.tool_calls", message["tool_calls"])
    yield from _content(at, message)
    if role == "tool" and not message.get("tool_call_id"):
        yield Refusal(
            message="Missing parameter 'tool_call_id': messages with role 'tool' must have a "
            "'tool_call_id'.",
            param=f"{at}.tool_call_id",
        )


def _content(at: str, message: Json) -> Iterator[Refusal]:
    content = message.get("content")
    if content is None:
        if message.get("role") != "assistant" or not message.get("tool_calls"):
            yield Refusal(
                message="Invalid value for 'content': expected a string, got null.",
                param=f"{at}.content",
            )
    elif isinstance(content, list):
        if not content:
            yield _empty(f"{at}.content")
    elif not isinstance(content, str):
        yield _type(f"{at}.content", "one of a string or array of objects", content)


def _calls(at: str, calls: Any) -> Iterator[Refusal]:
    if not isinstance(calls, list):
        yield _type(at, "an array of objects", calls)
        return
    if not calls:
        yield _empty(at)
    for index, call in enumerate(calls):
        here = f"{at}[{index}]"
        if not call.get("id"):
            yield _missing(f"{here}.id")
        elif len(call["id"]) > CALL_ID_MAX:
            yield _long(f"{here}.id", call["id"], CALL_ID_MAX)
        if call.get("type") != "function":
            yield _missing(f"{here}.type")
        function = call.get("function") or {}
        yield from _name(f"{here}.function.name", function.get("name"))
        if not isinstance(function.get("arguments"), str):
            yield _type(f"{here}.function.arguments", "a string", function.get("arguments"))


def _order(messages: Sequence[Json]) -> Iterator[Refusal]:
    """Every call is answered right after its message, and nothing else answers."""
    open_ids: list[str] = []
    known: frozenset[str] = frozenset()
    for index, message in enumerate(messages):
        if message.get("role") == "tool":
            answers = message.get("tool_call_id")
            if answers not in known:
                yield Refusal(
                    message="Invalid parameter: messages with role 'tool' must be a response to "
                    "a preceeding message with 'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            open_ids = [open_id for open_id in open_ids if open_id != answers]
            continue
        if open_ids:
            yield _unanswered(open_ids, index)
        calls = message.get("tool_calls") or ()
        open_ids = [str(call.get("id")) for call in calls]
        known = frozenset(open_ids)
    if open_ids:
        yield _unanswered(open_ids, len(messages) - 1)


def _unanswered(ids: Sequence[str], index: int) -> Refusal:
    return Refusal(
        message="An assistant message with 'tool_calls' must be followed by tool messages "
        "responding to each 'tool_call_id'. The following tool_call_ids did not have response "
        f"messages: {', '.join(ids)}",
        param=f"messages.[{index}].role",
    )


def _tools(request: Json) -> Iterator[Refusal]:
    tools = request.get("tools")
    if tools is None:
        for name in ("tool_choice", "parallel_tool_calls"):
            if name in request:
                yield Refusal(
                    message=f"Invalid value for '{name}': '{name}' is only allowed when 'tools' "
                    "are specified.",
                    param=name,
                )
        return
    if not tools:
        yield _empty("tools")
    for index, tool in enumerate(tools):
        function = tool.get("function") or {}
        called = function.get("name")
        yield from _name(f"tools[{index}].function.name", called)
        parameters = function.get("parameters")
        if parameters is not None and parameters.get("type") != "object":
            kind = parameters.get("type")
            yield Refusal(
                message=f"Invalid schema for function '{called}': schema must be a JSON Schema of "
                f"'type: \"object\"', got 'type: \"{kind}\"'.",
                param=f"tools[{index}].function.parameters",
                code="invalid_function_parameters",
            )


def _numbers(request: Json) -> Iterator[Refusal]:
    if request.get("stream_options") is not None and not request.get("stream"):
        yield Refusal(
            message="The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )
    if None not in (request.get("max_tokens"), request.get("max_completion_tokens")):
        yield Refusal(
            message="Setting 'max_tokens' and 'max_completion_tokens' at the same time is not "
            "supported.",
            code="invalid_parameter_combination",
        )
    for name in ("max_tokens", "max_completion_tokens"):
        value = request.get(name)
        if value is not None and value < 1:
            yield Refusal(
                message=f"Invalid '{name}': integer below minimum value. Expected a value >= 1, "
                f"but got {value} instead.",
                param=name,
                code="integer_below_min_value",
            )
    key = request.get("prompt_cache_key")
    if key is not None and len(key) > CACHE_KEY_MAX:
        yield _long("prompt_cache_key", key, CACHE_KEY_MAX)


def _name(at: str, name: Any) -> Iterator[Refusal]:
    if not name:
        yield _missing(at)
    elif not NAME.match(name):
        yield Refusal(
            message=f"Invalid '{at}': string does not match pattern. Expected a string that "
            "matches the pattern '^[a-zA-Z0-9_-]+$'.",
            param=at,
            code="invalid_value",
        )
    elif len(name) > 64:
        yield _long(at, name, 64)


def _missing(at: str) -> Refusal:
    return Refusal(
        message=f"Missing required parameter: '{at}'.",
        param=at,
        code="missing_required_parameter",
    )


def _empty(at: str) -> Refusal:
    return Refusal(
        message=f"Invalid '{at}': empty array. Expected an array with minimum length 1, but got "
        "an empty array instead.",
        param=at,
        code="empty_array",
    )


def _long(at: str, value: str, limit: int) -> Refusal:
    return Refusal(
        message=f"Invalid '{at}': string too long. Expected a string with maximum length {limit}, "
        f"but got a string with length {len(value)} instead.",
        param=at,
        code="string_above_max_length",
    )


def _type(at: str, expected: str, value: Any) -> Refusal:
    got = {dict: "an object", list: "an array", str: "a string", type(None): "null"}
    kind = got.get(type(value), f"a {type(value).__name__}")
    return Refusal(
        message=f"Invalid type for '{at}': expected {expected}, but got {kind} instead.",
        param=at,
        code="invalid_type",
    )
