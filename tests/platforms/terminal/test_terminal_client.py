"""The adapter over real sockets: what terminals say and see."""

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest

from platforms.base import ADMIN
from platforms.blocks import plain
from platforms.content import (
    AnswerPress,
    Delete,
    Done,
    Edit,
    Field,
    Form,
    OpenForm,
    Post,
    React,
    Sent,
    Typing,
    Upload,
)
from platforms.errors import ChatUnavailable, MessageRejected, PlatformUnavailable, TooLong
from platforms.events import (
    Account,
    ButtonPressed,
    ChatRef,
    Delivery,
    Ignored,
    MessageReceived,
    MessageRef,
    PressToken,
    Receipt,
)
from platforms.terminal.client import TerminalAdapter
from platforms.terminal.limits import CAPABILITIES, CONNECTIONS_MAX, FILES_MAX_BYTES
from platforms.terminal.parse import Person, chat_of
from platforms.terminal.wire import (
    File,
    MessageGone,
    MessageShown,
    Noticed,
    NotStored,
    Press,
    Push,
    Say,
    Stored,
    Working,
    act_line,
    read_push,
)
from tests.keeping import Keeping

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN = Person(uid=1000, login="ann")
CHAT = chat_of(1000)
KEY = "0b5c0f5e-3f0a-4b57-9c1e-2d6f8a1b2c3d"


class Terminal:
    """The person's end of a connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: asyncio.Task[None]
    ) -> None:
        self._reader = reader
        self.writer = writer
        self.served = served

    def say(self, line: bytes) -> None:
        """Send one line."""
        self.writer.write(line)

    async def see(self) -> Push:
        """The next line."""
        async with asyncio.timeout(60):
            return read_push(await self._reader.readline())

    async def hang_up(self) -> None:
        """Close and wait until the adapter has let go."""
        self.writer.close()
        async with asyncio.timeout(60):
            await self.served


class Journal:
    """What the adapter delivered; answers as told."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.receipt = Receipt.STORED

    async def __call__(self, delivery: Delivery) -> Receipt:
        """See Ingest."""
        self.deliveries.append(delivery)
        return self.receipt


