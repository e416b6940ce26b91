"""Fault scripts on the way in and out: what each costs, and that none costs a message."""

import asyncio
import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from platforms.blocks import plain
from platforms.content import Done, Edit, Sent
from platforms.errors import PlatformUnavailable, RateLimited, SendUncertain
from platforms.events import MessageReceived, Receipt
from tests.platforms.slack.journal import (
    ADA,
    DM,
    GENERAL,
    Journal,
    adapter_of,
    chat_of,
    connected,
    post,
    running,
)
from tests.platforms.slack.moments import Moments, settle
from tests.wire.server import Answer, CutAfter, CutBefore, HalfOpen, limited
from tests.wire.slack import SlackServer, payloads
from tests.wire.slack.line import Line


class Deduping(Journal):
    """Keeps one event of each logical key, as the real journal does."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, MessageReceived] = {}

    async def __call__(self, delivery: object) -> Receipt:
        receipt = await super().__call__(delivery)  # type: ignore[arg-type]
        for event in self.events:
            if isinstance(event, MessageReceived):
                self.kept.setdefault(event.logical_key, event)
        return receipt

    def texts(self) -> list[str]:
        """What was said, in the order of the chat."""
        return [e.text for e in sorted(self.kept.values(), key=lambda event: event.order)]


# -- the way in


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_duplicates_are_one_act(http: bool) -> None:
    """The same delivery three times and once more under another id: one message, all answered."""
    async with SlackServer() as server:
        journal = Deduping()
        async with running(server, journal, http=http):
            ts = await server.say(chat=DM, user=ADA, text="once")
            await server.settled()
            for _ in range(3):
                await server.redeliver(server.deliveries[0].id)
            channel = server.world.channels[DM]
            server.send_event(payloads.message_event(server.world, channel, channel.messages[ts]))
            await server.settled()
            assert journal.texts() == ["once"]
            assert len(journal.deliveries) == 5
            assert {delivery.state for delivery in server.deliveries} == {"done"}


async def test_overtaking_messages_are_put_in_order() -> None:
    """Backwards on the wire, forwards by `order`; an old one that arrives last is not refused."""
    async with SlackServer() as server:
        journal = Deduping()
        async with running(server, journal):
            server.forgetful = True
            stamps = [await server.say(chat=DM, user=ADA, text=str(n)) for n in range(8)]
            server.forgetful = False
            channel = server.world.channels[DM]
            for ts in reversed(stamps):
                message = channel.messages[ts]
                server.send_event(payloads.message_event(server.world, channel, message))
            await server.settled()
            assert [e.text for e in journal.events] != list(map(str, range(8)))  # type: ignore[union-attr]
            assert journal.texts() == list(map(str, range(8)))


async def test_a_message_of_last_week_arrives_now() -> None:
    """No watermark: an old ts is stored like any other."""
    async with SlackServer() as server:
        journal = Deduping()
        async with running(server, journal):
            await server.say(chat=DM, user=ADA, text="new")
            old = {"type": "message", "channel": DM, "channel_type": "im", "user": ADA}
            server.send_event(old | {"ts": "1700000000.000100", "text": "old"})
            await server.settled()
            assert journal.texts() == ["old", "new"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x81\x05\xff\xfe\xfd\xfc\xfb",
        b"\x83\x00",
        b"\x81\x10only a part",
        b"HTTP/1.1 500 Oops\r\n\r\n",
    ],
    ids=["reserved-bits", "endless", "no-utf8", "bad-opcode", "torn", "http"],
)
async def test_bytes_that_are_no_frame_cost_one_socket(data: bytes) -> None:
    """What breaks the protocol breaks that connection; a fresh one takes its place."""
    async with SlackServer() as server:
        journal = Deduping()
        async with running(server, journal):
            server.transport.write(data)
            server.transport.cut()
            await server.connected(1, opened=2)
            await server.say(chat=DM, user=ADA, text="after")
            await server.settled()
            assert journal.texts() == ["after"]


async def test_a_protocol_error_alone_is_noticed() -> None:
    """Nobody closes the connection but we ourselves, at once."""
    async with SlackServer() as server:
        journal = Deduping()
        async with running(server, journal, ping_interval_s=5.0, stale_s=20.0):
            server.transport.write(b"\xff\xff\xff\xff")
            await server.connected(1, opened=2)
            await server.say(chat=DM, user=ADA, text="after")
            await server.settled()
            assert journal.texts() == ["after"]


async def test_a_frame_torn_off_in_its_middle_comes_again() -> None:
    """Half an envelope is nothing: Slack gets no acknowledgement and delivers it anew."""
    async with SlackServer() as server, Line(server.url) as line:
        server.socket_root = line.url
        journal = Deduping()
        async with running(server, journal):
            line.cut_answer(after=40)
            await server.say(chat=DM, user=ADA, text="whole")
            await server.connected(1, opened=2)
            await server.settled()
            assert journal.texts() == ["whole"]
            assert server.deliveries[0].tries == 2


async def test_a_slow_drip_is_read_whole() -> None:
    """Frames and answers that come byte by byte are the same frames and answers."""
    async with SlackServer() as server, Line(server.url) as line:
        server.socket_root = line.url
        line.drip()
        journal = Deduping()
        async with running(server, journal, base_url=f"{line.url}/api/") as adapter:
            await server.say(chat=DM, user=ADA, text="drip " * 50)
            await server.settled()
            assert journal.texts() == [("drip " * 50).strip()]
            outcome = await adapter.perform(post(chat_of(server, DM), "drop"))
            assert isinstance(outcome, Sent)


@pytest.mark.warp
async def test_a_half_open_socket_is_noticed_by_its_silence() -> None:
    """The line is dead without a word: a fresh socket takes what comes again."""
    time = Moments()
    settings: dict[str, Any] = {"clock": time.clock, "sleep": time.sleep}
    settings |= {"ping_interval_s": 5.0, "stale_s": 20.0}
    async with SlackServer() as server, Line(server.url) as line:
        server.socket_root = line.url
        journal = Deduping()
        async with running(server, journal, **settings):
            await settle()
            line.freeze()
            await server.say(chat=DM, user=ADA, text="into the void")
            await time.advance(20)
            await server.connected(2, opened=2)  # Slack has noticed nothing yet
            await server.advance(3)
            await server.advance(3)
            await server.advance(60)
            await server.settled()
            assert journal.texts() == ["into the void"]


async def test_an_acknowledgement_lost_at_a_refresh_is_a_duplicate() -> None:
    """The socket goes while the journal works: stored, not acknowledged, delivered again, one."""
    async with SlackServer() as server:
        journal = Deduping()
        journal.held = asyncio.Event()
        async with running(server, journal):
            await server.say(chat=DM, user=ADA, text="hello")
            await journal.count(1)
            await server.transport.disconnect("refresh_requested")
            await server.connected(1, opened=2)
            journal.held.set()
            await journal.count(2)
            await server.settled()
            assert journal.texts() == ["hello"]
            assert (journal.stored, server.deliveries[0].tries) == (2, 2)


# -- the way out


@pytest.mark.warp
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (limited(b'{"ok":false,"error":"ratelimited"}', "30"), RateLimited),
        (limited(b'{"ok":false,"error":"ratelimited"}'), RateLimited),
        (limited(b"busy", "soon"), RateLimited),
        (Answer(status=500), SendUncertain),
        (Answer(status=502, body=b"<html>", content_type="text/html"), SendUncertain),
        (Answer(status=503, body=b""), SendUncertain),
        (CutBefore(), SendUncertain),
        (CutAfter(), SendUncertain),
        (HalfOpen(), SendUncertain),
    ],
    ids=["429", "429-bare", "429-odd", "500", "502", "503", "cut", "cut-after", "half-open"],
)
async def test_a_fault_of_a_post_is_told_once_and_is_over(
    fault: Answer | CutBefore | CutAfter | HalfOpen, error: type[Exception]
) -> None:
    """One request, one class; a 429 says how long, if need be a guess; the next one succeeds."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        server.faults.add("chat.postMessage", fault)
        operation = post(chat_of(server, GENERAL), "words")
        with pytest.raises(error) as raised:
            await adapter.perform(operation)
        assert len(server.requests("chat.postMessage")) == 1
        if isinstance(raised.value, RateLimited):
            hint = getattr(fault, "headers", {}).get("Retry-After")
            assert raised.value.retry_after_s == (30.0 if hint == "30" else 5.0)
            assert server.ours(GENERAL) == ()
        assert isinstance(await adapter.perform(operation), Sent)


