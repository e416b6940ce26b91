"""How many tools of all turns run side by side: of one chat, and in all.

Who waits is let in in order, but for chats that have no room of their own left: those hold up
nobody else.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

TOOLS_OF_CHAT = 8
TOOLS_IN_ALL = 32


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiting:
    chat: str
    moved: Callable[[], None]
    admitted: asyncio.Event = field(default_factory=asyncio.Event)


class ToolRoom:
    """The places of one process."""

    def __init__(self, *, of_chat: int = TOOLS_OF_CHAT, in_all: int = TOOLS_IN_ALL) -> None:
        self._of_chat = of_chat
        self._in_all = in_all
        self._taken: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def place(self, chat: str, moved: Callable[[], None]) -> AsyncIterator[None]:
        """Have a place for a tool of a chat; `moved` is called as those before it move on."""
        waiting = _Waiting(chat=chat, moved=moved)
        self._waiting.append(waiting)
        self._admit()
        try:
            await waiting.admitted.wait()
            yield
        finally:
            if waiting.admitted.is_set():
                self._leave(chat)
            else:
                self._waiting.remove(waiting)

    def _admit(self) -> None:
        for waiting in tuple(self._waiting):
            if self._taken.total() >= self._in_all:
                return
            if self._taken[waiting.chat] < self._of_chat:
                self._taken[waiting.chat] += 1
                self._waiting.remove(waiting)
                waiting.admitted.set()

    def _leave(self, chat: str) -> None:
        self._taken[chat] -= 1
        if not self._taken[chat]:
            del self._taken[chat]
        for waiting in self._waiting:
            waiting.moved()
        self._admit()
