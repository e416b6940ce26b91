"""The kinds of value a file may hold, as types the schema is written in."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    ValidationInfo,
    WithJsonSchema,
)

from gateway.config import reading, values
from gateway.config.faults import Wrong
from gateway.config.ids import ChatPattern, UserId, parse_chat, parse_user
from gateway.config.secret import Secret

CONTEXT_KEY = "read_secret_file"
"""Validation context: a function that reads `{ file = "path" }`, raising Wrong when it cannot."""


def _read_secret(value: object, info: ValidationInfo) -> Secret:
    return reading.secret(value, secret_file_reader(info))


def secret_file_reader(info: ValidationInfo) -> Callable[[str], str]:
    """What reads secret files for a validator; it raises Wrong when it cannot."""
    read: Callable[[str], str] = (info.context or {}).get(CONTEXT_KEY, _no_files)
    return read


def _read_secrets(value: object, info: ValidationInfo) -> tuple[Secret, ...]:
    read = secret_file_reader(info)
    if not isinstance(value, list):
        return (reading.secret(value, read),)
    return reading.secrets(value, read)


def _no_files(_path: str) -> str:
    raise Wrong("names a file where none can be read", "write the value or ${NAME}")


def _read_zone(value: object) -> str:
    return reading.timezone(value, known=_is_zone, names=available_timezones)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a folder of zones is an OSError
        return False
    return True


def text_of(read: Callable[[Any], object], **schema: Any) -> Any:
    """Annotate a value that the file holds as text and `read` turns into its final form."""
    return (PlainValidator(read), WithJsonSchema({"type": "string", **schema}))


def words(*allowed: str, later: Mapping[str, str] | None = None) -> Any:
    """Annotate one of a few words; `later` says what to do about words of later versions."""
    return (
        PlainValidator(reading.one_of(allowed, later=later)),
        WithJsonSchema({"type": "string", "enum": list(allowed)}),
    )


def key(meaning: str, default: Any = ..., *, written: Any = None, **limits: Any) -> Any:
    """Describe one key. `written` is the default as the file would write it, if that differs."""
    extra = {"default": written} if written is not None else None
    return Field(default, description=meaning, json_schema_extra=extra, **limits)


_SECRET_FORMS = [
    {"type": "string", "minLength": 1},
    {
        "type": "object",
        "properties": {"file": {"type": "string", "description": "File that holds the secret."}},
        "required": ["file"],
        "additionalProperties": False,
    },
]
SecretText = Annotated[
    Secret,
    PlainValidator(_read_secret),
    WithJsonSchema({"anyOf": _SECRET_FORMS, "x-secret": True}),
]
SecretTexts = Annotated[
    tuple[Secret, ...],
    PlainValidator(_read_secrets),
    WithJsonSchema(
        {
            "anyOf": [
                *_SECRET_FORMS,
                {"type": "array", "minItems": 1, "items": {"anyOf": _SECRET_FORMS}},
            ],
            "x-secret": True,
        }
    ),
]
WebhookSecret = Annotated[SecretText, AfterValidator(reading.webhook_secret_text)]
Text = Annotated[str, *text_of(reading.text, minLength=1)]
Url = Annotated[str, *text_of(reading.base_url, format="uri")]
SlackUrl = Annotated[str, *text_of(lambda value: reading.base_url(value, slash=True), format="uri")]
ListenAddress = Annotated[values.Listen, *text_of(reading.listen)]
Zone = Annotated[str, *text_of(_read_zone)]
Name = Annotated[str, *text_of(reading.provider_name, pattern="^[a-z0-9][a-z0-9_-]{0,39}$")]
User = Annotated[UserId, *text_of(lambda value: parse_user(reading.text(value)), format="user-id")]
Chat = Annotated[
    ChatPattern, *text_of(lambda value: parse_chat(reading.text(value)), format="chat-id")
]
ExactChat = Annotated[
    ChatPattern, *text_of(lambda value: reading.exact_chat(reading.text(value)), format="chat-id")
]
Users = Annotated[tuple[User, ...], Strict(False)]  # TOML gives lists
Chats = Annotated[tuple[Chat, ...], Strict(False)]
Money = Annotated[
    int,
    PlainValidator(reading.money),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "format": "dollars"}),
]
Account = Annotated[str, *text_of(reading.account)]
Accounts = Annotated[tuple[Account, ...], Strict(False)]
Language = Annotated[str, *text_of(reading.language, pattern="^[a-z]{2}$")]
Variable = Annotated[str, *text_of(reading.variable, pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
Line = Annotated[Secret, *text_of(reading.secret_line, minLength=1, **{"x-secret": True})]


class Section(BaseModel):
    """A table of the file: unknown keys are errors and no value is converted to fit.

    A table whose keys are the operator's own has them as extras of one type.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=()
    )
