"""Reading back what a gap swallowed: from the history of every known chat into the journal.

Theory of operation. A gap that is over is read chat by chat, the liveliest first, each oldest
first, through the same ingest as live events and beside them. Read are channels messages were
stored of, and of their threads those that were active in 24 hours: known ones, and the ones
history tells of. How far back goes by what was stored before the gap, and six minutes further: for
so long Slack offers a delivery again, and its last tries may lie in the gap. What is known already
is met again there, and is one message by its logical key.

Edits and deletions of that time show as the present text; presses are gone. A chat whose history is
refused is left out with a line in the log. While Slack can't be reached the gap stays open.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from platforms.base import OnGap
from platforms.errors import (
    ChatUnavailable,
    MessageRejected,
    PlatformError,
    RateLimited,
    RightsMissing,
    SendUncertain,
    ThreadGone,
)
from platforms.events import Gap
from platforms.fields import Body, string
from platforms.slack.api import Json
from platforms.slack.gaps import Gaps, Missed
from platforms.slack.history import Call, read_channel, read_thread
from platforms.slack.limits import (
    BACKFILL_AGE,
    BACKFILL_BURST,
    BACKFILL_INTERVAL_S,
    BACKFILL_MESSAGES,
    BACKFILL_OVERLAP,
)
from platforms.slack.places import Channel, Places
from platforms.slack.stamps import is_stamp, order, stamp_of, time_of
from platforms.slack.workspaces import Workspace, Workspaces

log = logging.getLogger(__name__)

TRIES_S = (1.0, 5.0, 15.0, 30.0)
"""Pauses between tries of one call that is answered in a way nobody understands."""

AGAIN_S = 30.0
"""Between two attempts at a gap while Slack can't be reached."""

Offer = Callable[[Workspace, str, Body], Awaitable[bool]]
"""Stores a message of a workspace's channel; says whether it was stored now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What a read needs beside its gap; `now` is the wall clock, `clock` only moves forward."""

    workspaces: Workspaces
    places: Places
    gaps: Gaps
    offer: Offer
    on_gap: OnGap | None
    now: Callable[[], datetime]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


class Backfill:
    """The one reader of the gaps."""

    def __init__(self, reader: Reader) -> None:
        self._with = reader
        self._free_at: dict[tuple[str, str], float] = {}

    async def run(self) -> None:
        """Read gaps back until cancelled; one that was broken off is read again."""
        while True:
            missed = await self._with.gaps.next(self._with.sleep)
            try:
                recovered = await self._read(missed)
                self._with.gaps.done()
                await self._report(missed, recovered)
            except PlatformError as error:
                log.warning("slack: a gap can't be read back yet: %s", error)
                await self._with.sleep(AGAIN_S)
            except Exception:
                log.exception("slack: reading back failed; live messages go on")
                await self._with.sleep(AGAIN_S)

    async def _report(self, missed: Missed, recovered: int | None) -> None:
        log.info(
            "slack: a gap of %.0f s is over (%s): %s messages read back",
            (missed.until - missed.since).total_seconds(),
            missed.cause,
            "no" if recovered is None else recovered,
        )
        if self._with.on_gap is not None:
            gap = Gap(
                account=self._with.workspaces.account,
                since=missed.since,
                until=missed.until,
                cause=missed.cause,
                recovered=recovered,
            )
            await self._with.on_gap(gap)

    async def _read(self, missed: Missed) -> int | None:
        """Read every chat; how many messages came in, or None where no chat could be read."""
        channels = self._with.places.channels()
        counts = []
        for channel in channels:
            try:
                counts.append(await self._read_chat(channel, missed))
            except (RightsMissing, ChatUnavailable, MessageRejected, SendUncertain) as error:
                log.warning("slack: %s/%s can't be read back: %s", *channel, error)
        return None if channels and not counts else sum(counts)

    async def _read_chat(self, channel: Channel, missed: Missed) -> int:
        """A channel and its threads as one list, oldest first."""
        workspace, ident = self._with.workspaces.at(channel[0]), channel[1]
        call: Call = partial(self._call, workspace)
        day_ago = self._with.now() - BACKFILL_AGE
        shown = await read_channel(call, ident, oldest=stamp_of(day_ago), most=BACKFILL_MESSAGES)
        floor = _floor(missed, channel, None, day_ago)
        found = [message for message in shown if order(message["ts"]) > order(floor)]
        for root in self._threads(channel, shown, missed, day_ago):
            floor = _floor(missed, channel, root, day_ago)
            try:
                found += await read_thread(call, ident, root, oldest=floor, most=BACKFILL_MESSAGES)
            except ThreadGone:
                log.info("slack: a thread of %s is gone and can't be read back", ident)
        by_ts = {str(message["ts"]): message for message in found}
        stored = 0
        for ts in sorted(by_ts, key=order):
            new = await self._with.offer(workspace, ident, by_ts[ts])
            stored += new and _is_new(missed, channel, by_ts[ts])
        return stored

    def _threads(
        self, channel: Channel, shown: list[Body], missed: Missed, day_ago: datetime
    ) -> tuple[str, ...]:
        """Threads that may have replies we lack: history tells of those whose root it shows."""
        told = {string(message, "ts"): string(message, "latest_reply") for message in shown}
        known = self._with.places.threads(channel, since=day_ago)
        hidden = [root for root in known if root not in told]
        active = [
            root
            for root, latest in told.items()
            if is_stamp(latest) and order(latest) > order(_floor(missed, channel, root, day_ago))
        ]
        return tuple(dict.fromkeys([*active, *hidden]))

    async def _call(self, workspace: Workspace, method: str, arguments: Json) -> Json:
        """One call at our pace, again as long as it makes sense; raises PlatformError."""
        pauses = iter(TRIES_S)
        while True:
            await self._take_turn(workspace.us.space, method)
            try:
                return await workspace.api.call(method, arguments, as_query=True)
            except RateLimited as error:
                await self._with.sleep(error.retry_after_s)
            except SendUncertain:
                pause = next(pauses, None)
                if pause is None:
                    raise
                await self._with.sleep(pause)

    async def _take_turn(self, space: str, method: str) -> None:
        """Wait so that a method is called BACKFILL_BURST times at once, then at an even pace.

        Each workspace has a budget of its own.
        """
        now = self._with.clock()
        free_at = max(self._free_at.get((space, method), now), now)
        self._free_at[space, method] = free_at + BACKFILL_INTERVAL_S
        wait = free_at - now - (BACKFILL_BURST - 1) * BACKFILL_INTERVAL_S
        if wait > 0:
            await self._with.sleep(wait)


def _floor(missed: Missed, channel: Channel, thread: str | None, day_ago: datetime) -> str:
    """After which message a place is read."""
    known = missed.marks.get((*channel, thread))
    since = missed.since if known is None else min(missed.since, time_of(known))
    return stamp_of(max(since - BACKFILL_OVERLAP, day_ago))


def _is_new(missed: Missed, channel: Channel, message: Body) -> bool:
    """Whether the gap swallowed it; in the overlap before stands what was stored."""
    thread = string(message, "thread_ts")
    ts = str(message["ts"])
    place = (*channel, thread if is_stamp(thread) and thread != ts else None)
    return order(ts) > order(missed.marks.get(place, stamp_of(missed.since)))
