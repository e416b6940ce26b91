"""One actor per session with work: it opens turns, runs them, and ends when nothing waits.

Theory of operation. What waits is rows, so an actor holds nothing worth keeping: it asks the
store what is due, waits until the input is complete and its turn may run, does it, and asks
again. `wake` starts an actor or tells the running one to look once more. /stop and new words
reach a running turn through its signals, never through the actor's queue; so a turn that waits
for its model can always be stopped, and so can a start that only waits.

    the newest input is incomplete       the actor waits by `mailbox.wait_s`
    too much runs already                it waits at the gate (`fairness`)
    /stop meanwhile                      what the turn would have answered is withdrawn
    no sign of progress                  the turn ends with a sentence (`progress`)
    its end can't be stored              it ends with a smaller one, without its words
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never

from agent import policy, prompt
from agent.events import TurnEvent
from agent.failover import Entry, plan_for
from agent.runner import Runner
from agent.signals import TurnSignals
from agent.tools.base import Tool
from agent.turn import AwaitsModel, TurnEnd, TurnRows, TurnState, position, turn_flow
from gateway import admission, mailbox, outgoing, questions, refs, render
from gateway.clock import Clock
from gateway.delivery import Deliveries
from gateway.errors import StoreClosed, StoreError, StoreFailed
from gateway.fairness import Start, TurnGate
from gateway.logs import session_in_log, turn_in_log
from gateway.outlet import Outlet
from gateway.presses import press_of
from gateway.progress import (
    INACTIVITY_S,
    NoProgress,
    Progress,
    Wait,
    WatchedProvider,
    WatchedStore,
    unless_stuck,
)
from gateway.recent import Recent
from gateway.reply import Reply
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import due, inbox, outbox, sessions
from gateway.store.records.inbox import Waiting
from gateway.store.records.sessions import CommandDue, Fenced, OpenTurn
from gateway.turns import StoredTurn
from platforms.content import React
from platforms.events import MessageRef
from platforms.markup import parse

BUSY_EMOJI = "👀"
BUSY_LINE = "Still at work on what came before; this is next."
BUSY_LINE_EVERY_S = 30.0
CHATS_REMEMBERED = 10_000

Busy = Literal["join", "queue", "interrupt"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What every turn is run with."""

    entries: tuple[Entry, ...]
    tools: Mapping[str, Tool]
    busy: Busy
    on_failure: Callable[[StoreError], None] = field(repr=False)
    start_id: int | None = None
    suspects: frozenset[str] = frozenset()
    """Sessions whose turn may have killed the last runs; they are taken up one at a time."""


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
        self._wait = wait or _wait
        self._busy_said: Recent[str, float] = Recent(CHATS_REMEMBERED)
        self._draining = False
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
            self._reach(row, actor.signals)
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

    def stoppable(self, key: str) -> bool:
        """Whether something runs or is about to run in a session."""
        actor = self._actors.get(key)
        return actor is not None and actor.stoppable

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
                self.wake(key)

    async def drain(self, seconds: float) -> None:
        """Start nothing new, let turns reach a stored step for so long; rows keep the rest."""
        self._draining = True
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

    def _reach(self, row: Waiting, signals: TurnSignals) -> None:
        if row.content.kind == "command":
            if row.content.command == "new":
                signals.stop(row.content.author_name or "someone")
            return
        match self._agent.busy:
            case "join" | "queue":
                pass
            case "interrupt":
                signals.interrupt()
            case unknown:
                assert_never(unknown)
        self._sign_busy(row)

    def _sign_busy(self, row: Waiting) -> None:
        """Show that the words were seen: a reaction, else now and then a line in the chat."""
        outlet = self._deliveries.outlet(row.account)
        if outlet is None:
            return
        if outlet.adapter.capabilities.react:
            if row.message_id is None:
                return
            chat = refs.chat_from(row.chat, outlet.account)
            message = MessageRef(chat=chat, message_id=row.message_id)
            self._deliveries.spawn(outlet.sign(React(message=message, emoji=BUSY_EMOJI)))
            return
        now = self._clock.monotonic()
        said_at = self._busy_said.get(row.content.reply_to)
        if said_at is None or now - said_at >= BUSY_LINE_EVERY_S:
            self._busy_said[row.content.reply_to] = now
            self._deliveries.spawn(self._say_busy(row, outlet))

    async def _say_busy(self, row: Waiting, outlet: Outlet) -> None:
        note = self._note(row, key=f"e{row.id}:busy", text=BUSY_LINE)
        now = self._clock.now()
        stored = await self._store.write(
            lambda tx: outbox.insert(tx, note, now=now), transition=transitions.SEND_STORED
        )
        if stored is not None:
            outlet.enqueue((stored,))

    async def _run(self, key: str, actor: _Actor) -> None:
        session_in_log.set(key)
        try:
            while not self._draining and await self._next(key, actor):
                pass
        except Fenced:
            log.warning("session %s has another owner; leaving it", key)
        except StoreError as error:
            self._agent.on_failure(error)
        except Exception:
            log.exception("session %s stopped; it goes on with its next message", key)
        finally:
            del self._actors[key]
            if actor.again:  # a message came while it failed
                self.wake(key)

    @asynccontextmanager
    async def _suspicion(self, key: str) -> AsyncIterator[None]:
        """Let no two suspects run at once, so that a death names one of them."""
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
        start = Start(session=key, chat=admission.chat_of(key), person=found.person)
        async with self._suspicion(key):
            if not await self._gate.enter(start):
                return True
            progress = Progress(self._clock)
            try:
                if await self._work(key, actor, outlet, progress):
                    return True
            finally:
                self._gate.leave(key, tokens=progress.tokens)
        return self._nothing_due(actor)

    def _nothing_due(self, actor: _Actor) -> bool:
        """Forget what was meant for a next turn; whether something came since the look."""
        actor.stoppable = actor.again
        actor.hurried = False
        actor.signals = TurnSignals()
        return actor.again

    async def _work(self, key: str, actor: _Actor, outlet: Outlet, progress: Progress) -> bool:
        """Take one piece of work and do it; False if there was none after all."""
        now, hurried = self._clock.now(), actor.hurried

        def take(tx: Tx) -> tuple[tuple[outbox.OutboxRow, ...], sessions.Work, bool]:
            found = due.look(tx, key, now=now)
            if found is not None and found.wait_s > 0 and not hurried:
                return (), None, True
            edits = questions.written_on(tx, key, self._clock)
            work = sessions.next_work(
                tx,
                key,
                now=now,
                one_by_one=self._one_by_one,
                start_id=self._agent.start_id,
            )
            return edits, work, False

        edits, work, incomplete = await self._store.write(
            take, transition=transitions.SESSION_TAKEN
        )
        outlet.enqueue(edits)
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
            await self._turn(turn, outlet, actor, progress)
        return True

    @property
    def _one_by_one(self) -> bool:
        return self._agent.busy == "queue"

    async def _withdraw(self, key: str, actor: _Actor, outlet: Outlet) -> None:
        """Take back what the next turn would have answered, and say so."""
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[list[Waiting], outbox.OutboxRow | None]:
            waiting = inbox.waiting_in(tx, key)
            rows = mailbox.next_batch(waiting, one_by_one=self._one_by_one)
            if not rows:
                return [], None
            inbox.withdraw_inputs(tx, [row.id for row in rows])
            note = self._note(rows[-1], key=f"e{rows[-1].id}:stopped", text="Stopped.")
            return rows, outbox.insert(tx, note, now=now)

        rows, stored = await self._store.write(unit, transition=transitions.WAITING_WITHDRAWN)
        actor.signals = TurnSignals()
        if stored is not None:
            outlet.enqueue((stored,))
        for row in rows:
            if press := press_of(row.content, now=now):
                self._deliveries.end_press(row.account, press)

    def _note(self, row: Waiting, *, key: str, text: str) -> outbox.NewOutbox:
        """A line in the chat a row came from."""
        return outbox.NewOutbox(
            dedupe_key=key,
            account=row.account,
            chat=row.content.reply_to,
            turn_id=None,
            part=0,
            purpose="notice",
            op="post",
            target_id=None,
            content=outgoing.dump(outgoing.Words(body=parse(text))),
            nonce=self._clock.nonce(),
        )

    async def _begin_fresh(self, row: Waiting, outlet: Outlet) -> OpenTurn | None:
        """Carry out a queued /new; without words behind it, say that it is done."""
        now = self._clock.now()
        text = "Fresh session. The old one is kept."
        note = replace(self._note(row, key=f"e{row.id}:answer", text=text), purpose="command")
        by = row.content.author_name or "someone"

        def unit(tx: Tx) -> tuple[OpenTurn | None, tuple[outbox.OutboxRow, ...]]:
            edits = questions.withdraw(
                tx, row.session_key, f"Not decided: {by} began afresh.", self._clock
            )
            turn = sessions.begin_fresh(tx, row, now=now, start_id=self._agent.start_id)
            stored = outbox.insert(tx, note, now=now) if turn is None else None
            return turn, (*edits, stored) if stored is not None else edits

        turn, rows = await self._store.write(unit, transition=transitions.SESSION_RENEWED)
        outlet.enqueue(rows)
        if press := press_of(row.content, now=now):
            self._deliveries.end_press(row.account, press)
        return turn

    async def _turn(
        self, turn: OpenTurn, outlet: Outlet, actor: _Actor, progress: Progress
    ) -> None:
        """Run one turn to its end, whatever it takes."""
        turn_in_log.set(f"t{turn.turn_id}")
        actor.turn, actor.stoppable = turn, True
        if turn.stopped_by is not None:
            actor.signals.stop(turn.stopped_by)
        try:
            await self._run_turn(turn, outlet, actor.signals, progress)
        except Fenced:
            log.warning("turn t%d has another owner; leaving it", turn.turn_id)
        except (StoreFailed, StoreClosed):
            raise
        except Exception:
            log.exception("the end of turn t%d can't be stored as it is", turn.turn_id)
            await self._give_up(turn, outlet)
        finally:
            actor.turn, actor.stoppable = None, actor.again
            actor.signals = TurnSignals()
            turn_in_log.set("")

    async def _run_turn(
        self, turn: OpenTurn, outlet: Outlet, signals: TurnSignals, progress: Progress
    ) -> None:
        """Run a turn until it is closed, parked or given away; one that is stuck is ended."""
        posted = await self._posted(turn) if turn.resumed else ()
        reply = Reply(turn=turn, outlet=outlet, store=self._store, clock=self._clock, posted=posted)
        store = WatchedStore(self._store, progress)
        journal = StoredTurn(
            turn=turn,
            reply=reply,
            store=store,
            clock=self._clock,
            joins=not self._one_by_one,
        )
        reply.start()
        try:
            work = self._perform(turn, journal, reply, signals, progress)
            await unless_stuck(work, progress, self._wait)
        except (Fenced, StoreFailed, StoreClosed):
            raise
        except NoProgress:
            log.error("turn t%d gave no sign of progress and is ended", turn.turn_id)
            store.only(asyncio.current_task())
            text = render.stuck_text(INACTIVITY_S, journal.reference)
            await journal.closed(TurnEnd(state=TurnState.FAILED, text=text))
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

        entries = tuple(
            replace(entry, provider=WatchedProvider(entry.provider, progress))
            for entry in self._agent.entries
        )
        runner = Runner(
            session=str(turn.session_id),
            system=prompt.SYSTEM,
            plan=plan_for(entries, turn.settings.get("model")),
            tools=self._agent.tools,
            journal=journal,
            signals=signals,
            emit=emit,
        )
        rows = turn.rows
        if turn.resumed and signals.stopped_by is None:
            rows = await _joined(rows, journal)
        await runner.run(turn_flow(rows, policy.judge_with(self._agent.tools)))

    async def _give_up(self, turn: OpenTurn, outlet: Outlet) -> None:
        """End a turn with the least that can be stored, so that its session goes on."""
        now = self._clock.now()
        reference = f"t{turn.turn_id}"
        words = outgoing.Words(body=parse(render.crashed_text(reference)))
        note = outbox.NewOutbox(
            dedupe_key=f"{reference}:given_up",
            account=turn.account,
            chat=turn.reply_to,
            turn_id=turn.turn_id,
            part=0,
            purpose="notice",
            op="post",
            target_id=None,
            content=outgoing.dump(words),
            nonce=self._clock.nonce(),
        )

        def unit(tx: Tx) -> outbox.OutboxRow | None:
            if not due.is_open(tx, turn.turn_id):
                return None
            error = "a fault in the gateway; its words could not be stored"
            sessions.close_turn(tx, turn, state="failed", mark="none", error=error, now=now)
            return outbox.insert(tx, note, now=now)

        stored = await self._store.write(unit, transition=transitions.TURN_CLOSED)
        if stored is not None:
            outlet.enqueue((stored,))

    async def _posted(self, turn: OpenTurn) -> tuple[outbox.OutboxRow, ...]:
        rows = await self._store.read(lambda tx: outbox.of_turn(tx, turn.turn_id))
        return tuple(row for row in rows if row.op == "post")


async def _joined(rows: TurnRows, journal: StoredTurn) -> TurnRows:
    """The rows of a turn taken up before a model call, with what came since its last look."""
    if not isinstance(position(rows.messages), AwaitsModel):
        return rows
    return rows.with_messages(*await journal.drain())


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, or for so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
