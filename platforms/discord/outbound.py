"""Operations as calls of the SDK: one operation is one request, and its failure is one of ours."""

import io
import time
from collections.abc import Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, assert_never

import discord
from discord.http import Route as Endpoint

from platforms.base import ADMIN
from platforms.content import (
    AnswerPress,
    Delete,
    Done,
    Edit,
    OpenForm,
    Operation,
    Outcome,
    Post,
    React,
    Sent,
    Typing,
    Upload,
)
from platforms.discord import rights
from platforms.discord.controls import view_of
from platforms.discord.errors import (
    THREAD_ARCHIVED,
    UNKNOWN_MEMBER,
    UNKNOWN_MESSAGE,
    UNKNOWN_USER,
    code_of,
)
from platforms.discord.fields import born, first_snowflake, snowflake, snowflakes
from platforms.discord.first_answers import FirstAnswers
from platforms.discord.format import format_blocks, format_plain, format_private
from platforms.discord.gateway import RATE_LIMIT_WAIT_S, GatewayClient
from platforms.discord.limits import HISTORY_PAGE, OLD_MESSAGE_S, ROLES_S, TYPING_LIFE_S
from platforms.discord.lookup import is_ours
from platforms.discord.reading import Identity
from platforms.discord.rest import Rest
from platforms.discord.threads import Threads
from platforms.errors import (
    ChatUnavailable,
    MessageGone,
    MessageRejected,
    PlatformUnavailable,
    RateLimited,
    SendUncertain,
    ThreadGone,
)
from platforms.events import ChatRef, MessageRef
from platforms.fields import Body, mapping, objects
from platforms.files import plain_name

FIND_BEFORE = timedelta(seconds=5)
FIND_PAGES = 5
"""Where looking for a post begins before its first attempt, and how much is looked through."""


