"""Pure: what a server says of its tools, taken as data, and what the operator says of them.

A server's words reach the model marked as its words, without characters that nobody sees, and
within bounds. What is left out of a schema (examples, comments, extensions) is not sent on. The
digest of a definition covers its name, its words and its schema: a change of those is a change of
the tool.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from agent.canonical import NotCanonical, canonical, schema_hash
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.base import EffectClass, RiskTag
from agent.tools.json_schema import problem_of
from agent.tools.mcp_names import is_tool_name, model_name

DESCRIPTION_MAX: Final = 2_000
SCHEMA_MAX_BYTES: Final = 16 * 1024
TOOLS_MAX: Final = 64
TOGETHER_MAX_BYTES: Final = 128 * 1024
"""All schemas and descriptions of one server: they are in every request to the model."""

_WORDS: Final = frozenset({"title", "description"})
_DROPPED: Final = frozenset({"$schema", "$id", "$comment", "examples", "example"})
_NAMED: Final = frozenset(
    {
        *("properties", "patternProperties", "$defs", "definitions"),
        *("dependentRequired", "dependentSchemas", "dependencies"),
    }
)
_NOT_AT_THE_ROOT: Final = frozenset({"anyOf", "oneOf", "allOf", "not", "enum", "const", "if"})
"""Providers refuse these in the schema of a tool itself; calls are checked against them anyway."""
_KINDS: Final = ["string", "integer", "number", "boolean", "array", "object", "null"]
_TEXT: Final[JsonObject] = {"type": "string"}
_ONE: Final[JsonObject] = {"$ref": "#/$defs/schema"}
_SCHEMAS: Final[JsonObject] = {"type": "array", "items": _ONE}
_BY_NAME: Final[JsonObject] = {"type": "object", "additionalProperties": _ONE}
_OF_SCHEMAS: Final[JsonObject] = {
    "$ref": "#/$defs/schema",
    "$defs": {
        "schema": {
            "type": ["object", "boolean"],
            "properties": {
                "type": {"anyOf": [{"enum": _KINDS}, {"items": {"enum": _KINDS}, "type": "array"}]},
                "enum": {"type": "array"},
                "required": {"type": "array", "items": _TEXT},
                "items": {"anyOf": [_ONE, _SCHEMAS]},
                **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), _SCHEMAS),
                **dict.fromkeys(("properties", "$defs", "definitions"), _BY_NAME),
                **dict.fromkeys(("additionalProperties", "not"), _ONE),
                **dict.fromkeys(("description", "title", "$ref", "format"), _TEXT),
            },
        }
    },
}
"""What a provider would refuse, and every request to the model with it."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTerms:
    """What the operator declares of one tool; `effect` None means nobody has.

    `price` is micro-dollars a call, None where nobody has said.
    """

    effect: EffectClass | None = None
    tags: frozenset[RiskTag] = frozenset()
    price: int | None = None

    @property
    def declaration(self) -> str:
        """The words about what a call does, as one text; a price is not among them."""
        tags = ",".join(sorted(tag.value for tag in self.tags))
        return f"{self.effect.value}:{tags}" if self.effect else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEntry:
    """One configured server: a `command` with `env`, or a `url` with `headers`.

    `effects`, `tags` and `prices` (micro-dollars a call) go by the tool's own name; `price` holds
    for every tool that `prices` does not name.
    """

    name: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str = field(default="", repr=False)  # may carry a key
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    effects: Mapping[str, EffectClass] = field(default_factory=dict)
    tags: Mapping[str, frozenset[RiskTag]] = field(default_factory=dict)
    price: int | None = None
    prices: Mapping[str, int] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The address, or the command line with each word apart; may hold a key."""
        return self.url or "\0".join(self.command)

    def terms(self, tool: str) -> ToolTerms:
        """What is declared of one tool."""
        return ToolTerms(
            effect=self.effects.get(tool),
            tags=self.tags.get(tool, frozenset()),
            price=self.prices.get(tool, self.price),
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not be seen, the longest first: not paths, not ordinary words."""
        values = {*self.env.values(), *self.headers.values()}
        words = {word for value in values for word in (value, *value.split())}
        telling = (word for word in words if len(word) >= 8 and _may_be_secret(word))
        return tuple(sorted(sorted(telling), key=len, reverse=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A tool as its server describes it, cleaned; `schema` is that of its arguments."""

    server: str
    tool: str
    description: str
    schema: JsonObject

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        said = f" What the server says of it, unchecked: {self.description}"
        shown = {key: part for key, part in self.schema.items() if key not in _NOT_AT_THE_ROOT}
        return ToolSpec(
            name=model_name(self.server, self.tool),
            description=f"Tool {self.tool} of the MCP server {self.server}."
            + (said if self.description else ""),
            parameters=shown,
        )

    @property
    def digest(self) -> str:
        """All that is known of the tool, as 64 hexadecimal digits."""
        return schema_hash(replace(self.spec, parameters=self.schema))

    @property
    def size(self) -> int:
        """Bytes it takes in a request, about."""
        return len(self.description.encode()) + len(canonical(self.schema))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """A tool that can't be offered, and why."""

    tool: str
    why: str


def read_definition(server: str, name: str, description: str, schema: object) -> Definition | Unfit:
    """Take what a server says of one tool; never raises."""
    if not is_tool_name(name):
        return Unfit(tool=plain(name, 60), why="a name with characters that are not allowed")
    try:
        cleaned = _cleaned(schema)
        written = canonical(cleaned)
    except (NotCanonical, RecursionError):
        return Unfit(tool=name, why="a schema that is not plain JSON, or nested too deep")
    if not isinstance(cleaned, dict) or cleaned.get("type", "object") != "object":
        return Unfit(tool=name, why="arguments that are not one object")
    if len(written) > SCHEMA_MAX_BYTES:
        return Unfit(tool=name, why=f"a schema of over {SCHEMA_MAX_BYTES // 1024} KiB")
    if any(map(_is_unseen, written.decode())):
        return Unfit(tool=name, why="a schema with characters that nobody sees")
    if problem_of(cleaned, _OF_SCHEMAS) is not None:
        return Unfit(tool=name, why="a schema that is none")
    parameters = {"type": "object", "properties": {}, **cleaned}
    said = plain(description, DESCRIPTION_MAX)
    return Definition(server=server, tool=name, description=said, schema=parameters)


def offered(
    definitions: Iterable[Definition], declared: Iterable[str]
) -> tuple[tuple[Definition, ...], tuple[Unfit, ...]]:
    """The tools one server may offer, declared ones first, and those there is no room for."""
    first = frozenset(declared)
    kept: list[Definition] = []
    left: list[Unfit] = []
    room = TOGETHER_MAX_BYTES
    for each in sorted(definitions, key=lambda each: each.tool not in first):
        if len(kept) == TOOLS_MAX:
            left.append(Unfit(tool=each.tool, why=f"over {TOOLS_MAX} tools of one server"))
        elif (size := each.size) > room:
            why = f"over {TOGETHER_MAX_BYTES // 1024} KiB of descriptions of one server"
            left.append(Unfit(tool=each.tool, why=why))
        else:
            room -= size
            kept.append(each)
    return tuple(sorted(kept, key=lambda each: each.tool)), tuple(left)


def plain(text: str, most: int) -> str:
    """At most so many characters of a foreign text, on one line, without any that nobody sees."""
    seen = "".join(char for char in re.sub(r"\s+", " ", text) if not _is_unseen(char)).strip()
    return seen if len(seen) <= most else seen[: most - 1] + "…"


def _may_be_secret(word: str) -> bool:
    return not word.startswith(("/", ".", "~")) and any(char.isdigit() for char in word)


def _is_unseen(char: str) -> bool:
    if char.isascii():
        return not char.isprintable()
    variation = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    return variation or char in _FILLERS or unicodedata.category(char) in _UNSEEN


def _cleaned(schema: object, depth: int = 0) -> Any:
    """A schema without what the model does not need; words for people on one visible line."""
    if depth > 32:
        raise NotCanonical("too deeply nested")
    if isinstance(schema, list):
        return [_cleaned(each, depth + 1) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _WORDS and isinstance(value, str):
            kept[key] = plain(value, DESCRIPTION_MAX)
        elif key in _NAMED and isinstance(value, dict):
            kept[key] = {name: _cleaned(each, depth + 1) for name, each in value.items()}
        elif key in ("enum", "const", "default"):
            kept[key] = value
        elif isinstance(key, str) and key not in _DROPPED and not key.startswith("x-"):
            kept[key] = _cleaned(value, depth + 1)
    if kept.get("type") == "array" and "items" not in kept:
        kept["items"] = {}  # says the same, and some providers refuse a list without it
    return kept