@asynccontextmanager
async def terminal(
    adapter: TerminalAdapter, person: Person = ANN, name: str = ""
) -> AsyncIterator[Terminal]:
    """One open terminal."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours, limit=16 << 20)
    server_reader, server_writer = await asyncio.open_connection(sock=theirs)
    served = asyncio.create_task(adapter.serve(person, name, server_reader, server_writer))
    await asyncio.sleep(0)  # let it take its place
    try:
        yield Terminal(reader, writer, served)
    finally:
        writer.close()
        await asyncio.gather(served, return_exceptions=True)
        server_writer.close()


@pytest.fixture
async def adapter() -> AsyncIterator[TerminalAdapter]:
    """An adapter that is closed in the end."""
    adapter = TerminalAdapter(now=lambda: AT, keep=Keeping())
    yield adapter
    await adapter.close()


@pytest.fixture
async def journal(adapter: TerminalAdapter) -> AsyncIterator[Journal]:
    """Where the running adapter delivers."""
    journal = Journal()
    running = asyncio.create_task(adapter.run(journal))
    await asyncio.sleep(0)
    yield journal
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def post(text: str, nonce: str = "n1", chat: ChatRef = CHAT) -> Post:
    """A post of one paragraph."""
    return Post(chat=chat, body=plain(text), nonce=nonce)


def shown(text: str, ident: str = "n1") -> MessageShown:
    """What a terminal sees of it."""
    return MessageShown(message_id=ident, body=plain(text))


async def test_the_account_is_always_the_same(adapter: TerminalAdapter) -> None:
    """Nobody is asked; liveness says whether lines are taken."""
    assert await adapter.connect() == Account(platform="terminal", id="local")
    assert not adapter.liveness().connected
    assert adapter.routes() == ()


async def test_words_are_acknowledged_after_they_are_stored(
    adapter: TerminalAdapter, journal: Journal
) -> None:
    """The line is delivered as it came, with its event."""
    async with terminal(adapter) as ann:
        ann.say(act_line(Say(key=KEY, text="hello")))
        assert await ann.see() == Stored(key=KEY)
    (delivery,) = journal.deliveries
    assert delivery.raw == act_line(Say(key=KEY, text="hello")).rstrip()
    assert isinstance(delivery.events, tuple)
    assert isinstance(delivery.events[0], MessageReceived)
    assert delivery.events[0].chat == CHAT


async def test_busy_is_not_acknowledged(adapter: TerminalAdapter, journal: Journal) -> None:
    """The person keeps their words and is told; the same key may come again."""
    journal.receipt = Receipt.BUSY
    async with terminal(adapter) as ann:
        ann.say(act_line(Say(key=KEY, text="hello")))
        refused = await ann.see()
        assert isinstance(refused, NotStored)
        assert (refused.key, refused.again) == (KEY, True)
        journal.receipt = Receipt.STORED
        ann.say(act_line(Say(key=KEY, text="hello")))
        assert await ann.see() == Stored(key=KEY)


async def test_before_intake_opens_nothing_is_taken(adapter: TerminalAdapter) -> None:
    """A terminal that is open already is told to try again."""
    async with terminal(adapter) as ann:
        ann.say(act_line(Say(key=KEY, text="hello")))
        refused = await ann.see()
        assert isinstance(refused, NotStored)
        assert refused.again


async def test_a_malformed_line_is_journaled_and_the_next_one_taken(
    adapter: TerminalAdapter, journal: Journal
) -> None:
    """Nonsense harms nobody."""
    async with terminal(adapter) as ann:
        ann.say(b"{nonsense\n")
        refused = await ann.see()
        assert isinstance(refused, NotStored)
        assert not refused.again
        ann.say(act_line(Press(key=KEY, message_id="m", payload="go")))
        assert await ann.see() == Stored(key=KEY)
    first, second = journal.deliveries
    assert isinstance(first.events, Ignored)
    assert isinstance(second.events, tuple)
    assert isinstance(second.events[0], ButtonPressed)


async def test_the_journal_decides_and_not_the_connection(
    adapter: TerminalAdapter, journal: Journal
) -> None:
    """A line without its end, cut by a hang-up, is not taken."""
    async with terminal(adapter) as ann:
        ann.say(act_line(Say(key=KEY, text="hello"))[:-1])
        await ann.hang_up()
    assert journal.deliveries == []


async def test_a_growing_answer_is_pushed_whole(adapter: TerminalAdapter) -> None:
    """Post, edits and sign of life reach the terminal as states."""
    async with terminal(adapter) as ann:
        await adapter.perform(Typing(chat=CHAT, label="thinks"))
        assert await ann.see() == Working(label="thinks")
        sent = await adapter.perform(post("a"))
        assert sent == Sent(message=MessageRef(chat=CHAT, message_id="n1"))
        assert await ann.see() == shown("a")
        message = MessageRef(chat=CHAT, message_id="n1")
        assert await adapter.perform(Edit(message=message, body=plain("a b"))) == Done()
        assert await ann.see() == shown("a b")
        await adapter.perform(Typing(chat=CHAT, on=False))
        assert await ann.see() == Working(label=None)
        await adapter.perform(Delete(message=message))
        assert await ann.see() == MessageGone(message_id="n1")


async def test_an_answer_that_came_while_no_terminal_was_open_is_shown_once(
    adapter: TerminalAdapter,
) -> None:
    """The next terminal gets it, the one after that does not."""
    await adapter.perform(post("you missed this"))
    async with terminal(adapter) as first:
        assert await first.see() == shown("you missed this")
        await first.hang_up()
    async with terminal(adapter) as second:
        await adapter.perform(post("new", "n2"))
        assert await second.see() == shown("new", "n2")


async def test_every_open_terminal_of_a_chat_sees_it_and_no_other(
    adapter: TerminalAdapter,
) -> None:
    """Two windows on one chat, one on another name, one of another person."""
    async with (
        terminal(adapter) as one,
        terminal(adapter) as two,
        terminal(adapter, name="work") as work,
        terminal(adapter, Person(uid=0, login="root")) as root,
    ):
        await adapter.perform(post("for ann"))
        assert await one.see() == await two.see() == shown("for ann")
        for other, chat in ((work, chat_of(1000, "work")), (root, chat_of(0))):
            await adapter.perform(post("for you", chat=chat))
            assert await other.see() == shown("for you")


async def test_a_repeated_post_is_one_message(adapter: TerminalAdapter) -> None:
    """The nonce is the message's id, so sending again in doubt changes nothing."""
    async with terminal(adapter) as ann:
        await adapter.perform(post("once"))
        await adapter.perform(post("once"))
        await adapter.perform(post("end", "n2"))
        assert [await ann.see(), await ann.see()] == [shown("once"), shown("end", "n2")]


async def test_private_words_and_files(adapter: TerminalAdapter) -> None:
    """The answer to a press is a notice; an upload comes with its bytes."""
    token = PressToken(kind="terminal", value=f"1000/{KEY}", usable_until=AT)
    async with terminal(adapter) as ann:
        await adapter.perform(AnswerPress(press=token, text="too late", alert=True))
        assert await ann.see() == Noticed(text="too late", alert=True)
        await adapter.perform(AnswerPress(press=token))
        await adapter.perform(
            Upload(chat=CHAT, data=b"# x", name="answer.md", mime="text/markdown", nonce="n3")
        )
        file = File(name="answer.md", mime="text/markdown", data=b"# x")
        assert await ann.see() == MessageShown(message_id="n3", body=(), file=file)


