"""A whole gateway on loopback: one surface as its people see it, and a scripted model behind it."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from gateway.app import Gateway, Running, providers
from gateway.config import load
from tests.wire.openai import OpenAIServer, Reply
from tests.wire.server import LoopbackServer

WAIT_S = 15.0


class Surface(Protocol):
    """What people at one surface can do, and what stands in front of them.

    "ann" is let in, "mallory" is not. `group` is a chat of several people that is let in; where a
    platform answers in a thread, what is shown there counts as the group's.
    """

    name: str
    part_max: int
    """The most characters one message of the platform can have."""

    has_groups: bool
    has_strangers: bool
    """Whether someone who is not let in can write at all."""

    async def open(self) -> None:
        """Start the platform's server, if it has one."""

    def config(self) -> str:
        """TOML that connects the gateway to it and lets ann and the group in."""

    async def meet(self, running: Running) -> None:
        """The gateway runs: sit down at it and wait until messages can be written."""

    async def say(
        self, text: str, *, by: str = "ann", group: bool = False, mention: bool = False
    ) -> Any:
        """Write a message and return what `redeliver` and `ref` take."""

    async def stop(self) -> None:
        """Give /stop the way people do here."""

    async def redeliver(self, message: Any) -> None:
        """Let the platform deliver a message again."""

    async def malformed(self) -> None:
        """Let the platform deliver something that makes no sense."""

    def ref(self, message: Any) -> str:
        """The message as `gatepost why` takes it."""

    def shown(self, *, group: bool = False) -> list[str]:
        """The texts of the gateway's messages that stand in the chat, in order."""

    async def changed(self, since: int) -> None:
        """Wait until something was seen after `position` had this value."""

    @property
    def position(self) -> int:
        """How much was seen so far."""

    async def close(self) -> None:
        """Leave, and stop the server; fails if it was asked for anything unscripted."""


class ServerSurface:
    """The part of a Surface that waits, for platforms with a loopback server."""

    server: LoopbackServer

    async def open(self) -> None:
        """Start the server."""
        await self.server.__aenter__()

    async def changed(self, since: int) -> None:
        """Wait for the next request."""
        await self.server.seen(lambda _: True, WAIT_S, since=since)

    @property
    def position(self) -> int:
        """Requests seen."""
        return len(self.server.record)

    async def close(self) -> None:
        """Stop the server."""
        await self.server.__aexit__(None, None, None)


class Stage:
    """`async with Stage(surface, path) as stage:` runs everything and tears it down."""

    def __init__(self, surface: Surface, path: Path, *, extra: str = "", sessions: str = "") -> None:
        """`extra` are further tables of the configuration, `sessions` lines of `[sessions]`."""
        self.surface = surface
        self.path = path
        self.model = OpenAIServer()
        self.workspace = path / "workspace"
        self._extra = extra
        self._sessions = sessions
        self.running: Running
        self.gateway: Gateway

    async def __aenter__(self) -> Self:
        self.workspace.mkdir(exist_ok=True)
        await self.model.__aenter__()
        await self.surface.open()
        await self.start()
        return self

    async def start(self) -> None:
        """Start the gateway, also again after `halt`."""
        file = self.path / "gatepost.toml"
        file.write_text(self._config())
        file.chmod(0o600)
        config = load(file, {})
        self.gateway = Gateway(config)
        self.running = await self.gateway.start(await providers(config))
        await self.surface.meet(self.running)

    async def halt(self) -> None:
        """Stop the gateway as SIGTERM does."""
        await self.gateway.stop()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.gateway.stop()
        if kind is not None:
            await self.model.close()
            return
        await self.surface.close()
        await self.model.__aexit__(None, None, None)

    def _config(self) -> str:
        return f"""
[gateway]
state_dir = "{self.path}/state"
drain_s = 5

[web]
listen = "127.0.0.1:0"

[sessions]
{self._sessions}

[[providers]]
name = "main"
api = "openai-chat"
base_url = "{self.model.base_url}"
model = "loopback-1"
api_key = "sk-loopback"

[tools]
enabled = ["files"]
workspace = "{self.workspace}"

{self._extra}
{self.surface.config()}
"""

    async def until(self, holds: Callable[[], bool], *, timeout: float = WAIT_S) -> None:
        """Wait, change by change, until something holds on the surface."""
        try:
            async with asyncio.timeout(timeout):
                while not holds():
                    await self.surface.changed(self.surface.position)
        except TimeoutError:
            state = {"chat": self.surface.shown()}
            if self.surface.has_groups:
                state["group"] = self.surface.shown(group=True)
            raise AssertionError(f"does not hold after {timeout} s; shown: {state}") from None

    async def reads(self, *texts: str, group: bool = False) -> None:
        """Wait until exactly these texts stand in the chat."""
        await self.until(lambda: self.surface.shown(group=group) == list(texts))

    async def asked(self, count: int) -> list[dict[str, Any]]:
        """Wait for the model's request number `count` and return its messages."""
        await self.model.seen(lambda _: len(self.model.asked) >= count, WAIT_S)
        return list(self.model.asked[count - 1]["messages"])

    def answers(self, *texts: str) -> None:
        """Script the model's next replies."""
        for text in texts:
            self.model.reply(Reply(deltas=tuple(_pieces(text))))


def _pieces(text: str, size: int = 12) -> Iterable[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def words(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The roles and texts of a model request, without the system prompt."""
    return [(m["role"], m.get("content") or "") for m in messages if m["role"] != "system"]
