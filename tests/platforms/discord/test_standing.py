"""What a request may have done, and our standing with Discord: refusals, limits, bans."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from platforms.blocks import plain
from platforms.content import AnswerPress, Button, Edit, Operation
from platforms.discord.client import DiscordAdapter
from platforms.discord.limits import EDGE_BAN_S, REFUSALS_MAX
from platforms.errors import (
    ChatUnavailable,
    PlatformUnavailable,
    RateLimited,
    SendUncertain,
)
from platforms.events import ButtonPressed
from tests.platforms.discord.hand_time import HandTime
from tests.platforms.discord.journal import (
    Journal,
    adapter_of,
    chat_of,
    connected,
    post,
    posted,
    ref_of,
    running,
)
from tests.wire.discord import (
    DiscordServer,
    edge_ban,
    limited_without_a_hint,
    rate_limited,
    refusal,
)
from tests.wire.server import CutAfter, CutBefore, HalfOpen

POST = "POST /channels/{channel}/messages"
EDIT = "PATCH /channels/{channel}/messages/{message}"


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        yield running_server


@pytest.fixture
def time() -> HandTime:
    return HandTime()


# Cuts: what was written may stand, what was not can't.


@pytest.mark.warp
@pytest.mark.parametrize("cut", ["before the effect", "after it", "in the body", "while dripping"])
@pytest.mark.parametrize("what", ["post", "edit"])
async def test_after_the_write_nobody_knows(server: DiscordServer, cut: str, what: str) -> None:
    """Wherever the answer is lost, the request was written."""
    async with connected(server) as adapter:
        operation, name = await _operation(server, adapter, what)
        match cut:
            case "before the effect":
                server.faults.add(name, CutBefore())
            case "after it":
                server.faults.add(name, CutAfter())
            case "in the body":
                server.breaks.add(name, "cut in the body")
            case _:
                server.breaks.add(name, "dripping")
        with pytest.raises(SendUncertain):
            await adapter.perform(operation)


async def test_before_the_connection_nothing_was_sent() -> None:
    """Refused, not found, not a certificate: it can be tried again."""
    async with DiscordServer() as server:
        adapter = adapter_of(server)
        await adapter.connect()
        await server.close()
        with pytest.raises((SendUncertain, PlatformUnavailable)):
            await adapter.perform(post(server.general, "x"))  # finds the kept connection dead
        for _ in range(2):
            with pytest.raises(PlatformUnavailable):
                await adapter.perform(post(server.general, "x"))
        await adapter.close()


async def test_an_earlier_attempt_is_not_forgotten(server: DiscordServer) -> None:
    """The SDK repeats a 502 by itself; that nobody listens then says nothing about the first."""
    async with connected(server) as adapter:
        server.faults.add(POST, refusal(502))
        performing = asyncio.create_task(adapter.perform(post(server.general, "x")))
        await server.seen(lambda seen: seen.operation == POST)
        await server.close()
        with pytest.raises(SendUncertain):
            await performing


@pytest.mark.warp
async def test_a_call_that_never_left_was_not_sent(server: DiscordServer) -> None:
    """Cut short while it waits for its turn in a full bucket."""
    async with DiscordServer(rates=1.0) as limited, connected(limited, answer_s=-29.9) as adapter:
        sent = refused = 0
        for number in range(7):
            try:
                await adapter.perform(post(limited.general, str(number), f"n{number}"))
            except PlatformUnavailable:
                refused += 1
            except SendUncertain:
                sent += 1  # stands, and the SDK slept behind it
            else:
                sent += 1
        assert len(limited.bot_messages(limited.general)) == sent
        assert refused >= 1


# 429: with hints, without, for all.


async def test_a_429_without_a_hint_is_a_limit(server: DiscordServer) -> None:
    """It was refused, so nothing stands, whatever the SDK stumbles over."""
    async with connected(server) as adapter:
        server.faults.add(POST, limited_without_a_hint())
        with pytest.raises(RateLimited) as caught:
            await adapter.perform(post(server.general, "x"))
        assert (caught.value.retry_after_s, caught.value.scope) == (5.0, "chat")
        await posted(adapter, post(server.general, "x"))
    assert len(server.bot_messages(server.general)) == 1


@pytest.mark.warp
async def test_a_429_the_sdk_sleeps_out_for_too_long(server: DiscordServer) -> None:
    """Our deadline comes while it sleeps: a limit, not a doubt."""
    async with connected(server) as adapter:
        server.faults.add(POST, rate_limited(90.0))
        with pytest.raises(RateLimited) as caught:
            await adapter.perform(post(server.general, "x"))
        assert caught.value.retry_after_s == 90.0
        await posted(adapter, post(server.general, "x"))


@pytest.mark.warp
async def test_a_global_429_cut_short_locks_nobody_out(server: DiscordServer) -> None:
    """The SDK makes every request wait for the one that sleeps; that one may be cancelled."""
    async with connected(server) as adapter:
        server.faults.add(POST, rate_limited(90.0, scope="global"))
        with pytest.raises(RateLimited):
            await adapter.perform(post(server.general, "x"))
        await posted(adapter, post(server.dm(server.ada), "goes through"))


async def test_a_storm_of_short_429s_ends_with_the_post(server: DiscordServer) -> None:
    """Each says how long; the message stands once."""
    async with connected(server) as adapter:
        server.faults.add(POST, *(rate_limited(0.01) for _ in range(4)))
        await posted(adapter, post(server.general, "x"))
        server.faults.add(POST, *(rate_limited(0.01) for _ in range(5)))
        with pytest.raises(RateLimited):
            await adapter.perform(post(server.general, "y"))
    assert [m.content for m in server.bot_messages(server.general)] == ["x"]


# Bans, and what keeps us from them.


async def test_a_ban_of_the_edge_is_ten_minutes_of_silence(
    server: DiscordServer, time: HandTime
) -> None:
    """After a 429 without `Via` nothing is asked, whatever for; then everything again."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        said = await server.say(server.general, server.ada, "hello")
        await journal.count(1)
        assert adapter.liveness().alarm == ""
        server.faults.add(POST, edge_ban())
        with pytest.raises(RateLimited) as caught:
            await adapter.perform(post(server.general, "x"))
        assert (caught.value.retry_after_s, caught.value.scope) == (EDGE_BAN_S, "account")
        assert "refuses this address" in adapter.liveness().alarm
        mark = len(server.record)
        time.advance(200)
        for call in (
            adapter.perform(post(server.general, "x")),
            adapter.perform(Edit(message=ref_of(said), body=plain("x"))),
            adapter.direct(str(server.ada.id)),
        ):
            with pytest.raises(RateLimited) as again:
                await call
            assert again.value.retry_after_s == EDGE_BAN_S - 200
            assert again.value.scope == "account"
        assert server.record[mark:] == []
        time.advance(EDGE_BAN_S - 200)
        assert adapter.liveness().alarm == ""
        await posted(adapter, post(server.general, "x"))


