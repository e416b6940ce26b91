"""The terminal's adapter: JSON lines in and out over connections the control socket hands over.

What was said is answered `stored` only after the gateway has stored it; until then the terminal
keeps it and may send it again under the same key.
"""

import asyncio
import itertools
import re
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from platforms.base import Capabilities, Ingest, Route
from platforms.blocks import Blocks, plain, plain_text
from platforms.content import (
    AnswerPress,
    Delete,
    Done,
    Edit,
    OpenForm,
    Operation,
    Outcome,
    Post,
    React,
    Sent,
    Typing,
    Upload,
)
from platforms.errors import (
    ChatUnavailable,
    MessageRejected,
    PlatformUnavailable,
    ThreadGone,
    TooLong,
)
from platforms.events import (
    Account,
    Attachment,
    ChatRef,
    Delivery,
    Ignored,
    Liveness,
    MessageRef,
    PlatformName,
    Receipt,
)
from platforms.files import Keep, KeptFile, Location
from platforms.terminal.feed import Feed
from platforms.terminal.history import History
from platforms.terminal.limits import (
    CAPABILITIES,
    CONNECTIONS_MAX,
    FILES_MAX_BYTES,
    KEPT_CHATS,
    KEPT_MESSAGES,
    REPLIES_MAX,
    SENT_FILES_MAX,
    SENT_MAX_BYTES,
    WORDS_MAX_BYTES,
    WORKING_LIFE_S,
    WRITE_TIMEOUT_S,
)
from platforms.terminal.notes import Notes
from platforms.terminal.parse import (
    ACCOUNT,
    Person,
    act_key,
    chat_of,
    parse,
    taken_apart,
    with_kept,
)
from platforms.terminal.wire import File, MessageShown, NotStored, Push, Stored, push_line

_UID = re.compile(r"0|[1-9][0-9]{0,9}")

TRY_AGAIN = "The gateway could not store this just now. Nothing is lost: send it again in a moment."
NOT_UNDERSTOOD = "The gateway did not understand this."
TOO_MANY = "Too many terminals are open here; close one and try again."
TOO_MUCH = f"Up to {SENT_FILES_MAX} files of {SENT_MAX_BYTES >> 20} MiB together go at once."
TOO_LONG_LINE = f"This is more than {WORDS_MAX_BYTES >> 20} MiB; send it in parts."
LARGE = 256 * 1024
"""A line above this is taken apart on a thread."""


class _Terminal:
    """One open connection; `wake` is set when there is something to write."""

    def __init__(
        self, person: Person, chat: ChatRef, feed: Feed, writer: asyncio.StreamWriter
    ) -> None:
        self.person = person
        self.chat = chat
        self.feed = feed
        self.writer = writer
        self.seen = feed.shown
        self.replies: deque[Push] = deque()
        self.room = asyncio.Event()
        self.wake = asyncio.Event()
        self.wake.set()

    async def reply(self, push: Push) -> None:
        """Answer this terminal alone; waits while it takes no answers."""
        while len(self.replies) >= REPLIES_MAX:
            self.room.clear()
            await self.room.wait()
        self.replies.append(push)
        self.wake.set()

    def waiting(self) -> bytes:
        """All lines to write now; what they show counts as seen from here on."""
        pushes = (*self.replies, *self.feed.since(self.seen))
        self.replies.clear()
        self.room.set()
        self.seen = self.feed.version
        return b"".join(map(push_line, pushes))


