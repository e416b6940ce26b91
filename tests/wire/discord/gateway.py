"""The gateway: sessions, heartbeats, sequence numbers and their replay.

Theory of operation. A *session* begins with IDENTIFY and lists every event it was given, numbered
from 1. A *connection* is one websocket; it serves one session or none yet. Losing a connection
leaves the session: events go on being listed, and RESUME replays what is above the number the
client names. A session ends when the client closes with 1000 or 1001, when the test says so, or
when it is resumed by nobody. A session of a shard is told of that shard's guilds alone, the first
one of direct messages as well; a shard of too many guilds is refused.
Source: Discord documentation, "Gateway", "Gateway Opcodes and Close Codes".
"""

import asyncio
import json
import secrets
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from tests.wire.discord.world import Json

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME = 0, 1, 2, 3, 4, 6
RECONNECT, MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 7, 8, 9, 10, 11

GUILDS, GUILD_MESSAGES, GUILD_REACTIONS, GUILD_TYPING = 1 << 0, 1 << 9, 1 << 10, 1 << 11
DIRECT_MESSAGES, DIRECT_REACTIONS, DIRECT_TYPING = 1 << 12, 1 << 13, 1 << 14
MESSAGE_CONTENT = 1 << 15
PRIVILEGED = (1 << 1) | (1 << 8) | MESSAGE_CONTENT
ALL_INTENTS = (1 << 26) - 1

