"""Log lines: short, one per event, with session and turn ids, never a secret."""

import logging
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

import orjson

LogFormat = Literal["text", "json"]

session_in_log: ContextVar[str] = ContextVar("session_in_log", default="")
turn_in_log: ContextVar[str] = ContextVar("turn_in_log", default="")

_QUIET = (
    "aiohttp",
    "httpx",
    "httpcore",
    "slack_bolt",
    "slack_sdk",
    "telegram",
    "discord",
    "openai",
)
"""Libraries that log payloads or addresses with tokens at INFO; their warnings still show."""

_HIDDEN = "[hidden]"


def set_up(form: LogFormat, *, secrets: Iterable[str], level: int = logging.INFO) -> None:
    """Send log lines to standard error in one of two forms; `secrets` never appear in them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacting(form, tuple(s for s in secrets if len(s) >= 8)))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Redacting(logging.Formatter):
    """Formats a record and takes every known secret out of the result."""

    def __init__(self, form: LogFormat, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._form = form
        self._secrets = sorted(secrets, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """Write one record as one line (text form: a traceback follows on its own lines)."""
        line = self._json(record) if self._form == "json" else self._text(record)
        for secret in self._secrets:
            if secret in line:
                line = line.replace(secret, _HIDDEN)
        return line

    def _text(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S")
        where = " ".join(part for part in (turn_in_log.get(), session_in_log.get()) if part)
        line = f"{at} {record.levelname.lower():7} {record.name}: {record.getMessage()}"
        if where:
            line += f" [{where}]"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line

    def _json(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if session := session_in_log.get():
            fields["session"] = session
        if turn := turn_in_log.get():
            fields["turn"] = turn
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(fields).decode()
