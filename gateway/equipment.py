"""What turns are run with: the configured chain of providers, and the enabled tools.

Wires and tools are imported here, inside functions, and only those the configuration uses.
"""

import os
from collections.abc import Callable

from agent.credentials import StaticKey
from agent.failover import Entry
from agent.providers.base import Provider
from agent.tools.base import Tool
from gateway.config import (
    LOCAL_SERVERS,
    Config,
    LocalModel,
    ProviderConfig,
    choose_providers,
    wants_local_probe,
)
from gateway.config.stand_in import DEMO

DEFAULT_WINDOW = 128_000
"""Tokens of a model whose entry names no `context_window`."""


def tools(config: Config) -> dict[str, Tool]:
    """The enabled tools by name."""
    makers: dict[str, Callable[[Config], Tool]] = {"files": _files}
    return {name: makers[name](config) for name in config.tools.enabled}


def _files(config: Config) -> Tool:
    from agent.tools.files import FilesTool

    return FilesTool(workspace=config.tools.workspace)


async def providers(config: Config, *, demo: bool = False) -> tuple[Entry, ...]:
    """The chain of providers, primary first; looks for a local server if nothing is configured."""
    if demo:
        return (_entry(DEMO),)
    environ = os.environ
    local = await _local_model() if wants_local_probe(config, environ) else None
    return tuple(_entry(entry) for entry in choose_providers(config, environ, local))


async def _local_model() -> LocalModel | None:
    from agent.providers.models import probe_local

    found = await probe_local(LOCAL_SERVERS)
    return LocalModel(base_url=found[0], model=found[1]) if found else None


def _entry(config: ProviderConfig) -> Entry:
    provider = _demo() if config.api == "demo" else _openai_chat(config)
    key = config.api_key.reveal() if config.api_key else ""
    return Entry(
        name=config.name,
        provider=provider,
        credential=StaticKey(label=config.name, key=key),
        context_window=config.context_window or DEFAULT_WINDOW,
        max_output_tokens=config.max_output_tokens,
    )


def _demo() -> Provider:
    from agent.providers.demo import Demo

    return Demo()


def _openai_chat(config: ProviderConfig) -> Provider:
    from agent.providers.openai_chat import ChatEndpoint, OpenAIChat

    if config.base_url is None:
        raise ValueError(f"provider {config.name} has no base_url")
    return OpenAIChat(
        ChatEndpoint(
            name=config.name,
            base_url=config.base_url,
            model=config.model,
            context_window=config.context_window,
        )
    )
