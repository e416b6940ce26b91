"""A whole gateway on loopback: surfaces as their people see them, and a scripted model behind."""

import asyncio
import random
import socket
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from agent.model_room import ModelRoom
from agent.tools.base import Tool
from gateway.app import NO_TOOLS, Gateway, Running
from gateway.config import load
from gateway.equipment import providers
from gateway.operator import Status
from tests.generous import generous
from tests.wire.openai import OpenAIServer, Reply
from tests.wire.server import LoopbackServer

WAIT_S = 60.0
KEY = "sk-loopback"
MODEL = "loopback-1"
SPARE = "loopback-2"
INCLUDED = 'price = "included"'


async def hurried(seconds: float) -> None:
    """What model calls wait for takes a hundredth of its time here."""
    await asyncio.sleep(seconds / 100)


class Surface(Protocol):
    """What people at one surface can do, and what stands in front of them.

    "ann" and "bob" are let in, "mallory" is not. `group` is a chat of several people that is let
    in; where a platform answers in a thread, what is shown there counts as the group's.
    """

    name: str
    part_max: int
    """The most characters one message of the platform can have."""

    has_groups: bool
    has_strangers: bool
    """Whether someone who is not let in can write at all."""

    has_threads: bool
    has_replies: bool
    """Whether a message can point at another one that it answers."""

    has_any_commands: bool
    """Whether a command can be given that the gateway does not know."""

    port: int
    """The port on which the gateway must listen for the web; 0 is any."""

    @property
    def me(self) -> str:
        """Ann, as the gateway names her."""

    @property
    def users(self) -> tuple[str, ...]:
        """Who is let in, as `[access]` names them."""

    @property
    def chats(self) -> tuple[str, ...]:
        """The groups that are let in."""

    async def open(self) -> None:
        """Start the platform's server, if it has one."""

    def config(self) -> str:
        """TOML that connects the gateway to it."""

    async def meet(self, stage: "Stage") -> None:
        """The gateway runs: sit down at it and wait until messages can be written."""

    async def say(
        self,
        text: str,
        *,
        by: str = "ann",
        group: bool = False,
        mention: bool = False,
        thread: Any = None,
    ) -> Any:
        """Write a message, also into a thread; returns what `redeliver` and `ref` take."""

    async def command(self, name: str, args: str = "", *, by: str = "ann") -> None:
        """Give a command in a direct chat, the way people do it here."""

    async def reply(self, text: str) -> None:
        """Let ann reply to the gateway's last message in the group, without naming it."""

    async def begin_thread(self, text: str, *, mention: bool = True) -> Any:
        """Let ann begin a thread in the group, by default to the bot; returns the thread."""

    async def redeliver(self, message: Any) -> None:
        """Let the platform deliver a message again."""

    async def malformed(self) -> None:
        """Let the platform deliver something that makes no sense."""

    def ref(self, message: Any) -> str:
        """The message as `gatepost why` takes it."""

    def shown(self, *, group: bool = False, thread: Any = None) -> list[str]:
        """The gateway's texts that ann sees in the chat, in order."""

    def pinged(self) -> list[str]:
        """Whom the gateway's messages ever notified, in any of their states."""

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
    port = 0

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


class OwnSurface:
    """The part of a Surface that the gateway's own surfaces share: one person, pushed to."""

    part_max = 500_000
    port = 0
    has_groups = False
    has_strangers = False
    has_threads = False
    has_replies = False
    has_any_commands = True
    users: tuple[str, ...] = ()
    chats: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._pushes = 0
        self._pushed = asyncio.Event()

    async def begin_thread(self, text: str, *, mention: bool = True) -> Any:
        """There are none."""
        raise NotImplementedError

    async def reply(self, text: str) -> None:
        """There is no group."""
        raise NotImplementedError

    def pinged(self) -> list[str]:
        """Nobody: the only one here is looking."""
        return []

    def push_came(self) -> None:
        """Call for everything that is shown."""
        self._pushes += 1
        self._pushed.set()

    async def changed(self, since: int) -> None:
        """Wait for the next push."""
        while self._pushes <= since:
            self._pushed.clear()
            await self._pushed.wait()

    @property
    def position(self) -> int:
        """Pushes seen."""
        return self._pushes


