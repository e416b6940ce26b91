"""What `gatepost doctor` tells of a bot: privacy mode, who has its updates, groups without it."""

from telegram import Bot
from telegram.constants import ChatMemberStatus
from telegram.error import BadRequest, Forbidden, TelegramError

from platforms.base import REMARK_CHATS_MAX, Remark
from platforms.events import ChatRef
from platforms.telegram.errors import as_connection
from platforms.telegram.reading import Identity
from platforms.telegram.webhook_info import WebhookInfo, host_of, same_address, webhook_info

PRIVACY_ON = (
    "privacy mode is on: in groups it hears only commands and replies to it, and no mention is sure"
)
PRIVACY_OFF_BY = (
    "@BotFather > /setprivacy > the bot > Disable, then remove it from the group and add it again"
)
_GONE = frozenset({ChatMemberStatus.LEFT, ChatMemberStatus.BANNED})


def of_updates(info: WebhookInfo, webhook_url: str | None) -> Remark | None:
    """Pure: whether another program has the updates, or Telegram can't bring them."""
    ours = webhook_url is not None and same_address(info.url, webhook_url)
    if info.url and not ours:
        return Remark(
            weight="warning",
            said=f"another program takes its updates, by a webhook to {host_of(info.url)}",
            remedy="stop that one or give this gateway a bot of its own; a start here takes the"
            " updates over",
        )
    if ours and info.last_error and info.waiting:
        return Remark(
            weight="warning",
            said=f"Telegram could not deliver to the webhook ({info.last_error}), {info.waiting}"
            " wait",
            remedy="let webhook_url lead, over https, to /telegram/webhook of [web] listen",
        )
    return None


async def remarks_of(
    bot: Bot, us: Identity, *, hears_all: bool, webhook_url: str | None, chats: tuple[ChatRef, ...]
) -> tuple[Remark, ...]:
    """Ask; raises PlatformUnavailable or CredentialsRejected."""
    found = [] if hears_all else [Remark(weight="note", said=PRIVACY_ON, remedy=PRIVACY_OFF_BY)]
    try:
        updates = of_updates(await webhook_info(bot), webhook_url)
        found += [updates] if updates is not None else []
        for chat in chats[:REMARK_CHATS_MAX]:
            if not await _is_in(bot, us, chat):
                found.append(_not_in(us, chat))
    except TelegramError as error:
        raise as_connection(error) from error
    except (KeyError, TypeError, ValueError, AttributeError):
        pass  # an answer the SDK can't read says nothing
    return tuple(found)


async def _is_in(bot: Bot, us: Identity, chat: ChatRef) -> bool:
    try:
        member = await bot.get_chat_member(int(chat.chat_id), int(us.account.id))
    except (BadRequest, Forbidden):
        return False
    return member.status not in _GONE


def _not_in(us: Identity, chat: ChatRef) -> Remark:
    return Remark(
        weight="warning",
        said=f"telegram:{chat.chat_id} is listed, and the bot is not in it",
        remedy=f"in Telegram: the group's name > Add > @{us.username}",
    )
