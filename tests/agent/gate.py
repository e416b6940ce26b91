"""Calls, facts and rules for the tests of the gate, and hypothesis strategies of them."""

from typing import Any

from hypothesis import strategies as st

from agent.costs import Quote, Unknown, UnknownBecause
from agent.policy import Facts
from agent.predicates import Predicate, PredicateKind
from agent.rules import LOWER, Layer, Rule
from agent.tools.base import EffectClass, PreparedCall, RiskTag, Verdict

NO_PRICE = Quote(ceiling=Unknown(because=UnknownBecause.PRICE))
GROUPS = ("approvers", "owners", "slack:T1/S1")
FLAVORS = ("t4-small", "l4x1", "a100-large")
TOOL_TAGS = (RiskTag.DESTRUCTIVE, RiskTag.RECURRING, RiskTag.OUTWARD)


def prepared(**fields: Any) -> PreparedCall:
    """A call of hf_jobs run unless said otherwise."""
    given: dict[str, Any] = {
        "tool": "hf_jobs",
        "operation": "run",
        "arguments": {"flavor": "t4-small", "timeout_s": 1800},
        "effect": EffectClass.PROBE,
        "label": "hf_jobs: run",
    }
    return PreparedCall(**given | fields)


def rule(verdict: Verdict, ident: str = "r1", **fields: Any) -> Rule:
    """A rule about every call unless said otherwise."""
    given: dict[str, Any] = {"id": ident, "tool": "*", "verdict": verdict}
    return Rule(**given | fields)


def predicate(kind: PredicateKind, value: Any) -> Predicate:
    """One condition."""
    return Predicate(kind=kind, value=value)


verdicts = st.sampled_from(Verdict)
ceilings = st.one_of(
    st.integers(0, 3_000_000).map(lambda amount: Quote(ceiling=amount)), st.just(NO_PRICE)
)
memberships = st.fixed_dictionaries(
    {group: st.sampled_from((True, False, None)) for group in GROUPS}
)
calls = st.builds(
    prepared,
    tool=st.sampled_from(("hf_jobs", "shell", "mcp:github/list")),
    operation=st.sampled_from(("run", "ps", "scheduled run")),
    arguments=st.fixed_dictionaries(
        {},
        optional={
            "flavor": st.sampled_from(FLAVORS),
            "timeout_s": st.integers(1, 7200),
            "path": st.sampled_from(("a", "a/b", "../a", "b")),
        },
    ),
    effect=st.sampled_from(EffectClass),
    default=verdicts,
    firm=st.booleans(),
    declared=st.booleans(),
    tags=st.frozensets(st.sampled_from(TOOL_TAGS)),
    quote=ceilings,
    matters=st.sampled_from(((), ("flavor",), ("secrets",))),
    urls=st.sampled_from(((), ("https://a.example/x",))),
)
facts = st.builds(
    Facts,
    requester=st.sampled_from(("", "slack:T1/U1", "slack:T1/U2")),
    chat=st.sampled_from(("slack:T1/C1", "slack:T1/C1/1700.1", "telegram:-100/7")),
    groups=memberships,
    taint=st.sampled_from(((), ("2 web pages",))),
    said=st.sampled_from(("", "see https://a.example/x")),
    inspected=st.booleans(),
    unattended=st.booleans(),
)
conditions = st.fixed_dictionaries(
    {},
    optional={
        "flavor": st.sampled_from(
            (
                (predicate(PredicateKind.IN, FLAVORS[:2]),),
                (predicate(PredicateKind.EQ, "a100-large"),),
                (predicate(PredicateKind.ABSENT, True),),
            )
        ),
        "timeout_s": st.sampled_from(
            (
                (predicate(PredicateKind.MAX, 3600),),
                (predicate(PredicateKind.MIN, 1800), predicate(PredicateKind.MAX, 5400)),
            )
        ),
        "path": st.just((predicate(PredicateKind.PREFIX, "a"),)),
    },
)
tag_sets = st.frozensets(st.sampled_from(RiskTag), max_size=2)
rules = st.builds(
    Rule,
    id=st.sampled_from(("a", "b", "c")),
    tool=st.sampled_from(("*", "hf_jobs", "mcp:github/*")),
    verdict=verdicts,
    layer=st.sampled_from((Layer.OPERATOR, *LOWER)),
    firm=st.booleans(),
    operations=st.sampled_from((frozenset[str](), frozenset({"run", "ps"}))),
    when=conditions,
    ceiling_max=st.none() | st.integers(0, 2_000_000),
    ceiling_min=st.none() | st.integers(0, 2_000_000),
    effects=st.frozensets(st.sampled_from(EffectClass), max_size=2),
    tags_none=tag_sets,
    tags_any=tag_sets,
    tags_all=tag_sets,
    chats=st.sampled_from(((), ("slack:T1/C1",), ("telegram:*",))),
    users=st.sampled_from(((), ("slack:T1/U1",))),
    groups=st.sampled_from(((), ("approvers",), ("owners", "slack:T1/S1"))),
)
rule_lists = st.lists(rules, max_size=5).map(tuple)
