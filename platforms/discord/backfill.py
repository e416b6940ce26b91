"""Reading back what a lost session swallowed, chat by chat, while everything else goes on.

Theory of operation. A new session plans every chat we know: each from its newest stored message.
A chat that is planned is *held*: what comes live there waits until its past is stored, so that
nothing newer is stored before it and a crash on the way loses nothing; a held chat is read first.
Presses never wait. A resumed session needs no plan, Discord replays it.

Edits and deletions of the time show as the present text, presses are gone.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import orjson

from platforms.discord import rights
from platforms.discord.backlog import Backlog, Frame
from platforms.discord.clock import Clock
from platforms.discord.directory import THREAD_KINDS, Directory
from platforms.discord.fields import born, first_snowflake, snowflake
from platforms.discord.gaps import Gaps
from platforms.discord.limits import HISTORY_PAGE
from platforms.errors import (
    ChatUnavailable,
    CredentialsRejected,
    MessageRejected,
    PlatformError,
    RateLimited,
    ThreadGone,
)
from platforms.events import Account, ChatRef, MessageRef
from platforms.fields import Body, integer, mapping, objects

log = logging.getLogger(__name__)

AGE = timedelta(hours=24)
MESSAGES_MAX = 500
"""How far back and how much of one chat is read."""

CALLS_PER_MINUTE = 100
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
RETRY_FOR_S = 600.0
"""Pauses after failures, and how long one chat is tried before it goes on without its past."""

_MARGIN = timedelta(seconds=5)
"""Between the clocks of Discord and of this machine."""

_FORUMS = frozenset({15, 16})
"""Forum and media channels hold threads, not messages. Source: "Channel Types"."""

Get = Callable[[str, dict[str, str]], Awaitable[Any]]
"""A GET of the REST API by path and query; raises PlatformError."""

Store = Callable[[Frame], Awaitable[bool]]
"""Hands a frame to the journal; whether it was stored."""

Listed = Callable[[ChatRef], bool]
"""Whether a chat of a guild may speak to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The newest stored message of a channel, and where that is; `parent`: of a thread."""

    guild: str | None
    parent: str | None
    message: int


@dataclass(frozen=True, slots=True)
class _Held:
    """What waits for the past of its channel, in order, and the new messages of it by id."""

    frames: deque[Frame] = field(default_factory=deque)
    messages: dict[str, Frame] = field(default_factory=dict)


class Pace:
    """At most so many calls in any minute, of all shards together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: deque[float] = deque(maxlen=CALLS_PER_MINUTE)

    async def wait(self) -> None:
        """Return when the next call may be made."""
        while len(self._calls) == CALLS_PER_MINUTE:
            wait_s = self._calls[0] + 60.0 - self._clock.monotonic()
            if wait_s <= 0:
                break
            await self._clock.sleep(wait_s)
        self._calls.append(self._clock.monotonic())


