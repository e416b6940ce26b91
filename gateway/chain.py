"""Pure: the audit's chain of hashes, by which an altered, removed or moved row is found.

Each row's hash is over the row and the hash of the row before it. What time has taken away from
the front is vouched for by a checkpoint, a row of the same chain that names the last hash taken.
Rows cut off at the end leave no mark in what is left: `audit head` is noted elsewhere for that.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, assert_never

from agent.canonical import NotCanonical, canonical, read_canonical
from agent.messages import well_formed

GENESIS = "0" * 64
"""What the first row follows."""

CHECKPOINT = "checkpoint"
_DOMAIN = b"gatepost audit 1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a row says before it has a place; `detail` is canonical JSON."""

    at: int
    kind: str
    actor: str
    account: str
    chat: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A stored row."""

    seq: int
    link: Link
    previous: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a chain was followed; fold pages of it in with `follow`."""

    rows: int = 0
    seq: int = 0
    head: str = GENESIS
    missing: str = ""
    """The hash before the first row, until a checkpoint vouches for it."""
    first_seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Intact:
    """Every row follows the one before it; `head` is the last hash."""

    rows: int
    seq: int
    head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first row that cannot be what was written, and why."""

    seq: int
    reason: str


def hash_of(link: Link, previous: str) -> str:
    """The hash of a row that follows another."""
    row = [link.at, link.kind, link.actor, link.account, link.chat, link.subject, link.detail]
    return sha256(_DOMAIN + canonical([*row, previous])).hexdigest()


def plain(value: Any) -> Any:
    """A detail as the chain takes it: any text becomes one that has a spelling in JSON."""
    match value:
        case str():
            return well_formed(value)
        case dict():
            return {well_formed(str(key)): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value


def follow(progress: Progress, rows: Iterable[Entry]) -> Progress | Broken:
    """Follow the chain over its next rows, oldest first."""
    for row in rows:
        if progress.rows == 0:
            missing = "" if row.previous == GENESIS else row.previous
            progress = replace(progress, head=row.previous, missing=missing, first_seq=row.seq)
        if row.previous != progress.head:
            return Broken(seq=row.seq, reason="a row before it was removed, added or moved")
        if row.hash != _recomputed(row):
            return Broken(seq=row.seq, reason="it was altered")
        vouched = row.link.kind == CHECKPOINT and _vouched(row.link) == progress.missing
        progress = replace(
            progress,
            rows=progress.rows + 1,
            seq=row.seq,
            head=row.hash,
            missing="" if vouched else progress.missing,
        )
    return progress


def finished(progress: Progress | Broken) -> Intact | Broken:
    """What following the whole chain has shown."""
    match progress:
        case Broken():
            return progress
        case Progress(missing=""):
            return Intact(rows=progress.rows, seq=progress.seq, head=progress.head)
        case Progress():
            reason = "rows before it are gone and no checkpoint vouches for them"
            return Broken(seq=progress.first_seq, reason=reason)
        case _:
            assert_never(progress)


def verify(rows: Iterable[Entry]) -> Intact | Broken:
    """Whether a whole chain is as it was written."""
    return finished(follow(Progress(), rows))


def checkpoint(last: Entry, *, count: int, now: int) -> Link:
    """The row that vouches for the rows up to `last`, which are taken away."""
    detail = {"hash": last.hash, "rows": count, "through": last.seq, "until": last.link.at}
    return Link(
        at=now,
        kind=CHECKPOINT,
        actor="gateway",
        account="",
        chat="",
        subject="",
        detail=canonical(detail).decode(),
    )


def _recomputed(row: Entry) -> str | None:
    try:
        return hash_of(row.link, row.previous)
    except NotCanonical:  # such a row was never written by us
        return None


def _vouched(link: Link) -> str | None:
    try:
        detail = read_canonical(link.detail.encode())
    except (NotCanonical, UnicodeEncodeError):
        return None
    return str(detail.get("hash")) if isinstance(detail, dict) else None
