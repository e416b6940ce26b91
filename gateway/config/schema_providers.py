"""The schema of `[[providers]]`: models, what proves who asks, and how each is asked."""

from typing import Annotated, Any, Literal

from pydantic import PlainValidator, Strict, ValidationInfo, WithJsonSchema

from agent.providers.base import EFFORTS
from gateway.config import credential_reading, reading, values
from gateway.config.kinds import (
    Name,
    SecretText,
    Section,
    Text,
    Url,
    key,
    secret_file_reader,
    words,
)

ModelPrice = Annotated[
    values.PriceConfig | Literal["included"],
    PlainValidator(reading.model_price),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "included"},
                {
                    "type": "object",
                    "properties": {
                        name: {"type": ["number", "string"], "description": meaning}
                        for name, meaning in reading.PRICE_KEYS.items()
                    },
                    "required": ["input", "output"],
                    "additionalProperties": False,
                },
            ],
            "format": "model-price",
        }
    ),
]


def _read_credentials(value: object, info: ValidationInfo) -> Any:
    return credential_reading.credentials(value, secret_file_reader(info))


Credentials = Annotated[
    tuple[values.CredentialConfig, ...],
    PlainValidator(_read_credentials),
    WithJsonSchema(
        {
            "anyOf": [
                credential_reading.KEYS_SCHEMA,
                {"type": "array", "items": credential_reading.KEYS_SCHEMA, "minItems": 1},
            ],
            "format": "credential",
        }
    ),
]
Words = Annotated[tuple[Text, ...], Strict(False)]


class ProviderSection(Section):
    """A model. The first entry is the primary, the others follow in order when it fails."""

    name: Name = key("Short name, shown by `/model` and in records; unique.")
    api: Annotated[str, *words(*values.APIS)] = key(
        "What the server speaks. `openai-chat`: OpenAI's chat completions, as most servers do;"
        " `openai-responses`: OpenAI's Responses API; `anthropic-messages`: Anthropic's Messages"
        " API; `codex-app-server`: the program `codex` of this machine, whose actions pass the"
        " same approvals; `demo`: a scripted offline demonstration."
    )
    base_url: Url | None = key(
        "Root that `/chat/completions`, `/responses` or `/v1/messages` is below. Without it: the"
        " service the login belongs to, else OpenAI or Anthropic.",
        None,
    )
    model: Text | None = key("The model's name at this server; required but for `demo`.", None)
    api_key: SecretText | None = key("The key; local servers need none.", None)
    api_keys: Annotated[tuple[SecretText, ...], Strict(False)] | None = key(
        "Or several keys that stand in for each other.", None
    )
    credential: Credentials | None = key(
        'Or another kind of proof: `{ kind = "oauth", service = "codex" }` (also `anthropic`,'
        " `nous`, `xai`; log in with `gatepost login`),"
        ' `{ kind = "exchange", service = "copilot", token = "${GITHUB_TOKEN}" }`,'
        ' `{ kind = "command", argv = ["program", "word"] }` (prints a token, or'
        " `{token, expires_at}`). A list of them makes a pool. See [credentials](credentials.md).",
        None,
    )
    pool: Annotated[str, *words(*values.POOL_ORDERS)] = key(
        "Which of several keys is used next, beyond those that rest: in order until one rests,"
        " in turn, the one used least, or any. A conversation stays with its key for an hour.",
        "fill_first",
    )
    aggregator: bool = key(
        "Whether the server passes requests on to several others, as OpenRouter does.", False
    )
    patience: Annotated[str, *words("eager", "full")] = key(
        "When the next entry takes over: `eager` after the second failure in passing, or the first"
        " that took long; `full` only after every retry.",
        "eager",
    )
    context_window: int | None = key(
        "Tokens the model can read, 128,000 if left out (1,000,000 with `long_context`). A chat"
        " that grows towards it is condensed.",
        None,
        ge=1024,
    )
    max_output_tokens: int | None = key("Tokens one answer may have.", None, ge=1)
    effort: Annotated[str, *words(*EFFORTS)] | None = key(
        "How much the model thinks before it answers; without it, as much as it does by itself.",
        None,
    )
    reasoning_replay: Annotated[str, *words("never", "in_turn", "always")] | None = key(
        "With `openai-chat`: whether the model is shown its own earlier thinking.", None
    )
    omit: Words = key("Fields of the request this server refuses, by their names.", (), written=[])
    cap_field: Annotated[str, *words("max_completion_tokens", "max_tokens")] | None = key(
        "With `openai-chat`: what the server calls the most tokens of an answer; without it the"
        " address decides.",
        None,
    )
    thinking: Annotated[str, *words("off", "budget", "effort")] | None = key(
        "With `anthropic-messages`: how thinking is asked for: not at all, with a budget of tokens"
        " (older models), or by `effort`.",
        None,
    )
    long_context: bool = key(
        "With `anthropic-messages`: whether to ask for the window of a million tokens.", False
    )
    cache_ttl: Annotated[str, *words("5m", "1h")] = key(
        "With `anthropic-messages`: how long the provider keeps what it has read.", "5m"
    )
    command: Words | None = key(
        'With `codex-app-server`: the program, as a list of words; without it `["codex"]`.', None
    )
    home: Text | None = key(
        "With `codex-app-server`: its own directory (`CODEX_HOME`), that holds its login; without"
        " it `codex` in `state_dir`.",
        None,
    )
    price: ModelPrice | None = key(
        "Dollars per million tokens: `{ input = 1.25, output = 10, cached_input = 0.125 }`"
        ' (`cached_input` is `input` if left out), or `"included"` where a flat fee covers all.'
        " Without it: the price list that comes with this version.",
        None,
    )
