"""Session and turn rows. Every write of a turn carries its session's epoch.

turn:  open --> done | failed | cancelled | halted
        |  ^
        v  '-- decided, or the requester wrote on
       waiting      parked on a question to people
"""

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import orjson

from agent.effects import (
    TurnRows,
)
from agent.messages import (
    AssistantMessage,
    Message,
    PartialReply,
    ToolResult,
    UserMessage,
)
from gateway import mailbox
from gateway.attached import line
from gateway.errors import StoreError
from gateway.store.base import Tx
from gateway.store.records import (
    calls,
    earlier,
    fires,
    folds,
    inbox,
    job_posts,
    model_calls,
    tongues,
    transcript,
)
from gateway.store.records.earlier import Earlier
from gateway.words.phrase import Language

TITLE_LENGTH = 60
FOLD = "fold"
"""The setting of a session that is to be folded before its next model call."""


class Fenced(StoreError):
    """The session has another owner by now: end the turn without another effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTurn:
    """A turn that this process owns at `epoch`; `resumed` if it was open before.

    `said` holds the words the turn has stored for its reader since it last waited for people;
    `parts_before` counts the messages of before. `asked` is the platform's id of the message it
    answers; `stopped_by` said /stop before a crash. `active_us` is how long it was at work before
    it last waited for people.
    """

    session_id: int
    session_key: str
    epoch: int
    turn_id: int
    number: int
    account: str
    reply_to: str
    grouped: bool
    requester: str
    requester_name: str
    asked: str | None
    said: tuple[str, ...]
    settings: dict[str, Any]
    rows: TurnRows
    resumed: bool
    stopped_by: str | None = None
    parts_before: int = 0
    active_us: int = 0
    fire: fires.Fire | None = None
    """What a clock's job opened it for."""

    language: Language | None = None
    """That of whoever asked, where they alone read it and it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDue:
    """A queued command is the next thing in this session."""

    row: inbox.Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """What `/status`, `/whoami` and the page show of a session."""

    id: int
    key: str
    settings: dict[str, Any]
    title: str
    turns: int
    active_at: int


Work = OpenTurn | CommandDue | None


def next_work(
    tx: Tx,
    key: str,
    *,
    now: int,
    one_by_one: bool,
    start_id: int | None = None,
    idle_us: int | None = None,
    before: Earlier | None = None,
) -> Work:
    """Take the session over and return what it should do: an open turn, a command, or a new turn.

    `start_id` is the run that takes it. A session nothing happened in for `idle_us` before the
    next message came is closed, and another one begins with its settings.

    A new turn claims everything that waits before the next command, or one message of it;
    `before` is what was said before its first one.
    """
    session = current(tx, key)
    if session is not None:
        open_turn = tx.row(
            "SELECT id FROM turn WHERE session_id = ? AND state = 'open' ORDER BY number LIMIT 1",
            session.id,
        )
        if open_turn is not None:
            return _resume(tx, session.id, int(open_turn[0]), now, start_id)
    if waiting_turn(tx, key) is not None and not _is_renewed(tx, key):
        return None
    waiting = inbox.waiting_in(tx, key)
    if not waiting:
        return None
    if waiting[0].content.kind == "command":
        return CommandDue(row=waiting[0])
    if session is not None and _is_idle(tx, session, waiting[0], idle_us):
        session_id = _begun_anew(tx, session, waiting[0], now)
    else:
        session_id = session.id if session is not None else create(tx, waiting[0], now)
    batch = mailbox.next_batch(waiting, one_by_one=one_by_one)
    return _open(tx, session_id, batch, now=now, start_id=start_id, before=before)


def _is_idle(tx: Tx, session: SessionInfo, row: inbox.Waiting, idle_us: int | None) -> bool:
    """Whether a session is left behind: nothing is open in it, and nothing was said for long."""
    if idle_us is None or row.received_at - session.active_at < idle_us:
        return False
    return waiting_turn(tx, session.key) is None


def _begun_anew(tx: Tx, session: SessionInfo, row: inbox.Waiting, now: int) -> int:
    """Close a session and begin the next one; what a person chose for the chat stays."""
    retire(tx, session.key, now)
    ident = create(tx, row, now)
    kept = {name: value for name, value in session.settings.items() if name != FOLD}
    change_settings(tx, ident, kept)
    return ident


def _is_renewed(tx: Tx, key: str) -> bool:
    """Whether the next thing in a session is a command, which waits for nobody's decision."""
    waiting = inbox.waiting_in(tx, key)
    return bool(waiting) and waiting[0].content.kind == "command"


