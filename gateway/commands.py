"""The table of commands: `/help`, native registration, the manual and recognition are its work.

Pure: recognising and listing. What a command does is in `gateway.command_lane`. No command
reaches the model. Lane "now" runs beside a turn; lane "turn" waits its turn in the session.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.words import commands as said
from gateway.words.phrase import ENGLISH, Phrase, Reader
from platforms.events import CommandHelp

Tier = Literal["anyone", "approver", "owner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command. `summary` is a plain phrase without a full stop, `german` the same in German.

    `who` may give it at all, `shared` where several people share a session; where it `shows`
    something without arguments, that is for anyone. `rule` says what depends on more than that.
    """

    name: str
    summary: str
    german: str = ""
    lane: Literal["now", "turn"]
    args: str = ""
    who: Tier = "anyone"
    shared: Tier = "anyone"
    shows: bool = False
    rule: Phrase | None = None

    def tier(self, *, args: str, shared: bool) -> Tier:
        """Whose word it needs, given like that."""
        if self.who != "anyone" or not shared or (self.shows and not args.strip()):
            return self.who
        return self.shared

    def told(self, reader: Reader) -> str:
        """What it does, in a reader's language."""
        return self.german if reader.language == "de" and self.german else self.summary


COMMANDS: tuple[Command, ...] = (
    Command(
        name="help",
        summary="what I can do here",
        german="was ich hier kann",
        lane="now",
        args="[NAME]",
    ),
    Command(
        name="new",
        summary="start a fresh session",
        german="eine neue Sitzung beginnen",
        lane="turn",
        args="[TEXT]",
    ),
    Command(
        name="stop",
        summary="stop what I am doing",
        german="anhalten, was ich gerade tue",
        lane="now",
        args="[all]",
        rule=said.RULE_STOP,
    ),
    Command(
        name="status",
        summary="model, open turn, what waits",
        german="Modell, laufende Antwort, was wartet",
        lane="now",
    ),
    Command(
        name="model",
        summary="show or choose this session's model",
        german="das Modell dieser Sitzung zeigen oder wählen",
        lane="now",
        args="[NAME]",
        shared="approver",
        shows=True,
    ),
    Command(
        name="effort",
        summary="how much I think here",
        german="wie viel ich hier nachdenke",
        lane="now",
        args="[LEVEL]",
        shared="approver",
        shows=True,
    ),
    Command(
        name="busy",
        summary="what words do that come while I answer",
        german="was Worte bewirken, die während einer Antwort kommen",
        lane="now",
        args="[join, queue, interrupt]",
        shared="approver",
        shows=True,
    ),
    Command(
        name="undo",
        summary="take my last answer and its question back",
        german="die letzte Frage und ihre Antwort zurücknehmen",
        lane="now",
    ),
    Command(
        name="retry",
        summary="answer the last question again",
        german="die letzte Frage noch einmal beantworten",
        lane="now",
    ),
    Command(
        name="continue",
        summary="go on where an answer ended too early",
        german="weitermachen, wo eine Antwort zu früh endete",
        lane="now",
    ),
    Command(
        name="compact",
        summary="condense what was said before",
        german="zusammenfassen, was bisher gesagt wurde",
        lane="now",
    ),
    Command(
        name="whoami",
        summary="your ids and this session",
        german="deine Kennungen und diese Sitzung",
        lane="now",
    ),
    Command(
        name="why",
        summary="what became of a message",
        german="was aus einer Nachricht wurde",
        lane="now",
        args="ID",
        rule=said.RULE_WHY,
    ),
    Command(
        name="privacy",
        summary="what I keep, and who sees it",
        german="was ich aufbewahre, und wer es sieht",
        lane="now",
    ),
    Command(
        name="export",
        summary="this session as a file",
        german="diese Sitzung als Datei",
        lane="now",
        args="[md, json]",
        shared="approver",
        rule=said.RULE_EXPORT,
    ),
    Command(
        name="forget",
        summary="delete what was said here, after asking twice",
        german="löschen, was hier gesagt wurde, nach zweimal Fragen",
        lane="now",
        args="[CODE [CODE]]",
        shared="owner",
        rule=said.RULE_FORGET,
    ),
    Command(
        name="approvals",
        summary="what waits for a decision here",
        german="was hier auf eine Entscheidung wartet",
        lane="now",
    ),
    Command(
        name="approve",
        summary="let a call run",
        german="einen Aufruf erlauben",
        lane="now",
        args="CODE [CODE]",
        rule=said.RULE_DECIDE,
    ),
    Command(
        name="deny",
        summary="refuse a call",
        german="einen Aufruf ablehnen",
        lane="now",
        args="CODE [REASON]",
        rule=said.RULE_DECIDE,
    ),
    Command(
        name="show",
        summary="all of what would run",
        german="alles, was ausgeführt würde",
        lane="now",
        args="CODE",
        rule=said.RULE_DECIDE,
    ),
    Command(
        name="answer",
        summary="answer a question of mine",
        german="eine Frage von mir beantworten",
        lane="now",
        args="CODE TEXT",
        rule=said.RULE_DECIDE,
    ),
    Command(
        name="auto",
        summary="ask less under one cap",
        german="unter einer Obergrenze weniger fragen",
        lane="now",
        args="[$CAP TIME, off]",
        rule=said.RULE_AUTO,
    ),
    Command(
        name="grants",
        summary="what is allowed beforehand here",
        german="was hier im Voraus erlaubt ist",
        lane="now",
    ),
    Command(
        name="revoke",
        summary="take a grant back",
        german="eine Erlaubnis zurücknehmen",
        lane="now",
        args="ID",
        rule=said.RULE_AUTO,
    ),
    Command(
        name="spend",
        summary="what was spent",
        german="was ausgegeben wurde",
        lane="now",
        args="[day, month]",
    ),
    Command(
        name="budget",
        summary="limits and what is left",
        german="Grenzen und was übrig ist",
        lane="now",
        args="[SCOPE $N]",
        shows=True,
        rule=said.RULE_BUDGET,
    ),
    Command(
        name="cron",
        summary="what I do at certain times",
        german="was ich zu bestimmten Zeiten tue",
        lane="now",
        args='[list, next, run, pause, resume, remove NAME; add "SCHEDULE" TEXT]',
        shows=True,
        rule=said.RULE_CRON,
    ),
    Command(
        name="freeze",
        summary="stop all spending",
        german="alle Ausgaben anhalten",
        lane="now",
        args="[chat, all]",
        who="approver",
        rule=said.RULE_FREEZE,
    ),
    Command(
        name="unfreeze",
        summary="let spending go on",
        german="Ausgaben wieder zulassen",
        lane="now",
        args="[chat, all]",
        who="owner",
    ),
    Command(
        name="pair",
        summary="who may talk to me directly",
        german="wer mir direkt schreiben darf",
        lane="now",
        args="[list, allow, deny, block] [CODE]",
        who="owner",
    ),
    Command(
        name="allow",
        summary="answer a chat's members",
        german="den Mitgliedern eines Chats antworten",
        lane="now",
        args="CHAT",
        who="owner",
    ),
    Command(
        name="leave",
        summary="leave a chat",
        german="einen Chat verlassen",
        lane="now",
        args="[CHAT]",
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
    return tuple(
        CommandHelp(
            name=c.name,
            summary=c.summary,
            args=c.args,
            tier=c.who,
            summaries={"de": c.german} if c.german else {},
        )
        for c in COMMANDS
    )


def usable(*, approver: bool, owner: bool) -> tuple[Command, ...]:
    """What somebody may use, at least in part."""
    may = {"anyone": True, "approver": approver or owner, "owner": owner}
    return tuple(command for command in COMMANDS if may[command.who])


def help_text(name: str = "", *, reader: Reader = ENGLISH, of: Iterable[Command] = COMMANDS) -> str:
    """Write `/help` about these commands, or the line of one, in Markdown."""
    if name:
        found = named(name.strip().lstrip("/!").lower(), "")
        if isinstance(found, Unknown):
            return unknown_text(found, reader)
        return "\n\n".join((_line(found.command, reader), *_rules(found.command, reader)))
    lines = [f"- {_line(command, reader)}" for command in of]
    how = said.HOW_SLACK if reader.mark == "!" else said.HOW
    return "\n".join([how.to(reader), "", *lines])


def unknown_text(unknown: Unknown, reader: Reader = ENGLISH) -> str:
    """Say that there is no such command, and which are near."""
    if not unknown.near:
        return said.UNKNOWN.to(reader, name=unknown.name)
    names = said.OR.to(reader).join(f"`{reader.mark}{name}`" for name in unknown.near)
    return said.UNKNOWN_NEAR.to(reader, name=unknown.name, near=names)


def not_entitled_text(command: Command, tier: Tier, reader: Reader = ENGLISH) -> str:
    """Say who may give a command."""
    phrase = said.ONLY_OWNERS if tier == "owner" else said.ONLY_APPROVERS
    return phrase.to(reader, name=command.name)


def who_text(command: Command, reader: Reader = ENGLISH) -> str:
    """Who may give a command, in a few words."""
    if command.rule is not None:
        return command.rule.to(reader)
    match command.who, command.shared:
        case "owner", _:
            return said.OWNERS.to(reader)
        case "approver", _:
            return said.APPROVERS.to(reader)
        case _, "owner":
            return said.SHARED_OWNERS.to(reader)
        case _, "approver":
            phrase = said.SHARED_APPROVERS_CHANGE if command.shows else said.SHARED_APPROVERS
            return phrase.to(reader)
        case _:
            return said.ANYONE.to(reader)


def _rules(command: Command, reader: Reader) -> tuple[str, ...]:
    """Who may give it, where that is not simply anyone."""
    if command.rule is None and command.who == command.shared == "anyone":
        return ()
    return (said.WHO.to(reader, who=who_text(command, reader)),)


def _line(command: Command, reader: Reader) -> str:
    usage = f"{reader.mark}{command.name} {command.args}".strip()
    return f"`{usage}`: {command.told(reader)}"
