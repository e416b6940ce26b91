"""What `gatepost doctor` tells of an application: intents, servers, rights, channels it can't see.

Sources: "Get Current User Guilds" (its `permissions` are ours there, channels aside),
"Bitwise Permission Flags".
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from platforms.base import REMARK_CHATS_MAX, Remark
from platforms.discord.rights import THREADS, VIEW, right_path
from platforms.errors import ChatUnavailable
from platforms.events import ChatRef
from platforms.fields import Body, string

Get = Callable[[str, dict[str, str]], Awaitable[Any]]

INVITE = (
    "https://discord.com/oauth2/authorize?client_id={id}&scope=bot+applications.commands"
    "&permissions={rights}"
)

RIGHTS: Mapping[str, int] = MappingProxyType(
    {
        "View Channels": 1 << 10,
        "Send Messages": 1 << 11,
        "Send Messages in Threads": 1 << 38,
        "Read Message History": 1 << 16,
        "Add Reactions": 1 << 6,
        "Attach Files": 1 << 15,
        "Create Public Threads": 1 << 35,
    }
)
_NEEDED = ("View Channels", "Send Messages")
_ADMINISTRATOR = 1 << 3
_GUILDS_MAX = 20


def of_guilds(answer: object, *, application: str, role: str, threads: bool) -> Iterator[Remark]:
    """Pure: what the list of our servers says; `role` is the one Discord made for the bot."""
    guilds = [each for each in answer if isinstance(each, dict)] if isinstance(answer, list) else []
    wanted = {right: bit for right, bit in RIGHTS.items() if threads or right != THREADS}
    if not guilds:
        address = INVITE.format(id=application, rights=sum(wanted.values()))
        yield Remark(
            weight="warning",
            said="the bot is in no server, so nobody can write to it",
            remedy=f"open {address}, choose the server, Authorize",
        )
    for guild in guilds[:_GUILDS_MAX]:
        held = _bits(guild)
        if held is None or held & _ADMINISTRATOR:
            continue
        missing = [right for right, bit in wanted.items() if not held & bit]
        if missing:
            named = ", ".join(repr(right) for right in missing)
            yield Remark(
                weight="error" if set(missing) & set(_NEEDED) else "warning",
                said=f"in the server {string(guild, 'name')!r} the bot lacks {named}",
                remedy=right_path(missing[0], role)
                + ("; the others beside it" if len(missing) > 1 else ""),
            )


async def of_channels(get: Get, chats: tuple[ChatRef, ...], *, role: str) -> list[Remark]:
    """Which of these channels we do not see."""
    found = []
    for chat in chats[:REMARK_CHATS_MAX]:
        try:
            await get(f"/channels/{chat.chat_id}", {})
        except ChatUnavailable:
            found.append(
                Remark(
                    weight="warning",
                    said=f"discord:{chat.chat_id} is listed, and the bot does not see it",
                    remedy=right_path(VIEW, role),
                )
            )
    return found


def _bits(guild: Body) -> int | None:
    told = string(guild, "permissions")
    return int(told) if told.isdigit() and len(told) < 30 else None
