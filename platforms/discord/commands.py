"""Pure: the gateway's command table as Discord's application commands.

Discord shows everybody the same menu, in the language of their client: it knows none of our
owners. Who may not use a command is told so.
"""

import re
from collections.abc import Sequence
from typing import Any

from platforms.discord.limits import COMMAND_NAME_MAX, COMMAND_TEXT_MAX, COMMANDS_MAX, LOCALES
from platforms.events import CommandHelp

OPTION = "text"

_NAME = re.compile(rf"[a-z0-9_-]{{1,{COMMAND_NAME_MAX}}}")
_EVERYWHERE = [0, 1]
"""In servers and in direct messages with the bot. Source: "Interaction Context Types"."""


def command_payload(commands: Sequence[CommandHelp]) -> list[dict[str, Any]]:
    """Each command with one optional text, the whole of what may stand behind its name."""
    return [_command(c) for c in commands[:COMMANDS_MAX] if _NAME.fullmatch(c.name)]


def same_commands(registered: object, wanted: Sequence[dict[str, Any]]) -> bool:
    """Whether Discord already has exactly these, whatever else it tells of them."""
    if not isinstance(registered, list):
        return False
    return sorted(map(_essence, registered)) == sorted(map(_essence, wanted))


def _command(command: CommandHelp) -> dict[str, Any]:
    option = {
        "type": 3,
        "name": OPTION,
        "description": _text(command.args, "what to say to it"),
        "required": False,
    }
    return {
        "type": 1,
        "name": command.name,
        "description": _text(command.summary, command.name),
        "description_localizations": {
            language: _text(words, command.name)
            for language, words in command.summaries.items()
            if language in LOCALES
        },
        "contexts": _EVERYWHERE,
        "options": [option] if command.args else [],
    }


def _text(text: str, fallback: str) -> str:
    return (" ".join(text.split()) or fallback)[:COMMAND_TEXT_MAX]


def _essence(command: object) -> str:
    if not isinstance(command, dict):
        return ""
    options = command.get("options") or []
    told = [(o.get("name"), o.get("description")) for o in options if isinstance(o, dict)]
    localised = command.get("description_localizations") or {}
    words = sorted(localised.items()) if isinstance(localised, dict) else localised
    return repr((command.get("name"), command.get("description"), words, told))
