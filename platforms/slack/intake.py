"""From one payload to the journal: the step both ways in share."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

import orjson

from platforms.base import Ingest
from platforms.events import Delivery, Receipt
from platforms.fields import Body, mapping
from platforms.slack.limits import ACK_LIMIT_S
from platforms.slack.parse import Identity, Index, mentioned_people, parse
from platforms.slack.people import People

log = logging.getLogger(__name__)

_UNINSTALLED = "the Slack app was removed from the workspace; install it again"
_REVOKED = "Slack has revoked the bot's token; reinstall the app and take a new one"


class Intake:
    """Parses and ingests payloads while open; `ended` returns why nothing more will come."""

    def __init__(
        self,
        us: Identity,
        people: People,
        ingest: Ingest,
        *,
        now: Callable[[], datetime],
        ack_limit_s: float = ACK_LIMIT_S,
    ) -> None:
        self._us = us
        self._index = Index(us=us, people=people)
        self._people = people
        self._ingest = ingest
        self._now = now
        self._ack_limit_s = ack_limit_s
        self._running: set[asyncio.Task[object]] = set()
        self._open = True
        self._end = asyncio.Event()
        self._end_reason = ""

    async def ended(self) -> str:
        """Wait until Slack has said that our access is over, and say how."""
        await self._end.wait()
        return self._end_reason

    async def take(self, payload: object) -> Receipt:
        """Hand one payload to the journal; BUSY after the time Slack gives us, or when closed."""
        task = asyncio.current_task()
        if not self._open or task is None:
            return Receipt.BUSY
        self._running.add(task)
        try:
            return await self._take(payload)
        finally:
            self._running.discard(task)

    async def _take(self, payload: object) -> Receipt:
        try:
            async with asyncio.timeout(self._ack_limit_s):
                await self._people.know(set(mentioned_people(payload)) - {self._us.user_id})
                events = parse(payload, self._index, now=self._now())
                receipt = await self._ingest(
                    Delivery(account=self._us.account, raw=raw_bytes(payload), events=events)
                )
        except TimeoutError:
            log.warning("slack: the journal was too slow; Slack will deliver this again")
            return Receipt.BUSY
        if receipt is not Receipt.BUSY:
            self._note_end(payload)
        return receipt

    def _note_end(self, payload: object) -> None:
        event = mapping(payload, "event") if isinstance(payload, Mapping) else {}
        match event.get("type"):
            case "app_uninstalled":
                self._end_reason = _UNINSTALLED
            case "tokens_revoked" if self._us.user_id in _revoked_bots(event):
                self._end_reason = _REVOKED
            case _:
                return
        self._end.set()

    async def close(self, patience_s: float) -> None:
        """Take nothing more; what is under way may finish within `patience_s`, no longer."""
        self._open = False
        running = set(self._running)
        if running:
            _, late = await asyncio.wait(running, timeout=patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _revoked_bots(event: Body) -> tuple[object, ...]:
    """Users of revoked bot tokens; tokens of people are none of ours."""
    bots = mapping(event, "tokens").get("bot")
    return tuple(bots) if isinstance(bots, list) else ()


def raw_bytes(payload: object) -> bytes:
    """The payload as it is kept, without the app's old verification token."""
    if isinstance(payload, Mapping) and "token" in payload:
        payload = {name: value for name, value in payload.items() if name != "token"}
    try:
        return orjson.dumps(payload)
    except TypeError:
        pass
    try:
        return json.dumps(payload, default=str).encode()
    except (ValueError, RecursionError):  # a number of thousands of digits, or too deep a nest
        return b"unreadable"
