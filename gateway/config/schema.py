"""The file's schema: what each section may hold, in words and types.

One source for three readers: validation, `gatepost config schema` (JSON Schema) and the reference
page. A key that stands here does something; what later versions bring is named in `later.py`.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal
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

from gateway.config import later, reading, values
from gateway.config.faults import Wrong
from gateway.config.ids import ChatPattern, UserId, parse_chat, parse_user
from gateway.config.secret import Secret

CONTEXT_KEY = "read_secret_file"
"""Validation context: a function that reads `{ file = "path" }`, raising Wrong when it cannot."""


def _read_secret(value: object, info: ValidationInfo) -> Secret:
    return reading.secret(value, (info.context or {}).get(CONTEXT_KEY, _no_files))


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


def _text(read: Callable[[Any], object], **schema: Any) -> Any:
    """Annotate a value that the file holds as text and `read` turns into its final form."""
    return (PlainValidator(read), WithJsonSchema({"type": "string", **schema}))


def _words(*allowed: str, later: Mapping[str, str] | None = None) -> Any:
    return (
        PlainValidator(reading.one_of(allowed, later=later)),
        WithJsonSchema({"type": "string", "enum": list(allowed)}),
    )


def _key(meaning: str, default: Any = ..., *, written: Any = None, **limits: Any) -> Any:
    """Describe one key. `written` is the default as the file would write it, if that differs."""
    extra = {"default": written} if written is not None else None
    return Field(default, description=meaning, json_schema_extra=extra, **limits)


SecretText = Annotated[
    Secret,
    PlainValidator(_read_secret),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "description": "File that holds the secret."}
                    },
                    "required": ["file"],
                    "additionalProperties": False,
                },
            ],
            "x-secret": True,
        }
    ),
]
WebhookSecret = Annotated[SecretText, AfterValidator(reading.webhook_secret_text)]
Text = Annotated[str, *_text(reading.text, minLength=1)]
Url = Annotated[str, *_text(reading.base_url, format="uri")]
SlackUrl = Annotated[str, *_text(lambda value: reading.base_url(value, slash=True), format="uri")]
ListenAddress = Annotated[values.Listen, *_text(reading.listen)]
Zone = Annotated[str, *_text(_read_zone)]
Name = Annotated[str, *_text(reading.provider_name, pattern="^[a-z0-9][a-z0-9_-]{0,39}$")]
User = Annotated[UserId, *_text(lambda value: parse_user(reading.text(value)), format="user-id")]
Chat = Annotated[
    ChatPattern, *_text(lambda value: parse_chat(reading.text(value)), format="chat-id")
]
Tool = Annotated[str, *_words("files", later=later.TOOLS)]
Users = Annotated[tuple[User, ...], Strict(False)]  # TOML gives lists
Chats = Annotated[tuple[Chat, ...], Strict(False)]
Tools = Annotated[tuple[Tool, ...], Strict(False)]
SlackThreads = Annotated[
    bool,
    PlainValidator(reading.switch({"off": False})),
    WithJsonSchema({"enum": [True, False, "off"]}),
]
DiscordThreads = Annotated[
    bool,
    PlainValidator(reading.switch({"auto": True, "off": False})),
    WithJsonSchema({"enum": [True, False, "auto", "off"]}),
]

_GATEWAY = values.GatewayConfig()
_WEB = values.WebConfig()
_ACCESS = values.AccessConfig()
_SESSIONS = values.SessionsConfig()
_TOOLS = values.ToolsConfig()


class Section(BaseModel):
    """A table of the file: unknown keys are errors and no value is converted to fit."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=()
    )


