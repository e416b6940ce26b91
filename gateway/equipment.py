"""What turns are run with: the configured chain of providers, each with its price.

Wires are imported here, inside functions, and only those the configuration uses.
"""

import logging
import os
import time
from ipaddress import ip_address
from urllib.parse import urlsplit

from agent.costs import Unknown
from agent.credentials import StaticKey
from agent.failover import Entry
from agent.model_prices import INCLUDED, ModelPrice, ModelPricing, configured, packaged
from agent.providers.base import Provider
from gateway.config import (
    LOCAL_SERVERS,
    Config,
    LocalModel,
    ProviderConfig,
    choose_providers,
    wants_local_probe,
)
from gateway.config.stand_in import DEMO
from gateway.errors import GatewayError

log = logging.getLogger(__name__)

DEFAULT_WINDOW = 128_000
"""Tokens of a model whose entry names no `context_window`."""

DEFAULT_OUTPUT = 8_192
"""Tokens of an answer where an entry names none and the model is paid for: it bounds the price."""


async def providers(config: Config, *, demo: bool = False) -> tuple[Entry, ...]:
    """The chain of providers, primary first; looks for a local server if nothing is configured."""
    if demo:
        return (_entry(DEMO),)
    environ = os.environ
    local = await _local_model() if wants_local_probe(config, environ) else None
    return _priced(tuple(choose_providers(config, environ, local)))


def _priced(configured: tuple[ProviderConfig, ...]) -> tuple[Entry, ...]:
    """The chain without fallbacks whose price nobody knows; GatewayError for such a primary."""
    entries = []
    for place, each in enumerate(configured):
        price = price_of(each)
        if isinstance(price, Unknown):
            if place == 0:
                raise GatewayError(unpriced_text(each, price))
            log.warning("left out as a fallback: %s", unpriced_text(each, price))
            continue
        entries.append(_entry(each))
    return tuple(entries)


def unpriced_text(config: ProviderConfig, price: Unknown) -> str:
    """Say what to write for a model whose price nobody knows."""
    return (
        f"providers.{config.name}.price is missing: {price.text}. Write price = {{ input = ...,"
        f' output = ... }} in dollars per million tokens, or price = "included" if calls cost'
        " nothing by themselves."
    )


async def _local_model() -> LocalModel | None:
    from agent.providers.models import probe_local

    found = await probe_local(LOCAL_SERVERS)
    return LocalModel(base_url=found[0], model=found[1]) if found else None


def _entry(config: ProviderConfig) -> Entry:
    provider = _demo() if config.api == "demo" else _openai_chat(config)
    key = config.api_key.reveal() if config.api_key else ""
    price = price_of(config)
    free = isinstance(price, ModelPrice) and price.source == "included"
    most = config.max_output_tokens or (None if free else DEFAULT_OUTPUT)
    return Entry(
        name=config.name,
        provider=provider,
        credential=StaticKey(label=config.name, key=key),
        context_window=config.context_window or DEFAULT_WINDOW,
        max_output_tokens=most,
        pricing=ModelPricing(price, max_output_tokens=most),
    )


def price_of(config: ProviderConfig) -> ModelPrice | Unknown:
    """What a model costs: as configured, as the packaged table has it, or nobody knows.

    A server on this machine may pass the bill of another on: there the model's name decides.
    """
    if config.price == "included" or config.api == "demo":
        return INCLUDED
    if config.price is not None:
        return configured(
            input_micros=config.price.input,
            output_micros=config.price.output,
            cached_micros=config.price.cached_input,
        )
    passes_on = config.base_url is None or _is_here(config.base_url)
    address = None if passes_on else config.base_url
    return packaged(config.model, address, now=time.time_ns() // 1000)


def _is_here(base_url: str) -> bool:
    """Whether a server runs on this machine, where no table knows its address."""
    host = urlsplit(base_url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


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
