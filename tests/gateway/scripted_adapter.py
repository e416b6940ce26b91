"""A platform as tests script it: what was performed, what stands in its chats, what goes wrong."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from platforms import blocks
from platforms.base import Capabilities, Ingest, Route
from platforms.blocks import Blocks
from platforms.content import (
    Delete,
    Done,
    Edit,
    Operation,
    Outcome,
    Post,
    React,
    Sent,
    Typing,
    Upload,
)
from platforms.errors import PlatformError
from platforms.events import (
    Account,
    Attachment,
    ChatRef,
    Liveness,
    MessageRef,
    PlatformName,
)
from platforms.files import KeptFile, Location
from tests.gateway.events import TELEGRAM

CAPABILITIES = Capabilities(
    text_max=4_000,
    part_soft=4_000,
    text_unit="code_point",
    parts_max=5,
    buttons_per_row=2,
    rows=4,
    edit=True,
    delete=True,
    react=True,
    private=None,
    threads=None,
    typing_refresh_s=None,
    nonce_life_s=None,
    upload_max_bytes=1 << 20,
    stream="edit",
    edit_interval_s=1.0,
    edit_interval_group_s=3.0,
)

Turn = asyncio.Event | BaseException
"""An event to wait for before the operation has its effect, or what to raise instead of it."""


class ScriptedAdapter:
    """Implements `platforms.base.Adapter` over a dictionary of chats.

    An operation without a script succeeds. A message is `(place, text)`; places of a chat are
    numbered from 1, as message ids are on Telegram.
    """

    def __init__(self, account: Account = TELEGRAM, **capabilities: Any) -> None:
        self.account = account
        self.capabilities = replace(CAPABILITIES, **capabilities)
        self.performed: list[Operation] = []
        self.chats: dict[str, dict[str, str]] = defaultdict(dict)
        self.script: dict[type[Operation], deque[Turn]] = defaultdict(deque)
        self.lookups: list[tuple[Operation, datetime]] = []
        self.found: deque[MessageRef | BaseException | None] = deque()
        self.connects: deque[Turn] = deque()
        self.runs: deque[Callable[[Ingest], Awaitable[None]] | BaseException] = deque()
        self.ran = 0
        self.left: list[ChatRef] = []
        self.closed = False
        self.held: dict[str, frozenset[str]] = {}
        """The roles that people hold."""
        self.roles_fail: BaseException | None = None
        self.locates: Callable[[Attachment, MessageRef], Awaitable[Location]] | None = None
        self.files: deque[Location | BaseException] = deque()
        self._posted: dict[str, int] = defaultdict(int)
        self._changed = asyncio.Event()

    # Script and record.

    def then(self, kind: type[Operation], *turns: Turn) -> None:
        """What the next operations of a kind meet, one each."""
        self.script[kind].extend(turns)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait, operation by operation, until something holds."""
        try:
            async with asyncio.timeout(60):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"performed: {self.performed}; stands: {self.chats}") from None

    async def performing(self, count: int, kind: type[Operation] | None = None) -> list[Operation]:
        """Wait until so many operations (of a kind) were begun, and return them."""

        def begun() -> list[Operation]:
            return [op for op in self.performed if kind is None or isinstance(op, kind)]

        await self.until(lambda: len(begun()) >= count)
        return begun()

    def shown(self, chat: str) -> list[str]:
        """The texts that stand in a chat, in order of posting."""
        return list(self.chats[chat].values())

    async def shows(self, chat: str, *texts: str) -> None:
        """Wait until exactly these texts stand in a chat."""
        await self.until(lambda: self.shown(chat) == list(texts))

    # The way out.

    def fits(self, body: Blocks) -> bool:
        return len(blocks.plain_text(body)) <= self.capabilities.part_soft

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """What the script says was found; nothing if it says nothing."""
        self.lookups.append((operation, since))
        self._changed.set()
        match self.found.popleft() if self.found else None:
            case BaseException() as error:
                raise error
            case found:
                return found

    async def direct(self, person: str, space: str | None = None) -> ChatRef:
        return ChatRef(account=self.account, chat_id=person)

    async def leave(self, chat: ChatRef) -> None:
        self.left.append(chat)

    async def roles(self, person: str, chat: ChatRef, asked: frozenset[str]) -> frozenset[str]:
        if self.roles_fail is not None:
            raise self.roles_fail
        return self.held.get(person, frozenset()) & asked

    async def perform(self, operation: Operation) -> Outcome:
        self.performed.append(operation)
        self._changed.set()
        turns = self.script[type(operation)]
        if turns:
            match turns.popleft():
                case asyncio.Event() as held:
                    await held.wait()
                case BaseException() as error:
                    raise error
        outcome = self._effect(operation)
        self._changed.set()
        return outcome

    def _effect(self, operation: Operation) -> Outcome:
        match operation:
            case Post(chat=chat, body=body):
                return Sent(message=self._stand(chat, blocks.plain_text(body)))
            case Upload(chat=chat, name=name):
                return Sent(message=self._stand(chat, f"file {name}"))
            case Edit(message=message, body=body):
                self.chats[_name(message.chat)][message.message_id] = blocks.plain_text(body)
            case Delete(message=message):
                self.chats[_name(message.chat)].pop(message.message_id, None)
            case Typing() | React():
                pass
            case _:
                pass
        return Done()

    def _stand(self, chat: ChatRef, text: str) -> MessageRef:
        name = _name(chat)
        self._posted[name] += 1
        ident = str(self._posted[name])
        self.chats[name][ident] = text
        return MessageRef(chat=chat, message_id=ident)

    # The way in.

    @property
    def platform(self) -> PlatformName:
        return self.account.platform

    async def connect(self) -> Account:
        if self.connects:
            match self.connects.popleft():
                case asyncio.Event() as held:
                    await held.wait()
                case BaseException() as error:
                    raise error
        return self.account

    async def run(self, ingest: Ingest) -> None:
        self.ran += 1
        self._changed.set()
        if not self.runs:
            await asyncio.Event().wait()
            return
        body = self.runs.popleft()
        if isinstance(body, BaseException):
            raise body
        await body(ingest)

    def routes(self) -> tuple[Route, ...]:
        return ()

    async def locate(self, attachment: Attachment, message: MessageRef) -> Location:
        """What the script says of the next file; files that came with a message lie there."""
        self._changed.set()
        if self.locates is not None:
            return await self.locates(attachment, message)
        match self.files.popleft() if self.files else KeptFile(blob=attachment.file):
            case BaseException() as error:
                raise error
            case where:
                return where

    def liveness(self) -> Liveness:
        return Liveness(connected=True, last_frame_at=990.0)

    async def close(self) -> None:
        self.closed = True


def _name(chat: ChatRef) -> str:
    return chat.chat_id if chat.thread_id is None else f"{chat.chat_id}/{chat.thread_id}"


def fails(kind: type[PlatformError], *texts: str, **fields: Any) -> PlatformError:
    """An error of a platform."""
    return kind(*(texts or ("scripted",)), **fields)
