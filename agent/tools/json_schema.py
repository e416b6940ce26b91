"""Pure: a value against a foreign JSON Schema, as far as that can be told exactly.

Theory of operation. Every part of a schema answers yes, no or nobody knows; only a certain no
refuses a value. Nobody knows where a keyword is not checked here: patterns above all, for a
foreign regular expression can run for hours. The work is bounded, whatever the schema; what lies
beyond the bound is not known. `unchecked` names what a schema asks for that is not looked at.

Source: JSON Schema 2020-12, core and validation. `format`, unknown keywords and words for people
say nothing about a value.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from agent.tristate import Known, all_of, any_of

STEPS_MAX: Final = 20_000
DEPTH_MAX: Final = 64
UNIQUE_MAX: Final = 200
TEXT_MAX: Final = 300

_UNCHECKED: Final = frozenset(
    {
        *("pattern", "patternProperties", "propertyNames", "contains", "additionalItems"),
        *("if", "dependentRequired", "dependentSchemas", "dependencies"),
        *("unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"),
    }
)
_BELOW_BY_NAME: Final = ("properties", "$defs", "definitions")
_BELOW_IN_LIST: Final = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
_BELOW: Final = ("items", "additionalProperties", "not")


def problem_of(value: object, schema: object) -> str | None:
    """What is certainly wrong with a value, with its place; None if nothing is."""
    check = _Check(schema)
    if check.fits(value, schema, "", 0) is False:
        return check.problem[:TEXT_MAX] or "The arguments do not fit."
    return None


def unchecked(schema: object) -> tuple[str, ...]:
    """Keywords of a schema that `problem_of` does not look at, sorted."""
    found: set[str] = set()
    for part in _parts(schema):
        found.update(_UNCHECKED & part.keys())
        reference = part.get("$ref")
        if reference is not None and _target(schema, reference) is None:
            found.add("$ref")
    return tuple(sorted(found))


def _parts(schema: object) -> Iterator[Mapping[str, Any]]:
    """Every schema in a schema, itself included, up to a bound."""
    waiting: list[object] = [schema]
    for _ in range(STEPS_MAX):
        if not waiting:
            return
        part = waiting.pop()
        if not isinstance(part, dict):
            continue
        yield part
        for key in _BELOW_BY_NAME:
            if isinstance(part.get(key), dict):
                waiting.extend(part[key].values())
        for key in _BELOW_IN_LIST:
            if isinstance(part.get(key), list):
                waiting.extend(part[key])
        waiting.extend(part[key] for key in _BELOW if key in part)


class _Check:
    """One value against one document; `problem` is the first thing that is certainly wrong."""

    def __init__(self, document: object) -> None:
        self._document = document
        self._steps = STEPS_MAX
        self._silent = 0
        self.problem = ""

    def fits(self, value: object, schema: object, place: str, depth: int) -> Known:
        """Whether a value fits a schema of the document."""
        self._steps -= 1
        if self._steps < 0 or depth > DEPTH_MAX:
            return None
        if isinstance(schema, bool):
            return True if schema else self._wrong(place, "must not be given")
        if not isinstance(schema, dict):
            return None
        if "$ref" in schema:
            return self._referred(value, schema, place, depth)
        answers = [
            self._type(value, schema, place),
            self._chosen(value, schema, place),
            self._combined(value, schema, place, depth),
            None if _UNCHECKED & schema.keys() else True,
        ]
        match value:
            case bool() | None:
                pass
            case str():
                answers.append(self._limits(len(value), schema, place, _LENGTH))
            case int() | float():
                answers.append(self._number(value, schema, place))
            case list():
                answers.append(self._list(value, schema, place, depth))
            case dict():
                answers.append(self._object(value, schema, place, depth))
        return all_of(answers)

    def _spend(self, steps: int) -> None:
        """Count work that grows with the schema or the value, so that it stays bounded."""
        self._steps -= steps

    def _wrong(self, place: str, what: str) -> bool:
        if not self._silent and not self.problem:
            self.problem = f"The field {place!r} {what}." if place else f"The arguments {what}."
        return False

    def _unknown(self, place: str, properties: Mapping[str, Any]) -> bool:
        if not self._silent and not self.problem:
            known = ", ".join(sorted(properties)) or "none"
            self.problem = f"Unknown field {place!r}. Known here: {known}."
        return False

    def _referred(self, value: object, schema: Mapping[str, Any], place: str, depth: int) -> Known:
        """A reference; what stands beside it counts in some versions and in others does not."""
        target = _target(self._document, schema["$ref"])
        found = None if target is None else self.fits(value, target[0], place, depth + 1)
        beside = {key: part for key, part in schema.items() if key != "$ref"}
        if found is False or not beside:
            return found
        return all_of((found, self._quietly(value, beside, place, depth) or None))

    def _quietly(self, value: object, schema: object, place: str, depth: int) -> Known:
        self._silent += 1
        found = self.fits(value, schema, place, depth + 1)
        self._silent -= 1
        return found

    def _type(self, value: object, schema: Mapping[str, Any], place: str) -> Known:
        wanted = schema.get("type")
        if wanted is None:
            return True
        kinds = wanted if isinstance(wanted, list) else [wanted]
        if not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
            return None
        if any(_TYPES[kind](value) for kind in kinds):
            return True
        return self._wrong(place, f"must be of type {' or '.join(kinds)}")

    def _chosen(self, value: object, schema: Mapping[str, Any], place: str) -> Known:
        if "const" in schema and not _same(value, schema["const"]):
            return self._wrong(place, f"must be {schema['const']!r}")
        choices = _list_of(schema, "enum")
        self._spend(len(choices))
        if choices and not any(_same(value, choice) for choice in choices):
            return self._wrong(place, f"must be one of {', '.join(map(repr, choices))}")
        return True

    def _combined(self, value: object, schema: Mapping[str, Any], place: str, depth: int) -> Known:
        answers: list[Known] = []
        for part in _list_of(schema, "allOf"):
            answers.append(self.fits(value, part, place, depth + 1))
        if _list_of(schema, "anyOf"):
            found = any_of(
                [self._quietly(value, p, place, depth) for p in _list_of(schema, "anyOf")]
            )
            answers.append(found if found is not False else self._wrong(place, _NO_FORM))
        if _list_of(schema, "oneOf"):
            fitting = [self._quietly(value, p, place, depth) for p in _list_of(schema, "oneOf")]
            found = _just_one(fitting)
            answers.append(found if found is not False else self._wrong(place, _NO_FORM))
        if "not" in schema:
            found = self._quietly(value, schema["not"], place, depth)
            excluded = found is True
            answers.append(self._wrong(place, "is excluded") if excluded else _inverse(found))
        return all_of(answers)

    def _limits(
        self, size: int, schema: Mapping[str, Any], place: str, names: tuple[str, str, str]
    ) -> Known:
        least, most, unit = names
        low, high = schema.get(least, 0), schema.get(most, size)
        if not _is_number(low) or not _is_number(high):
            return None
        if size < low:
            return self._wrong(place, f"must have at least {low} {unit}")
        return True if size <= high else self._wrong(place, f"must have at most {high} {unit}")

    def _number(self, value: int | float, schema: Mapping[str, Any], place: str) -> Known:
        answers: list[Known] = []
        for key, (fits, words) in _BOUNDS.items():
            bound = schema.get(key)
            if bound is None:
                continue
            if not _is_number(bound):
                answers.append(None)  # such as the booleans of draft 4
            elif not fits(value, bound):
                answers.append(self._wrong(place, f"must be {words} {bound}"))
        step = schema.get("multipleOf")
        if step is not None:
            whole = isinstance(value, int) and type(step) is int and step > 0
            if not whole:
                answers.append(None)
            elif value % step:
                answers.append(self._wrong(place, f"must be a multiple of {step}"))
        return all_of(answers)

    def _list(self, value: list[Any], schema: Mapping[str, Any], place: str, depth: int) -> Known:
        answers = [self._limits(len(value), schema, place, _ITEMS)]
        rules = schema.get("items", True)
        first = _list_of(schema, "prefixItems")
        if isinstance(rules, list):  # before 2020-12
            first, rules = rules, True
        for index, item in enumerate(value):
            below = first[index] if index < len(first) else rules
            answers.append(self.fits(item, below, f"{place}[{index}]", depth + 1))
        if schema.get("uniqueItems") is True:
            answers.append(self._unique(value, place))
        return all_of(answers)

    def _unique(self, value: list[Any], place: str) -> Known:
        self._spend(len(value) ** 2 // 2)
        if len(value) > UNIQUE_MAX:
            return None
        for index, item in enumerate(value):
            if any(_same(item, other) for other in value[:index]):
                return self._wrong(place, "must not hold an item twice")
        return True

    def _object(
        self, value: dict[str, Any], schema: Mapping[str, Any], place: str, depth: int
    ) -> Known:
        answers = [self._limits(len(value), schema, place, _FIELDS)]
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            return None
        self._spend(len(required))
        for name in required:
            if isinstance(name, str) and name not in value:
                answers.append(self._wrong(_below(place, name), "is missing"))
        rest = schema.get("additionalProperties", True)
        for name, item in value.items():
            here = _below(place, name)
            if name in properties:
                answers.append(self.fits(item, properties[name], here, depth + 1))
            elif "patternProperties" in schema:
                answers.append(None)
            elif rest is False:
                self._spend(len(properties))
                answers.append(self._unknown(here, properties))
            else:
                answers.append(self.fits(item, rest, here, depth + 1))
        return all_of(answers)


def _target(document: object, reference: object) -> tuple[object] | None:
    """What a reference within the document points to; None for any other reference."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found = document
    for step in reference[1:].split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return (found,) if reference == "#" or reference.startswith("#/") else None


def _list_of(schema: Mapping[str, Any], key: str) -> list[Any]:
    found = schema.get(key)
    return found if isinstance(found, list) else []


def _just_one(answers: list[Known]) -> Known:
    if sum(answer is True for answer in answers) > 1:
        return False
    if None in answers:
        return None
    return True in answers


def _inverse(answer: Known) -> Known:
    return None if answer is None else not answer


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _same(one: object, other: object) -> bool:
    """Equal as JSON: 1 is 1.0 and is not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


_TYPES: Final[Mapping[str, Callable[[object], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "integer": _is_whole,
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
_BOUNDS: Final[Mapping[str, tuple[Callable[[float, float], bool], str]]] = {
    "minimum": (lambda value, bound: value >= bound, "at least"),
    "maximum": (lambda value, bound: value <= bound, "at most"),
    "exclusiveMinimum": (lambda value, bound: value > bound, "above"),
    "exclusiveMaximum": (lambda value, bound: value < bound, "below"),
}
_LENGTH: Final = ("minLength", "maxLength", "characters")
_ITEMS: Final = ("minItems", "maxItems", "items")
_FIELDS: Final = ("minProperties", "maxProperties", "fields")
_NO_FORM: Final = "fits none of the allowed forms, or more than one where one is asked for"
