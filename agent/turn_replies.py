"""Pure: what a complete reply means to its turn, before anything of it is stored."""

import hashlib
from dataclasses import replace
from typing import assert_never

from agent import guards
from agent.calls import Judge, JudgedCall
from agent.effects import Mark, ModelReplied, TurnEnd, TurnRows, TurnState
from agent.messages import (
    AssistantMessage,
    Message,
    Part,
    PartialReply,
    ResultStatus,
    ToolCall,
    ToolResult,
)
from agent.providers.base import Stop


def call_id(session: str, turn: int, step: int, ordinal: int) -> str:
    """The stable id of a call: at most 27 characters every provider accepts as a call id."""
    seed = f"{session}\x1f{turn}\x1f{step}\x1f{ordinal}".encode()
    return "call_" + hashlib.sha256(seed).hexdigest()[:22]


def with_ids(message: AssistantMessage, rows: TurnRows, step: int) -> AssistantMessage:
    ordinal = 0
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolCall):
            parts.append(replace(part, id=call_id(rows.session, rows.turn, step, ordinal)))
            ordinal += 1
        else:
            parts.append(part)
    return replace(message, parts=tuple(parts))


def is_empty(reply: ModelReplied) -> bool:
    """Whether a complete reply says nothing and does nothing, and may be asked for again."""
    plain = reply.mark is None and reply.stop not in (Stop.LENGTH, Stop.FILTERED)
    return plain and not reply.message.calls and not reply.message.text.strip()


def is_settled(reply: ModelReplied) -> bool:
    """Whether a reply is the provider's last: it made every call itself and knows their ends."""
    known = [r for r in reply.results.values() if r.status is not ResultStatus.UNKNOWN]
    return reply.stop is Stop.DONE and len(known) == len(reply.message.calls)


def mark_of(stop: Stop, message: AssistantMessage) -> Mark | None:
    """What a reply's stop says of it, where the call itself has not said it already."""
    match stop:
        case Stop.LENGTH if message.text.strip():
            return Mark.CUT_BY_LENGTH
        case Stop.LENGTH:
            return Mark.LOST_CALLS if message.calls else Mark.EMPTY
        case Stop.FILTERED:
            return Mark.FILTERED
        case Stop.DONE | Stop.TOOL_CALLS | Stop.PAUSED | Stop.WINDOW_FULL:
            return None
        case unknown:
            assert_never(unknown)


def marked(mark: Mark, message: AssistantMessage, step: int, reply: ModelReplied) -> TurnEnd:
    """The end by a reply that is no plain answer: its words are kept, calls in it never run."""
    text = "" if mark is Mark.FILTERED else message.text
    kept = bool(text.strip())
    return TurnEnd(
        state=TurnState.DONE if mark is Mark.CUT_BY_LENGTH and kept else TurnState.FAILED,
        text=text if kept else "",
        mark=mark,
        step=step,
        usage=reply.usage,
        spent=reply.spent,
        attempt=reply.attempt,
        messages=partial(text) if kept else (),
    )


def answer(text: str, messages: tuple[Message, ...], *, said: str = "") -> TurnEnd:
    """The end by a plain answer; one without any words, also in `said`, is none."""
    if not text.strip():
        if said.strip():
            return TurnEnd(state=TurnState.DONE)
        return TurnEnd(state=TurnState.FAILED, mark=Mark.EMPTY)
    return TurnEnd(state=TurnState.DONE, text=text, messages=messages)


def parted(message: AssistantMessage) -> tuple[AssistantMessage, AssistantMessage]:
    """A reply up to its last call, and what came after it."""
    last = max(i for i, part in enumerate(message.parts) if isinstance(part, ToolCall)) + 1
    return (
        replace(message, parts=message.parts[:last]),
        replace(message, parts=message.parts[last:]),
    )


def judged_calls(
    message: AssistantMessage, reply: ModelReplied, rows: TurnRows, judge: Judge
) -> tuple[JudgedCall, ...]:
    """The calls of a reply: those within the limits as `judge` has them, or done already.

    What the provider began and nobody knows the end of is in doubt, as after a crash.
    """
    left = guards.calls_left(rows.calls_made)
    judged: list[JudgedCall] = []
    for ordinal, call in enumerate(message.calls):
        done = reply.results.get(ordinal)
        if done is not None and done.status is ResultStatus.UNKNOWN:
            judged.append(replace(judge(call), refusal=None, inside=True))
        elif done is not None:
            result = replace(done, call_id=call.id, name=call.name)
            judged.append(JudgedCall(call=call, prepared=None, refusal=result, inside=True))
        else:
            judged.append(judge(call) if ordinal < left else _over_limit(call, left))
    return tuple(judged)


def _over_limit(call: ToolCall, left: int) -> JudgedCall:
    text = f"Not run: at most {left} calls can be made now. Ask again for the rest."
    if left == guards.CALLS_PER_STEP:
        text = f"Not run: at most {left} calls are made at once. Ask again for the rest."
    refusal = ToolResult(call_id=call.id, name=call.name, status=ResultStatus.NOT_RUN, text=text)
    return JudgedCall(call=call, prepared=None, refusal=refusal)


def partial(shown: str) -> tuple[Message, ...]:
    return (PartialReply(text=shown),) if shown else ()
