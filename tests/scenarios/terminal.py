"""The terminal as ann sees it: JSON lines over the control socket."""

import asyncio
import os
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, assert_never

from gateway.cli.talk import Talk, open_talk
from gateway.errors import GatewayError
from platforms.blocks import plain_text
from platforms.terminal.wire import (
    File,
    MessageGone,
    MessageShown,
    Noticed,
    NotStored,
    Press,
    Push,
    Say,
    Stored,
    Working,
)
from tests.scenarios.cards import Card, is_card
from tests.scenarios.stage import WAIT_S, OwnSurface, Stage


class TerminalSurface(OwnSurface):
    """One open chat; it stays on the screen while the gateway is away."""

    name = "terminal"
    form = None
    asks_twice = False
    mark = "/"
    has_menu = False
    me = f"terminal:{os.getuid()}"

    def __init__(self) -> None:
        super().__init__()
        self._screen: dict[str, MessageShown] = {}
        self._stored: set[str] = set()
        self._refused: list[str] = []
        self._told: list[str] = []
        self._leaving = AsyncExitStack()
        self._hearing: asyncio.Task[None] | None = None
        self._talk: Talk

    async def open(self) -> None:
        """The gateway itself is the server."""

    def config(self) -> str:
        return ""

    async def meet(self, stage: Stage) -> None:
        await self.close()
        self._talk = await self._leaving.enter_async_context(open_talk(stage.path / "state", ""))
        self._hearing = asyncio.create_task(self._hear(self._talk))

    async def say(
        self,
        text: str,
        *,
        by: str = "ann",
        group: bool = False,
        mention: bool = False,
        thread: Any = None,
    ) -> Any:
        key = self._talk.say(text)
        await self._until_stored(key)
        return Say(key=key, text=text)

    async def attach(self, text: str, name: str, data: bytes, mime: str = "image/png") -> None:
        key = self._talk.say(text, (File(name=name, mime=mime, data=data),))
        await self._until_stored(key)

    async def command(self, name: str, args: str = "", *, by: str = "ann") -> None:
        await self.say(f"/{name} {args}".strip())

    async def redeliver(self, message: Any) -> None:
        self._stored.discard(message.key)
        self._talk.send(message)
        await self._until_stored(message.key)

    async def malformed(self) -> None:
        self._talk.send(Say(key="this is no UUID", text="Hello?"))
        async with asyncio.timeout(WAIT_S):
            while not self._refused:
                await self.changed(self.position)

    def ref(self, message: Any) -> str:
        return f"{self.me}/{message.key}"

    def shown(self, *, group: bool = False, thread: Any = None) -> list[str]:
        return [plain_text(message.body) for message in self._screen.values()]

    def person(self, name: str) -> str:
        """Whoever sits here is ann."""
        return self.me

    def cards(self, *, group: bool = False, thread: Any = None, of: str = "ann") -> list[Card]:
        return [
            Card(
                handle=shown.message_id,
                text=plain_text(shown.body),
                buttons={each.label: each.payload for row in shown.controls for each in row},
            )
            for shown in self._screen.values()
            if is_card(plain_text(shown.body))
        ]

    def told(self, *, by: str = "ann") -> list[str]:
        return self._told

    async def choose(self, card: Card, words: str, *, by: str = "ann") -> None:
        await self.forge(card, card.payload(words))

    async def forge(self, card: Card, payload: str, *, by: str = "ann") -> None:
        key = str(uuid.uuid4())
        self._talk.send(Press(key=key, message_id=card.handle, payload=payload))
        await self._until_stored(key)

    async def forward(self, card: Card, payload: str, *, by: str = "ann") -> None:
        """There is one chat."""
        raise NotImplementedError

    async def fill(self, values: Mapping[str, str], *, by: str = "ann") -> None:
        """There are no forms."""
        raise NotImplementedError

    async def typed(self, name: str, args: str, *, by: str = "ann", group: bool = False) -> None:
        await self.command(name, args)

    async def close(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)
        await self._leaving.aclose()

    async def _until_stored(self, key: str) -> None:
        async with asyncio.timeout(WAIT_S):
            while key not in self._stored:
                await self.changed(self.position)

    async def _hear(self, talk: Talk) -> None:
        while True:
            try:
                push = await talk.hear()
            except GatewayError:
                return  # the gateway is gone; `meet` comes back to it
            self._take(push)
            self.push_came()

    def _take(self, push: Push) -> None:
        match push:
            case Stored(key=key):
                self._stored.add(key)
            case NotStored(reason=reason):
                self._refused.append(reason)
            case MessageShown(message_id=ident):
                self._screen[ident] = push
            case MessageGone(message_id=ident):
                self._screen.pop(ident, None)
            case Noticed(text=text):
                self._told.append(text)
            case Working():
                pass
            case _:
                assert_never(push)
