"""A provider that is given the bytes of kept pictures just before it is asked."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from agent.credentials import Lease
from agent.folds import left_out
from agent.messages import Media, Message, Origin, ToolResult, UserMessage
from agent.providers.base import Joining, ModelRequest, Provider, StreamEvent
from gateway.attached import Attached, line
from gateway.errors import StoreError
from gateway.store.blobs import Blobs

REQUEST_MAX: Final = 20_000_000
"""Bytes of pictures in one request; providers take 32 MB with everything, in base64."""

log = logging.getLogger(__name__)


class SeeingProvider:
    """Hands on requests whose pictures are whole; what is too old or gone is a line of text."""

    def __init__(self, provider: Provider, blobs: Blobs) -> None:
        self._provider = provider
        self._blobs = blobs

    @property
    def origin(self) -> Origin:
        """Who answers."""
        return self._provider.origin

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        """Make one request; see Provider."""
        joins = None if request.joins is None else _SeenJoining(request.joins, self._blobs)
        messages = await shown(request.messages, self._blobs)
        request = replace(request, messages=messages, joins=joins)
        async with aclosing(self._provider.stream(request, lease)) as events:
            async for event in events:
                yield event

    async def reset(self) -> None:
        """Let the next request begin on a new connection."""
        await self._provider.reset()

    def leave(self, session: str) -> None:
        """End what a reply has left at work."""
        self._provider.leave(session)

    async def close(self) -> None:
        """Close the provider."""
        await self._provider.close()


class _SeenJoining:
    """What joins a model call, with the bytes of its pictures; see Joining."""

    def __init__(self, joins: Joining, blobs: Blobs) -> None:
        self._joins = joins
        self._blobs = blobs

    async def said(self) -> None:
        """Wait until something may have been said."""
        await self._joins.said()

    async def take(self) -> tuple[Message, ...]:
        """Let it join."""
        return await shown(await self._joins.take(), self._blobs)


async def shown(messages: tuple[Message, ...], blobs: Blobs) -> tuple[Message, ...]:
    """Messages with the bytes of their pictures, the newest first while there is room."""
    if not any(_waits(each) for message in messages for each in media_of(message)):
        return messages
    room = REQUEST_MAX
    found: list[Message] = []
    for message in reversed(messages):
        media = media_of(message)
        if isinstance(message, UserMessage | ToolResult) and any(map(_waits, media)):
            fits = room >= sum(each.size for each in media)
            room -= sum(each.size for each in media) if fits else room
            found.append(await _filled(message, blobs) if fits else _without(message))
        else:
            found.append(message)
    return tuple(reversed(found))


def media_of(message: Message) -> tuple[Media, ...]:
    """The pictures and files of a message."""
    return message.media if isinstance(message, UserMessage | ToolResult) else ()


def waits_for_files(message: Message) -> bool:
    """Whether a message has files that are still to be fetched."""
    return any(each.source for each in media_of(message))


def _waits(media: Media) -> bool:
    return bool(media.source) or (bool(media.blob) and not media.data)


async def _filled(message: UserMessage | ToolResult, blobs: Blobs) -> UserMessage | ToolResult:
    """A message with all of its bytes; what is not there is told."""
    whole: list[Media] = []
    lines: list[str] = []
    for media in message.media:
        if media.source:
            lines.append(line(Attached.from_media(media), "it was not read"))
        elif not media.blob or media.data:
            whole.append(media)
        else:
            try:
                whole.append(replace(media, data=await blobs.get(media.blob)))
            except StoreError as error:
                log.warning("a picture is shown to no model: %s", error)
                lines.append(left_out((media,)).strip())
    text = "\n\n".join(filter(None, (message.text, *lines)))
    return replace(message, text=text, media=tuple(whole))


def _without(message: UserMessage | ToolResult) -> UserMessage | ToolResult:
    return replace(message, text=message.text + left_out(message.media), media=())
