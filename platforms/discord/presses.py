"""Presses and native commands: the first answer within three seconds, words for one person later.

The first answer says only that we took notice: a press's message stays as it is, a command shows
that we think. Words come as an ephemeral follow-up, even after a restart, since all they need is
the token. Neither carries the bot's own credential.
"""

from typing import TYPE_CHECKING

import aiohttp
import discord
from discord.webhook.async_ import async_context, interaction_response_params

from platforms.discord.errors import (
    ALREADY_ANSWERED,
    FAILURES,
    UNKNOWN_MESSAGE,
    classify_error,
)
from platforms.discord.parse import COMMAND
from platforms.errors import PressExpired
from platforms.events import PressToken

if TYPE_CHECKING:
    from discord.types.webhook import Webhook as WebhookPayload

_ORIGINAL = "@original"


class Presses:
    """Answers for one application, over a session of its own."""

    def __init__(self, application_id: str) -> None:
        self._application_id = application_id
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        await self._session.close()

    async def acknowledge(self, press: PressToken) -> None:
        """Ends Discord's own three seconds of waiting; answered already is success."""
        ident, secret = _parts(press)
        if press.kind == COMMAND:
            kind, data = discord.InteractionResponseType.deferred_channel_message, {"flags": 64}
            params = interaction_response_params(kind.value, data)
        else:
            kind = discord.InteractionResponseType.deferred_message_update
            params = interaction_response_params(kind.value)
        try:
            await async_context.get().create_interaction_response(
                ident, secret, session=self._session, params=params
            )
        except FAILURES as exc:
            if not _has_code(exc, ALREADY_ANSWERED):
                raise classify_error(exc, answering=True) from exc

    async def answer(self, press: PressToken, content: str) -> None:
        """Says something to the presser alone; without words a command's "thinking" goes away."""
        hook = self._hook(press)
        try:
            if content:
                await hook.send(
                    content,
                    ephemeral=True,
                    suppress_embeds=True,
                    allowed_mentions=discord.AllowedMentions.none(),
                )
            elif press.kind == COMMAND:
                await hook.delete_message(_ORIGINAL)  # type: ignore[arg-type]  # Discord's word
        except FAILURES as exc:
            if content or not _has_code(exc, UNKNOWN_MESSAGE):
                raise classify_error(exc, answering=True) from exc

    def _hook(self, press: PressToken) -> discord.Webhook:
        data: WebhookPayload = {
            "id": self._application_id,
            "type": discord.WebhookType.application.value,
            "token": _parts(press)[1],
        }
        return discord.Webhook(data, session=self._session)


def _parts(press: PressToken) -> tuple[int, str]:
    """Interaction id and token, as `parse` joined them."""
    ident, colon, secret = press.value.partition(":")
    if not colon or not ident.isdecimal():
        raise PressExpired("not a press of Discord")
    return int(ident), secret


def _has_code(error: Exception, code: int) -> bool:
    return isinstance(error, discord.HTTPException) and error.code == code
