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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, assert_never

from agent.costs import Quote, Unknown
from agent.messages import UserMessage
from agent.providers.base import Provider
from agent.providers.shrinking import elsewhere
from agent.signals import Cut, TurnSignals
from gateway import hearing, outgoing, refs, taken_files
from gateway.attached import Attached
from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.file_fetch import FileFetcher, NotFetched
from gateway.hearing import Hearing, Purse, PutAside
from gateway.pictures import Picture, picture_of
from gateway.seeing import SeeingProvider
from gateway.sniffing import HEAD_BYTES, is_page, text_of
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.blobs import Blobs
from gateway.store.records import outbox, sessions, transcript
from gateway.store.records.ledger import Frozen, NoRoom
from gateway.store.records.outbox import NewOutbox, OutboxRow
from gateway.store.records.sessions import OpenTurn
from gateway.store.records.transcript import Unfetched
from gateway.taken_files import FILES_MAX, MESSAGE_MAX, Plan, Taken
from gateway.turn_desk import Short, TurnDesk
from gateway.words import files as said
from gateway.words.files import Why, because
from gateway.words.phrase import Phrase, Reader
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
EVERYWHERE_AT_ONCE: Final = 8
"""Downloads in all; each is in memory until it is looked at."""

_REASONS: Final[Mapping[str, Phrase]] = {
    "gone": said.GONE,
    "too_large": said.LARGER_THAN_HANDED_OUT,
    "no_rights": said.NO_RIGHT,
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
        hears: Hearing | None = None,
    ) -> None:
        """`adapter_of` gives what serves an account, if it is connected.

        Without `hears` nobody transcribes.
        """
        self._hearing = hears
        self._blobs = blobs
        self._fetcher = fetcher
        self._adapter_of = adapter_of
        self._everywhere = asyncio.Semaphore(EVERYWHERE_AT_ONCE)
        self._rooms: dict[str, _Room] = {}

    def seeing(self, provider: Provider) -> SeeingProvider:
        """A provider that is given what was kept of files."""
        return SeeingProvider(provider, self._blobs)

    async def taken(self, message: UserMessage, chat: str, purse: Purse) -> tuple[Taken, ...]:
        """What becomes of the files that wait in a message; each of them has its answer.

        `purse` pays for what reading them costs.
        """
        waiting = [Attached.from_media(each) for each in message.media if each.source]
        size = MessageSize()
        room = self._rooms.setdefault(chat, _Room())
        reading = _Reading(slots=room.slots, purse=purse)
        room.users += 1
        tasks = [
            asyncio.create_task(self._one(attached, place, size, reading))
            for place, attached in enumerate(waiting)
        ]
        try:
            return tuple(await asyncio.gather(*tasks))
        finally:
            for task in tasks:  # one that can't be stored ends the others too
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            room.users -= 1
            if not room.users:
                del self._rooms[chat]

    async def _one(
        self, attached: Attached, place: int, size: "MessageSize", reading: "_Reading"
    ) -> Taken:
        plan = taken_files.plan_of(attached)
        if plan == "named":
            return taken_files.named(attached)
        if why := self._unread(attached, plan, place):
            return taken_files.not_taken(attached, why)
        try:
            room = partial(size.why_not, place, plan)
            async with reading.slots, self._everywhere:
                data = await self._fetcher.fetch(partial(self._located, attached), room=room)
                if plan != "voice":
                    return await self._made(attached, plan, data, reading.purse)
            return await self._made(attached, plan, data, reading.purse)
        except NotFetched as failed:
            log.info("a file was not fetched: %s", failed.why)
            return taken_files.not_taken(attached, failed.why)
        except StoreError:
            raise
        except Exception:
            log.exception("a file was not read; its message goes on without it")
            return taken_files.not_taken(attached, because(said.OUR_SIDE))

    def _unread(self, attached: Attached, plan: Plan, place: int) -> Why | None:
        """Why a file is not even asked for, by what is known of it; None if it is."""
        if plan == "voice" and self._hearing is None:
            return because(said.NOBODY_HEARS)
        if plan == "voice" and (attached.seconds or 0) > hearing.SECONDS_MAX:
            return hearing.too_long()
        if place >= FILES_MAX:
            return because(said.TOO_MANY, count=FILES_MAX)
        if attached.bytes is not None and attached.bytes > taken_files.limit_of(plan):
            return taken_files.too_large(plan)
        return None

    async def _made(self, attached: Attached, plan: Plan, data: bytes, purse: Purse) -> Taken:
        if is_page(data[:HEAD_BYTES]) and attached.mime != "text/html":
            raise NotFetched(because(said.A_PAGE))
        match plan:
            case "picture":
                made = await elsewhere(partial(picture_of, data))
                if not isinstance(made, Picture):
                    return taken_files.not_taken(attached, made)
                blob = await self._blobs.put(made.data)
                return taken_files.kept(attached, mime=made.mime, blob=blob, size=len(made.data))
            case "text":
                text = text_of(data)
                if text is None:
                    return taken_files.named(attached)
                return taken_files.quoted(attached, text)
            case "voice" if self._hearing is not None:
                return await self._hearing.heard(attached, data, purse)
            case "voice" | "named":
                return taken_files.named(attached)
            case _:
                assert_never(plan)

    async def _located(self, attached: Attached) -> Location:
        """Where a file is now; raises NotFetched."""
        adapter = self._adapter_of(attached.account)
        if adapter is None:
            raise NotFetched(because(said.NOT_CONNECTED), again=True)
        try:
            return await adapter.locate(attached.to_attachment(), attached.message())
        except FileUnavailable as error:
            why = _REASONS.get(error.reason, said.NOT_HANDED_OUT)
            raise NotFetched(because(why)) from error
        except CredentialsRejected as error:
            log.warning("a file was not fetched: %s", error)
            raise NotFetched(because(said.NO_RIGHT)) from error
        except PlatformError as error:
            raise NotFetched(because(said.NOT_FOUND), again=True) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What reading files takes: a place among a chat's downloads, and money."""

    slots: asyncio.Semaphore
    purse: Purse


