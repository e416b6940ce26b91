"""Builds the desk: the gate, the money, the cards, and everything that waits on people or time."""

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo

from agent.rules import Policy
from agent.tools.base import Tool
from agent.tools.literal_secrets import holds_one_of
from gateway import audit, refs
from gateway.access_lane import AccessDesk
from gateway.approvals import Desk
from gateway.asking import Asking, OwnerSpot, Spot, Times
from gateway.clock import Clock
from gateway.config import Config, keys_in
from gateway.config.ids import UserId
from gateway.decisions import Decisions
from gateway.delivery import Deliveries
from gateway.desk_clock import DeskClock
from gateway.entitled import Rights
from gateway.gate import Gate, Rules
from gateway.grants import GrantsDesk
from gateway.ingest import Stored
from gateway.ledger import Limits
from gateway.listed import ListedChats
from gateway.membership import Memberships
from gateway.money import Money
from gateway.notices import Notices
from gateway.owner_cards import OwnerCards
from gateway.owner_codes import OwnerCodes
from gateway.owners import Owners
from gateway.page_desk import PageDesk
from gateway.painting import Painter
from gateway.pairing import PairingDesk
from gateway.progress import Wait, wait
from gateway.redaction import Redaction, secrets_of
from gateway.remote_jobs import RemoteJobs
from gateway.roles import Roles
from gateway.shell_desk import ShellDesk
from gateway.spending import Spending
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import allowances, cards, seals
from gateway.tongues import tongues_of
from gateway.turn_desk import TurnDesk
from gateway.words.phrase import Told, reader_of
from platforms.errors import PlatformError, PlatformUnavailable

OWNER_SPOT_AGAIN_S = 5.0
ORPHANS_AT_ONCE = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """The desk with all its parts."""

    rules: Rules
    desk: Desk
    turn_desk: TurnDesk
    grants: GrantsDesk
    roles: Roles
    spending: Spending
    painter: Painter
    desk_clock: DeskClock
    remote_jobs: RemoteJobs
    owner_spot: OwnerSpot
    owners: Owners
    listed: ListedChats


async def keys_of(store: Store, clock: Clock) -> tuple[bytes, ...]:
    """The keys of this state directory that seal buttons, made on the first start."""
    fresh = secrets.token_hex(32)
    now = clock.now()

    def unit(tx: Tx) -> tuple[bytes, ...]:
        return seals.keys(tx, fresh, now=now)

    return await store.write(unit, transition=transitions.SEAL_MADE)


def rights_of(
    config: Config, owners: Owners | None = None, listed: ListedChats | None = None
) -> Rights:
    """Who is what; without `owners` they are those of the configuration.

    `listed` knows which chats have another address by now.
    """
    return Rights(
        owners=owners if owners is not None else Owners(config),
        approvals=config.approvals,
        people=config.people,
        formerly=(listed or ListedChats()).formerly,
    )


