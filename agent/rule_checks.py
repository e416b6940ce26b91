"""Pure: what is wrong with rules that each look right, held against the tools and each other."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from agent.costs import Quote, Unknown, UnknownBecause
from agent.durations import seconds_of
from agent.messages import JsonObject
from agent.policy import risk_tags
from agent.predicates import Predicate, PredicateKind
from agent.rules import Example, Facts, Policy, Rule, ceiling_fits, holds, names_tool
from agent.tools.arguments import MISSING, UNKNOWN, normalised_name
from agent.tools.base import EffectClass, InspectingTool, Malformed, PreparedCall, Tool, Verdict
from agent.tristate import Known, all_of, any_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFault:
    """One thing to change: `rule` by its place among all rules, `at` where below it."""

    rule: int
    id: str
    at: tuple[str | int, ...]
    problem: str
    fix: str

    def __str__(self) -> str:
        place = ".".join((self.id, *map(str, self.at)))
        return f"rule {place}: {self.problem}; {self.fix}"


def check_rules(policy: Policy, tools: Mapping[str, Tool]) -> tuple[RuleFault, ...]:
    """Try every rule on its examples and its conditions on the tools' schemas.

    `tools` stand under the names rules know (`mcp:SERVER/TOOL`, not what models see). Rules about
    tools that are not there (not enabled, a server not connected) are left alone.
    """
    return tuple(
        RuleFault(rule=place, id=rule.id, at=at, problem=problem, fix=fix)
        for place, rule in enumerate(policy.rules)
        if (named := [tool for name, tool in tools.items() if names_tool(rule, name)])
        for at, problem, fix in _faults(rule, named)
    )


def hidden_rules(policy: Policy) -> tuple[tuple[str, str], ...]:
    """Rules that never decide anything, each with a stricter one that always matches with it."""
    return tuple(
        (hidden.id, found)
        for hidden in policy.rules
        if (found := next(_hiders(hidden, policy.rules), None)) is not None
    )


_Found = tuple[tuple[str | int, ...], str, str]
_STRICTNESS: Final = (Verdict.ALLOW, Verdict.ASK, Verdict.DENY)


def _faults(rule: Rule, tools: list[Tool]) -> Iterator[_Found]:
    yield from _operation_faults(rule, tools)
    yield from _field_faults(rule, tools)
    for key, examples in (("match", rule.match), ("no_match", rule.no_match)):
        for index, example in enumerate(examples):
            if fault := _example_fault(rule, example, tools, wanted=key == "match"):
                yield (key, index), *fault


def _operation_faults(rule: Rule, tools: list[Tool]) -> Iterator[_Found]:
    lists = [_properties(tool).get("operation", {}).get("enum") for tool in tools]
    if not all(lists):
        return
    known = {normalised_name(name) for names in lists for name in names or ()}
    for operation in sorted(rule.operations - known):
        yield ("op",), f'"{operation}" is no operation of it', _instead(operation, known)


def _field_faults(rule: Rule, tools: list[Tool]) -> Iterator[_Found]:
    known: dict[str, list[JsonObject]] = {}
    for tool in tools:
        for name, schema in _properties(tool).items():
            known.setdefault(name, []).append(schema)
    for name, predicates in rule.when.items():
        if name not in known:
            if not any(_takes(tool, name, rule.operations) for tool in tools):
                near = _instead(name, set(known) - {"operation"})
                yield ("when", name), "is no argument of it", near
            continue
        seconds = f"{name}_s"
        # A tool that takes any field takes this one as well, and that says nothing about time.
        closed = [t for t in tools if t.spec.parameters.get("additionalProperties") is False]
        if seconds not in known and any(_takes(tool, seconds, frozenset()) for tool in closed):
            yield (
                ("when", name),
                "is a length of time, which rules know in seconds",
                f"write {seconds}",
            )
            continue
        for predicate in predicates:
            if problem := _mismatch(predicate, known[name]):
                yield ("when", name, predicate.kind.value), *problem


_FILLERS: Final[tuple[object, ...]] = ("x", ["x"], 1, {"x": "x"})


def _takes(tool: Tool, name: str, operations: frozenset[str]) -> bool:
    """Whether a call may carry an argument that the model is not shown.

    What a look adds to a call is taken back when the call is prepared again, so the tool knows it.
    """
    listed = _properties(tool).get("operation", {}).get("enum")
    unclear, renamed = False, False
    for operation in operations or listed or ("",):
        for filler in _FILLERS:
            arguments: dict[str, Any] = {"operation": operation} if listed else {}
            call, _ = _filled(tool, {**arguments, name: filler})
            if isinstance(call, PreparedCall):
                if name in call.arguments:
                    return True
                renamed = True  # another name of an argument, which rules know by its own
            elif not UNKNOWN.search(call.text):
                unclear = True  # something else of the call is wrong first
    return unclear and not renamed


def _properties(tool: Tool) -> Mapping[str, JsonObject]:
    found: Mapping[str, JsonObject] = tool.spec.parameters.get("properties", {})
    return found


def _instead(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f'did you mean "{near[0]}"?' if near else f"there are {', '.join(sorted(known))}"


_TEXT: Final = frozenset({PredicateKind.PREFIX, PredicateKind.GLOB, PredicateKind.HOST_IN})
_SHAPES: Final[Mapping[str, frozenset[PredicateKind]]] = {
    "string": _TEXT | {PredicateKind.EQ, PredicateKind.IN},
    "integer": frozenset(
        {PredicateKind.EQ, PredicateKind.IN, PredicateKind.MIN, PredicateKind.MAX}
    ),
    "number": frozenset({PredicateKind.EQ, PredicateKind.IN, PredicateKind.MIN, PredicateKind.MAX}),
    "boolean": frozenset({PredicateKind.EQ, PredicateKind.IN}),
    "array": _TEXT | {PredicateKind.EQ, PredicateKind.IN, PredicateKind.ARGV_PREFIX},
    "object": _TEXT | {PredicateKind.IN},
}
_VALUES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "object": str,
}


def _mismatch(predicate: Predicate, schemas: list[JsonObject]) -> tuple[str, str] | None:
    """Why a condition can hold for no value of an argument; None if for some tool's it can."""
    problems = [_mismatch_with(predicate, schema) for schema in schemas]
    return None if None in problems else problems[0]