async def test_a_storm_of_429_is_only_told() -> None:
    """The adapter neither repeats nor sleeps: each call is one request and one answer."""
    async with SlackServer() as server, connected(server) as adapter:
        server.channel(GENERAL)
        storm = [limited(b'{"ok":false,"error":"ratelimited"}', str(n)) for n in range(1, 21)]
        server.faults.add("chat.postMessage", *storm)
        hints = []
        for _ in storm:
            with pytest.raises(RateLimited) as raised:
                await adapter.perform(post(chat_of(server, GENERAL), "words"))
            hints.append(raised.value.retry_after_s)
        assert hints == [float(n) for n in range(1, 21)]
        assert server.ours(GENERAL) == ()


@pytest.mark.warp
@pytest.mark.parametrize("after", [0, 9, 40, 200], ids=["nothing", "status", "head", "body"])
@pytest.mark.parametrize("how", ["cut", "stop"])
async def test_an_answer_that_breaks_off_leaves_a_post_in_doubt(how: str, after: int) -> None:
    """Wherever it breaks after the request was written, the message may stand, and does."""
    async with (
        SlackServer() as server,
        Line(server.url) as line,
        connected(server, base_url=f"{line.url}/api/") as adapter,
    ):
        server.channel(GENERAL)
        if how == "cut":
            line.cut_answer(after=after)
        else:
            line.stop_answer(after=after)
        with pytest.raises(SendUncertain):
            await adapter.perform(post(chat_of(server, GENERAL), "words"))
        assert [message.text for message in server.ours(GENERAL)] == ["words"]
        assert len(server.requests("chat.postMessage")) == 1


