"""Long polling: raw updates in, the offset moved only when the whole batch is stored.

Not the SDK's updater, which confirms updates it holds in memory, and not its `get_updates`, which
raises for a whole batch when one update is malformed, again and again.

    poll -> batch -> every update STORED or UNWANTED -> offset = highest id + 1 -> poll
                  -> any BUSY                        -> same offset after a pause
         -> 409   -> the second within a minute: somebody else uses this token, stop
         -> 429   -> silence for as long as it says
         -> broken, or not completed in time -> new connections; after three in a row the caller
                     connects anew

Deafness is found out by completed polls, not by messages. A poll that completes no more is given
up with its connections, whose end nobody waits for. One that stays empty is checked by asking
getWebhookInfo what waits: twice something, and no update in between, means new connections too.

The first poll of a run and those after a failure do not wait, so that it shows at once that we
hear again. They end with the first empty one: then all that waited is stored, and the outage is
over and told, if it was long enough to matter.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from telegram import Bot
from telegram.error import Conflict, InvalidToken, TelegramError, TimedOut

from platforms.base import OnGap
from platforms.errors import PlatformUnavailable
from platforms.events import Liveness, Receipt
from platforms.fields import integer
from platforms.telegram.errors import as_connection, cause_of, silence_s
from platforms.telegram.intake import Intake, place_of
from platforms.telegram.limits import (
    DEAF_AFTER_S,
    GAP_SHORTEST_S,
    POLL_BATCH,
    POLL_TIMEOUT_S,
    PROBE_EVERY_S,
    UPDATE_ID_MAX,
)
from platforms.telegram.outage import Moment, Outage
from platforms.telegram.parse import KINDS
from platforms.telegram.request import AiohttpRequest
from platforms.telegram.webhook_info import webhook_info

log = logging.getLogger(__name__)

FAILURES_MAX = 3
_ENDING_S = 1.0
"""How long the end of a run waits for connections to close."""

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Times of the way in, in seconds. `answer` is what a poll may take beyond its wait."""

    wait_s: int = POLL_TIMEOUT_S
    answer_s: float = 15.0
    busy_s: float = 1.0
    retry_s: float = 1.0
    conflict_s: float = 1.0
    conflict_memory_s: float = 60.0
    probe_s: float = PROBE_EVERY_S
    deaf_s: float = DEAF_AFTER_S
    gap_s: float = GAP_SHORTEST_S


