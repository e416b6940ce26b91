"""Pure: the command table as Telegram's menus: one for each scope and language.

Telegram shows the narrowest menu that is set: one chat, then administrators, then groups or
direct chats, then everybody; of each the one in the reader's language. All are set, so that none
that somebody set by hand hides ours. Source: core.telegram.org/bots/api#botcommandscope.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from telegram import (
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)

from platforms.events import CommandHelp
from platforms.telegram.limits import COMMAND_SUMMARY_MAX, COMMANDS_MAX

_NAME = re.compile(r"[a-z0-9_]{1,32}")
_EVERYONE = frozenset({"anyone"})
_APPROVERS = _EVERYONE | {"approver"}
_OWNERS = _APPROVERS | {"owner"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """What one scope shows in one language; no language is for all that have no menu."""

    scope: BotCommandScope
    language: str
    commands: tuple[BotCommand, ...]


def menus(table: Sequence[CommandHelp], owners: Iterable[str]) -> Iterator[Menu]:
    """Every menu; `owners` are people, whose direct chats show what only they may use."""
    scopes = [
        (BotCommandScopeDefault(), _EVERYONE),
        (BotCommandScopeAllPrivateChats(), _EVERYONE),
        (BotCommandScopeAllGroupChats(), _EVERYONE),
        (BotCommandScopeAllChatAdministrators(), _APPROVERS),
        *((BotCommandScopeChat(chat_id=int(owner)), _OWNERS) for owner in owners),
    ]
    languages = ("", *sorted({language for each in table for language in each.summaries}))
    for scope, tiers in scopes:
        for language in languages:
            commands = tuple(_commands(table, tiers, language))
            if commands:
                yield Menu(scope=scope, language=language, commands=commands)


def _commands(
    table: Sequence[CommandHelp], tiers: frozenset[str], language: str
) -> Iterator[BotCommand]:
    shown = [each for each in table if each.tier in tiers and _NAME.fullmatch(each.name)]
    for each in shown[:COMMANDS_MAX]:
        words = each.summaries.get(language) or each.summary
        if words:
            yield BotCommand(each.name, words[:COMMAND_SUMMARY_MAX])