def create(tx: Tx, row: inbox.Waiting, now: int) -> int:
    """Make the current session for a key and return its id."""
    content = row.content
    words = content.args if content.kind == "command" else "" if content.fire else content.text
    title = " ".join(words.split())
    created = tx.row(
        "INSERT INTO session (key, account, chat, title, created_at, active_at)"
        " VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
        row.session_key,
        row.account,
        row.chat,
        title[:TITLE_LENGTH],
        now,
        now,
    )
    if created is None:
        raise StoreError("a new session got no id")
    return int(created[0])


def retire(tx: Tx, key: str, now: int) -> None:
    """Close the current session of a key; the next message begins a fresh one."""
    tx.run("UPDATE session SET closed_at = ? WHERE key = ? AND closed_at IS NULL", now, key)


def current(tx: Tx, key: str) -> SessionInfo | None:
    """The session in force for a key."""
    row = tx.row(
        "SELECT id, key, settings, title, next_turn, active_at FROM session"
        " WHERE key = ? AND closed_at IS NULL",
        key,
    )
    if row is None:
        return None
    ident, key, settings, title, next_turn, active_at = row
    return SessionInfo(
        id=ident,
        key=key,
        settings=orjson.loads(settings),
        title=title,
        turns=next_turn - 1,
        active_at=active_at,
    )


def change_settings(tx: Tx, session_id: int, settings: dict[str, Any]) -> None:
    """Store a session's settings whole."""
    tx.run(
        "UPDATE session SET settings = ? WHERE id = ?", orjson.dumps(settings).decode(), session_id
    )


def fold_done(tx: Tx, session_id: int) -> None:
    """The fold that was asked for has been made, or can't be."""
    row = tx.row("SELECT settings FROM session WHERE id = ?", session_id)
    settings = orjson.loads(row[0]) if row is not None else {}
    if settings.pop(FOLD, None) is not None:
        change_settings(tx, session_id, settings)


