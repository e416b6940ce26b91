"""What every platform and provider says when it is asked: one finding each, and what to do."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

from gateway import refs
from gateway.cli.check import ONLINE_WITHIN_S, model
from gateway.cli.findings import Finding, Severity
from gateway.config import Config, ProviderConfig
from gateway.errors import GatewayError
from platforms.base import Adapter, Remark, SetUp
from platforms.errors import CredentialsRejected, PlatformError
from platforms.events import Account, ChatRef, PlatformName

_WAY = "look whether this machine can reach it (network, proxy, firewall)"
_WITHOUT_SDK = frozenset({"demo", "codex-app-server", "anthropic-messages"})
_SEVERITIES: Mapping[str, Severity] = {"note": "ok", "warning": "warning", "error": "error"}


def load_clients(entries: Iterable[ProviderConfig]) -> None:
    """Import what asking takes, before anybody is asked.

    An import in the middle keeps every answer waiting; on a slow machine platforms that had
    answered seemed out of reach.
    """
    if any(entry.api not in _WITHOUT_SDK for entry in entries):
        import openai  # noqa: F401


async def of_platform(adapter: Adapter, config: Config) -> list[Finding]:
    """Who we are there, and what its pages have set up otherwise than we need it."""
    name = adapter.platform
    try:
        async with asyncio.timeout(ONLINE_WITHIN_S):
            return await _asked(adapter, config)
    except TimeoutError:
        return [_failed(name, f"no answer in {ONLINE_WITHIN_S:.0f} s", _WAY)]
    except CredentialsRejected as error:
        return [_failed(name, str(error), f"mend it in [platforms.{name}], and start again")]
    except PlatformError as error:
        return [_failed(name, str(error), f"{_WAY}; platforms.{name}.base_url if it is set")]
    finally:
        with contextlib.suppress(PlatformError):
            await adapter.close()


async def _asked(adapter: Adapter, config: Config) -> list[Finding]:
    account = await adapter.connect()
    alive, name = adapter.liveness(), adapter.platform
    told = ", ".join(f"{fact} {value}" for fact, value in alive.facts.items())
    who = f"connected as {refs.account_text(account)}" + (f" ({told})" if told else "")
    found = [Finding(check=name, finding=who)]
    if alive.alarm:
        found.append(_failed(name, alive.alarm, ""))
    if isinstance(adapter, SetUp):
        chats = listed_chats(config.access_for(name).chats, account)
        found += [_of(name, remark) for remark in await adapter.remarks(chats)]
    return found


def listed_chats(chats: Iterable[object], account: Account) -> tuple[ChatRef, ...]:
    """Pure: those of a list that are one chat each; `*` stands for many."""
    found = []
    for chat in map(str, chats):
        if not chat.startswith(f"{account.platform}:") or chat.endswith("*"):
            continue
        found.append(refs.chat_from(chat, account))
    return tuple(found)


async def of_provider(config: ProviderConfig, severity: Severity) -> list[Finding]:
    """Whether a provider takes its key, and has the model."""
    name = f"provider {config.name}"
    if config.api == "demo":
        return [
            Finding(
                check=name,
                severity="warning",
                finding="a scripted demonstration answers",
                remedy="set OPENAI_API_KEY, or add [[providers]]",
            )
        ]
    try:
        async with asyncio.timeout(ONLINE_WITHIN_S):
            return [Finding(check=name, finding=await model(config))]
    except TimeoutError:
        said = f"no answer in {ONLINE_WITHIN_S:.0f} s"
        return [Finding(check=name, severity=severity, finding=said, remedy=_WAY)]
    except GatewayError as error:  # its sentence says which key of the file to look at
        return [Finding(check=name, severity=severity, finding=str(error))]


def _of(name: PlatformName, remark: Remark) -> Finding:
    return Finding(
        check=name,
        severity=_SEVERITIES[remark.weight],
        finding=remark.said,
        remedy=remark.remedy,
    )


def _failed(name: str, said: str, remedy: str) -> Finding:
    return Finding(check=name, severity="error", finding=said, remedy=remedy)
