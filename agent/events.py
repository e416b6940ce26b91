"""What a turn tells those who watch it. Facts, in the order they happened; nothing is durable."""

from dataclasses import dataclass

from agent.messages import ResultStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A model request begins; what is shown from here on belongs to it."""

    step: int
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """More words of the reply."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRewound:
    """What this step has shown does not count: the view goes back to the step's start."""

    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """A tool runs; `label` is a few plain words about it."""

    call_id: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """A tool has its result."""

    call_id: str
    status: ResultStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSwitched:
    """Another provider answers from here on."""

    model: str
    primary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Nothing goes on before `until` (microseconds since 1970): `provider` asked for patience.

    Over with the next step or word.
    """

    provider: str
    until: int


TurnEvent = (
    StepStarted | TextDelta | StepRewound | ToolStarted | ToolFinished | ProviderSwitched | Waiting
)
