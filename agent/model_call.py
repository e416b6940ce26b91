"""One model call of a turn: attempts along the plan until someone answers or nobody is left.

Theory of operation. An attempt gives a reply or one typed error. What a reply leads to is said by
`judge_reply`, what an error leads to by `next_move`; both are pure. This performs what they say
and has no opinion: it opens the intent with its money before each attempt, books what came of it
to the lease it was made with, waits so that /stop ends it, and takes back what was shown before
another attempt shows its first word.
"""

import logging
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar, assert_never

from agent import history
from agent.attempts import CallKind
from agent.credentials import Lease
from agent.effects import (
    CallModel,
    Interrupted,
    Mark,
    ModelFailed,
    ModelOutcome,
    ModelReplied,
    OverBudget,
    Stopped,
    TurnEnd,
)
from agent.errors import AllProvidersFailed, ContentBlocked, ContextOverflow, ProviderError
from agent.events import ProviderSwitched, StepRewound, StepStarted, TextDelta, TurnEvent, Waiting
from agent.failover import Candidate, Entry, FailoverPlan, Need
from agent.health import Health
from agent.journal import Bill, TurnJournal
from agent.memos import Memos
from agent.messages import (
    AssistantMessage,
    Origin,
    ProviderPart,
    ToolResult,
    UserMessage,
)
from agent.model_attempt import ModelAttempt
from agent.next_move import next_move
from agent.providers.base import EFFORTS, Adjustments, ModelRequest, Stop, ToolSpec
from agent.providers.rendering import strip_keywords
from agent.recovery import (
    Adjust,
    Advance,
    Compact,
    Decision,
    Failure,
    GiveUp,
    Place,
    Reconnect,
    Renew,
    Rotate,
    Sent,
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
)
from agent.signals import Cut, TurnSignals

log = logging.getLogger(__name__)

