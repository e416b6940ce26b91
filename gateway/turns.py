"""The durable side of one turn: fulfils `agent.runner.TurnJournal` with units over the store."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from agent.attempts import AttemptRecord, CallKind
from agent.calls import CallState, JudgedCall
from agent.compaction import Fold, FoldKind
from agent.costs import Quote, is_paid
from agent.effects import Gated, GoOn, Mark, Parked, RecordStep, TurnEnd, TurnRows, TurnState
from agent.errors import ToolError
from agent.journal import Bill, Intended, TurnJournal
from agent.messages import Message, PartialReply, ToolResult
from agent.tool_runs import FAULT
from agent.tools.base import EffectClass, PreparedCall, RemoteJob, ToolOutput, Verdict
from agent.turn import AwaitsTools, position
from gateway import cron_report, render
from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.gate import Verdicts
from gateway.money import spender_of
from gateway.render import Change, Undone
from gateway.reply import Reply
from gateway.seeing import waits_for_files
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import (
    calls,
    fires,
    folds,
    jobs,
    outbox,
    sessions,
    transcript,
    unowned,
)
from gateway.store.records.outbox import NewOutbox, OutboxRow
from gateway.store.records.sessions import OpenTurn
from gateway.turn_attempts import TurnAttempts
from gateway.turn_desk import Short, TurnDesk

log = logging.getLogger(__name__)


async def _no_files() -> bool:
    """Where nothing fetches files there are none."""
    return False


class StoredTurn(TurnJournal):
    """Writes what a turn does, fenced by the epoch it was opened with."""

    def __init__(
        self,
        *,
        turn: OpenTurn,
        reply: Reply,
        store: Store,
        clock: Clock,
        joins: bool,
        desk: TurnDesk,
        fetch: Callable[[], Awaitable[bool]] = _no_files,
    ) -> None:
        """`joins`: what arrives during the turn becomes part of it.

        `fetch` fetches the files that its messages wait for, and says whether there were any.
        """
        self._joins = joins
        self._fetch = fetch
        self._turn = turn
        self._reply = reply
        self._store = store
        self._clock = clock
        self._said = list(turn.said)
        self._desk = desk
        self._held: tuple[OutboxRow, ...] = ()
        self._began = clock.now()
        self._attempts = TurnAttempts(turn, desk)

    @property
    def reference(self) -> str:
        """What people quote to the operator, and `gatepost why` explains."""
        return f"t{self._turn.turn_id}"

    async def affords(self, quote: Quote) -> bool:
        """Whether a call with this ceiling would be paid for now."""
        return await self._store.read(lambda tx: self._desk.affords(tx, self._turn, quote))

    async def folded(self, fold: Fold) -> None:
        """Store what stands in place of older messages, which stay stored (D2)."""
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            sessions.fence(tx, self._turn, now)
            folds.add(
                tx,
                session_id=self._turn.session_id,
                turn_id=self._turn.turn_id,
                fold=fold,
                now=now,
            )
            sessions.fold_done(tx, self._turn.session_id)
            digest = fold.kind is FoldKind.DIGEST
            return self._desk.condensed(tx, self._turn, self.reference) if digest else ()

        self._desk.send(await self._store.write(unit, transition=transitions.SESSION_FOLDED))

    def active_s(self) -> float:
        """How long the turn has been at work, its waits for people left out."""
        return (self._turn.active_us + self._at_work_us()) / 1_000_000

    def _at_work_us(self) -> int:
        return max(0, self._clock.now() - self._began)

    async def step_opened(
        self,
        step: int,
        model: str,
        quote: Quote,
        *,
        kind: CallKind = CallKind.MAIN,
        instead_of: str = "",
    ) -> bool:
        """Store the intent to call a model with its money put aside, or ask for more (D2)."""

        def unit(tx: Tx) -> Short | None:
            return self._open_step(tx, step, model, quote, kind)

        if await self._store.write(unit, transition=transitions.STEP_INTENDED) is None:
            return True
        self._desk.look_at_jobs()  # what stopped the call may be a freeze
        await self._reply.stop_streaming()
        so_far = self._so_far()

        def ask(tx: Tx) -> tuple[OutboxRow, ...] | None:
            short = self._open_step(tx, step, model, quote, kind)
            if short is None:
                return None
            edits = self._desk.ask_for_money(
                tx, self._turn, short, model=model, quote=quote, instead_of=instead_of
            )
            unowned.park(tx, self._turn, now=self._clock.now(), active_us=self._at_work_us())
            return (*self._keep(tx, so_far), *edits)

        rows = await self._store.write(ask, transition=transitions.TURN_WAITS)
        if rows is None:
            self._reply.go_on()
            return True
        self._deliver(rows)
        return False

    def _open_step(
        self, tx: Tx, step: int, model: str, quote: Quote, kind: CallKind
    ) -> Short | None:
        """None if the call may be made; else why not, and nothing is stored."""
        ident = self._clock.nonce() if quote.ceiling != 0 else None
        short = self._desk.reserve_model(
            tx, self._turn, ident=ident, step=step, quote=quote, model=model
        )
        if short is None:
            sessions.open_step(
                tx,
                self._turn,
                number=step,
                model=model,
                reservation_id=ident,
                now=self._clock.now(),
                chat=spender_of(self._turn).scope,
                kind=kind.value,
            )
        return short

    async def spent_so_far(self, step: int, spent: int, needs: int) -> bool:
        """Book what the running attempt has cost, and intend its next call with its money (D2)."""
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[bool, tuple[OutboxRow, ...]]:
            return self._attempts.spent_so_far(tx, step, spent=spent, needs=needs, now=now)

        goes_on, rows = await self._store.write(unit, transition=transitions.STEP_INTENDED)
        self._desk.send(rows)
        return goes_on

    async def attempt_ended(self, step: int, bill: Bill, record: AttemptRecord) -> None:
        """Store what came of a model call without a reply, and of its money (D1)."""
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            return self._attempts.ended(tx, step, bill, record, now=now)

        self._desk.send(await self._store.write(unit, transition=transitions.ATTEMPT_FAILED))
        self._attempts.take(record)

    async def step_recorded(self, record: RecordStep) -> None:
        """Store a reply with calls, its usage, the calls and what was refused (D2)."""
        now = self._clock.now()
        refusals = tuple(c.refusal for c in record.calls if c.refusal is not None)

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            sessions.append(tx, self._turn, (record.message, *refusals), now=now)
            notices = self._attempts.replied(tx, record.step, record, now=now)
            calls.add(tx, self._turn.turn_id, record.step, record.calls, now=now)
            return notices

        self._desk.send(await self._store.write(unit, transition=transitions.STEP_RECORDED))
        self._attempts.take(record.attempt)
        self._said.append(record.message.text)

    async def gated(self, judged: tuple[JudgedCall, ...]) -> Gated:
        """Store the verdict on calls with everything that follows from it (D2)."""
        groups = await self._desk.groups(self._turn)
        words = self._said[-1] if self._said else ""

        def unit(tx: Tx) -> Verdicts:
            sessions.fence(tx, self._turn, self._clock.now())
            return self._desk.judge(tx, self._turn, judged, groups, words)

        verdicts = await self._store.write(unit, transition=transitions.CALLS_GATED)
        if verdicts.gated.allowed:
            self._desk.send(verdicts.rows)
        else:  # the turn waits next: its words so far stand above what people are asked
            self._held = verdicts.rows
        return verdicts.gated

    async def waits(self) -> Parked | GoOn:
        """Let the turn wait unless something was decided meanwhile (D2)."""
        rows = await self._store.read(lambda tx: sessions.rows_of(tx, self._turn.turn_id))
        if rows.halted or not _still_waits(rows):
            self._let_go()
            return GoOn(rows=rows)
        await self._reply.stop_streaming()
        so_far = self._so_far()

        def unit(tx: Tx) -> tuple[Parked | GoOn, tuple[OutboxRow, ...]]:
            sessions.fence(tx, self._turn, self._clock.now())
            edits = self._desk.written_on(tx, self._turn.session_key)
            rows = sessions.rows_of(tx, self._turn.turn_id)
            if rows.halted or not _still_waits(rows):
                return GoOn(rows=rows), edits
            unowned.park(tx, self._turn, now=self._clock.now(), active_us=self._at_work_us())
            return Parked(asked=True), (*self._keep(tx, so_far), *edits)

        outcome, edits = await self._store.write(unit, transition=transitions.TURN_WAITS)
        if isinstance(outcome, Parked):
            self._desk.send(edits)
            self._let_go()
            self._rest()
        else:
            self._let_go()
            self._desk.send(edits)
            self._reply.go_on()
        return outcome

    def _let_go(self) -> None:
        """Send the cards that were kept back for the words before them."""
        self._desk.send(self._held)
        self._held = ()

    def _so_far(self) -> tuple[NewOutbox, ...]:
        """The words so far as rows: they stand while people are waited for."""
        text = "\n\n".join(words.strip() for words in self._said if words.strip())
        return self._reply.interim_rows(text) if text and self._turn.fire is None else ()

    def _keep(self, tx: Tx, new: tuple[NewOutbox, ...]) -> tuple[OutboxRow, ...]:
        """Store them; the turn's further words stand below what people are asked."""
        if new:
            sessions.keep_words(tx, self._turn.turn_id, words=len(self._said), parts=len(new))
        stored = (outbox.insert(tx, row, now=self._clock.now()) for row in new)
        return tuple(row for row in stored if row is not None)

    def _deliver(self, rows: tuple[OutboxRow, ...]) -> None:
        self._let_go()
        self._desk.send(rows)
        self._rest()

    def _rest(self) -> None:
        """Nothing is being made now."""
        self._reply.rest()
        self._attempts.rest()
        if self._turn.fire is not None:
            self._desk.fire_rests()

    async def calls_intended(self, judged: tuple[JudgedCall, ...]) -> Intended:
        """The last check, then the intent to run what passes it (D2 if any has an effect)."""
        if all(_is_free_and_pure(each) for each in judged):
            ids = [each.call.id for each in judged]
            if await self._store.read(lambda tx: calls.are_allowed_by_rule(tx, ids)):
                return Intended(begun=frozenset(ids))
        now = self._clock.now()
        look = await self._desk.last_look(self._turn, judged)

        def unit(tx: Tx) -> tuple[Intended, tuple[OutboxRow, ...]]:
            sessions.fence(tx, self._turn, now)
            intended, rows = self._desk.check(tx, self._turn, judged, look)
            begin = [each for each in judged if each.call.id in intended.begun]
            effects = [e.call.id for e in begin if e.prepared and _needs_intent(e.prepared)]
            calls.begin(tx, effects, now=now)
            sessions.append(tx, self._turn, intended.results, now=now)
            cleared = self._desk.cleared(tx, intended.begun)
            turned_down = [result.call_id for result in intended.results]
            moved = self._desk.moved(tx, [*effects, *turned_down])
            return intended, (*rows, *cleared, *moved)

        intended, rows = await self._store.write(unit, transition=transitions.CALLS_INTENDED)
        self._desk.send(rows)
        return intended

    async def call_finished(self, result: ToolResult, bill: Bill) -> None:
        """Store a tool's result and book what it cost (D1)."""
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            if calls.has_result(tx, result.call_id):  # people have said what became of it
                sessions.fence(tx, self._turn, now)
            else:
                sessions.append(tx, self._turn, (result,), now=now)
            cleared = self._desk.cleared(tx, (result.call_id,))
            return (*cleared, *self._desk.ended(tx, result.call_id, bill))

        self._desk.send(await self._store.write(unit, transition=transitions.CALL_FINISHED))

    async def call_left(self, call: JudgedCall, job: RemoteJob) -> None:
        """Store work that goes on elsewhere (D2).

        A call that nobody waits for keeps its state until its result is stored: if that does not
        come, the call is asked about like any other that was cut.
        """
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            sessions.fence(tx, self._turn, now)
            if job.waits:
                calls.leave(tx, call.call.id)
            self._desk.left(tx, call.call.id, job)
            jobs.insert(
                tx,
                call_id=call.call.id,
                turn_id=self._turn.turn_id,
                tool=call.call.name,
                job=job,
                now=now,
            )
            return self._desk.cleared(tx, (call.call.id,))

        self._desk.send(await self._store.write(unit, transition=transitions.CALL_LEFT))
        self._desk.look_at_jobs()

    async def call_applied(
        self, unit: Callable[[Any], ToolOutput], settle: Callable[[ToolOutput], ToolResult]
    ) -> ToolResult:
        """Run a call on our own rows and store its result in the same commit (D2)."""
        now = self._clock.now()

        def both(tx: Tx) -> tuple[ToolResult, tuple[OutboxRow, ...]]:
            output = _applied(unit, tx)
            result = settle(output)
            sessions.append(tx, self._turn, (result,), now=now)
            bill = Bill(spent=output.spent, record=output.record)
            return result, self._desk.ended(tx, result.call_id, bill)

        result, rows = await self._store.write(both, transition=transitions.CALL_APPLIED)
        self._desk.send((*rows, *self._desk.sent_by(result)))
        return result

    async def asked(self, doubtful: tuple[JudgedCall, ...]) -> None:
        """Store a card about each call in doubt (D2)."""
        ids = tuple(judged.call.id for judged in doubtful)

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            sessions.fence(tx, self._turn, self._clock.now())
            return self._desk.ask_in_doubt(tx, self._turn, ids)

        self._desk.send(await self._store.write(unit, transition=transitions.DOUBT_ASKED))

    async def messages_recorded(self, messages: tuple[Message, ...]) -> None:
        """Store messages that join the transcript (D2); results among them are of calls unrun."""
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            sessions.append(tx, self._turn, messages, now=now)
            unrun = [m.call_id for m in messages if isinstance(m, ToolResult)]
            never = Bill(began=False)
            return tuple(row for ident in unrun for row in self._desk.ended(tx, ident, never))

        rows = await self._store.write(unit, transition=transitions.MESSAGES_RECORDED)
        self._desk.send(rows)
        self._said.extend(m.text for m in messages if isinstance(m, PartialReply))

    async def drain(self) -> tuple[Message, ...]:
        """Claim what arrived meanwhile (D2), unless every message gets a turn of its own."""
        if not self._joins:
            return ()
        now = self._clock.now()
        drained = await self._store.write(
            lambda tx: sessions.drain(tx, self._turn, now=now), transition=transitions.INBOX_DRAINED
        )
        if not any(map(waits_for_files, drained)) or not await self._fetch():
            return drained
        own = await self._store.read(lambda tx: transcript.of_turn(tx, self._turn.turn_id))
        return own[-len(drained) :]

    async def with_files(self) -> TurnRows:
        """The turn's rows once the files of its messages are fetched."""
        rows = self._turn.rows
        if not any(map(waits_for_files, rows.own)) or not await self._fetch():
            return rows
        return await self._store.read(lambda tx: sessions.rows_of(tx, self._turn.turn_id))

    async def closed(self, end: TurnEnd) -> None:
        """Reply, transcript, usage and inbox rows in one commit (D2), then hand on the reply."""
        change = await self._store.read(lambda tx: self._attempts.change(tx, end))
        undone: tuple[Undone, ...] = ()
        if self._turn.fire is None:  # else its report tells
            undone = await self._store.read(lambda tx: self._desk.undone(tx, self._turn))
        until = self._attempts.until(end, now=self._clock.now())
        said = tuple(self._said)
        text = render.reply_text(
            said,
            end,
            self.reference,
            until=until,
            change=change,
            undone=undone,
            reader=self._reply.reader,
        )
        if self._turn.fire is not None:
            text = await self._report(text, end)
        self._attempts.take(end.attempt)
        await self._close(
            text,
            state=end.state,
            mark=end.mark,
            error=str(end.error) if end.error else end.why or None,
            end=end,
            change=change,
        )

    async def _report(self, text: str, end: TurnEnd) -> str:
        """What a fire of a clock's job posts; nothing if it has failed and may be tried again."""
        turn_id = self._turn.turn_id
        if end.mark is Mark.EMPTY:
            text = ""
        elif end.state is TurnState.FAILED and not await self._had_effect():
            return ""
        turned_down = await self._store.read(lambda tx: fires.turned_down(tx, turn_id))
        return cron_report.report(text, end.text, turned_down)

    async def _had_effect(self) -> bool:
        return await self._store.read(lambda tx: fires.had_effect(tx, self._turn.turn_id))

    async def crashed(self) -> None:
        """End the turn after a fault of ours, with a sentence in place of its answer.

        The words so far stand before it, unless they are what can't be shown.
        """
        sentence = render.crashed_text(self.reference, self._reply.reader)
        cause = "a fault in the gateway"
        try:
            await self._fail("\n\n".join([*self._said, sentence]), cause)
        except StoreError:
            raise
        except Exception:
            log.exception("the words of turn %s can't be shown", self.reference)
            await self._fail(sentence, cause)

    async def stuck(self, seconds: float) -> None:
        """End the turn because nothing of it moved for so long; its words stand before that."""
        sentence = render.stuck_text(seconds, self.reference, self._reply.reader)
        await self._fail("\n\n".join([*self._said, sentence]), f"no progress for {seconds:.0f} s")

    async def overlong(self, seconds: float) -> None:
        """End the turn because it was at work as long as it may; its words stand before that."""
        sentence = render.overlong_text(seconds, self.reference)
        await self._fail("\n\n".join([*self._said, sentence]), f"at work for {seconds:.0f} s")

    async def _fail(self, text: str, cause: str) -> None:
        if self._turn.fire is not None and not await self._had_effect():
            text = ""  # it may be tried again
        await self._close(text, state=TurnState.FAILED, mark=Mark.NONE, error=cause, end=None)

    async def _close(
        self,
        text: str,
        *,
        state: TurnState,
        mark: Mark,
        error: str | None,
        end: TurnEnd | None,
        change: Change = "",
    ) -> None:
        await self._reply.stop_streaming()
        fire = self._turn.fire
        new_rows = self._reply.final_rows(text) if text or fire is None else ()
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[OutboxRow, ...]:
            notices: tuple[OutboxRow, ...] = ()
            if end is not None:
                sessions.append(tx, self._turn, end.messages, now=now)
                if end.step is not None:
                    notices = self._attempts.replied(tx, end.step, end, now=now)
                self._attempts.keep(tx, change, end.primary, now=now)
            stopped = end is not None and end.state is TurnState.CANCELLED
            edits = self._desk.turn_ends(tx, self._turn, by=end.by if end else "", stopped=stopped)
            sessions.close_turn(
                tx, self._turn, state=state.value, mark=mark.value, error=error, now=now
            )
            if self._turn.rows.fold:
                sessions.fold_done(tx, self._turn.session_id)
            if fire is not None and text and cron_report.is_apart(self._turn):
                tainted = fire.data or calls.tainted_by(tx, self._turn.session_id, since=0)
                said = text[: cron_report.SAID_MAX]
                fires.say(tx, fire.id, said, tainted=bool(tainted))
            if cron_report.is_over_with(self._turn):
                sessions.retire(tx, self._turn.session_key, now)
            stored = (outbox.insert(tx, row, now=now) for row in new_rows)
            return (*(row for row in stored if row is not None), *edits, *notices)

        self._deliver(await self._store.write(unit, transition=transitions.TURN_CLOSED))
        self._desk.look_at_jobs()


