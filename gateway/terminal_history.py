"""What terminals missed, from the rows: fulfils `platforms.terminal.history.History`.

A chat's position is the outbox row up to which it was shown. Rows are settled in any order, so it
stops short of the first one that is still on its way.
"""

import logging
from collections.abc import Iterable, Set
from dataclasses import dataclass

from gateway import outgoing, refs
from gateway.errors import StoreError
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import cursors, outbox
from platforms import blocks
from platforms.errors import PlatformUnavailable
from platforms.events import ChatRef
from platforms.terminal.limits import FILES_MAX_BYTES, RECALLED_MAX
from platforms.terminal.wire import File, MessageGone, MessageShown

ROWS_READ = 4 * RECALLED_MAX
"""A message has a row for its post and one for each change."""

TOO_MUCH = "The file {name} is not shown: there were too many at once."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missed:
    """A message, the place of its post, and the row that says how it stands now."""

    message_id: str
    place: int
    row_id: int


class TerminalHistory:
    """Reads and notes what the chats of terminals were sent."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def missed(
        self, chat: ChatRef, known: Set[str]
    ) -> tuple[MessageShown | MessageGone, ...]:
        """See History. Rows are read one by one, so that a chat with much to tell holds up none."""
        account, name = refs.account_text(chat.account), refs.chat_text(chat)
        room = FILES_MAX_BYTES
        newest_first: list[MessageShown | MessageGone] = []
        try:
            found = await self._store.read(lambda tx: _missed(tx, account, name))
            for missed in found:
                if missed.message_id in known:
                    continue
                row = await self._store.read(lambda tx: outbox.get(tx, missed.row_id))  # noqa: B023
                push = _standing(missed.message_id, row, room) if row is not None else None
                if push is None:
                    continue
                if isinstance(push, MessageShown) and push.file is not None:
                    room -= len(push.file.data)
                newest_first.append(push)
        except StoreError as exc:
            raise PlatformUnavailable("The gateway can't read what this chat missed.") from exc
        return tuple(reversed(newest_first))

    async def shown(self, chat: ChatRef) -> bool:
        """See History."""
        account, name = refs.account_text(chat.account), refs.chat_text(chat)
        try:
            return await self._store.write(
                lambda tx: _show(tx, account, name), transition=transitions.CHAT_SHOWN
            )
        except StoreError as error:  # whoever opened the store knows
            log.info("how far %s was shown is not noted: %s", name, error)
            return True


def _missed(tx: Tx, account: str, chat: str) -> list[_Missed]:
    """The newest messages with a row beyond the chat's position, the last posted first.

    An answer that still grows is left out: its end has a row of its own, which comes later.
    """
    rows = tx.rows(
        "SELECT changed.id, COALESCE(changed.target_id, changed.id),"
        " COALESCE(changed.message_id, post.message_id)"
        " FROM outbox AS changed LEFT JOIN outbox AS post ON post.id = changed.target_id"
        # Written out, it lets the index of terminals be used.
        " WHERE changed.account = 'terminal:local' AND changed.chat = ? AND changed.id > ?"
        " AND changed.state = 'sent' AND changed.pruned_at IS NULL"
        " AND NOT (changed.purpose IN ('anchor', 'part') AND EXISTS (SELECT 1 FROM turn"
        "  WHERE turn.id = changed.turn_id AND turn.state IN ('open', 'waiting')))"
        " ORDER BY changed.id DESC LIMIT ?",
        chat,
        cursors.shown(tx, account=account, chat=chat),
        ROWS_READ,
    )
    newest = _last_changes(
        _Missed(message_id=message_id, place=place, row_id=ident)
        for ident, place, message_id in rows
        if message_id is not None
    )
    return sorted(newest, key=lambda missed: missed.place, reverse=True)[:RECALLED_MAX]


def _last_changes(newest_first: Iterable[_Missed]) -> list[_Missed]:
    """Of each message its last change."""
    found: dict[str, _Missed] = {}
    for missed in newest_first:
        found.setdefault(missed.message_id, missed)
    return list(found.values())


def _standing(
    message_id: str, row: outbox.OutboxRow, room: int
) -> MessageShown | MessageGone | None:
    """A message as its last change left it; None if that was pruned meanwhile."""
    if not row.content:
        return None
    match outgoing.load(row):
        case outgoing.Words(body=body, controls=controls):
            return MessageShown(message_id=message_id, body=body, controls=controls)
        case outgoing.File(name=name, mime=mime, data=data, caption=caption):
            body = blocks.plain(caption)
            if len(data) > room:
                too_much = blocks.plain(TOO_MUCH.format(name=name))
                return MessageShown(message_id=message_id, body=(*body, *too_much))
            file = File(name=name, mime=mime, data=data)
            return MessageShown(message_id=message_id, body=body, file=file)
        case outgoing.Nothing():
            return MessageGone(message_id=message_id)


def _show(tx: Tx, account: str, chat: str) -> bool:
    """Move the chat's position up to the newest row, or to the first that is on its way there."""
    rows = tx.rows(
        "SELECT id, chat FROM outbox WHERE state IN ('pending', 'in_flight') AND account = ?"
        " ORDER BY id",
        account,
    )
    leaving = next((ident for ident, where in rows if where == chat), None)
    newest = tx.row("SELECT MAX(id) FROM outbox")
    position = int(newest[0] or 0) if newest is not None else 0
    if leaving is not None:
        position = leaving - 1
    cursors.show(tx, account=account, chat=chat, position=position)
    return leaving is None
