"""Pure: the command table as Telegram's menus: one for each scope and language.

Telegram shows the narrowest menu that is set: one chat, then administrators, then groups or
direct chats, then everybody; of each the one in the reader's language. All are set, so that none
that somebody set by hand hides ours. Source: core.telegram.org/bots/api#botcommandscope.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from platforms.events import CommandHelp
from platforms.telegram.limits import COMMAND_SUMMARY_MAX, COMMANDS_MAX

_NAME = re.compile(r"[a-z0-9_]{1,32}")
_EVERYONE = frozenset({"anyone"})
_APPROVERS = _EVERYONE | {"approver"}
_OWNERS = _APPROVERS | {"owner"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """What one scope shows in one language; no language is for all that have no menu.

    `scope` is the Bot API's word, `chat` the one chat that it is, `commands` names and words.
    """

    scope: str
    chat: str | None
    language: str
    commands: tuple[tuple[str, str], ...]


def menus(table: Sequence[CommandHelp], owners: Iterable[str]) -> Iterator[Menu]:
    """Every menu; `owners` are people, whose direct chats show what only they may use."""
    scopes = [
        ("default", None, _EVERYONE),
        ("all_private_chats", None, _EVERYONE),
        ("all_group_chats", None, _EVERYONE),
        ("all_chat_administrators", None, _APPROVERS),
        *(("chat", owner, _OWNERS) for owner in owners),
    ]
    languages = ("", *sorted({language for each in table for language in each.summaries}))
    for scope, chat, tiers in scopes:
        for language in languages:
            commands = tuple(_commands(table, tiers, language))
            if commands:
                yield Menu(scope=scope, chat=chat, language=language, commands=commands)


def _commands(
    table: Sequence[CommandHelp], tiers: frozenset[str], language: str
) -> Iterator[tuple[str, str]]:
    shown = [each for each in table if each.tier in tiers and _NAME.fullmatch(each.name)]
    for each in shown[:COMMANDS_MAX]:
        words = each.summaries.get(language) or each.summary
        if words:
            yield each.name, words[:COMMAND_SUMMARY_MAX]
