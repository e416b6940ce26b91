"""Files that came with messages: fetched when their turn opens, before its first model call.

Theory of operation. The row of a message names its files. The turn that claims it copies them
into its transcript as media that wait, each with what it is fetched by; the platform is asked
only then. One unit puts what came of them in their place, together with the line for the chat. A
crash in between leaves them waiting, and the turn that is taken up fetches them anew; nothing of
the first try is in any row, and its payloads are dropped. /stop leaves them waiting for good: a
model is told so.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, assert_never

from agent.messages import UserMessage
from agent.providers.base import Provider
from agent.providers.shrinking import elsewhere
from agent.signals import Cut, TurnSignals
from gateway import outgoing, refs, taken_files
from gateway.attached import Attached
from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.file_fetch import FileFetcher, NotFetched
from gateway.pictures import Picture, picture_of
from gateway.seeing import SeeingProvider
from gateway.sniffing import HEAD_BYTES, is_page, text_of
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.blobs import Blobs
from gateway.store.records import outbox, sessions, transcript
from gateway.store.records.outbox import NewOutbox, OutboxRow
from gateway.store.records.sessions import OpenTurn
from gateway.store.records.transcript import Unfetched
from gateway.taken_files import FILES_MAX, MESSAGE_MAX, Plan, Taken
from platforms.base import Adapter
from platforms.errors import (
    CredentialsRejected,
    FileUnavailable,
    PlatformError,
)
from platforms.files import Location
from platforms.markup import parse

AT_ONCE: Final = 3
"""Downloads of one chat."""

_REASONS: Final = {
    "gone": "it is no longer there",
    "too_large": "it is larger than its platform hands out",
    "no_rights": "the gateway has no right to read it",
}

log = logging.getLogger(__name__)


class Files:
    """What every turn fetches files with."""

    def __init__(
        self,
        *,
        blobs: Blobs,
        fetcher: FileFetcher,
        adapter_of: Callable[[str], Adapter | None],
    ) -> None:
        """`adapter_of` gives what serves an account, if it is connected."""
        self._blobs = blobs
        self._fetcher = fetcher
        self._adapter_of = adapter_of
        self._rooms: dict[str, _Room] = {}

    def seeing(self, provider: Provider) -> SeeingProvider:
        """A provider that is given what was kept of files."""
        return SeeingProvider(provider, self._blobs)

    async def taken(self, message: UserMessage, chat: str) -> tuple[Taken, ...]:
        """What becomes of the files that wait in a message; each of them has its answer."""
        waiting = [Attached.from_media(each) for each in message.media if each.source]
        size = _Size()
        room = self._rooms.setdefault(chat, _Room())
        room.users += 1
        try:
            return tuple(
                await asyncio.gather(
                    *(
                        self._one(attached, place, size, room.slots)
                        for place, attached in enumerate(waiting)
                    )
                )
            )
        finally:
            room.users -= 1
            if not room.users:
                del self._rooms[chat]

    async def _one(
        self, attached: Attached, place: int, size: "_Size", slots: asyncio.Semaphore
    ) -> Taken:
        plan = taken_files.plan_of(attached)
        if plan == "named":
            return taken_files.named(attached)
        if plan == "voice":
            return taken_files.not_taken(attached, "voice notes are not transcribed here")
        if place >= FILES_MAX:
            return taken_files.not_taken(attached, f"only {FILES_MAX} files of a message are read")
        if attached.bytes is not None and attached.bytes > taken_files.limit_of(plan):
            return taken_files.not_taken(attached, taken_files.too_large(plan))
        try:
            async with slots:
                return await self._made(attached, plan, partial(size.why_not, place, plan))
        except NotFetched as failed:
            log.info("a file was not fetched: %s", failed.why)
            return taken_files.not_taken(attached, failed.why)
        except StoreError:
            raise
        except Exception:
            log.exception("a file was not read; its message goes on without it")
            return taken_files.not_taken(attached, "something went wrong on our side")

    async def _made(self, attached: Attached, plan: Plan, room: Callable[[int], str]) -> Taken:
        data = await self._fetcher.fetch(partial(self._located, attached), room=room)
        if is_page(data[:HEAD_BYTES]) and attached.mime != "text/html":
            raise NotFetched("a web page came in its place")
        match plan:
            case "picture":
                made = await elsewhere(partial(picture_of, data))
                if not isinstance(made, Picture):
                    return taken_files.not_taken(attached, made)
                blob = await self._blobs.put(made.data)
                return taken_files.kept(attached, mime=made.mime, blob=blob, size=len(made.data))
            case "text":
                text = text_of(data)
                return (
                    taken_files.named(attached)
                    if text is None
                    else taken_files.quoted(attached, text)
                )
            case "voice" | "named":
                return taken_files.named(attached)
            case _:
                assert_never(plan)

    async def _located(self, attached: Attached) -> Location:
        """Where a file is now; raises NotFetched."""
        adapter = self._adapter_of(attached.account)
        if adapter is None:
            raise NotFetched("its platform is not connected", again=True)
        try:
            return await adapter.locate(attached.to_attachment(), attached.message())
        except FileUnavailable as error:
            why = _REASONS.get(error.reason, "its platform does not hand it out")
            raise NotFetched(why) from error
        except CredentialsRejected as error:
            log.warning("a file was not fetched: %s", error)
            raise NotFetched("the gateway has no right to read it") from error
        except PlatformError as error:
            raise NotFetched("its platform did not say where it is", again=True) from error


class _Room:
    """The downloads of one chat."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.users = 0


