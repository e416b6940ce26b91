"""Pure: the operator's rules about tool calls, and when one of them matches.

A condition about something nobody knows (a price, a membership, a fact that could not be looked
up) neither holds nor fails. Such a rule matches if it asks or denies and does not match if it
allows: losing a source only ever makes the gate stricter.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.costs import Unknown
from agent.messages import JsonObject
from agent.predicates import Predicate, fits
from agent.tools.base import EffectClass, PreparedCall, RiskTag, Verdict
from agent.tristate import Known, all_of, any_of


class Layer(StrEnum):
    """Who has a say about a call; below OPERATOR rules only tighten."""

    FLOOR = "floor"
    OPERATOR = "operator"
    DEFAULT = "default"
    PLATFORM = "platform"
    CHAT = "chat"
    USER = "user"


LOWER = (Layer.PLATFORM, Layer.CHAT, Layer.USER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the gate knows beside the call; people and chats as configuration writes them.

    `groups` says for every group that rules name whether the requester is in it; None, or a group
    that is missing, is not known. `taint` is what the turn has read that no entitled person typed
    ("2 web pages"); `said` the text of people and the addresses that outside readers found.
    `inspected` is False
    where the tool could not look the call's facts up. `unattended`: a clock opened the turn.
    `formerly` are addresses the chat had before: what rules say of them holds for it.
    """

    requester: str = ""
    chat: str = ""
    formerly: tuple[str, ...] = ()
    groups: Mapping[str, bool | None] = field(default_factory=dict)
    taint: tuple[str, ...] = ()
    said: str = ""
    inspected: bool = True
    unattended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A call that a rule must match, or must not; what it leaves open is not tested.

    `ceiling` is micro-dollars, taken in place of the tool's own quote.
    """

    operation: str = ""
    arguments: JsonObject = field(default_factory=dict)
    chat: str | None = None
    user: str | None = None
    tainted: bool = False
    ceiling: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; a selector that is empty (or None) holds for every call.

    `tool` is a name, or ends in the only wildcard `*`. `operations` are normalised. `chats` are
    chats with everything below them; a part `*` stands for any one part. `users` are people and
    `groups` what they may be members of: one of all these is enough. Amounts are micro-dollars.
    """

    id: str
    tool: str
    verdict: Verdict
    layer: Layer = Layer.OPERATOR
    firm: bool = False
    reason: str = ""
    operations: frozenset[str] = frozenset()
    when: Mapping[str, tuple[Predicate, ...]] = field(default_factory=dict)
    ceiling_min: int | None = None
    ceiling_max: int | None = None
    effects: frozenset[EffectClass] = frozenset()
    tags_none: frozenset[RiskTag] = frozenset()
    tags_any: frozenset[RiskTag] = frozenset()
    tags_all: frozenset[RiskTag] = frozenset()
    chats: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    match: tuple[Example, ...] = ()
    no_match: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All rules in force; `version` changes with every word of them."""

    rules: tuple[Rule, ...] = ()
    version: str = "none"

    @property
    def groups(self) -> frozenset[str]:
        """Every group whose members the gate has to know."""
        return frozenset(group for rule in self.rules for group in rule.groups)


def policy_of(rules: Iterable[Rule]) -> Policy:
    """Put rules into force under a version of their own."""
    listed = tuple(rules)
    if not listed:
        return Policy()
    written = "\n".join(_written(rule) for rule in listed)
    return Policy(rules=listed, version=hashlib.sha256(written.encode()).hexdigest()[:12])


def matches(rule: Rule, call: PreparedCall, facts: Facts, tags: frozenset[RiskTag]) -> bool:
    """Whether a rule speaks about this call; `tags` are all the gate has given it."""
    found = holds(rule, call, facts, tags)
    return found is True if rule.verdict is Verdict.ALLOW else found is not False


def holds(rule: Rule, call: PreparedCall, facts: Facts, tags: frozenset[RiskTag]) -> Known:
    """Whether all conditions of a rule hold; None where that can't be known."""
    if not names_tool(rule, call.tool):
        return False
    if rule.operations and call.operation not in rule.operations:
        return False
    if rule.effects and call.effect not in rule.effects:
        return False
    return all_of(
        (
            _place_fits(rule, facts),
            _person_fits(rule, facts),
            ceiling_fits(rule, call, inspected=facts.inspected),
            _tags_fit(rule, call, tags, inspected=facts.inspected),
            _fields_fit(rule, call, inspected=facts.inspected),
            _all_that_matters_is_bound(rule, call),
        )
    )


