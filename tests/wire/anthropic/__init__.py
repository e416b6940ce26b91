"""A loopback server that speaks Anthropic's Messages protocol."""

from tests.wire.anthropic.converse import converse
from tests.wire.anthropic.rules import ModelRules
from tests.wire.anthropic.script import (
    Other,
    Redacted,
    Reply,
    Say,
    Think,
    Use,
    Whole,
    event,
    say,
    stream_of,
)
from tests.wire.anthropic.server import MESSAGES, MODELS, AnthropicServer
from tests.wire.openai.script import Cut, Pings, Reset, Silence, Stream

__all__ = [
    "MESSAGES",
    "MODELS",
    "AnthropicServer",
    "Cut",
    "ModelRules",
    "Other",
    "Pings",
    "Redacted",
    "Reply",
    "Reset",
    "Say",
    "Silence",
    "Stream",
    "Think",
    "Use",
    "Whole",
    "converse",
    "event",
    "say",
    "stream_of",
]
