"""What the gate says of a call: floor, rules, defaults, and who may loosen what."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.costs import Quote, Unknown
from agent.policy import Facts, Policy, judge, relaxable, risk_tags
from agent.rules import LOWER, Layer, Rule, policy_of
from agent.tools.base import Asking, EffectClass, PreparedCall, RiskTag, Verdict
from tests.agent import gate
from tests.agent.gate import NO_PRICE, prepared, rule

SEVERITY = {Verdict.ALLOW: 0, Verdict.ASK: 1, Verdict.DENY: 2}
ALLOW, ASK, DENY = Verdict.ALLOW, Verdict.ASK, Verdict.DENY


def severity(call: PreparedCall, facts: Facts, rules: tuple[Rule, ...]) -> int:
    """How strict the gate is, as a number."""
    return SEVERITY[judge(call, facts, Policy(rules=rules)).verdict]


@pytest.mark.parametrize(
    ("default", "says", "verdict", "layer"),
    [
        (ALLOW, (), ALLOW, "default"),
        (ASK, (), ASK, "default"),
        (DENY, (), DENY, "floor"),
        (ASK, (ALLOW,), ALLOW, "operator"),
        (ALLOW, (ASK,), ASK, "operator"),
        (ALLOW, (DENY,), DENY, "operator"),
        (ASK, (ALLOW, ASK), ASK, "operator"),
        (ASK, (DENY, ALLOW, ASK), DENY, "operator"),
        (DENY, (ALLOW,), DENY, "floor"),
    ],
)
def test_the_strictest_operator_rule_stands_in_place_of_the_default(
    default: Verdict, says: tuple[Verdict, ...], verdict: Verdict, layer: str
) -> None:
    """Rules that overlap never add up to something looser; a tool's own deny is the floor."""
    policy = policy_of(rule(word, f"r{n}") for n, word in enumerate(says))
    judged = judge(prepared(default=default), Facts(), policy)
    assert (judged.verdict, judged.layer) == (verdict, layer)


@pytest.mark.parametrize("layer", LOWER)
@pytest.mark.parametrize("word", Verdict)
def test_layers_below_the_operator_only_tighten(layer: Layer, word: Verdict) -> None:
    """Such a rule may ask or deny; what it would allow is not heard."""
    policy = policy_of([rule(word, layer=layer)])
    for default in (ALLOW, ASK):
        judged = judge(prepared(default=default), Facts(), policy)
        assert SEVERITY[judged.verdict] == max(SEVERITY[default], SEVERITY[word])


@pytest.mark.parametrize(
    ("call", "facts", "names"),
    [
        ({"declared": False}, {}, "undeclared"),
        ({"quote": NO_PRICE}, {}, "price"),
        ({"tags": frozenset({RiskTag.RECURRING})}, {}, "recurring"),
        ({"tags": frozenset({RiskTag.OUTWARD})}, {}, "outward"),
        ({"firm": True}, {}, "tool"),
        ({}, {"inspected": False}, "unseen"),
        ({"matters": ("secrets",)}, {"taint": ("a page",)}, "outward"),
        ({"arguments": {"secrets": ["HF"]}}, {"taint": ("a page",)}, "outward"),
        ({"urls": ("https://a.example/x",)}, {"taint": ("a page",)}, "outward"),
    ],
)
def test_the_floor_asks_whatever_rules_say(
    call: dict[str, Any], facts: dict[str, Any], names: str
) -> None:
    """No rule allows it, and no grant or mode relaxes it."""
    policy = policy_of([rule(ALLOW, when={"secrets": ()})])
    judged = judge(prepared(**call), Facts(**facts), policy)
    assert (judged.verdict, judged.layer, judged.firm) == (ASK, "floor", True)
    assert judged.rule == f"floor: {names}"
    assert judged.reason
    assert not any(relaxable(prepared(**call), judged, auto=auto) for auto in (True, False))


