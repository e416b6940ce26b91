"""What stands in place of older messages of a session, and the transcript a model is given.

A fold is stored with sequences of messages where the one that made it knew positions. Originals
stay stored; a turn that is undone takes its folds back with it.
"""

from dataclasses import dataclass, replace

import orjson

from agent.folds import Fold, FoldKind, Placed, apply_placed
from agent.messages import Message, Summary, UserMessage
from gateway.errors import StoreError
from gateway.store.base import Row, Tx
from gateway.store.records import transcript

BEGINNING = 8
"""Messages before the first fold that are read at most: the first words of a chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A message as a model is given it, with its turn; 0 for one that stands for others."""

    placed: Placed
    turn_id: int

    @property
    def message(self) -> Message:
        return self.placed.message


def live(tx: Tx, session_id: int) -> tuple[Fold, ...]:
    """The folds of a session that still shape what a model is given, oldest first, by sequences.

    What a later summary covers is not among them.
    """
    rows = tx.rows(
        "SELECT kind, first_sequence, through_sequence, last_sequence, kept, part_bytes, text,"
        " gain_permille FROM fold WHERE session_id = ? AND undone_at IS NULL AND id >= COALESCE("
        " (SELECT MAX(id) FROM fold WHERE session_id = ? AND undone_at IS NULL"
        " AND kind <> 'prune'), 0) ORDER BY id",
        session_id,
        session_id,
    )
    later = tuple(map(_fold, rows))
    base = next((fold for fold in later if fold.kind is not FoldKind.PRUNE), None)
    if base is None:
        return later
    # A prune from before the summary still shapes the tail that the summary left.
    before = tx.rows(
        "SELECT kind, first_sequence, through_sequence, last_sequence, kept, part_bytes, text,"
        " gain_permille FROM fold WHERE session_id = ? AND undone_at IS NULL AND kind = 'prune'"
        " AND through_sequence > ? AND id < (SELECT MAX(id) FROM fold WHERE session_id = ?"
        " AND undone_at IS NULL AND kind <> 'prune') ORDER BY id",
        session_id,
        base.through,
        session_id,
    )
    return (*map(_fold, before), *later)


def visible(tx: Tx, session_id: int, *, since_turn: int | None = None) -> tuple[Seen, ...]:
    """What a model is given of a session, oldest first.

    Without folds those are the first words and the newest messages, from a place on that moves
    rarely, so that the beginning stays the same from turn to turn; during `since_turn` it does
    not move at all. What a summary stands for is not read.
    """
    folds = live(tx, session_id)
    base = next((fold for fold in folds if fold.kind is not FoldKind.PRUNE), None)
    rows = _rows(tx, session_id, base, since_turn)
    turns = {sequence: turn_id for sequence, turn_id, _ in rows}
    placed = tuple(
        Placed(first=sequence, through=sequence, message=transcript.parse(body))
        for sequence, _, body in rows
    )
    for fold in folds:
        placed = apply_placed(placed, fold)
    return tuple(
        Seen(placed=p, turn_id=0 if isinstance(p.message, Summary) else turns[p.first])
        for p in placed
    )


def _rows(
    tx: Tx, session_id: int, base: Fold | None, since_turn: int | None
) -> list[tuple[int, int, str]]:
    low = transcript.loaded_from(tx, session_id, turn_id=since_turn)
    start = low if base is None else max(low, base.through + 1)
    newest = tx.rows(
        "SELECT sequence, turn_id, body FROM message WHERE session_id = ? AND sequence >= ?"
        " AND undone_at IS NULL ORDER BY sequence",
        session_id,
        start,
    )
    beginning = tx.rows(
        "SELECT sequence, turn_id, body FROM message WHERE session_id = ? AND sequence < ?"
        " AND undone_at IS NULL ORDER BY sequence LIMIT ?",
        session_id,
        start if base is None else base.first,
        BEGINNING if base is not None else 1,
    )
    if base is None:
        beginning = [row for row in beginning if _is_from_people(str(row[2]))]
    kept = [
        row
        for sequence in (base.kept if base is not None else ())
        if base is not None and base.first <= sequence <= base.through
        for row in tx.rows(
            "SELECT sequence, turn_id, body FROM message WHERE session_id = ? AND sequence = ?"
            " AND undone_at IS NULL",
            session_id,
            sequence,
        )
    ]
    return [(int(s), int(t), str(body)) for s, t, body in (*beginning, *kept, *newest)]


def _is_from_people(body: str) -> bool:
    return isinstance(transcript.parse(body), UserMessage)


def add(tx: Tx, *, session_id: int, turn_id: int, fold: Fold, now: int) -> None:
    """Store a fold of what a turn is given at this moment, its positions as sequences."""
    seen = visible(tx, session_id, since_turn=turn_id)
    if fold.last >= len(seen) or fold.through > fold.last:
        raise StoreError(f"a fold of {fold.last + 1} messages, but there are {len(seen)}")
    offset = len(seen) - 1 - fold.last
    stored = _by_sequence(fold, tuple(each.placed for each in seen), offset)
    tx.run(
        "INSERT INTO fold (session_id, turn_id, kind, first_sequence, through_sequence,"
        " last_sequence, kept, part_bytes, text, gain_permille, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        session_id,
        turn_id,
        stored.kind.value,
        stored.first,
        stored.through,
        stored.last,
        orjson.dumps(stored.kept).decode(),
        stored.part_bytes,
        stored.text,
        round(stored.gain * 1000),
        now,
    )


def _by_sequence(fold: Fold, placed: tuple[Placed, ...], offset: int) -> Fold:
    """The same fold in sequences: it begins right behind what stands before it."""
    first = fold.first + offset
    return replace(
        fold,
        first=placed[first - 1].through + 1 if first > 0 else 0,
        through=placed[fold.through + offset].through,
        last=placed[fold.last + offset].through,
        kept=tuple(placed[index + offset].first for index in fold.kept),
    )


def undo(tx: Tx, turn_id: int, *, now: int) -> None:
    """Take back the folds of a turn that is undone."""
    tx.run("UPDATE fold SET undone_at = ? WHERE turn_id = ? AND undone_at IS NULL", now, turn_id)


def texts(tx: Tx, session_id: int) -> tuple[str, ...]:
    """What stands in place of older messages now: words of a model, or its calls in short."""
    return tuple(fold.text for fold in live(tx, session_id) if fold.text)


def _fold(row: Row) -> Fold:
    kind, first, through, last, kept, part_bytes, text, gain = row
    return Fold(
        kind=FoldKind(kind),
        first=int(first),
        through=int(through),
        last=int(last),
        kept=tuple(orjson.loads(kept)),
        part_bytes=int(part_bytes),
        text=str(text),
        gain=int(gain) / 1000,
    )


def forget(tx: Tx, session_id: int, *, before: int, everything: bool) -> int:
    """Delete folds from before a time: all of them, or only those that are out of force."""
    if everything:
        return tx.run("DELETE FROM fold WHERE session_id = ? AND at < ?", session_id, before)
    return tx.run(
        "DELETE FROM fold WHERE session_id = ? AND at < ? AND (undone_at IS NOT NULL OR"
        " through_sequence < COALESCE((SELECT MAX(through_sequence) FROM fold"
        " WHERE session_id = ? AND undone_at IS NULL AND kind <> 'prune'), 0))",
        session_id,
        before,
        session_id,
    )
