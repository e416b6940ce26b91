"""Deafness is found by completed polls, replaced by fresh connections, and told once it is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platforms.errors import CredentialsRejected, PlatformUnavailable
from platforms.events import Gap
from platforms.telegram.client import TelegramAdapter
from platforms.telegram.polling import Pace
from tests.gateway.hand_clock import HandClock
from tests.platforms.telegram.journal import ADA, Journal, connected, running
from tests.wire.server import Answer, CutBefore, HalfOpen, Hold
from tests.wire.telegram import CutInside, Drip, TelegramServer

PACE = Pace(retry_s=0, busy_s=0, conflict_s=0)
CONFLICT = Answer(
    status=409,
    body=b'{"ok":false,"error_code":409,"description":"Conflict: terminated by other getUpdates"}',
)


class Times:
    """The adapter's clocks and pauses, moved by hand, and the gaps it told of."""

    def __init__(self) -> None:
        self.hand = HandClock()
        self.gaps: list[Gap] = []
        self._told = asyncio.Event()
        self._pauses: list[float] = []
        self._paused = asyncio.Event()

    def now(self) -> datetime:
        """The wall clock."""
        return datetime.fromtimestamp(self.hand.now() / 1e6, UTC)

    async def on_gap(self, gap: Gap) -> None:
        """See OnGap."""
        self.gaps.append(gap)
        self._told.set()

    async def told(self) -> None:
        """Wait until a gap was told."""
        async with asyncio.timeout(60):
            await self._told.wait()

    async def sleep(self, seconds: float) -> None:
        """The adapter's pause."""
        self._pauses.append(seconds)
        self._paused.set()
        try:
            await self.hand.sleep(seconds)
        finally:
            self._pauses.remove(seconds)

    async def sleeps(self, seconds: float) -> None:
        """Wait until the adapter pauses for exactly so long."""
        async with asyncio.timeout(60):
            while seconds not in self._pauses:
                self._paused.clear()
                await self._paused.wait()

    def settings(self, **more: Any) -> dict[str, Any]:
        """What makes an adapter live by these times."""
        times = {
            "clock": self.hand.monotonic,
            "sleep": self.sleep,
            "now": self.now,
            "on_gap": self.on_gap,
        }
        return {"pace": PACE, **times, **more}


def passes() -> Hold:
    """No fault: the request goes its ordinary way."""
    released = asyncio.Event()
    released.set()
    return Hold(released=released)


@asynccontextmanager
async def lost_after_one_poll(
    server: TelegramServer, times: Times, journal: Journal
) -> AsyncIterator[TelegramAdapter]:
    """An adapter whose first poll completed and whose second hangs on a half-open connection."""
    server.faults.add("getUpdates", passes(), HalfOpen())
    async with running(server, journal, **times.settings()) as adapter:
        # The half-open poll is noted without its arguments.
        await server.seen(lambda s: s.operation == "getUpdates" and not s.arguments)
        yield adapter


async def test_a_poll_on_a_half_open_connection_is_replaced() -> None:
    """After 120 s without a completed poll a new connection brings what waited."""
    times, journal = Times(), Journal()
    async with TelegramServer() as server:
        async with lost_after_one_poll(server, times, journal) as adapter:
            assert adapter.liveness().last_frame_at == 1_000.0
            await server.say(chat=ADA, user=ADA, text="anybody there?")
            times.hand.advance(119)
            await asyncio.sleep(0)
            assert len(server.requests("getUpdates")) == 3  # one is noted twice
            times.hand.advance(1)
            await journal.count(1)
            assert adapter.liveness().last_frame_at == 1_120.0
        assert journal.texts() == ["anybody there?"]


async def test_a_poll_that_only_drips_is_replaced() -> None:
    """Bytes that come one by one are no completed poll."""
    times, journal = Times(), Journal()
    drops = asyncio.Semaphore(5)
    async with TelegramServer() as server:
        server.shapes["getUpdates"].append(Drip(drops=drops))
        async with running(server, journal, **times.settings()) as adapter:
            await server.seen(lambda s: s.operation == "getUpdates" and s.status == 200)
            times.hand.advance(60)
            drops.release()
            await server.say(chat=ADA, user=ADA, text="one")
            assert adapter.liveness().last_frame_at is None
            times.hand.advance(60)
            await journal.count(1)
            assert adapter.liveness().connected


async def test_the_end_of_a_dead_connection_is_not_waited_for() -> None:
    """A dozen half-open polls leave no task behind, and each run of three ends by itself."""
    times, journal = Times(), Journal()
    async with TelegramServer() as server, connected(server, **times.settings()) as adapter:
        for _ in range(4):
            server.faults.add("getUpdates", HalfOpen(), HalfOpen(), HalfOpen())
            run = asyncio.create_task(adapter.run(journal))
            for _ in range(3):
                since = len(server.record)
                await server.seen(lambda s: s.operation == "getUpdates", since=since)
                await times.sleeps(120)
                times.hand.advance(120)
            with pytest.raises(PlatformUnavailable, match="no poll has completed for 120 s"):
                await run
        names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
        assert [name for name in names if "Poller" in name or "AiohttpRequest" in name] == []