class Backfill:
    """What was stored last in each channel, and which of them are still to be read."""

    def __init__(
        self,
        *,
        account: Account,
        directory: Directory,
        backlog: Backlog,
        gaps: Gaps,
        get: Get,
        clock: Clock,
        listed: Listed | None,
        pace: Pace,
        shard: int = 0,
    ) -> None:
        self._account = account
        self._directory = directory
        self._backlog = backlog
        self._gaps = gaps
        self._get = get
        self._clock = clock
        self._listed = listed
        self._stored: dict[str, Mark] = {}
        self._planned: dict[str, Mark] = {}
        self._held: dict[str, _Held] = {}
        self._awaited_guilds: set[str] = set()
        self._floor: int | None = None
        """Where chats begin that nothing is stored of, while a session is being read back."""
        self._standing = False
        self.connection = 0
        """Which connection this is; frames of an older one say nothing about it."""
        self._changed = asyncio.Event()
        self._pace = pace
        self._shard = shard

    def start_from(self, marks: tuple[MessageRef, ...]) -> None:
        """Take up where an earlier process stopped."""
        for message in marks:
            channel = message.chat.thread_id or message.chat.chat_id
            if snowflake(channel) and (ident := snowflake(message.message_id)):
                self._stored.setdefault(channel, _mark(message.chat, int(ident)))
        if self._stored:
            newest = max(mark.message for mark in self._stored.values())
            self._gaps.lose_before_start(born(str(newest)))

    def note_stored(self, message: MessageRef) -> None:
        """A message is in the journal."""
        mark = _mark(message.chat, int(message.message_id))
        channel = message.chat.thread_id or message.chat.chat_id
        before = self._stored.get(channel)
        if before is None or mark.message > before.message:
            self._stored[channel] = mark

    # -- what the gateway says

    def lose(self) -> None:
        """The transport is lost."""
        self.connection += 1
        self._standing = False

    def begin_session(self, ready: Frame) -> None:
        """A new session stands: nothing is replayed, every chat is to be read."""
        self._standing = ready.connection == self.connection
        if self._gaps.since is not None:
            self._plan_known()
            self._floor = max(
                first_snowflake(self._gaps.since - _MARGIN),
                first_snowflake(self._clock.now() - AGE),
            )
            guilds = objects(mapping(ready.event, "d"), "guilds")
            self._awaited_guilds = {
                ident for guild in guilds if (ident := snowflake(guild.get("id")))
            }
        if self._planned:
            log.info("a new discord session: reading %d chats back", len(self._planned))
        self._changed.set()

    def resume(self, resumed: Frame) -> None:
        """The session goes on, and what was missed has been replayed."""
        self._standing = resumed.connection == self.connection
        self._changed.set()

    def see_guild(self, name: str, data: Body) -> None:
        """A guild of a new session: chats and threads that nothing is stored of yet."""
        guild = snowflake(data.get("id"))
        if guild is None or name not in {"GUILD_CREATE", "GUILD_DELETE"}:
            return
        if name == "GUILD_CREATE" and guild in self._awaited_guilds:
            for place in (*objects(data, "channels"), *objects(data, "threads")):
                self._plan_new(place, guild)
        self._awaited_guilds.discard(guild)
        self._changed.set()

    # -- what waits for the past of its channel

    def holds(self, channel: str | None) -> bool:
        """Whether what comes in this channel must wait."""
        return channel in self._planned

    def hold(self, channel: str, frame: Frame) -> None:
        """Keep a frame, whose room the backlog still counts."""
        held = self._held.setdefault(channel, _Held())
        held.frames.append(frame)
        if ident := _ident(frame.event):
            held.messages.setdefault(ident, frame)

    # -- reading

    async def run(self, store: Store) -> None:
        """Read back what is planned, until cancelled; goes on where an earlier run stopped."""
        while True:
            self._changed.clear()
            while (channel := self._next()) is not None:
                await self._read_back(channel, store)
            if self._standing and not self._planned and not self._awaited_guilds:
                self._floor = None
                await self._gaps.end()
            await self._changed.wait()

    def _plan_known(self) -> None:
        oldest = first_snowflake(self._clock.now() - AGE)
        for channel, mark in self._stored.items():
            quiet_thread = mark.message < oldest and mark.parent is not None
            if channel not in self._planned and not quiet_thread and self._is_listed(channel, mark):
                self._planned[channel] = replace(mark, message=max(mark.message, oldest))

    def _plan_new(self, place: Body, guild: str) -> None:
        channel, last = snowflake(place.get("id")), snowflake(place.get("last_message_id"))
        kind, parent = integer(place, "type"), snowflake(place.get("parent_id"))
        if channel is None or channel in self._stored or channel in self._planned:
            return
        if last is None or self._floor is None or int(last) < self._floor or kind in _FORUMS:
            return
        mark = Mark(
            guild=guild, parent=parent if kind in THREAD_KINDS else None, message=self._floor
        )
        known = mark.parent in self._stored if self._listed is None else True
        if known and self._is_listed(channel, mark):
            self._planned[channel] = mark

    def _is_listed(self, channel: str, mark: Mark) -> bool:
        if mark.guild is None or self._listed is None:
            return True
        place = ChatRef(
            account=self._account,
            space=mark.guild,
            chat_id=mark.parent or channel,
            thread_id=channel if mark.parent else None,
        )
        return self._listed(place)

    def _next(self) -> str | None:
        """A chat where someone waits, else the one that was alive last."""
        if not self._planned:
            return None
        return max(self._planned, key=lambda c: (c in self._held, self._planned[c].message))

    async def _read_back(self, channel: str, store: Store) -> None:
        read: set[str] = set()
        for _ in range(MESSAGES_MAX // HISTORY_PAGE):
            page = await self._page(channel)
            for message in sorted(page, key=_number):
                ident = str(_number(message))
                if int(ident) <= self._planned[channel].message:
                    continue
                held = self._held.get(channel)
                live = held.messages.get(ident) if held is not None else None
                await self._store_missed(live, channel, message, store)
                read.add(ident)
                self._planned[channel] = replace(self._planned[channel], message=int(ident))
            if len(page) < HISTORY_PAGE:
                break
        else:
            log.warning("channel %s: only %d missed messages were read", channel, MESSAGES_MAX)
        await self._release(channel, read, store)

    async def _store_missed(
        self, live: Frame | None, channel: str, message: Body, store: Store
    ) -> None:
        """In its turn; what came live meanwhile is not late."""
        stored = await store(live or self._frame(channel, message))
        if stored and live is None:
            self._gaps.count()

    async def _release(self, channel: str, read: set[str], store: Store) -> None:
        """Let through what waited; from the last of it on the channel is live again."""
        while (held := self._held.get(channel)) and held.frames:
            if _ident(held.frames[0].event) not in read:
                await store(held.frames[0])
            held.frames.popleft()
            self._backlog.drop_aside()
        self._held.pop(channel, None)
        del self._planned[channel]

    def _frame(self, channel: str, message: Body) -> Frame:
        """A message as the event it would have been."""
        guild = self._planned[channel].guild
        data = {**message, "guild_id": guild} if guild else message
        event = {"op": 0, "t": "MESSAGE_CREATE", "d": data}
        return Frame(orjson.dumps(event), event, shard=self._shard, late=True)

    async def _page(self, channel: str) -> tuple[Body, ...]:
        """The next messages; none if they can't be read."""
        began, failures = self._clock.monotonic(), 0
        query = {"after": str(self._planned[channel].message), "limit": str(HISTORY_PAGE)}
        while True:
            await self._pace.wait()
            try:
                answer = await self._get(f"/channels/{channel}/messages", query)
                return objects({"page": answer}, "page")
            except CredentialsRejected:
                raise
            except ChatUnavailable as error:
                no_right = error.reason == "no_rights"
                why = rights.right_path(rights.HISTORY, "the bot") if no_right else str(error)
                log.warning("channel %s can't be read back: %s", channel, why)
                return ()
            except (ThreadGone, MessageRejected) as error:
                log.info("channel %s can't be read back: %s", channel, error)
                return ()
            except RateLimited as error:
                await self._clock.sleep(error.retry_after_s)
            except PlatformError as error:
                log.warning("channel %s was not read back: %s", channel, error)
                if self._clock.monotonic() - began > RETRY_FOR_S:
                    return ()
                await self._clock.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1


def _mark(chat: ChatRef, message: int) -> Mark:
    parent = chat.chat_id if chat.thread_id is not None else None
    return Mark(guild=chat.space, parent=parent, message=message)


def _number(message: Body) -> int:
    return int(snowflake(message.get("id")) or "0")


def _ident(event: Body) -> str | None:
    return snowflake(mapping(event, "d").get("id")) if event.get("t") == "MESSAGE_CREATE" else None
