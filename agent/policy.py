"""Pure: the gate every tool call passes before any call of its step runs.

Parse and normalise (`judge_with`): a call that does not fit has its result at once and runs
nothing; later steps see only the normalised form. Then `judge`: the strictest word of the floor,
of the operator's rules or the tool's default, and of the layers below, which only tighten.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from agent.arguments import (
    ARGUMENTS_MAX_BYTES,
    DEPTH_MAX,
    expected_shape,
    parse_arguments,
    readable_arguments,
)
from agent.calls import Judge, JudgedCall
from agent.canonical import NotCanonical, canonical
from agent.costs import Unknown, is_paid
from agent.messages import ResultStatus, ToolCall, ToolResult
from agent.rules import LOWER, Facts, Layer, Policy, Rule, matches
from agent.tools.arguments import flattened
from agent.tools.base import EffectClass, Malformed, PreparedCall, RiskTag, Tool, Verdict
from agent.tools.literal_secrets import Holds, holds_none, literal_secret, secret_text

__all__ = [
    "ARGUMENTS_MAX_BYTES",
    "DEPTH_MAX",
    "Facts",
    "Judgement",
    "Layer",
    "Policy",
    "Rule",
    "judge",
    "judge_with",
    "parse_arguments",
    "relaxable",
    "risk_tags",
    "was_said",
    "was_written",
]

_SEVERITY: Final[Mapping[Verdict, int]] = {Verdict.ALLOW: 0, Verdict.ASK: 1, Verdict.DENY: 2}
_NEVER_RELAXED: Final = frozenset({RiskTag.DESTRUCTIVE, RiskTag.RECURRING, RiskTag.OUTWARD})
_AUTO_TAGS: Final = frozenset({RiskTag.PAID, RiskTag.TAINTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the gate says of a call, by which rule of which layer, and why.

    `tags` are the tool's and the gate's own. A `firm` word stands whatever grants there are.
    """

    verdict: Verdict
    rule: str
    reason: str
    firm: bool
    tags: frozenset[RiskTag]
    layer: Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opinion:
    """One layer's word."""

    verdict: Verdict
    layer: Layer
    rule: str
    reason: str
    firm: bool = False


def judge(call: PreparedCall, facts: Facts, policy: Policy) -> Judgement:
    """Judge a prepared call: of all layers' words the strictest holds, so a deny always wins."""
    tags = risk_tags(call, facts)
    matching = tuple(rule for rule in policy.rules if matches(rule, call, facts, tags))
    opinions = (*_floor(call, facts, tags), *_base(call, facts, matching), *_tightening(matching))
    severity = max(_SEVERITY[opinion.verdict] for opinion in opinions)
    strictest = [o for o in opinions if _SEVERITY[o.verdict] == severity]
    firm = next((opinion for opinion in strictest if opinion.firm), None)
    spoken = firm or strictest[0]
    return Judgement(
        verdict=spoken.verdict,
        rule=spoken.rule,
        reason=spoken.reason,
        # Nobody sits before a clock's turn, so no leave given to a person covers it.
        firm=spoken.firm or facts.unattended,
        tags=tags,
        layer=spoken.layer,
    )


def relaxable(call: PreparedCall, judgement: Judgement, *, auto: bool) -> bool:
    """Whether a live grant, or auto mode, may turn this Ask into Allow.

    Only where the tool's default or a rule that is not firm asks, the price is known, somebody
    declared the effect, and nothing of it reaches further than a grant may.
    """
    tags = judgement.tags
    if judgement.verdict is not Verdict.ASK or judgement.firm or call.asking is not None:
        return False
    if not call.declared or isinstance(call.quote.ceiling, Unknown):
        return False
    if call.effect is EffectClass.ONCE and RiskTag.TAINTED in tags:
        return False
    return tags <= _AUTO_TAGS if auto else tags.isdisjoint(_NEVER_RELAXED)


def risk_tags(call: PreparedCall, facts: Facts) -> frozenset[RiskTag]:
    """The tool's tags and the gate's own: what it costs, and what the turn has read before."""
    tags = set(call.tags)
    if is_paid(call.quote.ceiling):
        tags.add(RiskTag.PAID)
    if facts.taint:
        tags.add(RiskTag.TAINTED)
        composed = any(not was_said(url, facts.said) for url in call.urls)
        if composed or "secrets" in call.matters or call.arguments.get("secrets"):
            tags.add(RiskTag.OUTWARD)
    return frozenset(tags)


def _floor(call: PreparedCall, facts: Facts, tags: frozenset[RiskTag]) -> Iterator[_Opinion]:
    """What no rule and no grant loosens."""

    def word(verdict: Verdict, rule: str, reason: str) -> _Opinion:
        return _Opinion(verdict=verdict, layer=Layer.FLOOR, rule=rule, reason=reason, firm=True)

    if call.default is Verdict.DENY:
        yield word(Verdict.DENY, "floor: tool", call.reason or "this tool never does that")
    if not call.declared:
        yield word(Verdict.ASK, "floor: undeclared", "nobody has declared what it does")
    if isinstance(call.quote.ceiling, Unknown):
        why = call.quote.ceiling.text or "nobody knows what it costs"
        yield word(Verdict.ASK, "floor: price", why)
    if RiskTag.RECURRING in tags:
        yield word(Verdict.ASK, "floor: recurring", "it acts again without a new call")
    if RiskTag.OUTWARD in tags:
        yield word(Verdict.ASK, "floor: outward", "it reaches people or systems outside")
    if not facts.inspected:
        yield word(Verdict.ASK, "floor: unseen", "what it would touch could not be looked up")
    if call.firm:
        yield word(Verdict.ASK, "floor: tool", call.reason or "it is asked by hand in every mode")


