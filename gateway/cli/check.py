"""`gatepost check`: the configuration offline, and with `--online` who we are everywhere."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from agent.credentials import StaticKey
from agent.errors import ProviderAuthFailed, ProviderError, ProviderUnavailable
from gateway.config import (
    Config,
    ProviderConfig,
    advice,
    choose_providers,
    load,
)
from gateway.errors import GatewayError
from platforms.base import Adapter
from platforms.errors import PlatformError

ONLINE_WITHIN_S = 20.0

Check = Callable[[], Awaitable[str]]


def check(config_path: Path | None, *, online: bool) -> int:
    """Say that the configuration is in order, or raise ConfigError with every fault."""
    config = load(config_path, os.environ)
    print(f"{config.source or 'no configuration file, built-in defaults'}: in order")
    for sentence in advice(config):
        print(f"notice: {sentence}")
    if not online:
        return 0
    results = asyncio.run(_ask_everyone(config))
    for name, answer, ok in results:
        print(f"{name}: {'' if ok else 'FAILED: '}{answer}")
    return 0 if all(ok for _, _, ok in results) else 1


async def _ask_everyone(config: Config) -> list[tuple[str, str, bool]]:
    from gateway.surfaces import chat_adapters

    checks: dict[str, Check] = {}
    for adapter in chat_adapters(config):
        checks[adapter.platform] = partial(identity, adapter)
    for provider in choose_providers(config, os.environ, None):
        checks[f"provider {provider.name}"] = partial(model, provider)
    answers = await asyncio.gather(*(answered(ask) for ask in checks.values()))
    return [(name, *answer) for name, answer in zip(checks, answers, strict=True)]


async def answered(ask: Check) -> tuple[str, bool]:
    """What a check answers, and whether all is well with it; in a bounded time."""
    try:
        async with asyncio.timeout(ONLINE_WITHIN_S):
            return await ask(), True
    except TimeoutError:
        return f"no answer in {ONLINE_WITHIN_S:.0f} s", False
    except (PlatformError, GatewayError) as error:
        return str(error), False


async def identity(adapter: Adapter) -> str:
    """Who we are on a platform, and what it says of our rights; raises PlatformError."""
    try:
        account = await adapter.connect()
        facts = adapter.liveness().facts
    finally:
        await adapter.close()
    told = ", ".join(f"{name} {value}" for name, value in facts.items())
    return f"connected as {account.platform}:{account.id}" + (f" ({told})" if told else "")


async def model(config: ProviderConfig) -> str:
    """Ask for the list of models: it proves the key and costs nothing."""
    if config.api == "demo" or config.base_url is None:
        return "a scripted demonstration, nothing to ask"
    from agent.providers.models import list_models

    key = StaticKey(label=config.name, key=config.api_key.reveal() if config.api_key else "")
    try:
        models = await list_models(config.base_url, await key.lease(), name=config.name)
    except ProviderAuthFailed as exc:
        raise GatewayError("the key is refused; check api_key") from exc
    except ProviderUnavailable as exc:
        raise GatewayError(f"{config.base_url} is not reachable; check base_url") from exc
    except ProviderError as exc:
        raise GatewayError(f"the list of models is refused: {exc.reason}") from exc
    if models and config.model not in models:
        raise GatewayError(f"the key works, but there is no model {config.model}")
    return f"the key works, {config.model} is there"
