"""Inbox rows: what came in, whether it may enter, and what became of it.

new --> claimed --> done        lane "turn": a turn takes it and closes with it
new --> done                    lanes "now" and "press": handled beside any turn
held --> new                    its author was let in after all; see `pairings`
ignored(reason), refused(reason)   decided on arrival, or while it still waited
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from gateway import mailbox
from gateway.attached import Attached
from gateway.store.base import Row, Tx

Lane = Literal["turn", "now", "press"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What later code needs of an inbound event; the raw payload stays beside it for `why`."""

    kind: Literal["message", "command", "press", "form", "amendment", "none"]
    author: str = ""
    author_name: str = ""
    reply_to: str = ""
    grouped: bool = False
    shared: bool = False
    text: str = ""
    quote: str = ""
    quote_author: str = ""
    quote_by: str = ""
    """Whose words are quoted, by id; empty for our own."""

    earlier_by: tuple[str, ...] = ()
    """Whose words before it were read with it, by id."""

    attachments: tuple[Attached, ...] = ()
    command: str = ""
    args: str = ""
    press_kind: str = ""
    press_value: str = ""
    press_until: int = 0
    values: tuple[tuple[str, str], ...] = ()
    """Of a form that was filled in: its fields."""

    roles: tuple[str, ...] = ()
    barred: bool = False
    """Whoever it comes from may decide nothing: not admitted, or of another organisation."""

    album: str = ""
    forwarded: bool = False
    long: bool = False
    """As long as a piece a client cuts from a longer paste: the rest may follow."""

    language: str = ""
    """Of what it is answered with, where that is not English."""

    fire: int = 0
    """The fire of a clock's job that this is; such a message is a turn of its own."""

    @property
    def alone(self) -> bool:
        """Whether nothing is joined with it: a command, or what a clock says."""
        return self.kind == "command" or self.fire > 0

    @property
    def quotes(self) -> bool:
        """Whether it replies to something that can be shown: words or files."""
        return bool(self.quote) or any(each.quoted for each in self.attachments)

    def to_json(self) -> str:
        """Write the fields that are not empty."""
        fields = {name: value for name in self.__slots__ if (value := getattr(self, name))}
        if self.attachments:
            fields["attachments"] = [each.to_fields() for each in self.attachments]
        return orjson.dumps(fields).decode()

    @classmethod
    def from_json(cls, text: str | None) -> "Content":
        """Read what `to_json` wrote."""
        fields: dict[str, Any] = orjson.loads(text) if text else {"kind": "none"}
        fields["attachments"] = tuple(map(Attached.from_fields, fields.get("attachments", ())))
        fields["roles"] = tuple(fields.get("roles", ()))
        fields["earlier_by"] = tuple(fields.get("earlier_by", ()))
        fields["values"] = tuple((name, text) for name, text in fields.get("values", ()))
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One inbound event as it is journaled; times are microseconds since 1970."""

    account: str
    delivery_key: str
    logical_key: str
    state: Literal["new", "held", "ignored", "refused"]
    reason: str | None
    lane: Lane | None
    session_key: str | None
    chat: str | None
    message_id: str | None
    author: str | None
    order: tuple[int, int]
    occurred_at: int
    received_at: int
    content: Content
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A row in state `new`."""

    id: int
    account: str
    chat: str
    lane: Lane
    session_key: str
    message_id: str | None
    content: Content
    received_at: int = 0


WAITING_READ = 50
"""Rows of a session that are looked at together; the next ones follow when these are gone."""

_SELECT = "SELECT id, account, chat, lane, session_key, message_id, content, received_at FROM inbox"


def wrote_in(tx: Tx, account: str, chat: str, person: str) -> bool:
    """Whether a person is known to have written in a chat."""
    found = tx.row(
        "SELECT 1 FROM inbox WHERE account = ? AND author = ? AND chat = ? LIMIT 1",
        account,
        person,
        chat,
    )
    return found is not None


def heard_at(tx: Tx, account: str, chat: str, *, since: int) -> int | None:
    """When a person's message last came in a chat or a thread of it; None if not since then."""
    row = tx.row(
        "SELECT received_at FROM inbox WHERE account = ? AND received_at > ? AND lane = 'turn'"
        " AND (chat = ? OR substr(chat, 1, ?) = ?) ORDER BY received_at DESC LIMIT 1",
        account,
        since,
        chat,
        len(chat) + 1,
        f"{chat}/",
    )
    return row[0] if row else None


def presses_before(tx: Tx, accounts: tuple[str, str], before: int) -> bool:
    """Whether presses or commands that came before a moment are not handled yet."""
    found = tx.row(
        "SELECT 1 FROM inbox WHERE state = 'new' AND lane IN ('now', 'press')"
        " AND account IN (?, ?) AND received_at < ? LIMIT 1",
        *accounts,
        before,
    )
    return found is not None


