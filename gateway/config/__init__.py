"""The configuration: one TOML file and the environment become frozen values or a list of faults."""

from gateway.config.faults import ConfigError, Fault
from gateway.config.ids import ChatPattern, UserId
from gateway.config.load import load
from gateway.config.secret import Secret
from gateway.config.sources import find_file
from gateway.config.stand_in import (
    LOCAL_SERVERS,
    LocalModel,
    advice,
    choose_providers,
    configured_platforms,
    wants_local_probe,
)
from gateway.config.values import (
    AccessConfig,
    Config,
    DiscordConfig,
    GatewayConfig,
    Listen,
    PlatformsConfig,
    ProviderConfig,
    SessionsConfig,
    SlackConfig,
    TelegramConfig,
    ToolsConfig,
    WebConfig,
)

__all__ = [
    "LOCAL_SERVERS",
    "AccessConfig",
    "ChatPattern",
    "Config",
    "ConfigError",
    "DiscordConfig",
    "Fault",
    "GatewayConfig",
    "Listen",
    "LocalModel",
    "PlatformsConfig",
    "ProviderConfig",
    "Secret",
    "SessionsConfig",
    "SlackConfig",
    "TelegramConfig",
    "ToolsConfig",
    "UserId",
    "WebConfig",
    "advice",
    "choose_providers",
    "configured_platforms",
    "find_file",
    "load",
    "wants_local_probe",
]
