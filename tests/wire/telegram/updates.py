"""The queue between the chats and the bot, and its two ways out: long polls and a webhook.

An update stays until an offset above it or a 2xx of the webhook confirms it. Only one poll waits
at a time: a second one ends the first with 409. Source: Client.cpp and WebhookActor.cpp of the
open-source Bot API server.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.wire.telegram.rules import Refusal, bad

OTHER_POLL = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is "
    "running"
)
BY_WEBHOOK = "Conflict: terminated by setWebhook request"
WEBHOOK_SET = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete "
    "the webhook first"
)
DEFAULT_KINDS = frozenset({"message", "edited_message", "callback_query", "my_chat_member"})
RETRY_DELAYS = (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)


@dataclass(slots=True)
class Pending:
    """An update nobody has confirmed."""

    id: int
    place: str
    payload: Any
    failed: int = 0


@dataclass(slots=True)
class Webhook:
    """Where updates are pushed, and how that went."""

    url: str
    secret: str | None
    connections: int
    last_error: str | None = None
    last_error_at: int | None = None


@dataclass(slots=True)
class Updates:
    """Unconfirmed updates in order of their ids."""

    clock: Callable[[], float] = time.monotonic
    conflict_gap_s: float = 3.0
    longest_poll_s: float = 50.0
    next_id: int = 100_001
    kinds: frozenset[str] = DEFAULT_KINDS
    pending: dict[int, Pending] = field(default_factory=dict)
    webhook: Webhook | None = None
    _waiter: asyncio.Future[None] | None = None
    _last_offset: int | None = None
    _last_poll: float = float("-inf")
    _next_conflict: float = float("-inf")
    _pusher: "Pusher | None" = None

    def add(self, kind: str, body: Any, *, place: str) -> int | None:
        """Queues an update of a subscribed kind; returns its id, or None if nobody asked for it."""
        if kind not in self.kinds:
            return None
        return self.put({kind: body}, place=place)

    def put(self, payload: Any, *, place: str, update_id: int | None = None) -> int:
        """Queues a payload as it is; an object gets its update id."""
        chosen = self.next_id if update_id is None else update_id
        if update_id is None:
            self.next_id += 1
        if isinstance(payload, dict):
            payload = {"update_id": chosen, **payload}
        self.pending[chosen] = Pending(id=chosen, place=place, payload=payload)
        self._wake()
        return chosen

    def use_pusher(self, pusher: "Pusher") -> None:
        """Where pushed updates go once a webhook is set."""
        self._pusher = pusher

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self._pusher is not None:
            self._pusher.kick()

    async def poll(
        self, offset: int, limit: int, timeout: float, *, deaf: bool = False
    ) -> list[Any]:
        """One getUpdates: confirms below `offset`, waits up to `timeout` seconds for the first."""
        await self._conflict_if_taken()
        now = self.clock()
        if offset == self._last_offset and now < self._last_poll + 0.5:
            limit = 1
        self._last_offset, self._last_poll = offset, now
        known = not self.pending or offset <= max(self.pending) + 11
        if offset > 0 and known:
            for update_id in [update_id for update_id in self.pending if update_id < offset]:
                del self.pending[update_id]
        if deaf or not self.pending:
            await self._wait(min(timeout, self.longest_poll_s))
        if deaf:
            return []
        ordered = sorted(self.pending)
        return [self.pending[update_id].payload for update_id in ordered[: max(1, min(limit, 100))]]

    async def _conflict_if_taken(self) -> None:
        if self.webhook is not None:
            await asyncio.sleep(self._until_conflict())
            raise Refusal(409, WEBHOOK_SET)
        self._end_waiting(OTHER_POLL)

    def _end_waiting(self, words: str) -> None:
        """Ends the waiting poll with a 409, not more often than every three seconds."""
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return

        def end() -> None:
            if not waiter.done():
                waiter.set_exception(Refusal(409, words))

        waiter.get_loop().call_later(self._until_conflict(), end)

    def _until_conflict(self) -> float:
        now = self.clock()
        wait = max(0.0, self._next_conflict - now)
        self._next_conflict = now + wait + self.conflict_gap_s
        return wait

    async def _wait(self, seconds: float) -> None:
        if seconds <= 0:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiter = waiter
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            if self._waiter is waiter:
                self._waiter = None

    def set_webhook(self, webhook: Webhook | None) -> None:
        """Turns pushing on or off; a waiting poll ends with 409."""
        self.webhook = webhook
        if webhook is not None:
            self._end_waiting(BY_WEBHOOK)
        if self._pusher is not None:
            self._pusher.kick()

    def release(self) -> None:
        """Ends a waiting poll with what there is: the server closes."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def info(self) -> dict[str, Any]:
        """The state as `WebhookInfo`."""
        hook = self.webhook
        result: dict[str, Any] = {
            "url": hook.url if hook else "",
            "has_custom_certificate": False,
            "pending_update_count": len(self.pending),
            "allowed_updates": sorted(self.kinds),
        }
        if hook is not None:
            result["max_connections"] = hook.connections
            if hook.last_error is not None:
                result["last_error_message"] = hook.last_error
                result["last_error_date"] = hook.last_error_at
        return result


