"""The file's schema: what each section may hold, in words and types.

One source for three readers: validation, `gatepost config schema` (JSON Schema) and the reference
page. A key that stands here does something; what later versions bring is named in `later.py`.
"""

from typing import Annotated, Any, Literal

from pydantic import PlainValidator, Strict, WithJsonSchema

from gateway.config import later, reading, values
from gateway.config.ids import UserId
from gateway.config.kinds import (
    Chats,
    Language,
    ListenAddress,
    Money,
    SecretText,
    SecretTexts,
    Section,
    SlackUrl,
    Text,
    Url,
    Users,
    WebhookSecret,
    Zone,
    key,
    words,
)
from gateway.config.schema_approvals import (
    ApprovalsSection,
    BudgetSection,
    PayersSection,
    PeopleSection,
    PolicySection,
)
from gateway.config.schema_cron import JobSection
from gateway.config.schema_destinations import DestinationsSection
from gateway.config.schema_providers import ProviderSection
from gateway.config.schema_tools import McpSection, ToolsSection

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

Bots = Annotated[
    str | tuple[UserId, ...],
    PlainValidator(reading.bots),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": ["none", "listed"]},
                {"type": "array", "items": {"type": "string", "format": "user-id"}},
            ]
        }
    ),
]
IdleReset = Annotated[
    int | None,
    PlainValidator(reading.idle_reset),
    WithJsonSchema({"type": "string", "examples": ["off", "4h", "2d"]}),
]

_GATEWAY = values.GatewayConfig()
_WEB = values.WebConfig()
_ACCESS = values.AccessConfig()
_SESSIONS = values.SessionsConfig()


class GatewaySection(Section):
    """The gateway itself."""

    state_dir: Text = key(
        "Where the database, the lock and received files are kept; one gateway per directory."
        " A relative path starts at the configuration file.",
        "./state",
    )
    store: Annotated[str, *words("sqlite", later=later.STORES)] = key(
        "The database engine.", _GATEWAY.store
    )
    durability: Annotated[str, *words("power", "process")] = key(
        "What an acknowledged message survives: `power` a power cut, `process` only the end of"
        " the process, for fewer disk writes.",
        _GATEWAY.durability,
    )
    timezone: Zone = key(
        "The time zone of jobs, and the one in which `gatepost why` tells its times.",
        _GATEWAY.timezone,
    )
    drain_s: float = key(
        "Seconds that open turns get at shutdown to reach their next step. A service manager must"
        " wait longer than this.",
        _GATEWAY.drain_s,
        ge=0,
        le=3600,
    )
    retention_days: int = key(
        "Days that words are kept: messages in and out, payloads, transcripts. A session in use"
        " keeps what a model may be shown; one idle for so long begins afresh. What became of a"
        " message is told for a week more. What people of a group say to each other is kept for 24"
        " hours. `0` keeps everything.",
        _GATEWAY.retention_days,
        ge=0,
        le=36500,
    )
    language: Annotated[str, *words("auto", "en", "de")] = key(
        "The language of what the gateway says itself: help, notices, what stands under an answer."
        " `auto`: each person's own, as their platform tells it, where they alone read; English in"
        " groups.",
        _GATEWAY.language,
    )
    owners: Users = key(
        "The people this gateway belongs to, by immutable id, beside those whom `gatepost pair"
        " owner` has made owners; they are always admitted.",
        _GATEWAY.owners,
        written=[],
    )


class WebSection(Section):
    """The web listener: chat page, health, and HTTP events of Slack and Telegram."""

    enabled: bool = key("Whether the listener is opened.", _WEB.enabled)
    listen: ListenAddress = key(
        "Address and port. An address that other machines can reach needs `token`.",
        _WEB.listen,
        written=str(_WEB.listen),
    )
    token: SecretText | None = key("Asked for by the chat page; optional on loopback.", None)


class TelegramSection(Section):
    """A Telegram bot. Leave the section out and Telegram is neither connected nor loaded."""

    token: SecretText = key("The bot's token, from @BotFather.")
    base_url: Url = key(
        "Root of the Bot API; `/bot<token>/METHOD` and `/file/bot<token>/PATH` are below it.",
        values.TELEGRAM_URL,
    )
    mode: Annotated[str, *words("polling", "webhook")] = key(
        "How updates arrive: `polling` needs no public address, `webhook` does.", "polling"
    )
    webhook_url: Url | None = key(
        "With `webhook`: the public https address that reaches `/telegram/webhook` of `[web]`.",
        None,
    )
    webhook_secret: WebhookSecret | None = key(
        "With `webhook`: proves that a request is Telegram's; up to 256 letters, digits, - and _.",
        None,
    )


