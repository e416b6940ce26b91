"""The `ask_user` tool: a question to people, whose choice or words are its result.

Nothing runs: the gateway puts the question on a card, and the turn waits for the answer.
"""

from collections.abc import Mapping
from typing import Any, Final

from agent.errors import NotStarted
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.arguments import checked
from agent.tools.base import Asking, CallContext, EffectClass, Malformed, PreparedCall, ToolOutput

NAME: Final = "ask_user"
QUESTION_MAX: Final = 1_000
OPTIONS_MAX: Final = 8
OPTION_MAX: Final = 75
LABEL_MAX: Final = 80

_PROPERTIES: Final[Mapping[str, dict[str, Any]]] = {
    "question": {"type": "string", "maxLength": QUESTION_MAX},
    "options": {
        "type": "array",
        "items": {"type": "string", "maxLength": OPTION_MAX},
        "maxItems": OPTIONS_MAX,
        "default": [],
        "description": "Answers to choose from, each a button.",
    },
    "free_text": {
        "type": "boolean",
        "default": True,
        "description": "Whether they may answer in their own words.",
    },
}
SPEC: Final = ToolSpec(
    name=NAME,
    description="Ask the person a question and wait for the answer. Use it only where you can't "
    "go on without one.",
    parameters={
        "type": "object",
        "properties": _PROPERTIES,
        "required": ["question"],
        "additionalProperties": False,
    },
)


class AskUserTool:
    """A Tool whose calls are answered by people and never run."""

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        return SPEC

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        complete = checked(
            arguments, _PROPERTIES, fields=tuple(_PROPERTIES), required=("question",)
        )
        if isinstance(complete, Malformed):
            return complete
        question = complete["question"].strip()
        options = tuple(" ".join(option.split()) for option in complete["options"])
        free_text = complete["free_text"]
        if not question:
            return Malformed(text="The field 'question' is empty.")
        if not all(options):
            return Malformed(text="An option in 'options' is empty.")
        if len({option.casefold() for option in options}) < len(options):
            return Malformed(text="Two of the 'options' are the same.")
        if not free_text and len(options) < 2:
            return Malformed(text="Without 'free_text' there must be two 'options' at least.")
        label = f"{NAME}: {' '.join(question.split())}"
        return PreparedCall(
            tool=NAME,
            operation="ask",
            arguments={"question": question, "options": list(options), "free_text": free_text},
            effect=EffectClass.LOCAL,
            label=label if len(label) <= LABEL_MAX else label[: LABEL_MAX - 1] + "…",
            asking=Asking(question=question, options=options, free_text=free_text),
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Never: people's answer is the result."""
        raise NotStarted("A question is answered by people; it can't be run.")
