"""Notes how far chats were shown: soon, but not with every word of a growing answer.

Theory of operation. Of one chat only all or nothing can be noted: what is on its way is not known
apart. So a note is made when terminals were sent everything, again after a while if more came
meanwhile or something was still under way, and at once when a terminal goes. A crash before a
note shows the last words once more; none makes them go unseen.
"""

import asyncio
from contextlib import suppress

from platforms.events import ChatRef
from platforms.terminal.feed import Feed
from platforms.terminal.history import History
from platforms.terminal.limits import NOTE_AGAIN_MAX_S, NOTE_EVERY_S


class Notes:
    """One task for each chat that was shown more than is noted."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._closing = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def seen(self, chat: ChatRef, feed: Feed) -> None:
        """Terminals were sent more of a chat."""
        feed.unnoted = True
        if chat.chat_id not in self._tasks and not self._closing.is_set():
            task = asyncio.create_task(self._note_on(chat, feed), name="terminal note")
            self._tasks[chat.chat_id] = task

    async def last(self, chat: ChatRef, feed: Feed) -> None:
        """A terminal is gone: note at once what it was sent."""
        if feed.unnoted:
            await self._note(chat, feed)

    async def close(self) -> None:
        """Note what is left, then no more by itself."""
        self._closing.set()
        await asyncio.gather(*self._tasks.values())

    async def _note_on(self, chat: ChatRef, feed: Feed) -> None:
        pause_s = NOTE_EVERY_S
        try:
            while feed.unnoted and feed.shown == feed.version:
                settled = await self._note(chat, feed)
                if self._closing.is_set():
                    return
                pause_s = NOTE_EVERY_S if settled else min(2 * pause_s, NOTE_AGAIN_MAX_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._closing.wait()
        finally:
            del self._tasks[chat.chat_id]

    async def _note(self, chat: ChatRef, feed: Feed) -> bool:
        """Note that all was shown, if it was; False while it should be noted again."""
        if feed.shown != feed.version:
            return False
        feed.unnoted = False
        settled = await self._history.shown(chat)
        feed.unnoted |= not settled
        return settled