async def test_limits_and_addresses(adapter: TerminalAdapter) -> None:
    """A file too large and a chat of another platform are refused by class; no place to react."""
    large = bytes(CAPABILITIES.upload_max_bytes + 1)
    with pytest.raises(TooLong):
        await adapter.perform(Upload(chat=CHAT, data=large, name="x", mime="x/y", nonce="n"))
    elsewhere = ChatRef(account=Account(platform="web", id="local"), chat_id="1")
    with pytest.raises(ChatUnavailable):
        await adapter.perform(post("x", chat=elsewhere))
    message = MessageRef(chat=CHAT, message_id="n1")
    with pytest.raises(MessageRejected):
        await adapter.perform(React(message=message, emoji="x"))
    assert adapter.fits(plain("x" * CAPABILITIES.part_soft))
    assert not adapter.fits(plain("x" * (CAPABILITIES.part_soft + 1)))


async def test_closing_writes_what_is_left_and_takes_no_more(adapter: TerminalAdapter) -> None:
    """An answer performed just before the end still reaches the open terminal."""
    async with terminal(adapter) as ann:
        await adapter.perform(post("last words"))
        await adapter.close()
        assert await ann.see() == shown("last words")
        async with asyncio.timeout(60):
            await ann.served
    with pytest.raises(PlatformUnavailable):
        await adapter.perform(post("too late"))
    async with terminal(adapter) as late:
        with pytest.raises(PlatformUnavailable):
            await late.served


async def test_terminals_are_counted(adapter: TerminalAdapter) -> None:
    """One more than fits is refused; each that leaves makes room."""
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS_MAX):
            await stack.enter_async_context(terminal(adapter))
        async with terminal(adapter) as surplus:
            with pytest.raises(PlatformUnavailable, match="Too many"):
                await surplus.served
    async with terminal(adapter) as ann:
        await adapter.perform(post("room again"))
        assert await ann.see() == shown("room again")


