"""The same raw calls of discord.py's own HTTP client, answered by two servers.

One is the loopback server, over a socket. The other is simcord, a model of Discord that others
wrote and that answers in the same process. Neither knows of the other: where their answers differ,
one of them is wrong, or stricter.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import discord
import simcord
from discord.http import Route

from tests.wire.discord import APPLICATION_ID, DiscordServer
from tests.wire.discord.world import FORUM

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request; `{name}` in its path and in texts of its body stands for an id known there."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)
    keep: str = ""
    """The name under which the id of what it made is known from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How it went: 200 for success of any kind, else the status with Discord's own code."""

    status: int
    code: int = 0
    body: Any = None

    @property
    def verdict(self) -> tuple[int, int]:
        return (self.status, self.code)


class Acts(Protocol):
    """What people do there; each gives the ids it made, by name."""

    async def say(self) -> dict[str, str]: ...

    async def use(self, name: str) -> dict[str, str]: ...

    async def press(self, message: str, custom_id: str) -> dict[str, str]: ...


@dataclass(slots=True, kw_only=True)
class Side:
    """One of the two servers, with a client that is logged in."""

    client: discord.Client
    acts: Acts
    names: dict[str, str]

    async def ask(self, call: Call) -> Answer:
        """What a call is answered here."""
        route = Route(call.method, self._filled(call.path))
        json = {} if call.body is None else {"json": self._filled(call.body)}
        params = {} if not call.query else {"params": self._filled(dict(call.query))}
        try:
            body = await self.client.http.request(route, **json, **params)
        except discord.HTTPException as exc:
            return Answer(status=exc.status, code=exc.code)
        if call.keep:
            self.names[call.keep] = str(body["id"])
        return Answer(status=200, body=body)

    def _filled(self, value: Any) -> Any:
        match value:
            case str():
                for name, ident in self.names.items():
                    value = value.replace(f"{{{name}}}", ident)
                return value
            case dict():
                return {key: self._filled(inner) for key, inner in value.items()}
            case list():
                return [self._filled(inner) for inner in value]
            case _:
                return value


def _client() -> discord.Client:
    intents = discord.Intents(guilds=True, guild_messages=True, message_content=True)
    return discord.Client(intents=intents)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OurActs:
    server: DiscordServer

    async def say(self) -> dict[str, str]:
        said = await self.server.say(self.server.general, self.server.ada, "hello")
        return {"said": str(said.id)}

    async def use(self, name: str) -> dict[str, str]:
        made = await self.server.invoke(self.server.general, self.server.ada, name)
        return {"interaction": str(made.id), "token": made.token}

    async def press(self, message: str, custom_id: str) -> dict[str, str]:
        shown = self.server.general.messages[int(message)]
        made = await self.server.press(shown, self.server.ada, custom_id)
        return {"interaction": str(made.id), "token": made.token}


@asynccontextmanager
async def ours() -> AsyncIterator[Side]:
    """The loopback server."""
    async with DiscordServer() as server:
        client, base = _client(), Route.BASE
        forum = server.add_channel("ideas", kind=FORUM)
        Route.BASE = server.api_url
        try:
            await client.login(server.token)
            yield Side(
                client=client,
                acts=_OurActs(server=server),
                names={
                    "general": str(server.general.id),
                    "forum": str(forum.id),
                    "guild": str(server.guild.id),
                    "ada": str(server.ada.id),
                    "app": str(APPLICATION_ID),
                },
            )
        finally:
            Route.BASE = base
            await client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _TheirActs:
    channel: Any
    ada: Any
    heard: list[discord.Interaction[Any]]

    async def say(self) -> dict[str, str]:
        return {"said": str((await self.ada.send(self.channel, "hello")).id)}

    async def use(self, name: str) -> dict[str, str]:
        await self.ada.slash(self.channel, name)
        return self._last()

    async def press(self, message: str, custom_id: str) -> dict[str, str]:
        await self.ada.click(self.channel.last_message, custom_id=custom_id)
        return self._last()

    def _last(self) -> dict[str, str]:
        return {"interaction": str(self.heard[-1].id), "token": self.heard[-1].token}


@asynccontextmanager
async def theirs() -> AsyncIterator[Side]:
    """simcord."""
    client, heard = _client(), []

    @client.event
    async def on_interaction(interaction: discord.Interaction[Any]) -> None:
        heard.append(interaction)

    async with simcord.run(client) as env:
        guild = env.create_guild()
        general = guild.create_text_channel("general")
        forum = guild.create_forum_channel("ideas")
        ada = guild.add_member(env.create_user("ada"))
        yield Side(
            client=client,
            acts=_TheirActs(channel=general, ada=ada, heard=heard),
            names={
                "general": str(general.id),
                "forum": str(forum.id),
                "guild": str(guild.id),
                "ada": str(ada.id),
                "app": str(client.application_id),
            },
        )