class GatewaySection(Section):
    """The gateway itself."""

    state_dir: Text = _key(
        "Where the database, the lock and received files are kept; one gateway per directory."
        " A relative path starts at the configuration file.",
        "./state",
    )
    store: Annotated[str, *_words("sqlite", later=later.STORES)] = _key(
        "The database engine.", _GATEWAY.store
    )
    durability: Annotated[str, *_words("power", "process")] = _key(
        "What an acknowledged message survives: `power` a power cut, `process` only the end of"
        " the process, for fewer disk writes.",
        _GATEWAY.durability,
    )
    timezone: Zone = _key(
        "The time zone in which `gatepost why` tells its times.", _GATEWAY.timezone
    )
    drain_s: float = _key(
        "Seconds that open turns get at shutdown to reach their next step. A service manager must"
        " wait longer than this.",
        _GATEWAY.drain_s,
        ge=0,
        le=3600,
    )
    retention_days: int = _key(
        "Days that words are kept: messages in and out, payloads, transcripts. A session in use"
        " keeps what a model may be shown; one idle for so long begins afresh. What became of a"
        " message is told for a week more. `0` keeps everything.",
        _GATEWAY.retention_days,
        ge=0,
        le=36500,
    )
    owners: Users = _key(
        "The people this gateway belongs to, by immutable id; they are always admitted.",
        _GATEWAY.owners,
        written=[],
    )


class WebSection(Section):
    """The web listener: chat page, health, and HTTP events of Slack and Telegram."""

    enabled: bool = _key("Whether the listener is opened.", _WEB.enabled)
    listen: ListenAddress = _key(
        "Address and port. An address that other machines can reach needs `token`.",
        _WEB.listen,
        written=str(_WEB.listen),
    )
    token: SecretText | None = _key("Asked for by the chat page; optional on loopback.", None)


class TelegramSection(Section):
    """A Telegram bot. Leave the section out and Telegram is neither connected nor loaded."""

    token: SecretText = _key("The bot's token, from @BotFather.")
    base_url: Url = _key(
        "Root of the Bot API; `/bot<token>/METHOD` and `/file/bot<token>/PATH` are below it.",
        values.TELEGRAM_URL,
    )
    mode: Annotated[str, *_words("polling", "webhook")] = _key(
        "How updates arrive: `polling` needs no public address, `webhook` does.", "polling"
    )
    webhook_url: Url | None = _key(
        "With `webhook`: the public https address that reaches `/telegram/webhook` of `[web]`.",
        None,
    )
    webhook_secret: WebhookSecret | None = _key(
        "With `webhook`: proves that a request is Telegram's; up to 256 letters, digits, - and _.",
        None,
    )


class SlackSection(Section):
    """A Slack app. It hears through Socket Mode, through signed HTTP events, or through both."""

    bot_token: SecretText = _key("Bot User OAuth Token, begins with `xoxb-`.")
    app_token: SecretText | None = _key(
        "App-level token with `connections:write`, begins with `xapp-`: turns Socket Mode on.",
        None,
    )
    signing_secret: SecretText | None = _key(
        "From Basic Information: turns on HTTP events at `/slack/events` of `[web]`.", None
    )
    base_url: SlackUrl = _key("Root of the Web API.", values.SLACK_URL)
    threads: SlackThreads = _key(
        "Whether a channel message is answered in a thread on it; `false` or `off`: in the"
        " channel.",
        True,
    )


class DiscordSection(Section):
    """A Discord bot. Its `MESSAGE CONTENT` intent must be on in the developer portal."""

    token: SecretText = _key("The bot's token, from the developer portal.")
    base_url: Url = _key("Root of the REST API.", values.DISCORD_URL)
    threads: DiscordThreads = _key(
        "Whether a channel mention opens a thread for its answer; `auto` is the same as `true`.",
        False,
    )


class PlatformsSection(Section):
    """The chat platforms, one table each."""

    telegram: TelegramSection | None = None
    slack: SlackSection | None = None
    discord: DiscordSection | None = None


DmRule = Annotated[Literal["allowlist", "open"], *_words("allowlist", "open", later=later.DM)]
_DM = "Who may write to the bot directly: `allowlist`: `users` and owners; `open`: anyone."
_USERS = "People who may use the bot, by immutable id."
_CHATS = (
    "Groups and channels whose members the bot answers (guests and other organisations' people must"
    " be in `users`), with their threads; `*` as the last part means all below: `slack:T1/*`."
)
_MENTION = "Whether a message in a group must mention the bot, reply to it or stand in its thread."


