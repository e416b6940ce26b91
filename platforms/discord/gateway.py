"""discord.py as a transport: REST with its rate-limit buckets, and the gateway's raw frames.

Theory of operation. The SDK speaks the protocol (HELLO, heartbeats in a thread of its own,
IDENTIFY, RESUME, zlib); every frame is handed over synchronously, in order, before the SDK makes
anything of it. It makes nothing of it: its event parsers are taken out, so it keeps no guilds,
members or messages, and a malformed event cannot end the connection.

`hold` stands in for the SDK's own loop, whose pauses grow to 17 minutes and which never gives up
a session that can't be resumed. A connection that is deaf by its `Pulse` is dropped at once, for
a half-open socket says no goodbye. A lost connection is resumed; a session that is over (op 9,
close 4007 or 4009, or too many failures) is begun anew, where and when the `door` says: IDENTIFYs
are counted by the day. Between attempts we wait PAUSES_S, from the start again only after a
connection that held for STEADY_S.
"""

import asyncio
import contextlib
import logging
import random
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import aiohttp
import discord
import orjson
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from platforms.discord.backlog import Backlog
from platforms.discord.clock import Clock
from platforms.discord.errors import CLOSE_REASONS, cause_of, classify_close
from platforms.discord.pulse import Pulse
from platforms.discord.rest import Rest
from platforms.discord.rights import Application
from platforms.discord.shards import IdentifyGate
from platforms.errors import CredentialsRejected, PlatformError, RateLimited
from platforms.fields import Body, integer, mapping

log = logging.getLogger(__name__)

