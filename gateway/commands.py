"""The table of commands: `/help`, native registration and recognition are made from it.

Pure: recognising and listing. What a command does is in `gateway.command_lane`. No command
reaches the model. Lane "now" runs beside a turn; lane "turn" waits its turn in the session.
"""

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from platforms.events import CommandHelp


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command. `summary` is a plain phrase without a full stop.

    `who`: whom admission lets give it; finer tiers are up to what carries it out.
    """

    name: str
    summary: str
    lane: Literal["now", "turn"]
    args: str = ""
    who: Literal["anyone", "owner"] = "anyone"


COMMANDS: tuple[Command, ...] = (
    Command(name="help", summary="what I can do here", lane="now", args="[NAME]"),
    Command(name="new", summary="start a fresh session", lane="turn", args="[TEXT]"),
    Command(name="stop", summary="stop what I am doing", lane="now", args="[all]"),
    Command(name="status", summary="model, open turn, what waits", lane="now"),
    Command(name="model", summary="show or choose this session's model", lane="now", args="[NAME]"),
    Command(name="effort", summary="how much I think here", lane="now", args="[LEVEL]"),
    Command(name="undo", summary="take my last answer and its question back", lane="now"),
    Command(name="retry", summary="answer the last question again", lane="now"),
    Command(name="compact", summary="condense what was said before", lane="now"),
    Command(name="whoami", summary="your ids and this session", lane="now"),
    Command(name="why", summary="what became of a message", lane="now", args="ID"),
    Command(name="privacy", summary="what I keep, and who sees it", lane="now"),
    Command(name="approvals", summary="what waits for a decision here", lane="now"),
    Command(name="approve", summary="let a call run", lane="now", args="CODE [CODE]"),
    Command(name="deny", summary="refuse a call", lane="now", args="CODE [REASON]"),
    Command(name="show", summary="all of what would run", lane="now", args="CODE"),
    Command(name="answer", summary="answer a question of mine", lane="now", args="CODE TEXT"),
    Command(name="auto", summary="ask less under one cap", lane="now", args="[$CAP TIME, off]"),
    Command(name="grants", summary="what is allowed beforehand here", lane="now"),
    Command(name="revoke", summary="take a grant back", lane="now", args="ID"),
    Command(name="spend", summary="what was spent", lane="now", args="[day, month]"),
    Command(name="budget", summary="limits and what is left", lane="now", args="[SCOPE $N]"),
    Command(
        name="cron",
        summary="what I do at certain times",
        lane="now",
        args="[list, next, run, pause, resume, remove NAME]",
    ),
    Command(name="freeze", summary="stop all spending", lane="now", args="[chat, all]"),
    Command(name="unfreeze", summary="let spending go on", lane="now", args="[chat, all]"),
    Command(
        name="pair",
        summary="who may talk to me directly",
        lane="now",
        args="[list, allow, deny, block] [CODE]",
        who="owner",
    ),
)
BY_NAME = {command.name: command for command in COMMANDS}

_TYPED = re.compile(r"([/!])([a-z][a-z_-]{0,31})(?:\s+(.*))?", re.DOTALL | re.IGNORECASE)
_START = "start"
"""What Telegram clients send on a first meeting; it is answered with `/help`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A command of the table with what stood behind its name."""

    command: Command
    args: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Something that can only be meant as a command, but is none; `near` are similar names."""

    name: str
    near: tuple[str, ...]


def recognise(text: str) -> Recognised | Unknown | None:
    """Read a message as a command; None if it is text.

    `/x` is always a command; `!x` only if the name is known, since people shout. A word with a
    second slash (`/etc/hosts`) is text.
    """
    typed = _TYPED.fullmatch(text.strip())
    if typed is None:
        return None
    mark, name, args = typed[1], typed[2].lower(), (typed[3] or "").strip()
    found = named(name, args)
    if isinstance(found, Unknown) and mark == "!":
        return None
    return found


def named(name: str, args: str) -> Recognised | Unknown:
    """Look a name up."""
    command = BY_NAME.get("help" if name == _START else name)
    if command is None:
        near = difflib.get_close_matches(name, BY_NAME, n=3)
        return Unknown(name=name, near=tuple(near))
    return Recognised(command=command, args="" if name == _START else args)


def native() -> tuple[CommandHelp, ...]:
    """The table as platforms register it."""
    return tuple(CommandHelp(name=c.name, summary=c.summary, args=c.args) for c in COMMANDS)


def help_text(name: str = "") -> str:
    """Write `/help`, or the line of one command, in Markdown."""
    if name:
        found = named(name.lstrip("/!").lower(), "")
        if isinstance(found, Unknown):
            return unknown_text(found)
        return _line(found.command)
    lines = [f"- {_line(command)}" for command in COMMANDS]
    return "\n".join(
        ["Write to me, and I answer here. In a group, mention me or reply to me.", "", *lines]
    )


def unknown_text(unknown: Unknown) -> str:
    """Say that there is no such command, and which are near."""
    if unknown.near:
        names = " or ".join(f"`/{name}`" for name in unknown.near)
        return f"There is no command `/{unknown.name}`. Did you mean {names}?"
    return f"There is no command `/{unknown.name}`. `/help` lists what there is."


def _line(command: Command) -> str:
    usage = f"/{command.name} {command.args}".strip()
    return f"`{usage}`: {command.summary}"
