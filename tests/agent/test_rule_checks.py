"""What a start says about rules: examples that go the wrong way, fields that are not there."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from agent.messages import JsonObject
from agent.policy import Facts, risk_tags
from agent.predicates import PredicateKind
from agent.providers.base import ToolSpec
from agent.rule_checks import check_rules, hidden_rules
from agent.rules import Example, Policy, Rule, matches
from agent.tools.arguments import checked, normalised_name
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RiskTag,
    Tool,
    ToolOutput,
    Verdict,
)
from tests.agent import gate
from tests.agent.gate import NO_PRICE, predicate, rule

P = PredicateKind
PROPERTIES: dict[str, JsonObject] = {
    "operation": {"type": "string", "enum": ["run", "ps", "scheduled run"]},
    "flavor": {"type": "string", "enum": ["t4-small", "l4x1", "a100-large"]},
    "timeout": {"type": "integer", "minimum": 1, "default": 1800},
    "command": {"type": "array"},
    "detach": {"type": "boolean"},
    "expose": {"type": "integer"},
    "schedule": {"type": "string"},
}
REQUIRED = {"run": ("command",), "scheduled run": ("schedule", "command"), "ps": ()}


class Jobs:
    """A tool with operations, whose prices only a look shows and whose timeout has another name."""

    @property
    def spec(self) -> ToolSpec:
        parameters = {"type": "object", "properties": PROPERTIES, "additionalProperties": False}
        return ToolSpec(name="hf_jobs", description="jobs", parameters=parameters)

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        operation = normalised_name(str(arguments.get("operation")))
        if operation not in PROPERTIES["operation"]["enum"]:
            return Malformed(text="no such operation.")
        seen = {name: arguments[name] for name in ("visibility",) if name in arguments}
        given = {name: arguments[name] for name in arguments if name not in ("operation", *seen)}
        fields = tuple(name for name in PROPERTIES if name != "operation")
        complete = checked(
            given,
            PROPERTIES,
            fields=fields,
            required=REQUIRED[operation],
            aliases={"timeout_s": "timeout", "cmd": "command"},
        )
        if isinstance(complete, Malformed):
            return complete
        if complete.get("schedule", "@daily") != "@daily":
            return Malformed(text="The field 'schedule' must be @daily.")
        arguments = {name: complete[name] for name in complete if name != "timeout"}
        outward = frozenset({RiskTag.OUTWARD} if "expose" in complete else ())
        return PreparedCall(
            tool="hf_jobs",
            operation=operation,
            arguments={**arguments, **seen, "timeout_s": complete["timeout"]},
            effect=EffectClass.PROBE,
            label="hf_jobs",
            quote=NO_PRICE,
            tags=outward,
        )

    async def inspect(self, call: PreparedCall, context: CallContext) -> PreparedCall | None:
        return None

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        return ToolOutput(text="ran")


class Plain:
    """A tool without operations that is judged as it was prepared."""

    @property
    def spec(self) -> ToolSpec:
        parameters = {"type": "object", "properties": {"path": {"type": "string"}}}
        return ToolSpec(name="look", description="look", parameters=parameters)

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        complete = checked(
            arguments, self.spec.parameters["properties"], fields=("path",), required=()
        )
        if isinstance(complete, Malformed):
            return complete
        return PreparedCall(
            tool="look",
            operation="get",
            arguments=arguments,
            effect=EffectClass.PURE,
            label="look",
        )

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        return ToolOutput(text="ran")


TOOLS: dict[str, Tool] = {"hf_jobs": Jobs(), "look": Plain()}


def example(operation: str = "run", **fields: Any) -> Example:
    """An example of hf_jobs."""
    arguments = {name: fields.pop(name) for name in list(fields) if name in PROPERTIES}
    return Example(operation=operation, arguments=arguments, **fields)


SMALL = rule(
    Verdict.ALLOW,
    "ml-small-gpu",
    tool="hf_jobs",
    operations=frozenset({"run"}),
    when={
        "flavor": (predicate(P.IN, ("t4-small", "l4x1")),),
        "timeout_s": (predicate(P.MAX, 3600),),
    },
    ceiling_max=1_000_000,
    tags_none=frozenset({RiskTag.OUTWARD, RiskTag.TAINTED}),
    chats=("slack:T1/C1",),
    groups=("slack:T1/S1",),
)
GOOD = example(flavor="t4-small", timeout=1800)
BAD = (
    example(flavor="a100-large"),
    example("scheduled run", flavor="t4-small"),
    example(flavor="t4-small", timeout=7200),
    example(flavor="t4-small", expose=80),
    example(flavor="t4-small", tainted=True),
    example(flavor="t4-small", ceiling=1_000_001),
    example(flavor="t4-small", chat="slack:T1/C2"),
)


def said(*rules: Rule) -> list[str]:
    """What is wrong with rules."""
    return [str(fault) for fault in check_rules(Policy(rules=rules), TOOLS)]


def test_examples_that_go_the_right_way() -> None:
    """Conditions are tried, and what an example leaves open is not tested."""
    matching = (GOOD, replace(GOOD, ceiling=900_000), replace(GOOD, chat="slack:T1/C1/1700.1"))
    assert said(replace(SMALL, match=matching, no_match=BAD)) == []


@pytest.mark.parametrize("inverted", BAD)
def test_an_example_that_should_match_and_does_not(inverted: Example) -> None:
    """Every example of what must not match is a fault where it says that it must."""
    (fault,) = check_rules(Policy(rules=(replace(SMALL, match=(GOOD, inverted)),)), TOOLS)
    assert (fault.rule, fault.at, fault.problem) == (0, ("match", 1), "does not match")


@pytest.mark.parametrize("verdict", Verdict)
def test_an_example_that_matches_and_should_not(verdict: Verdict) -> None:
    """Inverted, whatever the rule says of such calls."""
    sure = replace(GOOD, ceiling=1, chat="slack:T1/C1")
    plain = replace(SMALL, verdict=verdict, tags_none=frozenset(), groups=(), no_match=(sure,))
    assert said(plain) == ["rule ml-small-gpu.no_match.0: matches; change the example or the rule"]


def test_an_example_that_only_a_look_decides() -> None:
    """What nobody can tell without the price is no proof that a rule does not match."""
    (fault,) = said(replace(SMALL, no_match=(GOOD,)))
    assert "may match" in fault
    assert "ceiling" in fault


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Example(operation="runn"), "is no call of it: no such operation."),
        (Example(operation="run", arguments={"flavour": "x"}), "Did you mean 'flavor'?"),
        (Example(operation="run", arguments={"timeout": "x"}), "'timeout' must be an integer"),
    ],
)
def test_an_example_that_is_no_call(wrong: Example, words: str) -> None:
    """An example the tool would refuse proves nothing."""
    asking = rule(Verdict.ASK, tool="hf_jobs")
    for spoken in (replace(asking, match=(wrong,)), replace(asking, no_match=(wrong,))):
        assert any(words in fault for fault in said(spoken))


@pytest.mark.parametrize(
    ("when", "wanted", "unwanted"),
    [
        ({"flavor": (predicate(P.EQ, "l4x1"),)}, {"flavor": "l4x1"}, {"flavor": "t4-small"}),
        ({"timeout_s": (predicate(P.MAX, 60),)}, {"timeout": 60}, {"timeout": 61}),
    ],
)
def test_an_example_that_spells_out_only_what_matters(
    when: dict[str, Any], wanted: dict[str, Any], unwanted: dict[str, Any]
) -> None:
    """Required arguments may be left out, also those that no filler fits."""
    spoken = rule(
        Verdict.ALLOW,
        tool="hf_jobs",
        operations=frozenset({"scheduled run"}),
        effects=frozenset({EffectClass.PROBE}),
        when=when,
        ceiling_max=5,
    )
    good = Example(operation="scheduled run", arguments=wanted)
    bad = Example(operation="scheduled run", arguments=unwanted)
    other = Example(operation="run", arguments={"flavor": "l4x1"})
    assert said(replace(spoken, match=(good,), no_match=(bad, other))) == []
    assert said(replace(spoken, match=(bad,))) == [
        "rule r1.match.0: does not match; change the example or the rule"
    ]
    (fault,) = said(replace(spoken, no_match=(good,)))
    assert "may match" in fault


def test_an_operation_of_a_tool_that_has_none() -> None:
    """Its only operation may be named, any other is a fault."""
    look = rule(Verdict.ASK, tool="look", match=(Example(operation="GET"),))
    assert said(look) == []
    assert "its operation is 'get'" in said(replace(look, match=(Example(operation="put"),)))[0]


@pytest.mark.parametrize(
    ("field", "condition", "words"),
    [
        ("flavour", (P.EQ, "x"), 'when.flavour: is no argument of it; did you mean "flavor"?'),
        ("cmd", (P.IN, ("ls",)), "when.cmd: is no argument of it"),
        ("zzz", (P.ABSENT, True), "when.zzz: is no argument of it; there are command, detach"),
        ("flavor", (P.MAX, 3), "when.flavor.max: does not fit a value of the type string"),
        ("flavor", (P.EQ, 3), "when.flavor.eq: 3 is not of the type string"),
        ("flavor", (P.IN, ("t4-smal",)), "'t4-smal' is no value of it; did you mean \"t4-small\"?"),
        ("flavor", (P.ARGV_PREFIX, ("a",)), "does not fit a value of the type string"),
        ("timeout", (P.EQ, 1), "when.timeout: is a length of time, which rules know in seconds"),
        ("expose", (P.PREFIX, "1"), "does not fit a value of the type integer"),
        ("expose", (P.EQ, True), "True is not of the type integer"),
        ("detach", (P.EQ, 1), "1 is not of the type boolean"),
        ("detach", (P.MIN, 1), "does not fit a value of the type boolean"),
        ("command", (P.EQ, "ls"), "is compared with a list; write a list"),
        ("command", (P.IN, (3,)), "3 is not of the type string"),
    ],
)
def test_a_condition_that_fits_no_argument(
    field: str, condition: tuple[PredicateKind, Any], words: str
) -> None:
    """A condition nothing can meet is a slip of the pen, and a deny that never denies."""
    spoken = rule(Verdict.DENY, tool="hf_jobs", when={field: (predicate(*condition),)})
    (fault,) = said(spoken)
    assert words in fault


@pytest.mark.parametrize(
    ("field", "condition"),
    [
        ("flavor", (P.EQ, "l4x1")),
        ("flavor", (P.GLOB, "a100*")),
        ("timeout_s", (P.MAX, 60)),
        ("command", (P.ARGV_PREFIX, ("ls",))),
        ("command", (P.EQ, ("ls", "-l"))),
        ("command", (P.IN, ("ls",))),
        ("detach", (P.EQ, True)),
        ("expose", (P.ABSENT, True)),
        ("visibility", (P.EQ, "public")),
    ],
)
def test_a_condition_that_fits(field: str, condition: tuple[PredicateKind, Any]) -> None:
    """Arguments of the schema, lengths of time under their normal name, and facts of a look."""
    assert said(rule(Verdict.DENY, tool="hf_jobs", when={field: (predicate(*condition),)})) == []


def test_an_operation_nobody_has() -> None:
    """A rule about it would never match."""
    spoken = rule(Verdict.DENY, tool="hf_jobs", operations=frozenset({"run", "rnu"}))
    assert said(spoken) == ['rule r1.op: "rnu" is no operation of it; did you mean "run"?']


def test_rules_about_several_tools() -> None:
    """What fits one of them is in order; a tool that is not there is not asked about."""
    fine = rule(Verdict.DENY, when={"path": (predicate(P.PREFIX, "a"),)})
    assert said(fine, rule(Verdict.DENY, tool="shell", when={"zzz": ()})) == []
    (fault,) = said(rule(Verdict.DENY, when={"pth": (predicate(P.PREFIX, "a"),)}))
    assert 'did you mean "path"?' in fault


@pytest.mark.parametrize(
    ("narrow", "wide", "hidden"),
    [
        ({}, {}, True),
        ({"tool": "hf_jobs"}, {"tool": "hf_*"}, True),
        ({"tool": "hf_*"}, {"tool": "hf_jobs"}, False),
        ({"operations": frozenset({"run"})}, {"operations": frozenset({"run", "ps"})}, True),
        ({}, {"operations": frozenset({"run"})}, False),
        ({"ceiling_max": 5}, {"ceiling_max": 6}, True),
        ({"ceiling_max": 7}, {"ceiling_max": 6}, False),
        ({"ceiling_min": 7}, {"ceiling_min": 6}, True),
        ({}, {"ceiling_min": 6}, False),
        ({"tags_any": frozenset({RiskTag.PAID})}, {"tags_any": frozenset(RiskTag)}, True),
        ({}, {"tags_any": frozenset(RiskTag)}, False),
        ({"tags_none": frozenset(RiskTag)}, {"tags_none": frozenset({RiskTag.PAID})}, True),
        ({"tags_none": frozenset()}, {"tags_none": frozenset({RiskTag.PAID})}, False),
        ({"chats": ("slack:T1/C1",)}, {"chats": ("slack:T1/C1", "slack:T1/C2")}, True),
        ({"users": ("a",), "groups": ("owners",)}, {"users": ("a",)}, False),
        ({"when": {"n": (predicate(P.MAX, 5),)}}, {"when": {"n": (predicate(P.MAX, 6),)}}, True),
        ({"when": {"n": (predicate(P.MAX, 7),)}}, {"when": {"n": (predicate(P.MAX, 6),)}}, False),
        ({"when": {"n": (predicate(P.EQ, 5),)}}, {"when": {"n": (predicate(P.IN, (5, 6)),)}}, True),
        ({"when": {"m": (predicate(P.EQ, 5),)}}, {"when": {"n": (predicate(P.EQ, 5),)}}, False),
    ],
)
def test_a_rule_that_a_stricter_one_always_hides(
    narrow: dict[str, Any], wide: dict[str, Any], hidden: bool
) -> None:
    """It decides nothing, which its writer should know; one as strict hides nothing."""
    allowing, denying = rule(Verdict.ALLOW, "a", **narrow), rule(Verdict.DENY, "d", **wide)
    found = hidden_rules(Policy(rules=(allowing, denying)))
    assert found == ((("a", "d"),) if hidden else ())
    assert hidden_rules(Policy(rules=(replace(allowing, verdict=Verdict.DENY), denying))) == ()


@given(call=gate.calls, facts=gate.facts, rules=gate.rule_lists)
def test_a_hidden_rule_never_decides(
    call: PreparedCall, facts: Facts, rules: tuple[Rule, ...]
) -> None:
    """Wherever it matches, the one that hides it matches too."""
    named = tuple(replace(one, id=str(place)) for place, one in enumerate(rules))
    tags = risk_tags(call, facts)
    for narrow, wide in hidden_rules(Policy(rules=named)):
        if matches(named[int(narrow)], call, facts, tags):
            assert matches(named[int(wide)], call, facts, tags)
