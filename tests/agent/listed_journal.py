"""A TurnJournal kept in memory: rows like the real one's, and a list of what was stored."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from agent.attempts import AttemptRecord, CallKind
from agent.calls import CallState, JudgedCall, StoredCall
from agent.canonical import canonical
from agent.compaction import Fold
from agent.costs import Quote
from agent.effects import Gated, GoOn, Parked, RecordStep, TurnEnd, TurnRows
from agent.journal import Bill, Intended
from agent.messages import AssistantMessage, Message, ResultStatus, ToolResult
from agent.tools.base import EffectClass, PreparedCall, RemoteJob, ToolOutput, Verdict
from tests.agent.scripted import turn_rows

UNDECIDED = (CallState.PROPOSED, CallState.ALLOWED, CallState.ASKED, CallState.APPROVED)


class Check(Enum):
    """What the last check says of a call that is about to begin."""

    BEGIN = "begin"
    REFUSE = "refuse"
    ASK_AGAIN = "ask again"
    JUDGE_AGAIN = "judge again"


def _begins(call: JudgedCall) -> Check:
    return Check.BEGIN


def _affords(step: int, model: str) -> bool:
    return True


class ListedJournal:
    """A TurnJournal whose `turn` holds the rows and `listed` what was stored, in order.

    `arriving` are batches of messages that later drains find; `held` keeps a result from being
    stored until it is set, `refuses` raises in place of storing, `on_intent` is called when an
    intent is stored. The gate allows, asks or denies by the default of the prepared call, and
    asks where the facts could not be had. Others reach the turn through `approve`, `deny`,
    `end_job`, `settle_doubt` and `halt`; `waits` finds what they did.
    """

    def __init__(self, *arriving: tuple[Message, ...], turn: TurnRows | None = None) -> None:
        self.turn = turn or turn_rows()
        self.listed: list[tuple[str, Any]] = []
        self.bills: dict[str, Bill] = {}
        self.arriving = list(arriving)
        self.refuses: Mapping[str, Exception] = {}
        self.held: asyncio.Event | None = None
        self.on_intent: Callable[[], None] = lambda: None
        self.on_write: Callable[[str], None] = lambda name: None
        self.affords_step: Callable[[int, str], bool] = _affords
        self.affords_quote: Callable[[Quote], bool] = lambda quote: True
        self.affords_more: Callable[[int, int], bool] = lambda step, spent: True
        self.records: list[AttemptRecord] = []
        self.checks: Callable[[JudgedCall], Check] = _begins
        self.halts = ""
        self.doubts: set[str] = set()
        self.may_run: set[str] = set()
        self.jobs: dict[str, RemoteJob] = {}
        self.news = False
        """Whether others have changed the rows since the turn last looked at them."""
        self._changed = asyncio.Event()

    def named(self, name: str) -> list[Any]:
        """What was stored under a name."""
        return [value for kind, value in self.listed if kind == name]

    async def stored(self, name: str, count: int = 1) -> None:
        """Wait until so many rows of a name are stored."""
        async with asyncio.timeout(60):
            while len(self.named(name)) < count:
                self._changed.clear()
                await self._changed.wait()

    def in_state(self, *states: CallState) -> list[str]:
        """The open calls in one of these states, in the model's order."""
        return [ident for ident, row in self.turn.calls.items() if row.state in states]

    # What others do to the rows of a turn.

    def reload(self) -> TurnRows:
        """The rows for a run that begins now."""
        self.news = False
        return self.turn

    def approve(self, ident: str) -> None:
        """Somebody entitled says yes to a call that is asked."""
        self._expect(ident, CallState.ASKED)
        self._move(ident, CallState.APPROVED)
        self.may_run.add(ident)
        self.news = True

    def deny(self, ident: str, status: ResultStatus = ResultStatus.REFUSED) -> None:
        """Somebody says no, or it is withdrawn."""
        self._expect(ident, CallState.ASKED)
        self._settle(_result(ident, status))
        self.news = True

    def end_job(self, ident: str) -> None:
        """Work elsewhere has ended."""
        self._expect(ident, CallState.RUNNING)
        del self.jobs[ident]
        self._settle(_result(ident, ResultStatus.DONE))
        self.news = True

    def edit(self, ident: str, **arguments: Any) -> None:
        """Somebody changes what a call that is asked would run."""
        self._expect(ident, CallState.ASKED)
        row = replace(self.turn.calls[ident], arguments=canonical(arguments).decode())
        self.turn = replace(self.turn, calls={**self.turn.calls, ident: row})

    def settle_doubt(self, ident: str, *, again: bool = False) -> None:
        """Somebody says what became of a call in doubt, or that it is to run again."""
        self.doubts.remove(ident)
        if again:
            self._move(ident, CallState.APPROVED)
        else:
            self._settle(_result(ident, ResultStatus.DONE))
        self.news = True

    def halt(self, why: str) -> None:
        """Something outside the turn ends it."""
        self.turn = replace(self.turn, halted=why)
        self.news = True

    # The journal.

    async def affords(self, quote: Quote) -> bool:
        return self.affords_quote(quote)

    async def folded(self, fold: Fold) -> None:
        self._store("folded", fold)

    async def step_opened(
        self,
        step: int,
        model: str,
        quote: Quote,
        *,
        kind: CallKind = CallKind.MAIN,
        instead_of: str = "",
    ) -> bool:
        if not self.affords_step(step, model):
            self._store("over_budget", (step, model, quote))
            return False
        self._store("step_opened", (step, model, quote))
        return True

    async def spent_so_far(self, step: int, spent: int, needs: int) -> bool:
        self._store("spent_so_far", (step, spent, needs))
        return self.affords_more(step, spent)

    async def attempt_ended(self, step: int, bill: Bill, record: AttemptRecord) -> None:
        self.records.append(record)
        self._store("attempt_ended", (step, bill))

    async def step_recorded(self, record: RecordStep) -> None:
        refusals = tuple(c.refusal for c in record.calls if c.refusal is not None)
        proposed = {
            c.call.id: StoredCall(state=CallState.PROPOSED)
            for c in record.calls
            if c.refusal is None
        }

        def apply() -> None:
            self.turn = replace(
                self.turn.with_messages(record.message, *refusals),
                steps=record.step,
                calls_made=self.turn.calls_made + len(record.calls),
                calls=proposed,
            )

        self._store("step_recorded", record, apply)

    async def gated(self, calls: tuple[JudgedCall, ...]) -> Gated:
        allowed: list[JudgedCall] = []
        results: list[ToolResult] = []

        def apply() -> None:
            for judged in calls:
                self._expect(judged.call.id, CallState.PROPOSED)
                self._gate(judged, allowed, results)
            self.turn = replace(self.turn, halted=self.halts)

        self._store("gated", calls, apply)
        return Gated(allowed=tuple(allowed), results=tuple(results), halted=self.halts)

    async def waits(self) -> Parked | GoOn:
        self.on_write("waits")
        if self.news:
            self.news = False
            rows = self.turn
            self._store("went_on", None, quiet=True)
            return GoOn(rows=rows)
        self._store("waits", None, quiet=True)
        return Parked(asked=True)

    async def calls_intended(self, calls: tuple[JudgedCall, ...]) -> Intended:
        begun: list[str] = []
        effects: list[str] = []
        results: list[ToolResult] = []

        def apply() -> None:
            for judged in calls:
                if judged.call.id not in self.turn.calls:
                    continue  # somebody has said meanwhile what became of it
                check = self.checks(judged)
                self._begin(judged, check, results)
                if check is Check.BEGIN:
                    begun.append(judged.call.id)
                    effects.extend([judged.call.id] if _leaves_a_doubt(judged.prepared) else [])

        self.on_write("calls_intended")
        apply()
        if effects or len(begun) < len(calls):  # of pure ones there is nothing to store
            self._store("calls_intended", tuple(effects), quiet=True)
        if effects:
            self.on_intent()
        return Intended(begun=frozenset(begun), results=tuple(results))

    async def call_finished(self, result: ToolResult, bill: Bill) -> None:
        def apply() -> None:
            if result.call_id in self.turn.calls:  # else somebody was faster
                self._settle(result)
            self.bills[result.call_id] = bill

        self._store("call_finished", result, apply)
        if self.held is not None:
            await self.held.wait()

    async def call_left(self, call: JudgedCall, job: RemoteJob) -> None:
        def apply() -> None:
            if call.call.id in self.turn.calls:  # else somebody was faster
                self.jobs[call.call.id] = job
                if job.waits:
                    self._move(call.call.id, CallState.RUNNING)
                    self.doubts.discard(call.call.id)

        self._store("call_left", (call.call.id, job), apply)

    async def call_applied(
        self, unit: Callable[[Any], ToolOutput], settle: Callable[[ToolOutput], ToolResult]
    ) -> ToolResult:
        self.on_write("call_applied")
        result = settle(unit(None))
        self._store("call_applied", result, lambda: self._settle(result), quiet=True)
        return result

    async def asked(self, calls: tuple[JudgedCall, ...]) -> None:
        idents = tuple(judged.call.id for judged in calls)

        def apply() -> None:
            self.doubts.update(set(idents) & set(self.in_state(CallState.INTENT)))

        self._store("asked", idents, apply)

    async def messages_recorded(self, messages: tuple[Message, ...]) -> None:
        def apply() -> None:
            for message in messages:
                if isinstance(message, ToolResult):
                    self._settle(message)
                else:
                    self.turn = self.turn.with_messages(message)

        self._store("messages_recorded", messages, apply)

    async def drain(self) -> tuple[Message, ...]:
        self.on_write("drain")
        messages = self.arriving.pop(0) if self.arriving else ()
        self.turn = self.turn.with_messages(*messages)
        self._store("drain", messages, quiet=True)
        return messages

    async def closed(self, end: TurnEnd) -> None:
        def apply() -> None:
            self.turn = self.turn.with_messages(*end.messages)
            for ident, row in tuple(self.turn.calls.items()):
                began = row.state not in UNDECIDED
                self._settle(
                    _result(ident, ResultStatus.UNKNOWN if began else ResultStatus.NOT_RUN)
                )

        self._store("closed", end, apply)

    def _store(
        self,
        name: str,
        value: Any,
        apply: Callable[[], None] = lambda: None,
        *,
        quiet: bool = False,
    ) -> None:
        """Commit: all of it or nothing; `on_write` is called before, unless quiet, and after."""
        if name in self.refuses:
            raise self.refuses[name]
        if not quiet:
            self.on_write(name)
        apply()
        self.listed.append((name, value))
        self._changed.set()
        self.on_write(name)

    def _gate(
        self, judged: JudgedCall, allowed: list[JudgedCall], results: list[ToolResult]
    ) -> None:
        ident, prepared = judged.call.id, judged.prepared
        if prepared is None:
            assert judged.refusal is not None
            results.append(judged.refusal)
            self._settle(judged.refusal)
            return
        match prepared.default if judged.inspected else Verdict.ASK:
            case Verdict.DENY:
                results.append(_result(ident, ResultStatus.REFUSED))
                self._settle(results[-1])
            case Verdict.ALLOW:
                self._decide(ident, prepared, CallState.ALLOWED)
                self.may_run.add(ident)
                allowed.append(judged)
            case Verdict.ASK:
                self._decide(ident, prepared, CallState.ASKED)

    def _begin(self, judged: JudgedCall, check: Check, results: list[ToolResult]) -> None:
        ident, prepared = judged.call.id, judged.prepared
        assert prepared is not None
        row = self.turn.calls[ident]
        assert row.state in (CallState.ALLOWED, CallState.APPROVED, CallState.INTENT), row
        assert ident in self.may_run, f"{ident} was neither allowed nor approved"
        assert row.arguments == canonical(prepared.arguments).decode()
        assert row.snapshots == prepared.snapshots
        assert row.quote is None or row.quote == prepared.quote
        match check:
            case Check.BEGIN:
                self.doubts.discard(ident)
                if _leaves_a_doubt(prepared):
                    self._move(ident, CallState.INTENT)
            case Check.REFUSE:
                results.append(_result(ident, ResultStatus.REFUSED))
                self._settle(results[-1])
            case Check.ASK_AGAIN | Check.JUDGE_AGAIN:
                asks = check is Check.ASK_AGAIN
                self._move(ident, CallState.ASKED if asks else CallState.PROPOSED)
                self.may_run.discard(ident)
                self.news = True

    def _decide(self, ident: str, prepared: PreparedCall, state: CallState) -> None:
        row = StoredCall(
            state=state,
            arguments=canonical(prepared.arguments).decode(),
            quote=prepared.quote,
            snapshots=prepared.snapshots,
        )
        self.turn = replace(self.turn, calls={**self.turn.calls, ident: row})

    def _move(self, ident: str, state: CallState) -> None:
        row = replace(self.turn.calls[ident], state=state)
        self.turn = replace(self.turn, calls={**self.turn.calls, ident: row})

    def _expect(self, ident: str, state: CallState) -> None:
        assert self.turn.calls[ident].state is state, (ident, self.turn.calls[ident])

    def _settle(self, result: ToolResult) -> None:
        """A call has one result; its row is an open one no more."""
        asked = {
            c.id for m in self.turn.messages if isinstance(m, AssistantMessage) for c in m.calls
        }
        given = [m.call_id for m in self.turn.messages if isinstance(m, ToolResult)]
        assert result.call_id in asked
        assert result.call_id not in given, f"{result.call_id} has a result already"
        open_calls = {i: row for i, row in self.turn.calls.items() if i != result.call_id}
        self.turn = replace(self.turn.with_messages(result), calls=open_calls)
        self.doubts.discard(result.call_id)


def _leaves_a_doubt(prepared: PreparedCall | None) -> bool:
    """Whether a crash while this runs leaves a doubt, so that its intent is stored first."""
    return prepared is not None and prepared.effect not in (EffectClass.PURE, EffectClass.LOCAL)


def _result(ident: str, status: ResultStatus) -> ToolResult:
    return ToolResult(call_id=ident, name="", status=status, text=status.value)
