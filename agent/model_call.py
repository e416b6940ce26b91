"""One model call of a turn: attempts along the plan until someone answers or nobody is left.

Theory of operation. An attempt gives a reply or one typed error. What a reply leads to is said by
`judge_reply`, what an error leads to by `next_move`; both are pure. This performs what they say
and has no opinion: it opens the intent with its money before each attempt, books what came of it
to the lease it was made with, waits so that /stop ends it, and takes back what was shown before
another attempt shows its first word.
"""

import logging
from dataclasses import replace
from typing import assert_never

from agent.attempts import AttemptRecord, CallKind
from agent.credentials import Lease
from agent.effects import (
    CallModel,
    Interrupted,
    Mark,
    ModelOutcome,
    ModelReplied,
    OverBudget,
    Stopped,
)
from agent.errors import ContentBlocked, ContextOverflow, ProviderError
from agent.events import (
    ProviderSwitched,
    StepRewound,
    StepStarted,
    TextDelta,
)
from agent.failover import Entry
from agent.folding import counted
from agent.journal import Bill
from agent.messages import AssistantMessage, Message, Origin, UserMessage
from agent.model_attempt import ModelAttempt
from agent.model_failures import Failures
from agent.model_request import Requests
from agent.model_turn import ModelTurn
from agent.next_move import ATTEMPTS_PER_CALL, next_move
from agent.providers.base import Stop
from agent.recovery import (
    Adjust,
    Advance,
    Compact,
    Decision,
    Failure,
    GiveUp,
    Reconnect,
    Renew,
    Restart,
    Rotate,
    TurnRetryState,
    Wait,
)
from agent.replies import (
    Accept,
    Again,
    Blocked,
    CutShort,
    Growing,
    WindowFull,
    judge_reply,
    left_so,
)
from agent.signals import Cut
from agent.standby import Standby

log = logging.getLogger(__name__)


