"""Socket Mode kept alive: two sockets, each replaced for its reason, on the test's own clock."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from platforms.errors import CredentialsRejected, PlatformUnavailable
from platforms.slack.client import SlackAdapter
from tests.platforms.slack.journal import (
    ADA,
    DM,
    GENERAL,
    Journal,
    adapter_of,
    chat_of,
    connected,
    post,
    warping,
)
from tests.platforms.slack.moments import Moments, settle
from tests.wire.server import Answer, CutBefore, Fault, HalfOpen
from tests.wire.slack import SlackServer
from tests.wire.slack.line import Line

pytestmark = pytest.mark.warp

OPEN = "apps.connections.open"
TIMES = {"ping_interval_s": 5.0, "stale_s": 20.0}


@dataclass
class Ground:
    """A running adapter whose time the test moves."""

    server: SlackServer
    adapter: SlackAdapter
    journal: Journal
    time: Moments
    run: asyncio.Task[None]
    ended: bool = False

    async def end(self) -> None:
        """The run ends by itself; raises what it raises."""
        self.ended = True
        await asyncio.wait_for(self.run, 60)

    async def both_sockets(self) -> None:
        """Both places are taken."""
        await self.time.advance(30)
        await self.server.connected(2)
        await settle()

    async def say(self, *texts: str) -> None:
        """Messages come, and each is stored and acknowledged."""
        for text in texts:
            await self.server.say(chat=DM, user=ADA, text=text)
        await self.server.settled()
        assert {delivery.tries for delivery in self.server.deliveries[-len(texts) :]} == {1}

    def opened(self) -> int:
        """How often an address was asked for."""
        return len(self.server.requests(OPEN))


@asynccontextmanager
async def standing(server: SlackServer, **settings: object) -> AsyncIterator[Ground]:
    """The first socket stands; whatever ended the run is raised at the end."""
    time, journal = Moments(), Journal()
    settings = {
        **TIMES,
        "clock": time.clock,
        "now": time.now,
        "sleep": time.sleep,
        "jitter": lambda: 0.0,
        **settings,
    }
    async with connected(server, **settings) as adapter:
        run = asyncio.create_task(adapter.run(journal))
        ground = Ground(server=server, adapter=adapter, journal=journal, time=time, run=run)
        try:
            await server.connected()
            await settle()
            yield ground
        finally:
            if not ground.ended:
                run.cancel()
                with suppress(asyncio.CancelledError):
                    await run


async def test_the_second_socket_starts_half_a_minute_later() -> None:
    """One at first, two after 30 s, and events come by both."""
    async with SlackServer() as server, standing(server) as ground:
        await ground.time.advance(29.9)
        assert len(server.transport.sockets) == 1
        await ground.time.advance(0.1)
        await server.connected(2)
        await ground.say(*map(str, range(6)))
        assert all(socket.sent > 1 for socket in server.transport.sockets)
        assert len(ground.journal.events) == 6
        assert ground.adapter.liveness().facts["sockets"] == "2"


async def test_a_quiet_socket_is_not_taken_for_a_dead_one() -> None:
    """Minutes without a word are fine as long as pongs come."""
    async with SlackServer() as server, standing(server) as ground:
        await ground.time.advance(150)
        assert (ground.opened(), len(server.transport.sockets)) == (2, 2)
        assert min(socket.pings for socket in server.transport.sockets) >= 23
        heard_at = ground.adapter.liveness().last_frame_at
        assert heard_at is not None and ground.time.clock() - heard_at <= 5
        assert ground.adapter.liveness().gap_since is None


async def test_one_deaf_socket_of_two_is_replaced_without_a_gap() -> None:
    """It is given up 20 s after its last sign of life, and the other carries on meanwhile."""
    async with SlackServer() as server, standing(server) as ground:
        await ground.both_sockets()
        deaf, other = server.transport.sockets
        server.transport.deafen(deaf)
        await ground.time.advance(14)
        assert (server.transport.opened, ground.adapter.liveness().connected) == (2, True)
        await ground.time.advance(6)
        await server.connected(2, opened=3)
        assert other in server.transport.sockets and deaf not in server.transport.sockets
        await ground.say("hello")
        assert ground.adapter.liveness().gap_since is None


async def test_traffic_does_not_hide_a_deaf_socket() -> None:
    """Another socket full of messages says nothing about the one that hears nothing."""
    async with SlackServer() as server, standing(server) as ground:
        await ground.both_sockets()
        deaf = server.transport.sockets[0]
        deaf.deaf = True  # takes pings without a pong
        deaf.silent = True
        for _ in range(20):
            await ground.time.advance(1)
            server.send_event({"type": "user_change"})
            await settle()
        await server.connected(2, opened=3)
        await server.advance(3)  # what went into the void comes again
        await server.settled()


async def test_a_dead_line_is_replaced_without_waiting_for_a_close() -> None:
    """Nothing comes from a frozen network, no closing handshake either: a fresh socket stands."""
    async with SlackServer() as server, Line(server.url) as line:
        server.socket_root = line.url
        async with standing(server) as ground:
            line.freeze()
            await ground.time.advance(19.9)
            assert server.transport.opened == 1
            liveness = ground.adapter.liveness()
            assert liveness.connected and liveness.gap_since is None
            await ground.time.advance(0.1)
            await server.connected(2, opened=2)  # Slack still counts the dead one
            await settle()
            assert server.transport.sockets[1].sent == 1
            assert ground.adapter.liveness().alarm == ""


async def test_a_lost_socket_opens_a_gap_from_its_last_sign_of_life() -> None:
    """The gap begins when the socket was last heard, not when that was noticed."""
    async with SlackServer() as server, standing(server, second_after_s=9_999.0) as ground:
        await ground.time.advance(10)
        heard_at = ground.time.clock()
        server.transport.deafen()
        server.faults.add(OPEN, *[Answer(status=500)] * 2)
        await ground.time.advance(20)
        liveness = ground.adapter.liveness()
        assert not liveness.connected
        assert liveness.gap_since == pytest.approx(heard_at)
        await ground.time.advance(3)
        await server.connected()
        await settle()
        liveness = ground.adapter.liveness()
        assert (liveness.connected, liveness.gap_since) == (True, None)


async def test_a_warned_socket_listens_until_its_successor_stands() -> None:
    """The fresh one is opened first; the old one lives on for ten seconds and still delivers."""
    async with SlackServer() as server, standing(server) as ground:
        (old,) = server.transport.sockets
        await server.transport.disconnect("warning")
        await server.connected(2, opened=2)
        await settle()
        await ground.say("one", "two")
        assert old.sent > 2
        assert ground.adapter.liveness().alarm == ""
        await ground.time.advance(10)
        await server.connected(1)
        assert old not in server.transport.sockets
        assert ground.adapter.liveness().gap_since is None


async def test_a_refreshed_socket_is_replaced_at_once() -> None:
    """Slack closes the old one as it says so; the fresh one stands without a pause."""
    async with SlackServer() as server, standing(server) as ground:
        await ground.both_sockets()
        await server.transport.disconnect("refresh_requested", server.transport.sockets[0])
        await server.connected(2, opened=3)
        await ground.say("hello")
        assert ground.adapter.liveness().gap_since is None


async def test_with_too_many_sockets_one_goes_on() -> None:
    """The second place keeps away for five minutes, then asks once more."""
    async with SlackServer() as server, standing(server) as ground:
        server.transport.sockets_max = 1
        await ground.time.advance(30)
        await server.connected(1, opened=2)
        await ground.time.advance(240)
        assert ground.opened() == 2
        await ground.say("hello")
        server.transport.sockets_max = 10
        await ground.time.advance(90)
        await server.connected(2, opened=3)


async def test_the_resting_place_stands_in_for_a_lost_one() -> None:
    """When the only live socket goes, the place that kept away is taken again at once."""
    async with SlackServer() as server, standing(server) as ground:
        server.transport.sockets_max = 1
        await ground.time.advance(31)
        await server.connected(1, opened=2)
        server.faults.add(OPEN, Answer(status=500))
        server.transport.cut()
        await ground.time.advance(5)
        await server.connected(1, opened=3)


async def test_turned_off_socket_mode_stops_the_adapter() -> None:
    """No attempt can help until somebody turns it on, and the sentence says where."""
    async with SlackServer() as server, standing(server) as ground:
        await server.transport.disconnect("link_disabled")
        with pytest.raises(CredentialsRejected, match="turn it on under Socket Mode"):
            await ground.end()
        assert ground.opened() == 1


async def test_a_place_that_fails_again_and_again_rests_longer_each_time() -> None:
    """At 0, 1, 3, 8, 23, 53, 113 s, then each minute: no loop, and the other place goes on."""
    async with SlackServer() as server, standing(server) as ground:
        await ground.both_sockets()
        server.faults.add("socket", *[CutBefore()] * 50)
        server.transport.deafen(server.transport.sockets[1])
        await ground.time.advance(20)
        before = ground.opened()
        await ground.time.advance(113)
        assert ground.opened() - before == 6
        await ground.time.advance(60)
        assert ground.opened() - before == 7
        await ground.say("hello")


async def test_sockets_that_never_last_are_no_loop() -> None:
    """Slack that ends every fresh socket at once is asked ever less, and the caller told."""
    async with SlackServer() as server, standing(server) as ground:
        for _ in range(120):
            await server.transport.disconnect("refresh_requested")
            await ground.time.advance(1)
        with pytest.raises(PlatformUnavailable, match="no live socket"):
            await ground.end()
        assert ground.opened() <= 12


async def test_somebody_elses_sockets_are_an_alarm_until_they_are_gone() -> None:
    """Slack counts more than ours: a sentence that says what to do; a fresh hello ends it."""
    async with SlackServer() as server, standing(server) as ground:
        assert ground.adapter.liveness().alarm == ""
        server.transport.extra_connections = 2
        await ground.both_sockets()
        alarm = ground.adapter.liveness().alarm
        assert "another process uses Slack's app-level token" in alarm
        assert "4 sockets are open, 2 of them ours" in alarm
        assert "stop the other process, or give it an app of its own" in alarm
        await ground.time.advance(60)
        assert ground.adapter.liveness().alarm
        server.transport.extra_connections = 0
        await ground.time.advance(60)
        assert ground.adapter.liveness().alarm == ""
        asked = ground.opened()
        await ground.time.advance(150)
        assert ground.opened() == asked
        await ground.say("hello")


async def test_a_second_gateway_is_noticed_by_both() -> None:
    """Two adapters on one app-level token; after one has gone the other one's alarm ends."""
    async with SlackServer() as server, standing(server) as one:
        await one.both_sockets()
        other = adapter_of(server, ping_interval_s=5.0)
        await other.connect()
        run = asyncio.create_task(other.run(Journal()))
        await server.connected(3)
        await settle()
        assert "of them ours" in other.liveness().alarm
        await one.time.advance(60)
        assert one.adapter.liveness().alarm == ""  # nothing has told it yet
        await server.transport.disconnect("refresh_requested", server.transport.sockets[0])
        await server.connected(3, opened=4)
        await settle()
        assert "of them ours" in one.adapter.liveness().alarm
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
        await other.close()
        await one.time.advance(60)
        assert one.adapter.liveness().alarm == ""


