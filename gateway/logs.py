"""Log lines: short, one per event, with session and turn ids, never a secret."""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

import orjson

from gateway import journald
from gateway.redaction import Redaction

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


def set_up(
    form: LogFormat,
    *,
    secrets: Iterable[str],
    level: int = logging.INFO,
    environ: Mapping[str, str] = os.environ,
    journal: str = journald.SOCKET,
) -> Callable[[Iterable[str]], None]:
    """Send log lines to standard error in one of two forms; `secrets` never appear in them.

    Returns what hides further secrets, which a reload may bring.

    Where standard error is the journal, the text form becomes entries with fields (GATEPOST_TURN,
    GATEPOST_SESSION, GATEPOST_LOGGER), and the JSON form lines with a priority.
    """
    to_journal = journald.leads_to_journal(sys.stderr, environ)
    form_of = _Redacting(form, secrets, prefixed=to_journal)
    opened = journald.open_journal(journal) if to_journal and form == "text" else None
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if opened is not None:
        handler = journald.JournalHandler(opened, form_of.fields, sys.stderr)
    handler.setFormatter(form_of)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return form_of.hide


def hide_renewed(owner: str, secrets: Iterable[str]) -> None:
    """Take what was renewed out of every later line of this process, in place of the one before."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, _Redacting):
            handler.formatter.hide_renewed(owner, secrets)


class _Redacting(logging.Formatter):
    """Formats a record and takes every known secret out of the result."""

    def __init__(self, form: LogFormat, secrets: Iterable[str], *, prefixed: bool) -> None:
        super().__init__()
        self._form = form
        self._prefixed = prefixed
        self._hide = Redaction(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """Take these out of every later line too."""
        self._hide.add(secrets)

    def hide_renewed(self, owner: str, secrets: Iterable[str]) -> None:
        """Take these out in place of the owner's last but one."""
        self._hide.replace(owner, secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Write one record as one line (text form: a traceback follows on its own lines)."""
        message, trace = self._parts(record)
        write = _json if self._form == "json" else _text
        line = write(record, message, trace)
        return journald.prefixed(line, record.levelno) if self._prefixed else line

    def fields(self, record: logging.LogRecord) -> Mapping[str, str]:
        """One record as a journal entry."""
        message, trace = self._parts(record)
        return {
            "MESSAGE": _one_line(message) + (f"\n{trace}" if trace else ""),
            "PRIORITY": str(journald.priority(record.levelno)),
            "SYSLOG_IDENTIFIER": "gatepost",
            "GATEPOST_LOGGER": record.name,
            "GATEPOST_TURN": turn_in_log.get(),
            "GATEPOST_SESSION": session_in_log.get(),
        }

    def _parts(self, record: logging.LogRecord) -> tuple[str, str]:
        """Message and traceback without secrets."""
        message = self._hide(record.getMessage())
        return message, self._hide(self.formatException(record.exc_info)) if record.exc_info else ""


def _text(record: logging.LogRecord, message: str, trace: str) -> str:
    at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S")
    where = " ".join(part for part in (turn_in_log.get(), session_in_log.get()) if part)
    line = f"{at} {record.levelname.lower():7} {record.name}: {_one_line(message)}"
    return line + (f" [{where}]" if where else "") + (f"\n{trace}" if trace else "")


def _one_line(message: str) -> str:
    """No text from outside forges a line."""
    return "\\n".join(message.splitlines())


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
