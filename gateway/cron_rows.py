"""The rows of fires: as they are planned, asked for by hand, begun, and let go of."""

from dataclasses import replace

from gateway import cron_jobs, cron_report
from gateway.cron_slots import Planned, still_wanted
from gateway.store.base import Tx
from gateway.store.records import fires, inbox
from gateway.store.records.cron import Job
from gateway.store.records.fires import Fire, NewFire
from platforms.cron.schedule import Slot


def insert_at_next_moment(tx: Tx, new: NewFire, *, now: int) -> int:
    """Store a fire outside of the slots; two of the same moment take one each."""
    while (ident := fires.insert(tx, new, now=now)) is None:
        new = replace(new, slot=new.slot + 1)
    return ident


def let_go_of_late(tx: Tx, job: Job, *, now: int) -> None:
    """Do without fires of before the start that no turn has taken up, where they are too late."""
    try:
        schedule = cron_jobs.schedule_of(job)
    except ValueError:
        return  # told when its next slot comes
    for fire in fires.not_begun(tx, job.name):
        slot = Slot(at=cron_jobs.moment(fire.slot), fold=fire.fold)
        late = cron_jobs.moment(now)
        if schedule is not None and not still_wanted(
            schedule, slot, now=late, missed=job.definition.missed
        ):
            fires.withdraw_one(tx, fire, "missed", now=now)


def new_fire(name: str, planned: Planned, *, now: int) -> NewFire:
    return NewFire(
        job=name,
        slot=cron_jobs.micros(planned.slot.at),
        fold=planned.slot.fold,
        state="due" if planned.skipped is None else "skipped",
        reason=planned.skipped or "",
        missed=planned.more,
        begin_at=now,
    )


def arrival(job: Job, fire: Fire, account: str, key: str, *, now: int) -> inbox.Arrival:
    """A fire as the message that its session answers; nobody has written it."""
    ident = f"cron:{job.name}:{fire.slot}:{fire.fold}"
    if fire.attempt > 1:
        ident += f":{fire.attempt}"
    place = job.definition.deliver
    return inbox.Arrival(
        account=account,
        delivery_key=ident,
        logical_key=ident,
        state="new",
        reason=None,
        lane="turn",
        session_key=key,
        chat=place,
        message_id=None,
        author="",
        order=(0, 0),
        occurred_at=fire.slot,
        received_at=now,
        content=inbox.Content(
            kind="message",
            author_name=f"job {job.name}",
            reply_to=place,
            text=cron_report.prompt_text(job),
            quote=fire.data[: cron_report.DATA_MAX],
            quote_author=cron_report.DATA_FROM if fire.data else "",
            quote_by=cron_report.OUTSIDE if fire.data else "",
            fire=fire.id,
        ),
        raw="",
    )
