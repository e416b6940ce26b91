"""A loopback server that speaks OpenAI's Responses protocol."""

from tests.wire.openai import CallTool, Cut, Pings, Reset, Silence, Stream
from tests.wire.responses.script import (
    Refuse,
    Reply,
    Say,
    Think,
    Whole,
    encrypted,
    event,
    events_of,
    response_of,
    stream_of,
)
from tests.wire.responses.server import RESPONSES, ResponsesServer

__all__ = [
    "RESPONSES",
    "CallTool",
    "Cut",
    "Pings",
    "Refuse",
    "Reply",
    "Reset",
    "ResponsesServer",
    "Say",
    "Silence",
    "Stream",
    "Think",
    "Whole",
    "encrypted",
    "event",
    "events_of",
    "response_of",
    "stream_of",
]
