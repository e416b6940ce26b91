"""From one raw update to the journal: the step both ways in share."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from platforms.base import Ingest
from platforms.events import Delivery, Receipt
from platforms.fields import identifier, integer, mapping, truth
from platforms.telegram.parse import KINDS, parse
from platforms.telegram.reading import Identity

_FORUMS_MAX = 10_000


class Intake:
    """Parses and ingests updates; knows which chats are forums, for the sign of life there."""

    def __init__(self, us: Identity, ingest: Ingest, *, now: Callable[[], datetime]) -> None:
        self.account = us.account
        self._us = us
        self._ingest = ingest
        self._now = now
        self.forums: dict[str, None] = {}

    async def take(self, payload: object) -> Receipt:
        """Hand one update to the journal; whatever it is, it is acknowledged by the receipt."""
        self._note_forum(payload)
        events = parse(payload, self._us, now=self._now())
        return await self._ingest(
            Delivery(account=self._us.account, raw=raw_bytes(payload), events=events)
        )

    def _note_forum(self, payload: object) -> None:
        if not isinstance(payload, dict):
            return
        for kind in KINDS:
            chat = mapping(mapping(payload, kind), "chat")
            if truth(chat, "is_forum") and len(self.forums) < _FORUMS_MAX:
                self.forums[str(integer(chat, "id"))] = None


def place_of(payload: Any) -> str:
    """What must stay in order: the chat of an update, or all of those without one together."""
    if isinstance(payload, dict):
        for kind in KINDS:
            body = mapping(payload, kind)
            chat = integer(mapping(body, "chat"), "id")
            if chat is not None:
                return str(chat)
            if identifier(body, "id") is not None:
                return f"press {integer(mapping(body, 'from'), 'id')}"
    return ""


def raw_bytes(payload: object) -> bytes:
    """The update as it is kept; what orjson refuses is kept with escapes."""
    try:
        return orjson.dumps(payload)
    except TypeError:
        pass
    try:
        return json.dumps(payload, default=str).encode()
    except (ValueError, RecursionError):  # a number of thousands of digits, or too deep a nest
        return b"unreadable"
