"""Pure: the gate every tool call passes before any call of its step runs.

Parse, normalise, judge. A call that does not pass has its result at once and runs nothing.
Later steps see only the normalised form.
"""

import difflib
import json
from collections.abc import Mapping
from typing import Any

from agent.calls import Judge, JudgedCall
from agent.messages import JsonObject, ResultStatus, ToolCall, ToolResult
from agent.tools.base import Malformed, Tool

ARGUMENTS_MAX_BYTES = 32 * 1024
DEPTH_MAX = 32


def judge_with(tools: Mapping[str, Tool]) -> Judge:
    """Make the judge of a turn that may use these tools."""

    def judge(call: ToolCall) -> JudgedCall:
        tool = tools.get(call.name)
        if tool is None:
            return _refused(call, ResultStatus.REFUSED, _no_such_tool(call.name, tools))
        arguments = parse_arguments(call.arguments)
        if isinstance(arguments, Malformed):
            return _refused(call, ResultStatus.MALFORMED, arguments.text)
        prepared = tool.prepare(arguments)
        if isinstance(prepared, Malformed):
            return _refused(call, ResultStatus.MALFORMED, prepared.text)
        return JudgedCall(call=call, prepared=prepared)

    return judge


def parse_arguments(text: str) -> JsonObject | Malformed:
    """Read a call's arguments: one JSON object, no key twice, at most 32 levels and 32 KiB.

    Nothing at all means no arguments.
    """
    if len(text.encode("utf-8", "surrogatepass")) > ARGUMENTS_MAX_BYTES:
        return Malformed(text="The arguments are over 32 KiB. Work in smaller pieces.")
    if not text.strip():
        return {}
    try:
        value = json.loads(text, object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Malformed(text=f"The arguments are not one JSON object: {error}.")
    if not isinstance(value, dict):
        return Malformed(text="The arguments must be one JSON object.")
    if _depth(value) > DEPTH_MAX:
        return Malformed(text="The arguments are nested too deep.")
    if not _is_text(value):
        return Malformed(text="The arguments hold half a character (an unpaired surrogate).")
    return value


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(value: Any) -> int:
    level, deepest = [value], 0
    while level:
        deepest += 1
        below = [
            v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)
        ]
        level = [item for items in below for item in items]
    return deepest


def _is_text(value: Any) -> bool:
    """Whether every string in it can be written anywhere."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_such_tool(name: str, tools: Mapping[str, Tool]) -> str:
    near = difflib.get_close_matches(name, tools, n=3)
    hint = (
        f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(sorted(tools))}."
    )
    return f"There is no tool {name!r}. {hint}"


def _refused(call: ToolCall, status: ResultStatus, text: str) -> JudgedCall:
    result = ToolResult(call_id=call.id, name=call.name, status=status, text=text)
    return JudgedCall(call=call, prepared=None, refusal=result)
