"""From a program to a conversation: start, handshake, login, and the thread that goes on."""

import asyncio
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.messages import JsonObject
from agent.providers.codex import protocol
from agent.providers.codex.child import Child
from agent.providers.codex.conversation import Conversation
from agent.providers.codex.losses import ChildLost, RpcRefused
from agent.providers.codex.protocol import Opened, Version
from agent.providers.codex.times import CodexTimes

OURS: Final = "0.1"
KEYED_AT: Final = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a child of one entry is started.

    `home` is its CODEX_HOME, below the gateway's state and shared by the entry's children; its
    login is kept there. With a key it asks `base_url`, without one it asks by its own login.
    `env` is our own environment, of which it sees a few variables.
    """

    argv: tuple[str, ...]
    home: Path
    model: str
    base_url: str = KEYED_AT
    env: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The thread that is wanted: the stored one, or None for a new one."""

    thread: str | None
    cwd: Path
    instructions: str
    key: str = field(repr=False)


async def open_conversation(launch: Launch, wanted: Wanted, *, times: CodexTimes) -> Conversation:
    """Start a child and open its thread. Raises ChildLost, and RpcRefused of a new thread.

    A stored thread that the child does not have any more is a ChildLost of why `thread`.
    """
    await asyncio.to_thread(_prepare, launch, wanted.cwd)
    env = protocol.environment(launch.env, home=str(launch.home), key=wanted.key)
    hide = (wanted.key,) if wanted.key else ()
    child = await Child.start(launch.argv, env=env, cwd=wanted.cwd, hide=hide)
    try:
        version = await _greet(child, times, keyed=bool(wanted.key))
        opened = await _open_thread(child, launch, wanted, version, times)
    except BaseException as error:
        await child.end(within_s=0)
        if isinstance(error, ChildLost) and child.login_broken:
            raise ChildLost("login", "its login is broken: log in again") from error
        if isinstance(error, ChildLost) and (said := child.last_words()):
            raise ChildLost(error.why, f"{error}; its last words:\n{said}") from error
        raise
    return Conversation(child, opened, times=times)


def _prepare(launch: Launch, cwd: Path) -> None:
    launch.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    cwd.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = protocol.config_file(base_url=launch.base_url)
    config = launch.home / "config.toml"
    if config.exists() and config.read_text() == text:
        return
    fresh = launch.home / f".config.{os.getpid()}.{threading.get_ident()}"
    fresh.write_text(text)
    fresh.replace(config)


async def _greet(child: Child, times: CodexTimes, *, keyed: bool) -> Version | None:
    params = protocol.initialize_params(OURS)
    greeted = await child.request("initialize", params, within_s=times.initialize_s)
    version = protocol.version_of(greeted.get("userAgent"))
    if version is not None and version < protocol.MINIMUM:
        least = ".".join(map(str, protocol.MINIMUM))
        raise ChildLost("unfit", f"codex {version[0]}.{version[1]} is too old, {least} is needed")
    child.notify("initialized")
    refresh = {"refreshToken": False}
    account = await child.request("account/read", refresh, within_s=times.initialize_s)
    if not keyed and account.get("account") is None and account.get("requiresOpenaiAuth"):
        raise ChildLost("login", "nobody is logged in: run `codex login` with its CODEX_HOME")
    return version


async def _open_thread(
    child: Child, launch: Launch, wanted: Wanted, version: Version | None, times: CodexTimes
) -> Opened:
    provider = protocol.OWN_PROVIDER if wanted.key else None
    params = protocol.thread_params(
        model=launch.model,
        provider=provider,
        cwd=str(wanted.cwd),
        instructions=wanted.instructions,
        thread=wanted.thread,
    )
    method = "thread/start" if wanted.thread is None else "thread/resume"
    more = protocol.no_agents(version)
    try:
        opened = await _asked(child, method, params, more, times)
    except RpcRefused as error:
        if wanted.thread is None:
            raise
        raise ChildLost("thread", f"the stored thread can't be resumed: {error.said}") from error
    if why := protocol.loosened(opened):
        raise ChildLost("unfit", f"it does not keep to its limits: {why}")
    return _opened(opened, launch.model)


async def _asked(
    child: Child, method: str, params: JsonObject, more: JsonObject, times: CodexTimes
) -> JsonObject:
    """Open a thread with `more`, or without it where that is refused."""
    if more:
        try:
            return await child.request(method, {**params, **more}, within_s=times.thread_s)
        except RpcRefused:
            pass
    return await child.request(method, params, within_s=times.thread_s)


def _opened(answer: JsonObject, model: str) -> Opened:
    thread = answer.get("thread")
    named = thread.get("id") if isinstance(thread, dict) else None
    if not isinstance(thread, dict) or not isinstance(named, str):
        raise ChildLost("junk", "a thread without an id")
    turns = thread.get("turns")
    ids = [each.get("id") for each in turns if isinstance(each, dict)] if turns else []
    served = answer.get("model")
    return Opened(
        thread=named,
        model=served if isinstance(served, str) else model,
        turns=tuple(each for each in ids if isinstance(each, str)),
    )
