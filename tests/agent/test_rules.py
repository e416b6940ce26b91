"""When a rule matches a call, condition by condition."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.costs import Quote
from agent.policy import Facts, risk_tags
from agent.predicates import PredicateKind, fits, host_of, segments
from agent.rules import Rule, holds, matches, policy_of
from agent.tools.base import EffectClass, PreparedCall, RiskTag, Verdict
from agent.tristate import Known, all_of, any_of
from tests.agent import gate
from tests.agent.gate import NO_PRICE, predicate, prepared, rule

P = PredicateKind


def met(kind: PredicateKind, wanted: Any, value: object, name: str = "x", **how: bool) -> Known:
    """Whether a value of an argument meets one condition."""
    whole, looked = how.get("whole", True), how.get("looked", True)
    return fits(predicate(kind, wanted), name, value, whole=whole, looked=looked)


@pytest.mark.parametrize(
    ("kind", "wanted", "value", "answer"),
    [
        (P.EQ, "a", "a", True),
        (P.EQ, "a", "A", False),
        (P.EQ, 1, 1, True),
        (P.EQ, 1, 1.0, True),
        (P.EQ, 1, True, False),
        (P.EQ, True, 1, False),
        (P.EQ, False, False, True),
        (P.EQ, 1, "1", False),
        (P.EQ, ("a", "b"), ["a", "b"], True),
        (P.EQ, ("a",), ["a", "b"], False),
        (P.IN, ("a", "b"), "b", True),
        (P.IN, ("a", "b"), "c", False),
        (P.IN, (1,), True, False),
        (P.PREFIX, "gpt", "gpt-5", True),
        (P.PREFIX, "gpt", "my-gpt", False),
        (P.PREFIX, "1", 12, None),
        (P.GLOB, "gpt-*", "gpt-5", True),
        (P.GLOB, "gpt-?", "gpt-55", False),
        (P.GLOB, "*", 5, None),
        (P.MIN, 10, 10, True),
        (P.MIN, 10, 9, False),
        (P.MAX, 10, 10, True),
        (P.MAX, 10, 10.5, False),
        (P.MAX, 10, "9", None),
        (P.MAX, 10, True, None),
        (P.MAX, 10, float("nan"), None),
        (P.ABSENT, True, "a", False),
        (P.ABSENT, False, "a", True),
        (P.ARGV_PREFIX, ("git", "status"), ["git", "status", "-s"], True),
        (P.ARGV_PREFIX, ("git", "status"), ["git"], False),
        (P.ARGV_PREFIX, ("git",), ["git status"], False),
        (P.ARGV_PREFIX, ("git",), "git status", None),
        (P.HOST_IN, ("a.example",), "https://A.example./x", True),
        (P.HOST_IN, ("a.example",), "https://b.a.example/x", False),
        (P.HOST_IN, ("*.a.example",), "https://b.a.example/x", True),
        (P.HOST_IN, ("*.a.example",), "https://a.example/x", False),
        (P.HOST_IN, ("*.a.example",), "https://evila.example/x", False),
        (P.HOST_IN, ("a.example",), "https://a.example@evil.test/", False),
        (P.HOST_IN, ("a.example",), "https://evil.test/@a.example", False),
        (P.HOST_IN, ("a.example",), "a.example:443", True),
        (P.HOST_IN, ("a.example",), "https://evil.test\\@a.example/", None),
        (P.HOST_IN, ("a.example",), "https://", None),
        (P.HOST_IN, ("xn--bcher-kva.example",), "https://b\u00fccher.example/", True),
    ],
)
def test_a_condition_and_a_value(
    kind: PredicateKind, wanted: Any, value: object, answer: Known
) -> None:
    """Yes, no, or nothing that can be said of such a value."""
    assert met(kind, wanted, value) is answer


@pytest.mark.parametrize("kind", P)
def test_what_is_missing_meets_only_absent(kind: PredicateKind) -> None:
    """If nobody could look, it may still be there."""
    wanted: Any = True if kind is P.ABSENT else ("a",)
    assert met(kind, wanted, None) is (kind is P.ABSENT)
    assert met(kind, wanted, None, looked=False) is None


@pytest.mark.parametrize(
    ("value", "every", "some"),
    [
        (["a", "b"], True, True),
        (["a", "z"], False, True),
        (["y", "z"], False, False),
        ([], True, False),
        ({"a": "1"}, True, True),
        ({"z": "a"}, False, False),
    ],
)
def test_items_of_a_list(value: object, every: bool, some: bool) -> None:
    """A rule that allows must cover every item; one that asks or denies is met by one."""
    assert met(P.IN, ("a", "b"), value, whole=True) is every
    assert met(P.IN, ("a", "b"), value, whole=False) is some


@pytest.mark.parametrize(
    ("kind", "wanted", "value", "answer"),
    [
        (P.PREFIX, "notes", "notes", True),
        (P.PREFIX, "notes", "notes/a/b", True),
        (P.PREFIX, "notes/", "notes/a", True),
        (P.PREFIX, "notes", "notes2/a", False),
        (P.PREFIX, "notes", "notes/../secret", False),
        (P.PREFIX, "notes", "x/../notes/a", True),
        (P.PREFIX, "notes", "../notes/a", None),
        (P.PREFIX, "notes", "/notes/a", False),
        (P.PREFIX, ".", "anything", True),
        (P.GLOB, "src/*.py", "src/a.py", True),
        (P.GLOB, "src/*.py", "src/b/a.py", False),
        (P.GLOB, "src/**/*.py", "src/a.py", True),
        (P.GLOB, "src/**/*.py", "src/b/c/a.py", True),
        (P.GLOB, "src/**", "src", True),
        (P.GLOB, "**", "a/b", True),
        (P.GLOB, "src/**/*.py", "src/../a.py", False),
        (P.GLOB, "**/**/x", "a/b/c", False),
    ],
)
def test_paths_go_by_their_resolved_segments(
    kind: PredicateKind, wanted: str, value: str, answer: Known
) -> None:
    """A directory is no prefix of its neighbour's name, and `..` leads out of it."""
    for name in ("path", "script_path", "cwd"):
        assert met(kind, wanted, value, name) is answer