@pytest.mark.parametrize(
    ("ceiling", "taint", "tags"),
    [
        (0, (), frozenset()),
        (1, (), {RiskTag.PAID}),
        (0, ("mail",), {RiskTag.TAINTED}),
    ],
)
def test_the_gate_adds_what_the_tool_cannot_know(
    ceiling: int, taint: tuple[str, ...], tags: set[RiskTag]
) -> None:
    """A known zero is free; what the turn has read stains every call after it."""
    call = prepared(quote=Quote(ceiling=ceiling))
    assert judge(call, Facts(taint=taint), Policy()).tags == tags
    assert RiskTag.PAID in judge(prepared(quote=NO_PRICE), Facts(), Policy()).tags


def test_a_default_of_tainted_turns() -> None:
    """What a tool does by itself it may ask for once the turn has read something."""
    call = prepared(when_tainted=ASK)
    assert judge(call, Facts(), Policy()).verdict is ALLOW
    judged = judge(call, Facts(taint=("2 web pages",)), Policy())
    assert (judged.verdict, judged.layer, judged.reason) == (
        ASK,
        "default",
        "the turn has read 2 web pages",
    )
    assert relaxable(call, judged, auto=False)
    lax = prepared(default=ASK, when_tainted=ALLOW)
    assert judge(lax, Facts(taint=("mail",)), Policy()).verdict is ASK
    assert judge(call, Facts(taint=("mail",)), policy_of([rule(ALLOW)])).verdict is ALLOW


@pytest.mark.parametrize(
    ("url", "said", "followed"),
    [
        ("https://a.example/x", "see https://a.example/x", True),
        ("https://a.example/x", "see https://a.example/x.", True),
        ("https://a.example/x", "([here](https://a.example/x), or there)", True),
        ("https://a.example/x", "<https://a.example/x>", True),
        ("https://a.example/x?q=1", "https://A.Example/x?q=1#part", True),
        ("https://a.example/", "look at a.example please", True),
        ("https://a.example", "look at https://a.example/", True),
        ("https://a.example/x_(y)", "https://a.example/x_(y)", True),
        ("http://[::1", "http://[::1", False),
        ("https://a.example/x", "see https://a.example/xyz", False),
        ("https://a.example/x", "see https://a.example/x/y", False),
        ("https://a.example/x", "see https://a.example/x.html", False),
        ("https://a.example/x?q=secret", "see https://a.example/x?q=", False),
        ("https://a.example/X", "see https://a.example/x", False),
        ("https://a.example", "see https://a.example.evil.test/", False),
        ("https://a.example/x", "see https://b.a.example/x", False),
        ("https://a.example/x", "https://evil.test/https://a.example/x", False),
        ("https://a.example/x", "https://user@a.example/x", False),
        ("https://a.example/x", "", False),
    ],
)
def test_links_are_followed_and_not_composed(url: str, said: str, followed: bool) -> None:
    """In a tainted turn an address nobody wrote may carry away what was read."""
    facts = Facts(taint=("a page",), said=said)
    assert (RiskTag.OUTWARD not in risk_tags(prepared(urls=(url,)), facts)) is followed
    assert RiskTag.OUTWARD not in risk_tags(prepared(urls=(url,)), Facts(said=said))


def test_a_card_says_why_it_can_not_be_relaxed() -> None:
    """Of several equal words the firm one is shown: it is the one that stands."""
    policy = policy_of([rule(ASK, "soft"), rule(ASK, "hard", firm=True, reason="GPU budget")])
    judged = judge(prepared(), Facts(), policy)
    assert (judged.rule, judged.reason, judged.firm) == ("hard", "GPU budget", True)


