"""Pure: rules about chats by name."""

from collections.abc import Iterator

from gateway.config import reading
from gateway.config.facts import Broken, Facts
from gateway.config.faults import KeyPath, Wrong
from gateway.config.ids import parse_chat

TABLE: KeyPath = ("destinations",)
OF_SEND_MESSAGE: KeyPath = ("tools", "send_message", "destinations")
CONFIGURED = ("telegram", "slack", "discord")
"""Platforms that are there only with a section of their own."""


def broken_destinations(facts: Facts) -> Iterator[Broken]:
    """Yield every such rule the file breaks."""
    table = facts.get(TABLE)
    others = facts.get(OF_SEND_MESSAGE)
    for name in table if isinstance(table, dict) and facts.known(TABLE) else ():
        here = (*TABLE, name)
        try:
            reading.provider_name(name)
        except Wrong as wrong:
            yield here, wrong
        if isinstance(others, dict) and name in others:
            yield (
                here,
                Wrong(f'"{name}" stands in tools.send_message.destinations too', "keep one"),
            )
        chat = (*here, "chat")
        if facts.known(chat, ("platforms",)) and facts.has(chat):
            platform = parse_chat(facts.get(chat)).platform
            if platform in CONFIGURED and not facts.has(("platforms", platform)):
                yield (
                    chat,
                    Wrong(
                        f"{platform} is not configured",
                        f"add [platforms.{platform}], or name a chat elsewhere",
                    ),
                )


def chat_named(facts: Facts, name: str) -> str | None:
    """The chat behind a name, as it is written; None if nothing has this name."""
    found = facts.get((*TABLE, name, "chat")) or facts.get((*OF_SEND_MESSAGE, name))
    return found if isinstance(found, str) else None


def names(facts: Facts) -> tuple[str, ...]:
    """Every name there is."""
    tables = (facts.get(TABLE), facts.get(OF_SEND_MESSAGE))
    return tuple(name for table in tables if isinstance(table, dict) for name in table)
