"""Socket Mode kept alive: two sockets of one app, so that one stands while the other is replaced.

Theory of operation. Two places, the second taken SECOND_AFTER_S after the first. Each holds one
connection at a time and replaces it by a fresh one for its reason:

    refresh                Slack will close it: the old one listens on until the fresh one stands
    closed, stale          at once, without waiting for any closing handshake
    too_many_websockets    not while the other place has a live one, for ONE_SOCKET_S
    link_disabled          never: Socket Mode was turned off

Places rest between attempts, longer each time, unless a connection stood for STEADY_S. A fault in
one place is its own. When no connection is live for `stale_s`, `run` ends and its caller begins
anew.

Slack counts the sockets of an app in its hello. More than ours means that somebody else takes a
part of the events. That is asked anew by a fresh connection each RECOUNT_S until it is over. A
connection that broke on our side only may be counted for a while.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

import aiohttp

from platforms.errors import (
    CredentialsRejected,
    PlatformError,
    PlatformUnavailable,
    RateLimited,
)
from platforms.slack.backlog import Backlog
from platforms.slack.limits import GHOST_S, ONE_SOCKET_S, RECOUNT_S, RETIRE_S
from platforms.slack.socket import Answer, Connection, End

log = logging.getLogger(__name__)

PAUSES_S = (0.0, 1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
"""Before the next connection of a place, after that many in a row that did not last."""

STEADY_S = 30.0

_TURNED_OFF = (
    "Socket Mode is turned off for the Slack app: turn it on under Socket Mode at"
    " api.slack.com/apps"
)


class Sockets:
    """The way in over websockets, while `run` runs.

    `lost` and `regained` hear when no connection is live any more, with the moment of the last
    sign of life, and when one is again.
    """

    def __init__(
        self,
        *,
        address: Callable[[], Awaitable[str]],
        lost: Callable[[float], None],
        regained: Callable[[], None],
        ping_interval_s: float,
        stale_s: float,
        second_after_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        jitter: Callable[[], float],
    ) -> None:
        """`address` asks for the address of one connection; raises PlatformError."""
        self._address = address
        self._on_lost = lost
        self._on_regained = regained
        self._ping_interval_s = ping_interval_s
        self._stale_s = stale_s
        self._second_after_s = second_after_s
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._backlog = Backlog()
        self._open: list[Connection] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._ghosts: deque[float] = deque()
        self._last_heard_at: float | None = None
        self.connected = False
        self.alarm = ""

    @property
    def live(self) -> int:
        """How many connections events come by."""
        return sum(connection.live for connection in self._open)

    @property
    def last_frame_at(self) -> float | None:
        """The last frame or pong of any connection."""
        heard = [self._last_heard_at, *(connection.heard_at for connection in self._open)]
        return max((at for at in heard if at is not None), default=None)

    async def run(self, answer: Answer) -> None:
        """Take envelopes until cancelled; raises PlatformUnavailable or CredentialsRejected."""
        session = aiohttp.ClientSession(trust_env=False)
        tasks = [
            asyncio.create_task(self._keep(session, answer, after_s=0.0)),
            asyncio.create_task(self._keep(session, answer, after_s=self._second_after_s)),
            asyncio.create_task(self._watch()),
            asyncio.create_task(self._recount()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._backlog.drop_waiting()
            for closing in self._closing:
                closing.cancel()
            await asyncio.gather(*self._closing, return_exceptions=True)
            await asyncio.gather(*(connection.close() for connection in self._open))
            self._open.clear()
            self.alarm = ""
            await session.close()

    # -- one of the two places

    async def _keep(
        self, session: aiohttp.ClientSession, answer: Answer, *, after_s: float
    ) -> None:
        if after_s:
            await self._sleep(after_s)
        failures = 0
        while True:
            began = self._clock()
            end, rest_s = await self._hold_one(session, answer)
            if end == "link_disabled":
                raise CredentialsRejected(_TURNED_OFF)
            if self._clock() - began > STEADY_S:
                failures = 0
            pause_s = PAUSES_S[min(failures, len(PAUSES_S) - 1)] * (1 + 0.2 * self._jitter())
            failures += 1
            await self._sleep(max(pause_s, rest_s))
            if end == "too_many_websockets":
                await self._go_on_with_one()

    async def _hold_one(self, session: aiohttp.ClientSession, answer: Answer) -> tuple[End, float]:
        """Open a connection and return why its place is free again, and for how long to wait."""
        connection = Connection(
            answer=answer,
            backlog=self._backlog,
            greeted=self._greeted,
            lost=self._lost,
            ping_interval_s=self._ping_interval_s,
            stale_s=self._stale_s,
            clock=self._clock,
            sleep=self._sleep,
        )
        self._open.append(connection)
        end: End = "closed"
        try:
            await connection.open(session, await self._address())
            end = await asyncio.shield(connection.over)
        except CredentialsRejected:
            raise
        except RateLimited as error:
            log.info("slack: no socket yet: %s", error)
            return end, error.retry_after_s
        except PlatformError as error:
            log.info("slack: no socket yet: %s", error)
        except Exception:
            log.exception("slack: a socket failed; the other one goes on")
        finally:
            self._let_go(connection, RETIRE_S if end == "refresh" else 0.0)
        return end, 0.0

    def _let_go(self, connection: Connection, after_s: float) -> None:
        task = asyncio.create_task(self._close(connection, after_s))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, connection: Connection, after_s: float) -> None:
        """Close a connection; one that retires may listen until Slack closes it."""
        if after_s:
            resting = asyncio.ensure_future(self._sleep(after_s))
            gone = asyncio.create_task(connection.gone.wait())
            try:
                await asyncio.wait((resting, gone), return_when=asyncio.FIRST_COMPLETED)
            finally:
                resting.cancel()
                gone.cancel()
        await connection.close()
        self._open.remove(connection)
        if not connection.ended_cleanly:
            self._ghosts.append(self._clock())

    async def _go_on_with_one(self) -> None:
        """Rest while the other place has a live connection, but not for ever."""
        until = self._clock() + ONE_SOCKET_S
        while self.live and (left := until - self._clock()) > 0:
            await self._sleep(min(left, self._ping_interval_s))

    # -- both

    def _greeted(self, connection: Connection, counted: int) -> None:
        while self._ghosts and self._clock() - self._ghosts[0] > GHOST_S:
            self._ghosts.popleft()
        ours = sum(each.counted for each in self._open) + len(self._ghosts)
        alarm = ""
        if counted > ours:
            alarm = (
                f"another process uses Slack's app-level token: {counted} sockets are open, {ours}"
                " of them ours, and each event goes to one of them only; stop the other process,"
                " or give it an app of its own"
            )
        if alarm and not self.alarm:
            log.error("slack: %s", alarm)
        elif self.alarm and not alarm:
            log.info("slack: all open sockets are ours again")
        self.alarm = alarm
        if not self.connected:
            self.connected = True
            self._on_regained()

    def _lost(self, connection: Connection) -> None:
        self._last_heard_at = self.last_frame_at
        if self.connected and not self.live:
            self.connected = False
            self._on_lost(self._last_heard_at or self._clock())

    async def _watch(self) -> None:
        """Returns never; raises once no connection was live for too long."""
        alive_at = self._clock()
        while True:
            if self.live:
                alive_at = self._clock()
            elif self._clock() - alive_at > self._stale_s:
                raise PlatformUnavailable(f"no live socket for {self._stale_s:g} s")
            await self._sleep(self._ping_interval_s / 2)

    async def _recount(self) -> None:
        """A fresh connection tells how many there are; while all are ours nobody asks."""
        while True:
            await self._sleep(RECOUNT_S)
            if self.alarm and (live := [each for each in self._open if each.live]):
                live[-1].replace()