@pytest.mark.parametrize(
    ("call", "facts", "relaxed"),
    [
        ({}, {}, True),
        ({"quote": Quote(ceiling=1_000_000)}, {}, True),
        ({"quote": Quote(ceiling=1_000_000)}, {"taint": ("a page",)}, True),
        ({"effect": EffectClass.ONCE}, {}, True),
        ({"effect": EffectClass.ONCE}, {"taint": ("a page",)}, False),
        ({"tags": frozenset({RiskTag.DESTRUCTIVE})}, {}, False),
        ({"asking": Asking(question="Which?")}, {}, False),
        ({}, {"unattended": True}, False),
    ],
)
def test_grants_and_modes_relax_a_default(
    call: dict[str, Any], facts: dict[str, Any], relaxed: bool
) -> None:
    """Paid and tainted calls may be covered; nothing that reaches further, and no clock's turn."""
    asked = prepared(default=ASK, **call)
    judged = judge(asked, Facts(**facts), Policy())
    assert judged.verdict is ASK
    assert relaxable(asked, judged, auto=True) is relaxed
    assert relaxable(asked, judged, auto=False) is relaxed


@pytest.mark.parametrize("layer", [Layer.OPERATOR, *LOWER])
@pytest.mark.parametrize("firm", [True, False])
def test_a_firm_rule_is_not_relaxed(layer: Layer, firm: bool) -> None:
    """A rule that asks is relaxed unless it says `firm`; what is allowed or denied never is."""
    judged = judge(prepared(), Facts(), policy_of([rule(ASK, layer=layer, firm=firm)]))
    assert relaxable(prepared(), judged, auto=False) is not firm
    for word in (ALLOW, DENY):
        judged = judge(prepared(), Facts(), policy_of([rule(word)]))
        assert not relaxable(prepared(), judged, auto=False)


@given(call=gate.calls, facts=gate.facts, rules=gate.rule_lists, extra=gate.rules)
def test_i7_a_deny_rule_never_loosens(
    call: PreparedCall, facts: Facts, rules: tuple[Rule, ...], extra: Rule
) -> None:
    """Whatever stood before, with one more deny it is as strict or stricter."""
    denying = replace(extra, verdict=DENY)
    assert severity(call, facts, (*rules, denying)) >= severity(call, facts, rules)


@given(call=gate.calls, facts=gate.facts, rules=gate.rule_lists)
def test_i7_nothing_beats_a_deny(call: PreparedCall, facts: Facts, rules: tuple[Rule, ...]) -> None:
    """Beside a deny that matches, no rule of any layer and no order helps, and no grant either."""
    always = rule(DENY, "always")
    for listed in ((*rules, always), (always, *rules)):
        judged = judge(call, facts, Policy(rules=listed))
        assert judged.verdict is DENY
        assert not relaxable(call, judged, auto=True)
        assert not relaxable(call, judged, auto=False)


@given(
    call=gate.calls,
    facts=gate.facts,
    rules=gate.rule_lists,
    extra=gate.rules,
    layer=st.sampled_from(LOWER),
)
def test_i7_no_layer_below_the_operator_loosens(
    call: PreparedCall, facts: Facts, rules: tuple[Rule, ...], extra: Rule, layer: Layer
) -> None:
    """One more rule of a lower layer leaves the verdict where it is, or makes it stricter."""
    lower = replace(extra, layer=layer)
    before = judge(call, facts, Policy(rules=rules))
    after = judge(call, facts, Policy(rules=(*rules, lower)))
    assert SEVERITY[after.verdict] >= SEVERITY[before.verdict]
    for auto in (True, False):
        if relaxable(call, after, auto=auto):
            assert before.verdict is not DENY
            assert before.verdict is ALLOW or relaxable(call, before, auto=auto)


@given(call=gate.calls, facts=gate.facts, rules=gate.rule_lists)
def test_the_order_of_rules_means_nothing(
    call: PreparedCall, facts: Facts, rules: tuple[Rule, ...]
) -> None:
    """The strictest holds, not the first."""
    one = judge(call, facts, Policy(rules=rules))
    other = judge(call, facts, Policy(rules=rules[::-1]))
    assert (one.verdict, one.firm, one.tags) == (other.verdict, other.firm, other.tags)


