"""A draft of a rule allows its own call and no other."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.costs import Quote, Unknown, UnknownBecause
from agent.policy import judge
from agent.rules import Facts, Layer, Policy, Rule, policy_of
from agent.tools.base import EffectClass, PreparedCall, RiskTag, Verdict
from gateway.config import load
from gateway.web.rule_draft import draft_rule

CALL = PreparedCall(
    tool="hf_jobs",
    operation="run",
    arguments={
        "operation": "run",
        "flavor": "t4-small",
        "timeout_s": 1800,
        "command": ["python", "train.py"],
        "detach": False,
        "image": None,
    },
    effect=EffectClass.PROBE,
    label="hf_jobs: run",
    default=Verdict.ASK,
    quote=Quote(ceiling=240_001),
    matters=("image",),
)
FACTS = Facts(requester="slack:T1/U1", chat="slack:T1/C1")
NONE = Policy()


def policy_in(draft: str) -> Policy:
    """The rules of a configuration that holds the draft."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "gatepost.toml"
        file.write_text(draft, encoding="utf-8")
        return load(file, {}).policy


def verdict(policy: Policy, call: PreparedCall = CALL, facts: Facts = FACTS) -> Verdict:
    """What the gate says."""
    return judge(call, facts, policy).verdict


def test_a_draft_reads_like_a_rule_of_the_manual() -> None:
    """Every argument is pinned, the price, the class, the tags, the chat and the person."""
    assert draft_rule(CALL, FACTS, NONE, ident="allow-k7q2f").splitlines() == [
        "[[policy]]",
        'id = "allow-k7q2f"',
        'tool = "hf_jobs"',
        'op = ["run"]',
        'when = { flavor = { eq = "t4-small" }, timeout_s = { eq = 1800 },'
        ' command = { eq = ["python", "train.py"] }, detach = { eq = false },'
        " image = { absent = true } }",
        'ceiling = { max = "$0.240001" }',
        'effect = ["probe"]',
        'tags = { none = ["destructive", "recurring", "outward", "tainted"] }',
        'chat = ["slack:T1/C1"]',
        'user = ["slack:T1/U1"]',
        'verdict = "allow"',
        'match = [{ op = "run", args = { operation = "run", flavor = "t4-small",'
        ' timeout_s = 1800, command = ["python", "train.py"], detach = false },'
        ' chat = "slack:T1/C1", user = "slack:T1/U1", ceiling = "$0.240001" }]',
    ]


def test_it_allows_this_and_nothing_else() -> None:
    """Another value, price, chat, person, tag, class or operation is asked about as before."""
    policy = policy_in(draft_rule(CALL, FACTS, NONE, ident="x"))
    assert verdict(NONE) is Verdict.ASK
    assert verdict(policy) is Verdict.ALLOW
    for name, value in (
        ("flavor", "a100-large"),
        ("timeout_s", 1801),
        ("command", ["python", "train.py", "--all"]),
        ("detach", True),
        ("image", "evil"),
    ):
        other = replace(CALL, arguments={**CALL.arguments, name: value})
        assert verdict(policy, other) is Verdict.ASK
    assert verdict(policy, replace(CALL, quote=Quote(ceiling=240_002))) is Verdict.ASK
    assert verdict(policy, replace(CALL, operation="uv")) is Verdict.ASK
    assert verdict(policy, replace(CALL, effect=EffectClass.ONCE)) is Verdict.ASK
    assert verdict(policy, replace(CALL, tags=frozenset({RiskTag.DESTRUCTIVE}))) is Verdict.ASK
    assert verdict(policy, replace(CALL, matters=("image", "secrets"))) is Verdict.ASK
    assert verdict(policy, facts=replace(FACTS, chat="slack:T1/C2")) is Verdict.ASK
    assert verdict(policy, facts=replace(FACTS, requester="slack:T1/U2")) is Verdict.ASK
    assert verdict(policy, facts=replace(FACTS, taint=("a web page",))) is Verdict.ASK


@pytest.mark.parametrize(
    ("call", "facts", "policy"),
    [
        (replace(CALL, quote=Quote(ceiling=Unknown(because=UnknownBecause.PRICE))), FACTS, NONE),
        (replace(CALL, tags=frozenset({RiskTag.OUTWARD})), FACTS, NONE),
        (replace(CALL, tags=frozenset({RiskTag.RECURRING})), FACTS, NONE),
        (replace(CALL, declared=False), FACTS, NONE),
        (replace(CALL, firm=True), FACTS, NONE),
        (replace(CALL, default=Verdict.DENY), FACTS, NONE),
        (replace(CALL, arguments={"env": {"A": "b"}}), FACTS, NONE),
        (replace(CALL, arguments={"a": "\ud800"}), FACTS, NONE),
        (CALL, replace(FACTS, requester=""), NONE),
        (CALL, replace(FACTS, inspected=False), NONE),
        (CALL, FACTS, policy_of([Rule(id="no", tool="hf_*", verdict=Verdict.DENY)])),
        (
            CALL,
            FACTS,
            policy_of([Rule(id="u", tool="hf_*", verdict=Verdict.ASK, layer=Layer.CHAT)]),
        ),
    ],
)
def test_where_no_rule_would_help_there_is_no_draft(
    call: PreparedCall, facts: Facts, policy: Policy
) -> None:
    """What is asked whatever the rules say, or can't be pinned, is not promised."""
    assert draft_rule(call, facts, policy, ident="x") == ""


def test_a_draft_for_a_tainted_turn_says_so() -> None:
    """Its example is tried on a tainted turn too."""
    facts = replace(FACTS, taint=("2 web pages",))
    draft = draft_rule(CALL, facts, NONE, ident="x")
    assert "tainted = true" in draft
    assert verdict(policy_in(draft), facts=facts) is Verdict.ALLOW


VALUES = st.one_of(
    st.text(max_size=20),
    st.integers(-(2**53), 2**53),
    st.booleans(),
    st.none(),
    st.lists(st.text(max_size=5), max_size=3),
)


@settings(max_examples=40)
@given(st.dictionaries(st.text("abc_-. ä\"'\n", min_size=1, max_size=6), VALUES, max_size=4))
def test_any_arguments_survive_the_configuration(arguments: dict[str, object]) -> None:
    """Whatever the text, the file reads, and its rule allows the call it was made for."""
    call = replace(CALL, arguments=arguments, matters=())
    draft = draft_rule(call, FACTS, NONE, ident="x")
    assert verdict(policy_in(draft), call) is Verdict.ALLOW
    assert all(letter.isprintable() or letter == "\n" for letter in draft)