def supervision(
    *,
    config: Config,
    store: Store,
    clock: Clock,
    deliveries: Deliveries,
    notices: Notices,
    tools: Mapping[str, Tool],
    zone: tzinfo,
    keys: tuple[bytes, ...],
    wake: Callable[[str], None],
    owners: Owners | None = None,
) -> Supervision:
    """Build the desk; `wake` takes a session up again.

    Without `owners` they are those of the configuration, until rows are loaded.
    """
    owners = owners if owners is not None else Owners(config)
    loop = asyncio.get_running_loop()

    def tell_owners(key: str, sentence: Told) -> None:
        # Units run beside the loop.
        loop.call_soon_threadsafe(notices.tell, "", key, sentence)

    def look_at_jobs() -> None:
        loop.call_soon_threadsafe(jobs.look)

    def schema_now(tool: str) -> str:
        return rules.schema(tool)  # which are made of the money

    budget = config.budget
    money = Money(
        limits=Limits(
            turn=budget.turn,
            session=budget.session,
            chat_day=budget.chat_day,
            user_day=budget.user_day,
            org_month=budget.org_month,
            background_day=budget.background_day,
        ),
        zone=config.gateway.timezone,
        people=config.people,
        policy=config.policy.version,
        schema=schema_now,
    )
    listed = ListedChats()
    rights = rights_of(config, owners, listed)
    rules = Rules(
        policy=config.policy,
        tools=tools,
        rights=rights,
        money=money,
        holds=holds_one_of(frozenset(secrets_of(config, *keys_in(os.environ)))),
    )
    roles = Roles(deliveries=deliveries, rights=rights, clock=clock)
    tongues = tongues_of(config)
    painter = Painter(
        deliveries=deliveries,
        money=money,
        keys=keys,
        zone=zone,
        clock=clock,
        payers=config.payers.accounts,
        tongues=tongues,
    )
    owner_spot = OwnerSpot(listed.address)
    times = Times(
        expire_s=config.approvals.expire_s, owner_expire_s=config.approvals.owner_expire_s
    )
    asking = Asking(
        rights=rights,
        times=times,
        owner_spot=owner_spot,
        painter=painter,
        clock=clock,
        tongues=tongues,
        policy=config.policy.version,
    )
    gate = Gate(rules=rules, asking=asking, clock=clock)
    decisions = Decisions(rules=rules, gate=gate, asking=asking, painter=painter, clock=clock)
    grants = GrantsDesk(rules=rules, decisions=decisions, painter=painter, clock=clock)
    jobs = RemoteJobs(
        store=store,
        clock=clock,
        tools=tools,
        enqueue=deliveries.enqueue,
        wake=wake,
        tell_owners=notices_to(notices),
        wait=wait,
    )
    jobs.desk = turn_desk = TurnDesk(
        rules=rules,
        gate=gate,
        asking=asking,
        decisions=decisions,
        painter=painter,
        roles=roles,
        store=store,
        clock=clock,
        send=deliveries.enqueue,
        look_at_jobs=look_at_jobs,
        tell_owners=tell_owners,
    )
    return Supervision(
        rules=rules,
        desk=Desk(
            store=store,
            clock=clock,
            rules=rules,
            roles=roles,
            gate=gate,
            decisions=decisions,
            painter=painter,
            grants=grants,
            payers=config.payers.accounts,
            enqueue=deliveries.enqueue,
            wake=wake,
        ),
        turn_desk=turn_desk,
        grants=grants,
        roles=roles,
        spending=Spending(zone=zone),
        painter=painter,
        desk_clock=DeskClock(
            store=store,
            clock=clock,
            decisions=decisions,
            painter=painter,
            enqueue=deliveries.enqueue,
            wake=wake,
            tell_owners=notices_to(notices),
            booked=turn_desk.booked,
            wait=wait,
            flushed=deliveries.flushed,
        ),
        remote_jobs=jobs,
        owner_spot=owner_spot,
        owners=owners,
        listed=listed,
    )


def notices_to(notices: Notices) -> Callable[[str, Told], None]:
    """Tell owners on whatever platform works."""
    return lambda key, sentence: notices.tell("", key, sentence)


async def put_into_force(store: Store, clock: Clock, policy: Policy) -> None:
    """Keep which rules a run goes by, and end what was allowed under others."""
    now = clock.now()

    def unit(tx: Tx) -> None:
        ended = allowances.end_of_policy(tx, policy.version, now=now)
        rules = [
            {"id": rule.id, "tool": rule.tool, "verdict": rule.verdict.value}
            for rule in policy.rules
        ]
        audit.append(
            tx,
            at=now,
            kind="policy",
            actor="gateway",
            subject=policy.version,
            detail={"rules": rules, "ended": ended},
        )

    await store.write(unit, transition=transitions.ALLOWANCE_ENDED)


async def end_of_ended_turns(store: Store, decisions: Decisions) -> None:
    """End the cards of turns that were ended without the desk: before it stood, or by a fault."""

    def unit(tx: Tx) -> None:
        for card in cards.of_ended_turns(tx, limit=ORPHANS_AT_ONCE):
            decisions.ends.of_ended_turn(tx, card)  # its chat takes the rows up when it connects

    while await store.read(lambda tx: cards.of_ended_turns(tx, limit=1)):
        await store.write(unit, transition=transitions.CARD_ENDED)