@given(call=gate.calls, facts=gate.facts, rules=gate.rule_lists)
def test_i6_an_unknown_price_never_runs_by_itself(
    call: PreparedCall, facts: Facts, rules: tuple[Rule, ...]
) -> None:
    """No rule, grant or mode lets a call through whose price nobody knows."""
    unpriced = replace(call, quote=NO_PRICE)
    judged = judge(unpriced, facts, Policy(rules=rules))
    assert judged.verdict is not ALLOW
    assert RiskTag.PAID in judged.tags
    assert not relaxable(unpriced, judged, auto=True)
    assert not relaxable(unpriced, judged, auto=False)


@given(call=gate.calls, facts=gate.facts, rules=gate.rule_lists, auto=st.booleans())
def test_i8_grants_and_modes_stay_within_their_bounds(
    call: PreparedCall, facts: Facts, rules: tuple[Rule, ...], auto: bool
) -> None:
    """Recurring, unknown, destructive, outward, undeclared: never on a grant or mode."""
    judged = judge(call, facts, Policy(rules=rules))
    if relaxable(call, judged, auto=auto):
        assert judged.verdict is ASK
        assert judged.tags <= {RiskTag.PAID, RiskTag.TAINTED}
        assert call.declared
        assert not call.firm
        assert not isinstance(call.quote.ceiling, Unknown)
        assert facts.inspected
        assert not facts.unattended
        assert not (call.effect is EffectClass.ONCE and facts.taint)


@given(call=gate.calls, facts=gate.facts, rules=gate.rule_lists, group=st.sampled_from(gate.GROUPS))
def test_i14_losing_a_membership_only_tightens(
    call: PreparedCall, facts: Facts, rules: tuple[Rule, ...], group: str
) -> None:
    """A role nobody can look up is as strict as the stricter of having it and not having it."""
    lost = replace(facts, groups={**facts.groups, group: None})
    gone = replace(
        facts, groups={name: is_in for name, is_in in facts.groups.items() if name != group}
    )
    strictness = severity(call, lost, rules)
    assert severity(call, gone, rules) == strictness
    for known in (True, False):
        told = replace(facts, groups={**facts.groups, group: known})
        assert severity(call, told, rules) <= strictness


@given(call=gate.calls, facts=gate.facts, rules=gate.rule_lists, price=st.integers(0, 3_000_000))
def test_i14_losing_a_price_only_tightens(
    call: PreparedCall, facts: Facts, rules: tuple[Rule, ...], price: int
) -> None:
    """No rule about prices is got around by having none."""
    known, lost = replace(call, quote=Quote(ceiling=price)), replace(call, quote=NO_PRICE)
    assert severity(lost, facts, rules) >= severity(known, facts, rules)


@given(call=gate.calls, facts=gate.facts, rules=gate.rule_lists)
def test_i14_a_failed_look_only_tightens(
    call: PreparedCall, facts: Facts, rules: tuple[Rule, ...]
) -> None:
    """Whatever a look would have shown, without it nothing passes that would not have passed."""
    seen, unseen = replace(facts, inspected=True), replace(facts, inspected=False)
    assert severity(call, unseen, rules) >= severity(call, seen, rules)
    assert severity(call, unseen, rules) >= SEVERITY[ASK]


@given(call=gate.calls, facts=gate.facts, rules=gate.rule_lists)
def test_judging_is_a_function(call: PreparedCall, facts: Facts, rules: tuple[Rule, ...]) -> None:
    """The same call, facts and rules give the same word with a rule and a reason."""
    judged = judge(call, facts, Policy(rules=rules))
    assert judged == judge(call, facts, Policy(rules=rules))
    assert judged.rule
    assert judged.reason
    assert judged.tags >= call.tags