async def test_an_outage_is_told_when_what_waited_is_stored() -> None:
    """Its times are those of the last completed poll and the first after which nothing waits."""
    times, journal = Times(), Journal()
    async with TelegramServer() as server:
        async with lost_after_one_poll(server, times, journal) as adapter:
            lost = times.now()
            for text in ("one", "two", "three"):
                await server.say(chat=ADA, user=ADA, text=text)
            assert adapter.liveness().gap_since is None  # nobody can know yet
            journal.held = asyncio.Event()
            times.hand.advance(120)
            await journal.count(1)
            assert (adapter.liveness().gap_since, times.gaps) == (1_000.0, [])
            journal.held.set()
            await times.told()
        (gap,) = times.gaps
        assert gap.account.id == "7000000001"
        assert (gap.since, gap.until) == (lost, lost + timedelta(seconds=120))
        assert (gap.cause, gap.recovered) == ("no answer", 3)
        assert adapter.liveness().gap_since is None
        assert journal.texts() == ["one", "two", "three"]


async def test_beyond_the_life_of_the_queue_nothing_is_recovered() -> None:
    """Telegram keeps updates for 24 hours; a longer outage says that more may be missing."""
    times, journal = Times(), Journal()
    async with TelegramServer() as server:
        async with lost_after_one_poll(server, times, journal):
            await server.say(chat=ADA, user=ADA, text="of today")
            times.hand.advance(25 * 3600)
            await times.told()
        assert [gap.recovered for gap in times.gaps] == [None]
        assert journal.texts() == ["of today"]


async def test_a_short_outage_is_not_told() -> None:
    """A poll that broke and was repeated at once is no news."""
    times, journal = Times(), Journal()
    async with TelegramServer() as server:
        server.faults.add("getUpdates", passes(), CutBefore())
        async with running(server, journal, **times.settings()) as adapter:
            await server.seen(lambda s: s.operation == "getUpdates" and not s.arguments)
            await server.say(chat=ADA, user=ADA, text="one")
            await journal.count(1)
            await server.seen(lambda s: s.arguments.get("offset") == "100002")
            await server.seen(lambda s: s.arguments.get("timeout") == "50", since=4)
            assert adapter.liveness().gap_since is None
        assert times.gaps == []


async def test_an_outage_goes_on_over_restarts_of_the_loop() -> None:
    """While nobody answers, status knows since when, also between two runs."""
    times, journal = Times(), Journal()
    async with TelegramServer() as server, connected(server, **times.settings()) as adapter:
        server.faults.add("getUpdates", passes(), *(CutBefore() for _ in range(6)))
        for _ in range(2):
            with pytest.raises(PlatformUnavailable):
                await adapter.run(journal)
            times.hand.advance(300)
            alive = adapter.liveness()
            assert (alive.connected, alive.gap_since, alive.last_frame_at) == (False, 1000, 1000)
        run = asyncio.create_task(adapter.run(journal))
        await times.told()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert [gap.cause for gap in times.gaps] == ["connection broke or server error"]
        assert times.gaps[0].until - times.gaps[0].since == timedelta(seconds=600)


async def test_a_gap_that_could_not_be_stored_is_told_again() -> None:
    """The run ends with what the store said; the next one tells it."""
    times, journal = Times(), Journal()
    refusals = [PlatformUnavailable("the store is away")]

    async def on_gap(gap: Gap) -> None:
        if refusals:
            raise refusals.pop()
        await times.on_gap(gap)

    settings = times.settings(on_gap=on_gap)
    async with TelegramServer() as server, connected(server, **settings) as adapter:
        server.faults.add("getUpdates", passes(), HalfOpen())
        run = asyncio.create_task(adapter.run(journal))
        await server.seen(lambda s: s.operation == "getUpdates" and not s.arguments)
        times.hand.advance(120)
        with pytest.raises(PlatformUnavailable, match="store"):
            await run
        run = asyncio.create_task(adapter.run(journal))
        await times.told()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    assert len(times.gaps) == 1


async def test_polls_that_stay_empty_are_found_out_by_asking_twice() -> None:
    """Sixty seconds apart something waits and nothing came: a fresh connection, and it is told."""
    times, journal = Times(), Journal()
    async with TelegramServer(longest_poll_s=0.01) as server:
        async with running(server, journal, **times.settings()) as adapter:
            await server.seen(lambda s: s.operation == "getUpdates" and s.status == 200)
            server.deafen()
            for _ in range(2):  # the poll that was under way still hears
                since = len(server.record)
                await server.seen(
                    lambda s: s.operation == "getUpdates" and s.status == 200, since=since
                )
            await server.say(chat=ADA, user=ADA, text="anybody there?")
            times.hand.advance(61)
            await server.seen(lambda s: s.operation == "getWebhookInfo")
            await server.seen(lambda s: s.operation == "getUpdates", since=len(server.record))
            assert adapter.liveness().connected  # once may be chance
            times.hand.advance(61)
            await journal.count(1)
            await times.told()
        (gap,) = times.gaps
        assert (gap.cause, gap.recovered) == ("polls stayed empty", 1)
        assert gap.until - gap.since == timedelta(seconds=61)
        assert len(server.requests("getWebhookInfo")) == 2


