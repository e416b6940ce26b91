"""Who administers a chat, asked anew every time."""

from telegram import Bot
from telegram.constants import ChatMemberStatus
from telegram.error import BadRequest, TelegramError

from platforms.base import ADMIN
from platforms.errors import (
    ChatUnavailable,
    MessageRejected,
    PlatformError,
    PlatformUnavailable,
    RightsMissing,
    SendUncertain,
)
from platforms.events import ChatRef
from platforms.telegram.errors import classify_error
from platforms.telegram.reading import is_person

_ADMINS = frozenset({ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR})

# A chat may hide its members from whoever does not administer it, and a bot asks in vain for a
# person it has not met. Source: maintainers of TDLib and of teloxide.
_HIDDEN = (
    "admin_required",
    "member list is inaccessible",
    "member not found",
    "participant_id_invalid",
    "user not found",
    "user_id_invalid",
    "invalid user_id",
)
_MAKE_ADMIN = (
    "Telegram does not tell who administers the group: open its settings, Administrators, and"
    " make the bot one (it needs none of the rights)"
)


async def roles_of(bot: Bot, person: str, chat: ChatRef, asked: frozenset[str]) -> frozenset[str]:
    """ADMIN if it is asked for and the person is the chat's creator or an administrator.

    A private chat has no administrators, and who stands for somebody else is nobody. Raises
    PlatformError for every answer that does not tell: RightsMissing where the chat hides its
    members from us.
    """
    group = _group(chat)
    if ADMIN not in asked or group is None or not is_person(person):
        return frozenset()
    try:
        member = await bot.get_chat_member(group, int(person))
    except TelegramError as error:
        raise _failure(error, chat) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlatformUnavailable("Telegram's answer was not understood") from error
    return frozenset({ADMIN}) if member.status in _ADMINS else frozenset()


async def leave_chat(bot: Bot, chat: ChatRef) -> None:
    """Leave a group; one we are not in, or that is gone, is left already."""
    group = _group(chat)
    if group is None:
        raise MessageRejected("a direct chat can't be left")
    try:
        await bot.leave_chat(group)
    except TelegramError as error:
        failure = classify_error(error, chat)
        if failure is not None and not isinstance(failure, ChatUnavailable):
            raise failure from error


def _group(chat: ChatRef) -> int | None:
    """The chat's number; None for a private chat, whose number is its person's."""
    try:
        number = int(chat.chat_id)
    except ValueError:
        return None
    return number if number < 0 else None


def _failure(error: TelegramError, chat: ChatRef) -> PlatformError:
    """A question changes nothing, so nothing about it is uncertain."""
    if isinstance(error, BadRequest) and any(words in str(error).lower() for words in _HIDDEN):
        return RightsMissing(_MAKE_ADMIN)
    failure = classify_error(error, chat)
    if failure is None or isinstance(failure, SendUncertain | MessageRejected):
        return PlatformUnavailable(f"Telegram did not say who administers the chat: {error!s:.100}")
    return failure