def names_tool(rule: Rule, tool: str) -> bool:
    """Whether a rule is about that tool."""
    if rule.tool.endswith("*"):
        return tool.startswith(rule.tool[:-1])
    return tool == rule.tool


def covers(pattern: str, chat: str) -> bool:
    """Whether a chat is the one of a pattern, or below it."""
    platform, _, wanted = pattern.partition(":")
    on, _, path = chat.partition(":")
    parts = wanted.split("/")
    if parts[-1] == "*":
        parts.pop()
    have = path.split("/")[: len(parts)]
    return (
        platform == on
        and len(have) == len(parts)
        and all(part in ("*", there) for part, there in zip(parts, have, strict=True))
    )


def _place_fits(rule: Rule, facts: Facts) -> Known:
    places = (facts.chat, *facts.formerly)
    return not rule.chats or any(covers(each, at) for each in rule.chats for at in places)


def _person_fits(rule: Rule, facts: Facts) -> Known:
    if not rule.users and not rule.groups:
        return True
    person = bool(facts.requester) and facts.requester in rule.users
    return any_of((person, *(facts.groups.get(group) for group in rule.groups)))


def ceiling_fits(rule: Rule, call: PreparedCall, *, inspected: bool) -> Known:
    """Whether a call's price is one the rule speaks about; a quote before a look is none."""
    if rule.ceiling_min is None and rule.ceiling_max is None:
        return True
    ceiling = call.quote.ceiling
    if isinstance(ceiling, Unknown) or not inspected:
        return None
    low, high = rule.ceiling_min, rule.ceiling_max
    return (low is None or ceiling >= low) and (high is None or ceiling <= high)


def _tags_fit(
    rule: Rule, call: PreparedCall, tags: frozenset[RiskTag], *, inspected: bool
) -> Known:
    unpriced = isinstance(call.quote.ceiling, Unknown)

    def has(tag: RiskTag) -> Known:
        # Without a look at the world a tag may be missing; what a turn has read is always known.
        unseen = not inspected and tag is not RiskTag.TAINTED
        return True if tag in tags else None if unseen else False

    def lacks(tag: RiskTag) -> Known:
        if tag is RiskTag.PAID and unpriced:
            return None  # it counts as paid, and may turn out to be free
        found = has(tag)
        return None if found is None else not found

    some = any_of(has(tag) for tag in rule.tags_any) if rule.tags_any else True
    return all_of((some, *map(has, rule.tags_all), *map(lacks, rule.tags_none)))


def _fields_fit(rule: Rule, call: PreparedCall, *, inspected: bool) -> Known:
    return all_of(
        fits(
            predicate,
            name,
            call.arguments.get(name),
            whole=rule.verdict is Verdict.ALLOW,
            looked=inspected,
        )
        for name, predicates in rule.when.items()
        for predicate in predicates
    )


def _all_that_matters_is_bound(rule: Rule, call: PreparedCall) -> Known:
    """Whether an allow rule says something about every argument that must not pass unnoticed."""
    return rule.verdict is not Verdict.ALLOW or all(rule.when.get(name) for name in call.matters)


def _written(rule: Rule) -> str:
    """Every word of a rule, sets in order, so that the same rules have the same version."""
    parts = []
    for name in rule.__dataclass_fields__:
        value = getattr(rule, name)
        if isinstance(value, frozenset):
            value = sorted(item if isinstance(item, str) else item.value for item in value)
        elif isinstance(value, Mapping):
            value = sorted(value.items())
        parts.append(f"{name}={value!r}")
    return ";".join(parts)