def webhook_from(url: str, secret: str | None, connections: int) -> Webhook:
    """A checked webhook; plain HTTP is allowed on loopback only."""
    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if secret is not None and not (
        1 <= len(secret) <= 256 and all(c.isascii() and (c.isalnum() or c in "_-") for c in secret)
    ):
        raise bad("bad webhook: secret token contains unallowed characters")
    return Webhook(url=url, secret=secret, connections=connections)


class Pusher:
    """Posts updates to the webhook: in order per chat, again after 0, 2, 4 .. 60 seconds.

    The retry clock stands still until `advance` moves it, unless `real_time` is set.
    """

    def __init__(
        self,
        updates: Updates,
        note: Callable[[dict[str, Any], int, bytes], Awaitable[None]],
        *,
        real_time: bool,
    ) -> None:
        self._updates = updates
        self._note = note
        self._real_time = real_time
        self._moved = 0.0
        self._kicked = asyncio.Event()
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        """Begins to push whatever the webhook is set to."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        self._task = asyncio.create_task(self._run(), name="telegram-pusher")

    async def stop(self) -> None:
        """Ends every push."""
        tasks = [task for task in (self._task, *self._lanes.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def kick(self) -> None:
        """Something changed: an update, the webhook or the clock."""
        self._kicked.set()

    def advance(self, seconds: float) -> None:
        """Moves the retry clock on."""
        self._moved += seconds
        self.kick()

    def _now(self) -> float:
        return self._moved + (time.monotonic() if self._real_time else 0.0)

    async def _run(self) -> None:
        due: dict[str, float] = {}
        while True:
            self._kicked.clear()
            if self._updates.webhook is not None:
                self._open_lanes(due)
            waits = [at - self._now() for at in due.values() if at > self._now()]
            pause = min(waits) if waits and self._real_time else None
            try:
                async with asyncio.timeout(pause):
                    await self._kicked.wait()
            except TimeoutError:
                pass

    def _open_lanes(self, due: dict[str, float]) -> None:
        heads: dict[str, deque[Pending]] = {}
        for pending in sorted(self._updates.pending.values(), key=lambda item: item.id):
            heads.setdefault(pending.place, deque()).append(pending)
        for place, waiting in heads.items():
            lane = self._lanes.get(place)
            if (lane is None or lane.done()) and due.get(place, 0.0) <= self._now():
                self._lanes[place] = asyncio.create_task(self._push(place, waiting[0], due))

    async def _push(self, place: str, pending: Pending, due: dict[str, float]) -> None:
        hook = self._updates.webhook
        if hook is None or self._session is None:
            return
        headers = {"Content-Type": "application/json"}
        if hook.secret is not None:
            headers["X-Telegram-Bot-Api-Secret-Token"] = hook.secret
        status, answer = 0, b""
        try:
            body = json.dumps(pending.payload).encode()
            async with self._session.post(hook.url, data=body, headers=headers) as response:
                status, answer = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as exc:
            hook.last_error = type(exc).__name__
        if 200 <= status < 300:
            self._updates.pending.pop(pending.id, None)
            due.pop(place, None)
        else:
            if status:
                hook.last_error = f"Wrong response from the webhook: {status}"
            hook.last_error_at = int(time.time())
            due[place] = self._now() + RETRY_DELAYS[min(pending.failed, len(RETRY_DELAYS) - 1)]
            pending.failed += 1
        await self._note({"update": pending.payload, "place": place}, status, answer)
        self._lanes.pop(place, None)
        self.kick()
