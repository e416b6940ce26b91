"""The gateway connection stays alive: deaf ones are replaced, every end has its move, no loop."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from platforms.discord.errors import CLOSE_REASONS
from platforms.discord.gateway import PAUSES_S, STEADY_S
from platforms.discord.pulse import CONNECT_S, SILENCE_S, Pulse
from platforms.errors import CredentialsRejected, RightsMissing
from tests.platforms.discord.hand_time import HandTime
from tests.platforms.discord.journal import Journal, connected, running
from tests.wire.discord import DiscordServer, refusal

IDENTIFY, RESUME = "GATEWAY IDENTIFY", "GATEWAY RESUME"
BUDGET = "GET /gateway/bot"


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running_server:
        yield running_server


@pytest.fixture
def time() -> HandTime:
    return HandTime()


async def resumed(server: DiscordServer, count: int = 1) -> None:
    """Wait until the session has been resumed so often."""
    await server.seen(lambda _: len(server.requests(RESUME)) >= count)
    await server.gateway.ready()


async def said(server: DiscordServer, journal: Journal, text: str) -> None:
    """A message comes through."""
    await server.say(server.general, server.ada, text)
    await journal.count(len(journal.deliveries) + 1)
    assert journal.texts()[-1] == text


# Deaf connections.


@pytest.mark.warp
async def test_a_half_open_socket_is_replaced_without_a_goodbye(
    server: DiscordServer, time: HandTime
) -> None:
    """Sixty seconds without a heartbeat's acknowledgement: dropped at once, resumed elsewhere."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        await said(server, journal, "before")
        server.gateway.mute()
        began = asyncio.get_running_loop().time()
        time.advance(SILENCE_S)
        await resumed(server)
        assert asyncio.get_running_loop().time() - began < 0.9  # no wait for a closing frame
        [resume] = server.requests(RESUME)
        assert resume.arguments["seq"] == 3  # READY, GUILD_CREATE, the message
        await said(server, journal, "heard")
        assert adapter.liveness().connected
    assert len(server.requests(IDENTIFY)) == 1


async def test_a_socket_that_talks_and_never_acknowledges_is_replaced(
    server: DiscordServer, time: HandTime
) -> None:
    """Events still come, heartbeats are not answered: half a connection is none."""
    journal = Journal()
    async with running(server, journal, clock=time.clock):
        server.gateway.acknowledges = False
        for number in range(4):
            time.advance(10)
            await said(server, journal, str(number))
        assert server.requests(RESUME) == []
        time.advance(SILENCE_S - 1)
        await resumed(server)
        await said(server, journal, "heard")
    assert len(server.requests(IDENTIFY)) == 1


async def test_an_acknowledged_heartbeat_keeps_a_quiet_connection(
    server: DiscordServer, time: HandTime
) -> None:
    """With nothing said for hours the connection stays, as long as heartbeats are answered."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        for number in range(10):
            time.advance(50)
            await server.gateway.ask_heartbeat()
            # What comes behind the acknowledgement shows that it was read.
            await said(server, journal, f"still here {number}")
        assert server.requests(RESUME) == []
        assert adapter.liveness().last_frame_at == 1_500.0


@pytest.mark.parametrize("how", ["no upgrade", "no hello", "no answer to identify"])
async def test_a_connection_that_never_begins_is_given_up(
    server: DiscordServer, time: HandTime, how: str
) -> None:
    """Accepted and never greeted, or never told READY: tried again after its time."""
    match how:
        case "no upgrade":
            server.gateway.hold()
        case "no hello":
            server.gateway.greets = False
        case _:
            server.gateway.swallow_next = 1
    journal = Journal()
    async with connected(server, clock=time.clock) as adapter:
        task = asyncio.create_task(adapter.run(journal))
        if how == "no answer to identify":
            await server.seen(lambda seen: seen.operation == "GATEWAY SWALLOWED")
        else:
            await time.sleeping(CONNECT_S)
        server.gateway.release()
        server.gateway.greets = True
        time.advance(SILENCE_S)
        await server.gateway.ready()
        await said(server, journal, "heard")
        task.cancel()
        await asyncio.wait([task])


async def test_a_frame_that_drips_for_ever_is_no_sign_of_life(
    server: DiscordServer, time: HandTime
) -> None:
    """Bytes of a frame that never ends do not keep a connection."""
    server.gateway._plain = True
    journal = Journal()
    async with running(server, journal, clock=time.clock):
        server.gateway.drip()
        time.advance(SILENCE_S)
        await resumed(server)
        await said(server, journal, "heard")


async def test_while_nothing_is_read_nothing_can_be_missed(time: HandTime) -> None:
    """A full backlog stops the reading, and that is no fault of the connection's."""
    async with DiscordServer() as server:
        journal = Journal()
        journal.held = asyncio.Event()
        async with running(server, journal, clock=time.clock, room=2):
            for number in range(6):
                await server.say(server.general, server.ada, str(number))
            await journal.count(1)
            for _ in range(5):
                await asyncio.sleep(0)
                time.advance(SILENCE_S)
            journal.held.set()
            await journal.count(6)
        assert journal.texts() == [str(number) for number in range(6)]
        assert server.requests(RESUME) == []


