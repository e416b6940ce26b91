"""Discord as ann sees it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.platforms.discord.reader import show
from tests.scenarios.cards import Card, is_card
from tests.scenarios.stage import WAIT_S, ServerSurface, Stage
from tests.wire.discord.server import TOKEN, DiscordServer
from tests.wire.discord.world import Message, UploadedFile


class DiscordSurface(ServerSurface):
    """A bot on a server: ann's direct messages, one channel, and threads in it."""

    name = "discord"
    part_max = 2_000
    has_groups = True
    has_strangers = True
    has_threads = True
    has_replies = True
    has_any_commands = True
    form = "modal"
    asks_twice = False
    mark = "/"
    has_menu = True

    def __init__(self) -> None:
        self.server: DiscordServer = DiscordServer()
        self.people = {name: self.server.add_person(name) for name in ("ann", "bob", "mallory")}
        self.direct = {name: self.server.dm(person) for name, person in self.people.items()}
        self._met = 0

    def config(self) -> str:
        return f"""
[platforms.discord]
token = "{TOKEN}"
base_url = "{self.server.api_url}"
"""

    @property
    def me(self) -> str:
        return f"discord:{self.people['ann'].id}"

    @property
    def users(self) -> tuple[str, ...]:
        return self.me, f"discord:{self.people['bob'].id}"

    @property
    def chats(self) -> tuple[str, ...]:
        return (f"discord:{self.server.guild.id}/{self.server.general.id}",)

    async def meet(self, stage: Stage) -> None:
        """Once a session is open and the commands are known, people can begin."""
        await self.server.seen(
            lambda seen: seen.operation == "GATEWAY IDENTIFY", WAIT_S, since=self._met
        )
        self._met = self.position
        while not self.server.interactions.commands:
            await self.changed(self.position)

    async def say(
        self,
        text: str,
        *,
        by: str = "ann",
        group: bool = False,
        mention: bool = False,
        thread: Any = None,
    ) -> Any:
        chat = thread or (self.server.general if group else self.direct[by])
        if mention:
            text = f"<@{self.server.bot.id}> {text}"
        return await self.server.say(chat, self.people[by], text)

    async def attach(self, text: str, name: str, data: bytes, mime: str = "image/png") -> None:
        ident = self.server.world.ids.next()
        file = UploadedFile(id=ident, name=name, mime=mime, data=data)
        await self.server.say(self.direct["ann"], self.people["ann"], text, files=(file,))

    async def command(self, name: str, args: str = "", *, by: str = "ann") -> None:
        """What is typed with a slash is a native command if there is one of that name.

        It must not be left with its sign of thinking.
        """
        await self.typed(name, args, by=by)

    async def typed(self, name: str, args: str, *, by: str = "ann", group: bool = False) -> None:
        if name not in {command["name"] for command in self.server.interactions.commands}:
            await self.say(f"/{name} {args}".strip(), by=by, group=group, mention=group)
            return
        chat = self.server.general if group else self.direct[by]
        given = await self.server.invoke(chat, self.people[by], name, args or None)
        async with asyncio.timeout(WAIT_S):
            while given.answer is None or _is_thinking(given.original):
                await self.changed(self.position)

    async def reply(self, text: str) -> None:
        last = self.server.bot_messages(self.server.general)[-1]
        await self.server.say(self.server.general, self.people["ann"], text, reply_to=last)

    async def begin_thread(self, text: str, *, mention: bool = True) -> Any:
        thread = await self.server.start_thread(self.server.general, "Plans")
        await self.say(text, mention=mention, thread=thread)
        return thread

    async def redeliver(self, message: Any) -> None:
        await self.server.redeliver(message)

    async def malformed(self) -> None:
        await self.server.send_event("MESSAGE_CREATE", {"id": "not a number", "channel_id": 7})

    def ref(self, message: Any) -> str:
        channel = message.channel
        place = f"{channel.guild.id}/{channel.id}" if channel.guild else f"{channel.id}"
        return f"discord:{place}/{message.id}"

    def shown(self, *, group: bool = False, thread: Any = None) -> list[str]:
        chat = thread or (self.server.general if group else self.direct["ann"])
        return [
            show(message.content).text
            for message in self.server.messages(chat, viewer=self.people["ann"])
            if message.author is self.server.bot and not message.thinking
        ]

    def person(self, name: str) -> str:
        return f"discord:{self.people[name].id}"

    def cards(self, *, group: bool = False, thread: Any = None, of: str = "ann") -> list[Card]:
        chat = thread or (self.server.general if group else self.direct[of])
        return [
            Card(
                handle=message,
                text=show(message.content).text,
                buttons=message.buttons,
                choices={
                    label: value
                    for options in message.menus.values()
                    for label, value in options.items()
                },
            )
            for message in self.server.bot_messages(chat)
            if message.private_to is None and is_card(show(message.content).text)
        ]

    def told(self, *, by: str = "ann") -> list[str]:
        return [
            show(message.content).text
            for message in self.server.all_bot_messages()
            if message.private_to is self.people[by] and not message.thinking
        ]

    async def choose(self, card: Card, words: str, *, by: str = "ann") -> None:
        """The press may come late: what stood there when they looked is what they press."""
        label, payload, user = card.label(words), card.payload(words), self.people[by]
        if label in card.choices:
            await self.server.choose(card.handle, user, payload)
        elif payload in card.handle.buttons.values():
            await self.server.press(card.handle, user, payload)
        else:
            await self._press_raw(card.handle, payload, by)

    async def forge(self, card: Card, payload: str, *, by: str = "ann") -> None:
        await self._press_raw(card.handle, payload, by)

    async def forward(self, card: Card, payload: str, *, by: str = "ann") -> None:
        here = card.handle.channel
        chat = self.direct[by] if here is self.server.general else self.server.general
        copy = await self.server.say(chat, self.people[by], "look at this")
        await self._press_raw(replace(card.handle, id=copy.id, channel=chat), payload, by)

    async def _press_raw(self, message: Message, payload: str, by: str) -> None:
        data = {"custom_id": payload, "component_type": 2, "id": 2}
        given = self.server.interactions.open(
            kind=3, user=self.people[by], channel=message.channel, data=data, message=message
        )
        await self.server.redeliver_interaction(given)

    async def fill(self, values: Mapping[str, str], *, by: str = "ann") -> None:
        viewer = self.people[by]
        while not self.server.open_forms(viewer):
            await self.changed(self.position)
        await self.server.fill(self.server.open_forms(viewer)[-1], values)

    def pinged(self) -> list[str]:
        return [message.content for message in self.server.pinged()]


def _is_thinking(message: Message | None) -> bool:
    return message is not None and message.thinking and not message.deleted
