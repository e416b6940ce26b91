"""What can come of a connection to an MCP server, and of a call through it."""

from dataclasses import dataclass

from agent.errors import AgentError
from agent.tools.mcp_definitions import Definition, Unfit


class LinkFailed(AgentError):
    """There is no connection; the message says why, and may hold foreign text."""


class NotTaken(AgentError):
    """A call certainly did not begin. `gone`: another session may take it."""

    def __init__(self, why: str, *, gone: bool = False) -> None:
        super().__init__(why)
        self.gone = gone


class Unsure(AgentError):
    """A call may have taken effect."""


class Refused(AgentError):
    """The server answered a call with an error of the protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A tool's result as text; `failed` is the server's own word."""

    text: str
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a server says of its tools, and those that can't be offered."""

    definitions: tuple[Definition, ...]
    unfit: tuple[Unfit, ...]