def begin_fresh(
    tx: Tx, row: inbox.Waiting, *, now: int, start_id: int | None = None
) -> OpenTurn | None:
    """Carry out a queued `/new`: close the session; words behind it open the next one's turn."""
    retire(tx, row.session_key, now)
    if not row.content.args:
        inbox.finish(tx, row.id)
        return None
    return _open(tx, create(tx, row, now), [row], now=now, start_id=start_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingTurn:
    """A turn that waits for people."""

    id: int
    requester: str


def waiting_turn(tx: Tx, key: str) -> WaitingTurn | None:
    """The turn of a session's current life that waits for people."""
    row = tx.row(
        "SELECT turn.id, turn.requester FROM turn JOIN session ON session.id = turn.session_id"
        " WHERE session.key = ? AND session.closed_at IS NULL AND turn.state = 'waiting'"
        " ORDER BY turn.id LIMIT 1",
        key,
    )
    return WaitingTurn(id=int(row[0]), requester=row[1]) if row else None


def undecided_turn(tx: Tx, key: str) -> WaitingTurn | None:
    """The turn of a session's current life that people are asked about, waiting or still busy."""
    row = tx.row(
        "SELECT turn.id, turn.requester FROM turn JOIN session ON session.id = turn.session_id"
        " WHERE session.key = ? AND session.closed_at IS NULL AND turn.state IN ('open', 'waiting')"
        " AND EXISTS (SELECT 1 FROM card WHERE card.turn_id = turn.id"
        " AND card.state IN ('queued', 'open')) ORDER BY turn.id LIMIT 1",
        key,
    )
    return WaitingTurn(id=int(row[0]), requester=row[1]) if row else None


def open_sessions(tx: Tx) -> list[str]:
    """Keys of sessions with an open turn, oldest turn first."""
    rows = tx.rows(
        "SELECT session.key FROM turn JOIN session ON session.id = turn.session_id"
        " WHERE turn.state = 'open' ORDER BY turn.id"
    )
    return [str(row[0]) for row in rows]


def knows(tx: Tx, key: str) -> bool:
    """Whether a session has or had this key: we have answered there."""
    return tx.row("SELECT 1 FROM session WHERE key = ? LIMIT 1", key) is not None


def keep_words(tx: Tx, turn_id: int, *, words: int, parts: int) -> None:
    """So many more words and messages of a turn stand for good: what comes next stands below."""
    tx.run(
        "UPDATE turn SET words_before = words_before + ?, parts_before = parts_before + ?"
        " WHERE id = ?",
        words,
        parts,
        turn_id,
    )


def drain(tx: Tx, turn: OpenTurn, *, now: int) -> tuple[Message, ...]:
    """Claim what waits before the next command and store it as this turn's words.

    An input whose further messages may still come (an album, a long paste) waits on.
    """
    fence(tx, turn, now)
    waiting = inbox.waiting_in(tx, turn.session_key, now=now)
    rows = list(takewhile(lambda row: not row.content.alone, waiting))
    inbox.claim(tx, [row.id for row in rows], turn.turn_id)
    messages = tuple(user_message(row.content) for row in rows)
    transcript.append(
        tx, session_id=turn.session_id, turn_id=turn.turn_id, messages=messages, now=now
    )
    return messages


def append(tx: Tx, turn: OpenTurn, messages: tuple[Message, ...], *, now: int) -> None:
    """Store messages of a turn; results settle their calls."""
    fence(tx, turn, now)
    transcript.append(
        tx, session_id=turn.session_id, turn_id=turn.turn_id, messages=messages, now=now
    )
    for message in messages:
        if isinstance(message, ToolResult):
            calls.finish(tx, message, now)


def open_step(
    tx: Tx,
    turn: OpenTurn,
    *,
    number: int,
    model: str,
    now: int,
    reservation_id: str | None = None,
    chat: str = "",
    kind: str = "main",
) -> None:
    """Store the intent to call a model; an attempt that still ran is an orphan by now.

    `chat` is where it counts, as freezes name it, `kind` what it is for.
    """
    fence(tx, turn, now)
    model_calls.orphan(tx, turn.turn_id, now=now)
    tx.run(
        "INSERT INTO step (turn_id, number, attempt, model, state, opened_at, reservation_id,"
        " chat, kind) SELECT ?, ?, COALESCE(MAX(attempt), 0) + 1, ?, 'intent', ?, ?, ?, ?"
        " FROM step WHERE turn_id = ? AND number = ?",
        turn.turn_id,
        number,
        model,
        now,
        reservation_id,
        chat,
        kind,
        turn.turn_id,
        number,
    )


def hold_of_step(tx: Tx, turn: OpenTurn, *, number: int, now: int) -> str | None:
    """The reservation of the running attempt of a step, if it has one."""
    fence(tx, turn, now)
    row = tx.row(
        "SELECT reservation_id FROM step WHERE turn_id = ? AND number = ? AND state = 'intent'",
        turn.turn_id,
        number,
    )
    return row[0] if row else None


def end_attempt(tx: Tx, turn: OpenTurn, *, number: int, reason: str, now: int) -> str | None:
    """The running attempt of a step is no reply; returns its reservation, if it has one."""
    fence(tx, turn, now)
    row = tx.row(
        "UPDATE step SET state = 'failed', reason = ?, closed_at = ?"
        " WHERE turn_id = ? AND number = ? AND state = 'intent' RETURNING reservation_id",
        reason,
        now,
        turn.turn_id,
        number,
    )
    return row[0] if row else None


def close_step(tx: Tx, turn: OpenTurn, *, number: int, usage: str | None, now: int) -> str | None:
    """Settle the running attempt of a step; returns its reservation, if it has one.

    Where none runs the last one counts: what it did stands although it failed.
    """
    fence(tx, turn, now)
    row = tx.row(
        "UPDATE step SET state = 'done', usage = ?, closed_at = ?"
        " WHERE turn_id = ? AND number = ? AND state = 'intent' RETURNING reservation_id",
        usage,
        now,
        turn.turn_id,
        number,
    )
    if row is None:
        tx.run(
            "UPDATE step SET state = 'done' WHERE turn_id = ? AND number = ? AND attempt ="
            " (SELECT MAX(attempt) FROM step WHERE turn_id = ? AND number = ?)",
            turn.turn_id,
            number,
            turn.turn_id,
            number,
        )
    return row[0] if row else None


def close_turn(
    tx: Tx, turn: OpenTurn, *, state: str, mark: str, error: str | None, now: int
) -> None:
    """End a turn and the inbox rows it claimed; whatever attempt still ran is an orphan."""
    fence(tx, turn, now)
    calls.end_unfinished(tx, turn.session_id, turn.turn_id, now)
    model_calls.orphan(tx, turn.turn_id, now=now)
    served = tx.row(
        "SELECT model FROM step WHERE turn_id = ? AND state = 'done'"
        " ORDER BY number DESC, attempt DESC LIMIT 1",
        turn.turn_id,
    )
    tx.run(
        "UPDATE turn SET state = ?, mark = ?, error = ?, served_by = ?, closed_at = ? WHERE id = ?",
        state,
        mark,
        error,
        served[0] if served else None,
        now,
        turn.turn_id,
    )
    inbox.finish_turn(tx, turn.turn_id)


def fence(tx: Tx, turn: OpenTurn, now: int) -> None:
    """Raise Fenced unless this process still owns the session at the turn's epoch."""
    owned = tx.run(
        "UPDATE session SET active_at = ? WHERE id = ? AND epoch = ?",
        now,
        turn.session_id,
        turn.epoch,
    )
    if owned != 1:
        raise Fenced(f"session {turn.session_key} has another owner")


def user_message(content: inbox.Content) -> UserMessage:
    """What the model reads of one inbound message; a quote is marked as quoted data."""
    parts = []
    if content.quotes:
        quoted = "".join(f"\n> {line}" for line in content.quote.splitlines())
        parts.append(f"[in reply to {content.quote_author or 'an earlier message'}]{quoted}")
    text = content.args if content.kind == "command" else content.text
    if text:
        parts.append(text)
    stickers = (each for each in content.attachments if each.kind == "sticker" and each.name)
    parts.extend(f"[sticker {each.name}]" for each in stickers)
    told = tuple(each for each in content.attachments if each.kind != "sticker")
    parts.extend(line(each, "it can't be read any more") for each in told if not each.file)
    author = content.author_name if content.shared else ""
    media = tuple(each.to_media() for each in told if each.file)
    return UserMessage(text="\n\n".join(parts), author=author, media=media)


def _open(
    tx: Tx,
    session_id: int,
    batch: list[inbox.Waiting],
    *,
    now: int,
    start_id: int | None,
    before: Earlier | None = None,
) -> OpenTurn:
    taken = tx.row(
        "UPDATE session SET epoch = epoch + 1, next_turn = next_turn + 1, active_at = ?"
        " WHERE id = ? RETURNING next_turn",
        now,
        session_id,
    )
    if taken is None:
        raise StoreError(f"session {session_id} is gone")
    last = batch[-1]
    opened = tx.row(
        "INSERT INTO turn (session_id, number, state, requester, requester_name, reply_to, grouped,"
        " asked, opened_at, start_id) VALUES (?, ?, 'open', ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        session_id,
        int(taken[0]) - 1,
        last.content.author,
        last.content.author_name,
        last.content.reply_to,
        int(last.content.grouped),
        last.message_id,
        now,
        start_id,
    )
    if opened is None:
        raise StoreError("a new turn got no id")
    turn_id = int(opened[0])
    inbox.claim(tx, [row.id for row in batch], turn_id)
    messages: tuple[Message, ...] = tuple(user_message(row.content) for row in batch)
    if before is not None:
        messages = (*earlier.join(tx, before, batch), *messages)
    if last.content.fire:
        fires.claimed(tx, last.content.fire, turn_id)
    else:
        posts = job_posts.unheard(tx, last, session_id=session_id, turn_id=turn_id, now=now)
        messages = (*(user_message(post) for post in posts), *messages)
    transcript.append(tx, session_id=session_id, turn_id=turn_id, messages=messages, now=now)
    return _load(tx, turn_id, resumed=False)


def _resume(tx: Tx, session_id: int, turn_id: int, now: int, start_id: int | None) -> OpenTurn:
    tx.run("UPDATE session SET epoch = epoch + 1, active_at = ? WHERE id = ?", now, session_id)
    tx.run("UPDATE turn SET attempt = attempt + 1, start_id = ? WHERE id = ?", start_id, turn_id)
    model_calls.orphan(tx, turn_id, now=now)
    return _load(tx, turn_id, resumed=True)


def rows_of(tx: Tx, turn_id: int) -> TurnRows:
    """The rows of a turn as they stand now."""
    return _load(tx, turn_id, resumed=True).rows


def _load(tx: Tx, turn_id: int, *, resumed: bool) -> OpenTurn:
    row = tx.row(
        "SELECT session.id, session.key, session.epoch, session.account, session.settings,"
        " turn.number, turn.reply_to, turn.grouped, turn.requester, turn.requester_name,"
        " turn.asked, turn.stopped_by, turn.halted, turn.words_before, turn.parts_before,"
        " turn.active_us FROM turn JOIN session ON session.id = turn.session_id WHERE turn.id = ?",
        turn_id,
    )
    if row is None:
        raise StoreError(f"turn {turn_id} is gone")
    session_id, key, epoch, account, settings, number, reply_to, *rest = row
    grouped, requester, name, asked, stopped_by, halted, words_before, parts_before, active_us = (
        rest
    )
    seen = folds.visible(tx, session_id, since_turn=turn_id)
    own = transcript.of_turn(tx, turn_id)
    chosen = orjson.loads(settings)
    said = tuple(m.text for m in own if isinstance(m, AssistantMessage | PartialReply))
    return OpenTurn(
        session_id=session_id,
        session_key=key,
        epoch=epoch,
        turn_id=turn_id,
        number=number,
        account=account,
        reply_to=reply_to,
        grouped=bool(grouped),
        requester=requester,
        language=None if grouped else tongues.of(tx, requester),
        requester_name=name,
        asked=asked,
        said=said[words_before:],
        settings=chosen,
        active_us=int(active_us),
        rows=TurnRows(
            session=str(session_id),
            turn=number,
            messages=tuple(each.message for each in seen),
            own=own,
            fold=bool(chosen.get(FOLD)),
            steps=_steps(tx, turn_id),
            calls_made=sum(len(m.calls) for m in own if isinstance(m, AssistantMessage)),
            calls=calls.open_of_turn(tx, turn_id),
            halted=halted,
        ),
        resumed=resumed,
        stopped_by=stopped_by,
        parts_before=parts_before,
        fire=fires.of_turn(tx, turn_id),
    )


def _steps(tx: Tx, turn_id: int) -> int:
    """The last step that is settled; one whose intent alone is stored is made again."""
    row = tx.row(
        "SELECT MAX(CASE WHEN state = 'done' THEN number ELSE number - 1 END) FROM step"
        " WHERE turn_id = ?",
        turn_id,
    )
    return int(row[0]) if row and row[0] is not None else 0
