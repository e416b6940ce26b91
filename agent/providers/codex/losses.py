"""Why a child is of no use any more, and what it refused."""

from typing import Literal

from agent.providers.codex.protocol import RpcFault

Why = Literal[
    "ended", "timeout", "silent", "deadline", "junk", "aborted", "login", "thread", "unfit"
]


class ChildLost(Exception):
    """The child is of no use any more; the message is for operators.

    `thread`: it does not have the thread it was asked for. `unfit`: no attempt would go better.
    """

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why: Why = why


class RpcRefused(Exception):
    """The child refuses a request."""

    def __init__(self, method: str, fault: RpcFault) -> None:
        super().__init__(f"{method}: {fault.message}")
        self.code = fault.code
        self.said = fault.message
