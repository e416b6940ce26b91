"""The event stream over HTTP: what arrives, what is caught up, what a slow reader costs."""

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from platforms.blocks import plain
from platforms.content import AnswerPress, Delete, Edit, Post, React, Typing
from platforms.events import ChatRef, MessageRef, PressToken
from platforms.markup import parse
from platforms.web.feed import HEARTBEAT, Patience, end_in_silence
from platforms.web.limits import LIVE_MESSAGES, STREAMS_MAX
from platforms.web.parse import chat_of
from tests.platforms.web.browser_model import BrowserModel, Event, EventReader
from tests.platforms.web.stand_in import AT_ONCE_S, Running, new_conversation, running_page

CHAT = chat_of("local", "0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11")


class Reader:
    """A page that is open: reads its stream and shows what it says."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.events = EventReader()
        self.model = BrowserModel()
        self._waiting: list[Event] = []

    async def until(self, name: str) -> Event:
        """Read on to the next event of this name and take everything on the way."""
        async with asyncio.timeout(60):
            while True:
                while self._waiting:
                    event = self._waiting.pop(0)
                    self.model.take(event)
                    if event.name == name:
                        return event
                self._waiting = self.events.feed(await self.answer.content.readany())


@asynccontextmanager
async def reader(
    page: Running, chat: ChatRef = CHAT, *, after: str = "", last_id: str = ""
) -> AsyncIterator[Reader]:
    """Open a stream; by default as one that knows nothing, which gets a reset first."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    url = f"/chat/{chat.chat_id}/events"
    async with page.client.get(url, params={"after": after}, headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        found = Reader(answer)
        if not after and not last_id:
            await found.until("reset")
            await found.until("mark")
        yield found


async def post(page: Running, name: str, text: str, chat: ChatRef = CHAT) -> MessageRef:
    """An answer of ours appears."""
    await page.adapter.perform(Post(chat=chat, body=parse(text), nonce=name))
    return MessageRef(chat=chat, message_id=name)


async def test_everything_the_sink_does_is_shown() -> None:
    """Each operation reaches an open page as the event that shows it."""
    async with running_page() as page, reader(page) as open_page:
        model = open_page.model
        await page.adapter.perform(Typing(chat=CHAT, label="files list"))
        await open_page.until("status")
        assert model.words == "Working on it… files list"
        message = await post(page, "m1", "one\n\ntwo")
        await open_page.until("whole")
        await page.adapter.perform(Edit(message=message, body=parse("one\n\ntwo\n\nthree")))
        part = await open_page.until("part")
        assert part.data == {"id": "m1", "keep": 2, "blocks": "<p>three</p>"}
        assert model.messages == {"m1": ["<p>one</p>", "<p>two</p>", "<p>three</p>"]}
        await page.adapter.perform(React(message=message, emoji="👀"))
        await open_page.until("part")
        assert model.feet["m1"] == '<span class="chip">👀</span>'
        press = PressToken(
            kind="web", value=f"{CHAT.chat_id}/key", usable_until=page.gateway.started_at
        )
        await page.adapter.perform(AnswerPress(press=press, text="Too late.", alert=True))
        await open_page.until("notice")
        assert model.notices == ["Too late."]
        await page.adapter.perform(Delete(message=message))
        await open_page.until("gone")
        assert model.messages == {}
        await page.adapter.perform(Typing(chat=CHAT, on=False))
        await open_page.until("status")
        assert model.words == ""


async def test_what_one_page_sends_another_shows() -> None:
    """Two pages on one chat: the message of one appears in both, at once with the sign of life."""
    async with running_page() as page, reader(page) as first, reader(page) as second:
        async with page.client.get("/form") as answer:
            token = (await answer.json())["token"]
        fields = {"token": token, "key": new_conversation(), "text": "hi <b>"}
        async with page.client.post(f"/chat/{CHAT.chat_id}/messages", json=fields) as answer:
            assert answer.status == 202
        for one in (first, second):
            await one.until("whole")
            assert one.model.messages == {fields["key"]: ['<p class="plain">hi &lt;b&gt;</p>']}
            assert one.model.words == "Working on it…"


async def test_a_page_goes_on_where_it_was() -> None:
    """With the last id it gets what changed meanwhile and nothing it has seen."""
    async with running_page() as page:
        async with reader(page) as before:
            await post(page, "m1", "one")
            await post(page, "m2", "two")
            await before.until("mark")
            while before.model.messages.keys() != {"m1", "m2"}:
                await before.until("mark")
        await post(page, "m2", "two, changed")
        await post(page, "m3", "three")
        async with reader(page, last_id=before.events.last_id) as after:
            await after.until("mark")
        assert after.model.messages == {"m2": ["<p>two, changed</p>"], "m3": ["<p>three</p>"]}


async def test_a_page_starts_where_it_was_rendered() -> None:
    """The page carries the cursor of its moment; a header from the browser outranks it."""
    async with running_page() as page:
        await post(page, "m1", "one")
        async with page.client.get(f"/chat/{CHAT.chat_id}") as answer:
            cursor = (await answer.text()).partition('data-cursor="')[2].partition('"')[0]
        await post(page, "m2", "two")
        async with reader(page, after=cursor) as stream:
            await stream.until("mark")
            assert stream.model.messages.keys() == {"m2"}
            newest = stream.events.last_id
        await post(page, "m3", "three")
        async with reader(page, after=cursor, last_id=newest) as stream:
            await stream.until("mark")
            assert stream.model.messages.keys() == {"m3"}


@pytest.mark.parametrize("last_id", ["another-process.7", "nonsense", "9"])
async def test_an_unknown_id_gets_the_whole_chat(last_id: str) -> None:
    """After a restart of the gateway the page is made anew from what is stored and what is live."""
    async with running_page() as page:
        page.gateway.remember(MessageRef(chat=CHAT, message_id="old"), parse("stored"))
        page.gateway.owners[CHAT.chat_id] = "local"
        await post(page, "m1", "live")
        await page.adapter.perform(Typing(chat=CHAT))
        async with reader(page, last_id=last_id) as stream:
            await stream.until("mark")
        assert stream.model.messages == {"old": ["<p>stored</p>"], "m1": ["<p>live</p>"]}
        assert stream.model.words == "Working on it…"


async def test_more_than_memory_holds_gets_the_whole_chat() -> None:
    """Who was away for more messages than are kept reads the store's."""
    async with running_page() as page:
        async with reader(page) as stream:
            await post(page, "first", "x")
            await stream.until("mark")
        for number in range(LIVE_MESSAGES + 1):
            ref = await post(page, f"m{number}", "x")
            page.gateway.remember(ref, parse("x"))
            page.gateway.owners[CHAT.chat_id] = "local"
        async with reader(page, last_id=stream.events.last_id) as back:
            await back.until("reset")
        assert len(back.model.messages) == LIVE_MESSAGES + 1


async def test_a_slow_reader_gets_the_latest_and_delays_nobody() -> None:
    """A page that reads nothing for a thousand states costs no queue and holds up no other page."""
    async with running_page() as page:
        other = chat_of("local", new_conversation())
        async with reader(page) as slow, reader(page, other) as quick:
            filler = "word " * 20_000
            async with asyncio.timeout(AT_ONCE_S):
                for number in range(200):
                    # A new first block each time, so that every state is sent whole.
                    await post(page, "m1", f"state {number} {filler}")
                    await asyncio.sleep(0)
                await post(page, "quick", "at once", other)
                await quick.until("mark")
            seen = 0
            while not slow.model.messages.get("m1", [""])[0].startswith("<p>state 199 "):
                await slow.until("mark")
                seen += 1
            assert seen < 150


async def test_a_stream_that_is_left_is_forgotten() -> None:
    """Closed pages leave nothing behind; the count of open ones is what the adapter reports."""
    async with running_page() as page:
        async with reader(page):
            assert page.adapter.liveness().facts == {"open pages": "1"}
        # The server learns of it when it writes next.
        for number in range(100):
            await post(page, "m1", f"{number}")
            if page.adapter.liveness().facts == {"open pages": "0"}:
                return
            async with page.client.get("/healthz"):
                pass
        raise AssertionError("the reader is still counted")


async def gone(page: Running) -> None:
    """Wait until the adapter has let every reader go."""
    async with asyncio.timeout(AT_ONCE_S):
        while page.adapter.liveness().facts != {"open pages": "0"}:
            async with page.client.get("/healthz"):  # a turn of the loop, and a sign of life
                pass


@pytest.mark.warp
async def test_a_quiet_stream_is_kept_alive_by_comments() -> None:
    """They are no events, and a page shows nothing of them."""
    async with running_page(patience=Patience(heartbeat_s=0.01)) as page, reader(page) as stream:
        async with asyncio.timeout(AT_ONCE_S):
            seen = b""
            while seen.count(HEARTBEAT) < 3:
                seen += await stream.answer.content.readany()
        assert stream.events.feed(seen) == []


async def test_a_heartbeat_finds_out_that_the_reader_is_gone() -> None:
    """In a chat where nothing happens a closed page is forgotten all the same."""
    async with running_page(patience=Patience(heartbeat_s=0.01)) as page:
        async with reader(page):
            assert page.adapter.liveness().facts == {"open pages": "1"}
        await gone(page)


@asynccontextmanager
async def dead_reader(page: Running) -> AsyncIterator[None]:
    """A page whose machine takes nothing any more; its buffers are as small as can be."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    host, port = page.url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    with connection:
        await loop.sock_connect(connection, (host, int(port)))
        request = f"GET /chat/{CHAT.chat_id}/events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        await loop.sock_recv(connection, 12)  # it has begun, and is read no further
        yield


@pytest.mark.warp
async def test_a_dead_reader_is_cut_off() -> None:
    """It takes nothing for as long as is allowed; then its connection and its memory are gone."""
    async with running_page(patience=Patience(write_s=0.2)) as page, dead_reader(page):
        assert page.adapter.liveness().facts == {"open pages": "1"}
        for number in range(200):
            await post(page, "m1", f"{number} " + "word " * 20_000)
            await asyncio.sleep(0)
        await gone(page)


async def test_a_dead_reader_holds_one_state_and_no_queue() -> None:
    """A hundred megabytes pass by while it reads nothing; what is held is a few states of it.

    Slow because memory is traced.
    """
    async with running_page() as page, dead_reader(page):
        tracemalloc.start()
        try:
            for number in range(200):
                body = plain(f"{number} " + "x" * 500_000)
                await page.adapter.perform(Post(chat=CHAT, body=body, nonce="m1"))
                for _ in range(3):
                    await asyncio.sleep(0)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert page.adapter.liveness().facts == {"open pages": "1"}
        assert held < 10_000_000


async def test_a_machine_that_vanished_is_given_up_by_the_system() -> None:
    """The connection of a stream has the option that ends it when nothing is acknowledged."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    ours, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
    end_in_silence(ours, 30.0)
    connection = ours.get_extra_info("socket")
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
    ours.close()
    server.close()


async def test_streams_are_bounded() -> None:
    """Beyond the limit a page is told to close others; the page itself still works.

    Slow because the limit is reached with real connections.
    """
    async with running_page() as page:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(page.url, connector=connector) as client:
            url = f"/chat/{CHAT.chat_id}/events"
            open_pages = [await client.get(url) for _ in range(STREAMS_MAX)]
            assert {answer.status for answer in open_pages} == {200}
            async with client.get(url) as answer:
                assert answer.status == 503
                assert "Too many pages" in (await answer.json())["error"]
            async with client.get("/") as answer:
                assert answer.status == 200
            for answer in open_pages:
                answer.close()


async def test_a_store_that_cannot_be_read_cuts_the_stream() -> None:
    """A page that needs everything anew gets a cut and comes back; the page itself says why."""
    async with running_page() as page:
        page.gateway.readable = False
        url = f"/chat/{CHAT.chat_id}"
        async with page.client.get(f"{url}/events") as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        async with page.client.get(url) as answer:
            assert answer.status == 503
            assert "cannot read its store" in (await answer.json())["error"]
        page.gateway.readable = True
        async with reader(page) as back:
            assert back.model.messages == {}


async def test_closing_ends_every_stream() -> None:
    """A page whose gateway stops sees the end of its stream, not a dead connection."""
    async with running_page() as page, reader(page) as stream:
        await page.adapter.close()
        async with asyncio.timeout(AT_ONCE_S):
            while not stream.answer.content.at_eof():
                await stream.answer.content.readany()