def test_the_pulse_by_hand() -> None:
    """Thirty seconds to greet, sixty to tell of a session, sixty between acknowledgements."""
    pulse = Pulse()
    pulse.begin(0.0)
    assert pulse.deadline(0.0) == 30.0
    pulse.greet(10.0, 41.25)
    assert pulse.deadline(10.0) == 70.0
    pulse.ack(30.0)
    assert pulse.deadline(30.0) == 70.0  # no session yet
    pulse.settle()
    assert pulse.deadline(30.0) == 90.0
    pulse.pause()
    assert pulse.deadline(500.0) == 560.0
    pulse.go_on(500.0)
    assert pulse.deadline(500.0) == 560.0
    pulse.greet(600.0, 120.0)
    assert pulse.deadline(600.0) == 730.0  # heartbeats that Discord wants more rarely


# Every close code.


@pytest.mark.parametrize(
    ("code", "again"),
    [
        (1000, RESUME),
        (1001, RESUME),
        (4000, RESUME),
        (4001, RESUME),
        (4002, RESUME),
        (4003, IDENTIFY),
        (4005, IDENTIFY),
        (4007, IDENTIFY),
        (4008, RESUME),
        (4009, IDENTIFY),
    ],
)
async def test_each_close_code_does_its_move(
    server: DiscordServer, time: HandTime, code: int, again: str
) -> None:
    """A close that is not final resumes, or begins a new session where that one is over."""
    journal = Journal()
    async with running(server, journal, clock=time.clock):
        await said(server, journal, "before")
        mark = len(server.record)
        await server.gateway.close(code)
        await server.seen(lambda seen: seen.operation == again, since=mark)
        await server.gateway.ready()
        await said(server, journal, "after")
    other = RESUME if again == IDENTIFY else IDENTIFY
    assert [seen.operation for seen in server.record[mark:]].count(other) == 0


@pytest.mark.parametrize("code", sorted(CLOSE_REASONS))
@pytest.mark.parametrize("midway", [False, True], ids=["at identify", "midway"])
async def test_a_final_close_stops_and_says_which_switch(
    server: DiscordServer, code: int, midway: bool
) -> None:
    """One sentence that names what to do, and no second attempt."""
    async with connected(server) as adapter:
        if not midway:
            server.gateway.refuse_identify(code)
        task = asyncio.create_task(adapter.run(Journal()))
        if midway:
            await server.gateway.ready()
            await server.gateway.close(code)
        with pytest.raises(CredentialsRejected) as caught:
            await task
    assert CLOSE_REASONS[code] in str(caught.value)
    assert isinstance(caught.value, RightsMissing) is (code == 4014)
    assert len(server.requests(IDENTIFY)) == 1
    assert server.requests(RESUME) == []


# No loop.


async def test_pauses_grow_while_connections_do_not_last(
    server: DiscordServer, time: HandTime
) -> None:
    """A gateway that takes us and drops us at once is tried less and less often."""
    journal = Journal()
    async with running(server, journal, clock=time.clock):
        for number, pause in enumerate(PAUSES_S):
            await server.gateway.close(4000)
            if pause:
                await time.pausing(pause)
                time.advance(pause * 1.2)
            await resumed(server, number + 1)
        await said(server, journal, "settled")
        # After one that held, the first loss is a first one again.
        time.advance(STEADY_S - 1)
        await server.gateway.ask_heartbeat()
        await said(server, journal, "the acknowledgement was read before this")
        time.advance(1)
        await server.gateway.close(4000)
        await resumed(server, len(PAUSES_S) + 1)
    assert len(server.requests(IDENTIFY)) == 1