def insert(tx: Tx, arrival: Arrival) -> int | None:
    """Store an arrival and return its id; None if either key was known (counted on that row)."""
    row = tx.row(
        "INSERT INTO inbox (account, delivery_key, logical_key, state, reason, lane, session_key,"
        " chat, message_id, author, order_major, order_minor, occurred_at, received_at, content,"
        " raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING RETURNING id",
        arrival.account,
        arrival.delivery_key,
        arrival.logical_key,
        arrival.state,
        arrival.reason,
        arrival.lane,
        arrival.session_key,
        arrival.chat,
        arrival.message_id,
        arrival.author,
        *arrival.order,
        arrival.occurred_at,
        arrival.received_at,
        arrival.content.to_json(),
        arrival.raw,
    )
    if row is not None:
        return int(row[0])
    tx.run(
        "UPDATE inbox SET repeats = repeats + 1"
        " WHERE account = ? AND (delivery_key = ? OR logical_key = ?)",
        arrival.account,
        arrival.delivery_key,
        arrival.logical_key,
    )
    return None


def needs(tx: Tx, ident: int, payloads: Iterable[str]) -> None:
    """Note that an event needs these payloads, so that they are kept as long as its words."""
    for name in payloads:
        tx.run(
            "INSERT INTO media (payload, session_id, sequence) VALUES (?, 0, ?)"
            " ON CONFLICT DO NOTHING",
            name,
            ident,
        )


def holds(tx: Tx, *, account: str, chat: str, message_id: str) -> bool:
    """Whether anything of a message is stored."""
    row = tx.row(
        "SELECT 1 FROM inbox WHERE account = ? AND chat = ? AND message_id = ? LIMIT 1",
        account,
        chat,
        message_id,
    )
    return row is not None


def replace_text(
    tx: Tx, *, account: str, chat: str, message_id: str, author: str, text: str
) -> bool:
    """Give a message that still waits, or was said to others, its edited text; False if neither."""
    row = tx.row(
        "SELECT id, content FROM inbox WHERE account = ? AND chat = ? AND message_id = ?"
        " AND author = ? AND pruned_at IS NULL AND (state IN ('new', 'held') AND lane = 'turn'"
        " OR state = 'ignored' AND reason = 'not_addressed')",
        account,
        chat,
        message_id,
        author,
    )
    if row is None:
        return False
    content = orjson.loads(row[1])
    if content.get("kind") != "message":
        return False
    content["text"] = text
    tx.run("UPDATE inbox SET content = ? WHERE id = ?", orjson.dumps(content).decode(), row[0])
    return True


def withdraw(tx: Tx, *, account: str, chat: str, message_id: str) -> bool:
    """Take a message that still waits out of the queue; False if it no longer waits."""
    changed = tx.run(
        "UPDATE inbox SET state = 'ignored', reason = 'deleted_by_author' WHERE account = ?"
        " AND chat = ? AND message_id = ? AND state IN ('new', 'held') AND lane = 'turn'",
        account,
        chat,
        message_id,
    )
    return changed > 0


def waiting_row(tx: Tx, ident: int) -> Waiting | None:
    """One row, if it waits."""
    row = tx.row(_SELECT + " WHERE id = ? AND state = 'new'", ident)
    return _waiting(row) if row else None


def rows_in(tx: Tx, session_key: str) -> list[Waiting]:
    """Every row that waits for a session in lane "turn", in platform order."""
    rows = tx.rows(
        _SELECT + " WHERE session_key = ? AND state = 'new' AND lane = 'turn'"
        " ORDER BY order_major, order_minor, id LIMIT ?",
        session_key,
        WAITING_READ,
    )
    return [_waiting(row) for row in rows]


def waiting_in(tx: Tx, session_key: str, *, now: int | None = None) -> list[Waiting]:
    """What waits for a session in lane "turn", in platform order, each input as one message.

    With `now`, an input is left out whose further messages may still be on their way.
    """
    rows = rows_in(tx, session_key)
    groups = mailbox.inputs(rows)
    if now is not None and mailbox.wait_s(rows, now) > 0:
        groups.pop()
    return [mailbox.joined(group) for group in groups]


def waiting_now(tx: Tx) -> list[Waiting]:
    """Commands and presses that were journaled and not yet handled, oldest first."""
    rows = tx.rows(_SELECT + " WHERE state = 'new' AND lane IN ('now', 'press') ORDER BY id")
    return [_waiting(row) for row in rows]


def sessions_waiting(tx: Tx) -> list[str]:
    """Keys of the sessions for which something waits, oldest first."""
    rows = tx.rows(
        "SELECT session_key FROM inbox WHERE state = 'new' AND lane = 'turn'"
        " GROUP BY session_key ORDER BY MIN(id)"
    )
    return [str(row[0]) for row in rows]


def claim(tx: Tx, ids: list[int], turn_id: int) -> None:
    """Bind waiting inputs of one session to a turn; an input is named by its first row."""
    for ident in _rows_of(tx, ids):
        tx.run(
            "UPDATE inbox SET state = 'claimed', turn_id = ? WHERE id = ? AND state = 'new'",
            turn_id,
            ident,
        )


