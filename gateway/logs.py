"""Log lines: short, one per event, with session and turn ids, never a secret."""

import logging
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

import orjson

from agent.messages import well_formed

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
        written = {form for secret in secrets for form in _written(secret)}
        self._secrets = sorted(written, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """Write one record as one line (text form: a traceback follows on its own lines)."""
        message = self._hide(record.getMessage())
        trace = self._hide(self.formatException(record.exc_info)) if record.exc_info else ""
        if self._form == "json":
            return _json(record, message, trace)
        return _text(record, message, trace)

    def _hide(self, text: str) -> str:
        """Text that every encoder takes, without secrets."""
        text = well_formed(text)
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, _HIDDEN)
        return text


def _text(record: logging.LogRecord, message: str, trace: str) -> str:
    at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S")
    where = " ".join(part for part in (turn_in_log.get(), session_in_log.get()) if part)
    one_line = "\\n".join(message.splitlines())  # no text from outside forges a line
    line = f"{at} {record.levelname.lower():7} {record.name}: {one_line}"
    return line + (f" [{where}]" if where else "") + (f"\n{trace}" if trace else "")


def _json(record: logging.LogRecord, message: str, trace: str) -> str:
    fields = {
        "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": message,
    }
    more = {"session": session_in_log.get(), "turn": turn_in_log.get(), "traceback": trace}
    fields.update((name, value) for name, value in more.items() if value)
    return orjson.dumps(fields).decode()


def _written(secret: str) -> tuple[str, ...]:
    """A secret as it may stand in a line: as it is, in JSON, in an address, in a traceback."""
    return (
        secret,
        orjson.dumps(well_formed(secret)).decode()[1:-1],
        quote(secret, safe=""),
        quote(secret),
        repr(secret)[1:-1],
    )