PAYLOAD_MAX = 4_096
SENDS_PER_MINUTE = 120
GUILDS_PER_SHARD = 2_500


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    """One identified client and everything it was or will be told."""

    id: str
    intents: int
    shard: list[int]
    events: list[Json] = field(default_factory=list)
    connection: "Connection | None" = None

    def is_told_of(self, guild: object) -> bool:
        """Whether a guild is this session's; None stands for direct messages."""
        number, of = self.shard
        return (int(str(guild)) >> 22) % of == number if str(guild).isdecimal() else number == 0

    def list_event(self, name: str, data: object) -> Json:
        event = {"op": DISPATCH, "t": name, "s": len(self.events) + 1, "d": data}
        self.events.append(event)
        return event


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    """One websocket; frames are text or one zlib stream, as the client asked."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    path: str
    deflate: "zlib._Compress | None"
    session: Session | None = None
    muted: bool = False
    """Half open: nothing is answered or sent any more, the socket stays."""
    frames: list[Json] = field(default_factory=list)
    """What the client sent, decoded."""

    async def send(self, payload: Json | str) -> None:
        if self.muted or self.socket.closed:
            return
        text = payload if isinstance(payload, str) else json.dumps(payload)
        try:
            if self.deflate is None:
                await self.socket.send_str(text)
            else:
                data = self.deflate.compress(text.encode())
                await self.socket.send_bytes(data + self.deflate.flush(zlib.Z_SYNC_FLUSH))
        except ConnectionError:
            self.muted = True


class Gateway:
    """All connections and sessions, and the levers with which a test breaks them."""

    def __init__(
        self,
        *,
        token: str,
        ready: Callable[[Session], Json],
        initial: Callable[[Session], list[tuple[str, Json]]],
        note: Callable[[str, Json, int], None],
        content_allowed: bool,
        heartbeat_ms: int,
        plain: bool,
    ) -> None:
        self.connections: list[Connection] = []
        self.sessions: dict[str, Session] = {}
        self.identifies_left = 1_000
        self.heartbeats = 0
        self.lose_next = 0
        """So many coming events get their number and are lost on the way."""
        self.reverse_next = 0
        """So many coming events are kept back and then sent last first."""
        self.acknowledges = True
        """Whether heartbeats are answered; events go on either way."""
        self.greets = True
        """Whether a new connection gets its HELLO."""
        self.at_the_door = 0
        """How many came while nobody was let in."""
        self.swallow_next = 0
        """So many coming IDENTIFY and RESUME are read and never answered."""
        self.reset_after_ms = 14_400_000
        self.shards = 1
        """How many connections are recommended."""
        self.guilds_per_shard = GUILDS_PER_SHARD
        self._token = token
        self._ready = ready
        self._initial = initial
        self._note = note
        self._content_allowed = content_allowed
        self._heartbeat_ms = heartbeat_ms
        self._plain = plain
        self._identify_codes: deque[int] = deque()
        self._refused_upgrades = 0
        self._open = asyncio.Event()
        self._open.set()
        self._changed = asyncio.Condition()
        self._kept_back: list[tuple[str, Any, int]] = []

    # Levers for tests.

    def refuse_identify(self, code: int) -> None:
        """Answers the next IDENTIFY with this close code."""
        self._identify_codes.append(code)

    def refuse_upgrades(self, count: int) -> None:
        """Answers the next connections with 503."""
        self._refused_upgrades = count

    def hold(self) -> None:
        """Lets new connections wait until `release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    async def close(self, code: int = 4000) -> None:
        """Closes every connection with this code; sessions stay."""
        for connection in self._detached():
            await connection.socket.close(code=code)

    async def abort(self, shard: int | None = None) -> None:
        """Cuts every connection, or one shard's, without a close frame."""
        for connection in self._detached(shard):
            if connection.transport is not None:
                connection.transport.abort()

    async def ask_reconnect(self) -> None:
        """Op 7: asks every client to come again and resume."""
        for connection in list(self.connections):
            await connection.send({"op": RECONNECT, "d": None})

    async def invalidate(self, *, resumable: bool = False, shard: int | None = None) -> None:
        """Op 9: ends every session, or one shard's, or says that it can be resumed."""
        for session in list(self.sessions.values()):
            if shard is not None and session.shard[0] != shard:
                continue
            if not resumable:
                del self.sessions[session.id]
            if session.connection is not None:
                await session.connection.send({"op": INVALID_SESSION, "d": resumable})

    def forget_sessions(self) -> None:
        """Lets every session time out: a RESUME is answered by op 9."""
        for session in self.sessions.values():
            session.connection = None
        self.sessions.clear()

    def mute(self) -> None:
        """Makes every connection half open."""
        for connection in self.connections:
            connection.muted = True

    async def ask_heartbeat(self) -> None:
        """Op 1: asks for a heartbeat at once, and waits until one came."""
        before = self.heartbeats
        for connection in list(self.connections):
            await connection.send({"op": HEARTBEAT, "d": None})
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: self.heartbeats > before)

    async def send_raw(self, payload: Json | str) -> None:
        """Sends a frame as it is, in no session's list."""
        for connection in list(self.connections):
            await connection.send(payload)

    async def send_garbage(self, data: bytes) -> None:
        """Sends a binary frame that continues no zlib stream."""
        for connection in list(self.connections):
            await connection.socket.send_bytes(data)

    async def tear(self) -> None:
        """Cuts every connection in the middle of a frame."""
        self.drip()
        await self.abort()

    def drip(self) -> None:
        """Begins a long frame on every connection and never ends it."""
        for connection in self.connections:
            connection.muted = True
            if connection.transport is not None:
                connection.transport.write(b"\x81\x7e\x10\x00" + b'{"op":0,"t":"MESS')

    async def ready(self, count: int = 1, timeout: float = 60.0) -> None:
        """Waits until so many sessions are connected."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(
                lambda: sum(c.session is not None for c in self.connections) >= count
            )

    async def knocked(self, timeout: float = 60.0) -> None:
        """Waits until someone came while nobody was let in."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: self.at_the_door > 0)

    async def gone(self, timeout: float = 60.0) -> None:
        """Waits until no connection is left."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: not self.connections)

    # Events.

    async def emit(self, name: str, data: Any, *, intent: int) -> None:
        """Gives an event to every session that asked for its kind."""
        if self.reverse_next > 0:
            self._kept_back.append((name, data, intent))
            self.reverse_next -= 1
            if self.reverse_next == 0:
                kept, self._kept_back = self._kept_back, []
                for each in reversed(kept):
                    await self.emit(each[0], each[1], intent=each[2])
            return
        for session in list(self.sessions.values()):
            if not session.intents & intent or not session.is_told_of(_guild_of(name, data)):
                continue
            event = session.list_event(name, self._redacted(session, name, data))
            if self.lose_next > 0:
                self.lose_next -= 1
            elif session.connection is not None:
                await session.connection.send(event)

    def _redacted(self, session: Session, name: str, data: Any) -> Any:
        """A message without its content, for clients without that intent."""
        if not name.startswith("MESSAGE_") or not isinstance(data, dict) or "content" not in data:
            return data
        own = {event["d"]["user"]["id"] for event in session.events if event["t"] == "READY"}
        mentioned = {mention["id"] for mention in data.get("mentions", ())}
        if (
            session.intents & MESSAGE_CONTENT
            or "guild_id" not in data
            or data["author"]["id"] in own
            or own & mentioned
        ):
            return data
        return {**data, "content": "", "attachments": [], "embeds": [], "components": []}

    # Connections.

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One websocket from upgrade to close."""
        if not self._open.is_set():
            self.at_the_door += 1
            await self._tell()
        await self._open.wait()
        if self._refused_upgrades > 0:
            self._refused_upgrades -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse(compress=False, max_msg_size=0, timeout=1.0)
        await socket.prepare(request)
        zlibbed = request.query.get("compress") == "zlib-stream" and not self._plain
        connection = Connection(
            socket=socket,
            transport=request.transport,
            path=request.path,
            deflate=zlib.compressobj() if zlibbed else None,
        )
        if request.query.get("v") != "10" or request.query.get("encoding", "json") != "json":
            await socket.close(code=4012, message=b"Invalid API version")
            return socket
        self.connections.append(connection)
        if self.greets:
            await connection.send({"op": HELLO, "d": {"heartbeat_interval": self._heartbeat_ms}})
        try:
            await self._read(connection)
        finally:
            await self._leave(connection)
        return socket

    async def _read(self, connection: Connection) -> None:
        async for frame in connection.socket:
            if frame.type not in {WSMsgType.TEXT, WSMsgType.BINARY} or connection.muted:
                continue
            try:
                payload = json.loads(frame.data)
                opcode = payload["op"]
            except (ValueError, KeyError, TypeError):
                await connection.socket.close(code=4002, message=b"Error while decoding payload.")
                return
            connection.frames.append(payload)
            code = 4002 if len(frame.data) > PAYLOAD_MAX else None
            if code is None and len(connection.frames) > SENDS_PER_MINUTE:
                code = 4008
            code = code or await self._take(connection, opcode, payload.get("d"))
            if code is not None:
                self._unbind(connection)
                await connection.socket.close(code=code)

    async def _take(self, connection: Connection, opcode: object, data: object) -> int | None:
        """Acts on one payload; returns the code to close with, or None."""
        match opcode:
            case 1:
                self.heartbeats += 1
                if self.acknowledges:
                    await connection.send({"op": HEARTBEAT_ACK, "d": None})
                await self._tell()
                return None
            case 2 | 6 if self.swallow_next > 0:
                self.swallow_next -= 1
                self._note("SWALLOWED", {"op": opcode}, 0)
                return None
            case 2:
                return await self._identify(connection, data)
            case 6:
                return await self._resume(connection, data)
            case 3 | 4 | 8:
                return None if connection.session is not None else 4003
            case _:
                return 4001

    async def _identify(self, connection: Connection, data: object) -> int | None:
        code = self._judge_identify(connection, data)
        self._note("IDENTIFY", data if isinstance(data, dict) else {}, code or 0)
        if code is not None or not isinstance(data, dict):
            return code
        self.identifies_left -= 1
        session = Session(
            id=secrets.token_hex(16), intents=data["intents"], shard=data.get("shard", [0, 1])
        )
        self.sessions[session.id] = session
        _bind(connection, session)
        await connection.send(session.list_event("READY", self._ready(session)))
        for name, body in self._initial(session) if session.intents & GUILDS else ():
            await connection.send(session.list_event(name, body))
        await self._tell()
        return None

    def _judge_identify(self, connection: Connection, data: object) -> int | None:
        if self._identify_codes:
            return self._identify_codes.popleft()
        if connection.session is not None:
            return 4005
        if not isinstance(data, dict) or "properties" not in data:
            return 4002
        if data.get("token", "").removeprefix("Bot ") != self._token:
            return 4004
        intents = data.get("intents")
        if not isinstance(intents, int) or intents & ~ALL_INTENTS:
            return 4013
        allowed = MESSAGE_CONTENT if self._content_allowed else 0
        if intents & PRIVILEGED & ~allowed:
            return 4014
        shard = data.get("shard", [0, 1])
        if not 0 <= shard[0] < shard[1]:
            return 4010
        asking = Session(id="", intents=intents, shard=shard)
        return 4011 if len(self._initial(asking)) > self.guilds_per_shard else None

    async def _resume(self, connection: Connection, data: object) -> int | None:
        known = data if isinstance(data, dict) else {}
        self._note("RESUME", known, 0)
        if known.get("token", "").removeprefix("Bot ") != self._token:
            return 4004
        session = self.sessions.get(str(known.get("session_id")))
        if session is None:
            await connection.send({"op": INVALID_SESSION, "d": False})
            return None
        sequence = known.get("seq")
        if not isinstance(sequence, int) or sequence > len(session.events):
            return 4007
        if session.connection is not None:
            session.connection.session = None
        session.connection = None
        # Events listed during the replay wait their turn behind it.
        at = sequence
        while at < len(session.events):
            await connection.send(session.events[at])
            at += 1
        _bind(connection, session)
        await connection.send(session.list_event("RESUMED", {"_trace": []}))
        await self._tell()
        return None

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _unbind(self, connection: Connection) -> None:
        if connection.session is not None and connection.session.connection is connection:
            connection.session.connection = None
        connection.session = None

    def _detached(self, shard: int | None = None) -> Iterator[Connection]:
        """Every connection, or a shard's; taken from its session first: nothing more reaches it."""
        for connection in list(self.connections):
            session = connection.session
            if shard is not None and (session is None or session.shard[0] != shard):
                continue
            self._unbind(connection)
            yield connection

    async def _leave(self, connection: Connection) -> None:
        session = connection.session
        clean = {WSCloseCode.OK, WSCloseCode.GOING_AWAY}
        if session is not None and connection.socket.close_code in clean:
            self.sessions.pop(session.id, None)
        self._unbind(connection)
        if connection in self.connections:
            self.connections.remove(connection)
        await self._tell()


def _guild_of(name: str, data: Any) -> object:
    """The guild an event is about, None for direct messages and what is malformed."""
    if not isinstance(data, dict):
        return None
    return data.get("id") if name in {"GUILD_CREATE", "GUILD_DELETE"} else data.get("guild_id")


def _bind(connection: Connection, session: Session) -> None:
    connection.session = session
    session.connection = connection