def _mismatch_with(predicate: Predicate, schema: JsonObject) -> tuple[str, str] | None:
    kind, shape = predicate.kind, schema.get("type")
    if kind is PredicateKind.ABSENT or not isinstance(shape, str) or shape not in _SHAPES:
        return None
    if kind not in _SHAPES[shape]:
        words = ", ".join(sorted(k.value for k in _SHAPES[shape]))
        return f"does not fit a value of the type {shape}", f"there are {words}, absent"
    if kind not in (PredicateKind.EQ, PredicateKind.IN):
        return None
    wanted = predicate.value if isinstance(predicate.value, tuple) else (predicate.value,)
    if shape == "array":
        if kind is PredicateKind.EQ and not isinstance(predicate.value, tuple):
            return "is compared with a list", "write a list"
        schema = schema.get("items", {})
        shape = schema.get("type", "string")
    for value in wanted:
        if not _is_of(value, shape):
            return f"{value!r} is not of the type {shape}", "write it as the tool takes it"
        if "enum" in schema and value not in schema["enum"]:
            return f"{value!r} is no value of it", _instead(str(value), set(schema["enum"]))
    return None


def _is_of(value: object, shape: str) -> bool:
    expected = _VALUES.get(shape)
    if expected is None:
        return True
    return isinstance(value, expected) and (shape != "integer" or not isinstance(value, bool))


def _example_fault(
    rule: Rule, example: Example, tools: list[Tool], *, wanted: bool
) -> tuple[str, str] | None:
    tried = [(tool, _prepared(tool, rule, example)) for tool in tools]
    calls = [(tool, call) for tool, call in tried if not isinstance(call, Malformed)]
    if not calls:
        said = next(call.text for _, call in tried if isinstance(call, Malformed))
        return f"is no call of it: {said}", "write it as the model would"
    found = any_of(_tried(rule, example, tool, call) for tool, call in calls)
    if wanted and found is False:
        return "does not match", "change the example or the rule"
    if not wanted and found is True:
        return "matches", "change the example or the rule"
    if not wanted and found is None:
        return "may match: it depends on what only a look shows", "give it a ceiling, or drop it"
    return None


def _prepared(tool: Tool, rule: Rule, example: Example) -> "PreparedCall | _Part | Malformed":
    """The call an example makes: with a filler for what it leaves out, else what there is of it."""
    arguments: dict[str, Any] = dict(example.arguments)
    operation = normalised_name(example.operation)
    if operation and "operation" in _properties(tool):
        arguments["operation"] = operation
    call, filled = _filled(tool, arguments)
    if isinstance(call, Malformed):
        return _part(tool, rule, example) if filled else call
    if operation and call.operation != operation:
        return Malformed(text=f"its operation is {call.operation!r}, not {operation!r}.")
    return call


def _filled(tool: Tool, arguments: dict[str, Any]) -> tuple[PreparedCall | Malformed, bool]:
    """Prepare a call with a filler for each required argument it lacks, and whether it had one."""
    properties = _properties(tool)
    complete = dict(arguments)
    call = tool.prepare(complete)
    while isinstance(call, Malformed) and (field := _missing(call, properties, complete)):
        complete[field] = _filler(properties[field])
        call = tool.prepare(complete)
    return call, complete != arguments


