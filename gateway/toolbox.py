"""The tools a gateway has: those that are enabled and can work here, and why others are missing.

Each is imported only if it is enabled.
"""

import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from agent.tools.base import Tool
from gateway.clock import Clock
from gateway.config import Config

AccountOf = Callable[[str], str | None]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """`missing` are enabled tools that can't work here, with the reason; `doctor` tells of them."""

    tools: Mapping[str, Tool]
    missing: Mapping[str, str] = field(default_factory=dict)
    close: tuple[Callable[[], Awaitable[None]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    config: Config
    clock: Clock
    account_of: AccountOf


class Missing(Exception):
    """A tool can't work here; the text says why."""


def toolbox(config: Config, *, clock: Clock, account_of: AccountOf) -> Toolbox:
    """Make the enabled tools; `account_of` names the connected account of a platform."""
    making = _Making(config=config, clock=clock, account_of=account_of)
    tools: dict[str, Tool] = {}
    missing: dict[str, str] = {}
    for name in config.tools.enabled:
        try:
            tools[name] = _MAKERS[name](making)
        except Missing as why:
            missing[name] = str(why)
            log.warning("the tool %s is missing: %s", name, why)
    return Toolbox(tools=tools, missing=missing)


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

    destinations = {name: str(chat) for name, chat in making.config.tools.destinations.items()}
    if not destinations:
        raise Missing("[tools.send_message] names no destinations")
    return SendMessageTool(
        destinations=destinations, account_of=making.account_of, clock=making.clock
    )


def _memory(making: _Making) -> Tool:
    from gateway.tools.memory import MemoryTool

    return MemoryTool(making.clock)


def _ask_user(making: _Making) -> Tool:
    from gateway.tools.ask_user import AskUserTool

    return AskUserTool()


_MAKERS: Mapping[str, Callable[[_Making], Tool]] = {
    "files": _files,
    "shell": _shell,
    "fetch": _fetch,
    "web_search": _web_search,
    "send_message": _send_message,
    "memory": _memory,
    "ask_user": _ask_user,
}
