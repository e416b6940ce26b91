"""Presses, forms and native commands: the first answer within three seconds, words later.

The first answer says only that we took notice (a press's message stays as it is, a command shows
that we think), or it is a form, or words for one person. Further words come as an ephemeral
follow-up, even after a restart, since all they need is the token. None of them carries the bot's
own credential.
"""

from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord.webhook.async_ import async_context, interaction_response_params

from platforms.content import Form
from platforms.discord.controls import form_payload
from platforms.discord.errors import ALREADY_ANSWERED, UNKNOWN_MESSAGE, code_of
from platforms.discord.interactions import COMMAND
from platforms.discord.limits import FIRST_ANSWER_S
from platforms.discord.rest import Rest
from platforms.errors import PlatformError, PressExpired
from platforms.events import PressToken

if TYPE_CHECKING:
    from discord.types.webhook import Webhook as WebhookPayload

_Response = discord.InteractionResponseType
_ORIGINAL = "@original"
_NO_EMBEDS, _EPHEMERAL = 1 << 2, 1 << 6
"""Source: "Message Flags"."""


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
        if press.kind == COMMAND:
            await self._first(press, _Response.deferred_channel_message, {"flags": _EPHEMERAL})
        else:
            await self._first(press, _Response.deferred_message_update)

    async def say_first(self, press: PressToken, content: str) -> bool:
        """Says something to the presser alone as the first answer, or takes notice without words.

        Whether it is the first one; answered already is no failure.
        """
        if not content:
            return await self._first(press, _Response.deferred_message_update)
        words = {
            "content": content,
            "flags": _EPHEMERAL | _NO_EMBEDS,
            "allowed_mentions": {"parse": []},
        }
        return await self._first(press, _Response.channel_message, words)

    async def open_form(self, press: PressToken, form: Form) -> bool:
        """Opens a form; whether it is the first answer, for only that one can be a form."""
        return await self._first(press, _Response.modal, form_payload(form))

    async def _first(
        self, press: PressToken, kind: _Response, data: dict[str, Any] | None = None
    ) -> bool:
        """One attempt at the first answer; False if there is one already.

        It is not waited for longer than it would be worth anything: words may wait behind it.
        """
        ident, secret = _parts(press)
        answering = async_context.get().create_interaction_response(
            ident,
            secret,
            session=self._session,
            params=interaction_response_params(kind.value, data),
        )
        try:
            deadline_s = min(FIRST_ANSWER_S, self._rest.deadline_s)
            await self._rest.call(answering, deadline_s=deadline_s, answering=True)
        except PlatformError as error:
            if code_of(error) == ALREADY_ANSWERED:
                return False
            raise
        return True

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
                if code_of(error) != UNKNOWN_MESSAGE:
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
