"""One actor per session with work: it opens turns, runs them, and ends when nothing waits.

Theory of operation. What waits is rows, so an actor holds nothing worth keeping: it asks the
store what is due, waits until the input is complete and its turn may run, does it, and asks
again. `wake` starts an actor or tells the running one to look once more. /stop and new words
reach a running turn through its signals, never through the actor's queue; so a turn that waits
for its model can always be stopped, and so can a start that only waits.

    the newest input is incomplete       the actor waits by `mailbox.wait_s`
    too much runs already                it waits at the gate (`fairness`)
    /stop meanwhile                      what the turn would have answered is withdrawn
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import assert_never

from agent.signals import TurnSignals
from gateway import admission, context, mailbox, progress, superseding
from gateway.busy import BusySigns, note_to, told_to_wait
from gateway.clock import Clock
from gateway.delivery import Deliveries
from gateway.errors import ConstraintViolated, StoreClosed, StoreError, StoreFailed
from gateway.fairness import Start, TurnGate
from gateway.logs import session_in_log, turn_in_log
from gateway.outlet import Outlet
from gateway.presses import press_of
from gateway.progress import Progress, Wait
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import due, inbox, outbox, sessions
from gateway.store.records.inbox import Waiting
from gateway.store.records.sessions import CommandDue, Fenced, OpenTurn
from gateway.turn_run import Agent, Busy, TurnRuns
from gateway.words import replies as said
from gateway.words.phrase import reader_of

__all__ = ["Agent", "Busy", "RunningTurn", "Sessions"]

BACKLOG_AT_ONCE = 150
"""Sessions of before the start that are taken up at the same time, of 200 turns that may run."""

STORE_AGAIN_S = 1.0
"""From a read or write that was not done to the next try; the store itself still works."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Actor:
    """The task of one session, and the turn it runs now.

    `again`: look once more; `stoppable`: something runs or is to be run, as far as anyone knows;
    `hurried`: an incomplete input is waited for no longer. `signals` are those of the turn, or
    of the one that is to come.
    """

    task: asyncio.Task[None] | None = None
    again: bool = False
    stoppable: bool = False
    hurried: bool = False
    turn: OpenTurn | None = None
    signals: TurnSignals = field(default_factory=TurnSignals)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTurn:
    """A turn that runs now, as `/status` and `/stop` see it."""

    session_key: str
    turn_id: int
    requester: str


