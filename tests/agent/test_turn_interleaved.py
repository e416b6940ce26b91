"""Random turns among people, tools, stops and crashes: what holds whatever comes in between.

A word is read from a tape at every moment in which the world may change: from one before and after
each commit, from another in the model and the tools. A word that means nothing there changes
nothing, nor does a tape that is read to its end: so every turn ends.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.calls import CallState
from agent.canonical import canonical
from agent.credentials import Lease
from agent.effects import Mark, Parked, TurnEnd, TurnState
from agent.errors import NotStarted, ToolError
from agent.failover import FailoverPlan
from agent.messages import (
    AssistantMessage,
    JsonObject,
    Message,
    Text,
    ToolResult,
)
from agent.policy import judge_with
from agent.providers.base import (
    ModelRequest,
    PartCompleted,
    Stop,
    StreamCompleted,
    StreamEvent,
    TextReceived,
)
from agent.runner import Runner
from agent.signals import TurnSignals
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RemoteJob,
    Tool,
    ToolOutput,
)
from agent.turn import turn_flow
from tests.agent.listed_journal import Check, ListedJournal
from tests.agent.scripted import ORIGIN, ScriptedTool, call, entry, unavailable, user

RUNS_MAX = 300
ENTITLED = "Ann"


class Crash(BaseException):
    """The process dies here."""


class Tape:
    """What chance says, in order; nothing once it is read."""

    def __init__(self, words: list[str]) -> None:
        self._words = list(reversed(words))

    def pick(self, *choices: str) -> str:
        """One of these, the first of which is what usually happens."""
        word = self._words.pop() if self._words else ""
        return word if word in choices else choices[0]

    def which(self, found: list[str]) -> str:
        """One of these."""
        return found[-1] if self.pick("first", "last") == "last" else found[0]


@dataclass(kw_only=True)
class World:
    """One turn and everybody who may change something of it."""

    moments: Tape
    tape: Tape
    plan: list[list[tuple[str, str]]]
    journal: ListedJournal = field(default_factory=ListedJournal)
    signals: TurnSignals = field(default_factory=TurnSignals)
    effects: Counter[str] = field(default_factory=Counter)
    begun: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    stopped: bool = False

    def __post_init__(self) -> None:
        self.journal.on_write = self.moment
        self.journal.checks = self.check
        self.journal.affords_step = lambda step, model: self.tape.pick("yes", "no") == "yes"

    def moment(self, name: str) -> None:
        """Something may happen at this moment."""
        match self.moments.pick("nothing", "crash", "people", "words", "park", "stop", "halt"):
            case "crash":
                raise Crash(name)
            case "people":
                self.people()
            case "stop":
                self.stop()
            case "words":
                self.journal.arriving.append((user("and also"),))
            case "park":
                self.signals.park()
            case "halt":
                self.journal.halt("Nobody decided in time.")

    def stop(self) -> None:
        """Somebody says /stop."""
        self.stopped = True
        self.signals.stop(ENTITLED)

    def people(self) -> bool:
        """Someone decides something of what is open, or a job ends; False if nothing is open."""
        asked = self.journal.in_state(CallState.ASKED)
        running = self.journal.in_state(CallState.RUNNING)
        doubts = sorted(self.journal.doubts)
        if not asked + running + doubts:
            return False
        ident = self.tape.which(asked + running + doubts)
        if ident in asked:
            self.decide(ident)
        elif ident in running:
            self.journal.end_job(ident)
        else:
            again = self.tape.pick("done", "again") == "again"
            self.again[ident] += again
            self.journal.settle_doubt(ident, again=again)
        return True

    def decide(self, ident: str) -> None:
        """A press on a card."""
        match self.tape.pick("approve", "deny", "edit"):
            case "approve":
                self.journal.approve(ident)
            case "deny":
                self.journal.deny(ident)
            case _:
                self.journal.edit(ident, n=99)

    def check(self, judged: object) -> Check:
        """The last check before a call begins."""
        said = self.tape.pick("begin", "refuse", "ask again", "judge again")
        return Check(said)

    def tools(self) -> dict[str, Tool]:
        """The tools of a run that begins now; after an upgrade one may be gone."""
        gone = self.tape.pick("none", *(effect.value for effect in EffectClass))
        made = {e.value: WorldTool(name=e.value, effect=e, world=self) for e in EffectClass}
        return {name: tool for name, tool in made.items() if name != gone}

    def must(self, holds: bool, why: str) -> None:
        """Keep what went wrong inside a tool, where the runner would take it for the tool's own."""
        if not holds:
            self.broken.append(why)

    def begins(self, prepared: PreparedCall, context: CallContext) -> None:
        """No call begins that nobody let run, none but what is stored, and none after a stop."""
        ident, effect = context.call_id, prepared.effect
        self.begun[ident] += 1
        # A local call is one commit: the moment before it is no place to be cut.
        cut = self.stopped and effect is not EffectClass.LOCAL
        self.must(not cut, f"{ident} began after the stop")
        self.must(ident in self.journal.may_run, f"{ident} began without leave")
        if effect is EffectClass.ONCE:
            self.must(self.begun[ident] <= 1 + self.again[ident], f"{ident} began twice")
        row = self.journal.turn.calls.get(ident)
        if row is None:
            self.must(False, f"{ident} began with a result")
            return
        states = _BEGIN_IN.get(effect, (CallState.INTENT,))
        self.must(row.state in states, f"{ident} began as {row.state}")
        stored = canonical(prepared.arguments).decode()
        self.must(row.arguments == stored, f"{ident} ran other arguments than its row's")

    def took_effect(self, ident: str, effect: EffectClass) -> None:
        """An effect happens once, if no person says otherwise; a key makes several one."""
        self.effects[ident] += 1
        if effect not in (EffectClass.PURE, EffectClass.KEYED):
            self.must(self.effects[ident] <= 1 + self.again[ident], f"{ident} took effect twice")


