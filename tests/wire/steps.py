"""What another client does with a loopback server: one step for each operation that is offered.

A step lets that client perform an operation and reads the result back, on the client's side and
as a person sees it. `undone` and `unmade` are empty as long as steps and operations are the same.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Generic, TypeVar

from tests.wire.server import LoopbackServer

Ground = TypeVar("Ground")
Step = Callable[[Ground], Awaitable[None]]


class Steps(Generic[Ground]):
    """Steps by operation, as the server's record names it; each operation has one."""

    def __init__(self) -> None:
        self.by_operation: dict[str, Step[Ground]] = {}

    def __call__(self, *operations: str) -> Callable[[Step[Ground]], Step[Ground]]:
        """Registers a step for these operations, all of which it performs."""

        def register(step: Step[Ground]) -> Step[Ground]:
            for operation in operations:
                assert operation not in self.by_operation, f"two steps for {operation}"
                self.by_operation[operation] = step
            return step

        return register

    def together(self, offered: Collection[str]) -> list[tuple[str, ...]]:
        """What is offered and has a step, by the step that performs it."""
        found: dict[Step[Ground], list[str]] = {}
        for operation, step in self.by_operation.items():
            if operation in offered:
                found.setdefault(step, []).append(operation)
        return [tuple(each) for each in found.values()]

    def undone(self, offered: Collection[str]) -> set[str]:
        """What is offered and performed by no step."""
        return set(offered) - set(self.by_operation)

    def unmade(self, offered: Collection[str]) -> set[str]:
        """What steps perform and nothing offers."""
        return set(self.by_operation) - set(offered)


def performed(server: LoopbackServer) -> set[str]:
    """The operations a server has answered with success, or handed over and seen taken."""
    return {seen.operation for seen in server.record if seen.status == 101 or _good(seen.status)}


def _good(status: int) -> bool:
    return 200 <= status < 300