def _applied(unit: Callable[[Any], ToolOutput], tx: Tx) -> ToolOutput:
    """What a tool's unit gives; a fault of it is the call's result, and none of the turn's."""
    try:
        return unit(tx)
    except (ToolError, StoreError):
        raise
    except Exception as error:
        log.exception("a tool failed on our own rows")
        raise ToolError(FAULT) from error


def _needs_intent(prepared: PreparedCall) -> bool:
    """Whether a crash has to know that a call began.

    Not where running it again is harmless and free, or its result is stored with its effect.
    """
    match prepared.effect:
        case EffectClass.LOCAL:
            return False
        case EffectClass.PURE:
            return is_paid(prepared.quote.ceiling)
        case _:
            return True


def _is_free_and_pure(judged: JudgedCall) -> bool:
    """Whether a call changes nothing, and nothing is paid for it.

    Then it needs no second look, unless it runs by a person's leave: that has an end.
    """
    prepared = judged.prepared
    return (
        prepared is not None
        and prepared.effect is EffectClass.PURE
        and prepared.quote.ceiling == 0
        and prepared.default is Verdict.ALLOW
    )


def _still_waits(rows: TurnRows) -> bool:
    """Whether nothing of the step can go on, and something is still open."""
    if not isinstance(position(rows.messages), AwaitsTools):
        return False
    undecided = False
    for stored in rows.calls.values():
        undecided |= stored.state is CallState.ASKED
        match stored.state:
            case CallState.ASKED | CallState.RUNNING | CallState.INTENT:
                continue
            case CallState.ALLOWED if undecided:
                continue
            case _:
                return False
    return bool(rows.calls)