class Stage:
    """`async with Stage(surface, path) as stage:` runs everything and tears it down."""

    def __init__(
        self,
        *surfaces: Surface,
        path: Path,
        extra: str = "",
        gateway: str = "",
        sessions: str = "",
        web: str = "",
        api_key: str = KEY,
        drain_s: float = 5,
        spare: bool = False,
        default: Callable[[Mapping[str, Any]], Reply] | None = None,
        tools: Mapping[str, Tool] = NO_TOOLS,
        enabled: Sequence[str] = ("files",),
        owners: Sequence[str] = (),
        price: str = "",
        first: str = "",
    ) -> None:
        """`extra` are further tables of the configuration, the others lines of theirs.

        `first` is a provider that is asked before all others, as TOML.

        `spare` is a second provider behind the first; `default` answers what is not scripted.
        `tools` join the `enabled` ones; `price` is what the first model costs, as TOML; it is
        free by itself without one.
        """
        self.surface = surfaces[0]
        self.surfaces = surfaces
        self.path = path
        self.model = OpenAIServer(key=KEY, default=default)
        self.spare = OpenAIServer(key=KEY, models=(SPARE,)) if spare else None
        self.workspace = path / "workspace"
        self._extra = extra
        self._gateway_lines = gateway
        self._sessions = sessions
        self._web = web
        self._api_key = api_key
        self._drain_s = drain_s
        self._tools = tools
        self._enabled = enabled
        self._owners = owners
        self._price = price
        self._first = first
        self.running: Running
        self.gateway: Gateway

    async def __aenter__(self) -> Self:
        self.workspace.mkdir(exist_ok=True)
        await self.model.__aenter__()
        if self.spare is not None:
            await self.spare.__aenter__()
        try:
            for surface in self.surfaces:
                await surface.open()
            await self.start()
        except BaseException:
            await self._strike()
            raise
        return self

    async def start(self) -> None:
        """Start the gateway, also again after `halt`."""
        file = self.path / "gatepost.toml"
        file.write_text(self._config())
        file.chmod(0o600)
        config = load(file, {})
        models = ModelRoom(sleep=hurried, jitter=lambda: 0.0)
        self.gateway = Gateway(config, extra_tools=self._tools, models=models, budgets=generous)
        self.running = await self.gateway.start(await providers(config))
        try:
            for surface in self.surfaces:
                await surface.meet(self)
        except BaseException:
            await self.gateway.stop()
            raise

    async def halt(self) -> None:
        """Stop the gateway as SIGTERM does."""
        await self.gateway.stop()

    def pass_time(self, seconds: int) -> None:
        """Between `halt` and `start`: so long ago, now, is what the gateway stored of cards."""
        with closing(sqlite3.connect(self.path / "state" / "gatepost.db")) as store, store:
            for column in ("created_at", "opened_at", "posted_at", "expires_at", "remind_at"):
                store.execute(f"UPDATE card SET {column} = {column} - ?", (seconds * 1_000_000,))

    async def lose_model(self) -> None:
        """The model server goes away: from now on connections to it are refused."""
        await self.model.__aexit__(None, None, None)

    async def find_model(self) -> None:
        """The model server is there again, at its old address."""
        self.model = OpenAIServer(key=KEY, port=int(self.model.url.rpartition(":")[2]))
        await self.model.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.gateway.stop()
        if kind is not None:
            await self._strike()
            return
        for surface in self.surfaces:
            await surface.close()
        await self.model.__aexit__(None, None, None)
        if self.spare is not None:
            await self.spare.__aexit__(None, None, None)

    async def _strike(self) -> None:
        """Take everything down after a failure; what servers missed would only hide it."""
        for surface in self.surfaces:
            with suppress(AssertionError):
                await surface.close()
        await self.model.close()
        if self.spare is not None:
            await self.spare.close()

    def _config(self) -> str:
        port = next((surface.port for surface in self.surfaces if surface.port), 0)
        users = [user for surface in self.surfaces for user in surface.users]
        chats = [chat for surface in self.surfaces for chat in surface.chats]
        tables = "\n".join(surface.config() for surface in self.surfaces)
        return f"""
[gateway]
state_dir = "{self.path}/state"
drain_s = {self._drain_s}
owners = {list(self._owners)}
{self._gateway_lines}

[web]
listen = "127.0.0.1:{port}"
{self._web}

[access]
users = {users}
chats = {chats}

[sessions]
{self._sessions}

[tools]
enabled = {list(self._enabled)}
workspace = "{self.workspace}"

{self._first}
{_provider("main", self.model, MODEL, self._api_key)}
{self._price or INCLUDED}
{_provider("spare", self.spare, SPARE, KEY) + INCLUDED if self.spare else ""}
{tables}
{self._extra}
"""

    async def until(
        self,
        holds: Callable[[], bool],
        *,
        at: Surface | None = None,
        timeout: float = WAIT_S,
    ) -> None:
        """Wait, change by change, until something holds on a surface."""
        surface = at or self.surface
        try:
            async with asyncio.timeout(timeout):
                while not holds():
                    await surface.changed(surface.position)
        except TimeoutError:
            state = {"chat": surface.shown()}
            if surface.has_groups:
                state["group"] = surface.shown(group=True)
            raise AssertionError(
                f"does not hold at {surface.name} after {timeout} s; shown: {state}"
            ) from None

    async def reads(
        self, *texts: str, at: Surface | None = None, group: bool = False, thread: Any = None
    ) -> None:
        """Wait until exactly these texts stand in the chat."""
        surface = at or self.surface
        await self.until(
            lambda: surface.shown(group=group, thread=thread) == list(texts), at=surface
        )

    async def sees(self, words: str, *, at: Surface | None = None) -> str:
        """Wait until some text in the chat holds these words, and return it."""
        surface = at or self.surface
        await self.until(lambda: any(words in text for text in surface.shown()), at=surface)
        return next(text for text in surface.shown() if words in text)

    async def queued(self, count: int = 1) -> None:
        """Wait until so many messages are stored that no turn has taken up yet."""
        await self._says(lambda status: status.waiting.get("turn", 0) >= count)

    async def outcome(self, name: str, count: int = 1) -> None:
        """Wait until so many events have ended this way."""
        await self._says(lambda status: status.outcomes.get(name, 0) >= count)

    async def _says(self, holds: Callable[[Status], bool]) -> None:
        """Ask for the gateway's status at every change until something holds."""
        async with asyncio.timeout(WAIT_S):
            while True:
                position = self.surface.position
                if holds(await self.running.operator.status()):
                    return
                await self.surface.changed(position)

    async def asked(self, count: int) -> list[dict[str, Any]]:
        """Wait for the model's request number `count` and return its messages."""
        await self.model.seen(lambda _: len(self.model.asked) >= count, WAIT_S)
        return list(self.model.asked[count - 1]["messages"])

    def answers(self, *texts: str) -> None:
        """Script the model's next replies."""
        for text in texts:
            self.model.reply(Reply(deltas=tuple(pieces(text))))


def _provider(name: str, server: OpenAIServer, model: str, api_key: str) -> str:
    return f"""
[[providers]]
name = "{name}"
api = "openai-chat"
base_url = "{server.base_url}"
model = "{model}"
api_key = "{api_key}"
"""


def pieces(text: str, size: int = 12) -> Iterable[str]:
    """A text as a model streams it."""
    return (text[start : start + size] for start in range(0, len(text), size))


def words(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The roles and texts of a model request, without the system prompt."""
    return [(m["role"], m.get("content") or "") for m in messages if m["role"] != "system"]


def free_port() -> int:
    """A port nobody listens on now, below those the system hands out by itself in the meantime."""
    for port in random.sample(range(15_000, 30_000), k=100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no free port was found")
