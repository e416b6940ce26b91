"""Discord's numbers, each met at its limit and one over it, by the rules of the loopback server."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from platforms.content import AnswerPress, Button, Upload
from platforms.discord import limits
from platforms.discord.client import DiscordAdapter
from platforms.discord.start import start_of
from platforms.errors import PressExpired, TooLong
from platforms.events import ButtonPressed, CommandHelp
from platforms.pacing import Kind, Limiter
from tests.platforms.discord.journal import (
    Journal,
    chat_of,
    connected,
    post,
    posted,
    running,
)
from tests.wire.discord import DiscordServer
from tests.wire.discord.gateway import SENDS_PER_MINUTE
from tests.wire.discord.rates import Rates
from tests.wire.discord.rules import ApiError

CALLBACK = "POST /interactions/{interaction}/{token}/callback"
COMMANDS = "PUT /applications/{application}/commands"


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        yield running_server


@pytest.mark.parametrize(("age_s", "in_time"), [(899.0, True), (901.0, False)])
async def test_a_press_is_answered_for_fifteen_minutes(age_s: float, *, in_time: bool) -> None:
    """From the stored token, by a process that never saw the press; then it is over, by name."""
    clock = [time.time()]
    async with DiscordServer(now=lambda: clock[0]) as server:
        journal = Journal()
        async with running(server, journal) as adapter:
            controls = ((Button(label="Approve", payload="ap:1"),),)
            await posted(adapter, post(server.general, "card", controls=controls))
            await server.press(server.bot_messages(server.general)[-1], server.ada, "ap:1")
            event = await journal.event()
            await server.seen(lambda seen: seen.operation == CALLBACK)
        assert isinstance(event, ButtonPressed)
        lives = event.press.usable_until - event.occurred_at
        assert lives == timedelta(seconds=limits.PRESS_LIFE_S) == timedelta(minutes=15)
        clock[0] += age_s
        async with connected(server) as later:
            answer = AnswerPress(press=event.press, text="decided")
            if in_time:
                await later.perform(answer)
            else:
                with pytest.raises(PressExpired):
                    await later.perform(answer)
        told = [m.content for m in server.messages(server.general, viewer=server.ada)]
        assert ("decided" in told) is in_time


@pytest.mark.parametrize("count", [limits.COMMANDS_MAX, limits.COMMANDS_MAX + 1])
async def test_a_hundred_commands_are_registered(server: DiscordServer, count: int) -> None:
    """The one above is left out, for Discord would refuse them all; names and words fit."""
    long, words = "n" * limits.COMMAND_NAME_MAX, "w" * limits.COMMAND_TEXT_MAX
    table = [
        CommandHelp(name=long, summary=words),
        CommandHelp(name=long + "n", summary="a name too long"),
        CommandHelp(name="cut", summary=words + "w"),
        *(CommandHelp(name=f"c{number}", summary="x") for number in range(count - 3)),
    ]
    async with running(server, Journal(), commands=tuple(table)):
        await server.seen(lambda seen: seen.operation == COMMANDS)
    known = {command["name"]: command["description"] for command in server.interactions.commands}
    assert len(known) == limits.COMMANDS_MAX - 1
    assert (known[long], len(known["cut"])) == (words, limits.COMMAND_TEXT_MAX)
    assert [seen.status for seen in server.requests(COMMANDS)] == [200]


@pytest.mark.parametrize(("size", "fits"), [(0, True), (1, False)])
async def test_a_file_of_ten_mebibytes(server: DiscordServer, size: int, *, fits: bool) -> None:
    """What a place without boosts takes, and one byte more."""
    assert limits.UPLOAD_MAX_BYTES == 10 * 1024 * 1024
    upload = Upload(
        chat=chat_of(server.general),
        data=bytes(limits.UPLOAD_MAX_BYTES + size),
        name="big.bin",
        mime="application/octet-stream",
        nonce="n",
    )
    async with connected(server) as adapter:
        if fits:
            await posted(adapter, upload)
        else:
            with pytest.raises(TooLong):
                await adapter.perform(upload)
    assert len(server.bot_messages(server.general)) == fits


@pytest.mark.parametrize(("length", "fits"), [(25, True), (26, False)])
async def test_a_nonce_of_25_characters(server: DiscordServer, length: int, *, fits: bool) -> None:
    """The length of ours is the longest that is known again."""
    assert limits.NONCE_MAX == 25
    async with connected(server) as adapter:
        operation = post(server.general, "hello", "n" * length)
        if fits:
            assert await posted(adapter, operation) == await posted(adapter, operation)
            assert len(server.bot_messages(server.general)) == 1
        else:
            with pytest.raises(Exception, match="50035"):
                await adapter.perform(operation)


@pytest.mark.parametrize(("left", "scarce"), [(10, False), (9, True), (None, False)])
def test_the_last_ten_sessions_of_a_day_are_kept(left: int | None, *, scarce: bool) -> None:
    """With ten left one is still begun, with nine nothing is."""
    answer = {"url": "ws://here", "session_start_limit": {"remaining": left}}
    assert start_of(answer).scarce is scarce


async def test_a_connection_sends_110_times_a_minute(server: DiscordServer) -> None:
    """The SDK's own measure, under the 120 after which Discord closes; the next one would wait."""
    journal = Journal()
    async with running(server, journal) as adapter:
        assert adapter._client is not None
        socket = adapter._client.ws
        measure = socket._rate_limiter
        assert (measure.max, measure.per) == (110, 60.0)
        for _ in range(measure.remaining):
            await socket.send_as_json({"op": 3, "d": None})
        assert measure.get_delay() > 0
        await server.say(server.general, server.ada, "still here")
        await journal.count(1)
        [connection] = server.gateway.connections
        assert 110 <= len(connection.frames) < SENDS_PER_MINUTE


