"""From the backlog to the journal: one frame after the other, each until it is stored.

Discord asks for no acknowledgement of messages and delivers nothing again, so a frame the journal
has no room for is offered until it has. Presses, forms and commands are answered once they are
stored.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

import orjson

from platforms.base import Ingest
from platforms.content import opens_form
from platforms.discord.backfill import Get
from platforms.discord.backlog import Backlog, Frame
from platforms.discord.directory import Directory
from platforms.discord.fields import snowflake
from platforms.discord.first_answers import FirstAnswers
from platforms.discord.history import earlier
from platforms.discord.membership import read_joined
from platforms.discord.parse import KINDS, parse
from platforms.discord.reading import Identity
from platforms.discord.shards import Shard
from platforms.discord.threads import Threads
from platforms.errors import ChatUnavailable, MessageRejected, PlatformError
from platforms.events import (
    ButtonPressed,
    CommandInvoked,
    Delivery,
    FormSubmitted,
    Ignored,
    InboundEvent,
    MessageReceived,
    MessageRef,
    PressToken,
    Receipt,
    Said,
)
from platforms.fields import Body, mapping

log = logging.getLogger(__name__)

PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Between two offers of the same frame."""


class Intake:
    """The one reader of the backlog, and what it has to remember between connections."""

    def __init__(
        self,
        *,
        us: Identity,
        directory: Directory,
        backlog: Backlog,
        shards: Sequence[Shard],
        get: Get,
        answers: FirstAnswers,
        threads: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._now = now
        self.threads = Threads(directory)
        self._directory = directory
        self._begins_threads = threads
        self._us = us
        self._backlog = backlog
        self._shards = shards
        self._get = get
        self.answers = answers

    @staticmethod
    def wants(name: object) -> bool:
        """Whether an event of this name is worth keeping; most are not."""
        return isinstance(name, str) and (name in KINDS or name in _LESSONS or name in _SESSIONS)

    async def run(self, ingest: Ingest) -> None:
        """Store frames until cancelled; a frame in work is offered again by the next run."""
        async with asyncio.TaskGroup() as group:

            async def store(frame: Frame) -> bool:
                return await self._store(frame, ingest, group)

            for shard in self._shards:
                group.create_task(shard.backfill.run(store), name="discord-backfill")
            while True:
                frame = await self._backlog.first()
                channel = _channel(frame)
                backfill = self._shards[frame.shard].backfill
                if channel is not None and backfill.holds(channel):
                    backfill.hold(channel, frame)
                    self._backlog.set_first_aside()
                    continue
                await self._take(frame, ingest, group)
                self._backlog.drop_first()

    async def _take(self, frame: Frame, ingest: Ingest, group: asyncio.TaskGroup) -> None:
        shard = self._shards[frame.shard]
        match frame.event.get("t"):
            case "READY":
                shard.backfill.begin_session(frame)
            case "RESUMED":
                shard.backfill.resume(frame)
            case str(name) if name in _LESSONS:
                if name in KINDS:  # told to the journal too, before it is forgotten here
                    await self._store(frame, ingest, group)
                data = mapping(frame.event, "d")
                if name == _GUILD:
                    await self._joined(data, ingest)
                self._directory.learn(name, data)
                shard.backfill.see_guild(name, data)
            case _:
                if await self._store(frame, ingest, group) and frame.replayed:
                    shard.gaps.count()

    async def _joined(self, data: Body, ingest: Ingest) -> None:
        """Tell of a guild that is new; the rest of what is told of it is no concern of others."""
        event = read_joined(data, self._us, now=self._now())
        if event is None:
            return
        told = {"t": _GUILD, "d": {name: data.get(name) for name in ("id", "name", "joined_at")}}
        delivery = Delivery(account=self._us.account, raw=orjson.dumps(told), events=(event,))
        await _offered(delivery, ingest)

    def _is_echo(self, frame: Frame) -> bool:
        """Our own, and no new message: a streamed answer has dozens of edits."""
        author = mapping(mapping(frame.event, "d"), "author").get("id")
        return author == self._us.user_id and (frame.late or frame.event.get("t") != _MESSAGE)

    async def _store(self, frame: Frame, ingest: Ingest, group: asyncio.TaskGroup) -> bool:
        """Offer a frame to the journal; whether it is a person's and stored."""
        if self._is_echo(frame):
            return False
        await self._learn_place(mapping(frame.event, "d"))
        events = parse(
            frame.event,
            self._us,
            self._directory,
            late=frame.late,
            threads=self._begins_threads,
        )
        if isinstance(events, Ignored) and events.reason != "malformed":
            log.debug("ignored %s: %s", events.reason, events.delivery_key)
            return False
        presses = _presses_in(events)
        for press, opens_one in presses:
            self.answers.expect(press, opens_form=opens_one, arrived_at=frame.at)
        receipt = None
        try:
            delivery = Delivery(account=self._us.account, raw=frame.raw, events=events)
            receipt = await _offered(delivery, ingest)
        finally:
            if receipt is not Receipt.STORED:
                for press, _ in presses:
                    self.answers.give_up(press)
        if receipt is not Receipt.STORED:
            return False
        for press, _ in presses:
            self.answers.begin(press, group)
        return self._remember(events, self._shards[frame.shard])

    def _remember(self, events: tuple[InboundEvent, ...] | Ignored, shard: Shard) -> bool:
        """Note the messages of people; whether there was one."""
        messages = [
            event
            for event in (() if isinstance(events, Ignored) else events)
            if isinstance(event, MessageReceived) and not event.author.is_us
        ]
        for event in messages:
            shard.backfill.note_stored(event.message)
            self.threads.expect(event)
        return bool(messages)

    async def earlier(self, message: MessageRef, limit: int) -> tuple[Said, ...]:
        """What was said before a message; raises PlatformError."""
        return await earlier(self._get, message, limit, us=self._us, index=self._directory)

    # -- what a message does not say of its place

    async def _learn_place(self, data: Body) -> None:
        """Ask what an unknown channel is: a thread is judged by its parent."""
        channel, guild = snowflake(data.get("channel_id")), snowflake(data.get("guild_id"))
        if channel is None or guild is None or "channel" in data or self._directory.knows(channel):
            return
        for pause in (*PAUSES_S, None):
            try:
                self._directory.learn_channel(await self._get(f"/channels/{channel}", {}), guild)
            except (ChatUnavailable, MessageRejected) as error:
                log.info("channel %s could not be looked up: %s", channel, error)
                self._directory.learn_channel({"id": channel}, guild)
                return
            except PlatformError as error:
                log.warning("channel %s could not be looked up: %s", channel, error)
                if pause is None:
                    return
                await asyncio.sleep(pause)
            else:
                return


_LESSONS = Directory.LESSONS
_SESSIONS = frozenset({"READY", "RESUMED"})
_MESSAGE = "MESSAGE_CREATE"
_GUILD = "GUILD_CREATE"


def _channel(frame: Frame) -> str | None:
    """The channel whose order a frame belongs to; presses and commands wait for nothing."""
    name = frame.event.get("t")
    if name not in KINDS or name == "INTERACTION_CREATE":
        return None
    return snowflake(mapping(frame.event, "d").get("channel_id"))


def _presses_in(events: tuple[InboundEvent, ...] | Ignored) -> tuple[tuple[PressToken, bool], ...]:
    """What wants a first answer, and whether that may be a form."""
    return tuple(
        (event.press, isinstance(event, ButtonPressed) and opens_form(event.payload))
        for event in (() if isinstance(events, Ignored) else events)
        if isinstance(event, ButtonPressed | CommandInvoked | FormSubmitted)
        and event.press is not None
    )


async def _offered(delivery: Delivery, ingest: Ingest) -> Receipt:
    """Offer a delivery until there is room for it."""
    attempt = 0
    while (receipt := await ingest(delivery)) is Receipt.BUSY:
        await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
        attempt += 1
    return receipt