async def test_an_edit_that_broke_off_can_be_made_again() -> None:
    """It is in doubt as well, but the same edit twice is one edit."""
    async with SlackServer() as server, Line(server.url) as line:
        base_url = f"{line.url}/api/"
        async with connected(server, base_url=base_url) as adapter:
            server.channel(GENERAL)
            sent = await adapter.perform(post(chat_of(server, GENERAL), "words"))
            assert isinstance(sent, Sent)
            edit = Edit(message=sent.message, body=plain("edited"))
            line.cut_answer(after=60)
            with pytest.raises(SendUncertain):
                await adapter.perform(edit)
            assert isinstance(await adapter.perform(edit), Done)
            assert [message.text for message in server.ours(GENERAL)] == ["edited"]


@pytest.mark.parametrize("scheme", ["http", "https"], ids=["closed-port", "no-tls"])
async def test_before_the_connection_nothing_was_sent(scheme: str) -> None:
    """Nobody listens, or it can't be made safe: certainly not sent, so it may be repeated."""
    async with SlackServer() as server, Line(server.url) as line:
        chat, port = chat_of(server, GENERAL), urlsplit(line.url).port
        if scheme == "http":
            await line.close()
        adapter = adapter_of(server, base_url=f"{scheme}://127.0.0.1:{port}/api/")
        with pytest.raises(PlatformUnavailable):
            await adapter.perform(post(chat, "words"))
        await adapter.close()
        assert server.record == []


async def test_a_connection_closed_while_idle_leaves_the_next_post_in_doubt() -> None:
    """The server closed a kept connection: the request may or may not have been read."""
    async with SlackServer() as server, Line(server.url) as line:
        base_url = f"{line.url}/api/"
        async with connected(server, base_url=base_url) as adapter:
            server.channel(GENERAL)
            line.cut_answer(after=0)
            operation = post(chat_of(server, GENERAL), "words", nonce="n9")
            with suppress(SendUncertain):
                await adapter.perform(operation)
            assert len(server.requests("chat.postMessage")) == 1
            assert json.dumps(server.ours(GENERAL)[0].history[0].metadata).count("n9") == 2
