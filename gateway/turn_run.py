"""Runs one turn to an end, whatever happens: every way out of it leaves its session free.

it answers, is stopped, fails          its journal closes it
people are asked, or the process ends  it is parked as rows
another process owns the session       it is left alone
no sign of progress (`progress`)       closed with a sentence
a fault of ours                        closed with a sentence in place of its answer
that can't be stored either            closed with the least that can be: no words of its own
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from agent import policy, prompt
from agent.effects import (
    TurnRows,
)
from agent.events import TurnEvent
from agent.failover import Entry, plan_for
from agent.model_room import ModelRoom
from agent.runner import Runner
from agent.signals import TurnSignals
from agent.tool_room import ToolRoom
from agent.tools.base import CallContext, Tool
from agent.turn import AwaitsModel, position, turn_flow
from gateway import cron_report, outgoing, refs, render
from gateway.clock import Clock
from gateway.errors import StoreClosed, StoreError, StoreFailed
from gateway.files import Files, TurnFiles
from gateway.outlet import Outlet
from gateway.progress import (
    INACTIVITY_S,
    NoProgress,
    Progress,
    Wait,
    WatchedProvider,
    WatchedStore,
    unless_stuck,
)
from gateway.reply import Reply
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import due, jobs, outbox, sessions
from gateway.store.records.sessions import Fenced, OpenTurn
from gateway.turn_desk import TurnDesk
from gateway.turns import StoredTurn
from gateway.words.phrase import Language
from platforms.markup import parse

Busy = Literal["join", "queue", "interrupt"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What every turn is run with."""

    entries: tuple[Entry, ...]
    tools: Mapping[str, Tool]
    busy: Busy
    desk: TurnDesk
    on_failure: Callable[[StoreError], None] = field(repr=False)
    files: Files
    models: ModelRoom = field(default_factory=ModelRoom)
    start_id: int | None = None
    idle_us: int | None = None
    suspects: frozenset[str] = frozenset()
    """Sessions whose turn may have killed the last runs; they are taken up one at a time."""

    language: Language | None = None
    """Of everything the gateway says itself; without it, each person's own."""

    def busy_of(self, settings: Mapping[str, Any]) -> Busy:
        """What words do that come during a turn of a session with these settings."""
        chosen = settings.get("busy")
        return next((each for each in get_args(Busy) if each == chosen), self.busy)


