"""Tool calls as a turn sees them: judged, begun, and what a crash in between means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from agent.messages import ToolCall, ToolResult
from agent.tools.base import EffectClass, PreparedCall


class CallState(Enum):
    """How far a tool call without a result has come, by its row."""

    PROPOSED = "proposed"
    INTENT = "intent"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCall:
    """A call of the reply: `prepared` may run; otherwise `refusal` is its result already."""

    call: ToolCall
    prepared: PreparedCall | None
    refusal: ToolResult | None = None


Judge = Callable[[ToolCall], JudgedCall]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCalls:
    """Open calls by what is to be done with them."""

    runnable: tuple[JudgedCall, ...]
    settled: tuple[ToolResult, ...]
    probeable: tuple[JudgedCall, ...]
    doubtful: tuple[JudgedCall, ...]


def sort_open_calls(
    calls: tuple[ToolCall, ...], states: Mapping[str, CallState], judge: Judge
) -> OpenCalls:
    """Tell calls that (still) run from those with a result and those in doubt.

    A stored intent without a result means a crash in between: what is harmless to repeat runs
    again, what can be asked is asked, and everything else only people can decide.
    """
    runnable: list[JudgedCall] = []
    settled: list[ToolResult] = []
    probeable: list[JudgedCall] = []
    doubtful: list[JudgedCall] = []
    for call in calls:
        judged = judge(call)
        if states.get(call.id) is CallState.INTENT and not _may_repeat(judged.prepared):
            asks = judged.prepared is not None and judged.prepared.effect is EffectClass.PROBE
            (probeable if asks else doubtful).append(judged)
        elif judged.refusal is not None:
            settled.append(judged.refusal)
        else:
            runnable.append(judged)
    return OpenCalls(
        runnable=tuple(runnable),
        settled=tuple(settled),
        probeable=tuple(probeable),
        doubtful=tuple(doubtful),
    )


def _may_repeat(call: PreparedCall | None) -> bool:
    """Whether a begun call may run again; one whose tool is gone by now says nothing.

    A LOCAL call is stored together with its result: without a result it did not happen.
    """
    harmless = (EffectClass.PURE, EffectClass.KEYED, EffectClass.LOCAL)
    return call is not None and call.effect in harmless
