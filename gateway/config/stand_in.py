"""Pure: which providers serve when the file names none, and what a start should point out."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.config.secret import Secret
from gateway.config.values import ANTHROPIC_URL, OPENAI_URL, Config, ProviderConfig
from platforms.events import PlatformName

OPENAI_MODEL: Final = "gpt-5"
ANTHROPIC_MODEL: Final = "claude-sonnet-4-5"

ENVIRONMENT_KEYS: Final = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
"""Variables that choose a model where the file names none, in order."""

LOCAL_SERVERS: Final = ("http://127.0.0.1:11434/v1", "http://127.0.0.1:8080/v1")
"""Roots to ask for `/models`, in order: Ollama, llama.cpp."""

DEMO: Final = ProviderConfig(name="demo", api="demo", model="demo")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A model that a server on this machine offered."""

    base_url: str
    model: str


def choose_providers(
    config: Config, environ: Mapping[str, str], local: LocalModel | None
) -> tuple[ProviderConfig, ...]:
    """Return the providers to use, in order; never empty.

    The configured ones; else OpenAI when OPENAI_API_KEY is set, or Anthropic when
    ANTHROPIC_API_KEY is; else `local`, which the caller found by asking LOCAL_SERVERS; else the
    demonstration.
    """
    if config.providers:
        return config.providers
    openai, anthropic = (environ.get(name, "").strip() for name in ENVIRONMENT_KEYS)
    if openai:
        return (
            ProviderConfig(
                name="openai",
                api="openai-chat",
                base_url=OPENAI_URL,
                model=OPENAI_MODEL,
                api_key=Secret(openai),
            ),
        )
    if anthropic:
        return (
            ProviderConfig(
                name="anthropic",
                api="anthropic-messages",
                base_url=ANTHROPIC_URL,
                model=ANTHROPIC_MODEL,
                api_key=Secret(anthropic),
            ),
        )
    if local is not None:
        return (
            ProviderConfig(
                name="local",
                api="openai-chat",
                base_url=local.base_url,
                model=local.model,
                price="included",
            ),
        )
    return (DEMO,)


def wants_local_probe(config: Config, environ: Mapping[str, str]) -> bool:
    """Whether `choose_providers` would look at `local` at all."""
    return not config.providers and not keys_in(environ)


def keys_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of models that the environment holds."""
    found = (environ.get(name, "").strip() for name in ENVIRONMENT_KEYS)
    return tuple(key for key in found if key)


def advice(config: Config, *, owned: Collection[str] = ()) -> tuple[str, ...]:
    """Return what is allowed and probably not meant, one sentence each.

    `owned`: platforms on which somebody is known to be heard, whatever the file lists.
    """
    unheard = tuple(
        f"{name}: nobody is listed who may write to it; run `gatepost pair owner`, or list ids in"
        " access.users and access.chats (`gatepost doctor` names who wrote)"
        for name in configured_platforms(config)
        if name not in owned and _answers_nobody(config, name)
    )
    return (*unheard, *_about_tools(config), *_about_rules(config))


def _about_tools(config: Config) -> Iterator[str]:
    enabled = config.tools.enabled
    if "send_message" in enabled and not config.named_chats():
        yield "send_message: it can write nowhere yet; add [destinations.NAME]"
    if any(tool.startswith("hf_") for tool in enabled) and config.payers.default is None:
        yield "payers: no account pays, so nothing that costs money can be run; set payers.default"


def _about_rules(config: Config) -> Iterator[str]:
    if not config.policy.rules:
        return
    from agent.rule_checks import hidden_rules

    for hidden, by in hidden_rules(config.policy):
        yield f"policy.{hidden}: it never decides; {by} is stricter and always matches with it"


def configured_platforms(config: Config) -> tuple[PlatformName, ...]:
    """Return the chat platforms the file turns on, in a fixed order."""
    platforms = config.platforms
    found: list[PlatformName] = []
    if platforms.telegram is not None:
        found.append("telegram")
    if platforms.slack is not None:
        found.append("slack")
    if platforms.discord is not None:
        found.append("discord")
    return tuple(found)


def _answers_nobody(config: Config, platform: PlatformName) -> bool:
    access = config.access_for(platform)
    people = {user.platform for user in access.users}
    places = {chat.platform for chat in access.chats}
    return access.dm == "allowlist" and platform not in people | places
