"""Pure: how much a model is asked to think, in the form it takes.

Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking (budgets, at least
1,024 tokens and below `max_tokens`), .../adaptive-thinking and .../effort. Models up to 4.5 take a
budget alone; from 4.7 on a budget is refused, and only 4.6 takes both. From 5 on they think unless
told not to, and some can't be told.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from agent.providers.base import Adjustments

ThinkingForm = Literal["off", "budget", "effort"]
LEAST_BUDGET = 1_024
BUDGETS: Mapping[str, int] = {
    "low": 2_048,
    "medium": 8_192,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 65_536,
}
"""Tokens of thinking per effort, where the cap leaves room for them and an answer."""
_GENERATION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_ALWAYS = ("claude-fable", "claude-mythos")
"""Models that think whatever is asked: they refuse to be told not to."""


def form_for(model: str) -> ThinkingForm:
    """The form a model takes by its name; `off` for what is no Claude, or too old to think."""
    if _bare(model).startswith(_ALWAYS):
        return "effort"
    generation = _generation(model)
    if generation is None or generation < (3, 7):
        return "off"
    return "effort" if generation >= (4, 6) else "budget"


def thinking_options(
    form: ThinkingForm, model: str, adjustments: Adjustments, *, cap: int
) -> dict[str, Any]:
    """The fields of the request: nothing is asked where no effort is wanted.

    `cap` is what thinking and answer may take together.
    """
    effort = adjustments.effort if adjustments.thinking else "none"
    match form:
        case "budget" if budget := _budget(effort, cap):
            return {"thinking": {"type": "enabled", "budget_tokens": budget}}
        case "effort" if effort == "none":
            always = _bare(model).startswith(_ALWAYS)
            return {} if always else {"thinking": {"type": "disabled"}}
        case "effort" if effort is not None:
            # Summarised, else nothing at all would come for as long as it thinks.
            thinking = {"type": "adaptive", "display": "summarized"}
            return {"thinking": thinking, "output_config": {"effort": effort}}
        case _:
            return {}


def thinks(form: ThinkingForm, model: str, effort: str | None) -> bool:
    """Whether a model thinks before it answers; `effort` None where none is asked for.

    A budget is thought with only where an effort asks for it; models from 5 on think unasked, and
    some whatever is asked.
    """
    if form == "off":
        return False
    if effort is None:
        return _thinks_unasked(model)
    return effort != "none" or _bare(model).startswith(_ALWAYS)


def reasons(model: str, *, thinking: ThinkingForm | None, effort: str | None) -> bool:
    """Whether an entry's model thinks before it answers, by what its configuration says.

    `thinking` is the form that it names, if any: naming one says that the model thinks. `effort`
    is its preference.
    """
    if thinking in ("budget", "effort"):
        return True
    return thinks(thinking or form_for(model), model, effort)


def is_budgeted(options: Mapping[str, Any]) -> bool:
    """Whether a tool loop that is open has to begin with a thinking part."""
    return "budget_tokens" in options.get("thinking", {})


def refuses_thoughts(form: ThinkingForm, model: str, options: Mapping[str, Any]) -> bool:
    """Whether a tool loop that is open must not hold thinking parts.

    Source: the error "When thinking is disabled, an `assistant` message in the final position
    cannot contain `thinking`". What other models do unasked nobody knows: theirs stay.
    """
    kind = options.get("thinking", {}).get("type")
    if kind is None:
        known = form != "off" or _generation(model) is not None
        return known and not _thinks_unasked(model)
    return bool(kind == "disabled")


def _thinks_unasked(model: str) -> bool:
    """Whether a request that says nothing of thinking gets it: from 5 on."""
    return _bare(model).startswith(_ALWAYS) or (_generation(model) or (0, 0)) >= (5, 0)


def _generation(model: str) -> tuple[int, int] | None:
    found = _GENERATION.match(_bare(model))
    return (int(found[1]), int(found[2] or 0)) if found else None


def _budget(effort: str | None, cap: int) -> int | None:
    """At most what leaves a quarter of the cap, and 1,024 tokens, for the answer."""
    figure = BUDGETS.get(effort or "none", 0)
    budget = min(figure, cap - max(cap // 4, LEAST_BUDGET))
    return budget if budget >= LEAST_BUDGET else None


def _bare(model: str) -> str:
    """The model's own name, without what resellers put before it."""
    name = model.rpartition("/")[2].lower()
    return name[found:] if (found := name.find("claude-")) > 0 else name
