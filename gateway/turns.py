"""The durable side of one turn: fulfils `agent.runner.TurnJournal` with units over the store."""

import logging
from collections.abc import Callable
from typing import Any

import orjson

from agent.calls import JudgedCall
from agent.journal import TurnJournal
from agent.messages import Message, PartialReply, ToolResult, Usage
from agent.tools.base import ToolOutput
from agent.turn import (
    Mark,
    RecordStep,
    TurnEnd,
    TurnState,
)
from gateway import questions, render
from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.reply import Reply
from gateway.store import transitions
from gateway.store.base import Store, Transition, Tx
from gateway.store.records import outbox, sessions
from gateway.store.records.sessions import OpenTurn

log = logging.getLogger(__name__)


class StoredTurn(TurnJournal):
    """Writes what a turn does, fenced by the epoch it was opened with."""

    def __init__(
        self, *, turn: OpenTurn, reply: Reply, store: Store, clock: Clock, joins: bool
    ) -> None:
        """`joins`: what arrives during the turn becomes part of it."""
        self._joins = joins
        self._turn = turn
        self._reply = reply
        self._store = store
        self._clock = clock
        self._said = list(turn.said)

    @property
    def reference(self) -> str:
        """What people quote to the operator, and `gatepost why` explains."""
        return f"t{self._turn.turn_id}"

    async def step_opened(self, step: int, model: str) -> None:
        """Store the intent to call a model (D2)."""
        now = self._clock.now()
        await self._store.write(
            lambda tx: sessions.open_step(tx, self._turn, number=step, model=model, now=now),
            transition=transitions.STEP_INTENDED,
        )

    async def step_recorded(self, record: RecordStep) -> None:
        """Store a reply with calls, its usage, the calls and what was refused (D2)."""
        now = self._clock.now()
        refusals = tuple(c.refusal for c in record.calls if c.refusal is not None)

        def unit(tx: Tx) -> None:
            sessions.append(tx, self._turn, (record.message, *refusals), now=now)
            usage = _usage(record.usage)
            sessions.close_step(tx, self._turn, number=record.step, usage=usage, now=now)
            sessions.add_calls(tx, self._turn, record.step, record.calls, now=now)

        await self._store.write(unit, transition=transitions.STEP_RECORDED)
        self._said.append(record.message.text)

    async def calls_intended(self, calls: tuple[JudgedCall, ...]) -> None:
        """Store the intent to run calls with effects (D2)."""
        now = self._clock.now()
        ids = tuple(judged.call.id for judged in calls)
        await self._store.write(
            lambda tx: sessions.intend_calls(tx, self._turn, ids, now=now),
            transition=transitions.CALLS_INTENDED,
        )

    async def call_finished(self, result: ToolResult) -> None:
        """Store a tool's result (D1)."""
        await self._append((result,), transitions.CALL_FINISHED)

    async def call_applied(
        self, unit: Callable[[Any], ToolOutput], settle: Callable[[ToolOutput], ToolResult]
    ) -> ToolResult:
        """Run a call on our own rows and store its result in the same commit (D2)."""
        now = self._clock.now()

        def both(tx: Tx) -> ToolResult:
            result = settle(unit(tx))
            sessions.append(tx, self._turn, (result,), now=now)
            return result

        return await self._store.write(both, transition=transitions.CALL_APPLIED)

    async def asked(self, calls: tuple[JudgedCall, ...]) -> None:
        """Store the questions with their cards and let the turn wait (D2)."""
        await self._reply.stop_streaming()
        ids = tuple(judged.call.id for judged in calls)
        rows = await self._store.write(
            lambda tx: questions.ask(
                tx,
                self._turn,
                ids,
                buttons_per_row=self._reply.buttons_per_row,
                clock=self._clock,
            ),
            transition=transitions.QUESTION_ASKED,
        )
        self._reply.deliver(rows)

    async def messages_recorded(self, messages: tuple[Message, ...]) -> None:
        """Store messages that join the transcript (D2)."""
        await self._append(messages, transitions.MESSAGES_RECORDED)
        self._said.extend(m.text for m in messages if isinstance(m, PartialReply))

    async def drain(self) -> tuple[Message, ...]:
        """Claim what arrived meanwhile (D2), unless every message gets a turn of its own."""
        if not self._joins:
            return ()
        now = self._clock.now()
        return await self._store.write(
            lambda tx: sessions.drain(tx, self._turn, now=now), transition=transitions.INBOX_DRAINED
        )

    async def closed(self, end: TurnEnd) -> None:
        """Reply, transcript, usage and inbox rows in one commit (D2), then hand on the reply."""
        text = render.reply_text(tuple(self._said), end, self.reference)
        await self._close(
            text,
            state=end.state,
            mark=end.mark,
            error=str(end.error) if end.error else None,
            end=end,
        )

    async def crashed(self) -> None:
        """End the turn after a fault of ours, with a sentence in place of its answer.

        The words so far stand before it, unless they are what can't be shown.
        """
        sentence, cause = render.crashed_text(self.reference), "a fault in the gateway"
        try:
            await self._fail("\n\n".join([*self._said, sentence]), cause)
        except StoreError:
            raise
        except Exception:
            log.exception("the words of turn %s can't be shown", self.reference)
            await self._fail(sentence, cause)

    async def stuck(self, seconds: float) -> None:
        """End the turn because nothing of it moved for so long; its words stand before that."""
        sentence = render.stuck_text(seconds, self.reference)
        await self._fail("\n\n".join([*self._said, sentence]), f"no progress for {seconds:.0f} s")

    async def _fail(self, text: str, cause: str) -> None:
        await self._close(text, state=TurnState.FAILED, mark=Mark.NONE, error=cause, end=None)

    async def _append(self, messages: tuple[Message, ...], transition: Transition) -> None:
        now = self._clock.now()
        await self._store.write(
            lambda tx: sessions.append(tx, self._turn, messages, now=now), transition=transition
        )

    async def _close(
        self, text: str, *, state: TurnState, mark: Mark, error: str | None, end: TurnEnd | None
    ) -> None:
        await self._reply.stop_streaming()
        new_rows = self._reply.final_rows(text)
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[outbox.OutboxRow, ...]:
            if end is not None:
                sessions.append(tx, self._turn, end.messages, now=now)
                if end.step is not None:
                    usage = _usage(end.usage)
                    sessions.close_step(tx, self._turn, number=end.step, usage=usage, now=now)
            sessions.close_turn(
                tx, self._turn, state=state.value, mark=mark.value, error=error, now=now
            )
            stored = (outbox.insert(tx, row, now=now) for row in new_rows)
            return tuple(row for row in stored if row is not None)

        self._reply.deliver(await self._store.write(unit, transition=transitions.TURN_CLOSED))


def _usage(usage: Usage | None) -> str | None:
    if usage is None:
        return None
    fields = {
        "input": usage.input,
        "output": usage.output,
        "cached_input": usage.cached_input,
        "reasoning": usage.reasoning,
    }
    return orjson.dumps(fields).decode()
