"""The first commit of a run: what the last one left behind is counted and, if need be, ended."""

import logging
from dataclasses import dataclass
from pathlib import Path

from gateway import outgoing, render
from gateway.clock import Clock
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import chats, jobs, outbox, starts, unowned
from gateway.store.records.starts import Begun
from platforms.markup import parse

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A run that has begun; `doubt_before` see Deliveries, `quarantined` turns it ended."""

    begun: Begun
    doubt_before: int | None
    quarantined: tuple[str, ...]


async def begin(store: Store, clock: Clock, *, boot: str) -> Start:
    """Store that a run begins (D2); a turn that killed three runs in a minute is ended here."""
    now = clock.now()

    def unit(tx: Tx) -> Begun:
        begun = starts.begin(tx, now=now, boot=boot)
        chats.clear_all(tx, state="paused")
        for turn_id in begun.guilty:
            _quarantine(tx, turn_id, clock)
        return begun

    begun = await store.write(unit, transition=transitions.RUN_BEGUN)
    quarantined = tuple(f"t{turn_id}" for turn_id in begun.guilty)
    for turn in quarantined:
        log.error("turn %s was open in three deaths within a minute and is ended", turn)
    if begun.died:
        log.warning("the last run ended without a word; taking up what it left")
    return Start(begun=begun, doubt_before=now if begun.rebooted else None, quarantined=quarantined)


async def end(store: Store, clock: Clock, start: Start) -> None:
    """Store that the run ended in order."""
    now = clock.now()
    await store.write(
        lambda tx: starts.end(tx, start.begun.id, now=now), transition=transitions.RUN_ENDED
    )


def boot_id() -> str:
    """The id of the machine's present boot; empty where the system has none.

    Source: random(4), /proc/sys/kernel/random/boot_id.
    """
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _quarantine(tx: Tx, turn_id: int, clock: Clock) -> None:
    """End a turn and its work elsewhere; its cards end once there is a desk to paint them."""
    now = clock.now()
    jobs.stop_of_turn(tx, turn_id, by="the gateway", now=now, everything=False)
    ended = unowned.quarantine(tx, turn_id, now=now)
    outbox.insert(
        tx,
        outgoing.notice(
            key=f"t{turn_id}:quarantined",
            account=ended.account,
            chat=ended.reply_to,
            turn_id=turn_id,
            words=outgoing.Words(body=parse(render.quarantined_text(f"t{turn_id}"))),
            nonce=clock.nonce(),
            line=f"s{ended.session_id}",
        ),
        now=now,
    )