class SlackSection(Section):
    """A Slack app. It hears through Socket Mode, through signed HTTP events, or through both."""

    bot_token: SecretTexts = key(
        "Bot User OAuth Token, begins with `xoxb-`; a list of them where the app is installed in"
        " several workspaces. An organisation needs one for all of its workspaces."
    )
    app_token: SecretText | None = key(
        "App-level token with `connections:write`, begins with `xapp-`: turns Socket Mode on.",
        None,
    )
    signing_secret: SecretText | None = key(
        "From Basic Information: turns on HTTP events at `/slack/events` of `[web]`.", None
    )
    base_url: SlackUrl = key("Root of the Web API.", values.SLACK_URL)
    threads: SlackThreads = key(
        "Whether a channel message is answered in a thread on it; `false` or `off`: in the"
        " channel.",
        True,
    )


class DiscordSection(Section):
    """A Discord bot. Its `MESSAGE CONTENT` intent must be on in the developer portal."""

    token: SecretText = key("The bot's token, from the developer portal.")
    base_url: Url = key("Root of the REST API.", values.DISCORD_URL)
    threads: DiscordThreads = key(
        "Whether a channel mention opens a thread for its answer; `auto` is the same as `true`.",
        False,
    )


class PlatformsSection(Section):
    """The chat platforms, one table each."""

    telegram: TelegramSection | None = None
    slack: SlackSection | None = None
    discord: DiscordSection | None = None


DmRule = Annotated[Literal["pairing", "allowlist", "open"], *words("pairing", "allowlist", "open")]
_DM = (
    "Who may write to the bot directly: `allowlist`: `users` and owners; `pairing`: also whom an"
    " owner lets in when they write; `open`: anyone."
)
_USERS = "People who may use the bot, by immutable id."
_CHATS = (
    "Groups and channels whose members the bot answers (guests and other organisations' people must"
    " be in `users`), with their threads; `*` as the last part means all below: `slack:T1/*`."
)
_MENTION = "Whether a message in a group must mention the bot, reply to it or stand in its thread."


class AccessOverride(Section):
    """The same for one platform: `dm` and `require_mention` replace, lists add."""

    dm: DmRule | None = key(_DM, None)
    users: Users = key(_USERS, (), written=[])
    chats: Chats = key(_CHATS, (), written=[])
    require_mention: bool | None = key(_MENTION, None)


class AccessSection(Section):
    """Who may use the gateway. No rule means no."""

    dm: DmRule = key(_DM, _ACCESS.dm)
    users: Users = key(_USERS, _ACCESS.users, written=[])
    chats: Chats = key(_CHATS, _ACCESS.chats, written=[])
    require_mention: bool = key(_MENTION, _ACCESS.require_mention)
    bots: Bots = key(
        "Other bots that are answered: `none`; `listed`: those among `users`; or a list of their"
        " ids. At most three answers a chat in ten minutes, and none unless a person has written"
        " there in that time.",
        "none",
    )
    telegram: AccessOverride | None = None
    slack: AccessOverride | None = None
    discord: AccessOverride | None = None


class SessionsSection(Section):
    """What one conversation is and how it behaves while a turn runs."""

    group: Annotated[str, *words("per_user", "shared")] = key(
        "In a group outside threads: one session per person, or one for all. Threads are always"
        " shared.",
        _SESSIONS.group,
    )
    busy: Annotated[str, *words("join", "queue", "interrupt")] = key(
        "A message during a turn: `join` goes into the turn at its next step, `queue` waits for"
        " a turn of its own, `interrupt` cuts the running model call, and the turn goes on with"
        " the new words.",
        _SESSIONS.busy,
    )
    idle_reset: IdleReset | None = key(
        "After so long without a word the next message begins a fresh session, as with `/new`:"
        ' `"4h"`, `"2d"`. `off`: sessions are kept until `/new`.',
        None,
        written="off",
    )


class TranscriptionSection(Section):
    """Who writes down voice notes. Without this section they are only told of."""

    model: Text = key("Name of the model, such as `whisper-1`.")
    price: Money = key("Dollars a minute; `0` for a server of your own.")
    base_url: Url = key(
        "Root of an OpenAI-compatible API; `/audio/transcriptions` is below it.",
        values.OPENAI_URL,
    )
    api_key: SecretText | None = key("Its key.", None)
    language: Language | None = key(
        "What is mostly spoken, as two letters such as `de`; without it the model listens.", None
    )


class ConfigFile(Section):
    """The whole file."""

    gateway: GatewaySection = GatewaySection()
    web: WebSection = WebSection()
    platforms: PlatformsSection = PlatformsSection()
    access: AccessSection = AccessSection()
    sessions: SessionsSection = SessionsSection()
    providers: Annotated[tuple[ProviderSection, ...], Strict(False)] = ()
    budget: BudgetSection = BudgetSection()
    approvals: ApprovalsSection = ApprovalsSection()
    payers: PayersSection = PayersSection()
    people: PeopleSection = PeopleSection()
    policy: Annotated[tuple[PolicySection, ...], Strict(False)] = ()
    tools: ToolsSection = ToolsSection()
    transcription: TranscriptionSection | None = None
    mcp: Annotated[tuple[McpSection, ...], Strict(False)] = ()
    destinations: DestinationsSection = DestinationsSection()
    cron: Annotated[tuple[JobSection, ...], Strict(False)] = ()


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