def _missing(
    said: Malformed, properties: Mapping[str, JsonObject], arguments: Mapping[str, Any]
) -> str | None:
    found = MISSING.search(said.text)
    name = found[1] if found else ""
    return name if name in properties and name not in arguments and name != "operation" else None


def _filler(schema: JsonObject) -> object:
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    fillers = {"integer": schema.get("minimum", 1), "boolean": False, "array": ["x"], "object": {}}
    return fillers.get(schema.get("type", ""), "x")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What an example says of a call it does not spell out, and the rule as far as it is tried."""

    call: PreparedCall
    rule: Rule


def _part(tool: Tool, rule: Rule, example: Example) -> _Part:
    """Take an example as it stands; a length of time gets its normal name."""
    arguments = dict(example.arguments)
    for name in rule.when:
        if name.endswith("_s") and name[:-2] in arguments:
            arguments[name] = seconds_of(arguments.pop(name[:-2]))
    call = PreparedCall(
        tool=tool.spec.name,
        operation=normalised_name(example.operation),
        arguments=arguments,
        effect=EffectClass.ONCE,
        label="",
        quote=Quote(ceiling=Unknown(because=UnknownBecause.PRICE)),
    )
    return _Part(call=call, rule=replace(rule, effects=frozenset()))


def _tried(rule: Rule, example: Example, tool: Tool, given: "PreparedCall | _Part") -> Known:
    """Whether a rule holds for an example, as far as can be said without a look at the world."""
    seen = not isinstance(tool, InspectingTool)
    if isinstance(given, _Part):
        call, rule, seen = given.call, given.rule, False
    else:
        call = given
    tried = replace(rule, chats=rule.chats if example.chat else ())
    if not example.user:
        tried = replace(tried, users=(), groups=())
    facts = Facts(
        requester=example.user or "",
        chat=example.chat or "",
        taint=("an example",) if example.tainted else (),
        inspected=seen,
    )
    if example.ceiling is None:
        return holds(tried, call, facts, risk_tags(call, facts))
    priced = replace(call, quote=Quote(ceiling=example.ceiling))
    unpriced = replace(tried, ceiling_min=None, ceiling_max=None)
    rest = holds(unpriced, priced, facts, risk_tags(priced, facts))
    return all_of((rest, ceiling_fits(rule, priced, inspected=True)))


def _hiders(hidden: Rule, rules: tuple[Rule, ...]) -> Iterator[str]:
    """Stricter rules that match wherever this one does, as far as can be told from their words."""
    for other in rules:
        stricter = _STRICTNESS.index(other.verdict) > _STRICTNESS.index(hidden.verdict)
        if stricter and _covers(other, hidden):
            yield other.id


def _covers(wide: Rule, narrow: Rule) -> bool:
    tool = wide.tool == narrow.tool or (
        wide.tool.endswith("*") and narrow.tool.startswith(wide.tool[:-1])
    )
    return (
        tool
        and _holds_all(wide.operations, narrow.operations)
        and _holds_all(wide.effects, narrow.effects)
        and _holds_all(frozenset(wide.chats), frozenset(narrow.chats))
        and _holds_all(
            frozenset((*wide.users, *wide.groups)), frozenset((*narrow.users, *narrow.groups))
        )
        and wide.tags_none <= narrow.tags_none
        and wide.tags_all <= narrow.tags_all
        and _holds_all(wide.tags_any, narrow.tags_any)
        and _within(wide, narrow)
        and all(
            any(_implies(own, predicate) for own in narrow.when.get(name, ()))
            for name, predicates in wide.when.items()
            for predicate in predicates
        )
    )


def _holds_all(wide: frozenset[Any], narrow: frozenset[Any]) -> bool:
    """Whether a selector lets through all that another does; an empty one lets through all."""
    return not wide or (bool(narrow) and narrow <= wide)


def _within(wide: Rule, narrow: Rule) -> bool:
    low = wide.ceiling_min is None or (
        narrow.ceiling_min is not None and narrow.ceiling_min >= wide.ceiling_min
    )
    high = wide.ceiling_max is None or (
        narrow.ceiling_max is not None and narrow.ceiling_max <= wide.ceiling_max
    )
    return low and high


def _implies(own: Predicate, other: Predicate) -> bool:
    """Whether a value that meets one condition meets the other, where that is plain to see."""
    if own == other:
        return True
    match own.kind, other.kind:
        case PredicateKind.EQ, PredicateKind.IN:
            return own.value in other.value
        case PredicateKind.IN, PredicateKind.IN:
            return set(own.value) <= set(other.value)
        case PredicateKind.MIN, PredicateKind.MIN:
            return bool(own.value >= other.value)
        case PredicateKind.MAX, PredicateKind.MAX:
            return bool(own.value <= other.value)
    return False
