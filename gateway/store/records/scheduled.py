"""Jobs of the clock at one look: when each runs next, and what came of it last."""

from dataclasses import dataclass

from gateway.store.base import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class LastFire:
    """The newest fire of a job, whatever became of it; `slot` in microseconds since 1970."""

    id: int
    slot: int
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A job that is not removed; `next_at` is None if it only runs when it is asked to, or rests.

    `reason` is why it rests.
    """

    name: str
    state: str
    reason: str
    next_at: int | None
    last: LastFire | None


def every(tx: Tx) -> tuple[Scheduled, ...]:
    """Every job, by name."""
    rows = tx.rows(
        "SELECT cron_job.name, cron_job.state, cron_job.reason, cron_job.next_at, cron_fire.id,"
        " cron_fire.slot, cron_fire.state, cron_fire.reason FROM cron_job LEFT JOIN cron_fire"
        " ON cron_fire.id ="
        " (SELECT MAX(newest.id) FROM cron_fire AS newest WHERE newest.job = cron_job.name)"
        " WHERE cron_job.state <> 'removed' ORDER BY cron_job.name"
    )
    return tuple(
        Scheduled(
            name=name,
            state=state,
            reason=reason,
            next_at=next_at if state == "active" else None,
            last=None if ident is None else LastFire(id=ident, slot=slot, state=came, reason=why),
        )
        for name, state, reason, next_at, ident, slot, came, why in rows
    )
