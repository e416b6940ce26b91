"""Inbound events as JSON, for comparison with a fixture file, and the world those files assume."""

from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from platforms.discord.directory import Directory
from platforms.discord.reading import Identity
from platforms.events import Account, Ignored, InboundEvent

US = Identity(
    account=Account(platform="discord", id="1100000000000000002"), user_id="1100000000000000001"
)
GUILD = {
    "id": "41771983423143937",
    "name": "Example",
    "channels": [{"id": "41771983423143939", "type": 0, "name": "general"}],
    "threads": [
        {
            "id": "41771983423149999",
            "type": 11,
            "name": "details",
            "parent_id": "41771983423143939",
        }
    ],
    "roles": [
        {"id": "41771983423143950", "name": "Crew", "tags": {}},
        {"id": "41771983423143951", "name": "gatepost", "tags": {"bot_id": US.user_id}},
    ],
}


def directory() -> Directory:
    """A directory that was told of the guild in the fixtures."""
    found = Directory(user_id=US.user_id)
    found.learn("GUILD_CREATE", GUILD)
    return found


def described(result: tuple[InboundEvent, ...] | Ignored) -> list[Any]:
    """Each event as its class name and every field that differs from its default."""
    events = (result,) if isinstance(result, Ignored) else result
    return [{"is": type(event).__name__} | _plain(event) for event in events]


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(item)
            for field in fields(value)
            if (item := getattr(value, field.name)) != field.default and field.name != "account"
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
