"""What became of a fire of a job, in lines for `gatepost why`. Reads only."""

from datetime import UTC, tzinfo

from gateway.store.base import Tx
from gateway.store.records import fires
from gateway.store.records.fires import BY_HAND, Fire
from gateway.store.records.story import time_text

REASONS = {
    "missed": "nobody looked at the clock in time, and the job's `missed` says to do without",
    "overlap": "the one before was still at work; `overlap` says what happens then",
    "paused": "the job was paused",
    "frozen": "spending was frozen there",
    "budget": "a limit was used up: background_day, or the chat's or everybody's",
    "edited": "the job was changed before it began",
    "removed": "the job was removed before it began",
}


def of_fire(tx: Tx, ident: int, zone: tzinfo = UTC) -> tuple[str, ...]:
    """Tell the story of a fire; () if there is none of this number."""
    fire = fires.get(tx, ident)
    if fire is None:
        return ()
    state = fire.state.replace("_", " ")
    told = REASONS.get(fire.reason) if fire.state == "skipped" else None
    lines = [
        f"fire f{fire.id} of job {fire.job}: {_cause(fire, zone)}",
        f"  {state}" + (f": {fire.reason}" if fire.reason else "") + (f" ({told})" if told else ""),
    ]
    if fire.missed:
        further = "slot" if fire.missed == 1 else "slots"
        lines.append(f"  it stands for {fire.missed} further {further} before it")
    if fire.attempt > 1:
        lines.append(f"  try number {fire.attempt}; those before it failed without an effect")
    if fire.state == "due" and fire.inbox_id is None:
        lines.append(f"  it begins when the one before is over, not before {_at(fire, zone)}")
    if fire.chat:
        lines.append(f"  for {fire.chat} on {fire.account}")
    if fire.approver_chat:
        lines.append(f"  people are asked in {fire.approver_chat}")
    if fire.ended_at is not None:
        lines.append(f"  over {time_text(fire.ended_at, zone)}")
    return tuple(lines)


def of_turn(tx: Tx, turn_id: int) -> tuple[str, ...]:
    """For which fire a turn was opened."""
    fire = fires.of_turn(tx, turn_id)
    return () if fire is None else (f"  opened by fire f{fire.id} of job {fire.job}",)


def _cause(fire: Fire, zone: tzinfo) -> str:
    at = time_text(fire.slot, zone)
    return f"asked for by {fire.by} {at}" if fire.fold == BY_HAND else f"due {at}"


def _at(fire: Fire, zone: tzinfo) -> str:
    return time_text(fire.begin_at, zone)
