"""The configuration as the rest of the gateway sees it: frozen, checked, complete.

The defaults stand here and nowhere else; the schema and the reference page read them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, get_args

from agent.costs import DOLLAR
from agent.rules import Policy
from agent.tools.base import EffectClass, RiskTag
from gateway.config.ids import ChatPattern, GroupId, UserId, Word
from gateway.config.secret import Secret
from platforms.events import ChatRef, PlatformName

TELEGRAM_URL = "https://api.telegram.org"
SLACK_URL = "https://slack.com/api/"
DISCORD_URL = "https://discord.com/api/v10"
OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
VENDOR_URLS: Mapping[str, str] = {
    "openai-chat": OPENAI_URL,
    "openai-responses": OPENAI_URL,
    "anthropic-messages": ANTHROPIC_URL,
}
SERVICE_URLS: Mapping[str, str] = {
    "codex": "https://chatgpt.com/backend-api/codex",
    "anthropic": ANTHROPIC_URL,
    "nous": "https://inference-api.nousresearch.com/v1",
    "xai": "https://api.x.ai/v1",
    "copilot": "https://api.githubcopilot.com",
}
HUGGINGFACE_URL = "https://huggingface.co"

HOOK = "hook"
"""The schedule of a job that only requests run; the same as leaving it out."""

Approver = UserId | GroupId | Word
"""One person, or everyone in a group of a platform."""
ToolName = Literal[
    "files",
    "shell",
    "fetch",
    "web_search",
    "send_message",
    "memory",
    "schedule",
    "ask_user",
    "hf_jobs",
    "hf_sandbox",
    "hf_private_repos",
    "hf_repo_files",
    "hf_repo_git",
]
TOOL_NAMES: tuple[str, ...] = get_args(ToolName)
Api = Literal["openai-chat", "openai-responses", "anthropic-messages", "codex-app-server", "demo"]
APIS: tuple[str, ...] = get_args(Api)
LoginService = Literal["codex", "anthropic", "nous", "xai"]
LOGIN_SERVICES: tuple[str, ...] = get_args(LoginService)
NoticeKind = Literal["turn_done", "approval_waiting", "error", "budget"]
NOTICE_KINDS: tuple[NoticeKind, ...] = get_args(NoticeKind)
PoolOrder = Literal["fill_first", "round_robin", "least_used", "random"]
POOL_ORDERS: tuple[str, ...] = get_args(PoolOrder)
ReasoningReplay = Literal["never", "in_turn", "always"]
CapField = Literal["max_completion_tokens", "max_tokens"]
Thinking = Literal["off", "budget", "effort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where the web listener stands. Port 0 takes any free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it; a name other than localhost counts as open."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """`[gateway]`. Paths are absolute after loading."""

    state_dir: Path = Path("state")
    store: Literal["sqlite"] = "sqlite"
    durability: Literal["power", "process"] = "power"
    timezone: str = "UTC"
    drain_s: float = 20.0
    retention_days: int = 90
    language: Literal["auto", "en", "de"] = "auto"
    owners: tuple[UserId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """`[web]`."""

    enabled: bool = True
    listen: Listen = Listen(host="127.0.0.1", port=8787)
    token: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramConfig:
    """`[platforms.telegram]`. `base_url` has no slash at its end."""

    token: Secret
    base_url: str = TELEGRAM_URL
    mode: Literal["polling", "webhook"] = "polling"
    webhook_url: str | None = None
    webhook_secret: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackConfig:
    """`[platforms.slack]`. `base_url` ends with a slash; one of the two ways in is set, or both.

    `bot_token` has one entry for each workspace or organisation the app is installed in.
    """

    bot_token: tuple[Secret, ...]
    app_token: Secret | None = None
    signing_secret: Secret | None = None
    base_url: str = SLACK_URL
    threads: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscordConfig:
    """`[platforms.discord]`. `base_url` has no slash at its end."""

    token: Secret
    base_url: str = DISCORD_URL
    threads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformsConfig:
    """`[platforms]`; None is a platform that is not configured and never imported."""

    telegram: TelegramConfig | None = None
    slack: SlackConfig | None = None
    discord: DiscordConfig | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessConfig:
    """`[access]` as it holds for one platform; `users` include the owners.

    `bots` are the bots that are answered.
    """

    dm: Literal["pairing", "allowlist", "open"] = "allowlist"
    users: tuple[UserId, ...] = ()
    chats: tuple[ChatPattern, ...] = ()
    require_mention: bool = True
    bots: tuple[UserId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsConfig:
    """`[sessions]`. After `idle_reset` seconds without a word a chat begins afresh; None: never."""

    group: Literal["per_user", "shared"] = "per_user"
    busy: Literal["join", "queue", "interrupt"] = "join"
    idle_reset: int | None = None

    @property
    def idle_us(self) -> int | None:
        """The same in microseconds."""
        return None if self.idle_reset is None else self.idle_reset * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceConfig:
    """What a model costs: micro-dollars per million tokens; None is the same as `input`."""

    input: int
    output: int
    cached_input: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginConfig:
    """`{ kind = "oauth" }`: an account somebody logs in to with `gatepost login`.

    `account` tells several logins of one service apart. `file` is where the vendor's own program
    keeps its login; `auth_url` is the root of another server to log in at, without a slash.
    """

    service: LoginService
    account: str = ""
    file: Path | None = None
    auth_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeConfig:
    """`{ kind = "exchange" }`: a lasting token that is changed for one of minutes."""

    service: Literal["copilot"]
    token: Secret
    auth_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandConfig:
    """`{ kind = "command" }`: a program that prints the token."""

    argv: tuple[str, ...]


CredentialConfig = LoginConfig | ExchangeConfig | CommandConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """One `[[providers]]` entry. `base_url` has no slash at its end.

    It is None for `demo` and `codex-app-server`. At most one of `api_key`, `api_keys` and
    `credential` is given. `price` is "included" where a flat fee covers it, and None where the
    packaged table is asked. None of `reasoning_replay`, `cap_field` and `thinking` leaves it to
    the wire.
    """

    name: str
    api: Api
    base_url: str | None = None
    model: str
    api_key: Secret | None = None
    api_keys: tuple[Secret, ...] = ()
    credential: tuple[CredentialConfig, ...] = ()
    pool: PoolOrder = "fill_first"
    aggregator: bool = False
    patience: Literal["eager", "full"] = "eager"
    context_window: int | None = None
    max_output_tokens: int | None = None
    effort: str | None = None
    reasoning_replay: ReasoningReplay | None = None
    omit: tuple[str, ...] = ()
    cap_field: CapField | None = None
    thinking: Thinking | None = None
    long_context: bool = False
    cache_ttl: Literal["5m", "1h"] = "5m"
    command: tuple[str, ...] = ()
    home: Path | None = None
    price: PriceConfig | Literal["included"] | None = None

    @property
    def keys(self) -> tuple[Secret | CredentialConfig, ...]:
        """What proves who asks, in the order it is used; none for servers that ask for none."""
        return (*((self.api_key,) if self.api_key else ()), *self.api_keys, *self.credential)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSearchConfig:
    """`[tools.web_search]`; micro-dollars a call, a `price` of None is not known.

    A call that costs more than `max_price` is asked for.
    """

    base_url: str
    api_key: Secret | None = None
    price: int | None = None
    max_price: int = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellConfig:
    """`[tools.shell]`: the names of variables a command may see, and its time in seconds."""

    environment: tuple[str, ...] = ()
    deadline_s: int = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFaceConfig:
    """`[tools.huggingface]`, for every `hf_` tool. `base_url` has no slash at its end.

    `secrets` are what jobs may be given, by name.
    """

    token: Secret
    base_url: str = HUGGINGFACE_URL
    secrets: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsConfig:
    """`[tools]`. The workspace is absolute after loading and apart from the state directory.

    `destinations` are the chats `send_message` may write to, by the name the model is given.
    """

    enabled: tuple[ToolName, ...] = ("files",)
    workspace: Path = Path("workspace")
    web_search: WebSearchConfig | None = None
    shell: ShellConfig = ShellConfig()
    huggingface: HuggingFaceConfig | None = None
    destinations: Mapping[str, ChatPattern] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionConfig:
    """`[transcription]`; `price` is micro-dollars a minute, `base_url` has no slash at its end."""

    model: str
    price: int
    base_url: str = OPENAI_URL
    api_key: Secret | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    """`[budget]`: the most that may be spent in each scope, in micro-dollars."""

    turn: int = 1 * DOLLAR
    session: int = 5 * DOLLAR
    chat_day: int = 10 * DOLLAR
    user_day: int = 10 * DOLLAR
    org_month: int = 200 * DOLLAR
    background_day: int = 2 * DOLLAR


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalsConfig:
    """`[approvals]`; limits in micro-dollars, `two_person_above` None is off.

    `owner_chat` None is the direct chat of the first owner. `chats` are approvers of single
    chats, most specific first.
    """

    expire_s: int = 3600
    owner_expire_s: int = 86_400
    approvers: tuple[Approver, ...] = ()
    chats: tuple[tuple[ChatPattern, tuple[Approver, ...]], ...] = ()
    requester_up_to: int = 1 * DOLLAR
    approver_up_to: int = 20 * DOLLAR
    two_person_above: int | None = None
    auto_max: int = 5 * DOLLAR
    owner_chat: ChatPattern | None = None
    confirm_cpu_jobs: bool = True
    confirm_scheduled_reads: bool = False
    auto_file_upload: bool = False

    def approvers_for(self, places: Sequence[ChatRef]) -> tuple[Approver, ...]:
        """Who approves in a chat, by the addresses it has and had: its own list or the general."""
        for pattern, approvers in self.chats:
            if any(pattern.names(place) for place in places):
                return approvers
        return self.approvers


@dataclass(frozen=True, slots=True, kw_only=True)
class PayersConfig:
    """`[payers]`: accounts that paid tools may charge, and the one that is charged unless asked.

    Without a `default` nobody pays, and what costs money can't be run.
    """

    default: str | None = None
    others: tuple[str, ...] = ()

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every account there is to choose from, the default first."""
        listed = () if self.default is None else (self.default,)
        return listed + tuple(other for other in self.others if other != self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleConfig:
    """`[people]`: the ids of one person on several platforms, by a name of the operator's."""

    ids: Mapping[str, tuple[UserId, ...]] = field(default_factory=dict)

    def canonical(self, person: str) -> str:
        """The name of whoever has this id, else the id itself (which always has a colon)."""
        for name, ids in self.ids.items():
            if any(str(one) == person for one in ids):
                return name
        return person

    def linked(self, person: str) -> tuple[str, ...]:
        """Every id of whoever has this one, itself included."""
        ids = self.ids.get(self.canonical(person), ())
        return tuple(str(one) for one in ids) or (person,)


@dataclass(frozen=True, slots=True, kw_only=True)
class McpConfig:
    """One `[[mcp]]` server: a `command` with `env`, or a `url` with `headers`.

    `effects` and `tags` are what the operator declares of its tools by name; what is not in
    `effects` is undeclared. `price` (of every tool) and `prices` are micro-dollars a call.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str | None = None
    env: tuple[tuple[str, Secret], ...] = ()
    headers: tuple[tuple[str, Secret], ...] = ()
    effects: Mapping[str, EffectClass] = field(default_factory=dict)
    tags: Mapping[str, frozenset[RiskTag]] = field(default_factory=dict)
    price: int | None = None
    prices: Mapping[str, int] = field(default_factory=dict)

    def price_of(self, tool: str) -> int | None:
        """Micro-dollars a call of one tool costs; None where nobody has said."""
        return self.prices.get(tool, self.price)


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationConfig:
    """A chat by name; `users` are whose turns may write to it beside owners, None is everyone's.

    `notices` are what it hears of by itself.
    """

    chat: ChatPattern
    users: tuple[UserId, ...] | None = None
    notices: tuple[NoticeKind, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CronJob:
    """One `[[cron]]` entry; exactly one of `schedule` and `secret` is given (None: a hook).

    `schedule` has been checked. `deliver` is a chat and `approver` a person or chat, as text.
    """

    name: str
    schedule: str | None = None
    secret: Secret | None = None
    timezone: str = "UTC"
    prompt: str
    deliver: str
    missed: Literal["skip", "once", "all"] = "skip"
    overlap: Literal["skip", "queue"] = "skip"
    session: Literal["fresh", "job", "chat"] = "fresh"
    approver: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything one gateway is told. `source` is None on the embedded defaults.

    `providers` may be empty: `choose_providers` says what stands in.
    """

    source: Path | None = None
    gateway: GatewayConfig = field(default_factory=GatewayConfig)
    web: WebConfig = field(default_factory=WebConfig)
    platforms: PlatformsConfig = field(default_factory=PlatformsConfig)
    access: AccessConfig = field(default_factory=AccessConfig)
    access_by_platform: Mapping[PlatformName, AccessConfig] = field(default_factory=dict)
    sessions: SessionsConfig = field(default_factory=SessionsConfig)
    providers: tuple[ProviderConfig, ...] = ()
    tools: ToolsConfig = field(default_factory=ToolsConfig)
    transcription: TranscriptionConfig | None = None
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    approvals: ApprovalsConfig = field(default_factory=ApprovalsConfig)
    payers: PayersConfig = field(default_factory=PayersConfig)
    people: PeopleConfig = field(default_factory=PeopleConfig)
    policy: Policy = field(default_factory=Policy)
    mcp: tuple[McpConfig, ...] = ()
    destinations: Mapping[str, DestinationConfig] = field(default_factory=dict)
    cron: tuple[CronJob, ...] = ()

    def named_chats(self) -> Mapping[str, DestinationConfig]:
        """Every chat with a name, those of `send_message` included."""
        plain = self.tools.destinations.items()
        return {**{name: DestinationConfig(chat=chat) for name, chat in plain}, **self.destinations}

    def may_write(self, name: str, person: str) -> bool:
        """Whether a person's turns may write to the chat of that name; `person` as rows have it."""
        users = self.named_chats()[name].users
        if users is None:
            return True
        listed = {str(each) for each in (*users, *self.gateway.owners)}
        return not listed.isdisjoint(self.people.linked(person))

    def access_for(self, platform: PlatformName) -> AccessConfig:
        """Return the rules of one platform: `[access]` with `[access.PLATFORM]` over it."""
        return self.access_by_platform.get(platform, self.access)