_DECIDED = (CallState.ALLOWED, CallState.APPROVED)
_BEGIN_IN = {EffectClass.PURE: (*_DECIDED, CallState.INTENT), EffectClass.LOCAL: _DECIDED}


class WorldTool(ScriptedTool):
    """A tool that ends as the tape says."""

    def __init__(self, *, name: str, effect: EffectClass, world: World) -> None:
        super().__init__(name=name, effect=effect)
        self._world = world

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        prepared = super().prepare(arguments)
        if isinstance(prepared, Malformed):
            return prepared
        return replace(prepared, arguments={"n": 0, **arguments})

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        await asyncio.sleep(0)
        match self._world.tape.pick("fine", "unknown", "malformed", "people", "stop"):
            case "unknown":
                return None
            case "malformed":
                return Malformed(text="There is no such thing.")
            case "people":
                self._world.people()
            case "stop":
                self._world.stop()
        await asyncio.sleep(0)
        return call

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        world = self._world
        world.begins(call, context)
        said = world.tape.pick(
            "done",
            "crash before",
            "crash after",
            "people",
            "not started",
            "error",
            "bug",
            "stop",
            "away",
            "beside",
        )
        if said == "crash before":
            raise Crash(self.name)
        if said == "not started":
            raise NotStarted("refused")
        if said == "people":
            world.people()
        if said == "stop":
            world.stop()
        await asyncio.sleep(0)
        world.took_effect(context.call_id, self.effect)
        return self._ended(said)

    def _ended(self, said: str) -> ToolOutput:
        match said:
            case "crash after":
                raise Crash(self.name)
            case "error":
                raise ToolError("it broke")
            case "bug":
                raise ZeroDivisionError
        if self.effect is EffectClass.PROBE and said in ("away", "beside"):
            job = RemoteJob(handle="j", label="job", deadline_s=60, waits=said == "away")
            return ToolOutput(text="begun", remote=job)
        return ToolOutput(text="ok", spent=1)

    def unit(self, call: PreparedCall, context: CallContext) -> Callable[[Any], ToolOutput]:
        world = self._world
        world.begins(call, context)

        def apply(tx: Any) -> ToolOutput:
            if world.tape.pick("fine", "error") == "error":
                raise ToolError("no such note")
            world.took_effect(context.call_id, EffectClass.LOCAL)
            return ToolOutput(text="stored")

        return apply

    async def probe(self, call: PreparedCall, context: CallContext) -> ToolOutput | None:
        world = self._world
        await asyncio.sleep(0)
        said = world.tape.pick("truth", "unclear", "people", "stop", "crash", "away", "beside")
        if said == "unclear":
            raise ToolError("no answer")
        if said == "crash":
            raise Crash(self.name)
        if said == "people":
            world.people()
        if said == "stop":
            world.stop()
        await asyncio.sleep(0)
        return self._ended(said) if world.effects[context.call_id] else None


class PlannedModel:
    """A model that asks for the calls of the plan, a step at a time, and then answers."""

    origin = ORIGIN

    def __init__(self, world: World) -> None:
        self._world = world

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        world = self._world
        assert not world.stopped
        assert all_answered(request.messages)
        assert all_answered(world.journal.turn.messages)
        assert world.journal.turn.calls == {}
        yield TextReceived(text="Hm.")
        match world.tape.pick("fine", "interrupt", "stop", "fail", "crash"):
            case "interrupt":
                world.journal.arriving.append((user("wait"),))
                world.signals.interrupt()
            case "stop":
                world.stop()
            case "fail":
                raise unavailable()
            case "crash":
                raise Crash("model")
        await asyncio.sleep(0)
        done = sum(isinstance(m, AssistantMessage) for m in request.messages)
        asked = world.plan[done] if done < len(world.plan) else []
        yield PartCompleted(part=Text(text="Hm."))
        for name, arguments in asked:
            yield PartCompleted(part=call(name, arguments))
        yield StreamCompleted(stop=Stop.TOOL_CALLS if asked else Stop.DONE)

    def leave(self, session: str) -> None:
        pass

    async def close(self) -> None:
        pass