async def find_owner_spot(
    config: Config,
    deliveries: Deliveries,
    spot: OwnerSpot,
    owners: Owners,
    *,
    wait: Wait,
    found: Callable[[], Awaitable[None]],
) -> None:
    """Find out where owners are asked, and again whenever others own the gateway; never ends.

    It is their chat, or a direct one, once its account is there. `found` asks what was left
    unasked.
    """
    asked: UserId | None = None
    while True:
        owners.changed.clear()
        first = next(iter(owners.people), None)
        if first != asked and config.approvals.owner_chat is None:
            spot.spot = None  # whoever was asked before may be no owner any more
        asked = first
        if not await _found_owner_spot(config, deliveries, spot, first):
            # A card asked before would stand where nobody decides, so not a moment is waited.
            await wait(deliveries.opened, OWNER_SPOT_AGAIN_S)
            deliveries.opened.clear()
            continue
        if spot.spot is not None:
            await found()
        await owners.changed.wait()


async def _found_owner_spot(
    config: Config, deliveries: Deliveries, spot: OwnerSpot, first: UserId | None
) -> bool:
    """Look once; True if there is nothing more to look for."""
    wanted = config.approvals.owner_chat
    platform = wanted.platform if wanted is not None else first.platform if first else None
    if platform is None:
        return True
    outlet = next((o for o in deliveries.outlets() if o.account.platform == platform), None)
    if outlet is None:
        return False
    account = refs.account_text(outlet.account)
    if wanted is not None:
        spot.spot = Spot(account=account, chat=str(wanted), owners=True, person=str(first or ""))
        return True
    try:
        person, space = (first.id, first.space) if first else ("", None)
        chat = await outlet.adapter.direct(person, space)
    except PlatformUnavailable:
        return False
    except PlatformError as error:
        log.warning("owners can't be asked directly, set approvals.owner_chat: %s", error)
        return True
    chat_text = refs.chat_text(chat)
    spot.spot = Spot(account=account, chat=chat_text, owners=True, person=str(first or ""))
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What everything stands on that looks at the desk from elsewhere."""

    config: Config
    store: Store
    clock: Clock


def access_desk(
    parts: Supervision,
    *,
    ground: Ground,
    account_of: Callable[[str], str | None],
    route: Callable[[Stored], None],
    deliveries: Deliveries,
) -> AccessDesk:
    """What owners say about who gets in; `route` is handed what may enter."""
    rights, clock = parts.rules.rights, ground.clock
    codes = OwnerCodes(owners=parts.owners, rights=rights, clock=clock)
    tongues = tongues_of(ground.config)
    cards = OwnerCards(spot=parts.owner_spot, tongues=tongues, clock=clock)

    async def leave(account: str, chat: str) -> str:
        outlet = deliveries.outlet(account)
        if outlet is None:
            return f"{account} is not connected."
        try:
            await outlet.adapter.leave(refs.chat_from(chat, outlet.account))
        except PlatformError as error:
            return f"{error}."
        return ""

    return AccessDesk(
        store=ground.store,
        clock=clock,
        config=ground.config,
        pairing=PairingDesk(cards=cards, rights=rights, clock=clock, account_of=account_of),
        memberships=Memberships(cards=cards, clock=clock),
        codes=codes,
        listed=parts.listed,
        account_of=account_of,
        leave=leave,
        rights=rights,
        roles=parts.roles,
        route=route,
        reader=lambda row: reader_of(row.content.language, deliveries.command_mark(row.account)),
    )


def page_desk(parts: Supervision, *, ground: Ground) -> PageDesk:
    """The desk as the pages know it."""
    return PageDesk(
        store=ground.store,
        clock=ground.clock,
        desk=parts.desk,
        rules=parts.rules,
        roles=parts.roles,
        painter=parts.painter,
        spending=parts.spending,
        payers=ground.config.payers.accounts,
    )


def shell_desk(
    parts: Supervision,
    *,
    ground: Ground,
    account_of: Callable[[str], str | None],
    freeze: Callable[[str, str], Awaitable[None]],
) -> ShellDesk:
    """The desk as the shell knows it."""
    secrets = secrets_of(ground.config, *keys_in(os.environ))
    return ShellDesk(
        store=ground.store,
        clock=ground.clock,
        desk=parts.desk,
        painter=parts.painter,
        grants=parts.grants,
        spending=parts.spending,
        limits=parts.rules.money.limits,
        account_of=account_of,
        freeze=freeze,
        hide=Redaction(secrets),
    )