async def test_a_session_nobody_resumes_is_begun_anew(
    server: DiscordServer, time: HandTime
) -> None:
    """Five attempts that lead nowhere, and then IDENTIFY."""
    async with running(server, Journal(), clock=time.clock):
        server.gateway.refuse_upgrades(5)
        await server.gateway.close(4000)
        for pause in PAUSES_S[1:6]:
            await time.pausing(pause)
            time.advance(pause * 1.2)
        await server.seen(lambda s: s.operation == IDENTIFY, since=_after(server, IDENTIFY))
        await server.gateway.ready()
    assert len(server.requests(IDENTIFY)) == 2
    assert server.requests(RESUME) == []


async def test_two_identifies_are_five_seconds_apart(server: DiscordServer, time: HandTime) -> None:
    """Discord lets a shard identify every five seconds."""
    async with running(server, Journal(), clock=time.clock, identify_wait_s=5.0):
        await server.gateway.invalidate()
        await time.sleeping(5.0)
        assert len(server.requests(IDENTIFY)) == 1
        time.advance(5.0)
        await server.seen(lambda s: s.operation == IDENTIFY, since=_after(server, IDENTIFY))


# The day's budget.


async def test_the_last_sessions_of_a_day_are_kept(server: DiscordServer, time: HandTime) -> None:
    """With fewer than ten left nothing identifies until the reset, and the alarm says so."""
    server.gateway.identifies_left = 9
    server.gateway.reset_after_ms = 3_600_000
    journal = Journal()
    async with connected(server, clock=time.clock) as adapter:
        task = asyncio.create_task(adapter.run(journal))
        await time.sleeping(3_600)
        alarm = adapter.liveness().alarm
        assert "only 9 more new sessions" in alarm
        assert f"{time.now().hour + 1 if time.now().hour < 23 else 0:02}:" in alarm
        assert server.requests(IDENTIFY) == []
        server.gateway.identifies_left = 1_000
        time.advance(3_600)
        await server.gateway.ready()
        await said(server, journal, "heard")
        assert adapter.liveness().alarm == ""
        task.cancel()
        await asyncio.wait([task])


async def test_every_new_session_asks_for_the_budget(server: DiscordServer, time: HandTime) -> None:
    """A session that ends in the course of the day waits too; a resumed one costs nothing."""
    journal = Journal()
    async with running(server, journal, clock=time.clock) as adapter:
        server.gateway.identifies_left = 5
        await server.gateway.close(4000)
        await resumed(server)
        await server.gateway.invalidate()
        await time.pausing(1.0)
        time.advance(1.2)
        await time.sleeping(14_400)
        assert "only 5 more" in adapter.liveness().alarm
        assert adapter.liveness().gap_since is not None
        assert len(server.requests(IDENTIFY)) == 1
        server.gateway.identifies_left = 1_000
        time.advance(14_400)
        await server.gateway.ready()
        await said(server, journal, "heard")
    assert len(server.requests(IDENTIFY)) == 2


async def test_a_budget_nobody_tells_is_asked_for_again(
    server: DiscordServer, time: HandTime
) -> None:
    """Without an answer no session is begun; the next attempt comes after a pause."""
    async with running(server, Journal(), clock=time.clock):
        server.faults.add(BUDGET, refusal(503), refusal(503))
        await server.gateway.invalidate()
        for pause in (1.0, 2.0):
            await time.pausing(pause)
            time.advance(pause * 1.2)
        await server.seen(lambda s: s.operation == IDENTIFY, since=_after(server, IDENTIFY))


# A refused token.


async def test_a_token_refused_over_rest_stops_the_run(server: DiscordServer) -> None:
    """A 401 in the middle of the run ends it for good, whatever asked."""
    async with connected(server) as adapter:
        task = asyncio.create_task(adapter.run(Journal()))
        await server.gateway.ready()
        server.token = "another"  # what Discord knows from now on
        with pytest.raises(CredentialsRejected, match="Reset Token"):
            await adapter.direct(str(server.ada.id))
        with pytest.raises(CredentialsRejected, match="Reset Token"):
            await asyncio.wait_for(task, 60)


async def test_a_token_refused_while_resuming_stops_the_run(server: DiscordServer) -> None:
    """RESUME with a token that is no longer ours ends in 4004."""
    async with connected(server) as adapter:
        task = asyncio.create_task(adapter.run(Journal()))
        await server.gateway.ready()
        server.gateway._token = "another"
        await server.gateway.close(4000)
        with pytest.raises(CredentialsRejected, match="Reset Token"):
            await asyncio.wait_for(task, 60)
        assert not adapter.liveness().connected


def _after(server: DiscordServer, operation: str) -> int:
    """The position behind the last request of this operation."""
    return 1 + max(i for i, seen in enumerate(server.record) if seen.operation == operation)
