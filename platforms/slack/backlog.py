"""What came by the sockets and is not in the journal: so many in progress, so many more read ahead.

Events begin in the order they came. A press, a form or a command begins at once: Slack gives it
three seconds and brings it once. When there is no room the sockets are not read any more, so what
waits is kept by Slack; what it brings again meanwhile is known by its key.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from platforms.slack.limits import EVENTS_AHEAD_MAX, EVENTS_AT_ONCE_MAX

Work = Callable[[], Awaitable[None]]


class Backlog:
    """Begins work as others end; `at_once` bounds what is in progress, `ahead` what waits."""

    def __init__(self, *, at_once: int = EVENTS_AT_ONCE_MAX, ahead: int = EVENTS_AHEAD_MAX) -> None:
        self._at_once = at_once
        self._room = at_once + ahead
        self._waiting: deque[Work] = deque()
        self._running: set[asyncio.Future[None]] = set()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    def put(self, work: Work, *, urgent: bool) -> None:
        """Begin it, now if it is urgent, else in its turn; it may not raise. Never waits."""
        if urgent:
            self._begin(work)
        else:
            self._waiting.append(work)
            self._begin_next()
        self._look()

    async def wait_for_room(self) -> None:
        """Return once more may come."""
        await self._emptied.wait()

    def drop_waiting(self) -> None:
        """What has not begun never will; Slack delivers it again."""
        self._waiting.clear()
        self._look()

    def _begin(self, work: Work) -> None:
        task = asyncio.ensure_future(work())
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _begin_next(self) -> None:
        while self._waiting and len(self._running) < self._at_once:
            self._begin(self._waiting.popleft())

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._running.discard(task)
        self._begin_next()
        self._look()

    def _look(self) -> None:
        if len(self) < self._room:
            self._emptied.set()
        else:
            self._emptied.clear()
