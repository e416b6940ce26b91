"""Pure: the limits of a turn, and what shows that a turn goes round in circles.

Everything here is told from what the turn has stored, so a turn that is taken up again after a
crash or a wait is watched as if it had never stopped. `look` reads the turn after each step:

    nothing amiss                                    None
    a streak of equal calls, two bad calls in a row  Nudge: one note to the model, none to the chat
    the noted streak goes on; a third streak;
    three bad calls of a kind                        Halt: the turn ends
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from agent.arguments import readable_arguments
from agent.calls import Judge
from agent.canonical import NotCanonical, canonical
from agent.effects import Mark
from agent.messages import (
    AssistantMessage,
    Message,
    Note,
    ResultStatus,
    ToolCall,
    ToolResult,
    UserMessage,
)

STEPS_PER_TURN = 25
CALLS_PER_STEP = 16
CALLS_PER_TURN = 60
ACTIVE_S = 30 * 60
"""Time a turn may take, what it waits for people left out."""

EQUAL_CALLS = 3
BLOCKS = range(2, 6)
"""Lengths of a series of calls that must not come twice in a row."""
LOOP_NOTES = 2
BAD_IN_A_ROW = 2
BAD_CALLS = 3

LOOP_NOTE = (
    "You have made the same calls with the same results again. Repeating them changes nothing:"
    " try something else, or say what is missing."
)
PIECES_NOTE = (
    "Two calls of {tool} in a row had arguments that could not be used. Work in smaller pieces:"
    " shorter values, one thing at a time, arguments as one JSON object."
)
EMPTY_NOTE = "Your last reply was empty. Answer now with what the results above say, or go on."


@dataclass(frozen=True, slots=True, kw_only=True)
class Nudge:
    """A note for the model; the chat does not see it."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """The turn ends; `why` is for the operator."""

    mark: Mark
    why: str


def limit_reached(steps: int, calls: int, active_s: float) -> str | None:
    """The limit that a turn has reached before another model call, in words."""
    if steps >= STEPS_PER_TURN:
        return f"{STEPS_PER_TURN} steps"
    if calls >= CALLS_PER_TURN:
        return f"{CALLS_PER_TURN} tool calls"
    if active_s >= ACTIVE_S:
        return f"{ACTIVE_S // 60} minutes of work"
    return None


def calls_left(calls: int) -> int:
    """How many calls of the next step may be made."""
    return max(0, min(CALLS_PER_STEP, CALLS_PER_TURN - calls))


def look(own: tuple[Message, ...], judge: Judge) -> Nudge | Halt | None:
    """What a turn's own messages say after a step, `own` being all of them as stored."""
    told = _story(own)
    return _bad_calls(told, judge) or _loop(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A call as far as a repetition is concerned: tool, arguments, and what came of it."""

    tool: str
    arguments: str
    result: str


@dataclass(slots=True)
class _Story:
    """The steps of a turn, each a list of calls with their results.

    `fresh` is the first step after the last words of people: a streak begins there at the
    earliest. `noted` is how many steps there were when the model was last told of a streak.
    """

    steps: list[list[tuple[ToolCall, ToolResult]]] = field(default_factory=list)
    fresh: int = 0
    notes: int = 0
    noted: int | None = None


def _story(own: tuple[Message, ...]) -> _Story:
    results = {m.call_id: m for m in own if isinstance(m, ToolResult)}
    told = _Story()
    for message in own:
        match message:
            case AssistantMessage():
                ended = [(c, results[c.id]) for c in message.calls if c.id in results]
                if ended:
                    told.steps.append(ended)
            case UserMessage():
                told.fresh, told.noted = len(told.steps), None
            case Note(text=text) if text == LOOP_NOTE:
                told.notes, told.noted = told.notes + 1, len(told.steps)
            case _:
                pass
    return told


def signature(call: ToolCall, result: ToolResult) -> Signature:
    """What makes two calls the same: a result that changes makes another one (polling)."""
    arguments = readable_arguments(call.arguments)
    try:
        text = canonical(arguments).decode() if isinstance(arguments, dict) else call.arguments
    except NotCanonical:
        text = call.arguments
    digest = sha256(f"{result.status.value}\x1f{result.text}".encode())
    for media in result.media:
        digest.update(media.data)
    return Signature(tool=call.name, arguments=text, result=digest.hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """Calls that repeat themselves up to the last one; the same streak has the same members."""

    members: frozenset[Signature]
    length: int


def streak(signatures: tuple[Signature, ...]) -> Streak | None:
    """The repetition that the newest calls end with, if there is one."""
    newest = signatures[-EQUAL_CALLS:]
    if len(newest) == EQUAL_CALLS and len(set(newest)) == 1:
        return Streak(members=frozenset(newest), length=1)
    for length in BLOCKS:
        block = signatures[-length:]
        if len(signatures) >= 2 * length and signatures[-2 * length : -length] == block:
            return Streak(members=frozenset(block), length=length)
    return None


def _loop(told: _Story) -> Nudge | Halt | None:
    fresh = told.steps[told.fresh :]
    now = streak(_signatures(fresh))
    if now is None:
        return None
    goes_on = told.noted == len(told.steps) - 1 and _same(streak(_signatures(fresh[:-1])), now)
    if goes_on or told.notes >= LOOP_NOTES:
        tools = ", ".join(sorted({member.tool for member in now.members}))
        kind = f"a series of {now.length} calls" if now.length > 1 else "one call"
        return Halt(mark=Mark.LOOP, why=f"{kind} again and again: {tools}")
    return Nudge(text=LOOP_NOTE)


def _same(before: Streak | None, now: Streak) -> bool:
    return before is not None and before.members == now.members


def _signatures(steps: list[list[tuple[ToolCall, ToolResult]]]) -> tuple[Signature, ...]:
    return tuple(signature(call, result) for step in steps for call, result in step)


def _bad_calls(told: _Story, judge: Judge) -> Nudge | Halt | None:
    """Count calls that could not be read, or ask for a tool that there is not."""
    bad = [[_is_bad(call, result, judge) for call, result in step] for step in told.steps]
    for status, what in (
        (ResultStatus.MALFORMED, "calls with unusable arguments"),
        (ResultStatus.REFUSED, "calls of tools that do not exist"),
    ):
        found = [
            call
            for step, kinds in zip(told.steps, bad, strict=True)
            for (call, _), kind in zip(step, kinds, strict=True)
            if kind is status
        ]
        if len(found) >= BAD_CALLS:
            tools = ", ".join(sorted({call.name for call in found}))
            return Halt(mark=Mark.UNUSABLE_CALLS, why=f"{len(found)} {what}: {tools}")
    for tool in _clumsy(told, bad):
        return Nudge(text=PIECES_NOTE.format(tool=tool))
    return None


def _clumsy(told: _Story, bad: list[list[ResultStatus | None]]) -> Iterator[str]:
    """Tools of the last step whose last two calls were both unusable."""
    last = {call.name for call, _ in told.steps[-1]} if told.steps else set()
    for tool in sorted(last):
        kinds = [
            kind
            for step, row in zip(told.steps, bad, strict=True)
            for (call, _), kind in zip(step, row, strict=True)
            if call.name == tool
        ][-BAD_IN_A_ROW:]
        if kinds == [ResultStatus.MALFORMED] * BAD_IN_A_ROW:
            yield tool


def _is_bad(call: ToolCall, result: ToolResult, judge: Judge) -> ResultStatus | None:
    """How a call was turned down before anybody judged what it would do; None if it was not."""
    if result.status not in (ResultStatus.MALFORMED, ResultStatus.REFUSED):
        return None
    refusal = judge(call).refusal
    return result.status if refusal is not None and refusal.status is result.status else None


Clock = Callable[[], float]


def untimed() -> float:
    """The clock of a turn that nobody times."""
    return 0.0
