"""What one attempt at a provider has given so far; nothing of it counts before its marker."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from typing import TypeVar, assert_never

from agent import history
from agent.attempts import AttemptRecord, CallKind
from agent.costs import Quote, Unknown
from agent.credentials import Lease
from agent.errors import ProviderError, RequestInvalid, StreamBroken, TlsUntrusted
from agent.events import TextDelta, TurnEvent
from agent.failover import Entry
from agent.journal import Bill
from agent.messages import (
    AssistantMessage,
    Part,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    well_formed,
)
from agent.providers.base import (
    ActionFinished,
    ArgumentsReceived,
    ModelRequest,
    ModelRerouted,
    PartCompleted,
    PulseReceived,
    ReasoningReceived,
    Stop,
    StreamCompleted,
    StreamEvent,
    StreamOpened,
    TextReceived,
    ToolCallOpened,
    UsageReported,
)
from agent.tool_runs import NOTHING_BEGAN

WRITTEN_PER_S = 250
"""Tokens a second that a model which thinks unseen is taken to write."""

STILL_WRITING_S = 600.0
"""How long a provider may go on writing, and charging, for a reply nobody reads any more."""


_E = TypeVar("_E", bound=ProviderError)


class ModelAttempt:
    """One attempt. `clock` counts seconds; `move` is what led to it, for the trace."""

    def __init__(
        self,
        entry: Entry,
        request: ModelRequest,
        *,
        emit: Callable[[TurnEvent], None],
        clock: Callable[[], float],
        step: int,
        number: int,
        kind: CallKind,
        quote: Quote,
        move: str = "",
    ) -> None:
        self.entry = entry
        self.request = request
        self.lease: Lease | None = None
        self.asked = False
        """Whether the provider may have the request, and so may charge for it."""
        self.answered = False
        """Whether it has begun to answer."""
        self.actions: dict[int, ToolResult] = {}
        """Results of what the provider did itself, by their place among the calls."""
        self.said = ""
        """The provider's own words of a refusal."""
        self._emit = emit
        self._clock = clock
        self._step, self._number, self._kind, self._move = step, number, kind, move
        self._price_source, self._ceiling = quote.source, quote.ceiling
        self._pricing = entry.pricing
        self._shown: list[str] = []
        self._parts: list[Part] = []
        self._calls = 0
        self._usage: Usage | None = None
        self._first: Usage | None = None
        self._later = False
        self._stop: Stop | None = None
        self._streamed = 0
        self._booked = self._dearest = 0
        self._paid = Usage(input=0, output=0)
        self._served = self._request_id = ""
        self._began_at = clock()
        self._asked_at = self._began_at
        self._first_at: float | None = None
        self._superseded: Counter[str] | None = None

    @property
    def shown(self) -> str:
        """The words the reader has seen of this attempt."""
        return well_formed("".join(self._shown))

    @property
    def first_byte_s(self) -> float | None:
        """Seconds from the request to the first event."""
        return None if self._first_at is None else self._first_at - self._asked_at

    @property
    def lost_s(self) -> float:
        """Seconds since the provider was asked, or since it began: a queue is nobody's fault."""
        return self._clock() - (self._asked_at if self.asked else self._began_at)

    @property
    def usage(self) -> Usage | None:
        """The tokens it has reported so far."""
        return self._usage

    @property
    def counted(self) -> Usage | None:
        """What the request itself was counted as, without what was asked within the reply."""
        return self._first or self._usage

    @property
    def free(self) -> bool:
        """Whether its calls cost nothing by themselves."""
        return self._ceiling == 0

    def within(self, usage: Usage) -> tuple[int, int] | None:
        """What the calls inside this reply have cost so far, and what the next can cost at most.

        In micro-dollars; None where nobody can tell. What the child of an agent asks its model
        grows with what it does: the next call is taken to cost no less than the dearest so far.
        """
        spent = self._spent_on(usage)
        if isinstance(self._ceiling, Unknown) or spent is None:
            return None
        self._dearest = max(self._dearest, spent - self._booked)
        self._booked, self._paid = spent, usage
        return spent, max(self._ceiling, self._dearest)

    def has_words(self) -> bool:
        """Whether the reader has seen any."""
        return bool(self._shown)

    def ask(self, lease: Lease) -> None:
        """From now on the provider may have the request."""
        self.lease = lease
        self.asked = True
        self._asked_at = self._clock()

    def end(self, superseded: Counter[str]) -> None:
        """Whatever still comes of it is nobody's: it is dropped, and counted for the entry."""
        self._superseded = superseded

    def take(self, event: StreamEvent) -> None:
        """Fold one event in; words go on to the reader at once."""
        if self._superseded is not None:
            self._superseded[self.entry.name] += 1
            return
        self.answered = True
        if self._first_at is None:
            self._first_at = self._clock()
        match event:
            case TextReceived(text=text):
                self._shown.append(text)
                self._count(text)
                self._emit(TextDelta(text=text))
            case PartCompleted(part=part):
                self._add(part)
            case ActionFinished(call=call, status=status, text=text):
                self.actions[self._calls] = ToolResult(
                    call_id="", name=call.name, status=status, text=well_formed(text)
                )
                self._add(call)
            case UsageReported(usage=usage, first=first, later=later):
                self._usage, self._first, self._later = usage, first, later
            case StreamCompleted(stop=stop, said=said):
                self._stop = stop
                self.said = said
            case (
                ReasoningReceived(text=text)
                | ToolCallOpened(name=text)
                | ArgumentsReceived(text=text)
            ):
                self._count(text)
            case StreamOpened(request_id=request_id, model=model):
                self._request_id = request_id or self._request_id
                self._served = model or self._served
            case ModelRerouted(model=model):
                self._reroute(model)
            case PulseReceived():
                pass
            case unknown:
                assert_never(unknown)

    def _reroute(self, model: str) -> None:
        """What is told from here on is what that model has used."""
        self._served = model
        if self.entry.reprice is not None:
            self._pricing = self.entry.reprice(model)
            self._ceiling = self._pricing.quote(self.request).ceiling

    def _add(self, part: Part) -> None:
        self._parts.append(part)
        self._calls += isinstance(part, ToolCall)

    def _count(self, text: str) -> None:
        self._streamed += len(text.encode(errors="surrogatepass"))

    def reply(self) -> tuple[AssistantMessage, Stop]:
        """The complete reply and why it ended; StreamBroken without a terminal marker."""
        origin = self.entry.provider.origin
        if self._stop is None:
            raise self.ended_with(StreamBroken, "stream_broken")
        return AssistantMessage(parts=_merged(self._parts), origin=origin), self._stop

    def ended_with(self, kind: type[_E], reason: str) -> _E:
        """The failure that a complete reply amounts to."""
        origin = self.entry.provider.origin
        return kind(
            f"the reply ended with {reason}",
            provider=origin.provider,
            endpoint=origin.endpoint,
            model=origin.model,
            reason=reason,
            credential=self.lease.label if self.lease else "",
        )

    def done(self) -> AssistantMessage:
        """What the provider did itself before it failed, as calls; their results are `actions`."""
        done = tuple(part for part in self._parts if isinstance(part, ToolCall))[
            : len(self.actions)
        ]
        return AssistantMessage(parts=done, origin=self.entry.provider.origin)

    def spent(self) -> int | None:
        """What a complete reply has cost; None where nobody can tell."""
        if self._usage is None:
            return None
        if self._later and not self._usage.input + self._usage.output:
            return 0
        return self._spent_on(self._usage)

    def _spent_on(self, usage: Usage) -> int | None:
        """What all of it costs: each call within a reply has its own tier, and its own bounds."""
        if self._booked and usage == self._paid:
            return self._booked
        rest = _rest(usage, self._paid)
        spent = self._pricing.spent(rest, cap=self.request.max_output_tokens)
        return None if spent is None else self._booked + spent

    def bill(self, error: ProviderError | None = None) -> Bill:
        """What it cost at most if it ends here, without a reply.

        A token has at least a byte of what came; of thinking that is not shown nothing comes, so
        the time counts too. The provider may still be writing for a while. A reply that came to
        its end costs what it says; no other less than it has said so far.
        """
        if self._stop is not None:
            return Bill(spent=self.spent())
        if not self.asked or (error is not None and not self.answered and self._kept_out(error)):
            return NOTHING_BEGAN
        unseen = math.ceil((self._clock() - self._asked_at) * WRITTEN_PER_S)
        written = max(self._streamed, sum(map(history.part_size, self._parts)), unseen)
        most = self._pricing.spent_at_most(self.request, written=written)
        spent = None if most is None else max(self._booked + most, self.spent() or 0)
        return Bill(spent=spent, hold_s=STILL_WRITING_S)

    def _kept_out(self, error: ProviderError) -> bool:
        """Whether a request that failed before any answer was certainly not charged for."""
        if not error.sent or isinstance(error, RequestInvalid | TlsUntrusted):
            return True
        if error.status is not None:  # where the whole reply was asked for it may have been made
            return error.status < 500 or self.request.adjustments.stream
        return False

    def record(self, outcome: str, *, status: int | None = None) -> AttemptRecord:
        """What the books know of it; `status` is that of the error it ended with."""
        first = self.first_byte_s
        return AttemptRecord(
            step=self._step,
            attempt=self._number,
            kind=self._kind,
            entry=self.entry.name,
            asked=self.entry.model,
            served=self._served,
            credential=self.lease.label if self.lease else "",
            usage=self._usage,
            outcome=outcome,
            move=self._move,
            first_byte_ms=None if first is None else round(first * 1_000),
            total_ms=round(self.lost_s * 1_000),
            price_source=self._price_source,
            status=status,
            request_id=self._request_id,
        )


def _rest(usage: Usage, paid: Usage) -> Usage:
    """What was used beyond what is paid."""
    return replace(
        usage,
        input=usage.input - paid.input,
        output=usage.output - paid.output,
        cached_input=max(0, usage.cached_input - paid.cached_input),
        cache_write=max(0, usage.cache_write - paid.cache_write),
        cache_write_long=max(0, usage.cache_write_long - paid.cache_write_long),
        reasoning=max(0, usage.reasoning - paid.reasoning),
    )


def _merged(parts: list[Part]) -> tuple[Part, ...]:
    """Join neighbouring texts, drop empty ones, and leave no half characters."""
    merged: list[Part] = []
    for is_text, group in groupby(parts, lambda part: isinstance(part, Text)):
        if is_text:
            text = well_formed("".join(part.text for part in group if isinstance(part, Text)))
            merged.extend([Text(text=text)] if text else [])
        else:
            merged.extend(_written(part) for part in group)
    return tuple(merged)


def _written(part: Part) -> Part:
    if not isinstance(part, ToolCall):
        return part
    return replace(part, name=well_formed(part.name), arguments=well_formed(part.arguments))
