"""From one payload to the journal: the step both ways in share."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import orjson

from platforms.base import Ingest
from platforms.events import Delivery, Ignored, InboundEvent, MessageReceived, Receipt
from platforms.fields import Body, identifier, integer, mapping, truth
from platforms.slack.assistant import AssistantView
from platforms.slack.gaps import Gaps, Missed
from platforms.slack.limits import ACK_LIMIT_S
from platforms.slack.openings import Shortcuts
from platforms.slack.parse import mentioned_people, of_nobody, parse
from platforms.slack.places import Places
from platforms.slack.reading import Identity, Index
from platforms.slack.workspaces import Workspace, Workspaces

log = logging.getLogger(__name__)

_UNINSTALLED = "the Slack app was removed from the workspace; install it again"
_NOTICE_AGE_MAX_S = 3_600
_REVOKED = "Slack has revoked the bot's token; reinstall the app and take a new one"


PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Between two offers of a message that was read back; nobody else would bring it again."""


class Intake:
    """Parses and ingests payloads while open."""

    def __init__(
        self,
        workspaces: Workspaces,
        ingest: Ingest,
        *,
        places: Places,
        gaps: Gaps,
        uploads: Mapping[str, str],
        assistant: AssistantView,
        shortcuts: Shortcuts,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        ack_limit_s: float = ACK_LIMIT_S,
    ) -> None:
        self._workspaces = workspaces
        self._uploads = uploads
        self._assistant = assistant
        self._shortcuts = shortcuts
        self._places = places
        self._gaps = gaps
        self._sleep = sleep
        self._ingest = ingest
        self._now = now
        self._ack_limit_s = ack_limit_s
        self._running: set[asyncio.Task[object]] = set()
        self._open = True

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
        home = self._home(payload)
        try:
            async with asyncio.timeout(self._ack_limit_s):
                events = await self._read(payload, home)
                account = self._workspaces.account
                receipt = await self._ingest(
                    Delivery(account=account, raw=raw_bytes(payload), events=events)
                )
        except TimeoutError:
            log.warning("slack: the journal was too slow; Slack will deliver this again")
            return Receipt.BUSY
        if receipt is Receipt.STORED:
            self._note(events)
        if receipt is not Receipt.BUSY and isinstance(payload, Mapping) and home is not None:
            self._heed(payload, home)
            self._assistant.heed(payload, home)
            self._shortcuts.heed(payload, home)
            for event in () if isinstance(events, Ignored) else events:
                if isinstance(event, MessageReceived) and event.thread_kind == "topic":
                    self._assistant.spoken(event, home)
        return receipt

    async def _read(
        self, payload: object, home: Workspace | None, *, late: bool = False
    ) -> tuple[InboundEvent, ...] | Ignored:
        """What a payload says, once those it names are known."""
        if home is None:
            return of_nobody(payload)
        await home.people.know(set(mentioned_people(payload)) - {home.us.user_id})
        index = Index(
            us=home.us,
            teams=self._workspaces.teams,
            people=home.people,
            uploads=self._uploads,
        )
        return parse(payload, index, now=self._now(), late=late)

    def _home(self, payload: object) -> Workspace | None:
        """The workspace a payload is for.

        A channel several of ours share stays with the one through which it was first stored, so
        that its threads are one conversation each.
        """
        if not isinstance(payload, Mapping):
            return self._workspaces.first
        home, event = self._workspaces.of(payload), mapping(payload, "event")
        if home is None or not truth(payload, "is_ext_shared_channel"):
            return home
        channel = identifier(event, "channel") or identifier(mapping(event, "item"), "channel")
        first = self._places.space_of(channel or "")
        return next((each for each in self._workspaces if each.us.space == first), home)

    async def read_back(self, home: Workspace, channel: str, message: Body) -> bool:
        """Store a message found in a channel's history; whether it was stored now.

        Waits until there is room for it.
        """
        payload = as_event(home.us, channel, message)
        events = await self._read(payload, home, late=True)
        if isinstance(events, Ignored):
            return False
        if all(self._places.has_stored(event.logical_key) for event in events):
            return False
        delivery = Delivery(account=home.us.account, raw=raw_bytes(payload), events=events)
        attempt = 0
        while (receipt := await self._ingest(delivery)) is Receipt.BUSY:
            await self._sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
            attempt += 1
        if receipt is Receipt.STORED:
            self._note(events)
        return receipt is Receipt.STORED

    def _note(self, events: tuple[InboundEvent, ...] | Ignored) -> None:
        """Remember where messages were stored."""
        for event in () if isinstance(events, Ignored) else events:
            if isinstance(event, MessageReceived):
                self._places.note(event)

    def _heed(self, payload: Body, home: Workspace) -> None:
        """Slack's words about itself: it holds events back, or our access is over."""
        if payload.get("type") == "app_rate_limited":
            self._held_back(payload)
        event = mapping(payload, "event")
        match event.get("type"):
            case "app_uninstalled":
                self._workspaces.lose(home, _UNINSTALLED)
            case "tokens_revoked" if home.us.user_id in _revoked_bots(event):
                self._workspaces.lose(home, _REVOKED)
            case _:
                return

    def _held_back(self, payload: Body) -> None:
        """A whole minute of events will never come. Source: the app_rate_limited event."""
        minute = integer(payload, "minute_rate_limited")
        now = self._now()
        if minute is None or abs(now.timestamp() - minute) > _NOTICE_AGE_MAX_S:
            since = now.replace(second=0, microsecond=0)
        else:
            since = datetime.fromtimestamp(minute, tz=UTC)
        until = since + timedelta(minutes=1)
        log.warning("slack: too many events in the minute %s; it will be read back", since)
        self._gaps.add(Missed(since=since, until=until, cause="rate notice"))

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


def as_event(us: Identity, channel: str, message: Body) -> Body:
    """A message of history as the event it was.

    History does not say whether a channel is shared with another organisation, so it is taken for
    one: who belongs to an unknown workspace is external.
    """
    return {
        "type": "event_callback",
        "team_id": us.space,
        "event_id": f"history:{channel}:{message.get('ts')}",
        "is_ext_shared_channel": True,
        "event": {"type": "message", "event_ts": message.get("ts"), **message, "channel": channel},
    }


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