@given(path=st.text(alphabet="ab./", max_size=12))
def test_segments_never_climb(path: str) -> None:
    """Whatever is written, what is left has neither dots nor blanks, or nothing is left."""
    found = segments(path)
    if found is not None:
        assert not {"", ".", ".."} & set(found)
        assert segments("/".join(found)) == found or found[:1] == ("/",)


@given(text=st.text(max_size=20))
def test_any_text_has_a_host_or_none(text: str) -> None:
    """Reading a host is total."""
    assert isinstance(host_of(text), str | None)


@pytest.mark.parametrize(
    ("answers", "every", "some"),
    [
        ((), True, False),
        ((True, True), True, True),
        ((True, None), None, True),
        ((False, None), False, None),
        ((None, False, True), False, True),
        ((False, False), False, False),
    ],
)
def test_three_answers(answers: tuple[Known, ...], every: Known, some: Known) -> None:
    """Unknown neither helps nor hides what is known."""
    assert all_of(answers) is every
    assert any_of(answers) is some


@pytest.mark.parametrize(
    ("pattern", "chat", "covered"),
    [
        ("slack:T1/C1", "slack:T1/C1", True),
        ("slack:T1/C1", "slack:T1/C1/1700.1", True),
        ("slack:T1/*", "slack:T1/C2", True),
        ("slack:*", "slack:T9/C2", True),
        ("slack:T1/C1", "slack:T1/C12", False),
        ("slack:T1/C1", "slack:T2/C1", False),
        ("slack:T1/C1/1700.1", "slack:T1/C1", False),
        ("telegram:7", "telegram:-100/7", False),
        ("telegram:*", "slack:T1/C1", False),
        ("discord:*/42", "discord:9/42", True),
        ("discord:*/42", "discord:9/42/8", True),
        ("discord:42", "discord:42", True),
    ],
)
def test_a_rule_about_chats(pattern: str, chat: str, covered: bool) -> None:
    """A chat with everything below it, and no other."""
    spoken = rule(Verdict.DENY, chats=(pattern,))
    assert matches(spoken, prepared(), Facts(chat=chat), frozenset()) is covered
    moved = Facts(chat="telegram:-1", formerly=(chat, "telegram:-2"))
    assert matches(spoken, prepared(), moved, frozenset()) is (covered or pattern == "telegram:*")


@pytest.mark.parametrize(
    ("requester", "groups", "allows", "denies"),
    [
        ("slack:T1/U1", {}, True, True),
        ("slack:T1/U2", {"owners": True}, True, True),
        ("slack:T1/U2", {"owners": False}, False, False),
        ("slack:T1/U2", {"owners": None}, False, True),
        ("slack:T1/U2", {}, False, True),
        ("", {"owners": False}, False, False),
    ],
)
def test_a_rule_about_people(
    requester: str, groups: dict[str, bool | None], allows: bool, denies: bool
) -> None:
    """A membership nobody can look up never allows, and never hides a deny."""
    facts = Facts(requester=requester, groups=groups)
    for verdict, wanted in ((Verdict.ALLOW, allows), (Verdict.ASK, denies), (Verdict.DENY, denies)):
        spoken = rule(verdict, users=("slack:T1/U1",), groups=("owners",))
        assert matches(spoken, prepared(), facts, frozenset()) is wanted