class TerminalAdapter:
    """Source and Sink of every `gatepost chat`; `now` gives aware UTC datetimes,
    `keep` keeps bytes that came in and returns the name they are found by.

    A terminal that takes nothing for `write_timeout_s` is hung up on. A message stands in memory
    until a terminal of its chat was sent it, so an answer that comes after its terminal was
    closed is shown when one is opened again; with a `history`, after a restart too.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        keep: Keep,
        history: History | None = None,
        write_timeout_s: float = WRITE_TIMEOUT_S,
    ) -> None:
        self._now = now
        self._keep = keep
        self._notes = Notes(history) if history is not None else None
        self._history = history
        self._write_timeout_s = write_timeout_s
        self._sequence = itertools.count()
        self._ingest: Ingest | None = None
        self._closed = False
        self._feeds: OrderedDict[str, Feed] = OrderedDict()
        self._terminals: set[_Terminal] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._files: OrderedDict[tuple[str, str], int] = OrderedDict()

    # Source

    @property
    def platform(self) -> PlatformName:
        """The name of this surface."""
        return "terminal"

    async def connect(self) -> Account:
        """There is nobody to ask; the account is always the same."""
        return ACCOUNT

    async def run(self, ingest: Ingest) -> None:
        """Take lines from open terminals until cancelled."""
        self._ingest = ingest
        try:
            await asyncio.Event().wait()
        finally:
            self._ingest = None

    def routes(self) -> tuple[Route, ...]:
        """Nothing on the web listener."""
        return ()

    async def locate(self, attachment: Attachment, message: MessageRef) -> Location:
        """A file of a terminal came with its message."""
        return KeptFile(blob=attachment.file)

    def liveness(self) -> Liveness:
        """Connected while lines are taken."""
        return Liveness(
            connected=self._ingest is not None, facts={"open terminals": str(len(self._terminals))}
        )

    async def close(self) -> None:
        """End every connection; each writes what it still has first."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for terminal in self._terminals:
            terminal.wake.set()
        if self._notes is not None:
            await self._notes.close()

    async def serve(
        self, person: Person, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Run one terminal until it hangs up, we close, or it takes nothing for too long.

        The caller proved who it is and closes the streams. Raises ValueError for a chat name no
        chat can have, PlatformUnavailable when no more terminals fit, the adapter is closed or
        what was missed can't be read.
        """
        chat = chat_of(person.uid, name)
        await self._recall(chat)
        if self._closed or len(self._terminals) >= CONNECTIONS_MAX:
            raise PlatformUnavailable("The gateway is stopping." if self._closed else TOO_MANY)
        terminal = _Terminal(person, chat, self._feed(chat), writer)
        self._terminals.add(terminal)
        tasks = [
            asyncio.create_task(self._listen(terminal, reader), name="terminal in"),
            asyncio.create_task(self._push(terminal), name="terminal out"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._terminals.discard(terminal)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            if self._notes is not None:
                await self._notes.last(chat, terminal.feed)
        for error in ended:
            if isinstance(error, TimeoutError):
                # Closing would wait until it takes what it was sent, and keep that for as long.
                writer.transport.abort()
            if isinstance(error, Exception) and not isinstance(error, OSError | TimeoutError):
                raise error

    async def _recall(self, chat: ChatRef) -> None:
        """Put what the chat missed before this run into its feed.

        Every terminal does so before it is shown anything: what it is shown is then all there is.
        """
        if self._history is None or self._closed:
            return
        missed = await self._history.missed(chat, self._feed(chat).known())
        self._feed(chat).recall(missed)
        for push in missed:
            if isinstance(push, MessageShown) and push.file is not None:
                self._keep_file(chat, push.message_id, len(push.file.data))

    async def _listen(self, terminal: _Terminal, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                await terminal.reply(NotStored(key="", reason=TOO_LONG_LINE))
                continue
            if not line.endswith(b"\n"):
                return
            await terminal.reply(await self._take(terminal, line.rstrip(b"\r\n")))

    async def _take(self, terminal: _Terminal, line: bytes) -> Push:
        apart = (
            await asyncio.to_thread(taken_apart, line) if len(line) > LARGE else taken_apart(line)
        )
        if apart is None:
            return NotStored(key=act_key(line), reason=TOO_MUCH)
        line, files = apart
        key = act_key(line)
        if len(line) > WORDS_MAX_BYTES:
            return NotStored(key=key, reason=TOO_LONG_LINE)
        if files:
            line = with_kept(line, [await self._keep(each.data) for each in files])
        events = parse(
            line,
            person=terminal.person,
            chat=terminal.chat,
            at=self._now(),
            sequence=next(self._sequence),
        )
        if self._ingest is None:
            return NotStored(key=key, reason=TRY_AGAIN, again=True)
        receipt = await self._ingest(Delivery(account=ACCOUNT, raw=line, events=events))
        match receipt:
            case Receipt.BUSY:
                return NotStored(key=key, reason=TRY_AGAIN, again=True)
            case Receipt.STORED | Receipt.UNWANTED:
                if isinstance(events, Ignored):
                    return NotStored(key=key, reason=NOT_UNDERSTOOD)
                return Stored(key=key)
            case _:
                assert_never(receipt)

    async def _push(self, terminal: _Terminal) -> None:
        while True:
            await terminal.wake.wait()
            terminal.wake.clear()
            if data := terminal.waiting():
                seen = terminal.seen
                terminal.writer.write(data)
                async with asyncio.timeout(self._write_timeout_s):
                    await terminal.writer.drain()
                terminal.feed.shown = max(terminal.feed.shown, seen)
                if self._notes is not None:
                    self._notes.seen(terminal.chat, terminal.feed)
            if self._closed:
                return

    # Sink

    @property
    def capabilities(self) -> Capabilities:
        """The limits of `limits.py`."""
        return CAPABILITIES

    def fits(self, body: Blocks) -> bool:
        """Whether the visible text is short enough for one message."""
        return len(plain_text(body)) <= CAPABILITIES.part_soft

    async def perform(self, operation: Operation) -> Outcome:
        """Put the operation into memory and wake the terminals; never waits for one.

        Raises TooLong, ChatUnavailable for a chat of another account, ThreadGone for a thread,
        MessageRejected for a form or a reaction, PlatformUnavailable once closed.
        """
        if self._closed:
            raise PlatformUnavailable("the terminal's adapter is closed")
        match operation:
            case Post(chat=chat, nonce=nonce, body=body, controls=controls):
                return self._put(chat, MessageShown(message_id=nonce, body=body, controls=controls))
            case Upload(chat=chat):
                shown = _file_message(operation)
                self._keep_file(chat, shown.message_id, len(operation.data))
                return self._put(chat, shown)
            case Edit(message=MessageRef(chat=chat, message_id=ident), body=body):
                shown = MessageShown(message_id=ident, body=body, controls=operation.controls)
                self._put(chat, shown)
            case Delete(message=message):
                self._feed(message.chat).withdraw(message.message_id)
                self._wake(message.chat)
            case Typing(chat=chat, label=label, on=on):
                self._work(chat, label if on else None)
            case AnswerPress(press=press, text=text, alert=alert):
                chat_id, _, _ = press.value.partition("/")
                if text:
                    chat = ChatRef(account=ACCOUNT, chat_id=chat_id)
                    self._feed(chat).notice(text, alert=alert)
                    self._wake(chat)
            case OpenForm():
                raise MessageRejected("a terminal has no forms; what they ask for is typed")
            case React():
                raise MessageRejected("a terminal has no place for a reaction")
            case _:
                assert_never(operation)
        return Done()

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """Nothing can be looked up here."""
        raise NotImplementedError

    async def direct(self, person: str, space: str | None = None) -> ChatRef:
        """The person's own chat, by their user id on this machine."""
        if not _UID.fullmatch(person):
            raise ChatUnavailable("not the number of a user on this machine", reason="not_found")
        return chat_of(int(person))

    async def roles(self, person: str, chat: ChatRef, asked: frozenset[str]) -> frozenset[str]:
        """Nobody administers a terminal."""
        return frozenset()

    async def leave(self, chat: ChatRef) -> None:
        """Nobody but its own person is in a terminal."""
        raise MessageRejected("a chat of one person can't be left")

    def _keep_file(self, chat: ChatRef, message_id: str, size: int) -> None:
        """Make room for a file; those that go are missing where their message was not shown yet."""
        self._files[(chat.chat_id, message_id)] = size
        while sum(self._files.values()) > FILES_MAX_BYTES:
            (chat_id, ident), _ = self._files.popitem(last=False)
            if chat_id in self._feeds:
                self._feeds[chat_id].forget_file(ident)

    def _put(self, chat: ChatRef, shown: MessageShown) -> Sent:
        self._feed(chat).put(shown)
        self._wake(chat)
        return Sent(message=MessageRef(chat=chat, message_id=shown.message_id))

    def _work(self, chat: ChatRef, label: str | None) -> None:
        """Show the sign of life or take it away; not renewed, it goes by itself."""
        timer = self._timers.pop(chat.chat_id, None)
        if timer is not None:
            timer.cancel()
        self._feed(chat).work(label)
        if label is not None:
            loop = asyncio.get_running_loop()
            self._timers[chat.chat_id] = loop.call_later(WORKING_LIFE_S, self._work, chat, None)
        self._wake(chat)

    def _feed(self, chat: ChatRef) -> Feed:
        if chat.account != ACCOUNT:
            raise ChatUnavailable("this chat is not a terminal's", reason="not_found")
        if chat.thread_id is not None:
            raise ThreadGone("a terminal has no threads")
        feed = self._feeds.setdefault(chat.chat_id, Feed(keep=KEPT_MESSAGES))
        self._feeds.move_to_end(chat.chat_id)
        if len(self._feeds) > KEPT_CHATS:
            looked_at = {terminal.chat.chat_id for terminal in self._terminals} | {chat.chat_id}
            idle = next((name for name in self._feeds if name not in looked_at), None)
            if idle is not None:
                self._feeds.pop(idle).retire()
        return feed

    def _wake(self, chat: ChatRef) -> None:
        for terminal in self._terminals:
            if terminal.chat == chat:
                terminal.wake.set()


def _file_message(upload: Upload) -> MessageShown:
    if len(upload.data) > CAPABILITIES.upload_max_bytes:
        raise TooLong(f"a file of {len(upload.data)} bytes is too large for a terminal")
    file = File(name=upload.name, mime=upload.mime, data=upload.data)
    return MessageShown(message_id=upload.nonce, body=plain(upload.caption), file=file)
