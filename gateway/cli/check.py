"""`gatepost check`: the configuration offline, and with `--online` who we are everywhere."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from agent.credential_pool import CredentialPool, TokenSource
from agent.credentials import Lease, StaticKey
from agent.errors import ProviderAuthFailed, ProviderError, ProviderUnavailable
from gateway.cli.findings import Finding
from gateway.config import (
    Config,
    ProviderConfig,
    advice,
    choose_providers,
    load,
)
from gateway.config.values import LOGIN_SERVICES
from gateway.credentials import KeyMaker
from gateway.errors import GatewayError

ONLINE_WITHIN_S = 20.0


def check(config_path: Path | None, *, online: bool) -> int:
    """Say that the configuration is in order, or raise ConfigError with every fault."""
    config = load(config_path, os.environ)
    print(f"{config.source or 'no configuration file, built-in defaults'}: in order")
    for sentence in advice(config):
        print(f"notice: {sentence}")
    for finding in _about_jobs(config):
        print(finding)
    if not online:
        return 0
    asked = asyncio.run(_ask_everyone(config))
    for found in asked:
        print(_line(found))
    return 1 if any(found.severity == "error" for found in asked) else 0


def _about_jobs(config: Config) -> Iterator[str]:
    """When each job fires next."""
    if not config.cron:
        return
    from gateway.cli.cron import of_jobs

    for found in of_jobs(config.cron, datetime.now(UTC)):
        told = f"{found.check}: {found.finding}"
        yield f"notice: {told}; {found.remedy}" if found.remedy else told


async def _ask_everyone(config: Config) -> list[Finding]:
    from gateway.cli.online import load_clients, of_platform, of_provider
    from gateway.surfaces import chat_adapters

    entries = choose_providers(config, os.environ, None)
    load_clients(entries)
    answers = await asyncio.gather(
        *(of_platform(adapter, config) for adapter in chat_adapters(config)),
        *(of_provider(entry, "error") for entry in entries),
    )
    return [finding for found in answers for finding in found]


def _line(found: Finding) -> str:
    mark = {"ok": "", "warning": "notice: ", "error": "FAILED: "}[found.severity]
    return f"{found.check}: {mark}{found.finding}" + (f" -> {found.remedy}" if found.remedy else "")


async def model(config: ProviderConfig) -> str:
    """Ask for the list of models with every key: it proves them and costs nothing."""
    if config.api == "demo":
        return "a scripted demonstration, nothing to ask"
    if config.api == "codex-app-server":
        return _program(config.command[0] if config.command else "codex")
    credential = KeyMaker().credential(config)
    if not isinstance(credential, CredentialPool):
        return await _with_key(config, StaticKey(label=config.name, key=""))
    if credential.service.value in LOGIN_SERVICES:
        return "a login, which the gateway keeps; `gatepost credentials` tells how it stands"
    if len(credential.keys) == 1:
        return await _with_key(config, credential.keys[0].source)
    for key in credential.keys:
        try:
            said = await _with_key(config, key.source)
        except GatewayError as exc:
            raise GatewayError(f"{key.label}: {exc}") from exc
    return f"{len(credential.keys)} keys: {said}"


async def _with_key(config: ProviderConfig, key: TokenSource) -> str:
    try:
        lease = await key.lease()
    except ProviderError as exc:
        raise GatewayError(f"there is no token: {exc}") from exc
    try:
        models = await _listed(config, lease)
    except ProviderAuthFailed as exc:
        raise GatewayError("the key is refused; check api_key") from exc
    except ProviderUnavailable as exc:
        if exc.status == 404:
            said = f"{config.base_url} answers 404; check base_url, most end with /v1"
        else:
            said = f"{config.base_url} is not reachable; check base_url"
        raise GatewayError(said) from exc
    except ProviderError as exc:
        raise GatewayError(f"the list of models is refused: {exc.reason}") from exc
    if models and config.model not in models:
        raise GatewayError(f"the key works, but there is no model {config.model}")
    return f"the key works, {config.model} is there"


async def _listed(config: ProviderConfig, lease: Lease) -> tuple[str, ...]:
    from agent.providers.models import list_messages_models, list_models

    url = lease.base_url or config.base_url or ""
    if config.api == "anthropic-messages":
        return await list_messages_models(url, lease, name=config.name)
    return await list_models(url, lease, name=config.name)


def _program(name: str) -> str:
    """Whether a coding agent is there; it is not started."""
    if shutil.which(name) is None:
        raise GatewayError(f"there is no program {name}; install it, or name it in command")
    return f"the program {name} is there"
