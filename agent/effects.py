"""The vocabulary of a turn: its rows, the effects it asks for, their results, and its end.

Each effect is yielded in exactly one place of `agent.turn`, which receives the result named
beside it here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from agent.attempts import AttemptRecord
from agent.calls import JudgedCall, StoredCall
from agent.errors import AllProvidersFailed
from agent.messages import AssistantMessage, Message, ToolResult, Usage, UserMessage
from agent.providers.base import Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRows:
    """What is stored of a turn, and the past the model may see.

    `messages` is the whole visible transcript, this turn's part last. `own` is this turn's part
    as it was stored, also what is folded by now. `steps` and `calls_made` count this turn only.
    `calls` holds the rows of calls that have no result. `halted` is the sentence that ends the
    turn, if something outside it has. `fold` asks for a fold before the next model call.
    """

    session: str
    turn: int
    messages: tuple[Message, ...]
    steps: int = 0
    calls_made: int = 0
    calls: Mapping[str, StoredCall] = field(default_factory=dict)
    halted: str = ""
    own: tuple[Message, ...] = field(default=(), compare=False)
    fold: bool = False

    def with_messages(self, *messages: Message) -> "TurnRows":
        """The rows after these messages were stored."""
        return replace(self, messages=self.messages + messages, own=self.own + messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallModel:
    """Ask the model with this transcript; `step` counts from 1 within the turn.

    `asked` are the words of people this turn answers: no fold touches them. `begun` are calls
    without a result that may have run. `fold` asks for a fold first. `wasted` is the reply to
    an earlier call of this step that was of no use: it is booked before anything else.
    `elsewhere` begins with the provider after the one that gave it; where there is none, the
    outcome is that reply again, marked EMPTY. `redirected`: new words cut the last call, and what
    it had shown stands before them.
    """

    step: int
    messages: tuple[Message, ...]
    asked: tuple[UserMessage, ...] = ()
    begun: frozenset[str] = frozenset()
    fold: bool = False
    wasted: "ModelReplied | None" = None
    elsewhere: bool = False
    redirected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReplied:
    """A complete reply; its calls carry no ids of ours yet.

    `spent` is what it cost in micro-dollars, None where nobody can tell. `results` are those of
    actions the provider did inside its reply, by their place among the calls. `messages` is the
    transcript where it was folded meanwhile, None where it is as before. `joined` was said while
    the provider was at work, and is stored before its reply.
    """

    message: AssistantMessage
    stop: Stop
    usage: Usage | None
    spent: int | None = None
    attempt: AttemptRecord | None = None
    results: Mapping[int, ToolResult] = field(default_factory=dict)
    messages: tuple[Message, ...] | None = None
    joined: tuple[Message, ...] = ()
    mark: "Mark | None" = None
    """What the call itself found of its reply: cut by length for good, lost calls, empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFailed:
    """Nobody in the plan could answer."""

    error: AllProvidersFailed
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """New words came and `busy = "interrupt"`; `shown` is what the reader has seen.

    `messages` is the transcript where it was folded meanwhile, None where it is as before.
    `joined` was said before, while the provider was at work, and is stored.
    """

    shown: str
    messages: tuple[Message, ...] | None = None
    joined: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Someone said /stop; `shown` is what the reader has seen of this step."""

    by: str
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverBudget:
    """The call could not be paid for; people were asked in the same commit, and the turn waits."""


ModelOutcome = ModelReplied | ModelFailed | Interrupted | Stopped | OverBudget


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStep:
    """Store the reply of a step, its usage, its calls and the refused calls' results (D2)."""

    step: int
    message: AssistantMessage
    usage: Usage | None
    calls: tuple[JudgedCall, ...]
    spent: int | None = None
    attempt: AttemptRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCalls:
    """Judge these: what may run, what people are asked, what is refused; stored in one commit.

    Stopped instead: somebody said so before the verdict, and nothing is stored.
    """

    calls: tuple[JudgedCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """What the gate said: `allowed` as inspected, `results` of those refused; the rest is asked.

    `halted` is the sentence that ends the turn, if the gate has had enough of it.
    """

    allowed: tuple[JudgedCall, ...]
    results: tuple[ToolResult, ...]
    halted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Wait as rows for people or for work elsewhere, unless something was decided meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoOn:
    """There is nothing to wait for (any more): the rows as they stand now."""

    rows: TurnRows


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTools:
    """Run these side by side; intents are stored first. Results come back in call order."""

    calls: tuple[JudgedCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeCalls:
    """Ask the tools of these begun calls whether they took effect."""

    calls: tuple[JudgedCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What is known now: `results` (stored) took effect, the calls in `absent` did not.

    Those in `attached` did begin and go on elsewhere. `stopped_by` names who said /stop meanwhile.
    """

    results: tuple[ToolResult, ...]
    absent: frozenset[str]
    attached: frozenset[str] = frozenset()
    stopped_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPeople:
    """Store a question about each of these calls, whose effect nobody knows (D2)."""

    calls: tuple[JudgedCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsRan:
    """A stored result for every call that ended; `stopped_by` names who said /stop meanwhile.

    A call without one goes on elsewhere, or may not begin as it stands: its row tells; or it is
    `in_doubt`: it was lost in the middle, and its result is for people to say.
    """

    results: tuple[ToolResult, ...]
    stopped_by: str | None = None
    in_doubt: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMessages:
    """Store messages that are neither a reply nor a result of a tool that ran (D2)."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainInbox:
    """Let what arrived meanwhile join the turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """The messages that joined, stored."""

    messages: tuple[Message, ...]


class TurnState(Enum):
    """How a turn ends."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    HALTED = "halted"


class Mark(Enum):
    """What is said under or instead of an answer that is not a plain complete one."""

    NONE = "none"
    CUT_BY_LENGTH = "cut_by_length"
    CUT_BY_FAILURE = "cut_by_failure"
    EMPTY = "empty"
    FILTERED = "filtered"
    STEP_LIMIT = "step_limit"
    LOST_CALLS = "lost_calls"
    UNUSABLE_CALLS = "unusable_calls"
    LOOP = "loop"
    STOPPED = "stopped"
    HALTED = "halted"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnd:
    """How the turn ends and what the chat is to read.

    `messages` are stored with the closing commit. `text` holds the model's words, in Markdown,
    of the last step only: those of earlier steps are stored already. `by` names who stopped it;
    of a halted turn it is the sentence that says why. `doubts` are labels of calls that were cut
    and may have taken effect. `reached` names the limit that was, as in `25 steps`. `served` is
    the model that answered, `primary` the one the turn began with; empty if nobody has answered.
    `why` is for the operator alone.
    """

    state: TurnState
    text: str = ""
    mark: Mark = Mark.NONE
    by: str = ""
    why: str = ""
    error: AllProvidersFailed | None = None
    step: int | None = None
    usage: Usage | None = None
    spent: int | None = None
    attempt: AttemptRecord | None = None
    messages: tuple[Message, ...] = ()
    doubts: tuple[str, ...] = ()
    reached: str = ""
    served: str = ""
    primary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseTurn:
    """Reply, transcript and input rows in one commit (D2). The last effect."""

    end: TurnEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """The turn is left at its last stored step; its rows say how it goes on.

    `asked`: people were asked and their answer opens it again. Otherwise the next run does.
    """

    asked: bool


Effect = (
    CallModel
    | RecordStep
    | GateCalls
    | RunTools
    | Wait
    | ProbeCalls
    | AskPeople
    | RecordMessages
    | DrainInbox
    | CloseTurn
)
EffectResult = ModelOutcome | Gated | ToolsRan | Probed | Parked | GoOn | Drained | None
