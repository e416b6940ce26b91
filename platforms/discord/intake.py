"""From the backlog to the journal: one frame after the other, each until it is stored.

Discord asks for no acknowledgement of messages and delivers nothing again, so a frame the journal
has no room for is offered until it has. Presses and commands are answered once they are stored.
What an invalidated session swallowed is read back from the chats we know; edits and deletions of
that time show as the present text, presses are gone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from platforms.base import Ingest
from platforms.discord.backlog import Backlog, Frame
from platforms.discord.directory import Directory
from platforms.discord.fields import first_snowflake, snowflake
from platforms.discord.limits import HISTORY_PAGE
from platforms.discord.parse import KINDS, Identity, parse
from platforms.discord.presses import Presses
from platforms.discord.threads import Threads
from platforms.errors import ChatUnavailable, MessageRejected, PlatformError
from platforms.events import (
    ButtonPressed,
    CommandInvoked,
    Delivery,
    Ignored,
    InboundEvent,
    MessageReceived,
    MessageRef,
    PressToken,
    Receipt,
)
from platforms.fields import Body, mapping, objects

log = logging.getLogger(__name__)

PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Between two offers of the same frame."""

BACKFILL_AGE = timedelta(hours=24)
BACKFILL_MESSAGES = 500
"""How far back and how much of one chat is read after a session was lost."""