class Without(Mapping[str, Tool]):
    """Tools as they are now, but for some."""

    def __init__(self, tools: Mapping[str, Tool], left_out: frozenset[str]) -> None:
        self._tools = tools
        self._left_out = left_out

    def __getitem__(self, name: str) -> Tool:
        if name in self._left_out:
            raise KeyError(name)
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._tools if name not in self._left_out)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class TurnRuns:
    """Runs turns with one set of models and tools."""

    def __init__(self, *, store: Store, clock: Clock, agent: Agent, wait: Wait) -> None:
        self._store = store
        self._clock = clock
        self._agent = agent
        self._wait = wait
        self._room = ToolRoom()

    async def run(
        self, turn: OpenTurn, outlet: Outlet, signals: TurnSignals, progress: Progress
    ) -> None:
        """Run one turn; raises StoreError only if nothing can be stored any more."""
        try:
            await self._attend(turn, outlet, signals, progress)
        except Fenced:
            log.warning("turn t%d has another owner; leaving it", turn.turn_id)
        except (StoreFailed, StoreClosed):
            raise
        except Exception:
            log.exception("the end of turn t%d can't be stored as it is", turn.turn_id)
            await self._give_up(turn)

    async def _attend(
        self, turn: OpenTurn, outlet: Outlet, signals: TurnSignals, progress: Progress
    ) -> None:
        """Run a turn until it is closed, parked or another's; end one that is stuck or fails."""
        posted = await self._posted(turn) if turn.resumed else ()
        reply = Reply(
            turn=turn,
            outlet=outlet,
            store=self._store,
            clock=self._clock,
            posted=posted,
            time=self._agent.desk.time,
            language=self._agent.language,
        )
        store = WatchedStore(self._store, progress)
        files = TurnFiles(
            turn=turn,
            files=self._agent.files,
            store=store,
            clock=self._clock,
            signals=signals,
            reader=reply.reader,
            desk=self._agent.desk,
        )
        journal = StoredTurn(
            turn=turn,
            reply=reply,
            store=store,
            clock=self._clock,
            joins=self._agent.busy_of(turn.settings) != "queue" and turn.fire is None,
            desk=self._agent.desk,
            fetch=files.fetch,
        )
        reply.start()
        try:
            if turn.fire is not None:
                progress.end_in(cron_report.FIRE_S - journal.active_s())
            work = self._perform(turn, journal, reply, signals, progress)
            await unless_stuck(work, progress, self._wait)
        except (Fenced, StoreFailed, StoreClosed):
            raise
        except NoProgress:
            log.error("turn t%d gave no sign of progress and is ended", turn.turn_id)
            store.only(asyncio.current_task())
            if progress.is_over:
                await journal.overlong(cron_report.FIRE_S)
            else:
                await journal.stuck(INACTIVITY_S)
        except Exception:
            log.exception("turn t%d failed inside the gateway", turn.turn_id)
            await journal.crashed()
        finally:
            await reply.abandon()

    async def _perform(
        self,
        turn: OpenTurn,
        journal: StoredTurn,
        reply: Reply,
        signals: TurnSignals,
        progress: Progress,
    ) -> None:
        """Everything of a turn that could get stuck."""

        def emit(event: TurnEvent) -> None:
            progress.moved()
            reply.watch(event)

        chat = f"{turn.account}|{refs.root_text(turn.reply_to)}"
        seeing = self._agent.files.seeing
        entries = tuple(
            replace(entry, provider=WatchedProvider(seeing(entry.provider), progress))
            for entry in self._agent.entries
        )
        tools = Without(self._agent.tools, cron_report.goes_without(turn))
        runner = Runner(
            origin=CallContext(
                call_id="",
                session=str(turn.session_id),
                account=turn.account,
                chat=turn.reply_to,
                requester=turn.requester,
            ),
            system=prompt.SYSTEM,
            plan=plan_for(entries, turn.settings.get("model")),
            tools=tools,
            journal=journal,
            signals=signals,
            emit=emit,
            room=lambda: self._room.place(chat, progress.moved),
            models=self._agent.models,
            effort=turn.settings.get("effort"),
        )
        rows = await journal.with_files()
        if turn.resumed and signals.stopped_by is None:
            rows = await _joined(rows, journal)
        judge = policy.judge_with(tools, holds=self._agent.desk.holds)
        await runner.run(turn_flow(rows, judge, journal.active_s))

    async def _give_up(self, turn: OpenTurn) -> None:
        """End a turn with the least that can be stored, so that its session goes on."""
        now = self._clock.now()
        reference = f"t{turn.turn_id}"
        words = outgoing.Words(body=parse(render.crashed_text(reference)))
        note = outgoing.notice(
            key=f"{reference}:given_up",
            account=turn.account,
            chat=turn.reply_to,
            turn_id=turn.turn_id,
            words=words,
            nonce=self._clock.nonce(),
        )

        def unit(tx: Tx, *, desk: TurnDesk | None) -> tuple[outbox.OutboxRow, ...]:
            if not due.is_open(tx, turn.turn_id):
                return ()
            jobs.stop_of_turn(tx, turn.turn_id, by="", now=now, everything=False)
            ended = desk.turn_ends(tx, turn, by="", stopped=False) if desk else ()
            error = "a fault in the gateway; its words could not be stored"
            sessions.close_turn(tx, turn, state="failed", mark="none", error=error, now=now)
            stored = outbox.insert(tx, note, now=now)
            return (*((stored,) if stored else ()), *ended)

        try:
            rows = await self._store.write(
                lambda tx: unit(tx, desk=self._agent.desk), transition=transitions.TURN_CLOSED
            )
        except (Fenced, StoreFailed, StoreClosed):
            raise
        except Exception:
            log.exception("what turn %s has asked can't be ended with it", reference)
            rows = await self._store.write(
                lambda tx: unit(tx, desk=None), transition=transitions.TURN_CLOSED
            )
        self._agent.desk.send(rows)
        self._agent.desk.look_at_jobs()

    async def _posted(self, turn: OpenTurn) -> tuple[outbox.OutboxRow, ...]:
        """The messages an earlier run has made of the reply; questions to people are none."""
        rows = await self._store.read(lambda tx: outbox.of_turn(tx, turn.turn_id))
        return tuple(
            row
            for row in rows
            if row.op == "post" and row.purpose != "notice" and row.part >= turn.parts_before
        )


async def _joined(rows: TurnRows, journal: StoredTurn) -> TurnRows:
    """The rows of a turn taken up before a model call, with what came since its last look."""
    if not isinstance(position(rows.messages), AwaitsModel):
        return rows
    return rows.with_messages(*await journal.drain())
