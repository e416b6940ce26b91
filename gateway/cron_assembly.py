"""Builds the clock out of what the gateway has."""

from collections.abc import Callable
from typing import Final

from gateway import refs
from gateway.clock import Clock
from gateway.cron import Cron
from gateway.cron_desk import CronDesk
from gateway.cron_lane import CronLane
from gateway.cron_news import Ways
from gateway.delivery import Deliveries
from gateway.desk_assembly import Ground, Supervision, notices_to
from gateway.ledger import Leave
from gateway.money import Money, spender_in
from gateway.notices import Notices
from gateway.progress import Wait
from gateway.store.base import Store, Tx
from platforms.errors import PlatformUnavailable

BACKGROUND: Final = "background_day"


def clock_of_jobs(
    *,
    store: Store,
    clock: Clock,
    desk: Supervision,
    deliveries: Deliveries,
    notices: Notices,
    wake: Callable[[str], None],
    wait: Wait,
) -> Cron:
    """The clock; turns tell it when they rest."""

    def account_of(platform: str) -> str | None:
        return next(
            (
                refs.account_text(outlet.account)
                for outlet in deliveries.outlets()
                if outlet.account.platform == platform
            ),
            None,
        )

    async def direct(account: str, person: str) -> str:
        outlet = deliveries.outlet(account)
        if outlet is None:
            raise PlatformUnavailable(f"{account} is not connected")
        ident, space = refs.person_id(person), refs.person_space(person)
        return refs.chat_text(await outlet.adapter.direct(ident, space))

    def halt(tx: Tx, account: str, chat: str) -> str:
        return spending_halt(tx, desk.rules.money, account, chat, now=clock.now())

    jobs = Cron(
        store=store,
        clock=clock,
        ways=Ways(
            account_of=account_of,
            direct=direct,
            wake=wake,
            enqueue=deliveries.enqueue,
            tell_owners=notices_to(notices),
            halt=halt,
        ),
        wait=wait,
    )
    desk.turn_desk.fire_rests = jobs.look
    return jobs


def lane_of_jobs(jobs: Cron, *, desk: Supervision, ground: Ground) -> CronLane:
    """What `/cron` does."""
    return CronLane(
        store=ground.store,
        clock=ground.clock,
        cron=jobs,
        rights=desk.rules.rights,
        zone_name=ground.config.gateway.timezone,
    )


def shell_of_jobs(
    jobs: Cron, *, ground: Ground, account_of: Callable[[str], str | None]
) -> CronDesk:
    """What `gatepost cron` does."""
    return CronDesk(
        store=ground.store,
        clock=ground.clock,
        cron=jobs,
        config=ground.config,
        account_of=account_of,
    )


def spending_halt(tx: Tx, money: Money, account: str, chat: str, *, now: int) -> str:
    """Why jobs may spend nothing in a chat: `frozen`, `budget`, or nothing.

    A limit of nothing is none of these: it lets free models answer.
    """
    spender = spender_in(account, chat, requester="", session_id=None, turn_id=None)
    if money.frozen(tx, spender) is not None:
        return "frozen"
    rooms = money.rooms(tx, spender, now=now, leave=Leave.POLICY)
    return "budget" if any(room.left == 0 and room.limit for room in rooms) else ""
