"""What turns are run with: the configured chain of providers, each with its price.

Wires are imported here, inside functions, and only those the configuration uses.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, assert_never
from urllib.parse import urlsplit

from agent.costs import Unknown
from agent.credentials import Service
from agent.failover import Entry
from agent.model_prices import (
    INCLUDED,
    ModelPrice,
    ModelPricing,
    configured,
    media_tokens,
    packaged,
)
from agent.providers.base import Provider
from agent.providers.bounds import REASONING, bounds_for
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
from gateway.config.values import OPENAI_URL
from gateway.credentials import KeyMaker
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from agent.providers.codex.pool import CodexPool
    from agent.providers.openai_chat import ChatEndpoint
    from agent.providers.openai_responses import ResponsesEndpoint

log = logging.getLogger(__name__)

DEFAULT_WINDOW = 128_000
"""Tokens of a model whose entry names no `context_window`."""

LONG_WINDOW = 1_000_000
"""Tokens of the window that `long_context` asks for."""

DEFAULT_OUTPUT = 8_192
"""Tokens of an answer where an entry names none and the model is paid for: it bounds the price."""

UNCAPPED_OUTPUT = 128_000
"""Tokens that a model may write where no cap is sent and its entry names no maximum.

Source: https://platform.openai.com/docs/models/gpt-5; the models behind ChatGPT's codex backend
and the app-server are those.
"""

_DAY_NS: Final = 24 * 3_600 * 1_000_000_000


async def providers(config: Config, *, demo: bool = False) -> tuple[Entry, ...]:
    """The chain of providers, primary first; looks for a local server if nothing is configured.

    Raises GatewayError if the primary can't be had; a fallback is left out with a warning.
    """
    maker = EntryMaker(config)
    if demo:
        return (maker.entry(DEMO),)
    environ = os.environ
    local = await _local_model() if wants_local_probe(config, environ) else None
    return _chain(tuple(choose_providers(config, environ, local)), maker)


def _chain(configured: tuple[ProviderConfig, ...], maker: "EntryMaker") -> tuple[Entry, ...]:
    """The chain without fallbacks that can't be built, or whose price nobody knows."""
    entries = []
    for place, each in enumerate(configured):
        try:
            entries.append(maker.entry(each))
        except GatewayError as exc:
            if place == 0:
                raise
            log.warning("left out as a fallback: %s", exc)
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


class EntryMaker:
    """Makes the entries of one chain, which share keys and log-ins."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._keys = KeyMaker()
        self._children: CodexPool | None = None

    def entry(self, config: ProviderConfig) -> Entry:
        """One entry with its wire and its keys; raises GatewayError with what to do."""
        price = price_of(config)
        if isinstance(price, Unknown):
            raise GatewayError(unpriced_text(config, price))
        free = price.source == "included"
        try:
            credential = self._keys.credential(config)
            capped = sends_cap(config, credential.service)
            provider = self._provider(config, credential.service)
        except (ImportError, OSError, ValueError) as exc:
            raise GatewayError(f"providers.{config.name} can't be used: {exc}") from exc
        most = config.max_output_tokens or (None if free or not capped else DEFAULT_OUTPUT)
        of_table = not free and config.price is None
        pricing = ModelPricing(
            price,
            max_output_tokens=most if capped else most or UNCAPPED_OUTPUT,
            capped=capped,
            long_cache=config.cache_ttl == "1h",
            picture_tokens=media_tokens(config.model),
            look_up=PriceOfToday(config, price) if of_table else None,
        )
        return Entry(
            name=config.name,
            provider=provider,
            credential=credential,
            context_window=window_of(config),
            max_output_tokens=most,
            most_output_tokens=config.max_output_tokens,
            pricing=pricing,
            reprice=partial(_of_model, config, pricing) if of_table else None,
            api=config.api,
            direct=not config.aggregator,
            patience=config.patience,
            effort=config.effort,
            reasons=reasons(config),
        )

    def _provider(self, config: ProviderConfig, service: Service) -> Provider:
        match config.api:
            case "openai-chat":
                return _openai_chat(config, service)
            case "openai-responses":
                return _openai_responses(config, service)
            case "anthropic-messages":
                return _anthropic_messages(config, service)
            case "codex-app-server":
                return self._codex(config)
            case "demo":
                return _demo()
            case _:
                assert_never(config.api)

    def _codex(self, config: ProviderConfig) -> Provider:
        from agent.providers.codex.pool import CodexPool
        from gateway.codex_entries import codex_entry

        self._children = self._children or CodexPool()
        return codex_entry(
            config,
            home=config.home or self._config.gateway.state_dir / "codex",
            workspace=self._config.tools.workspace,
            pool=self._children,
        )


def _of_model(config: ProviderConfig, pricing: ModelPricing, model: str) -> ModelPricing:
    """What another model costs at the same entry."""
    return pricing.at(price_of(replace(config, model=model)))


def window_of(config: ProviderConfig) -> int:
    """Tokens of a model's window: as configured, the long one where it is asked for, or usual."""
    return config.context_window or (LONG_WINDOW if config.long_context else DEFAULT_WINDOW)


