"""Pure: what a tool of an MCP server is called, for rules and people and for models.

Rules and people see `mcp:SERVER/TOOL`. Providers take letters, digits, `_` and `-`, at most 64 of
them, so models see `mcp_SERVER__TOOL`, and where that does not fit or could be read in two ways
`mcpx_` with a hash of the other name at its end. Both depend on nothing but server and tool: a
stored call finds its tool after any restart.
"""

import re
from hashlib import sha256
from typing import Final

RULE_PREFIX: Final = "mcp:"
MODEL_NAME_MAX: Final = 64
"""Source: OpenAI, function calling (`^[a-zA-Z0-9_-]{1,64}$`); others allow more."""

_HASH_DIGITS: Final = 16
_SERVER: Final = re.compile(r"(?!.*__)[a-z0-9][a-z0-9_-]*(?<!_)")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_TOOL: Final = re.compile(r"[A-Za-z0-9_./-]{1,128}")


def is_tool_name(name: str) -> bool:
    """Whether a server's name for a tool can be offered. Source: MCP, tools, "Tool Names"."""
    return _TOOL.fullmatch(name) is not None


def rule_name(server: str, tool: str) -> str:
    """The name rules, cards and logs know."""
    return f"{RULE_PREFIX}{server}/{tool}"


def model_name(server: str, tool: str) -> str:
    """The name every provider takes; two tools never share one."""
    plain = f"mcp_{server}__{tool}"
    fits = _SERVER.fullmatch(server) and _PLAIN.fullmatch(tool) and len(plain) <= MODEL_NAME_MAX
    if fits:
        return plain
    told = re.sub(r"[^A-Za-z0-9_-]", "_", f"mcpx_{server}__{tool}")
    digits = sha256(rule_name(server, tool).encode()).hexdigest()[:_HASH_DIGITS]
    return f"{told[: MODEL_NAME_MAX - _HASH_DIGITS - 1]}_{digits}"