def given(tx: Tx, session_id: int, *, since: int, but_of: str) -> list[tuple[int, Content]]:
    """What turns answered, each with its turn, oldest first; not what `but_of` just typed.

    Of the turns that a session's messages from `since` on belong to. A person's own message is
    among them where it quotes, is passed on or came with files.
    """
    rows = tx.rows(
        "SELECT turn_id, content FROM inbox WHERE turn_id IN"
        " (SELECT turn_id FROM message WHERE session_id = ? AND sequence >= ?)"
        " AND content IS NOT NULL AND state IN ('claimed', 'done')"
        " AND (author <> ?"
        " OR replace(replace(replace(replace(content, ?, ''), ?, ''), ?, ''), ?, '') <> content)"
        " ORDER BY id",
        session_id,
        since,
        but_of,
        '"quote_by":',
        '"forwarded":',
        '"earlier_by":',
        '"attachments":',
    )
    return [(int(turn_id), Content.from_json(content)) for turn_id, content in rows]


def withdraw_inputs(tx: Tx, ids: list[int]) -> None:
    """Take waiting inputs of one session out of the queue, each named by its first row."""
    for ident in _rows_of(tx, ids):
        tx.run(
            "UPDATE inbox SET state = 'ignored', reason = 'withdrawn_by_stop'"
            " WHERE id = ? AND state = 'new'",
            ident,
        )


def _rows_of(tx: Tx, firsts: list[int]) -> list[int]:
    """Every row of the inputs that begin with these rows."""
    row = tx.row("SELECT session_key FROM inbox WHERE id = ?", firsts[0]) if firsts else None
    if row is None:
        return firsts
    groups = {group[0].id: group for group in mailbox.inputs(rows_in(tx, row[0]))}
    return [
        ident
        for first in firsts
        for ident in ([r.id for r in groups[first]] if first in groups else [first])
    ]


def refuse(tx: Tx, ident: int, reason: str) -> None:
    """Turn a row away that has just been stored."""
    tx.run("UPDATE inbox SET state = 'refused', reason = ? WHERE id = ?", reason, ident)


def waiting_count(tx: Tx, session_key: str, limit: int) -> int:
    """How many rows wait for a session, counted up to `limit`."""
    row = tx.row(
        "SELECT COUNT(*) FROM (SELECT 1 FROM inbox WHERE session_key = ? AND state = 'new'"
        " LIMIT ?) AS waiting",
        session_key,
        limit,
    )
    return int(row[0]) if row is not None else 0


def waiting_by_session(tx: Tx) -> dict[str, int]:
    """How many rows wait, by session; one pass over what waits."""
    rows = tx.rows(
        "SELECT session_key, COUNT(*) FROM inbox WHERE state = 'new' AND session_key IS NOT NULL"
        " GROUP BY session_key"
    )
    return {str(key): int(count) for key, count in rows}


def finish_turn(tx: Tx, turn_id: int) -> None:
    """Mark every row a turn claimed as done."""
    tx.run("UPDATE inbox SET state = 'done' WHERE turn_id = ? AND state = 'claimed'", turn_id)


def withdraw_session(tx: Tx, session_key: str) -> int:
    """Take everything that waits for a session out of the queue and return how much it was."""
    return tx.run(
        "UPDATE inbox SET state = 'ignored', reason = 'withdrawn_by_stop'"
        " WHERE session_key = ? AND state = 'new' AND lane = 'turn'",
        session_key,
    )


def finish(tx: Tx, ident: int) -> bool:
    """Mark one waiting row as done; False if it was not waiting any more."""
    return tx.run("UPDATE inbox SET state = 'done' WHERE id = ? AND state = 'new'", ident) == 1


def keep_answer(tx: Tx, ident: int, text: str) -> None:
    """Remember what a command led to, so that a crash before its answer does not repeat it."""
    tx.run("UPDATE inbox SET reason = ? WHERE id = ? AND state = 'new'", text, ident)


def kept_answer(tx: Tx, ident: int) -> str | None:
    """What a waiting command has led to already; None if it was not carried out yet."""
    row = tx.row("SELECT reason FROM inbox WHERE id = ? AND state = 'new'", ident)
    return row[0] if row else None


def counts(tx: Tx) -> dict[str, int]:
    """How many rows wait, by lane."""
    rows = tx.rows("SELECT lane, COUNT(*) FROM inbox WHERE state = 'new' GROUP BY lane")
    return {str(lane): int(count) for lane, count in rows}


def _waiting(row: Row) -> Waiting:
    ident, account, chat, lane, session_key, message_id, content, received_at = row
    return Waiting(
        id=ident,
        account=account,
        chat=chat,
        lane=lane,
        session_key=session_key,
        message_id=message_id,
        content=Content.from_json(content),
        received_at=received_at,
    )