def own_tools(entries: tuple[Entry, ...]) -> Mapping[str, Tool]:
    """The tools that entries bring along: what a coding agent asks of people."""
    if not any(entry.api == "codex-app-server" for entry in entries):
        return {}
    from gateway.codex_entries import tools_of

    return tools_of(entries)


def reasons(config: ProviderConfig) -> bool:
    """Whether a model thinks before it answers: as configured, else by its name."""
    named = bounds_for(OPENAI_URL, config.model) is REASONING
    match config.api:
        case "codex-app-server":
            return True
        case "anthropic-messages":
            from agent.providers.anthropic_messages import thinking

            known = thinking.reasons(config.model, thinking=config.thinking, effort=config.effort)
            return known or named
        case _:
            return named if config.effort is None else config.effort != "none"


def sends_cap(config: ProviderConfig, service: Service) -> bool:
    """Whether a request says how long its answer may be."""
    match config.api:
        case "openai-chat":
            return _chat_endpoint(config, service).is_capped
        case "openai-responses":
            return _responses_endpoint(config, service).is_capped
        case "codex-app-server":
            return False
        case "anthropic-messages" | "demo":
            return True
        case _:
            assert_never(config.api)


class PriceOfToday:
    """The packaged price of an entry; a new one may begin with each day.

    One that differs by the time of day is the dearest of them: a call may begin in one part of the
    day and be billed in the other.
    """

    def __init__(
        self,
        config: ProviderConfig,
        price: ModelPrice,
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._config = config
        self._price: ModelPrice | Unknown = price
        self._now_ns = now_ns
        self._day = now_ns() // _DAY_NS

    def __call__(self) -> ModelPrice | Unknown:
        day = self._now_ns() // _DAY_NS
        if day != self._day:
            self._day, self._price = day, price_of(self._config)
        return self._price


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
            pays_writes=config.api == "anthropic-messages",
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


def _openai_chat(config: ProviderConfig, service: Service) -> Provider:
    from agent.providers.openai_chat import OpenAIChat

    return OpenAIChat(_chat_endpoint(config, service))


def _chat_endpoint(config: ProviderConfig, service: Service) -> "ChatEndpoint":
    from agent.providers.openai_chat import ChatEndpoint

    return ChatEndpoint(
        name=config.name,
        base_url=_base_url(config),
        model=config.model,
        cap_field=config.cap_field,
        context_window=config.context_window,
        reasoning_replay=config.reasoning_replay,
        omit=frozenset(config.omit),
        reasons=reasons(config),
        service=service,
    )


def _openai_responses(config: ProviderConfig, service: Service) -> Provider:
    from agent.providers.openai_responses import OpenAIResponses

    return OpenAIResponses(_responses_endpoint(config, service))


def _responses_endpoint(config: ProviderConfig, service: Service) -> "ResponsesEndpoint":
    from agent.providers.openai_responses import ResponsesEndpoint

    return ResponsesEndpoint(
        name=config.name,
        base_url=_base_url(config),
        model=config.model,
        context_window=config.context_window,
        omit=frozenset(config.omit),
        service=service,
        reasons=reasons(config),
    )


def _anthropic_messages(config: ProviderConfig, service: Service) -> Provider:
    from agent.providers.anthropic_messages import AnthropicMessages, MessagesEndpoint

    return AnthropicMessages(
        MessagesEndpoint(
            name=config.name,
            base_url=_base_url(config),
            model=config.model,
            context_window=config.context_window,
            max_output_tokens=config.max_output_tokens or DEFAULT_OUTPUT,
            thinking=config.thinking,
            long_context=config.long_context,
            cache_ttl=config.cache_ttl,
            service=service,
            reasons=reasons(config),
        )
    )


def _base_url(config: ProviderConfig) -> str:
    if config.base_url is None:
        raise ValueError(f"provider {config.name} has no base_url")
    return config.base_url
