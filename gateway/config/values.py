"""The configuration as the rest of the gateway sees it: frozen, checked, complete.

The defaults stand here and nowhere else; the schema and the reference page read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from gateway.config.ids import ChatPattern, UserId
from gateway.config.secret import Secret
from platforms.events import PlatformName

TELEGRAM_URL = "https://api.telegram.org"
SLACK_URL = "https://slack.com/api/"
DISCORD_URL = "https://discord.com/api/v10"
OPENAI_URL = "https://api.openai.com/v1"


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
    """`[platforms.slack]`. `base_url` ends with a slash; one of the two ways in is set, or both."""

    bot_token: Secret
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
    """`[access]` as it holds for one platform; `users` include the owners."""

    dm: Literal["allowlist", "open"] = "allowlist"
    users: tuple[UserId, ...] = ()
    chats: tuple[ChatPattern, ...] = ()
    require_mention: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsConfig:
    """`[sessions]`."""

    group: Literal["per_user", "shared"] = "per_user"
    busy: Literal["join", "queue", "interrupt"] = "join"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """One `[[providers]]` entry. `base_url` has no slash at its end and is None for `demo` only."""

    name: str
    api: Literal["openai-chat", "demo"]
    base_url: str | None = None
    model: str
    api_key: Secret | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsConfig:
    """`[tools]`. The workspace is absolute after loading and apart from the state directory."""

    enabled: tuple[Literal["files"], ...] = ("files",)
    workspace: Path = Path("workspace")


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

    def access_for(self, platform: PlatformName) -> AccessConfig:
        """Return the rules of one platform: `[access]` with `[access.PLATFORM]` over it."""
        return self.access_by_platform.get(platform, self.access)
