"""The tools a gateway has: those that are enabled and can work here, and why others are missing.

Each is imported only if it is enabled. The hf_* tools share one account of one Hub.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent.tools.base import Tool
from gateway.clock import Clock
from gateway.config import Config, ConfigError, HuggingFaceConfig, rule_faults
from gateway.redaction import secrets_of

if TYPE_CHECKING:
    from agent.tools.hf_access import HubAccess

AccountOf = Callable[[str], str | None]
Sleep = Callable[[float], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """`missing` are enabled tools that can't work here, with the reason; `doctor` tells of them."""

    tools: Mapping[str, Tool]
    missing: Mapping[str, str] = field(default_factory=dict)
    close: tuple[Callable[[], Awaitable[None]], ...] = ()


@dataclass(slots=True, kw_only=True)
class _Making:
    config: Config
    clock: Clock
    account_of: AccountOf
    owns: Callable[[str], bool]
    sleep: Sleep
    close: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    hub: "HubAccess | None" = None


class Missing(Exception):
    """A tool can't work here; the text says why."""


def toolbox(
    config: Config,
    *,
    clock: Clock,
    account_of: AccountOf,
    owns: Callable[[str], bool] = lambda _: False,
    sleep: Sleep = asyncio.sleep,
) -> Toolbox:
    """Make the enabled tools; `account_of` names the connected account of a platform.

    `owns` says who owns the gateway beside those of the configuration.
    """
    making = _Making(config=config, clock=clock, account_of=account_of, owns=owns, sleep=sleep)
    tools: dict[str, Tool] = {}
    missing: dict[str, str] = {}
    for name in config.tools.enabled:
        try:
            tools[name] = _MAKERS[name](making)
        except Missing as why:
            missing[name] = str(why)
            log.warning("the tool %s is missing: %s", name, why)
    return Toolbox(tools=tools, missing=missing, close=tuple(making.close))


def check_rules(config: Config, box: Toolbox, named: Mapping[str, Tool]) -> None:
    """Hold the rules against the tools there are; raises ConfigError with every fault.

    `named` are tools of MCP servers by the names rules know. A tool that is missing here, or that
    no server has shown yet, has no rule to break.
    """
    tools = {**box.tools, **named}

    def may_be_tried(tool: str) -> bool:
        unseen = tool.startswith("mcp:") and tool not in tools
        return tool not in box.missing and not unseen

    rules = tuple(rule for rule in config.policy.rules if may_be_tried(rule.tool))
    known = replace(config, policy=replace(config.policy, rules=rules))
    if faults := rule_faults(known, tools):
        raise ConfigError(faults)


def _files(making: _Making) -> Tool:
    from agent.tools.files import FilesTool

    return FilesTool(workspace=making.config.tools.workspace)


def _shell(making: _Making) -> Tool:
    from agent.tools.isolation import Isolation
    from agent.tools.shell import ShellTool

    config = making.config.tools
    passed = {name: os.environ[name] for name in config.shell.environment if name in os.environ}
    isolation = Isolation(workspace=config.workspace, environment=passed)
    if (why := isolation.available()) is not None:
        raise Missing(why)
    return ShellTool(isolation, timeout_s=config.shell.deadline_s)


def _fetch(making: _Making) -> Tool:
    from agent.tools.fetch import FetchTool

    return FetchTool()


def _web_search(making: _Making) -> Tool:
    from agent.tools.web_search import WebSearchTool

    config = making.config.tools.web_search
    if config is None or config.api_key is None:
        raise Missing("[tools.web_search] names no api_key")
    return WebSearchTool(
        api_key=config.api_key.reveal(),
        price=config.price,
        max_price=config.max_price,
        base_url=config.base_url,
    )


def _send_message(making: _Making) -> Tool:
    from gateway.tools.send_message import SendMessageTool

    named = making.config.named_chats()
    if not named:
        raise Missing("no chat has a name; add [destinations.NAME]")
    return SendMessageTool(
        destinations={name: str(each.chat) for name, each in named.items()},
        may_write=lambda name, person: making.owns(person) or making.config.may_write(name, person),
        account_of=making.account_of,
        clock=making.clock,
    )


def _memory(making: _Making) -> Tool:
    from gateway.tools.memory import MemoryTool

    return MemoryTool(making.clock)


def _schedule(making: _Making) -> Tool:
    from gateway.tools.schedule import ScheduleTool

    return ScheduleTool(clock=making.clock, zone_name=making.config.gateway.timezone)


def _ask_user(making: _Making) -> Tool:
    from gateway.tools.ask_user import AskUserTool

    return AskUserTool()


def _huggingface(making: _Making) -> HuggingFaceConfig:
    if making.config.tools.huggingface is None:
        raise Missing("[tools.huggingface] names no token")
    return making.config.tools.huggingface


def _hub(making: _Making) -> "HubAccess":
    """The one account at the one Hub that all of these tools share."""
    if making.hub is not None:
        return making.hub
    from agent.hardware import Catalogue
    from agent.hub import Hub
    from agent.tools.hf_access import HubAccess
    from agent.tools.literal_secrets import holds_one_of

    account, payers = _huggingface(making), making.config.payers
    hub = Hub(
        token=account.token.reveal(),
        base_url=account.base_url,
        now_s=making.clock.monotonic,
        wait=making.sleep,
    )

    async def close() -> None:
        hub.close()

    making.close.append(close)
    making.hub = HubAccess(
        hub=hub,
        payer=payers.default or "",
        accounts=payers.accounts,
        holds=holds_one_of(frozenset(secrets_of(making.config))),
        prices=Catalogue(),
        now_us=making.clock.now,
    )
    return making.hub


def _hf_jobs(making: _Making) -> Tool:
    from agent.tools.hf_jobs import HfJobsTool

    secrets, approvals = _huggingface(making).secrets, making.config.approvals
    return HfJobsTool(
        access=_hub(making),
        workspace=making.config.tools.workspace,
        secrets={name: value.reveal() for name, value in secrets.items()},
        confirm_cpu_jobs=approvals.confirm_cpu_jobs,
        confirm_scheduled_reads=approvals.confirm_scheduled_reads,
    )


def _hf_sandbox(making: _Making) -> Tool:
    from agent.tools.hf_sandbox import HfSandboxTool, available

    access = _hub(making)
    if (why := available()) is not None:
        raise Missing(why)
    return HfSandboxTool(access=access)


def _hf_private_repos(making: _Making) -> Tool:
    from agent.tools.hf_private_repos import HfPrivateReposTool

    return HfPrivateReposTool(
        access=_hub(making),
        workspace=making.config.tools.workspace,
        auto_file_upload=making.config.approvals.auto_file_upload,
    )


def _hf_repo_files(making: _Making) -> Tool:
    from agent.tools.hf_repo_files import HfRepoFilesTool

    return HfRepoFilesTool(access=_hub(making), workspace=making.config.tools.workspace)


def _hf_repo_git(making: _Making) -> Tool:
    from agent.tools.hf_repo_git import HfRepoGitTool

    return HfRepoGitTool(access=_hub(making), workspace=making.config.tools.workspace)


_MAKERS: Mapping[str, Callable[[_Making], Tool]] = {
    "files": _files,
    "shell": _shell,
    "fetch": _fetch,
    "web_search": _web_search,
    "send_message": _send_message,
    "memory": _memory,
    "schedule": _schedule,
    "ask_user": _ask_user,
    "hf_jobs": _hf_jobs,
    "hf_sandbox": _hf_sandbox,
    "hf_private_repos": _hf_private_repos,
    "hf_repo_files": _hf_repo_files,
    "hf_repo_git": _hf_repo_git,
}