PAUSES_S = (0.0, 1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
"""Before the next attempt, by how many have failed since the last steady connection."""

STEADY_S = 60.0
ATTEMPTS_PER_SESSION = 5
CLOSE_S = 1.0
NEVER_S = 1e6
"""The SDK's own patience with a silent connection, which is not asked: ours is `Pulse`."""

RATE_LIMIT_WAIT_S = 30.0
"""The longest the SDK sleeps inside a call; the smallest it allows."""

_SESSION_OVER = frozenset({4003, 4005, 4007, 4009})


class Deaf(Exception):
    """The connection shows no sign of life any more."""


_LOSSES = (
    Deaf,
    ReconnectWebSocket,
    discord.ConnectionClosed,
    aiohttp.ClientError,
    OSError,
    # A frame that is no zlib stream, no JSON, or JSON of another shape.
    zlib.error,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)


def intents() -> discord.Intents:
    """What we ask to be told; message content is the one that needs a switch in the portal."""
    wanted = discord.Intents.none()
    wanted.guilds = True
    wanted.guild_messages = True
    wanted.dm_messages = True
    wanted.guild_reactions = True
    wanted.dm_reactions = True
    wanted.message_content = True
    return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """What RESUME needs."""

    id: str
    sequence: int | None
    url: yarl.URL


class _Socket(DiscordWebSocket):
    """A gateway connection its client knows from the first frame, so that it is closed with it."""

    async def poll_event(self) -> None:
        self._connection._get_client().ws = self
        await super().poll_event()

    async def close(self, code: int = 4000) -> None:
        """Say goodbye and wait a moment for the other side's; the SDK would wait 30 s."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await super().close(code)


class GatewayClient(discord.Client):
    """One connection of a bot: all of its guilds, or a shard's.

    `on_event` gets every frame as text and as JSON, `on_lost` a few words on why a connection is
    lost; neither may raise or wait.
    """

    def __init__(
        self,
        *,
        on_event: Callable[[str, Body], None],
        on_lost: Callable[[str], None],
        rest: Rest,
        clock: Clock,
        gate: IdentifyGate,
    ) -> None:
        # Voice is not used, so that its libraries are missing needs no warning.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            intents=intents(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            allowed_mentions=discord.AllowedMentions.none(),
            max_ratelimit_timeout=RATE_LIMIT_WAIT_S,
            enable_debug_events=True,
            heartbeat_timeout=NEVER_S,
            http_trace=rest.trace(),
        )
        self._connection.parsers = {}
        self._on_event = on_event
        self._on_lost = on_lost
        self._rest = rest
        self._clock = clock
        self._gate = gate
        self._pulse = Pulse()
        self._failures = 0
        self._unresumed = 0
        self._settled_at: float | None = None
        self._identified = False
        self._asked = ""

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """Takes the raw frames; what was sent holds the token and goes nowhere."""
        if event == "socket_raw_receive":
            self._hear(args[0])

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """The SDK's own pause; ours comes before connecting."""

    def take_shard(self, number: int, of: int) -> None:
        """Serve this share of the guilds; alone, all of them."""
        if of > 1:
            self.shard_id, self.shard_count = number, of
            self._connection.shard_count = of

    async def join(self, first: "GatewayClient") -> None:
        """Connect as the bot that another one has logged in, over its connections for REST."""
        await self._async_setup_hook()
        self.http = self._connection.http = first.http
        self._application = first.application

    def unlock(self) -> None:
        """End the wait of all requests for one that sleeps out a global limit."""
        self.http._global_over.set()

    async def hold(self, door: Callable[[], Awaitable[str]], backlog: Backlog) -> NoReturn:
        """Keep the gateway connected; raises what `classify_close` says of a final close.

        `door` returns the address for a new session once one may be begun. Nothing is read while
        the backlog is full.
        """
        session: _Session | None = None
        while True:
            await self._pause()
            try:
                url = session.url if session is not None else yarl.URL(await door())
                if session is None:
                    await self._wait_to_identify()
                await self._serve(url, session, backlog)
            except PlatformError as error:
                if isinstance(error, CredentialsRejected):
                    raise
                self._failures += 1
                log.warning("no new discord session: %s", error)
                if isinstance(error, RateLimited):
                    await self._clock.sleep(error.retry_after_s)
            except _LOSSES as exc:
                self._count_loss()
                self._rest.note_lost(exc)
                self._on_lost(self._cause(exc))
                session = self._after(exc, session)
                await self.drop_socket(wait_s=0.0 if isinstance(exc, Deaf) else CLOSE_S)

    def _hear(self, text: str) -> None:
        """One frame, before the SDK reads it."""
        try:
            event = orjson.loads(text)
        except ValueError:
            return  # the SDK meets it next and gives the connection up
        if not isinstance(event, dict):
            return
        now = self._clock.monotonic()
        match event.get("op"):
            case DiscordWebSocket.DISPATCH:
                self._pulse.tell(now)
                if event.get("t") in {"READY", "RESUMED"}:
                    self._pulse.settle()
                    self._settled_at, self._unresumed = now, 0
            case DiscordWebSocket.HELLO:
                beat_ms = integer(mapping(event, "d"), "heartbeat_interval") or 0
                self._pulse.greet(now, beat_ms / 1000)
            case DiscordWebSocket.HEARTBEAT_ACK:
                self._pulse.ack(now)
            case DiscordWebSocket.RECONNECT:
                self._asked = "reconnect asked for"
            case DiscordWebSocket.INVALIDATE_SESSION:
                self._asked = "session invalidated"
            case _:
                pass
        self._on_event(text, event)

    # -- one attempt

    async def _pause(self) -> None:
        pause = PAUSES_S[min(max(self._failures - 1, 0), len(PAUSES_S) - 1)]
        pause *= random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        if (wait_s := max(pause, self._rest.silence_s())) > 0:
            await self._clock.sleep(wait_s)

    async def _wait_to_identify(self) -> None:
        """One IDENTIFY every five seconds, and one to five after an invalidated session.

        Source: "Rate Limiting" and "Resuming" of the gateway.
        """
        share = random.uniform(0.2, 1.0)  # noqa: S311 - no secret
        await self._gate.take(self._gate.wait_s * share if self._identified else 0.0)
        self._identified = True

    async def _serve(self, url: yarl.URL, session: _Session | None, backlog: Backlog) -> None:
        """One connection until it is lost; it always is, in the end."""
        self._asked = ""
        self._pulse.begin(self._clock.monotonic())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(), name="discord-pulse")
                await self._connect(url, session)
                while True:
                    if backlog.full:
                        await self._wait_for_room(backlog)
                    await self.ws.poll_event()
        except ExceptionGroup as failures:
            raise cause_of(failures) from failures

    async def _connect(self, url: yarl.URL, session: _Session | None) -> None:
        if session is None:
            await _Socket.from_client(self, gateway=url, shard_id=self.shard_id)
            self._gate.note()
            return
        await _Socket.from_client(
            self,
            gateway=url,
            shard_id=self.shard_id,
            session=session.id,
            sequence=session.sequence,
            resume=True,
        )

    async def _wait_for_room(self, backlog: Backlog) -> None:
        """While nothing is read, nothing is heard, and that is no fault of the connection's."""
        self._pulse.pause()
        await backlog.wait_for_room()
        self._pulse.go_on(self._clock.monotonic())

    async def _watch(self) -> NoReturn:
        """Raise once the connection is deaf."""
        while True:
            now = self._clock.monotonic()
            left = self._pulse.deadline(now) - now
            if left <= 0:
                raise Deaf
            await self._clock.sleep(left)

    # -- after a loss

    def _count_loss(self) -> None:
        now, settled_at = self._clock.monotonic(), self._settled_at
        if settled_at is not None and now - settled_at >= STEADY_S:
            self._failures = 0
        self._settled_at = None
        self._failures += 1
        self._unresumed += 1

    def _cause(self, error: Exception) -> str:
        if isinstance(error, Deaf):
            return "connection deaf"
        return self._asked or "connection lost"

    def _after(self, error: Exception, session: _Session | None) -> _Session | None:
        """The session to resume after a failure, or None to begin a new one."""
        code = error.code if isinstance(error, discord.ConnectionClosed) else 0
        if code in CLOSE_REASONS:
            ours = self.application
            known = Application(id=str(ours.id), name=ours.name) if ours is not None else None
            raise classify_close(code, known) from error
        socket = self._socket()
        if socket is not None:
            code = code or socket.socket.close_code or 0
        log.info("discord gateway lost (%s, close code %s)", type(error).__name__, code or "none")
        over = isinstance(error, ReconnectWebSocket) and not error.resume
        if over or code in _SESSION_OVER or self._unresumed > ATTEMPTS_PER_SESSION:
            return None
        if socket is None or socket.session_id is None:
            return session
        return _Session(id=socket.session_id, sequence=socket.sequence, url=socket.gateway)

    async def drop_socket(self, code: int = 4000, wait_s: float = CLOSE_S) -> None:
        """Close the connection, if there is one, without waiting long for the other side."""
        socket = self._socket()
        if socket is None:
            return
        try:
            async with asyncio.timeout(wait_s):
                await socket.close(code)
        except (TimeoutError, aiohttp.ClientError, OSError):
            log.debug("the gateway did not say goodbye")
        self.ws = None  # type: ignore[assignment]  # as the SDK has it before the first one

    def _socket(self) -> DiscordWebSocket | None:
        return self.ws

    async def leave(self) -> None:
        """End the session and every connection."""
        await self.drop_socket(code=1000)
        await self.http.close()