def _base(call: PreparedCall, facts: Facts, matching: tuple[Rule, ...]) -> Iterator[_Opinion]:
    """The operator's matching rules, else the tool's default."""
    operator = tuple(rule for rule in matching if rule.layer is Layer.OPERATOR)
    yield from map(_opinion, operator)
    if operator:
        return
    yield _default(call.default, call.reason or f"the default of {call.tool}")
    if facts.taint and call.when_tainted is not None:
        yield _default(call.when_tainted, f"the turn has read {', '.join(facts.taint)}")


def _default(verdict: Verdict, reason: str) -> _Opinion:
    return _Opinion(verdict=verdict, layer=Layer.DEFAULT, rule="default", reason=reason)


def _tightening(matching: tuple[Rule, ...]) -> Iterator[_Opinion]:
    """Rules of the layers below; one of them that allows says nothing."""
    for rule in matching:
        if rule.layer in LOWER and rule.verdict is not Verdict.ALLOW:
            yield _opinion(rule)


def _opinion(rule: Rule) -> _Opinion:
    return _Opinion(
        verdict=rule.verdict,
        layer=rule.layer,
        rule=rule.id,
        reason=rule.reason or f"rule {rule.id}",
        firm=rule.firm,
    )


def was_said(url: str, said: str) -> bool:
    """Whether an address stands word for word in what was said: links are followed, not composed.

    The scheme may be left out or be the other one of http and https, a fragment may follow, and
    the host may be in any case; the rest is compared letter by letter up to its end.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return url in said.split()
    path = parts.path.rstrip("/") if parts.path == "/" and not parts.query else parts.path
    rest = re.escape(path + (f"?{parts.query}" if parts.query else ""))
    slash = "/?" if not path and not parts.query else ""
    found = re.search(
        rf"(?<![\w@.:/-])(?:https?://)?(?i:{re.escape(parts.netloc)}){rest}{slash}{_END}", said
    )
    return found is not None


def was_written(url: str, words: str) -> bool:
    """Whether an address stands in the model's words, however it spelled it there.

    Then no result that has it later is its source: it may be an echo.
    """
    return _spelled(url).removeprefix("http://").removeprefix("https://") in _spelled(words)


def _spelled(text: str) -> str:
    return "".join(unquote(text).casefold().split())


_END: Final = r"""(?=[.,;:!?)\]}'"*_>|`]*(?:[\s<>"'`\[\]{}|\\^()#]|$))"""


def judge_with(tools: Mapping[str, Tool], *, holds: Holds = holds_none) -> Judge:
    """Make the judge of a turn that may use these tools; `holds` knows the configured secrets."""

    def judge(call: ToolCall) -> JudgedCall:
        tool = tools.get(call.name)
        if tool is None:
            return _refused(call, ResultStatus.REFUSED, _no_such_tool(call.name, tools))
        arguments = readable_arguments(call.arguments)
        if isinstance(arguments, Malformed):
            wrong = f"{arguments.text} {expected_shape(tool.spec.parameters)}"
            return _refused(call, ResultStatus.MALFORMED, wrong)
        if _takes_no_args(tool):
            arguments = flattened(arguments)
        if isinstance(arguments, Malformed):
            return _refused(call, ResultStatus.MALFORMED, arguments.text)
        prepared = tool.prepare(arguments)
        if isinstance(prepared, Malformed):
            return _refused(call, ResultStatus.MALFORMED, prepared.text)
        if (place := literal_secret(arguments, holds=holds)) is not None:
            return _refused(call, ResultStatus.MALFORMED, secret_text(place))
        try:
            text = canonical(prepared.arguments)
        except NotCanonical as error:
            wrong = f"The arguments have no exact spelling: {error}."
            return _refused(call, ResultStatus.MALFORMED, wrong)
        if len(text) > ARGUMENTS_MAX_BYTES:
            wrong = "The arguments are over 32 KiB. Work in smaller pieces."
            return _refused(call, ResultStatus.MALFORMED, wrong)
        return JudgedCall(call=call, prepared=prepared)

    return judge


def _takes_no_args(tool: Tool) -> bool:
    """Whether `args` can only be the wrapping that some models put around a tool's fields."""
    parameters = tool.spec.parameters
    return parameters.get("additionalProperties") is False and "args" not in parameters.get(
        "properties", {}
    )


def _no_such_tool(name: str, tools: Mapping[str, Tool]) -> str:
    near = difflib.get_close_matches(name, tools, n=3)
    hint = (
        f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(sorted(tools))}."
    )
    return f"There is no tool {name!r}. {hint}"


def _refused(call: ToolCall, status: ResultStatus, text: str) -> JudgedCall:
    result = ToolResult(call_id=call.id, name=call.name, status=status, text=text)
    return JudgedCall(call=call, prepared=None, refusal=result)