class ModelCall:
    """One model call under way."""

    def __init__(self, turn: ModelTurn, effect: CallModel) -> None:
        turn.step = effect.step
        self._turn = turn
        self._effect = effect
        self._room = turn.room
        self._plan = turn.plan
        self._asked = effect.messages
        self._requests = Requests(
            session=turn.session,
            system=turn.system,
            specs=turn.specs,
            room=turn.room,
            effort=turn.effort,
            begun=effect.begun,
        )
        self._standby = Standby(
            plan=turn.plan,
            journal=turn.journal,
            room=turn.room,
            barred=turn.barred,
            tools=bool(turn.specs),
            quoted=lambda entry: self._requests.plain(entry, self._asked),
            least=self._least,
        )
        self._growing = Growing()
        self._last: AssistantMessage | None = None
        self._state = TurnRetryState(restart=Restart.REDIRECTED if effect.redirected else None)
        self._trial: Origin | None = None
        """Whose breaker waits for what comes of the attempt."""
        self._arrived = True
        """Whether this entry was not yet asked in this call."""
        self._lease: Lease | None = None
        """The key that was used last."""
        self._move = ""
        self._failures = Failures()
        self._fold_wished = effect.fold
        self._bytes_first = False

    async def run(self) -> ModelOutcome:
        """Attempt until there is an outcome."""
        outcome = await self._after_wasted()
        while outcome is None:
            outcome = self._left() or await self._admitted_attempt()
        if isinstance(outcome, Stopped) and not outcome.shown:
            return replace(outcome, shown=self._growing.said)
        return outcome

    def _left(self) -> ModelOutcome | None:
        """What becomes of the call if people or the end of the process cut it between attempts."""
        signals = self._turn.signals
        if signals.stopped_by is not None:
            return Stopped(by=signals.stopped_by, shown="")
        if signals.parking and self._state.attempts:
            return Interrupted(shown=self._growing.said, messages=self._folded())
        return None

    def _least(self) -> int:
        """About how many tokens no fold takes out: the words to be answered, and our own."""
        entry = self._plan.current
        said = tuple(m for m in self._effect.messages if isinstance(m, UserMessage))
        asked = self._effect.asked or said[-1:]
        return counted(self._requests.plain(entry, asked), entry)

    async def _after_wasted(self) -> ModelOutcome | None:
        """Book a reply that was of no use; begin at the next provider where that is asked for."""
        await self._turn.booked(self._effect)
        wasted = self._effect.wasted
        if wasted is None or not self._effect.elsewhere:
            return None
        following = await self._standby.next()
        if following is None:
            return replace(wasted, mark=Mark.EMPTY, attempt=None, usage=None, spent=None)
        self._move = "after an empty reply"
        self._go_to(following)
        return None

    # -- one attempt

    async def _admitted_attempt(self) -> ModelOutcome | None:
        first_byte_s = await self._admitted()
        try:
            folded = await self._fold(first_byte_s)
            return folded or await self._attempt(first_byte_s)
        finally:
            if self._trial is not None:  # nobody has found out anything
                self._room.health.released(self._trial)
                self._trial = None

    async def _admitted(self) -> float | None:
        """Pass over an entry that rests while another is ready; the first-byte limit of a trial."""
        if not self._arrived:  # whoever is being tried again is not passed over meanwhile
            return None
        while True:
            self._arrived = False
            entry = self._plan.current
            origin = entry.provider.origin
            admission = self._room.health.admit(origin, self._room.clock(), reasons=entry.reasons)
            if admission.allowed:
                self._trial = origin if admission.trial else None
                return admission.first_byte_s
            ready = await self._standby.ready(self._standby.candidates())
            if ready is None:
                return None  # nobody is better: the entry is asked although it rests
            self._standby.rests(entry)
            self._move = f"{entry.name} rests"
            self._go_to(ready)

    async def _fold(self, first_byte_s: float | None) -> ModelOutcome | None:
        """Make the past fit the window of who is asked now."""
        entry = self._plan.current
        forced = self._state.restart is Restart.COMPACTED
        wished, self._fold_wished = self._fold_wished, False
        bytes_first, self._bytes_first = self._bytes_first, False
        fitted = await self._turn.folding.fit(
            entry,
            self._asked,
            build=lambda messages: self._requests.build(entry, messages),
            window=self._requests.window(entry, self._lease),
            asked=self._effect.asked,
            forced=forced,
            wished=wished,
            bytes_first=bytes_first,
            first_byte_s=first_byte_s,
            elsewhere=self._elsewhere,
        )
        match fitted:
            case Stopped() | OverBudget():
                return fitted
            case ProviderError():
                self._failures.add(fitted)
                self._ill(fitted, 0.0)
                self._move = "too large" if isinstance(fitted, ContextOverflow) else "no summary"
                return await self._advance()
            case _:
                self._asked = fitted
                return None

    async def _attempt(self, first_byte_s: float | None) -> ModelOutcome | None:
        if self._arrived:  # the fold has shown that this has to go elsewhere
            return None
        entry, step = self._plan.current, self._effect.step
        messages = self._growing.messages(self._asked, self._last)
        request = self._requests.build(entry, messages, first_byte_s=first_byte_s)
        quote = entry.pricing.quote(request)
        if self._growing.kept and not await self._turn.journal.affords(quote):
            return self._left_so()
        kind = CallKind.CONTINUATION if self._growing.continuations else CallKind.MAIN
        instead_of = "" if entry is self._plan.primary else self._plan.primary.model
        led_here = self._led_here()
        self._state = self._state.attempted()
        if not await self._turn.journal.step_opened(
            step, entry.model, quote, kind=kind, instead_of=instead_of
        ):
            return OverBudget()
        if not self._growing.kept:
            self._turn.emit(StepStarted(step=step, model=entry.model))
        attempt = ModelAttempt(
            entry,
            request,
            emit=self._turn.emit,
            clock=self._room.clock,
            step=step,
            number=self._state.attempts,
            kind=kind,
            quote=quote,
            move=led_here,
        )
        made = await self._turn.made(attempt, self._requests)
        self._lease = attempt.lease
        match made:
            case ProviderError():
                return await self._failed(made, attempt)
            case Cut():
                return await self._cut(made, attempt)
            case (message, stop):
                return await self._replied(message, stop, attempt)

    def _led_here(self) -> str:
        """What led to the attempt that begins: the signal of the last step, and its cause."""
        restart = self._state.restart
        return ": ".join(filter(None, (restart and restart.value, self._move)))

    def _left_so(self) -> ModelOutcome:
        """Deliver a reply as far as it has come: there is no money to go on with it."""
        last = self._last or AssistantMessage(parts=(), origin=self._plan.current.provider.origin)
        whole = left_so(self._growing, last).message
        return ModelReplied(
            message=whole,
            stop=Stop.LENGTH,
            usage=None,
            messages=self._folded(),
            mark=Mark.CUT_BY_LENGTH,
        )

    # -- what came of it

    async def _cut(self, cut: Cut, attempt: ModelAttempt) -> ModelOutcome:
        if attempt.actions:
            return self._done_so_far(attempt, attempt.record("cancelled"), attempt.bill())
        record = attempt.record("cancelled")
        await self._turn.journal.attempt_ended(self._effect.step, attempt.bill(), record)
        shown = self._growing.shown_with(attempt.shown)
        if cut.stopped_by is not None:
            return Stopped(by=cut.stopped_by, shown=shown)
        return Interrupted(shown=shown, messages=self._folded())

    async def _replied(
        self, message: AssistantMessage, stop: Stop, attempt: ModelAttempt
    ) -> ModelOutcome | None:
        entry = attempt.entry
        self._trial = None
        self._turn.served = entry.model
        await self._turn.answered(attempt)
        cap = attempt.request.max_output_tokens
        most = self._requests.most_output(entry)
        judged = judge_reply(message, stop, self._growing, cap=cap, most=most)
        if isinstance(judged, Again) and self._state.attempts >= ATTEMPTS_PER_CALL:
            judged = left_so(judged.growing, message)
        match judged:
            case Accept(message=whole):
                return self._reply(whole, stop, attempt)
            case CutShort(message=whole, lost_calls=lost):
                mark = Mark.CUT_BY_LENGTH if whole.text.strip() else Mark.EMPTY
                return self._reply(whole, stop, attempt, Mark.LOST_CALLS if lost else mark)
            case Again():
                await self._goes_on(judged, message, stop, attempt)
                return None
            case Blocked():
                blocked = attempt.ended_with(ContentBlocked, "content_blocked")
                blocked.said = attempt.said
                return await self._failed(blocked, attempt)
            case WindowFull():
                full = attempt.ended_with(ContextOverflow, "context_overflow")
                return await self._failed(full, attempt)
            case unknown:
                assert_never(unknown)

    def _reply(
        self, whole: AssistantMessage, stop: Stop, attempt: ModelAttempt, mark: Mark | None = None
    ) -> ModelReplied:
        return ModelReplied(
            message=replace(whole, refused=self._failures.refused)
            if self._failures.refused
            else whole,
            stop=stop,
            usage=attempt.usage,
            spent=attempt.spent(),
            attempt=attempt.record(stop.value),
            results=dict(attempt.actions),
            messages=self._folded(),
            mark=mark,
        )

    def _done_so_far(
        self, attempt: ModelAttempt, record: AttemptRecord, bill: Bill
    ) -> ModelReplied:
        """What the provider has done itself is done: it is stored before anybody goes on."""
        if attempt.shown:
            self._rewind()
        return ModelReplied(
            message=attempt.done(),
            stop=Stop.TOOL_CALLS,
            usage=attempt.usage,
            spent=bill.spent,
            attempt=record,
            results=dict(attempt.actions),
            messages=self._folded(),
        )

    def _folded(self) -> tuple[Message, ...] | None:
        return None if self._asked is self._effect.messages else self._asked

    async def _goes_on(
        self, again: Again, message: AssistantMessage, stop: Stop, attempt: ModelAttempt
    ) -> None:
        bill = Bill(spent=attempt.spent())
        await self._turn.journal.attempt_ended(self._effect.step, bill, attempt.record(stop.value))
        if again.rewind and attempt.shown:
            self._rewind()
        self._growing = again.growing
        self._last = message
        self._requests.cap = again.cap
        self._requests.less = self._requests.less or again.less
        self._move = f"after {stop.value}"
        following = Restart.REBUILT if again.rewind else Restart.CONTINUED
        self._state = replace(self._state, failures=0, restart=following)

    def _rewind(self) -> None:
        """Take the view back to the step's start, and show again what of the reply stays."""
        self._turn.emit(StepRewound(step=self._effect.step))
        if self._growing.said:
            self._turn.emit(TextDelta(text=self._growing.said))

    # -- what comes after a failure

    async def _failed(self, error: ProviderError, attempt: ModelAttempt) -> ModelOutcome | None:
        entry, lost_s = attempt.entry, attempt.lost_s
        log.warning("model call failed: %s: %s", error.provider, error)
        self._failures.add(error, entry.provider.origin)
        if attempt.asked:
            self._ill(error, lost_s)
        record = attempt.record(error.reason, status=error.status)
        if attempt.actions:
            await self._book(entry, attempt.lease, error)
            return self._done_so_far(attempt, record, attempt.bill(error))
        await self._turn.journal.attempt_ended(self._effect.step, attempt.bill(error), record)
        self._failures.shown(self._growing.shown_with(attempt.shown), error)
        if attempt.shown:
            self._rewind()
        following = error
        while True:
            decision = await self._decide(following, attempt, lost_s)
            self._state, self._move = decision.state, decision.because
            if attempt.shown and self._state.restart is None:
                self._state = self._state.restarted(Restart.REBUILT)
            outcome = await self._perform(decision, following, attempt)
            if isinstance(decision.move, Adjust | Renew | Compact):
                self._failures.heal(following)
            if not isinstance(outcome, ProviderError):
                return outcome
            following, lost_s = outcome, 0.0
            self._failures.add(outcome)

    def _ill(self, error: ProviderError, lost_s: float) -> None:
        """Tell the breaker of who was asked, and end its trial with it."""
        trial, self._trial = self._trial is not None, None
        origin, now = self._plan.current.provider.origin, self._room.clock()
        self._room.health.failed(origin, error, lost_s, now, trial=trial)

    async def _decide(self, error: ProviderError, attempt: ModelAttempt, lost_s: float) -> Decision:
        entry = attempt.entry
        place = await self._standby.place_of(entry, attempt.lease)
        failure = Failure(
            sent=self._requests.sent(attempt.request, entry),
            lost_s=lost_s,
            shown=bool(attempt.shown),
            waited_s=self._turn.waited_s,
            compactions=self._turn.folding.folds,
            leased=attempt.lease is not None,
            opened=attempt.answered,
        )
        return next_move(error, self._state, place, failure, jitter=self._room.jitter())

    async def _perform(
        self, decision: Decision, error: ProviderError, attempt: ModelAttempt
    ) -> ModelOutcome | ProviderError | None:
        """Do what was decided; a ProviderError is the next failure to decide on."""
        entry, lease = attempt.entry, attempt.lease
        match decision.move:
            case Renew(after_s=after_s):
                return await self._wait(after_s, entry) or await self._renew(entry, lease)
            case Wait(seconds=seconds, fresh=fresh):
                await self._book(entry, lease, error, again_s=seconds)
                if fresh:
                    await entry.provider.reset()
                return await self._wait(seconds, entry)
            case Reconnect(seconds=seconds):
                await entry.provider.reset()
                return await self._wait(seconds, entry)
            case Adjust() as adjust:
                self._requests.adjust(adjust, entry, lease)
                return None
            case Compact(bytes_first=bytes_first):
                self._bytes_first = bytes_first
                return None
            case Rotate():
                await self._book(entry, lease, error)
                return None
            case Advance(elsewhere=elsewhere):
                await self._book(entry, lease, error)
                if elsewhere:
                    self._standby.bar(entry)
                return await self._advance()
            case GiveUp():
                await self._book(entry, lease, error)
                return self._failures.outcome()
            case unknown:
                assert_never(unknown)

    async def _wait(self, seconds: float, entry: Entry) -> ModelOutcome | None:
        cut = await self._turn.wait(seconds, entry)
        if cut is None:
            return None
        if cut.stopped_by is not None:
            return Stopped(by=cut.stopped_by, shown="")
        return Interrupted(shown=self._growing.said, messages=self._folded())

    async def _renew(self, entry: Entry, lease: Lease | None) -> Stopped | ProviderError | None:
        if lease is None:
            return None
        try:
            done = await self._turn.unless_stopped(entry.credential.renew(lease))
        except ProviderError as error:
            return error
        return done if isinstance(done, Stopped) else None

    async def _book(
        self,
        entry: Entry,
        lease: Lease | None,
        error: ProviderError,
        *,
        again_s: float | None = None,
    ) -> None:
        """Let the key rest that the attempt was made with, if it was its fault.

        `again_s` is when this call asks with it again.
        """
        if lease is not None:
            await entry.credential.failed(lease, error, again_s=again_s)

    async def _elsewhere(self) -> bool:
        return await self._standby.ready(self._standby.candidates()) is not None

    async def _advance(self) -> ModelOutcome | None:
        following = await self._standby.next()
        if following is None:
            return self._failures.outcome()
        self._go_to(following)
        return None

    def _go_to(self, entry: Entry) -> None:
        """Begin anew on another entry: nothing of what this one has said stays."""
        if self._growing.said:
            self._turn.emit(StepRewound(step=self._effect.step))
            self._state = self._state.restarted(Restart.REBUILT)
        self._standby.go_to(entry)
        self._state = self._state.on_next_entry()
        self._growing, self._last, self._lease = Growing(), None, None
        self._requests.forget()
        self._arrived = True
        self._turn.emit(ProviderSwitched(model=entry.model, primary=self._plan.primary.model))
