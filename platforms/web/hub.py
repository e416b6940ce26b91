"""What is in memory for the page: live chats, their readers, uploads, and the timers of both.

Nothing here awaits. A change wakes the readers of its chat; each writes in its own task, so a slow
reader holds up neither the gateway nor another reader.
"""

import asyncio
from collections import OrderedDict

from platforms.content import Form
from platforms.web.history import StoredFile
from platforms.web.limits import FILES_MAX_BYTES, LIVE_CHATS, LIVE_MESSAGES
from platforms.web.live import LiveChat, LiveMessage
from platforms.web.stream import Stream


class Hub:
    """All live chats of one adapter; used from one event loop."""

    def __init__(self, *, epoch: str) -> None:
        self._epoch = epoch
        self._chats: OrderedDict[str, LiveChat] = OrderedDict()
        self._streams: dict[str, set[Stream]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._pending: set[str] = set()
        self._files: OrderedDict[tuple[str, str], StoredFile] = OrderedDict()
        self._highest = 0

    @property
    def streams(self) -> int:
        """Open event streams in all."""
        return sum(map(len, self._streams.values()))

    def find(self, chat_id: str) -> LiveChat | None:
        """A chat if anything of it is in memory."""
        return self._chats.get(chat_id)

    def cursor(self, chat_id: str) -> str:
        """Where a stream opened now for this chat would begin."""
        live = self._chats.get(chat_id)
        return f"{self._epoch}.{self._highest if live is None else live.version}"

    def put(self, chat_id: str, message: LiveMessage) -> None:
        """A new message or a new state of one. The first of ours ends the mere expectation."""
        live = self._chat(chat_id)
        live.put(message)
        if message.speaker == "assistant":
            self.expect_no_more(chat_id)
        self._wake(chat_id)

    def reserve(self, chat_id: str) -> int:
        """A place in the chat for a message that is not stored yet."""
        return self._chat(chat_id).reserve()

    def withdraw(self, chat_id: str, message_id: str) -> None:
        """A message is deleted."""
        self._chat(chat_id).withdraw(message_id)
        self._files.pop((chat_id, message_id), None)
        self._wake(chat_id)

    def react(self, chat_id: str, message_id: str, emoji: str, *, on: bool) -> None:
        """A reaction comes or goes."""
        self._chat(chat_id).react(message_id, emoji, on=on)
        self._wake(chat_id)

    def show_form(self, chat_id: str, card: str, form: Form | None) -> None:
        """A form opens at a message, or the one there closes."""
        self._chat(chat_id).show_form(card, form)
        self._wake(chat_id)

    def notice(self, chat_id: str, text: str, *, alert: bool) -> None:
        """Words for the person, shown for a moment."""
        self._chat(chat_id).notice(text, alert=alert)
        self._wake(chat_id)

    def expect(self, chat_id: str, *, life_s: float) -> None:
        """Work is about to begin; what is already going on stays as it is shown."""
        if self._chat(chat_id).label is None:
            self.work(chat_id, "", life_s=life_s)
            self._pending.add(chat_id)

    def expect_no_more(self, chat_id: str) -> None:
        """What was expected will not come; work that has begun meanwhile stays."""
        if chat_id in self._pending:
            self.rest(chat_id)

    def work(self, chat_id: str, label: str, *, life_s: float) -> None:
        """Work goes on; not renewed within `life_s`, the sign disappears by itself."""
        self._end_timer(chat_id)
        self._pending.discard(chat_id)
        self._chat(chat_id).show_status(label)
        loop = asyncio.get_running_loop()
        self._timers[chat_id] = loop.call_later(life_s, self.rest, chat_id)
        self._wake(chat_id)

    def rest(self, chat_id: str) -> None:
        """Nothing is going on any more."""
        self._end_timer(chat_id)
        self._pending.discard(chat_id)
        live = self._chats.get(chat_id)
        if live is not None:
            live.show_status(None)
            self._wake(chat_id)

    def keep_file(self, chat_id: str, message_id: str, file: StoredFile) -> None:
        """Hold an upload for download until newer ones need the room."""
        self._files[(chat_id, message_id)] = file
        while sum(len(kept.data) for kept in self._files.values()) > FILES_MAX_BYTES:
            self._files.popitem(last=False)

    def file(self, chat_id: str, message_id: str) -> StoredFile | None:
        """An upload that is still held."""
        return self._files.get((chat_id, message_id))

    def open(self, chat_id: str, conversation: str, *, after: str) -> Stream:
        """A reader of a chat; `after` is the last event id it has seen."""
        chat = self._chat(chat_id)
        stream = Stream(chat, conversation=conversation, epoch=self._epoch, after=after)
        self._streams.setdefault(chat_id, set()).add(stream)
        return stream

    def leave(self, chat_id: str, stream: Stream) -> None:
        """The reader is gone."""
        readers = self._streams.get(chat_id, set())
        readers.discard(stream)
        if not readers:
            self._streams.pop(chat_id, None)

    def end_streams(self) -> None:
        """Let every reader go; a page comes back by itself to whoever listens then."""
        for readers in self._streams.values():
            for stream in readers:
                stream.close()

    def close(self) -> None:
        """End every stream and timer."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.end_streams()

    def _chat(self, chat_id: str) -> LiveChat:
        live = self._chats.get(chat_id)
        if live is None:
            # Versions never start below one that was given out, so no old event id fits a new log.
            live = LiveChat(keep=LIVE_MESSAGES, version=self._highest)
            self._chats[chat_id] = live
            self._forget_idle()
        self._chats.move_to_end(chat_id)
        return live

    def _forget_idle(self) -> None:
        surplus = len(self._chats) - LIVE_CHATS
        if surplus <= 0:
            return
        newest = next(reversed(self._chats))
        busy = self._streams.keys() | self._timers.keys() | {newest}
        for chat_id in [name for name in self._chats if name not in busy][:surplus]:
            self._highest = max(self._highest, self._chats.pop(chat_id).version)

    def _wake(self, chat_id: str) -> None:
        for stream in self._streams.get(chat_id, ()):
            stream.wake.set()

    def _end_timer(self, chat_id: str) -> None:
        timer = self._timers.pop(chat_id, None)
        if timer is not None:
            timer.cancel()
