"""discord.py as a transport: REST with its rate-limit buckets, and the gateway's raw frames.

Theory of operation. The SDK speaks the protocol (HELLO, heartbeats in a thread of its own,
IDENTIFY, RESUME, zlib); every frame is handed over synchronously, in order, before the SDK makes
anything of it. It makes nothing of it: its event parsers are taken out, so it keeps no guilds,
members or messages, and a malformed event cannot end the connection.

`hold` stands in for the SDK's own loop, whose pauses grow to 17 minutes and which never gives up
a session that can't be resumed. A lost connection is resumed; a session that is over (op 9, close
4007 or 4009, or too many failures) is begun anew. Between attempts we wait PAUSES_S.
"""

import asyncio
import logging
import random
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from platforms.discord.errors import CLOSE_REASONS, classify_close

log = logging.getLogger(__name__)

PAUSES_S = (0.0, 1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
"""Before the next attempt, by how many have failed since the last READY or RESUMED."""

ATTEMPTS_PER_SESSION = 5
CONNECT_S = 30.0
CLOSE_S = 1.0
RATE_LIMIT_WAIT_S = 30.0
"""The longest the SDK sleeps inside a call; the smallest it allows."""

_SESSION_OVER = frozenset({4003, 4005, 4007, 4009})
_LOSSES = (
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


class GatewayClient(discord.Client):
    """One bot's connection. `on_frame` gets every frame as text; it must not raise or wait."""

    def __init__(
        self,
        *,
        on_frame: Callable[[str], None],
        on_lost: Callable[[], None],
        identify_wait_s: float,
        heartbeat_timeout_s: float,
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
            heartbeat_timeout=heartbeat_timeout_s,
        )
        self._connection.parsers = {}
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._identify_wait_s = identify_wait_s
        self._failures = 0

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """Takes the raw frames; what was sent holds the token and goes nowhere."""
        if event == "socket_raw_receive":
            self._on_frame(args[0])

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Discord lets one shard identify every five seconds."""
        if not initial:
            await asyncio.sleep(self._identify_wait_s)

    def settled(self) -> None:
        """READY or RESUMED came: the next failure is the first one again."""
        self._failures = 0

    async def hold(self, url: str, wait_for_room: Callable[[], Awaitable[None]]) -> NoReturn:
        """Keep the gateway connected; raises what `classify_close` says of a final close."""
        session: _Session | None = None
        initial = True
        while True:
            await self._pause()
            try:
                await self._connect(yarl.URL(url), session, initial=initial)
                initial = False
                while True:
                    await wait_for_room()
                    await self.ws.poll_event()
            except _LOSSES as exc:
                self._failures += 1
                self._on_lost()
                session = self._after(exc, session)
                await self.drop_socket()

    async def _pause(self) -> None:
        pause = PAUSES_S[min(max(self._failures - 1, 0), len(PAUSES_S) - 1)]
        if pause:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret

    async def _connect(self, url: yarl.URL, session: _Session | None, *, initial: bool) -> None:
        async with asyncio.timeout(CONNECT_S + self._identify_wait_s):
            if session is None:
                await _Socket.from_client(self, initial=initial, gateway=url)
                return
            await _Socket.from_client(
                self,
                gateway=session.url,
                session=session.id,
                sequence=session.sequence,
                resume=True,
            )

    def _after(self, error: Exception, session: _Session | None) -> _Session | None:
        """The session to resume after a failure, or None to begin a new one."""
        code = error.code if isinstance(error, discord.ConnectionClosed) else 0
        if code in CLOSE_REASONS:
            raise classify_close(code) from error
        socket = self._socket()
        if socket is not None:
            code = code or socket.socket.close_code or 0
        log.info("discord gateway lost (%s, close code %s)", type(error).__name__, code or "none")
        over = isinstance(error, ReconnectWebSocket) and not error.resume
        if over or code in _SESSION_OVER or self._failures > ATTEMPTS_PER_SESSION:
            return None
        if socket is None or socket.session_id is None:
            return session
        return _Session(id=socket.session_id, sequence=socket.sequence, url=socket.gateway)

    async def drop_socket(self, code: int = 4000) -> None:
        """Close the connection, if there is one, without waiting long for the other side."""
        socket = self._socket()
        if socket is None:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
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
