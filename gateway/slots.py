"""Leave to send: the limiter of one account, asked in terms of operations."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import assert_never

from gateway import refs
from gateway.store.records.outbox import Purpose
from platforms.base import Adapter
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
from platforms.errors import RateLimited
from platforms.events import ChatRef
from platforms.pacing import Kind, Limiter

_KINDS: Mapping[type[Operation], Kind] = {
    Post: "post",
    Upload: "upload",
    Edit: "edit",
    Delete: "delete",
    Typing: "typing",
    React: "react",
    AnswerPress: "answer",
}


class Slots:
    """What may leave now, and how long everything else waits."""

    def __init__(
        self,
        *,
        adapter: Adapter,
        limiter: Limiter,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._group_ids = adapter.capabilities.group_ids
        self._limiter = limiter
        self._monotonic = monotonic
        self._sleep = sleep

    async def wait(self, operation: Operation, *, priority: int) -> None:
        """Wait until an operation may leave."""
        since = self._monotonic()
        while delay := self._admit(operation, priority=priority, since=since):
            await self._sleep(delay)

    def free(self, operation: Operation, *, priority: int) -> bool:
        """Whether an operation that waits for nothing may leave now; its slot is taken then."""
        return self._admit(operation, priority=priority, since=self._monotonic()) == 0

    def penalise(self, operation: Operation, error: RateLimited) -> None:
        """Close what the platform spoke of for as long as it asked."""
        kind, chat = _kind(operation)
        now = self._monotonic()
        self._limiter.penalise(
            kind,
            chat,
            scope=error.scope,
            group=self._in_group(operation),
            until=now + error.retry_after_s,
            now=now,
        )

    def stream_interval(self, base: float, *, streams: int) -> float | None:
        """Seconds between two edits of one growing message; see Limiter."""
        return self._limiter.stream_interval(base, streams=streams)

    def _admit(self, operation: Operation, *, priority: int, since: float) -> float | None:
        kind, chat = _kind(operation)
        return self._limiter.admit(
            kind,
            chat,
            group=self._in_group(operation),
            priority=priority,
            since=since,
            now=self._monotonic(),
        )

    def _in_group(self, operation: Operation) -> bool:
        """Whether the platform counts an operation for its groups, by the chat's id alone."""
        chat = chat_of(operation)
        begins = self._group_ids
        return begins is not None and chat is not None and chat.chat_id.startswith(begins)


def chat_of(operation: Operation) -> ChatRef | None:
    """The chat an operation is for; None for an answer to a press."""
    match operation:
        case Post(chat=chat) | Upload(chat=chat) | Typing(chat=chat):
            return chat
        case Edit(message=message) | Delete(message=message) | React(message=message):
            return message.chat
        case AnswerPress() | OpenForm():
            return None
        case _:
            assert_never(operation)


def root_of(chat: ChatRef) -> str:
    """A chat without its thread, as it is written."""
    return refs.chat_text(replace(chat, thread_id=None))


def _kind(operation: Operation) -> tuple[Kind, str]:
    """The limiter's name for an operation, and the chat it counts for without its thread."""
    chat = chat_of(operation)
    return _KINDS[type(operation)], root_of(chat) if chat is not None else ""


def priority_of(purpose: Purpose) -> int:
    """The limiter's class of a row; see `platforms.pacing`."""
    match purpose:
        case "final" | "part" | "notice" | "send":
            return 1
        case "command":
            return 2
        case "anchor":
            return 3
        case _:
            assert_never(purpose)