class Outbound:
    """The way out of one connection."""

    def __init__(
        self,
        *,
        client: GatewayClient,
        rest: Rest,
        answers: FirstAnswers,
        us: Identity,
        threads: Threads | None,
    ) -> None:
        self._client = client
        self._rest = rest
        self._us = us
        self._threads = threads
        self._answers = answers

    async def perform(self, operation: Operation) -> Outcome:
        """Carry out one operation; raises one of `platforms.errors`."""
        try:
            return await self._perform(operation)
        except ChatUnavailable as error:
            if error.reason != "no_rights" or error.remedy:
                raise
            raise rights.refusal(operation, code_of(error), self._us.name) from error

    async def _perform(self, operation: Operation) -> Outcome:
        match operation:
            case Post():
                return await self._post(operation)
            case Upload():
                return await self._upload(operation)
            case Edit():
                await self._edit(operation)
            case Delete(message=message):
                await self._delete(message)
            case React():
                await self._react(operation)
            case Typing(chat=chat, on=on):
                if on:
                    await self._type(chat)
            case AnswerPress(press=press, text=text):
                await self._answers.say(press, format_private(text))
            case OpenForm(press=press, form=form):
                await self._answers.open_form(press, form)
            case _:
                assert_never(operation)
        return Done()

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """Look once through what was said since an operation was first tried."""
        after = max(0, first_snowflake(since - FIND_BEFORE))
        for _ in range(FIND_PAGES):
            page = await self._history(operation.chat, after)
            for message in page:
                ident = snowflake(message.get("id"))
                if ident and is_ours(message, operation, self._us.user_id):
                    return MessageRef(chat=operation.chat, message_id=ident)
                after = max(after, int(ident or "0"))
            if len(page) < HISTORY_PAGE:
                break
        return None

    async def direct(self, person: str) -> ChatRef:
        """The direct messages with a person."""
        if snowflake(person) is None:
            raise ChatUnavailable("not a person of Discord", reason="not_found")
        try:
            found = await self._rest.call(self._client.http.start_private_message(person))
        except MessageRejected as error:
            raise ChatUnavailable("no such person on Discord", reason="not_found") from error
        channel = snowflake(found.get("id"))
        if channel is None:
            raise ChatUnavailable("no direct messages with this person", reason="not_found")
        return ChatRef(account=self._us.account, chat_id=channel)

    async def roles(self, person: str, chat: ChatRef, asked: frozenset[str]) -> frozenset[str]:
        """Which of the asked roles a person has in the chat's guild, by one look at the member."""
        wanted = asked - {ADMIN}
        if chat.space is None or not wanted or snowflake(person) is None:
            return frozenset()
        looking = self._client.http.get_member(_number(chat.space), _number(person))
        try:
            member: object = await self._rest.call(looking, deadline_s=ROLES_S)
        except SendUncertain as error:
            raise PlatformUnavailable("Discord did not say who has a role") from error
        except MessageRejected as error:
            if code_of(error) in {UNKNOWN_MEMBER, UNKNOWN_USER}:
                return frozenset()
            raise
        return wanted & _roles_of(member, person)

    async def _history(self, chat: ChatRef, after: int) -> list[Body]:
        """A page of a chat, oldest first; of a thread that never came to be, nothing."""
        channel = _number(chat.thread_id or chat.chat_id)
        endpoint = Endpoint("GET", "/channels/{channel_id}/messages", channel_id=channel)
        query = {"after": str(after), "limit": str(HISTORY_PAGE)}
        try:
            page = await self._rest.call(self._client.http.request(endpoint, params=query))
        except ChatUnavailable as error:
            if chat.thread_id is not None and error.reason == "not_found":
                return []
            if error.reason == "no_rights":
                raise rights.no_rights(rights.HISTORY, self._us.name) from error
            raise
        found = objects({"page": page}, "page")
        return sorted(found, key=lambda message: int(snowflake(message.get("id")) or "0"))

    async def _post(self, post: Post) -> Sent:
        if post.only_for is not None:
            raise MessageRejected("words for one person can only answer a press on Discord")
        # Embeds are off and nothing is mentioned, a quoted author neither; the client's default.
        place = self._place(post.chat)
        return await self._sent(
            post.chat,
            place.send(
                format_blocks(post.body),
                nonce=post.nonce,
                reference=_reference(post.quote, post.chat) if post.quote else None,  # type: ignore[arg-type]
                mention_author=False,
                view=view_of(post.controls),  # type: ignore[arg-type]
                suppress_embeds=True,
                silent=post.silent,
            ),
        )

    async def _upload(self, upload: Upload) -> Sent:
        file = discord.File(io.BytesIO(upload.data), filename=plain_name(upload.name))
        place = self._place(upload.chat)
        return await self._sent(
            upload.chat,
            place.send(
                format_plain(upload.caption) or None,
                nonce=upload.nonce,
                file=file,
                suppress_embeds=True,
            ),
        )

    async def _sent(self, chat: ChatRef, send: Coroutine[Any, Any, discord.Message]) -> Sent:
        try:
            await self._ready(chat)
            message = await self._rest.call(send)
        except ChatUnavailable as error:
            if chat.thread_id is not None and error.reason == "not_found":
                raise ThreadGone("the thread is gone") from error
            raise
        finally:
            send.close()  # if it was never begun
        return Sent(message=MessageRef(chat=chat, message_id=str(message.id)))

    async def _edit(self, edit: Edit) -> None:
        """The whole new state; that embeds are off stays as it was posted."""
        message = self._message(edit.message)
        try:
            await self._rest.call(
                message.edit(content=format_blocks(edit.body), view=view_of(edit.controls))
            )
        except RateLimited as error:
            # The SDK keeps the wait of a 429 and drops its code, and only old messages wait long.
            age_s = time.time() - born(edit.message.message_id).timestamp()
            if age_s < OLD_MESSAGE_S or error.retry_after_s < RATE_LIMIT_WAIT_S:
                raise
            raise MessageGone("edits of messages over an hour old are rationed") from error
        except ThreadGone as error:
            if code_of(error) != THREAD_ARCHIVED:
                raise
            raise MessageGone("a sleeping thread takes no edits; a new message wakes it") from error

    async def _delete(self, message: MessageRef) -> None:
        try:
            await self._rest.call(self._message(message).delete())
        except MessageGone as error:
            if code_of(error) != UNKNOWN_MESSAGE:
                raise

    async def _react(self, react: React) -> None:
        message = self._message(react.message)
        if react.on:
            await self._rest.call(message.add_reaction(react.emoji))
        elif self._client.user is not None:
            await self._rest.call(message.remove_reaction(react.emoji, self._client.user))

    async def _type(self, chat: ChatRef) -> None:
        await self._ready(chat)
        sending = self._client.http.send_typing(_number(chat.thread_id or chat.chat_id))
        await self._rest.call(sending, deadline_s=TYPING_LIFE_S)

    async def _ready(self, chat: ChatRef) -> None:
        """A thread of ours is begun with the first words in it."""
        if self._threads is not None:
            await self._rest.call(self._threads.ensure(chat, self._client))

    def _place(self, chat: ChatRef) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(_number(chat.thread_id or chat.chat_id))

    def _message(self, message: MessageRef) -> discord.PartialMessage:
        return self._place(message.chat).get_partial_message(_number(message.message_id))


def _number(ident: str) -> int:
    if not ident.isdecimal():
        raise MessageRejected("not an id of Discord")
    return int(ident)


def _roles_of(member: object, person: str) -> frozenset[str]:
    """The roles of a member, who must be the one we asked for."""
    body = member if isinstance(member, Mapping) else {}
    if mapping(body, "user").get("id") != person or not isinstance(body.get("roles"), list):
        raise PlatformUnavailable("Discord's answer does not say who has a role")
    return frozenset(snowflakes(body, "roles"))


def _reference(quote: MessageRef, chat: ChatRef) -> discord.MessageReference:
    """A reply; one whose message is gone is an ordinary post."""
    return discord.MessageReference(
        message_id=_number(quote.message_id),
        channel_id=_number(chat.thread_id or chat.chat_id),
        fail_if_not_exists=False,
    )