async def stops_reading(
    adapter: TerminalAdapter,
) -> tuple[socket.socket, asyncio.Task[None], asyncio.StreamWriter]:
    """A terminal that was stopped and takes nothing: its socket, its service, our writer."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=theirs)
    served = asyncio.create_task(adapter.serve(ANN, "", reader, writer))
    await asyncio.sleep(0)
    return ours, served, writer


@pytest.mark.warp
async def test_a_dead_reader_is_dropped_with_what_it_was_sent() -> None:
    """It holds nothing up and nothing in memory, and the next terminal gets what it missed."""
    adapter = TerminalAdapter(now=lambda: AT, keep=Keeping(), write_timeout_s=0.1)
    ours, served, writer = await stops_reading(adapter)
    with ours:
        async with terminal(adapter) as other:
            big = plain("x" * 900_000)
            await adapter.perform(Post(chat=CHAT, body=big, nonce="n1"))
            assert await other.see() == MessageShown(message_id="n1", body=big)
            async with asyncio.timeout(60):
                await served
        assert adapter.liveness().facts == {"open terminals": "0"}
        transport = writer.transport
        assert isinstance(transport, asyncio.WriteTransport)
        assert transport.get_write_buffer_size() == 0
    await adapter.close()


async def test_a_dead_reader_costs_one_state_and_no_queue(adapter: TerminalAdapter) -> None:
    """A hundred megabytes of states pass by while it reads nothing.

    Slow because memory is traced.
    """
    ours, served, writer = await stops_reading(adapter)
    with ours:
        tracemalloc.start()
        try:
            for number in range(200):
                body = plain(f"{number} " + "x" * 500_000)
                await adapter.perform(Post(chat=CHAT, body=body, nonce="n1"))
                for _ in range(3):
                    await asyncio.sleep(0)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 10_000_000
        assert not served.done()
    writer.transport.abort()
    await asyncio.gather(served, return_exceptions=True)


@pytest.mark.warp
async def test_who_takes_no_answers_is_not_listened_to(
    adapter: TerminalAdapter, journal: Journal
) -> None:
    """A terminal that writes and never reads is stopped by its own full buffers."""
    ours, served, writer = await stops_reading(adapter)
    journal.receipt = Receipt.BUSY  # answered at length
    ours.setblocking(False)
    line = act_line(Press(key=KEY, message_id="m", payload="go"))
    loop = asyncio.get_running_loop()
    with ours:
        sent = 0
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(0.3):  # its end is that nothing more is taken
                    await loop.sock_sendall(ours, line * 50)
                    sent += 50
        taken = len(journal.deliveries)
        assert 0 < taken < sent
        async with asyncio.timeout(60):
            while len(journal.deliveries) == taken:  # as it reads, it is heard again
                await loop.sock_recv(ours, 65_536)
    writer.transport.abort()
    await asyncio.gather(served, return_exceptions=True)


async def test_files_together_are_bounded(adapter: TerminalAdapter) -> None:
    """The oldest unseen files go, their messages say so; the newest come whole."""
    data = bytes(CAPABILITIES.upload_max_bytes)
    count = FILES_MAX_BYTES // len(data) + 2
    for number in range(count):
        chat = chat_of(1000, f"n{number}")
        await adapter.perform(
            Upload(chat=chat, data=data, name="a.bin", mime="a/b", nonce="f", caption="Here.")
        )
    async with terminal(adapter, name="n1") as oldest, terminal(adapter, name="n2") as kept:
        note = (*plain("Here."), *plain("The file a.bin is no longer kept here."))
        assert await oldest.see() == MessageShown(message_id="f", body=note)
        file = File(name="a.bin", mime="a/b", data=data)
        assert await kept.see() == MessageShown(message_id="f", body=plain("Here."), file=file)


async def test_the_chat_with_one_person(adapter: TerminalAdapter) -> None:
    """Words for a user of this machine are seen when they open their terminal."""
    chat = await adapter.direct("1000")
    assert chat == CHAT
    await adapter.perform(post("a notice", chat=chat))
    async with terminal(adapter) as ann:
        assert await ann.see() == shown("a notice")


@pytest.mark.parametrize("person", ["", "ann", "-1", "1000-work", "01", "1e3", "٣"])
async def test_who_is_no_user_has_no_chat(adapter: TerminalAdapter, person: str) -> None:
    """Nothing is kept for somebody who can never open a terminal."""
    with pytest.raises(ChatUnavailable):
        await adapter.direct(person)


async def test_a_terminal_that_comes_back_after_a_restart_goes_on() -> None:
    """What it had sent is stored once by its key; what is in doubt is posted once by its nonce."""
    journal = Journal()
    screen: dict[str, Push] = {}
    for _ in range(2):  # two lives of the gateway, one person who keeps what is not stored
        adapter = TerminalAdapter(now=lambda: AT, keep=Keeping())
        running = asyncio.create_task(adapter.run(journal))
        await asyncio.sleep(0)
        async with terminal(adapter) as ann:
            ann.say(act_line(Say(key=KEY, text="hello")))
            assert await ann.see() == Stored(key=KEY)
            await adapter.perform(post("Hello."))
            message = await ann.see()
            assert isinstance(message, MessageShown)
            screen[message.message_id] = message
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await adapter.close()
    assert screen == {"n1": shown("Hello.")}
    keys = {d.events[0].delivery_key for d in journal.deliveries if isinstance(d.events, tuple)}
    assert keys == {KEY}


async def test_many_chats_do_not_fill_the_memory(adapter: TerminalAdapter) -> None:
    """Old chats nobody looks at are let go; the open one stays."""
    async with terminal(adapter) as ann:
        for number in range(300):
            await adapter.perform(post("x", chat=chat_of(1000, f"n{number}")))
        await adapter.perform(post("here"))
        assert await ann.see() == shown("here")
    async with terminal(adapter, name="n299") as newest:
        assert await newest.see() == shown("x")
    async with terminal(adapter, name="n0") as oldest:
        await adapter.perform(post("fresh", chat=chat_of(1000, "n0"), nonce="n9"))
        assert await oldest.see() == shown("fresh", "n9")


async def test_there_are_no_forms_no_menus_and_no_roles(adapter: TerminalAdapter) -> None:
    """What is declared absent is refused by its class, and nobody administers a terminal."""
    assert (CAPABILITIES.form, CAPABILITIES.menu_options, CAPABILITIES.confirm) == (None, 0, False)
    press = PressToken(kind="terminal", value=f"{CHAT.chat_id}/{KEY}", usable_until=AT)
    form = Form(id="f", title="Deny", fields=(Field(name="reason", label="Why?"),))
    with pytest.raises(MessageRejected):
        await adapter.perform(OpenForm(press=press, form=form, chat=CHAT, person="1000"))
    assert await adapter.roles("1000", CHAT, frozenset({ADMIN})) == frozenset()


async def test_a_private_word_is_as_long_as_is_declared(adapter: TerminalAdapter) -> None:
    """It arrives whole."""
    words = "x" * CAPABILITIES.private_max
    async with terminal(adapter) as ann:
        press = PressToken(kind="terminal", value=f"{CHAT.chat_id}/{KEY}", usable_until=AT)
        await adapter.perform(AnswerPress(press=press, text=words, alert=True))
        assert await ann.see() == Noticed(text=words, alert=True)