class AccessOverride(Section):
    """The same for one platform: `dm` and `require_mention` replace, lists add."""

    dm: DmRule | None = _key(_DM, None)
    users: Users = _key(_USERS, (), written=[])
    chats: Chats = _key(_CHATS, (), written=[])
    require_mention: bool | None = _key(_MENTION, None)


class AccessSection(Section):
    """Who may use the gateway. No rule means no."""

    dm: DmRule = _key(_DM, _ACCESS.dm)
    users: Users = _key(_USERS, _ACCESS.users, written=[])
    chats: Chats = _key(_CHATS, _ACCESS.chats, written=[])
    require_mention: bool = _key(_MENTION, _ACCESS.require_mention)
    bots: Annotated[str, *_words("none", later=later.BOTS)] = _key(
        "Messages of other bots are ignored.", "none"
    )
    telegram: AccessOverride | None = None
    slack: AccessOverride | None = None
    discord: AccessOverride | None = None


class SessionsSection(Section):
    """What one conversation is and how it behaves while a turn runs."""

    group: Annotated[str, *_words("per_user", "shared")] = _key(
        "In a group outside threads: one session per person, or one for all. Threads are always"
        " shared.",
        _SESSIONS.group,
    )
    busy: Annotated[str, *_words("join", "queue", "interrupt")] = _key(
        "A message during a turn: `join` goes into the turn at its next step, `queue` waits for"
        " a turn of its own, `interrupt` cuts the running model call, and the turn goes on with"
        " the new words.",
        _SESSIONS.busy,
    )
    idle_reset: Annotated[str, *_words("off", later=later.IDLE_RESET)] = _key(
        "Sessions are kept until `/new`.", "off"
    )


class ProviderSection(Section):
    """A model. The first entry is the primary, the others follow in order when it fails."""

    name: Name = _key("Short name, shown by `/model` and in records; unique.")
    api: Annotated[str, *_words("openai-chat", "demo", later=later.APIS)] = _key(
        "`openai-chat`: any server that speaks OpenAI's chat completions; `demo`: a scripted"
        " offline demonstration."
    )
    base_url: Url | None = _key(
        "Root that `/chat/completions` is below.", None, written=values.OPENAI_URL
    )
    model: Text | None = _key("The model's name at this server; required for `openai-chat`.", None)
    api_key: SecretText | None = _key("Sent as a bearer token; local servers need none.", None)
    context_window: int | None = _key(
        "Tokens the model can read; older history is left out beyond it.", None, ge=1024
    )
    max_output_tokens: int | None = _key("Tokens one answer may have.", None, ge=1)


class ToolsSection(Section):
    """What the model may do."""

    enabled: Tools = _key("The tools the model is offered.", _TOOLS.enabled, written=["files"])
    workspace: Text = _key(
        "The only directory the file tools can reach; kept apart from `state_dir`. A relative path"
        " starts at the configuration file.",
        "./workspace",
    )


class ConfigFile(Section):
    """The whole file."""

    gateway: GatewaySection = GatewaySection()
    web: WebSection = WebSection()
    platforms: PlatformsSection = PlatformsSection()
    access: AccessSection = AccessSection()
    sessions: SessionsSection = SessionsSection()
    providers: Annotated[tuple[ProviderSection, ...], Strict(False)] = ()
    tools: ToolsSection = ToolsSection()


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the file, for editors and `gatepost config schema`."""
    schema = _without_nulls(ConfigFile.model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "gatepost.toml",
        "description": "Configuration of a Gatepost gateway.",
    }


def _without_nulls(node: Any) -> Any:
    """Drop what TOML cannot say (null) and what only repeats the key (generated titles)."""
    if isinstance(node, list):
        return [_without_nulls(item) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    kept = {
        name: _without_nulls(value)
        for name, value in node.items()
        if not (name == "title" and isinstance(value, str)) and (name, value) != ("default", None)
    }
    if len(kept.get("anyOf", ())) == 1:
        kept |= kept.pop("anyOf")[0]
    return kept
