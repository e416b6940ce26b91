"""One actor per session with work: it opens turns, runs them, and ends when nothing waits.

Theory of operation. What waits is rows, so an actor holds nothing worth keeping: it asks the
store what is next, does it, and asks again. `wake` starts an actor or tells the running one to
look once more. /stop and new words reach a running turn through its signals, never through the
actor's queue; so a turn that waits for its model can always be stopped.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, assert_never

from agent import policy, prompt
from agent.failover import Entry, plan_for
from agent.runner import Runner
from agent.signals import TurnSignals
from agent.tools.base import Tool
from agent.turn import turn_flow
from gateway import outgoing, refs
from gateway.clock import Clock
from gateway.delivery import Deliveries
from gateway.errors import StoreClosed, StoreError, StoreFailed
from gateway.logs import session_in_log, turn_in_log
from gateway.outlet import Outlet
from gateway.presses import press_of
from gateway.reply import Reply
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import inbox, outbox, sessions
from gateway.store.records.inbox import Waiting
from gateway.store.records.sessions import CommandDue, Fenced, OpenTurn
from gateway.turns import StoredTurn
from platforms.content import React
from platforms.events import MessageRef
from platforms.markup import parse

TURNS_AT_ONCE = 200
BUSY_EMOJI = "👀"

Busy = Literal["join", "queue", "interrupt"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Actor:
    """The task of one session, and the turn it runs now."""

    task: asyncio.Task[None] | None = None
    again: bool = False
    turn: OpenTurn | None = None
    signals: TurnSignals | None = None


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


class Sessions:
    """All actors of this process."""

    def __init__(self, *, store: Store, deliveries: Deliveries, clock: Clock, agent: Agent) -> None:
        self._store = store
        self._deliveries = deliveries
        self._clock = clock
        self._agent = agent
        self._actors: dict[str, _Actor] = {}
        self._gate = asyncio.Semaphore(TURNS_AT_ONCE)
        self._draining = False

    def wake(self, key: str) -> None:
        """Look for work in a session; cheap, may be called at any time."""
        if self._draining:
            return
        actor = self._actors.get(key)
        if actor is None:
            actor = _Actor()
            self._actors[key] = actor
            actor.task = asyncio.create_task(self._run(key, actor))
        actor.again = True

    def arrived(self, row: Waiting) -> None:
        """A message or queued command is stored: reach the running turn as configured, and wake."""
        actor = self._actors.get(row.session_key)
        if actor is not None and actor.signals is not None:
            self._reach(row, actor.signals)
        self.wake(row.session_key)

    def stop(self, key: str, by: str) -> bool:
        """Stop what runs in a session; False if nothing does."""
        actor = self._actors.get(key)
        if actor is None or actor.signals is None:
            return False
        actor.signals.stop(by)
        return True

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
        """Start nothing new, let turns end for so long, then leave the rest to their rows."""
        self._draining = True
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
        outlet = self._deliveries.outlet(row.account)
        if outlet is None or row.message_id is None or not outlet.adapter.capabilities.react:
            return
        chat = refs.chat_from(row.chat, outlet.account)
        message = MessageRef(chat=chat, message_id=row.message_id)
        self._deliveries.spawn(outlet.sign(React(message=message, emoji=BUSY_EMOJI)))

    async def _run(self, key: str, actor: _Actor) -> None:
        session_in_log.set(key)
        try:
            while actor.again and not self._draining:
                actor.again = False
                async with self._gate:
                    await self._work(key, actor)
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

    async def _work(self, key: str, actor: _Actor) -> None:
        """Do everything that waits in the session."""
        one_by_one = self._agent.busy == "queue"
        while not self._draining:
            outlet = self._deliveries.outlet(key.partition("|")[0])
            if outlet is None:
                return
            work = await self._store.write(
                lambda tx: sessions.next_work(
                    tx, key, now=self._clock.now(), one_by_one=one_by_one
                ),
                transition=transitions.SESSION_TAKEN,
            )
            match work:
                case None:
                    return
                case CommandDue(row=row):
                    turn = await self._begin_fresh(row, outlet)
                    if turn is not None:
                        await self._turn(turn, outlet, actor)
                case OpenTurn():
                    await self._turn(work, outlet, actor)
                case unknown:
                    assert_never(unknown)

    async def _begin_fresh(self, row: Waiting, outlet: Outlet) -> OpenTurn | None:
        """Carry out a queued /new; without words behind it, say that it is done."""
        now = self._clock.now()
        note = outbox.NewOutbox(
            dedupe_key=f"e{row.id}:answer",
            account=row.account,
            chat=row.content.reply_to,
            turn_id=None,
            part=0,
            purpose="command",
            op="post",
            target_id=None,
            content=outgoing.dump(
                outgoing.Words(body=parse("Fresh session. The old one is kept."))
            ),
            nonce=self._clock.nonce(),
        )

        def unit(tx: Tx) -> tuple[OpenTurn | None, outbox.OutboxRow | None]:
            turn = sessions.begin_fresh(tx, row, now=now)
            return turn, (outbox.insert(tx, note, now=now) if turn is None else None)

        turn, stored = await self._store.write(unit, transition=transitions.SESSION_RENEWED)
        if stored is not None:
            outlet.enqueue((stored,))
        if press := press_of(row.content, now=now):
            self._deliveries.end_press(row.account, press)
        return turn

    async def _turn(self, turn: OpenTurn, outlet: Outlet, actor: _Actor) -> None:
        """Run one turn to its end."""
        turn_in_log.set(f"t{turn.turn_id}")
        posted = await self._posted(turn) if turn.resumed else ()
        reply = Reply(turn=turn, outlet=outlet, store=self._store, clock=self._clock, posted=posted)
        journal = StoredTurn(
            turn=turn,
            reply=reply,
            store=self._store,
            clock=self._clock,
            joins=self._agent.busy != "queue",
        )
        signals = TurnSignals()
        runner = Runner(
            session=str(turn.session_id),
            system=prompt.SYSTEM,
            plan=plan_for(self._agent.entries, turn.settings.get("model")),
            tools=self._agent.tools,
            journal=journal,
            signals=signals,
            emit=reply.watch,
        )
        actor.turn, actor.signals = turn, signals
        reply.start()
        try:
            await runner.run(turn_flow(turn.rows, policy.judge_with(self._agent.tools)))
        except Fenced:
            log.warning("turn t%d has another owner; leaving it", turn.turn_id)
        except (StoreFailed, StoreClosed):
            raise
        except Exception:
            log.exception("turn t%d failed inside the gateway", turn.turn_id)
            await journal.crashed()
        finally:
            actor.turn = actor.signals = None
            await reply.abandon()
            turn_in_log.set("")

    async def _posted(self, turn: OpenTurn) -> tuple[outbox.OutboxRow, ...]:
        rows = await self._store.read(lambda tx: outbox.of_turn(tx, turn.turn_id))
        return tuple(row for row in rows if row.op == "post")