async def test_a_ban_outlives_the_connection(server: DiscordServer, time: HandTime) -> None:
    """A supervisor that tries again asks nothing until it is over."""
    adapter = adapter_of(server, clock=time.clock)
    server.faults.add("GET /users/@me", edge_ban())
    for _ in range(5):
        with pytest.raises(PlatformUnavailable):
            await adapter.connect()
    assert len(server.requests("GET /users/@me")) == 1
    time.advance(EDGE_BAN_S)
    await adapter.connect()
    await adapter.close()


async def test_a_banned_gateway_is_left_alone(server: DiscordServer, time: HandTime) -> None:
    """The edge refuses the websocket too: no attempt before the time."""
    async with running(server, Journal(), clock=time.clock):
        server.faults.add("GET /gateway/resume", edge_ban())
        await server.gateway.close(4000)
        await time.sleeping(EDGE_BAN_S)
        assert [seen.status for seen in server.record if "/gateway/resume" in seen.operation] == [
            429
        ]
        time.advance(EDGE_BAN_S)
        await server.seen(lambda seen: seen.operation == "GATEWAY RESUME")


async def test_refusals_are_counted_and_stopped_early(
    server: DiscordServer, time: HandTime
) -> None:
    """A tenth of what bans an address, within ten minutes, and we pause by ourselves.

    A thousand requests take their time.
    """
    server.general.access = "hidden"
    async with connected(server, clock=time.clock) as adapter:
        for _ in range(REFUSALS_MAX):
            time.advance(0.5)
            with pytest.raises(ChatUnavailable):
                await adapter.perform(post(server.general, "x"))
        assert server.refusals == {403: REFUSALS_MAX}
        assert "refused 1000 requests" in adapter.liveness().alarm
        with pytest.raises(RateLimited) as caught:
            await adapter.perform(post(server.general, "x"))
        assert caught.value.retry_after_s == 100.5
        assert server.refusals == {403: REFUSALS_MAX}
        time.advance(101)
        await posted(adapter, post(server.dm(server.ada), "again"))
        assert adapter.liveness().alarm == ""


async def test_the_limits_of_others_are_not_our_refusals(
    server: DiscordServer, time: HandTime
) -> None:
    """A shared limit is no invalid request."""
    async with connected(server, clock=time.clock) as adapter:
        for scope in ("shared", "user"):
            server.faults.add(POST, rate_limited(0.0, scope=scope))
            await posted(adapter, post(server.general, scope, scope))
        assert len(adapter._rest._refused_at) == 1


@pytest.mark.warp
async def test_a_press_whose_answer_hangs_is_given_up(server: DiscordServer) -> None:
    """The words behind it follow, late as they are."""
    journal = Journal()
    async with running(server, journal) as adapter:
        controls = ((Button(label="Go", payload="go:1"),),)
        await posted(adapter, post(server.general, "card", controls=controls))
        server.faults.add("POST /interactions/{interaction}/{token}/callback", HalfOpen())
        await server.press(server.bot_messages(server.general)[-1], server.ada, "go:1")
        event = await journal.event()
        assert isinstance(event, ButtonPressed)
        await asyncio.wait_for(adapter.perform(AnswerPress(press=event.press)), 60)


async def _operation(
    server: DiscordServer, adapter: DiscordAdapter, what: str
) -> tuple[Operation, str]:
    if what == "post":
        return post(server.general, "x"), POST
    message = await posted(adapter, post(server.general, "x"))
    assert message.chat == chat_of(server.general)
    return Edit(message=message, body=plain("y")), EDIT