@pytest.mark.parametrize(
    "fault",
    [
        Answer(status=200, body=b'{"ok":true,"url":"http//:"}'),
        Answer(status=200, body=b'{"ok":true,"url":7}'),
        Answer(status=200, body=b"<html>"),
        Answer(status=500),
        CutBefore(),
    ],
    ids=["no-address", "number", "garbage", "5xx", "cut"],
)
async def test_a_place_that_fails_leaves_the_other_alone(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the second place meets, the first delivers, and the second tries again."""
    caplog.set_level(logging.INFO)
    async with SlackServer() as server, standing(server) as ground:
        server.faults.add(OPEN, fault)
        await ground.time.advance(30)
        assert "no socket yet" in caplog.text
        await ground.say("hello")
        await ground.time.advance(1)
        await server.connected(2)


async def test_an_event_that_breaks_its_handler_takes_no_socket_down() -> None:
    """The journal's exception ends that delivery only; both sockets stand and deliver."""

    class Broken(Journal):
        async def __call__(self, delivery: object) -> object:  # type: ignore[override]
            if "fragile" in str(delivery):
                raise RuntimeError("a fault")
            return await super().__call__(delivery)  # type: ignore[arg-type]

    async with SlackServer() as server, standing(server) as ground:
        ground.run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ground.end()
        journal = Broken()
        run = asyncio.create_task(ground.adapter.run(journal))  # type: ignore[arg-type]
        await server.connected(1, opened=2)
        await ground.time.advance(30)
        await server.connected(2)
        for number in range(3):
            await server.say(chat=DM, user=ADA, text=f"fragile {number}")
        await server.say(chat=DM, user=ADA, text="sound")
        await journal.count(1)
        assert not run.done() and len(server.transport.sockets) == 2
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


async def test_a_handshake_nobody_answers_is_tried_again() -> None:
    """A half-open socket at its very start is given up."""
    async with SlackServer() as server, connected(server, **warping()) as adapter:
        server.faults.add("socket", HalfOpen())
        run = asyncio.create_task(adapter.run(Journal()))
        await server.connected()
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


async def test_slacks_hint_is_waited_for() -> None:
    """An address is not asked for again before the time a 429 names."""
    async with SlackServer() as server, standing(server) as ground:
        server.faults.add(OPEN, Answer(status=429, headers={"Retry-After": "17"}))
        await ground.time.advance(30)
        assert ground.opened() == 2
        await ground.time.advance(16.9)
        assert ground.opened() == 2
        await ground.time.advance(0.1)
        await server.connected(2)


async def test_a_dead_app_token_stops_the_adapter_in_mid_run() -> None:
    """The next socket is refused for good, whatever the other one still hears."""
    async with SlackServer() as server, standing(server) as ground:
        server.methods.app_token_error = "invalid_auth"
        await ground.time.advance(30)
        with pytest.raises(CredentialsRejected, match="app-level token"):
            await ground.end()


@pytest.mark.parametrize("word", ["invalid_auth", "token_revoked", "account_inactive"])
async def test_a_dead_bot_token_stops_the_adapter_in_mid_run(word: str) -> None:
    """A refused post makes us ask who we are, and that answer ends the run."""
    async with SlackServer() as server, standing(server) as ground:
        server.channel(GENERAL)
        server.methods.token_error = word
        with pytest.raises(CredentialsRejected):
            await ground.adapter.perform(post(chat_of(server, GENERAL), "words"))
        with pytest.raises(CredentialsRejected, match=word):
            await ground.end()


async def test_one_refused_call_is_not_the_end_of_a_good_token() -> None:
    """Somebody else's word about the token is checked with auth.test, once a minute at most."""
    async with SlackServer() as server, standing(server) as ground:
        server.channel(GENERAL)
        for _ in range(3):
            server.faults.add(
                "chat.postMessage", Answer(status=200, body=b'{"ok":false,"error":"invalid_auth"}')
            )
            with pytest.raises(CredentialsRejected):
                await ground.adapter.perform(post(chat_of(server, GENERAL), "words"))
            await settle()
        assert not ground.run.done()
        assert len(server.requests("auth.test")) == 2
        await ground.time.advance(60)
        assert len(server.requests("auth.test")) == 3