@dataclass(slots=True)
class Poller:
    """The polling loop of one bot.

    `next_offset` outlives a run: it names what is stored. So does an outage that is not over.
    """

    bot: Bot
    pace: Pace
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Sleep = asyncio.sleep
    on_gap: OnGap | None = None
    next_offset: int = 0
    _request: AiohttpRequest = field(default_factory=lambda: AiohttpRequest(connections=1))
    _catching_up: bool = True
    _hears: bool = False
    _heard: Moment | None = None
    _outage: Outage | None = None
    _failures: int = 0
    _conflict_at: float | None = None
    _probed_at: float = 0.0
    _unheard: Moment | None = None
    _ending: set[asyncio.Future[Any]] = field(default_factory=set)

    async def run(self, intake: Intake) -> None:
        """Poll until cancelled; raises PlatformUnavailable or CredentialsRejected."""
        self._failures, self._unheard, self._catching_up = 0, None, True
        self._probed_at = self.clock()
        try:
            while True:
                await self._turn(intake)
        finally:
            self._hears = False
            await self.close()

    async def close(self) -> None:
        """Close every connection; may be called twice."""
        self._let_end(self._request.shutdown())
        await asyncio.wait(self._ending, timeout=_ENDING_S)

    def liveness(self) -> Liveness:
        """Alive while polls complete."""
        return Liveness(
            connected=self._hears,
            last_frame_at=None if self._heard is None else self._heard.at,
            gap_since=None if self._outage is None else self._outage.since.at,
        )

    async def _turn(self, intake: Intake) -> None:
        try:
            batch = await self._poll()
        except (TelegramError, TimeoutError) as error:
            await self._failed(error)
            return
        self._heard, self._hears, self._failures = self._moment(), True, 0
        if batch:
            self._unheard = None
            await self._store(batch, intake)
        else:
            self._catching_up = False
            if self._outage is not None and not self._outage.deaf:
                await self._end_outage(intake)
            await self._probe(intake)

    # One poll

    async def _poll(self) -> list[Any]:
        """One batch. A poll that ends in no way of its own is given up, not waited for."""
        await self._request.initialize()
        poll = asyncio.ensure_future(self._ask())
        watch = asyncio.ensure_future(self.sleep(self.pace.deaf_s))
        try:
            await asyncio.wait((poll, watch), return_when=asyncio.FIRST_COMPLETED)
            if poll.done():
                return poll.result()
            raise TimedOut(f"no poll has completed for {self.pace.deaf_s:g} s")
        finally:
            for task in (poll, watch):
                task.cancel()
                self._let_end(task)

    async def _ask(self) -> list[Any]:
        wait_s = 0 if self._catching_up else self.pace.wait_s
        arguments = {
            "offset": self.next_offset,
            "limit": POLL_BATCH,
            "timeout": wait_s,
            "allowed_updates": json.dumps(list(KINDS)),
        }
        url = f"{self.bot.base_url}/getUpdates?{urlencode(arguments)}"
        result: Any = await self._request.post(url, read_timeout=wait_s + self.pace.answer_s)
        if not isinstance(result, list):
            raise TelegramError("Invalid server response")
        return result

    def _renew(self) -> None:
        """New connections at once; the old ones end by themselves, if they can."""
        self._let_end(self._request.shutdown())
        self._request = AiohttpRequest(connections=1)
        self._catching_up = True

    def _let_end(self, ending: asyncio.Future[Any] | Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(ending)
        self._ending.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._ending.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, or asyncio reports it as forgotten

    # A batch

    async def _store(self, batch: list[Any], intake: Intake) -> None:
        """Chats side by side, each in its own order; a failure leaves the offset where it is."""
        lanes: dict[str, list[Any]] = {}
        for payload in batch:
            lanes.setdefault(place_of(payload), []).append(payload)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_take_all(lane, intake)) for lane in lanes.values()]
        ids = [found for payload in batch if (found := _update_id(payload)) is not None]
        if not ids or not all(task.result() for task in tasks):
            # BUSY, or nothing to confirm by. Sooner, the same batch would only come again.
            await self.sleep(self.pace.busy_s)
            return
        self.next_offset = max(ids) + 1
        if self._outage is not None:
            messages = sum("message" in payload for payload in batch if isinstance(payload, dict))
            self._outage = self._outage.stored(messages)

    # What goes wrong

    async def _failed(self, error: Exception) -> None:
        self._hears, self._catching_up = False, True
        self._lose(cause_of(error))
        if (pause := silence_s(error)) is not None:
            log.info("told to be silent for %g s", pause)
            await self.sleep(pause)
        elif isinstance(error, Conflict):
            await self._conflict(error)
        else:
            await self._broken(error)

    async def _conflict(self, error: Conflict) -> None:
        """Once may be our own last poll, of before a restart; twice is somebody else."""
        now, before = self.clock(), self._conflict_at
        if before is not None and now - before <= self.pace.conflict_memory_s:
            raise as_connection(error) from error
        log.warning("another poll ended ours; trying once more")
        self._conflict_at = now
        await self.sleep(self.pace.conflict_s)

    async def _broken(self, error: Exception) -> None:
        if isinstance(error, InvalidToken):
            raise as_connection(error) from error
        self._failures += 1
        self._renew()
        if self._failures >= FAILURES_MAX:
            raise PlatformUnavailable(f"Telegram cannot be polled: {_words(error)}") from error
        log.info("poll failed (%s), again with a new connection", _words(error))
        await self.sleep(self.pace.retry_s)

    async def _probe(self, intake: Intake) -> None:
        """After a quiet minute, ask whether anything waits that the polls did not bring."""
        if self.clock() - self._probed_at < self.pace.probe_s:
            return
        self._probed_at = self.clock()
        try:
            info = await webhook_info(self.bot)
        except TelegramError as error:
            log.info("could not ask what waits: %s", _words(error))
            return
        if not info.waiting:
            self._unheard = None
            await self._end_outage(intake)
        elif self._unheard is None:
            self._unheard = self._moment()
        else:
            log.warning("updates wait but polls stay empty; polling with a new connection")
            self._lose("polls stayed empty", since=self._unheard, deaf=True)
            self._renew()

    # Outages

    def _lose(self, cause: str, *, since: Moment | None = None, deaf: bool = False) -> None:
        """Nothing is heard any more, since the last completed poll if nobody knows better."""
        if self._outage is None:
            since = since or self._heard or self._moment()
            self._outage = Outage(since=since, cause=cause, deaf=deaf)

    async def _end_outage(self, intake: Intake) -> None:
        """All that waited is stored. Forgotten only after it is told: a failure tells it again."""
        if self._outage is None:
            return
        gap = self._outage.gap(intake.account, self._moment(), shortest_s=self.pace.gap_s)
        if gap is not None and self.on_gap is not None:
            await self.on_gap(gap)
        self._outage = None

    def _moment(self) -> Moment:
        return Moment(at=self.clock(), wall=self.now())


def _update_id(payload: Any) -> int | None:
    """The id to confirm by. Any other number would drop what waits: a negative offset counts
    from the end of the queue, and one far above it is none of its ids."""
    ident = integer(payload, "update_id") if isinstance(payload, dict) else None
    return ident if ident is not None and 0 < ident <= UPDATE_ID_MAX else None


def _words(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__


async def _take_all(payloads: Sequence[Any], intake: Intake) -> bool:
    """Whether every update of a chat may be acknowledged; stops at the first that may not."""
    for payload in payloads:
        if await intake.take(payload) is Receipt.BUSY:
            return False
    return True
