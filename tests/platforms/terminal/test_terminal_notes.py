"""What was missed comes from whoever keeps it, and how far a chat was shown goes there."""

import asyncio
import socket
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from platforms.blocks import plain
from platforms.content import Edit, Post, Upload
from platforms.errors import PlatformUnavailable
from platforms.events import ChatRef, MessageRef
from platforms.terminal.client import TerminalAdapter
from platforms.terminal.limits import CAPABILITIES, FILES_MAX_BYTES, KEPT_CHATS
from platforms.terminal.parse import Person, chat_of
from platforms.terminal.wire import File, MessageGone, MessageShown, Push, read_push
from tests.keeping import Keeping

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN = Person(uid=1000, login="ann")
CHAT = chat_of(1000)


class Keeper:
    """Keeps what was missed as the test says."""

    def __init__(self) -> None:
        self.kept: list[MessageShown | MessageGone] = []
        self.settled = True
        self.readable = True
        self.notes: list[str] = []
        self._noted = asyncio.Event()

    async def missed(
        self, chat: ChatRef, known: Set[str]
    ) -> tuple[MessageShown | MessageGone, ...]:
        """See History."""
        if not self.readable:
            raise PlatformUnavailable("not now")
        return tuple(push for push in self.kept if push.message_id not in known)

    async def shown(self, chat: ChatRef) -> bool:
        """See History."""
        self.notes.append(chat.chat_id)
        self._noted.set()
        return self.settled

    async def noted(self) -> None:
        """Wait for one more note."""
        self._noted.clear()
        async with asyncio.timeout(60):
            await self._noted.wait()


class Terminal:
    """The person's end of a connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: asyncio.Task[None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.served = served

    async def see(self) -> Push:
        """The next line."""
        async with asyncio.timeout(60):
            return read_push(await self._reader.readline())

    async def hang_up(self) -> None:
        """Close and wait until the adapter has let go."""
        self._writer.close()
        async with asyncio.timeout(60):
            await self.served


@asynccontextmanager
async def terminal(adapter: TerminalAdapter, name: str = "") -> AsyncIterator[Terminal]:
    """One open terminal of ann's."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours, limit=16 << 20)
    their_reader, their_writer = await asyncio.open_connection(sock=theirs)
    served = asyncio.create_task(adapter.serve(ANN, name, their_reader, their_writer))
    await asyncio.sleep(0)  # let it take its place
    try:
        yield Terminal(reader, writer, served)
    finally:
        writer.close()
        await asyncio.gather(served, return_exceptions=True)
        their_writer.close()


@pytest.fixture
async def keeper() -> Keeper:
    """Nothing was missed."""
    return Keeper()


@pytest.fixture
async def adapter(keeper: Keeper) -> AsyncIterator[TerminalAdapter]:
    """An adapter that is closed in the end."""
    adapter = TerminalAdapter(now=lambda: AT, keep=Keeping(), history=keeper)
    yield adapter
    await adapter.close()


def shown(text: str, ident: str) -> MessageShown:
    """A message of one paragraph."""
    return MessageShown(message_id=ident, body=plain(text))


async def say(adapter: TerminalAdapter, text: str, ident: str, name: str = "") -> None:
    """A message of ours reaches a chat of ann's."""
    await adapter.perform(Post(chat=chat_of(1000, name), body=plain(text), nonce=ident))


async def test_what_was_missed_is_shown_once(adapter: TerminalAdapter, keeper: Keeper) -> None:
    """Before what came since, and not to the next terminal, noted or not."""
    keeper.kept = [shown("of yesterday", "n1"), shown("of today", "n2")]
    await say(adapter, "of today", "n2")
    await say(adapter, "of now", "n3")
    async with terminal(adapter) as first:
        seen = [await first.see() for _ in range(3)]
        assert seen == [shown("of yesterday", "n1"), shown("of today", "n2"), shown("of now", "n3")]
        await first.hang_up()
    async with terminal(adapter) as second:
        await say(adapter, "of then", "n4")
        assert await second.see() == shown("of then", "n4")


