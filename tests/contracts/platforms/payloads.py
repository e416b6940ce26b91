"""What each platform sends, and its parser: recorded payloads, or lines of our own protocols."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from platforms.discord.parse import parse as parse_discord
from platforms.events import Ignored, InboundEvent
from platforms.slack.parse import parse as parse_slack
from platforms.slack.reading import Identity as SlackIdentity
from platforms.slack.reading import Index
from platforms.telegram.parse import parse as parse_telegram
from platforms.telegram.reading import Identity as TelegramIdentity
from platforms.terminal.parse import Person, chat_of
from platforms.terminal.parse import parse as parse_terminal
from platforms.web.parse import parse as parse_web
from tests.platforms.discord import described as discord
from tests.platforms.slack import test_parse as slack
from tests.platforms.telegram import test_parse as telegram

Found = tuple[InboundEvent, ...] | Ignored
FIXTURES = Path(__file__).parents[2] / "fixtures"
AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = "5f0f3a52-1c07-4a7e-8d3a-6f2f0f4b7c22"
CHAT = "0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11"
ANN = Person(uid=1000, login="ann")

_OTHER_ID = "999"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payloads:
    """Payloads by name; `parse` reads one, `elsewhere` reads it for another credential or person.

    `parse` gives the same result for the same payload.
    """

    cases: Mapping[str, Any]
    parse: Callable[[Any], Found]
    elsewhere: Callable[[Any], Found]


def _recorded(platform: str, field: str) -> dict[str, Any]:
    found = sorted((FIXTURES / platform).glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8"))[field] for path in found}


def _slack(us: SlackIdentity) -> Callable[[Any], Found]:
    index = Index(us=us, people=slack.INDEX.people)
    return lambda payload: parse_slack(payload, index, now=AT)


def _discord(account_id: str) -> Callable[[Any], Found]:
    us = replace(discord.US, account=replace(discord.US.account, id=account_id))
    return lambda event: parse_discord(event, us, discord.directory())


def _telegram(us: TelegramIdentity) -> Callable[[Any], Found]:
    return lambda update: parse_telegram(update, us, now=AT)


def _terminal(person: Person) -> Callable[[Any], Found]:
    def parsed(act: Any) -> Found:
        line = act if isinstance(act, bytes) else json.dumps(act).encode()
        chat = chat_of(person.uid)
        return parse_terminal(line, person=person, chat=chat, at=AT, sequence=0)

    return parsed


def _web(user: str | None) -> Callable[[Any], Found]:
    def parsed(payload: Any) -> Found:
        if user is not None and isinstance(payload, dict):
            payload = {**payload, "user": user}
        return parse_web(payload)

    return parsed


_ENVELOPE = {"user": "local", "chat": CHAT, "key": KEY, "at": AT.isoformat(), "order": [1, 2]}
_FILE = {"name": "a.png", "mime": "image/png", "bytes": 7, "blob": "ab" * 32}
_WEB = {
    "message": {"kind": "message", "text": "hello", "languages": "de,en;q=0.8"},
    "message_with_file": {"kind": "message", "text": "look", "files": [_FILE]},
    "stop": {"kind": "stop"},
    "press": {"kind": "press", "message": "m1", "payload": "a:1"},
    "form": {"kind": "form", "card": "m1", "form": "f1", "values": {"reason": "no"}},
}
_TERMINAL = {
    "say": {"say": {"key": KEY, "text": "hello"}},
    "say_with_file": {"say": {"key": KEY, "text": "look", "files": [_FILE]}},
    "press": {"press": {"key": KEY, "message": "m1", "payload": "a:1"}},
}

PAYLOADS: Mapping[str, Payloads] = {
    "slack": Payloads(
        cases=_recorded("slack", "payload"),
        parse=_slack(slack.US),
        elsewhere=_slack(replace(slack.US, account=replace(slack.US.account, id=_OTHER_ID))),
    ),
    "discord": Payloads(
        cases=_recorded("discord", "event"),
        parse=_discord(discord.US.account.id),
        elsewhere=_discord(_OTHER_ID),
    ),
    "telegram": Payloads(
        cases=_recorded("telegram", "update"),
        parse=_telegram(telegram.US),
        elsewhere=_telegram(replace(telegram.US, account=replace(telegram.US.account, id="999"))),
    ),
    "web": Payloads(
        cases={name: {**_ENVELOPE, **more} for name, more in _WEB.items()},
        parse=_web(None),
        elsewhere=_web("ben"),
    ),
    "terminal": Payloads(
        cases=_TERMINAL,
        parse=_terminal(ANN),
        elsewhere=_terminal(Person(uid=2000, login="ben")),
    ),
}


def raw_of(payload: Any) -> bytes:
    """What a delivery of it holds."""
    return payload if isinstance(payload, bytes) else orjson.dumps(payload)