class _Room:
    """The downloads of one chat."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.users = 0


class MessageSize:
    """The bytes of one message's files by now."""

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}

    def why_not(self, place: int, plan: Plan, count: int) -> Why | None:
        """Why a file may not have so many bytes; None if it may."""
        if count > taken_files.limit_of(plan):
            return taken_files.too_large(plan)
        others = sum(size for at, size in self._bytes.items() if at != place)
        if others + count > MESSAGE_MAX:
            return because(said.ALL_TOO_LARGE)
        self._bytes[place] = max(count, self._bytes.get(place, 0))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFiles:
    """The files of one turn."""

    turn: OpenTurn
    files: Files
    store: Store
    clock: Clock
    signals: TurnSignals
    reader: Reader
    desk: TurnDesk

    async def fetch(self) -> bool:
        """Fetch what the turn's messages wait for; whether anything of them has changed."""
        waiting = await self.store.read(lambda tx: transcript.unfetched(tx, self.turn.turn_id))
        chat = f"{self.turn.account}|{refs.root_text(self.turn.reply_to)}"
        for place in waiting:
            work = self.files.taken(place.message, chat, self._put_aside)
            # What is said during a model call joins within it: a stop cuts both together.
            taken = await (work if self.signals.guarding else self.signals.guard(work))
            if isinstance(taken, Cut):
                break
            await self._put(place, taken)
        return bool(waiting)

    async def _put(self, place: Unfetched, taken: tuple[Taken, ...]) -> None:
        message = taken_files.with_files(place.message, taken)
        note = self._note(place, taken_files.told_of(taken, self.reader))
        now = self.clock.now()

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            sessions.fence(tx, self.turn, now)
            transcript.fetched(tx, place, message)
            stored = outbox.insert(tx, note, now=now) if note is not None else None
            return (*((stored,) if stored is not None else ()), *self._booked(tx, taken))

        self.desk.send(await self.store.write(unit, transition=transitions.FILES_TAKEN))

    def _booked(self, tx: Tx, taken: tuple[Taken, ...]) -> tuple[OutboxRow, ...]:
        """Book what reading them has cost."""
        return tuple(
            row
            for each in taken
            if each.bill is not None
            for row in self.desk.model_spent(tx, each.paid_from, each.bill, exact=True)
        )

    async def _put_aside(self, quote: Quote, model: str) -> PutAside | Why:
        """Put aside what a call costs at most (D2), or say why it can't be paid for."""
        ident = self.clock.nonce() if quote.ceiling != 0 else None
        now = self.clock.now()

        def unit(tx: Tx) -> Short | None:
            sessions.fence(tx, self.turn, now)
            return self.desk.reserve_model(
                tx, self.turn, ident=ident, step=None, quote=quote, model=model
            )

        match await self.store.write(unit, transition=transitions.HEARING_INTENDED):
            case None:
                return PutAside(ident=ident)
            case Frozen():
                return because(said.FROZEN)
            case NoRoom() | Unknown():
                return because(said.NO_ROOM)

    def _note(self, place: Unfetched, text: str) -> NewOutbox | None:
        if not text:
            return None
        return outgoing.notice(
            key=f"t{self.turn.turn_id}:files:{place.sequence}",
            account=self.turn.account,
            chat=self.turn.reply_to,
            turn_id=self.turn.turn_id,
            words=outgoing.Words(body=parse(text)),
            nonce=self.clock.nonce(),
        )
