"""What whoever runs the gateway can ask of it: status, why, send; `gateway.shell_desk` decides."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING

from agent.costs import Unknown
from agent.failover import Entry
from agent.model_prices import ModelPricing
from agent.model_room import ModelRoom
from gateway import notify, outgoing, refs
from gateway.attached import size_text
from gateway.clock import Clock
from gateway.config import DestinationConfig
from gateway.delivery import Deliveries
from gateway.errors import NotNow
from gateway.ingest import Ingest
from gateway.serving import Serving, serving
from gateway.sessions import RunningTurn, Sessions
from gateway.spending import Spending
from gateway.store import transitions
from gateway.store.base import Store, StoreHealth, Tx
from gateway.store.records import inbox, model_calls, outbox, spent
from gateway.store.records.explain import explain
from gateway.store.records.outbox import Op
from gateway.store.records.overview import Overview, overview
from gateway.store.records.reasons import REASONS, ruled_by
from gateway.supervise import State, Supervisor
from gateway.web.health import HealthReport
from gateway.web.readers import has_reader
from platforms.events import Account, PlatformName
from platforms.markup import parse

if TYPE_CHECKING:
    from agent.tools.mcp_server import ServerFacts

SEND_FILE_MAX = 10 << 20
"""Bytes of a file that is sent from the command line: it is a row until it has left."""

_UNREAD = "{chat} is no chat of the page; web:local is, and each that was begun there."

LOOP_PROBE_S = 0.5
LAG_KEPT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceStatus:
    """One way in and out, as `status` shows it; ages in seconds, None where there is none.

    `frame_age_s` is the age of the last sign of transport, `gap_age_s` of the loss of a transport
    whose events are not all read back yet. `problem` is why it does not work now, `alarm` what
    needs a person although it goes on.
    """

    platform: PlatformName
    account: str | None
    state: State
    state_age_s: float | None
    connected: bool
    frame_age_s: float | None
    gap_age_s: float | None
    problem: str
    alarm: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolServer:
    """A server of tools: whether it is ready, and why not; `amiss` are remarks on its tools."""

    name: str
    ready: bool
    reason: str = ""
    amiss: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What is configured and does not work: enabled tools with why they are missing, servers."""

    missing: Mapping[str, str] = field(default_factory=dict)
    servers: tuple[ToolServer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The running gateway at one moment; ages in seconds, `waiting` and `outbox` count rows.

    `now` and the times in `rows` are microseconds since 1970; `loop_lag_s` is the worst lag of
    the last minute. `spent_today` and `held` are micro-dollars. `unpriced` are models that cost
    nobody knows what, with the reason: they are not asked. `unlisted` are people and chats that
    wrote and were ignored, with the key that would let them in, the newest last.
    """

    now: int
    uptime_s: float
    platforms: tuple[SurfaceStatus, ...]
    models: tuple[str, ...]
    serving: tuple[Serving, ...]
    unpriced: Mapping[str, str]
    unlisted: Mapping[str, str]
    equipment: Equipment
    spent_today: int
    held: int
    running: tuple[RunningTurn, ...]
    waiting: dict[str, int]
    outbox: dict[str, int]
    outcomes: dict[str, int]
    admitted_age_s: dict[str, float]
    loop_lag_s: float
    store: StoreHealth
    rows: Overview


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What `send` did: the row's id, or the sentence that says why nothing was stored."""

    outbox_id: int | None
    problem: str = ""


class Operator:
    """Answers for the running gateway; also what the health pages ask."""

    def __init__(
        self,
        *,
        store: Store,
        ingest: Ingest,
        sessions: Sessions,
        deliveries: Deliveries,
        supervisors: tuple[Supervisor, ...],
        entries: tuple[Entry, ...],
        models: ModelRoom,
        clock: Clock,
        zone: tzinfo,
        equipment: Callable[[], Equipment] = Equipment,
        named: Mapping[str, DestinationConfig] | None = None,
    ) -> None:
        """`zone` is the one of days, and of the times `why` tells; `named` are chats by name."""
        self._named = {name: str(each.chat) for name, each in (named or {}).items()}
        self._zone = zone
        self._spending = Spending(zone=zone)
        self._equipment = equipment
        self._store = store
        self._ingest = ingest
        self._sessions = sessions
        self._deliveries = deliveries
        self._supervisors = supervisors
        self._entries = entries
        self._models = models
        self._clock = clock
        self._started = clock.monotonic()
        self._lags: deque[float] = deque(maxlen=int(LAG_KEPT_S / LOOP_PROBE_S))
        self._probe = notify.Probe(store, monotonic=clock.monotonic)

    async def watch_loop(self) -> None:
        """Measure how late the event loop runs its timers, until cancelled."""
        while True:
            before = self._clock.monotonic()
            await asyncio.sleep(LOOP_PROBE_S)
            self._lags.append(max(0.0, self._clock.monotonic() - before - LOOP_PROBE_S))

    async def status(self) -> Status:
        """Look at everything once."""
        now, at = self._clock.monotonic(), self._clock.now()
        rows = await self._store.read(lambda tx: overview(tx, now=at))
        today = self._spending.day(at)
        spending = await self._store.read(lambda tx: spent.total(tx, since=today))
        return Status(
            now=at,
            uptime_s=now - self._started,
            platforms=self.surfaces(),
            models=tuple(entry.model for entry in self._entries),
            serving=serving(self._entries, self._models, await self._store.read(self._last_uses)),
            unpriced=_unpriced(self._entries),
            unlisted=dict(self._ingest.unlisted),
            equipment=self._equipment(),
            spent_today=spending.settled,
            held=spending.held,
            running=self._sessions.running(),
            waiting=await self._store.read(inbox.counts),
            outbox=rows.outbox,
            outcomes=dict(self._ingest.counts),
            admitted_age_s={account: now - at for account, at in self._ingest.admitted_at.items()},
            loop_lag_s=max(self._lags, default=0.0),
            store=self._store.health(),
            rows=rows,
        )

    def _last_uses(self, tx: Tx) -> dict[str, int | None]:
        return {entry.name: model_calls.last_use(tx, entry.name) for entry in self._entries}

    def surfaces(self) -> tuple[SurfaceStatus, ...]:
        """How every surface does."""
        return tuple(self._surface(supervisor) for supervisor in self._supervisors)

    def _surface(self, supervisor: Supervisor) -> SurfaceStatus:
        """How a surface does, its way out included."""
        status, alive = supervisor.status(), supervisor.adapter.liveness()
        outlet = self._deliveries.outlet(status.account) if status.account else None
        mute = f"nothing can be sent: {outlet.problem}" if outlet and outlet.problem else ""
        gap = None if alive.gap_since is None else self._clock.monotonic() - alive.gap_since
        return SurfaceStatus(
            platform=status.platform,
            account=status.account,
            state=status.state,
            state_age_s=status.state_age_s,
            connected=status.connected,
            frame_age_s=status.frame_age_s,
            gap_age_s=gap,
            problem=mute or status.problem,
            alarm=alive.alarm,
            detail=alive.detail,
        )

    async def why(self, ident: str) -> tuple[str, ...]:
        """Tell the story of an event, turn, outbox row or message; () if nothing has this id."""
        lines = await self._store.read(lambda tx: explain(tx, ident.strip(), self._zone))
        if not lines and ident.strip() in self._ingest.unwanted:
            reason = "chat_not_listed"
            told = f"{ident}: ignored: {reason} ({REASONS[reason]})"
            return told, f"  {ruled_by(reason)}"
        return lines

    async def send(self, chat: str, text: str, key: str | None) -> SendResult:
        """Store words for a chat or destination, verbatim Markdown, on disk when this returns.

        The same key again stores nothing and returns the first row's id.
        """
        body = parse(text)
        if not body:
            return SendResult(outbox_id=None, problem="There is nothing to send.")
        return await self._send(chat, "post", outgoing.Words(body=body), key)

    async def send_file(self, chat: str, file: outgoing.File, key: str | None) -> SendResult:
        """Store a file for a chat or destination, as `send` does words."""
        return await self._send(chat, "upload", file, key)

    async def _send(
        self, chat: str, op: Op, content: outgoing.Content, key: str | None
    ) -> SendResult:
        asked, chat = chat, refs.standing_text(self._named.get(chat, chat))
        outlet = next(
            (o for o in self._deliveries.outlets() if chat.startswith(f"{o.account.platform}:")),
            None,
        )
        if outlet is None:
            self._may_come(chat.partition(":")[0])
            connected = ", ".join(o.account.platform for o in self._deliveries.outlets())
            by_name = f"; by name: {', '.join(sorted(self._named))}" if self._named else ""
            return SendResult(
                outbox_id=None,
                problem=f"{chat} names no connected platform; connected: {connected}{by_name}.",
            )
        if problem := await self._astray(asked, chat, outlet.account):
            return SendResult(outbox_id=None, problem=problem)
        most = min(SEND_FILE_MAX, outlet.adapter.capabilities.upload_max_bytes)
        if isinstance(content, outgoing.File) and not 0 < len(content.data) <= most:
            why = f"is larger than {size_text(most)}" if content.data else "is empty"
            return SendResult(outbox_id=None, problem=f"{content.name} {why}.")
        new = outbox.NewOutbox(
            dedupe_key=f"send:{key or self._clock.nonce()}",
            account=refs.account_text(outlet.account),
            chat=chat,
            turn_id=None,
            part=0,
            purpose="send",
            op=op,
            target_id=None,
            content=outgoing.dump(content),
            nonce=self._clock.nonce(),
        )
        now = self._clock.now()
        row = await self._store.write(
            lambda tx: outbox.insert(tx, new, now=now), transition=transitions.SEND_STORED
        )
        if row is None:
            known = await self._store.read(lambda tx: outbox.by_key(tx, new.dedupe_key))
            return SendResult(outbox_id=known)
        outlet.enqueue((row,))
        return SendResult(outbox_id=row.id)

    async def _astray(self, asked: str, chat: str, account: Account) -> str:
        """Why what is sent to a chat would reach nobody; "" where it may."""
        try:
            place = refs.chat_from(chat, account)
        except ValueError as error:
            return f"{error}."
        read = await self._store.read(lambda tx: has_reader(tx, place))
        return "" if read else _UNREAD.format(chat=asked)

    def _may_come(self, platform: str) -> None:
        """Raise NotNow for a platform that is only not connected yet."""
        for surface in self.surfaces():
            if surface.platform == platform and surface.state != "stopped":
                raise NotNow(f"{platform} is not connected yet, so nothing was stored; try again.")

    async def alive(self) -> HealthReport:
        """The loop turns (it answers), the writer writes, no surface is deaf unattended."""
        stuck_s = await self._probe.stuck_s()
        return notify.healthy(store=self._store.health(), stuck_s=stuck_s, surfaces=self.surfaces())

    async def ready(self) -> HealthReport:
        """Store open, intake open, at least one surface up."""
        alive = await self.alive()
        surfaces = self.surfaces()
        parts: dict[str, str] = {
            "loop": alive.parts["loop"],
            "store": alive.parts["store"],
            "intake": "ok" if self._ingest.is_open else "closed",
            **{s.platform: "ok" if s.connected else s.state for s in surfaces},
        }
        up = any(surface.connected for surface in surfaces)
        return HealthReport(ok=alive.ok and self._ingest.is_open and up, parts=parts)


def tool_server(facts: "ServerFacts") -> ToolServer:
    """A server of tools as `status` and `doctor` tell of it."""
    amiss = [
        *(f"{tool} has changed and waits for your word" for tool in facts.changed),
        *(f"{tool} is declared and not there" for tool in facts.missing),
        *(f"{tool} is left out: {why}" for tool, why in facts.left_out.items()),
    ]
    return ToolServer(
        name=facts.name,
        ready=facts.state.value == "ready",
        reason=facts.reason,
        amiss=tuple(amiss),
    )


def _unpriced(entries: tuple[Entry, ...]) -> dict[str, str]:
    """The models whose price nobody knows, and why."""
    found = {}
    for entry in entries:
        price = entry.pricing.price if isinstance(entry.pricing, ModelPricing) else None
        if isinstance(price, Unknown):
            found[entry.model] = price.text
    return found