@pytest.mark.parametrize(
    ("price", "known"),
    [(Quote(ceiling=0), False), (Quote(ceiling=5), True), (Quote(ceiling=9), False)],
)
def test_a_rule_about_prices(price: Quote, known: bool) -> None:
    """Both bounds are inclusive; no price is neither within nor outside."""
    for verdict in Verdict:
        spoken = rule(verdict, ceiling_min=5, ceiling_max=8)
        assert matches(spoken, prepared(quote=price), Facts(), frozenset()) is known
        unpriced = matches(spoken, prepared(quote=NO_PRICE), Facts(), frozenset())
        assert unpriced is (verdict is not Verdict.ALLOW)


def test_an_unknown_price_never_matches_a_ceiling_that_allows() -> None:
    """However high the ceiling is."""
    spoken = rule(Verdict.ALLOW, ceiling_max=10**15)
    assert not matches(spoken, prepared(quote=NO_PRICE), Facts(), frozenset({RiskTag.PAID}))


@pytest.mark.parametrize(
    ("selector", "matched"),
    [
        ({}, True),
        ({"tool": "hf_jobs"}, True),
        ({"tool": "hf_*"}, True),
        ({"tool": "hf_job"}, False),
        ({"operations": frozenset({"run"})}, True),
        ({"operations": frozenset({"ps"})}, False),
        ({"effects": frozenset({EffectClass.PROBE})}, True),
        ({"effects": frozenset({EffectClass.PURE})}, False),
        ({"tags_any": frozenset({RiskTag.PAID, RiskTag.OUTWARD})}, True),
        ({"tags_any": frozenset({RiskTag.OUTWARD})}, False),
        ({"tags_all": frozenset({RiskTag.PAID})}, True),
        ({"tags_all": frozenset({RiskTag.PAID, RiskTag.OUTWARD})}, False),
        ({"tags_none": frozenset({RiskTag.OUTWARD})}, True),
        ({"tags_none": frozenset({RiskTag.PAID})}, False),
        ({"when": {"flavor": (predicate(P.EQ, "t4-small"),)}}, True),
        ({"when": {"flavor": (predicate(P.EQ, "h200"),)}}, False),
        ({"when": {"image": (predicate(P.ABSENT, True),)}}, True),
        ({"when": {"image": (predicate(P.EQ, "x"),)}}, False),
    ],
)
def test_every_selector_must_hold(selector: dict[str, Any], matched: bool) -> None:
    """One that does not fit is enough, whatever the verdict."""
    call = prepared(quote=Quote(ceiling=5))
    for verdict in Verdict:
        spoken = rule(verdict, **selector)
        assert matches(spoken, call, Facts(), risk_tags(call, Facts())) is matched


def test_an_allow_rule_speaks_about_all_that_matters() -> None:
    """An argument that must not pass unnoticed keeps a rule that ignores it from allowing."""
    call = prepared(arguments={"secrets": ["HF"], "flavor": "t4-small"}, matters=("secrets",))
    flavor = {"flavor": (predicate(P.EQ, "t4-small"),)}
    both = {**flavor, "secrets": (predicate(P.IN, ("HF",)),)}
    assert not matches(rule(Verdict.ALLOW, when=flavor), call, Facts(), frozenset())
    assert matches(rule(Verdict.ALLOW, when=both), call, Facts(), frozenset())
    assert not matches(rule(Verdict.ALLOW, when={"secrets": ()}), call, Facts(), frozenset())
    assert matches(rule(Verdict.DENY, when=flavor), call, Facts(), frozenset())


@given(call=gate.calls, facts=gate.facts, spoken=gate.rules)
def test_only_what_is_known_allows(call: PreparedCall, facts: Facts, spoken: Rule) -> None:
    """A rule that allows matches on a plain yes, the others on anything but a plain no."""
    tags = risk_tags(call, facts)
    answer = holds(spoken, call, facts, tags)
    strict = spoken.verdict is Verdict.ALLOW
    assert matches(spoken, call, facts, tags) is (answer is True if strict else answer is not False)


@given(first=gate.rule_lists, second=gate.rule_lists)
def test_a_version_is_of_every_word(first: tuple[Rule, ...], second: tuple[Rule, ...]) -> None:
    """The same rules have the same version, other rules another."""
    assert (policy_of(first).version == policy_of(second).version) is (first == second)
    assert policy_of(first) == policy_of(list(first))
    assert policy_of(()).version == "none"
