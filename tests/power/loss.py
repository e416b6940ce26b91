"""Pure: what a disk may hold after the power failed at some moment of a log.

A write is safe once its file was synced after it; a removal is safe at once. Of the writes after
the last sync each sector may be old, new, or noise, and any of them may be lost. Nothing else is
assumed of the disk.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.store.base import Durability
from tests.power.disk import DiskEvent, Removed, Synced, Truncated, Wrote

SECTOR = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A write was handed to the store; `number` is None for one that only looks."""

    ident: int
    number: int | None
    durability: Durability


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The store said that it is done."""

    ident: int


Entry = DiskEvent | Began | Acknowledged


@dataclass(frozen=True, slots=True, repr=False)
class Log:
    """Everything in order; too long to be printed."""

    entries: tuple[Entry, ...]


class Fate(Enum):
    """What becomes of what was not synced."""

    KEPT = "kept"
    LOST = "lost"
    CUT = "cut"  # everything up to some byte of the disk's order is there, nothing after it
    TORN = "torn"  # each sector by itself is old or new
    ROTTEN = "rotten"  # each sector is old, new, or noise where the file was growing


def files_after(log: Log, moment: int, fate: Fate, chance: random.Random) -> Mapping[str, bytes]:
    """The files by name, for a power loss right before entry `moment`."""
    happened = log.entries[:moment]
    synced = {event.file: at for at, event in enumerate(happened) if isinstance(event, Synced)}
    files: dict[str, bytearray] = {}
    loose: list[Wrote | Truncated] = []
    removed = {event.file: at for at, event in enumerate(happened) if isinstance(event, Removed)}
    for at, event in enumerate(happened):
        if not isinstance(event, Wrote | Truncated) or at < removed.get(event.file, -1):
            continue
        if at < synced.get(event.file, -1):
            _apply(files.setdefault(event.file, bytearray()), event)
        else:
            loose.append(event)
    safe = {name: len(content) for name, content in files.items()}
    for event in _surviving(loose, fate, chance):
        content = files.setdefault(event.file, bytearray())
        if isinstance(event, Wrote) and fate in {Fate.TORN, Fate.ROTTEN}:
            noise = fate is Fate.ROTTEN and event.offset >= safe.get(event.file, 0)
            _apply_by_sector(content, event, chance, noise=noise)
        else:
            _apply(content, event)
    return {name: bytes(content) for name, content in files.items()}


def required(log: Log, moment: int) -> set[int]:
    """The numbers that must be there: what was acknowledged as power-safe, and all before it.

    What was acknowledged before a power-safe write was handed over is as safe as that one.
    """
    began = {entry.ident: entry for entry in log.entries[:moment] if isinstance(entry, Began)}
    acknowledged: dict[int, int] = {}
    position: dict[int, int] = {}
    for at, entry in enumerate(log.entries[:moment]):
        if isinstance(entry, Began):
            position[entry.ident] = at
        elif isinstance(entry, Acknowledged):
            acknowledged[entry.ident] = at
    power = [i for i in acknowledged if began[i].durability is Durability.POWER]
    last = max((position[ident] for ident in power), default=-1)
    safe = {i for i in acknowledged if acknowledged[i] < last} | set(power)
    return {number for i in safe if (number := began[i].number) is not None}


def acknowledged(log: Log, moment: int) -> set[int]:
    """The numbers that must be there after the process alone died."""
    began = {entry.ident: entry for entry in log.entries[:moment] if isinstance(entry, Began)}
    done = (began[e.ident].number for e in log.entries[:moment] if isinstance(e, Acknowledged))
    return {number for number in done if number is not None}


def _surviving(
    loose: Sequence[Wrote | Truncated], fate: Fate, chance: random.Random
) -> list[Wrote | Truncated]:
    match fate:
        case Fate.KEPT | Fate.TORN | Fate.ROTTEN:
            return list(loose)
        case Fate.LOST:
            return []
        case Fate.CUT:
            kept = list(loose[: chance.randint(0, len(loose))])
            if kept and isinstance(last := kept[-1], Wrote):
                length = chance.randint(0, len(last.data))
                kept[-1] = Wrote(file=last.file, offset=last.offset, data=last.data[:length])
            return kept


def _apply(content: bytearray, event: Wrote | Truncated) -> None:
    if isinstance(event, Truncated):
        del content[event.size :]
        return
    end = event.offset + len(event.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[event.offset : end] = event.data


def _apply_by_sector(
    content: bytearray, event: Wrote, chance: random.Random, *, noise: bool
) -> None:
    for start in range(0, len(event.data), SECTOR):
        piece = event.data[start : start + SECTOR]
        lot = chance.random()
        if lot < 0.4:
            continue
        if noise and lot < 0.6:
            piece = chance.randbytes(len(piece))
        _apply(content, Wrote(file=event.file, offset=event.offset + start, data=piece))