async def test_it_is_noted_when_all_was_shown(adapter: TerminalAdapter, keeper: Keeper) -> None:
    """Soon, once for many words in a row, again while something is on its way, and at the end."""
    async with terminal(adapter) as ann:
        await say(adapter, "one", "n1")
        await ann.see()
        assert keeper.notes == ["1000"]
        keeper.settled = False
        for text in ("one tw", "one two"):
            edit = Edit(message=MessageRef(chat=CHAT, message_id="n1"), body=plain(text))
            await adapter.perform(edit)
            await ann.see()
        assert keeper.notes == ["1000"]
        await keeper.noted()
        await keeper.noted()
        await ann.hang_up()
    assert len(keeper.notes) == 4
    keeper.settled = True
    await adapter.close()
    assert len(keeper.notes) == 5


async def test_what_nobody_saw_is_not_noted(adapter: TerminalAdapter, keeper: Keeper) -> None:
    """Neither without a terminal nor at the end of one that went before."""
    async with terminal(adapter) as ann:
        await ann.hang_up()
        await say(adapter, "too late", "n1")
    await adapter.close()
    assert keeper.notes == []


async def test_what_came_after_the_last_terminal_holds_up_the_note(
    adapter: TerminalAdapter, keeper: Keeper
) -> None:
    """Of one chat all is noted or nothing."""
    keeper.settled = False
    async with terminal(adapter) as ann:
        await say(adapter, "seen", "n1")
        await ann.see()
        await ann.hang_up()
    await say(adapter, "unseen", "n2")
    made = len(keeper.notes)
    await adapter.close()
    assert len(keeper.notes) == made


async def test_a_chat_that_left_memory_notes_nothing(
    adapter: TerminalAdapter, keeper: Keeper
) -> None:
    """What comes then is kept elsewhere, and the old memory does not know it."""
    keeper.settled = False
    async with terminal(adapter) as ann:
        await say(adapter, "seen", "n1")
        await ann.see()
        await ann.hang_up()
    for number in range(KEPT_CHATS + 1):
        await say(adapter, "x", "n1", f"n{number}")
    await say(adapter, "unseen", "n2")
    made = len(keeper.notes)
    await adapter.close()
    assert len(keeper.notes) == made


async def test_each_chat_is_noted_for_itself(adapter: TerminalAdapter, keeper: Keeper) -> None:
    """One that waits for more holds up no other."""
    async with terminal(adapter) as one, terminal(adapter, "work") as two:
        await say(adapter, "one", "n1")
        await one.see()
        await say(adapter, "two", "n2", "work")
        await two.see()
        assert keeper.notes == ["1000", "1000-work"]


async def test_a_terminal_does_not_open_without_what_was_missed(
    adapter: TerminalAdapter, keeper: Keeper
) -> None:
    """Else it would be passed over for good."""
    keeper.readable = False
    async with terminal(adapter) as ann:
        with pytest.raises(PlatformUnavailable, match="not now"):
            await ann.served


async def test_closing_notes_the_last_words(adapter: TerminalAdapter, keeper: Keeper) -> None:
    """They are written first."""
    async with terminal(adapter) as ann:
        await say(adapter, "last words", "n1")
        await adapter.close()
        assert await ann.see() == shown("last words", "n1")
        async with asyncio.timeout(60):
            await ann.served
    assert keeper.notes == ["1000"]


async def test_a_file_there_was_no_room_for_is_read_again(
    adapter: TerminalAdapter, keeper: Keeper
) -> None:
    """Memory is bounded, and who keeps it has it still."""
    file = File(name="a.bin", mime="a/b", data=bytes(CAPABILITIES.upload_max_bytes))
    keeper.kept = [MessageShown(message_id="f", body=plain("Here."), file=file)]
    count = FILES_MAX_BYTES // len(file.data) + 1
    for number in range(count):
        await adapter.perform(
            Upload(
                chat=chat_of(1000, f"n{number}"),
                data=file.data,
                name=file.name,
                mime=file.mime,
                nonce="f",
                caption="Here.",
            )
        )
    async with terminal(adapter, "n0") as oldest:
        assert await oldest.see() == keeper.kept[0]
