"""Tool calls as a turn sees them: judged, decided, begun, and what a crash in between means.

proposed --> allowed ---------------> intent --> (running) --> a result
   |  '----> asked --> approved --------^
   '-------> a result: refused by the gate; or, once asked, by people
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from agent.costs import Quote
from agent.messages import ToolCall, ToolResult
from agent.tools.base import EffectClass, PreparedCall, Snapshot


class CallState(Enum):
    """How far a tool call without a result has come, by its row."""

    PROPOSED = "proposed"  # not judged yet
    ALLOWED = "allowed"  # may run; what it may cost is put aside
    ASKED = "asked"  # people decide
    APPROVED = "approved"  # people have: it may run, as it is stored
    INTENT = "intent"  # begun
    RUNNING = "running"  # goes on elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall:
    """The row of a call without a result.

    `arguments` is the canonical text that was judged and is what runs; None before that. `quote`
    is the price it was decided at. `note` tells the model what people changed of its call.
    """

    state: CallState
    arguments: str | None = None
    quote: Quote | None = None
    snapshots: tuple[Snapshot, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCall:
    """A call of the reply: `prepared` may go on; otherwise `refusal` is its result already.

    `inspected` is False where the facts the gate needs could not be had. `note` stands before
    whatever the call results in. `inside`: the provider has begun it by itself, and nothing is
    to be judged or run; without a `refusal` nobody knows what came of it but people.
    """

    call: ToolCall
    prepared: PreparedCall | None
    refusal: ToolResult | None = None
    inspected: bool = True
    note: str = ""
    inside: bool = False


Judge = Callable[[ToolCall], JudgedCall]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCalls:
    """Open calls by what is to be done with them; `held` wait for people or for work elsewhere."""

    proposed: tuple[JudgedCall, ...] = ()
    runnable: tuple[JudgedCall, ...] = ()
    settled: tuple[ToolResult, ...] = ()
    probeable: tuple[JudgedCall, ...] = ()
    doubtful: tuple[JudgedCall, ...] = ()
    held: tuple[ToolCall, ...] = ()


@dataclass(slots=True)
class _Sorting:
    proposed: list[JudgedCall] = field(default_factory=list)
    runnable: list[JudgedCall] = field(default_factory=list)
    settled: list[ToolResult] = field(default_factory=list)
    probeable: list[JudgedCall] = field(default_factory=list)
    doubtful: list[JudgedCall] = field(default_factory=list)
    held: list[ToolCall] = field(default_factory=list)
    undecided: bool = False

    def take(self, call: ToolCall, stored: StoredCall | None, judge: Judge) -> None:
        """Put one call where it belongs; calls come in the model's order."""
        state = stored.state if stored else CallState.PROPOSED
        if state in (CallState.ASKED, CallState.RUNNING):
            self.undecided |= state is CallState.ASKED
            self.held.append(call)
            return
        judged = _as_stored(call, stored, judge)
        if state is CallState.INTENT and not _may_repeat(judged.prepared):
            asks = judged.prepared is not None and judged.prepared.effect is EffectClass.PROBE
            (self.probeable if asks else self.doubtful).append(judged)
        elif judged.refusal is not None:
            self.settled.append(judged.refusal)
        elif state is CallState.PROPOSED:
            self.proposed.append(judged)
        elif state is CallState.ALLOWED and self.undecided and not _is_pure(judged.prepared):
            self.held.append(call)  # the model listed it after something that is not decided yet
        else:
            self.runnable.append(judged)

    def sorted(self) -> OpenCalls:
        return OpenCalls(
            proposed=tuple(self.proposed),
            runnable=tuple(self.runnable),
            settled=tuple(self.settled),
            probeable=tuple(self.probeable),
            doubtful=tuple(self.doubtful),
            held=tuple(self.held),
        )


def sort_open_calls(
    calls: tuple[ToolCall, ...], stored: Mapping[str, StoredCall], judge: Judge
) -> OpenCalls:
    """Tell what each open call waits for, from its row.

    A stored intent without a result means a crash in between: what is harmless to repeat runs
    again, what can be asked is asked, and everything else only people can decide.
    """
    sorting = _Sorting()
    for call in calls:
        sorting.take(call, stored.get(call.id), judge)
    return sorting.sorted()


def _as_stored(call: ToolCall, stored: StoredCall | None, judge: Judge) -> JudgedCall:
    """The call as its row has it: what was judged is what runs, not what the model wrote."""
    if stored is None or stored.arguments is None:
        return judge(call)
    judged = judge(replace(call, arguments=stored.arguments))
    prepared = judged.prepared
    if prepared is not None:
        quote = stored.quote or prepared.quote
        prepared = replace(prepared, snapshots=stored.snapshots, quote=quote)
    return replace(judged, call=call, prepared=prepared, note=stored.note)


def _is_pure(call: PreparedCall | None) -> bool:
    return call is not None and call.effect is EffectClass.PURE


def _may_repeat(call: PreparedCall | None) -> bool:
    """Whether a begun call may run again; one whose tool is gone by now says nothing.

    A LOCAL call is stored together with its result: without a result it did not happen.
    """
    harmless = (EffectClass.PURE, EffectClass.KEYED, EffectClass.LOCAL)
    return call is not None and call.effect in harmless
