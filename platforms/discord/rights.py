"""Pure: which right or switch is missing, and where it is granted, click by click.

Source: "Permissions", "Gateway Intents".
"""

from dataclasses import dataclass
from typing import assert_never

from platforms.content import (
    AnswerPress,
    Delete,
    Edit,
    OpenForm,
    Operation,
    Post,
    React,
    Typing,
    Upload,
)
from platforms.errors import ChatUnavailable, RightsMissing

PORTAL = "https://discord.com/developers/applications"

MISSING_ACCESS = 50001
VIEW, HISTORY = "View Channels", "Read Message History"
THREADS = "Create Public Threads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Our application as the developer portal lists it."""

    id: str
    name: str


def switch_path(application: Application | None) -> str:
    """Where the Message Content Intent is switched on."""
    name = application.name if application is not None else "your application"
    place = f"{PORTAL}/{application.id}/bot" if application is not None else PORTAL
    return (
        f"Developer Portal > Applications > {name} > Bot > Privileged Gateway Intents >"
        f" Message Content Intent: switch it on, Save Changes ({place})"
    )


def right_path(right: str, role: str) -> str:
    """Where a right is granted to the role that Discord made for the bot."""
    return (
        f"In Discord: Server Settings > Roles > {role} > Permissions > {right}: switch it on;"
        f" if only this channel refuses: Edit Channel > Permissions > {role} > {right}"
    )


def right_for(operation: Operation, code: int) -> str:
    """The right without which Discord refuses an operation with this code."""
    if code == MISSING_ACCESS:
        return VIEW
    match operation:
        case Upload():
            return "Attach Files"
        case React():
            return "Add Reactions"
        case Post(chat=chat) | Typing(chat=chat):
            return "Send Messages" if chat.thread_id is None else "Send Messages in Threads"
        case Edit() | Delete() | AnswerPress() | OpenForm():
            return VIEW
        case _:
            assert_never(operation)


def refusal(operation: Operation, code: int, role: str) -> ChatUnavailable | RightsMissing:
    """A refused operation with the right that it wants; without files, words still go."""
    right = right_for(operation, code)
    path = right_path(right, role)
    if isinstance(operation, Upload) and right != VIEW:
        return RightsMissing(f"the right {right!r} is missing there. {path}")
    return no_rights(right, role)


def no_rights(right: str, role: str) -> ChatUnavailable:
    """A place that refuses us, and what to do."""
    path = right_path(right, role)
    return ChatUnavailable(
        f"the right {right!r} is missing there. {path}", reason="no_rights", remedy=path
    )