Get = Callable[[str, dict[str, str]], Awaitable[Any]]
"""A GET of the REST API by path and query; raises PlatformError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """The newest stored message of a channel, and the guild it is in."""

    guild: str | None
    message: int


class Intake:
    """The one reader of the backlog, and what it has to remember between connections."""

    def __init__(self, *, us: Identity, backlog: Backlog, get: Get, threads: bool) -> None:
        self.directory = Directory(user_id=us.user_id)
        self.threads = Threads(self.directory)
        self._begins_threads = threads
        self._us = us
        self._backlog = backlog
        self._presses: Presses | None = None
        self._get = get
        self._last_stored: dict[str, _Mark] = {}
        self._first_answers: dict[str, asyncio.Event] = {}
        """Of each press on its way into the journal: set once its first answer is out, or won't be.

        Known before the journal is asked: what a command says may be ready before that returns.
        """

    def read_after(self, marks: tuple[MessageRef, ...]) -> None:
        """Take up where an earlier process stopped; the first session reads back from there."""
        for message in marks:
            channel = message.chat.thread_id or message.chat.chat_id
            if snowflake(channel) and (ident := snowflake(message.message_id)):
                mark = _Mark(guild=message.chat.space, message=int(ident))
                self._last_stored.setdefault(channel, mark)

    def answer_with(self, presses: Presses) -> None:
        """Use this connection for first answers from now on."""
        self._presses = presses

    @staticmethod
    def wants(name: object) -> bool:
        """Whether an event of this name is worth keeping; most are not."""
        return isinstance(name, str) and (name in KINDS or name in _LESSONS or name == "READY")

    async def run(self, ingest: Ingest) -> None:
        """Store frames until cancelled; a frame in work is offered again by the next run."""
        async with asyncio.TaskGroup() as group:
            while True:
                frame = await self._backlog.first()
                await self._take(frame, ingest, group)
                self._backlog.drop_first()

    async def answered(self, press: PressToken) -> None:
        """Wait until the first answer to a press is out, so that words may follow."""
        if out := self._first_answers.get(press.value):
            await out.wait()

    async def _take(self, frame: Frame, ingest: Ingest, group: asyncio.TaskGroup) -> None:
        name, data = frame.event.get("t"), mapping(frame.event, "d")
        if name == "READY":
            await self._begin_session(ingest, group)
        elif isinstance(name, str) and name in _LESSONS:
            self.directory.learn(name, data)
        elif not self._is_ours(data):
            await self._learn_place(data)
            await self._store(frame, ingest, group)

    def _is_ours(self, data: Body) -> bool:
        """An echo of our own post or edit, of which a streamed answer has dozens."""
        return mapping(data, "author").get("id") == self._us.user_id

    async def _store(self, frame: Frame, ingest: Ingest, group: asyncio.TaskGroup) -> None:
        events = parse(
            frame.event,
            self._us,
            self.directory,
            late=frame.late,
            threads=self._begins_threads,
        )
        if isinstance(events, Ignored) and events.reason != "malformed":
            log.debug("ignored %s: %s", events.reason, events.delivery_key)
            return
        delivery = Delivery(account=self._us.account, raw=frame.raw, events=events)
        presses = _presses_in(events)
        for press in presses:
            self._first_answers.setdefault(press.value, asyncio.Event())
        receipt = None
        try:
            receipt = await _offered(delivery, ingest)
        finally:
            if receipt is not Receipt.STORED:
                for press in presses:
                    self._let_words_follow(press)
        if receipt is Receipt.STORED:
            self._remember(mapping(frame.event, "d"), frame.event.get("t"))
            for event in () if isinstance(events, Ignored) else events:
                if isinstance(event, MessageReceived):
                    self.threads.expect(event)
            for press in presses:
                self._acknowledge(press, group)

    def _remember(self, data: Body, name: object) -> None:
        channel, ident = snowflake(data.get("channel_id")), snowflake(data.get("id"))
        if name != "MESSAGE_CREATE" or channel is None or ident is None:
            return
        before = self._last_stored.get(channel)
        if before is None or int(ident) > before.message:
            guild = snowflake(data.get("guild_id"))
            self._last_stored[channel] = _Mark(guild=guild, message=int(ident))

    # -- the first answer to presses and commands

    def _acknowledge(self, press: PressToken, group: asyncio.TaskGroup) -> None:
        task = group.create_task(self._answer(press), name="discord-press")
        task.add_done_callback(lambda _: self._let_words_follow(press))

    def _let_words_follow(self, press: PressToken) -> None:
        if out := self._first_answers.pop(press.value, None):
            out.set()

    async def _answer(self, press: PressToken) -> None:
        if self._presses is None:
            return
        try:
            await self._presses.acknowledge(press)
        except PlatformError as error:
            log.info("a press was not acknowledged: %s", error)

    # -- what a message does not say of its place

    async def _learn_place(self, data: Body) -> None:
        """Ask what an unknown channel is: a thread is judged by its parent."""
        channel, guild = snowflake(data.get("channel_id")), snowflake(data.get("guild_id"))
        if channel is None or guild is None or "channel" in data or self.directory.knows(channel):
            return
        for pause in (*PAUSES_S, None):
            try:
                self.directory.learn_channel(await self._get(f"/channels/{channel}", {}), guild)
            except (ChatUnavailable, MessageRejected) as error:
                log.info("channel %s could not be looked up: %s", channel, error)
                self.directory.learn_channel({"id": channel}, guild)
                return
            except PlatformError as error:
                log.warning("channel %s could not be looked up: %s", channel, error)
                if pause is None:
                    return
                await asyncio.sleep(pause)
            else:
                return

    # -- what an invalidated session swallowed

    async def _begin_session(self, ingest: Ingest, group: asyncio.TaskGroup) -> None:
        oldest = first_snowflake(datetime.now(UTC) - BACKFILL_AGE)
        marks = {c: mark for c, mark in self._last_stored.items() if mark.message >= oldest}
        if not marks:
            return
        log.info("a new discord session: reading %d chats back; presses are lost", len(marks))
        for channel, mark in marks.items():
            try:
                await self._read_back(channel, mark, ingest, group)
            except PlatformError as error:
                log.warning("channel %s could not be read back: %s", channel, error)

    async def _read_back(
        self, channel: str, mark: _Mark, ingest: Ingest, group: asyncio.TaskGroup
    ) -> None:
        floor = mark.message
        for _ in range(BACKFILL_MESSAGES // HISTORY_PAGE):
            query = {"after": str(floor), "limit": str(HISTORY_PAGE)}
            page = objects(
                {"page": await self._get(f"/channels/{channel}/messages", query)}, "page"
            )
            for message in sorted(page, key=_number):
                data = {**message, "guild_id": mark.guild} if mark.guild else message
                event = {"op": 0, "t": "MESSAGE_CREATE", "d": data}
                frame = Frame(orjson.dumps(event), event, late=True)
                await self._take(frame, ingest, group)
                floor = max(floor, _number(message))
            if len(page) < HISTORY_PAGE:
                return


_LESSONS = Directory.LESSONS


def _number(message: Body) -> int:
    return int(snowflake(message.get("id")) or "0")


def _presses_in(events: tuple[InboundEvent, ...] | Ignored) -> tuple[PressToken, ...]:
    found = () if isinstance(events, Ignored) else events
    presses = (e.press for e in found if isinstance(e, ButtonPressed | CommandInvoked))
    return tuple(press for press in presses if press is not None)


async def _offered(delivery: Delivery, ingest: Ingest) -> Receipt:
    """Offer a delivery until there is room for it."""
    attempt = 0
    while (receipt := await ingest(delivery)) is Receipt.BUSY:
        await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
        attempt += 1
    return receipt