def all_answered(messages: tuple[Message, ...]) -> bool:
    """Whether every call has exactly one result, and every result a call."""
    asked = [c.id for m in messages if isinstance(m, AssistantMessage) for c in m.calls]
    given_results = [m.call_id for m in messages if isinstance(m, ToolResult)]
    return len(set(asked)) == len(asked) and sorted(asked) == sorted(given_results)


async def live(world: World) -> TurnEnd:
    """Run the turn until it ends, in as many processes as it takes."""
    for _ in range(RUNS_MAX):
        outcome = await run_once(world)
        if ends := world.journal.named("closed"):  # also if the process died right after it
            end: TurnEnd = ends[0]
            return end
        if world.stopped:  # the stop is stored: whoever keeps the rows ends the turn
            return await closed(world)
        if outcome == Parked(asked=True) and not world.journal.news:
            wait_for_people(world)
    raise AssertionError("the turn does not end")


async def run_once(world: World) -> TurnEnd | Parked | None:
    """One run from the rows as they stand; None if the process died."""
    tools = world.tools()
    world.signals = TurnSignals()
    runner = Runner(
        origin=CallContext(call_id="", session="s1"),
        system="",
        plan=FailoverPlan((entry(PlannedModel(world)),)),
        tools=tools,
        journal=world.journal,
        signals=world.signals,
        emit=lambda event: None,
    )
    try:
        return await runner.run(turn_flow(world.journal.reload(), judge_with(tools)))
    except (Crash, BaseExceptionGroup) as death:
        dead = death if isinstance(death, Crash) else death.split(Crash)[1] is None
        assert dead, death
        return None


def wait_for_people(world: World) -> None:
    """A turn that waits has a reason to; what it waits for comes, if only at the end."""
    if world.journal.listed[-1][0] == "over_budget":
        return  # people raise the limit
    assert world.people(), "the turn waits, and nobody knows for what"
    while not world.journal.news:
        assert world.people()


async def closed(world: World) -> TurnEnd:
    """What the keeper of the rows does with a turn that was stopped while nobody ran it."""
    world.journal.on_write = lambda name: None
    end = TurnEnd(state=TurnState.CANCELLED, mark=Mark.STOPPED, by=ENTITLED)
    await world.journal.closed(end)
    return end


NAMES = ["once", "probe", "keyed", "pure", "local"]
ARGUMENTS = ['{"verdict": "ask"}', "{}", '{"resource": "a"}', '{"verdict": "ask", "resource": "a"}']
CALLS = st.tuples(
    st.sampled_from([*NAMES * 2, "nope"]),
    st.sampled_from([*ARGUMENTS * 2, '{"verdict": "deny"}', "{"]),
)
PLANS = st.lists(st.lists(CALLS, min_size=2, max_size=5), min_size=1, max_size=3)
MOMENTS = st.lists(
    st.sampled_from([""] * 60 + ["people"] * 8 + ["crash", "words"] * 3 + ["park", "stop", "halt"]),
    min_size=80,
    max_size=150,
)
OFTEN = [
    "away",
    "beside",
    "again",
    "unclear",
    "people",
    "crash before",
    "crash after",
    "judge again",
]
SELDOM = ["crash", "edit", "deny", "last", "ask again", "refuse", "error", "not started", "bug"]
RARELY = ["unknown", "malformed", "interrupt", "fail", "no", "stop", "once", "probe"]
OUTCOMES = st.lists(st.sampled_from([""] * 40 + OFTEN * 3 + SELDOM * 2 + RARELY), max_size=60)


@given(plan=PLANS, moments=MOMENTS, outcomes=OUTCOMES)
def test_whatever_comes_in_between(
    plan: list[list[tuple[str, str]]], moments: list[str], outcomes: list[str]
) -> None:
    """No call runs twice or without leave, every call has one result, and the turn ends."""
    world = World(moments=Tape(moments), tape=Tape(outcomes), plan=plan)
    end = asyncio.run(live(world))
    assert world.broken == []
    assert world.journal.named("closed") == [end]
    assert all_answered(world.journal.turn.messages)
    assert world.journal.turn.calls == {}
