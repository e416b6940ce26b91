"""Presses and native commands: the first answer within three seconds, words for one person later.

The first answer says only that we took notice: a press's message stays as it is, a command shows
that we think. Words come as an ephemeral follow-up, even after a restart, since all they need is
the token. Neither carries the bot's own credential.
"""

from typing import TYPE_CHECKING

import aiohttp
import discord
from discord.webhook.async_ import async_context, interaction_response_params

from platforms.discord.errors import ALREADY_ANSWERED, UNKNOWN_MESSAGE
from platforms.discord.parse import COMMAND
from platforms.discord.rest import Rest
from platforms.errors import PlatformError, PressExpired
from platforms.events import PressToken

if TYPE_CHECKING:
    from discord.types.webhook import Webhook as WebhookPayload

_ORIGINAL = "@original"


class Presses:
    """Answers for one application, over a session of its own."""

    def __init__(self, application_id: str, rest: Rest) -> None:
        self._application_id = application_id
        self._rest = rest
        self._session = aiohttp.ClientSession(trace_configs=[rest.trace()])

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
        answering = async_context.get().create_interaction_response(
            ident, secret, session=self._session, params=params
        )
        try:
            await self._rest.call(answering, answering=True)
        except PlatformError as error:
            if not _has_code(error, ALREADY_ANSWERED):
                raise

    async def answer(self, press: PressToken, content: str) -> None:
        """Says something to the presser alone; without words a command's "thinking" goes away."""
        hook = self._hook(press)
        if content:
            sending = hook.send(
                content,
                ephemeral=True,
                suppress_embeds=True,
                allowed_mentions=discord.AllowedMentions.none(),
            )
            await self._rest.call(sending, answering=True)
        elif press.kind == COMMAND:
            deleting = hook.delete_message(_ORIGINAL)  # type: ignore[arg-type]  # Discord's word
            try:
                await self._rest.call(deleting, answering=True)
            except PlatformError as error:
                if not _has_code(error, UNKNOWN_MESSAGE):
                    raise

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


def _has_code(error: PlatformError, code: int) -> bool:
    cause = error.__cause__
    return isinstance(cause, discord.HTTPException) and cause.code == code
