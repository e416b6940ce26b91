"""A loopback server that speaks OpenAI's chat-completions protocol."""

from tests.wire.openai.converse import converse, last_user_text
from tests.wire.openai.script import (
    CallTool,
    Cut,
    Pings,
    Reply,
    Reset,
    Silence,
    Stream,
    Whole,
    chunk,
    data,
    stream_of,
)
from tests.wire.openai.server import CHAT, MODELS, OpenAIServer

__all__ = [
    "CHAT",
    "MODELS",
    "CallTool",
    "Cut",
    "OpenAIServer",
    "Pings",
    "Reply",
    "Reset",
    "Silence",
    "Stream",
    "Whole",
    "chunk",
    "converse",
    "data",
    "last_user_text",
    "stream_of",
]
