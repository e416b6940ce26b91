"""Inbound events as JSON, for comparison with what a fixture file expects."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from platforms.events import Ignored, InboundEvent


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
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
