"""What people may do with the words of their own chats: /export and /forget.

Theory of operation of /forget. It asks twice, by a code made of what is stored: any further
message makes another one, so that nobody deletes what they were not asked about. The first unit
closes the session and keeps with the command that it is under way; the further ones take words
until none is left. A crash in between repeats the command, which goes on where it was.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, get_args

from gateway import exporting, outgoing, refs
from gateway.asking import CODE_ALPHABET
from gateway.clock import Clock
from gateway.delivery import Deliveries
from gateway.entitled import Rights
from gateway.exporting import Format
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import audit, forgetting, inbox, outbox, past, sessions, transcript
from gateway.store.records.inbox import Waiting
from gateway.words import own as said
from gateway.words.phrase import Reader
from gateway.words.sessions import AT_IT
from platforms.errors import PlatformError

EXPORTED_MAX: Final = 5_000
"""Messages of one file."""
EXPORT_BYTES: Final = 4_000_000
CODE_LENGTH: Final = 4
UNDER_WAY: Final = "forgetting"

ReaderOf = Callable[[Waiting], Reader]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """Whose words a command is about, and what stood behind that."""

    key: str
    words: tuple[str, ...]


class OwnLane:
    """Carries them out; owners also name another session by its key."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        deliveries: Deliveries,
        rights: Rights,
        reader: ReaderOf,
    ) -> None:
        self._store = store
        self._clock = clock
        self._deliveries = deliveries
        self._rights = rights
        self._reader = reader

    def handlers(self) -> dict[str, Callable[[Waiting], Awaitable[str]]]:
        """The commands this lane carries out."""
        return {"export": self._export, "forget": self._forget}

    async def _export(self, row: Waiting) -> str:
        """Send a session as a file to whoever asked, alone."""
        reader, meant = self._reader(row), self._meant(row)
        if meant is None:
            return said.NOT_YOURS.to(reader)
        form = _format(meant.words)
        if form is None:
            return said.EXPORT_USAGE.to(reader)
        chat = await self._private(row)
        if chat is None:
            return said.NO_DIRECT_CHAT.to(reader)
        outlet = self._deliveries.outlet(row.account)
        room = min(EXPORT_BYTES, outlet.adapter.capabilities.upload_max_bytes if outlet else 0)
        stored = await self._store.read(lambda tx: _stored(tx, meant.key))
        if not stored:
            return said.NOTHING.to(reader)
        made = exporting.export(stored, form, title=meant.key, room=room)
        file = outgoing.File(
            data=made.data, name=f"session.{form}", mime=exporting.MIME[form], caption=""
        )
        new = outbox.NewOutbox(
            dedupe_key=f"e{row.id}:export",
            account=row.account,
            chat=chat,
            turn_id=None,
            part=0,
            purpose="command",
            op="upload",
            target_id=None,
            content=outgoing.dump(file),
            nonce=self._clock.nonce(),
        )
        now = self._clock.now()
        sent = await self._store.write(
            lambda tx: outbox.insert(tx, new, now=now), transition=transitions.SEND_STORED
        )
        if sent is not None:
            self._deliveries.enqueue((sent,))
        count = len(stored) - made.left_out
        return (said.EXPORTED_APART if row.content.grouped else said.EXPORTED).to(
            reader, count=count
        )

    async def _private(self, row: Waiting) -> str | None:
        """Where only whoever asked reads it; None if they can't be written to directly."""
        if not row.content.grouped:
            return row.content.reply_to
        outlet = self._deliveries.outlet(row.account)
        if outlet is None:
            return None
        try:
            return refs.chat_text(await outlet.adapter.direct(refs.person_id(row.content.author)))
        except PlatformError:
            return None

    async def _forget(self, row: Waiting) -> str:
        """Delete the words of a chat's sessions, after asking twice."""
        reader, meant = self._reader(row), self._meant(row)
        if meant is None:
            return said.NOT_YOURS.to(reader)
        if await self._store.read(lambda tx: inbox.kept_answer(tx, row.id)) != UNDER_WAY:
            refusal = await self._store.write(
                lambda tx: self._begin(tx, row, meant, reader),
                transition=transitions.SESSION_FORGOTTEN,
            )
            if refusal:
                return refusal
        unit = self._unit(meant)
        while await self._store.write(unit, transition=transitions.SESSION_FORGOTTEN):
            pass
        return said.FORGOTTEN.to(reader)

    def _begin(self, tx: Tx, row: Waiting, meant: _Meant, reader: Reader) -> str:
        """Ask, or close the session and note that its words go; what is to be said instead."""
        kept = forgetting.kept(tx, meant.key)
        if not kept.messages:
            return said.NOTHING.to(reader)
        if past.is_busy(tx, meant.key):
            return AT_IT.to(reader)
        code = _code(meant.key, kept.newest)
        named = f" {meant.key}" if meant.key != row.session_key else ""
        match [word.upper() for word in meant.words]:
            case [first, second] if first == second == code:
                pass
            case [first] if first == code:
                return said.FORGET_AGAIN.to(reader, code=code, named=named)
            case _:
                return said.FORGET_ASKS.to(reader, code=code, named=named, count=kept.messages)
        now = self._clock.now()
        sessions.retire(tx, meant.key, now)
        forgetting.untitle(tx, meant.key)
        audit.append(
            tx,
            at=now,
            kind="forget",
            actor=row.content.author,
            account=row.account,
            chat=row.chat,
            subject=meant.key,
            detail={"sessions": kept.sessions, "messages": kept.messages},
        )
        inbox.keep_answer(tx, row.id, UNDER_WAY)
        return ""

    def _unit(self, meant: _Meant) -> Callable[[Tx], int]:
        now = self._clock.now()
        return lambda tx: forgetting.forget_some(tx, meant.key, now=now)

    def _meant(self, row: Waiting) -> _Meant | None:
        """The session it is about; None if that is not theirs to name."""
        words = row.content.args.split()
        named = next((word for word in words if "|" in word), None)
        others = tuple(word for word in words if word != named)
        if named is None or named == row.session_key:
            return _Meant(key=row.session_key, words=others)
        if not self._rights.owns(row.content.author) or row.content.barred:
            return None
        return _Meant(key=named, words=others)


def _format(words: tuple[str, ...]) -> Format | None:
    """The format that was asked for, Markdown if none was; None if there is no such."""
    name = " ".join(words).lower() or "md"
    return next((each for each in get_args(Format) if each == name), None)


def _stored(tx: Tx, key: str) -> list[exporting.Stored]:
    session = sessions.current(tx, key)
    if session is None:
        return []
    return [
        exporting.Stored(message=message, at=at, turn_id=turn_id, taken_back=undone)
        for turn_id, at, undone, message in transcript.newest(tx, session.id, limit=EXPORTED_MAX)
    ]


def _code(key: str, newest: str) -> str:
    """A few clear characters that stand for what is stored now."""
    number = int.from_bytes(hashlib.blake2b(f"{key} {newest}".encode(), digest_size=8).digest())
    code = ""
    for _ in range(CODE_LENGTH):
        number, digit = divmod(number, len(CODE_ALPHABET))
        code += CODE_ALPHABET[digit]
    return code