class _Size:
    """The bytes of one message's files by now."""

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}

    def why_not(self, place: int, plan: Plan, count: int) -> str:
        """Why a file may not have so many bytes; empty if it may."""
        if count > taken_files.limit_of(plan):
            return taken_files.too_large(plan)
        others = sum(size for at, size in self._bytes.items() if at != place)
        if others + count > MESSAGE_MAX:
            return "all files of the message together are too large"
        self._bytes[place] = max(count, self._bytes.get(place, 0))
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFiles:
    """The files of one turn."""

    turn: OpenTurn
    files: Files
    store: Store
    clock: Clock
    signals: TurnSignals
    send: Callable[[tuple[OutboxRow, ...]], None]

    async def fetch(self) -> bool:
        """Fetch what the turn's messages wait for; whether anything of them has changed."""
        waiting = await self.store.read(lambda tx: transcript.unfetched(tx, self.turn.turn_id))
        chat = f"{self.turn.account}|{refs.root_text(self.turn.reply_to)}"
        for place in waiting:
            taken = await self.signals.guard(self.files.taken(place.message, chat))
            if isinstance(taken, Cut):
                break
            await self._put(place, taken)
        return bool(waiting)

    async def _put(self, place: Unfetched, taken: tuple[Taken, ...]) -> None:
        message = taken_files.with_files(place.message, taken)
        note = self._note(place, taken_files.told_of(taken))
        now = self.clock.now()

        def unit(tx: Tx) -> OutboxRow | None:
            sessions.fence(tx, self.turn, now)
            transcript.fetched(tx, place, message)
            return outbox.insert(tx, note, now=now) if note is not None else None

        row = await self.store.write(unit, transition=transitions.FILES_TAKEN)
        if row is not None:
            self.send((row,))

    def _note(self, place: Unfetched, text: str) -> NewOutbox | None:
        if not text:
            return None
        return NewOutbox(
            dedupe_key=f"t{self.turn.turn_id}:files:{place.sequence}",
            account=self.turn.account,
            chat=self.turn.reply_to,
            turn_id=self.turn.turn_id,
            part=0,
            purpose="notice",
            op="post",
            target_id=None,
            content=outgoing.dump(outgoing.Words(body=parse(text))),
            nonce=self.clock.nonce(),
        )