TOLD_AFTER_S = 20.0
"""A longer wait is shown to the chat."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRoom:
    """What outlives a turn and what it is told: breakers, memos, clocks and chance.

    `now` is microseconds since 1970, `clock` seconds of any origin, `jitter` between 0 and 1.
    """

    health: Health
    memos: Memos
    now: Callable[[], int]
    clock: Callable[[], float]
    sleep: Callable[[float], Coroutine[Any, Any, None]]
    jitter: Callable[[], float]
    effort: str | None = None


class ModelCalls:
    """Makes the model calls of one turn; they share its plan, its waiting and its folding."""

    def __init__(
        self,
        *,
        session: str,
        system: str,
        specs: tuple[ToolSpec, ...],
        plan: FailoverPlan,
        journal: TurnJournal,
        signals: TurnSignals,
        emit: Callable[[TurnEvent], None],
        room: ModelRoom,
    ) -> None:
        self.session = session
        self.system = system
        self.specs = specs
        self.plan = plan
        self.journal = journal
        self.signals = signals
        self.emit = emit
        self.room = room
        self.waited_s = 0.0
        self.folds = 0
        self.served = ""
        """The model that gave the last reply."""

    async def ask(self, effect: CallModel) -> ModelOutcome:
        """Make one model call."""
        return await _Call(self, effect).run()

    def signed(self, end: TurnEnd) -> TurnEnd:
        """The end with who answered and who was to."""
        return replace(end, served=self.served, primary=self.plan.primary.model)

    async def cut(self, work: Coroutine[Any, Any, _T]) -> _T | Stopped:
        """Do something that only /stop ends early."""
        done = await self.signals.guard(work)
        if isinstance(done, Cut):
            return Stopped(by=done.stopped_by or "", shown="")
        return done


class _Call:
    """One model call under way."""

    def __init__(self, calls: ModelCalls, effect: CallModel) -> None:
        self._calls = calls
        self._effect = effect
        self._room = calls.room
        self._plan = calls.plan
        self._asked = effect.messages
        self._listed: tuple[Candidate, ...] = ()
        self._growing = Growing()
        self._last: AssistantMessage | None = None
        self._state = TurnRetryState()
        self._adjusted: Adjustments | None = None
        self._less = False
        self._trial: Origin | None = None
        """Whose breaker waits for what comes of the attempt."""
        self._arrived = True
        """Whether this entry was not yet asked in this call."""
        self._cap: int | None = None
        self._move = ""
        self._failures: list[ProviderError] = []
        self._longest = ""
        self._force_fold = effect.fold
        self._bytes_first = False

    async def run(self) -> ModelOutcome:
        """Attempt until there is an outcome."""
        outcome = await self._after_wasted()
        while outcome is None:
            if self._calls.signals.stopped_by is not None:
                return Stopped(by=self._calls.signals.stopped_by, shown=self._growing.text)
            outcome = await self._attempt()
        return outcome

    async def _after_wasted(self) -> ModelOutcome | None:
        """Book a reply that was of no use; begin at the next provider where that is asked for."""
        wasted = self._effect.wasted
        if wasted is None:
            return None
        if wasted.attempt is not None:
            bill = Bill(spent=wasted.spent)
            await self._calls.journal.attempt_ended(self._effect.step, bill, wasted.attempt)
        if not self._effect.elsewhere:
            return None
        following = await self._next()
        if following is None:
            return replace(wasted, mark=Mark.EMPTY, attempt=None, usage=None, spent=None)
        self._move = "after an empty reply"
        self._go_to(following)
        return None

    # -- one attempt

    async def _attempt(self) -> ModelOutcome | None:
        trial_s = await self._admitted()
        try:
            return await self._admitted_attempt(trial_s)
        finally:
            if self._trial is not None:  # nobody has found out anything
                self._room.health.released(self._trial)
                self._trial = None

    async def _admitted_attempt(self, trial_s: float | None) -> ModelOutcome | None:
        entry = self._plan.current
        request = self._request(entry, trial_s)
        quote = entry.pricing.quote(request)
        kind = CallKind.CONTINUATION if self._growing.continuations else CallKind.MAIN
        instead_of = "" if entry is self._plan.primary else self._plan.primary.model
        self._state = self._state.attempted()
        step = self._effect.step
        if not await self._calls.journal.step_opened(
            step, entry.model, quote, kind=kind, instead_of=instead_of
        ):
            return OverBudget()
        if not self._growing.began:
            self._calls.emit(StepStarted(step=step, model=entry.model))
        attempt = ModelAttempt(
            entry,
            request,
            emit=self._calls.emit,
            clock=self._room.clock,
            step=step,
            number=self._state.attempts,
            kind=kind,
            quote=quote,
            move=self._move,
        )
        try:
            outcome = await self._calls.signals.guard(
                self._stream(attempt),
                # Before the first word a second request would only be paid twice.
                interruptible=attempt.has_words,
            )
        except ProviderError as error:
            return await self._failed(error, attempt)
        finally:
            attempt.end()
            if attempt.lease is not None:
                entry.credential.release(attempt.lease)
        if isinstance(outcome, Cut):
            return await self._cut(outcome, attempt)
        message, stop = outcome
        return await self._replied(message, stop, attempt)

    async def _stream(self, attempt: ModelAttempt) -> tuple[AssistantMessage, Stop]:
        entry = attempt.entry
        lease = await entry.credential.lease(session=self._calls.session, model=entry.model)
        attempt.ask(lease)
        request = self._for_key(attempt.request, entry, lease)
        async with aclosing(entry.provider.stream(request, lease)) as stream:
            async for event in stream:
                attempt.take(event)
        return attempt.reply()

    async def _admitted(self) -> float | None:
        """Pass over an entry that rests while another is ready; the first-byte limit of a trial."""
        if not self._arrived:  # whoever is being tried again is not passed over meanwhile
            return None
        self._arrived = False
        now = self._room.clock()
        while True:
            entry = self._plan.current
            admission = self._room.health.admit(entry.provider.origin, now, reasons=entry.reasons)
            if admission.allowed:
                self._trial = entry.provider.origin if admission.trial else None
                return admission.first_byte_s
            ready = await self._affordable(self._candidates())
            if ready is None:
                return None  # nobody is better: the entry is asked although it rests
            self._plan.skip(entry, "breaker open")
            self._move = f"{entry.name} rests"
            self._go_to(ready)

    def _request(self, entry: Entry, trial_s: float | None) -> ModelRequest:
        adjustments = self._adjustments(entry)
        if trial_s is not None:
            adjustments = replace(adjustments, first_byte_s=trial_s)
        room = entry.context_window - (entry.max_output_tokens or 0)
        past = history.window(self._asked, budget_tokens=room)
        messages = self._growing.messages(past, self._last)
        request = ModelRequest(
            system=self._calls.system,
            messages=history.repair(messages),
            tools=self._calls.specs,
            max_output_tokens=self._cap or entry.max_output_tokens,
            session=self._calls.session,
            adjustments=adjustments,
        )
        return replace(request, input_tokens=self._tokens(request))

    def _adjustments(self, entry: Entry) -> Adjustments:
        """What this call or an earlier one has learned that the entry needs."""
        if self._adjusted is None:
            effort = self._room.effort or entry.effort
            self._adjusted = self._room.memos.adjust(
                entry.provider.origin,
                session=self._calls.session,
                effort=effort,
                now=self._room.clock(),
            )
        if self._less:
            return replace(self._adjusted, effort=_less(self._adjusted.effort))
        return self._adjusted

    def _for_key(self, request: ModelRequest, entry: Entry, lease: Lease) -> ModelRequest:
        """The request as this key may make it: not every one has the long window."""
        known = self._room.memos.adjust(
            entry.provider.origin,
            session=self._calls.session,
            effort=self._room.effort or entry.effort,
            now=self._room.clock(),
            credential=lease.label,
        )
        adjustments = request.adjustments
        if known.long_context or not adjustments.long_context:
            return request
        return replace(request, adjustments=replace(adjustments, long_context=False))

    def _tokens(self, request: ModelRequest) -> int:
        return sum(history.size(message) for message in request.messages) // 2

    # -- what came of it

    async def _cut(self, cut: Cut, attempt: ModelAttempt) -> ModelOutcome:
        record = attempt.record("cancelled")
        await self._calls.journal.attempt_ended(self._effect.step, attempt.bill(), record)
        shown = self._growing.text + attempt.shown
        if cut.stopped_by is not None:
            return Stopped(by=cut.stopped_by, shown=shown)
        return Interrupted(shown=shown)

    async def _replied(
        self, message: AssistantMessage, stop: Stop, attempt: ModelAttempt
    ) -> ModelOutcome | None:
        entry = attempt.entry
        await self._answered(attempt)
        cap = attempt.request.max_output_tokens
        judged = judge_reply(message, stop, self._growing, cap=cap, most=entry.most_output_tokens)
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
                error: ProviderError = _of(ContentBlocked, attempt, "content_blocked")
                error.said = attempt.said
                return await self._failed(error, attempt)
            case WindowFull():
                error = _of(ContextOverflow, attempt, "context_overflow")
                return await self._failed(error, attempt)
            case unknown:
                assert_never(unknown)

    async def _answered(self, attempt: ModelAttempt) -> None:
        entry = attempt.entry
        self._calls.served = entry.model
        self._trial = None
        self._room.health.succeeded(entry.provider.origin, attempt.first_byte_s, self._room.clock())
        if attempt.lease is not None:
            await entry.credential.succeeded(attempt.lease)
        if attempt.usage is not None:
            entry.pricing.learn(attempt.request, attempt.usage)

    def _reply(
        self, whole: AssistantMessage, stop: Stop, attempt: ModelAttempt, mark: Mark | None = None
    ) -> ModelReplied:
        return ModelReplied(
            message=whole,
            stop=stop,
            usage=attempt.usage,
            spent=attempt.spent(),
            attempt=attempt.record(stop.value),
            results=dict(attempt.actions),
            messages=self._asked if self._asked is not self._effect.messages else None,
            mark=mark,
        )

    async def _goes_on(
        self, again: Again, message: AssistantMessage, stop: Stop, attempt: ModelAttempt
    ) -> None:
        bill = Bill(spent=attempt.spent())
        await self._calls.journal.attempt_ended(self._effect.step, bill, attempt.record(stop.value))
        if again.rewind and attempt.shown:
            self._rewind()
        self._growing = again.growing
        self._last = message
        self._cap = again.cap
        self._less = self._less or again.less
        self._move = f"goes on after {stop.value}"
        self._state = replace(self._state, failures=0)

    def _rewind(self) -> None:
        """Take the view back to the step's start, and show again what of the reply stays."""
        self._calls.emit(StepRewound(step=self._effect.step))
        if self._growing.text:
            self._calls.emit(TextDelta(text=self._growing.text))

    # -- what comes after a failure

    async def _failed(self, error: ProviderError, attempt: ModelAttempt) -> ModelOutcome | None:
        entry, lost_s = attempt.entry, attempt.lost_s
        log.warning("model call failed: %s: %s", error.provider, error)
        self._failures.append(error)
        if attempt.lease is not None:
            error.credential = error.credential or attempt.lease.label
        if attempt.asked:
            trial, self._trial = self._trial is not None, None
            self._room.health.failed(
                entry.provider.origin, error, lost_s, self._room.clock(), trial=trial
            )
        record = attempt.record(error.reason)
        await self._calls.journal.attempt_ended(self._effect.step, attempt.bill(error), record)
        if attempt.actions:
            return self._reply(attempt.done(), Stop.TOOL_CALLS, attempt)
        self._longest = max(self._longest, self._growing.text + attempt.shown, key=len)
        if attempt.shown:
            self._rewind()
        following: ProviderError | None = error
        while following is not None:
            decision = await self._decide(following, attempt, lost_s)
            self._state = decision.state
            self._move = decision.because
            outcome = await self._perform(decision, following, attempt)
            if isinstance(outcome, ProviderError):
                following, lost_s = outcome, 0.0
                self._failures.append(outcome)
                continue
            return outcome
        return None

    async def _decide(self, error: ProviderError, attempt: ModelAttempt, lost_s: float) -> Decision:
        entry = attempt.entry
        candidates = self._candidates()
        ready = await self._affordable(candidates)
        standing = entry.credential.standing(model=entry.model)
        if attempt.lease is not None:  # the one that has just failed is not one to rotate to
            standing = replace(standing, ready=max(0, standing.ready - 1))
        place = Place(
            api=entry.api,
            service=entry.credential.service,
            index=self._plan.index,
            direct=entry.direct,
            patience=entry.patience,
            standing=standing,
            next_ready=ready is not None,
            anyone_left=bool(candidates),
            reasons=entry.reasons,
        )
        failure = Failure(
            sent=self._sent(attempt.request, entry),
            lost_s=lost_s,
            shown=bool(attempt.shown),
            fill=attempt.request.input_tokens / max(1, entry.context_window),
            waited_s=self._calls.waited_s,
            compactions=self._calls.folds,
            now=self._room.now(),
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
                stopped = await self._wait(after_s, entry)
                return stopped or await self._renew(entry, lease)
            case Wait(seconds=seconds, fresh=fresh):
                if fresh:
                    await entry.provider.reset()
                return await self._wait(seconds, entry)
            case Reconnect(seconds=seconds):
                await entry.provider.reset()
                return await self._wait(seconds, entry)
            case Adjust() as adjust:
                self._adjust(adjust, entry, lease)
                return None
            case Compact(bytes_first=bytes_first):
                self._force_fold, self._bytes_first = True, bytes_first
                return None
            case Rotate():
                await self._book(entry, lease, error)
                return None
            case Advance(elsewhere=elsewhere):
                await self._book(entry, lease, error)
                return await self._advance(entry.provider.origin.endpoint if elsewhere else None)
            case GiveUp():
                await self._book(entry, lease, error)
                return self._given_up()
            case unknown:
                assert_never(unknown)

    async def _wait(self, seconds: float, entry: Entry) -> Stopped | None:
        if seconds <= 0:
            return None
        if seconds > TOLD_AFTER_S:
            until = self._room.now() + int(seconds * 1_000_000)
            self._calls.emit(Waiting(provider=entry.name, until=until))
        self._calls.waited_s += seconds
        done = await self._calls.cut(self._room.sleep(seconds))
        return done if isinstance(done, Stopped) else None

    async def _renew(self, entry: Entry, lease: Lease | None) -> Stopped | ProviderError | None:
        if lease is None:
            return None
        try:
            done = await self._calls.cut(entry.credential.renew(lease))
        except ProviderError as error:
            return error
        return done if isinstance(done, Stopped) else None

    def _adjust(self, adjust: Adjust, entry: Entry, lease: Lease | None) -> None:
        self._adjusted = replace(adjust.adjustments, first_byte_s=None)
        self._less = False
        if adjust.cap is not None:
            self._cap = adjust.cap
        if adjust.remember:
            self._room.memos.keep(
                adjust.remember,
                entry.provider.origin,
                session=self._calls.session,
                credential=lease.label if lease else "",
                adjustments=adjust.adjustments,
                now=self._room.clock(),
            )

    async def _book(self, entry: Entry, lease: Lease | None, error: ProviderError) -> None:
        if lease is not None:
            await entry.credential.failed(lease, error)

    async def _advance(self, avoid: str | None) -> ModelOutcome | None:
        following = await self._next(avoid)
        if following is None:
            return self._given_up()
        self._go_to(following)
        return None

    async def _next(self, avoid: str | None = None) -> Entry | None:
        """Whom to go to: who is ready and can be paid, who can't be, at last who rests."""
        candidates = self._candidates(avoid)
        ready = await self._affordable(candidates)
        if ready is None and candidates:
            return candidates[0].entry
        return ready

    def _go_to(self, entry: Entry) -> None:
        """Begin anew on another entry: nothing of what this one has said stays."""
        if self._growing.began:
            self._calls.emit(StepRewound(step=self._effect.step))
        self._plan.move_to(entry, passed=self._listed)
        self._state = self._state.on_next_entry()
        self._growing = Growing()
        self._adjusted, self._cap, self._less = None, None, False
        self._arrived = True
        self._calls.emit(ProviderSwitched(model=entry.model, primary=self._plan.primary.model))

    def _given_up(self) -> ModelFailed:
        error = AllProvidersFailed(tuple(self._failures))
        return ModelFailed(error=error, shown=self._longest)

    # -- who else could be asked

    def _candidates(self, avoid: str | None = None) -> tuple[Candidate, ...]:
        """The entries after this one that may be asked, those to prefer first."""
        need = Need(
            tools=bool(self._calls.specs),
            tokens=0,
            avoid_endpoint=avoid,
        )
        now = self._room.clock()
        self._listed = self._plan.following(health=self._room.health, now=now, need=need)
        return tuple(candidate for candidate in self._listed if not candidate.skip)

    async def _affordable(self, candidates: tuple[Candidate, ...]) -> Entry | None:
        """The first that is ready and whose worst case can be paid."""
        for candidate in candidates:
            if candidate.ready:
                quote = candidate.entry.pricing.quote(self._quoted(candidate.entry))
                if quote.ceiling == 0 or await self._calls.journal.affords(quote):
                    return candidate.entry
        return None

    def _quoted(self, entry: Entry) -> ModelRequest:
        return ModelRequest(
            system=self._calls.system,
            messages=history.repair(self._asked),
            tools=self._calls.specs,
            max_output_tokens=entry.max_output_tokens,
            session=self._calls.session,
        )

    def _sent(self, request: ModelRequest, entry: Entry) -> Sent:
        origin, messages = entry.provider.origin, request.messages
        own = any(
            isinstance(part, ProviderPart) and part.origin == origin
            for message in messages
            if isinstance(message, AssistantMessage)
            for part in message.parts
        )
        adjustments = request.adjustments
        media = any(isinstance(m, UserMessage | ToolResult) and m.media for m in messages)
        return Sent(
            own_parts=own and adjustments.replay and adjustments.thinking,
            in_tool_loop=bool(messages) and isinstance(messages[-1], ToolResult),
            media=adjustments.media and media,
            tool_media=adjustments.tool_media
            and any(isinstance(m, ToolResult) and m.media for m in messages),
            keywords=adjustments.keywords
            and any(strip_keywords(tool.parameters) != tool.parameters for tool in request.tools),
            effort=adjustments.effort,
            cap=request.max_output_tokens,
            adjustments=adjustments,
        )


def _less(effort: str | None) -> str:
    """One level below; the model's own preference counts as the middle."""
    place = EFFORTS.index(effort) if effort in EFFORTS else EFFORTS.index("medium")
    return EFFORTS[max(place - 1, 0)]


def _of(kind: type[ProviderError], attempt: ModelAttempt, reason: str) -> ProviderError:
    origin = attempt.entry.provider.origin
    return kind(
        f"the reply ended with {reason}",
        provider=origin.provider,
        endpoint=origin.endpoint,
        model=origin.model,
        reason=reason,
        credential=attempt.lease.label if attempt.lease else "",
    )
