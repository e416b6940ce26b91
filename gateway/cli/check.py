"""`gatepost check`: the configuration offline, and with `--online` who we are everywhere."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from gateway.config import (
    Config,
    ProviderConfig,
    advice,
    choose_providers,
    configured_platforms,
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
    checks: dict[str, Check] = {}
    for adapter in _adapters(config):
        checks[adapter.platform] = partial(_identity, adapter)
    for provider in choose_providers(config, os.environ, None):
        checks[f"provider {provider.name}"] = partial(_model, provider)
    answers = await asyncio.gather(*(_answered(ask) for ask in checks.values()))
    return [(name, *answer) for name, answer in zip(checks, answers, strict=True)]


def _adapters(config: Config) -> list[Adapter]:
    """The chat platforms the file turns on."""
    from gateway import app

    makers = {"telegram": app._telegram, "slack": app._slack, "discord": app._discord}
    return [makers[name](config) for name in configured_platforms(config)]


async def _answered(ask: Check) -> tuple[str, bool]:
    try:
        async with asyncio.timeout(ONLINE_WITHIN_S):
            return await ask(), True
    except TimeoutError:
        return f"no answer in {ONLINE_WITHIN_S:.0f} s", False
    except (PlatformError, GatewayError) as error:
        return str(error), False


async def _identity(adapter: Adapter) -> str:
    try:
        account = await adapter.connect()
    finally:
        await adapter.close()
    return f"connected as {account.platform}:{account.id}"


async def _model(config: ProviderConfig) -> str:
    """Ask for the list of models: it proves the key and costs nothing."""
    if config.api == "demo" or config.base_url is None:
        return "a scripted demonstration, nothing to ask"
    import openai

    key = config.api_key.reveal() if config.api_key else "none"
    client = openai.AsyncOpenAI(base_url=config.base_url, api_key=key, max_retries=0)
    try:
        models = [model.id async for model in client.models.list()]
    except openai.APIConnectionError as exc:
        raise GatewayError(f"{config.base_url} is not reachable; check base_url") from exc
    except openai.AuthenticationError as exc:
        raise GatewayError("the key is refused; check api_key") from exc
    except openai.APIStatusError as exc:
        raise GatewayError(f"the list of models is refused with {exc.status_code}") from exc
    except openai.OpenAIError as exc:
        raise GatewayError("the answer is not that of an OpenAI-compatible server") from exc
    finally:
        await client.close()
    if models and config.model not in models:
        raise GatewayError(f"the key works, but there is no model {config.model}")
    return f"the key works, {config.model} is there"
