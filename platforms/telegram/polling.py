"""Long polling: raw updates in, the offset moved only when the whole batch is stored.

Not the SDK's updater, which confirms updates it holds in memory, and not its `get_updates`, which
raises for a whole batch when one update is malformed, again and again.

    poll -> batch -> every update STORED or UNWANTED -> offset = highest id + 1 -> poll
                  -> any BUSY                        -> same offset after a pause
         -> 409   -> the second within a minute: somebody else uses this token, stop
         -> broken -> new connections; after three in a row the caller connects anew

A poll that looks alive and brings nothing is found out by asking getWebhookInfo what waits: twice
something, and no update in between, means new connections as well.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from telegram import Bot
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError
from telegram.request import BaseRequest

from platforms.errors import CredentialsRejected, PlatformUnavailable
from platforms.events import Liveness, Receipt
from platforms.fields import integer
from platforms.telegram.errors import classify_error, retry_after_s
from platforms.telegram.intake import Intake, place_of
from platforms.telegram.limits import POLL_BATCH, POLL_TIMEOUT_S
from platforms.telegram.parse import KINDS
from platforms.telegram.request import AiohttpRequest

log = logging.getLogger(__name__)

FAILURES_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Times of the polling loop, in seconds. `answer` is what a poll may take beyond its wait."""

    wait_s: int = POLL_TIMEOUT_S
    answer_s: float = 15.0
    busy_s: float = 1.0
    retry_s: float = 1.0
    conflict_s: float = 1.0
    conflict_memory_s: float = 60.0
    probe_s: float = 60.0


@dataclass(slots=True)
class Poller:
    """The polling loop of one bot. `next_offset` outlives a run: it names what is stored."""

    bot: Bot
    pace: Pace
    clock: Callable[[], float] = time.monotonic
    next_offset: int = 0
    request: BaseRequest = field(default_factory=lambda: AiohttpRequest(connections=1))
    _completed_at: float | None = None
    _failures: int = 0
    _conflict_at: float | None = None
    _probed_at: float = 0.0
    _unheard: bool = False

    async def run(self, intake: Intake) -> None:
        """Poll until cancelled; raises PlatformUnavailable or CredentialsRejected."""
        await self.request.initialize()
        self._failures, self._probed_at, self._unheard = 0, self.clock(), False
        try:
            while True:
                await self._turn(intake)
        finally:
            self._completed_at = None
            await self.request.shutdown()

    def liveness(self) -> Liveness:
        """Alive while polls complete."""
        alive = self._completed_at is not None and self._failures == 0
        return Liveness(connected=alive, last_frame_at=self._completed_at)

    async def _turn(self, intake: Intake) -> None:
        try:
            batch = await self._poll()
        except (Conflict, InvalidToken, RetryAfter) as error:
            await self._refused(error)
            return
        except (TelegramError, TimeoutError) as error:
            await self._broken(error)
            return
        self._completed_at, self._failures = self.clock(), 0
        if not batch:
            await self._probe()
            return
        self._unheard = False
        await self._store(batch, intake)

    async def _poll(self) -> list[Any]:
        arguments = {
            "offset": self.next_offset,
            "limit": POLL_BATCH,
            "timeout": self.pace.wait_s,
            "allowed_updates": json.dumps(list(KINDS)),
        }
        url = f"{self.bot.base_url}/getUpdates?{urlencode(arguments)}"
        result: Any = await self.request.post(
            url, read_timeout=self.pace.wait_s + self.pace.answer_s
        )
        if not isinstance(result, list):
            raise TelegramError("Invalid server response")
        return result

    async def _store(self, batch: list[Any], intake: Intake) -> None:
        """Chats side by side, each in its own order; a failure leaves the offset where it is."""
        lanes: dict[str, list[Any]] = {}
        for payload in batch:
            lanes.setdefault(place_of(payload), []).append(payload)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_take_all(lane, intake)) for lane in lanes.values()]
        if not all(task.result() for task in tasks):
            await asyncio.sleep(self.pace.busy_s)
            return
        ids = [
            ident
            for payload in batch
            if isinstance(payload, dict) and (ident := integer(payload, "update_id")) is not None
        ]
        if not ids:
            await asyncio.sleep(self.pace.busy_s)  # nothing to confirm by: do not spin
            return
        self.next_offset = max(ids) + 1

    async def _refused(self, error: TelegramError) -> None:
        if isinstance(error, RetryAfter):
            await asyncio.sleep(retry_after_s(error))
            return
        now = self.clock()
        again = (
            self._conflict_at is not None and now - self._conflict_at <= self.pace.conflict_memory_s
        )
        if isinstance(error, Conflict) and not again:
            log.warning("another poll ended ours; trying once more")
            self._conflict_at = now
            await asyncio.sleep(self.pace.conflict_s)
            return
        raise classify_error(error, None) or CredentialsRejected(_words(error)) from error

    async def _broken(self, error: Exception) -> None:
        self._failures += 1
        await self._renew()
        if self._failures >= FAILURES_MAX:
            raise PlatformUnavailable(f"Telegram cannot be polled: {_words(error)}") from error
        log.info("poll failed (%s), again with a new connection", _words(error))
        await asyncio.sleep(self.pace.retry_s)

    async def _probe(self) -> None:
        """After a quiet minute, ask whether anything waits that the polls did not bring."""
        if self.clock() - self._probed_at < self.pace.probe_s:
            return
        self._probed_at = self.clock()
        try:
            waiting = (await self.bot.get_webhook_info()).pending_update_count > 0
        except TelegramError as error:
            log.info("could not ask what waits: %s", _words(error))
            return
        if waiting and self._unheard:
            log.warning("updates wait but polls stay empty; polling with a new connection")
            await self._renew()
            waiting = False
        self._unheard = waiting

    async def _renew(self) -> None:
        await self.request.shutdown()
        await self.request.initialize()


def _words(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__


async def _take_all(payloads: Sequence[Any], intake: Intake) -> bool:
    """Whether every update of a chat may be acknowledged; stops at the first that may not."""
    for payload in payloads:
        if await intake.take(payload) is Receipt.BUSY:
            return False
    return True