async def test_nothing_waits_nothing_is_replaced() -> None:
    """An idle bot asks once a minute and keeps its connection."""
    times, journal = Times(), Journal()
    async with TelegramServer(longest_poll_s=0.01) as server:
        async with running(server, journal, **times.settings()) as adapter:
            await server.seen(lambda s: s.operation == "getUpdates" and s.status == 200)
            for minute in range(1, 4):
                times.hand.advance(61)
                await server.seen(
                    lambda s: s.operation == "getWebhookInfo", since=len(server.record)
                )
                assert len(server.requests("getWebhookInfo")) == minute
            assert adapter.liveness().gap_since is None
        assert times.gaps == []


async def test_conflicts_more_than_a_minute_apart_are_forgiven() -> None:
    """Two restarts beside an old process, each with its own conflict, stop nobody."""
    times, journal = Times(), Journal()
    async with TelegramServer(longest_poll_s=0.01) as server:
        server.faults.add("getUpdates", CONFLICT)
        async with running(server, journal, **times.settings()):
            await server.seen(lambda s: s.operation == "getUpdates" and s.status == 200)
            times.hand.advance(61)
            server.faults.add("getUpdates", CONFLICT)
            await server.seen(lambda s: s.status == 409, since=4)
            await server.say(chat=ADA, user=ADA, text="one")
            await journal.count(1)


async def test_two_conflicts_within_a_minute_name_what_to_do() -> None:
    """Also over a restart of the loop in between, and whoever ended the poll."""
    for other, sentence in (
        (CONFLICT, "another process polls with this token: stop it, or give this gateway its own"),
        (
            Answer(
                status=409,
                body=b'{"ok":false,"error_code":409,"description":"Conflict: can\'t use getUpdates'
                b' method while webhook is active"}',
            ),
            "another process has set a webhook for this token: stop it, or give this gateway",
        ),
    ):
        times = Times()
        async with TelegramServer() as server, connected(server, **times.settings()) as adapter:
            server.faults.add("getUpdates", other, *(CutBefore() for _ in range(3)), other)
            with pytest.raises(PlatformUnavailable):
                await adapter.run(Journal())
            times.hand.advance(59)
            with pytest.raises(CredentialsRejected) as rejected:
                await adapter.run(Journal())
            assert sentence in str(rejected.value)


@pytest.mark.parametrize(
    "fault",
    [
        Answer(status=200, body=b'{"ok":true,"result":[{"update_'),
        Answer(status=200, body=b'{"ok":true,"result":{}}'),
        Answer(status=404, body=b"<html>no such page</html>"),
        Answer(status=502, body=b"<html>bad gateway</html>"),
        Answer(status=302, body=b"", headers={"Location": "http://127.0.0.1:9/"}),
        CutBefore(),
        CutInside(),
    ],
    ids=["torn", "no list", "404 of a stranger", "502", "redirect", "cut", "cut inside"],
)
async def test_a_bad_answer_costs_one_poll(fault: Any) -> None:
    """The same offset is asked again on a new connection; what waited is stored once."""
    journal, times = Journal(), Times()
    async with TelegramServer() as server:
        await server.say(chat=ADA, user=ADA, text="one")
        if isinstance(fault, CutInside):
            server.shapes["getUpdates"].append(fault)
        else:
            server.faults.add("getUpdates", fault)
        async with running(server, journal, **times.settings()) as adapter:
            await journal.count(1)
            await server.seen(lambda s: s.arguments.get("offset") == "100002")
            assert adapter.liveness().connected
        assert journal.texts() == ["one"]


@pytest.mark.parametrize(
    ("parameters", "pause"),
    [(b',"parameters":{"retry_after":7}', 7.0), (b"", 5.0)],
    ids=["hint", "no hint"],
)
async def test_a_storm_of_429_is_waited_out(parameters: bytes, pause: float) -> None:
    """Each is one poll and one pause, never an outage that makes the caller connect anew."""
    times, journal = Times(), Journal()
    body = b'{"ok":false,"error_code":429,"description":"Too Many Requests"' + parameters + b"}"
    async with TelegramServer() as server:
        server.faults.add("getUpdates", *(Answer(status=429, body=body) for _ in range(10)))
        await server.say(chat=ADA, user=ADA, text="one")
        async with running(server, journal, **times.settings()) as adapter:
            for number in range(1, 11):
                await times.sleeps(pause)
                assert len(server.requests("getUpdates")) == number
                assert not adapter.liveness().connected
                since = len(server.record)
                times.hand.advance(pause)
                await server.seen(lambda s: s.operation == "getUpdates", since=since)
            await journal.count(1)
        assert journal.texts() == ["one"]
