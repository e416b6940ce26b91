"""Which words of a message are mentions, and whom they notify under `allowed_mentions`."""

import re
from collections.abc import Mapping
from typing import Any

from tests.wire.discord.world import Pings

# Read from left to right: an escaped sign, a block, a span; what is in them is no mention.
_NO_TEXT = re.compile(
    r"\\[^0-9A-Za-z\s]|```(?:[a-z0-9_+\-.#]+\n)?\n*[^\n].*?```|(`+)(?:.*?[^`])\1(?!`)",
    re.DOTALL | re.IGNORECASE,
)
_ELEMENT = re.compile(
    r"<@!?\d+>|<@&\d+>|<#\d+>|<t:-?\d+(?::[tTdDfFRsS])?>|<a?:\w+:\d+>|</[^:<>]+:\d+>"
    r"|<id:\w+>|<sound:\d+:\d+>|@everyone|@here"
)
_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")


def judge(
    content: str, allowed: Mapping[str, Any] | None, *, replied_author: int | None, known: set[int]
) -> Pings:
    """Says what a reader sees as a mention and who is notified.

    Mentions inside code are no elements, but still count as a notification here: a sender that
    relies on Discord's reading of code marks is not careful enough. `known` are the users that
    exist. Source: Discord documentation, "Allowed Mentions Object".
    """
    users = {int(found) for found in _USER.findall(content)} & known
    roles = {int(found) for found in _ROLE.findall(content)}
    everyone = bool(re.search(r"@everyone|@here", content))
    elements = tuple(_ELEMENT.findall(_NO_TEXT.sub(" ", content)))
    if allowed is None:
        replied = {replied_author} if replied_author is not None else set()
        return Pings(
            elements=elements,
            users=frozenset(users | replied),
            roles=frozenset(roles),
            everyone=everyone,
        )
    parse = set(allowed.get("parse") or ())
    listed_users = {int(one) for one in allowed.get("users") or ()}
    listed_roles = {int(one) for one in allowed.get("roles") or ()}
    pinged = users if "users" in parse else users & listed_users
    if allowed.get("replied_user") and replied_author is not None:
        pinged = pinged | {replied_author}
    return Pings(
        elements=elements,
        users=frozenset(pinged),
        roles=frozenset(roles if "roles" in parse else roles & listed_roles),
        everyone=everyone and "everyone" in parse,
    )