def _least_wait(limiter: Limiter, kind: Kind, chat: str, now: float, number: int) -> float:
    wait = limiter.admit(kind, chat, group=True, priority=2, since=float(number), now=now)
    assert wait is not None
    return wait


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("post", "POST /channels/{channel}/messages"),
        ("edit", "PATCH /channels/{channel}/messages/{message}"),
    ],
)
def test_our_pace_stays_below_the_buckets(kind: Kind, operation: str) -> None:
    """A minute of as much as our budgets let through: at most five in five seconds, never a 429."""
    now, number, sent = 1_000.0, 0, []
    limiter, rates = Limiter(limits.BUDGETS), Rates(1.0, lambda: now)
    while now < 1_060.0:
        if wait := _least_wait(limiter, kind, "general", now, number):
            now += wait
            continue
        rates.check(operation, "general")
        sent.append(now)
        number += 1
    assert rates.refused == 0
    in_five = max(sum(1 for other in sent if at <= other < at + 5.0) for at in sent)
    assert in_five <= {"post": 4, "edit": 4}[kind]
    assert len(sent) >= 30


def test_one_over_the_bucket_is_refused() -> None:
    """The rules that we stay below are the real ones: the sixth of five seconds is a 429."""
    rates = Rates(1.0, lambda: 1_000.0)
    for _ in range(5):
        rates.check("POST /channels/{channel}/messages", "general")
    with pytest.raises(ApiError):
        rates.check("POST /channels/{channel}/messages", "general")


def test_forty_requests_a_second_over_all_chats() -> None:
    """In a hundred chats at once our budget lets fewer through than the fifty of all routes."""
    now, sent = 1_000.0, 0
    limiter, rates = Limiter(limits.BUDGETS), Rates(1.0, lambda: now)
    waiting = [(chat, number) for number in range(2) for chat in range(100)]
    while waiting and now < 1_010.0:
        left, waits = [], []
        for chat, number in waiting:
            wait = _least_wait(limiter, "post", str(chat), now, number * 100 + chat)
            if wait:
                left.append((chat, number))
                waits.append(wait)
            else:
                rates.check("POST /channels/{channel}/messages", str(chat))
                sent += 1
        waiting = left
        now += min(waits, default=0.0)
    assert (sent, rates.refused) == (200, 0)
    assert now - 1_000.0 >= 200 / 50


async def test_a_page_of_history_is_a_hundred(server: DiscordServer) -> None:
    """Discord gives no more at once; one more is refused as a mistake of ours."""
    async with connected(server) as adapter:
        path = f"/channels/{server.general.id}/messages"
        assert await adapter._get(path, {"limit": str(limits.HISTORY_PAGE)}) == []
        with pytest.raises(Exception, match="50035"):
            await adapter._get(path, {"limit": str(limits.HISTORY_PAGE + 1)})


def test_what_is_shown_while_we_type_is_renewed_in_time() -> None:
    """The sign lives ten seconds; ours is renewed before."""
    adapter = DiscordAdapter(token="t")
    assert adapter.capabilities.typing_refresh_s == 8.0 < limits.TYPING_LIFE_S == 10.0
