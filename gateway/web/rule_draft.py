"""Pure: a `[[policy]]` rule that would allow exactly one call, written for the configuration."""

import re
from collections.abc import Iterable, Iterator, Mapping

from agent.costs import DOLLAR, Unknown
from agent.policy import judge, risk_tags
from agent.predicates import Predicate, PredicateKind
from agent.rules import Facts, Policy, Rule, policy_of
from agent.tools.arguments import normalised_name
from agent.tools.base import PreparedCall, RiskTag, Verdict

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def draft_rule(call: PreparedCall, facts: Facts, policy: Policy, *, ident: str) -> str:
    """The rule as TOML, tried on its own call first; empty if no rule can allow exactly that.

    So it is where the gate asks whatever the rules say (an unknown price, something outward or
    recurring), where a rule in force is stricter, where a clock asks, and where an argument is of
    a kind that no condition compares whole.
    """
    ceiling = call.quote.ceiling
    if isinstance(ceiling, Unknown) or not facts.requester or not facts.chat:
        return ""
    arguments = {
        name: value
        for name, value in call.arguments.items()
        if not (name in ("operation", "op") and normalised_name(str(value)) == call.operation)
    }
    if not all(map(_comparable, call.arguments.values())):
        return ""
    rule = _rule(call, facts, arguments, ceiling, ident)
    widened = policy_of((*policy.rules, rule))
    if judge(call, facts, widened).verdict is not Verdict.ALLOW:
        return ""
    return "\n".join(_written(rule, call, facts, ceiling))


def _rule(
    call: PreparedCall, facts: Facts, arguments: Mapping[str, object], ceiling: int, ident: str
) -> Rule:
    return Rule(
        id=ident,
        tool=call.tool,
        verdict=Verdict.ALLOW,
        operations=frozenset((call.operation,) if call.operation else ()),
        when={name: (_pinned(value),) for name, value in arguments.items()},
        ceiling_max=ceiling,
        effects=frozenset((call.effect,)),
        tags_none=frozenset(RiskTag) - risk_tags(call, facts),
        chats=(facts.chat,),
        users=(facts.requester,),
    )


def _comparable(value: object) -> bool:
    match value:
        case None | bool() | int() | float():
            return True
        case str():
            return not any("\ud800" <= letter <= "\udfff" for letter in value)
        case list() | tuple():
            return all(isinstance(item, str | bool | int | float) for item in value) and all(
                map(_comparable, value)
            )
        case _:
            return False


def _pinned(value: object) -> Predicate:
    if value is None:
        return Predicate(kind=PredicateKind.ABSENT, value=True)
    return Predicate(
        kind=PredicateKind.EQ, value=tuple(value) if isinstance(value, list) else value
    )


def _written(rule: Rule, call: PreparedCall, facts: Facts, ceiling: int) -> Iterator[str]:
    price = _text(_exact_dollars(ceiling))
    yield "[[policy]]"
    yield f"id = {_text(rule.id)}"
    yield f"tool = {_text(rule.tool)}"
    if call.operation:
        yield f"op = [{_text(call.operation)}]"
    if rule.when:
        pins = {name: _condition(predicates[0]) for name, predicates in rule.when.items()}
        yield f"when = {_table(pins)}"
    yield f"ceiling = {{ max = {price} }}"
    yield f"effect = [{_text(call.effect.value)}]"
    without = (tag.value for tag in RiskTag if tag in rule.tags_none)
    yield f"tags = {{ none = {_value(list(without))} }}"
    yield f"chat = [{_text(facts.chat)}]"
    yield f"user = [{_text(facts.requester)}]"
    yield 'verdict = "allow"'
    example = {
        **({"op": _text(call.operation)} if call.operation else {}),
        "args": _table(
            {name: _value(value) for name, value in call.arguments.items() if value is not None}
        ),
        "chat": _text(facts.chat),
        "user": _text(facts.requester),
        "ceiling": price,
        **({"tainted": "true"} if facts.taint else {}),
    }
    yield f"match = [{_table(example)}]"


def _condition(predicate: Predicate) -> str:
    return _table({predicate.kind.value: _value(predicate.value)})


def _table(fields: Mapping[str, str]) -> str:
    inside = ", ".join(f"{_key(name)} = {value}" for name, value in fields.items())
    return f"{{ {inside} }}" if inside else "{}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list() | tuple():
            return _list(value)
        case _:
            return _text(str(value))


def _list(items: Iterable[object]) -> str:
    return f"[{', '.join(map(_value, items))}]"


def _text(text: str) -> str:
    """A basic string in which whatever can't be seen is written as its number."""
    return f'"{"".join(map(_letter, text))}"'


def _letter(letter: str) -> str:
    if letter in _ESCAPED:
        return _ESCAPED[letter]
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _exact_dollars(micros: int) -> str:
    """Config reads money as decimals, so nothing is rounded here."""
    whole, rest = divmod(micros, DOLLAR)
    cents = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"${whole}.{cents}"
