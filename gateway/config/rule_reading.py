"""Pure: how the parts of a `[[policy]]` entry are read."""

from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any, Final

from agent.costs import Unknown
from agent.durations import seconds_of
from agent.predicates import Predicate, PredicateKind, host_of, is_path, segments
from agent.tools.arguments import normalised_name
from gateway.config.faults import Wrong
from gateway.config.ids import shown
from gateway.config.reading import closest, integral, text, type_name
from gateway.config.values import TOOL_NAMES

MCP: Final = "mcp:"


def tool_pattern(value: object) -> str:
    """Take a tool's name, `mcp:SERVER/TOOL`, or one of them with `*` at its end."""
    name = text(value)
    stem = name.removesuffix("*")
    if "*" in stem:
        raise Wrong(f"{shown(name)} has a * in its middle", "put it at the end, or name the tool")
    if name in TOOL_NAMES or name.startswith(MCP):
        return name
    if name != stem and any(tool.startswith(stem) for tool in (*TOOL_NAMES, MCP)):
        return name
    near = closest(name, TOOL_NAMES)
    known = ", ".join(TOOL_NAMES)
    raise Wrong(
        f"{shown(name)} is no tool",
        f'did you mean "{near}"?' if near else f"there are {known} and mcp:SERVER/TOOL",
    )


def operations(value: object) -> tuple[str, ...]:
    """Take operations in any case and spacing; each as rules know it."""
    found = _items(value)
    if any(not isinstance(item, str) or not item.strip() for item in found):
        raise Wrong("is not a list of operations", 'write op = ["run"]')
    return tuple(normalised_name(item) for item in found)


def conditions(value: object) -> Mapping[str, tuple[Predicate, ...]]:
    """Take conditions by the argument they are about."""
    if not isinstance(value, dict):
        raise Wrong(f"must be a table, not {type_name(value)}", _EXAMPLE)
    return {name: _conditions_on(name, given) for name, given in value.items()}


_EXAMPLE: Final = 'write when = { flavor = { in = ["t4-small"] } }'


def _conditions_on(name: str, given: object) -> tuple[Predicate, ...]:
    if not isinstance(given, dict) or not given:
        raise Wrong("needs a condition", f'write {name} = {{ eq = "..." }}', at=(name,))
    found: list[Predicate] = []
    for word, operand in given.items():
        words = [kind.value for kind in PredicateKind]
        if word not in words:
            near = closest(word, words)
            fix = f'did you mean "{near}"?' if near else f"there are {', '.join(words)}"
            raise Wrong("is no condition", fix, at=(name, word))
        try:
            read = _OPERANDS[PredicateKind(word)](operand, name)
        except Wrong as wrong:
            raise Wrong(wrong.problem, wrong.fix, at=(name, word)) from wrong
        found.append(Predicate(kind=PredicateKind(word), value=read))
    bounds = {predicate.kind: predicate.value for predicate in found}
    if bounds.get(PredicateKind.ABSENT) is True and len(bounds) > 1:
        raise Wrong("is to be absent and more", "keep one", at=(name,))
    low, high = bounds.get(PredicateKind.MIN), bounds.get(PredicateKind.MAX)
    if low is not None and high is not None and low > high:
        raise Wrong("has a min above its max", "swap them", at=(name,))
    return tuple(found)


def _scalar(value: object, name: str = "") -> object:
    if isinstance(value, str | bool | int | Decimal):
        return value
    raise Wrong(f"must be text, a number, true or false, not {type_name(value)}", "write one")


def _equal_to(value: object, name: str) -> object:
    return tuple(map(_scalar, value)) if isinstance(value, list) else _scalar(value)


def _one_of(value: object, name: str) -> tuple[object, ...]:
    found = tuple(map(_scalar, _items(value)))
    if not found:
        raise Wrong("is empty, so nothing matches", "list what does")
    return found


def _pattern(value: object, name: str) -> str:
    pattern = text(value)
    if is_path(name) and segments(pattern) is None:
        raise Wrong("climbs above where it begins", "take the .. out")
    return pattern


def _bound(value: object, name: str) -> int | Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise Wrong(f"must be a number or a duration, not {type_name(value)}", 'write 10 or "1h"')
    if isinstance(value, str):
        seconds = seconds_of(value)
        if isinstance(seconds, Unknown):
            raise Wrong(f"{shown(value)} is no duration", 'write one such as "1h" or "45 min"')
        return seconds
    return integral(value) if isinstance(value, Decimal) else value


def _switch(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false, not {type_name(value)}", "write it without quotes")
    return value


def _hosts(value: object, name: str) -> tuple[str, ...]:
    found: list[str] = []
    for item in _items(value):
        entry = text(item)
        below = "*." if entry.startswith("*.") else ""
        host = host_of(entry.removeprefix("*."))
        if host is None or "*" in host or any(mark in entry for mark in "/@?#:"):
            raise Wrong(
                f"{shown(entry)} is no host",
                'write "example.org", or "*.example.org" for all below',
            )
        found.append(below + host)
    if not found:
        raise Wrong("is empty, so nothing matches", "list what does")
    return tuple(found)


def _tokens(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise Wrong("must be a list of words", 'write ["git", "status"]')
    return tuple(value)


_OPERANDS: Final[Mapping[PredicateKind, Callable[[object, str], Any]]] = {
    PredicateKind.EQ: _equal_to,
    PredicateKind.IN: _one_of,
    PredicateKind.PREFIX: _pattern,
    PredicateKind.GLOB: _pattern,
    PredicateKind.MIN: _bound,
    PredicateKind.MAX: _bound,
    PredicateKind.ABSENT: _switch,
    PredicateKind.HOST_IN: _hosts,
    PredicateKind.ARGV_PREFIX: _tokens,
}


def _items(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise Wrong(f"must be a list, not {type_name(value)}", "put the values in [ ]")
    return value


def example_arguments(value: object) -> dict[str, Any]:
    """Take the arguments of an example; numbers become those of JSON."""
    if not isinstance(value, dict):
        raise Wrong(f"must be a table, not {type_name(value)}", 'write { path = "notes.md" }')
    return {name: _as_json(item, (name,)) for name, item in value.items()}


def _as_json(value: object, at: tuple[str | int, ...]) -> object:
    match value:
        case dict():
            return {name: _as_json(item, (*at, name)) for name, item in value.items()}
        case list():
            return [_as_json(item, (*at, index)) for index, item in enumerate(value)]
        case Decimal():
            whole = integral(value) if value.is_finite() else value
            return whole if isinstance(whole, int) else float(whole)
        case date() | time():
            raise Wrong("is a date or time, which no argument is", "put it in quotes", at=at)
    return value
