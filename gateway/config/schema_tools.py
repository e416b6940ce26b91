"""The schema of what the model may do: `[tools]` with its tables, and `[[mcp]]`."""

from typing import Annotated, Any

from pydantic import PlainValidator, Strict, WithJsonSchema

from agent.tools.base import EffectClass, RiskTag
from gateway.config import later, reading, values
from gateway.config.kinds import (
    ExactChat,
    Line,
    Money,
    Name,
    SecretText,
    Section,
    Text,
    Url,
    Variable,
    key,
    words,
)

DECLARABLE = tuple(effect.value for effect in EffectClass if effect is not EffectClass.LOCAL)
DECLARABLE_TAGS = (RiskTag.DESTRUCTIVE, RiskTag.RECURRING, RiskTag.OUTWARD)

Tool = Annotated[str, *words(*values.TOOL_NAMES, later=later.TOOLS)]
Tools = Annotated[tuple[Tool, ...], Strict(False)]
Effect = Annotated[
    EffectClass,
    PlainValidator(lambda value: EffectClass(reading.one_of(DECLARABLE)(value))),
    WithJsonSchema({"type": "string", "enum": list(DECLARABLE)}),
]
_TAG_WORDS = tuple(tag.value for tag in DECLARABLE_TAGS)
Tag = Annotated[
    RiskTag,
    PlainValidator(lambda value: RiskTag(reading.one_of(_TAG_WORDS)(value))),
    WithJsonSchema({"type": "string", "enum": list(_TAG_WORDS)}),
]
Tags = Annotated[tuple[Tag, ...], Strict(False)]
ToolPrices = Annotated[
    tuple[int | None, Any],
    PlainValidator(reading.tool_prices),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["number", "string"], "minimum": 0},
                {"type": "object", "additionalProperties": {"type": ["number", "string"]}},
            ],
            "format": "tool-prices",
        }
    ),
]

_TOOLS = values.ToolsConfig()
_SHELL = values.ShellConfig()


class ShellSection(Section):
    """Commands in an isolated place of their own, without network."""

    environment: Annotated[tuple[Variable, ...], Strict(False)] = key(
        "Names of environment variables that a command may see; it sees no others.",
        _SHELL.environment,
        written=[],
    )
    deadline_s: int = key(
        "Seconds a command may run unless its call says less.", _SHELL.deadline_s, ge=1, le=600
    )


class WebSearchSection(Section):
    """The search service that `web_search` asks."""

    base_url: Url = key("Address of the search API.")
    api_key: SecretText | None = key("Its key.", None)
    price: Money | None = key(
        "What one search costs. Without it nobody knows, and every search is asked for.", None
    )
    max_price: Money = key(
        "A search up to this price needs no approval.",
        20_000,
        written=0.02,
    )


class SendMessageSection(Section):
    """Where `send_message` may write to."""

    destinations: dict[Name, ExactChat] = key(
        "Chats by the name the model is given; it can write nowhere else:"
        ' `{ team = "slack:T1/C9" }`.',
        {},
    )


class HuggingFaceSection(Section):
    """The account and address of every `hf_` tool; who pays stands in `[payers]`."""

    token: SecretText = key("An access token with the rights these tools need.")
    base_url: Url = key("Root of the Hub.", values.HUGGINGFACE_URL)
    secrets: dict[Variable, SecretText] = key(
        "What jobs may be given as environment variables, by the name the model and the card show;"
        ' a call never holds a value: `{ WANDB_API_KEY = "${WANDB_API_KEY}" }`.',
        {},
    )


class ToolsSection(Section):
    """What the model may do."""

    enabled: Tools = key("The tools the model is offered.", _TOOLS.enabled, written=["files"])
    workspace: Text = key(
        "The only directory the file tools can reach; kept apart from `state_dir`. A relative path"
        " starts at the configuration file.",
        "./workspace",
    )
    shell: ShellSection = ShellSection()
    web_search: WebSearchSection | None = None
    send_message: SendMessageSection = SendMessageSection()
    huggingface: HuggingFaceSection | None = None


class McpSection(Section):
    """A server of tools (Model Context Protocol); its tools are called `mcp:NAME/TOOL` in rules.

    What a server says about its own tools is not believed: a tool that `effects` does not name is
    asked for by hand every time, and so is one without a price.
    """

    name: Name = key("Short name; unique.")
    command: Annotated[tuple[Text, ...], Strict(False)] | None = key(
        "The program to start, as a list of words.", None
    )
    env: dict[Variable, Line] = key(
        "With `command`: its environment, by name. It sees no other variable but `PATH`,"
        " `HOME` and `LANG`.",
        {},
    )
    url: Url | None = key("Or the address of a server that runs already.", None)
    headers: dict[Text, Line] = key("With `url`: headers of every request, by name.", {})
    effects: dict[Text, Effect] = key(
        "What a crash means for a tool, by its name: `pure` (changes nothing), `keyed` (the same"
        " call twice is one), `probe` (it can be asked), `once` (never run again by itself).",
        {},
    )
    tags: dict[Text, Tags] = key(
        "What a tool does beyond that, by its name: `destructive`, `recurring`, `outward`.", {}
    )
    price: ToolPrices | None = key(
        "Dollars a call, for every tool or by its name: `0` or `{ search = 0.01 }`.", None
    )