class Sessions:
    """All actors of this process."""

    def __init__(
        self,
        *,
        store: Store,
        deliveries: Deliveries,
        clock: Clock,
        agent: Agent,
        gate: TurnGate | None = None,
        wait: Wait | None = None,
    ) -> None:
        """`wait` waits for an event, or for so many seconds."""
        self._store = store
        self._deliveries = deliveries
        self._clock = clock
        self._agent = agent
        self._actors: dict[str, _Actor] = {}
        self._gate = gate or TurnGate()
        self._wait = wait or progress.wait
        self._busy_signs = BusySigns(store=store, deliveries=deliveries, clock=clock)
        self._turns = TurnRuns(store=store, clock=clock, agent=agent, wait=self._wait)
        self._draining = False
        self._backlog: OrderedDict[str, None] = OrderedDict()  # connecting anew adds nothing twice
        self._catching_up: set[str] = set()
        self._suspects = set(agent.suspects)
        self._one_suspect = asyncio.Lock()

    def wake(self, key: str) -> None:
        """Look for work in a session; cheap, may be called at any time."""
        if self._draining:
            return
        actor = self._actors.get(key)
        if actor is None:
            actor = _Actor()
            self._actors[key] = actor
            actor.task = asyncio.create_task(self._run(key, actor))
        actor.again = actor.stoppable = True
        actor.changed.set()

    def arrived(self, row: Waiting) -> None:
        """A message or queued command is stored: reach the running turn as configured, and wake."""
        actor = self._actors.get(row.session_key)
        if actor is not None and actor.turn is not None:
            self._reach(row, actor.turn, actor.signals)
        self.wake(row.session_key)

    def hurry(self, key: str) -> None:
        """A press or command came: wait no longer for the rest of what a person sends."""
        actor = self._actors.get(key)
        if actor is not None and actor.turn is None:
            actor.hurried = True
            actor.changed.set()

    def stop(self, key: str, by: str) -> bool:
        """Stop what runs or is about to run in a session; False if nothing is."""
        actor = self._actors.get(key)
        if actor is None or not actor.stoppable:
            return False
        actor.signals.stop(by)
        self._gate.withdraw(key)
        actor.changed.set()
        return True

    def stop_in(self, scope: str, by: str) -> None:
        """Stop what runs in a chat (ACCOUNT|CHAT), its threads included, or everywhere (`all`)."""
        for key, actor in self._actors.items():
            here = "|".join(key.split("|")[:2])
            inside = scope in ("all", here) or here.startswith(f"{scope}/")
            if actor.turn is not None and inside:
                self.stop(key, by)

    def stoppable(self, key: str) -> bool:
        """Whether something runs or is about to run in a session."""
        actor = self._actors.get(key)
        return actor is not None and actor.stoppable

    @property
    def busy(self) -> Busy:
        """What words do that come during a turn, where a session has not chosen."""
        return self._agent.busy

    @property
    def queued(self) -> int:
        """Sessions whose turn waits until it may run."""
        return self._gate.waiting

    def running(self) -> tuple[RunningTurn, ...]:
        """The turns that run now."""
        return tuple(
            RunningTurn(
                session_key=key,
                turn_id=actor.turn.turn_id,
                requester=actor.turn.requester,
            )
            for key, actor in self._actors.items()
            if actor.turn is not None
        )

    async def resume(self, account: str) -> None:
        """Wake the sessions of an account that have an open turn or something waiting."""
        open_keys = await self._store.read(sessions.open_sessions)
        waiting_keys = await self._store.read(inbox.sessions_waiting)
        for key in dict.fromkeys((*open_keys, *waiting_keys)):
            if key.startswith(f"{account}|"):
                self._backlog.setdefault(key)
        self._catch_up()

    def _catch_up(self) -> None:
        """Take up sessions of before the start, and leave places for whoever writes now."""
        while self._backlog and len(self._catching_up) < BACKLOG_AT_ONCE:
            key, _ = self._backlog.popitem(last=False)
            self._catching_up.add(key)
            self.wake(key)
            if key not in self._actors:  # nothing begins any more
                self._catching_up.discard(key)

    async def drain(self, seconds: float) -> None:
        """Start nothing new, let turns reach a stored step for so long; rows keep the rest."""
        self._draining = True
        self._backlog.clear()
        self._gate.close()
        for actor in self._actors.values():
            actor.signals.park()
            actor.changed.set()
        tasks = [actor.task for actor in self._actors.values() if actor.task is not None]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _reach(self, row: Waiting, turn: OpenTurn, signals: TurnSignals) -> None:
        if row.content.kind == "command":
            if row.content.command == "new":
                signals.stop(row.content.author_name or "someone")
            return
        # What a clock's job does is nobody's to talk into.
        match self._agent.busy_of(turn.settings) if turn.fire is None else "queue":
            case "join":
                signals.say()
            case "queue":
                pass
            case "interrupt":
                signals.interrupt()
            case unknown:
                assert_never(unknown)
        self._busy_signs.show(row)

    async def _run(self, key: str, actor: _Actor) -> None:
        session_in_log.set(key)
        try:
            while not self._draining and await self._next_or_again(key, actor):
                pass
        except Fenced:
            log.warning("session %s has another owner; leaving it", key)
        except (StoreFailed, StoreClosed) as error:
            self._agent.on_failure(error)
        except Exception:
            log.exception("session %s stopped; it goes on with its next message", key)
        finally:
            del self._actors[key]
            self._catching_up.discard(key)
            if actor.again:  # a message came while it failed
                self.wake(key)
            self._catch_up()

    async def _next_or_again(self, key: str, actor: _Actor) -> bool:
        """The same as `_next`; what a store that works did not do now is tried again."""
        try:
            async with self._suspicion(key):
                return await self._next(key, actor)
        except (Fenced, StoreFailed, StoreClosed, ConstraintViolated):
            raise
        except StoreError as error:
            log.warning("session %s is tried again: %s", key, error)
            await self._wait(actor.changed, STORE_AGAIN_S)
            return True

    @asynccontextmanager
    async def _suspicion(self, key: str) -> AsyncIterator[None]:
        """Let no two suspects run at once, so that a death names one of them; oldest first."""
        if key not in self._suspects:
            yield
            return
        async with self._one_suspect:
            yield
        self._suspects.discard(key)

    async def _next(self, key: str, actor: _Actor) -> bool:
        """Do the next thing that is due in the session; False when there is nothing."""
        actor.again = False
        actor.changed.clear()
        now = self._clock.now()
        found = await self._store.read(lambda tx: due.look(tx, key, now=now))
        outlet = self._deliveries.outlet(key.partition("|")[0])
        if found is None or outlet is None:
            return self._nothing_due(actor)
        if actor.signals.stopped_by is not None and not found.opened:
            await self._withdraw(key, actor, outlet)
            return True
        if found.wait_s > 0 and not actor.hurried:
            await self._wait(actor.changed, found.wait_s)
            return True
        chat = admission.chat_of(key)
        start = Start(session=key, chat=chat, person=found.person, background=not found.person)
        if not await self._gate.enter(start):
            return True
        moves = Progress(self._clock)
        try:
            if await self._work(key, actor, outlet, moves):
                return True
        finally:
            self._gate.leave(key, tokens=moves.tokens)
        return self._nothing_due(actor)

    def _nothing_due(self, actor: _Actor) -> bool:
        """Forget what was meant for a next turn; whether something came since the look."""
        actor.stoppable = actor.again
        actor.hurried = False
        actor.signals = TurnSignals()
        return actor.again

    async def _work(self, key: str, actor: _Actor, outlet: Outlet, moves: Progress) -> bool:
        """Take one piece of work and do it; False if there was none after all."""
        before = await context.read_before(
            key, outlet.adapter, self._store, self._clock, self._one_by_one
        )
        now, hurried = self._clock.now(), actor.hurried

        def take(tx: Tx) -> tuple[tuple[outbox.OutboxRow, ...], sessions.Work, bool]:
            found = due.look(tx, key, now=now)
            if found is not None and found.wait_s > 0 and not hurried:
                return (), None, True
            decisions = self._agent.desk.decisions
            edits = superseding.written_on(tx, key, decisions, now=now)
            work = sessions.next_work(
                tx,
                key,
                now=now,
                one_by_one=self._one_by_one(tx, key),
                start_id=self._agent.start_id,
                idle_us=self._agent.idle_us,
                before=before,
            )
            notes = told_to_wait(tx, key, self._clock) if work is None else ()
            return (*edits, *notes), work, False

        edits, work, incomplete = await self._store.write(
            take, transition=transitions.SESSION_TAKEN
        )
        self._deliveries.enqueue(edits)
        match work:
            case None:
                return incomplete
            case CommandDue(row=row):
                turn = await self._begin_fresh(row, outlet)
            case OpenTurn():
                turn = work
            case unknown:
                assert_never(unknown)
        actor.hurried = False
        if turn is not None:
            await self._turn(turn, outlet, actor, moves)
        return True

    def _one_by_one(self, tx: Tx, key: str) -> bool:
        session = sessions.current(tx, key)
        return self._agent.busy_of(session.settings if session else {}) == "queue"

    async def _withdraw(self, key: str, actor: _Actor, outlet: Outlet) -> None:
        """Take back what the next turn would have answered, and say so."""
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[list[Waiting], outbox.OutboxRow | None]:
            waiting = inbox.waiting_in(tx, key)
            rows = mailbox.next_batch(waiting, one_by_one=self._one_by_one(tx, key))
            if not rows:
                return [], None
            inbox.withdraw_inputs(tx, [row.id for row in rows])
            text = said.STOPPED_BEFORE.to(reader_of(rows[-1].content.language))
            note = note_to(rows[-1], self._clock, key=f"e{rows[-1].id}:stopped", text=text)
            return rows, outbox.insert(tx, note, now=now)

        rows, stored = await self._store.write(unit, transition=transitions.WAITING_WITHDRAWN)
        actor.signals = TurnSignals()
        if stored is not None:
            outlet.enqueue((stored,))
        for row in rows:
            if press := press_of(row.content, now=now):
                self._deliveries.end_press(row.account, press)

    async def _begin_fresh(self, row: Waiting, outlet: Outlet) -> OpenTurn | None:
        """Carry out a queued /new; without words behind it, say that it is done."""
        now = self._clock.now()
        text = said.FRESH.to(reader_of(row.content.language))
        note = replace(
            note_to(row, self._clock, key=f"e{row.id}:answer", text=text), purpose="command"
        )
        by = row.content.author_name or "someone"

        def unit(tx: Tx) -> tuple[OpenTurn | None, tuple[outbox.OutboxRow, ...]]:
            edits = superseding.withdraw(
                tx, row.session_key, by, self._agent.desk.decisions, now=now
            )
            self._agent.desk.session_ends(tx, row.session_key, by=by)
            turn = sessions.begin_fresh(tx, row, now=now, start_id=self._agent.start_id)
            stored = outbox.insert(tx, note, now=now) if turn is None else None
            return turn, (*edits, stored) if stored is not None else edits

        turn, rows = await self._store.write(unit, transition=transitions.SESSION_RENEWED)
        self._agent.desk.look_at_jobs()
        self._deliveries.enqueue(rows)
        if press := press_of(row.content, now=now):
            self._deliveries.end_press(row.account, press)
        return turn

    async def _turn(self, turn: OpenTurn, outlet: Outlet, actor: _Actor, moves: Progress) -> None:
        """Run one turn to its end, whatever it takes."""
        turn_in_log.set(f"t{turn.turn_id}")
        actor.turn, actor.stoppable = turn, True
        if turn.stopped_by is not None:
            actor.signals.stop(turn.stopped_by)
        try:
            await self._turns.run(turn, outlet, actor.signals, moves)
        finally:
            actor.turn, actor.stoppable = None, actor.again
            actor.signals = TurnSignals()
            turn_in_log.set("")
