"""Slack as ann sees it."""

import asyncio
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tests.scenarios.cards import Card, is_card
from tests.scenarios.stage import WAIT_S, ServerSurface, Stage, free_port
from tests.wire.slack import payloads
from tests.wire.slack.controls import buttons, label_of, menus
from tests.wire.slack.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackServer

BOT, GROUP = "gatepost", "C1"
PEOPLE = {"ann": "U1", "bob": "U2", "mallory": "U6"}


class SlackSurface(ServerSurface):
    """An app in Socket Mode: ann's direct messages, and a channel whose answers are threads."""

    name = "slack"
    part_max = 4_000
    has_groups = True
    has_strangers = True
    has_threads = True
    has_replies = False
    has_any_commands = True
    form = "modal"
    asks_twice = True
    mark = "!"
    has_menu = True
    me = "slack:T1/U1"
    users = ("slack:T1/U1", "slack:T1/U2")
    chats = (f"slack:T1/{GROUP}",)

    def __init__(self, *, assistant: bool = False) -> None:
        self.server: SlackServer = SlackServer(name=BOT, assistant=assistant)
        for name, user in PEOPLE.items():
            self.server.person(user, name)
        self._started = 0

    def config(self) -> str:
        return f"""
[platforms.slack]
bot_token = "{BOT_TOKEN}"
app_token = "{APP_TOKEN}"
base_url = "{self.server.url}/api/"
"""

    async def meet(self, stage: Stage) -> None:
        self._started += 1
        await self.server.connected(1, opened=self._started, timeout=WAIT_S)

    async def say(
        self,
        text: str,
        *,
        by: str = "ann",
        group: bool = False,
        mention: bool = False,
        thread: Any = None,
    ) -> Any:
        user = PEOPLE[by]
        chat = GROUP if group or thread else f"D{user[1:]}"
        if mention:
            text = f"@{BOT} {text}"
        return chat, await self.server.say(chat=chat, user=user, text=text, thread=thread)

    async def attach(self, text: str, name: str, data: bytes, mime: str = "image/png") -> None:
        place = {"chat": "D1", "user": PEOPLE["ann"]}
        await self.server.share(**place, name=name, data=data, text=text, mime=mime)

    async def command(self, name: str, args: str = "", *, by: str = "ann") -> None:
        """Behind the app's one slash command."""
        text, user = f"{name} {args}".strip(), PEOPLE[by]
        await self.server.command(chat=f"D{user[1:]}", user=user, text=text)

    async def reply(self, text: str) -> None:
        """Replies are threads."""
        raise NotImplementedError

    async def begin_thread(self, text: str, *, mention: bool = True) -> Any:
        _, ts = await self.say(text, group=True, mention=mention)
        return ts

    async def redeliver(self, message: Any) -> None:
        """Once as it came, once under another delivery id."""
        chat, ts = message
        channel = self.server.world.channels[chat]
        body = payloads.message_event(self.server.world, channel, channel.messages[ts])
        delivered = next(
            each for each in self.server.deliveries if each.payload["event"].get("ts") == ts
        )
        await self.server.redeliver(delivered.id)
        self.server.send_event(body)

    async def malformed(self) -> None:
        self.server.send_event({"type": "message", "channel": 7, "ts": "yesterday"})

    def ref(self, message: Any) -> str:
        chat, ts = message
        return f"slack:T1/{chat}/{ts}"

    def shown(self, *, group: bool = False, thread: Any = None) -> list[str]:
        """What everybody sees, then what only ann does."""
        chat = GROUP if group or thread else "D1"
        private = [
            only.text
            for only in self.server.ephemerals
            if (only.channel, only.user, only.thread_ts) == (chat, PEOPLE["ann"], thread)
        ]
        return [shown.text for shown in self.server.ours(chat, thread)] + private

    def person(self, name: str) -> str:
        return f"slack:T1/{PEOPLE[name]}"

    def cards(self, *, group: bool = False, thread: Any = None, of: str = "ann") -> list[Card]:
        chat = GROUP if group or thread else f"D{PEOPLE[of][1:]}"
        found = []
        for each in self.server.ours(chat, thread):
            if not is_card(each.text):
                continue
            blocks = [dict(block) for block in each.blocks]
            choices = [option for _, menu in menus(blocks) for option in menu["options"]]
            found.append(
                Card(
                    handle=(chat, each.ts),
                    text=each.text,
                    buttons={label_of(one): one["value"] for _, one in buttons(blocks)},
                    choices={option["text"]["text"]: option["value"] for option in choices},
                    questions=each.questions,
                )
            )
        return found

    def told(self, *, by: str = "ann") -> list[str]:
        return [only.text for only in self.server.ephemerals if only.user == PEOPLE[by]]

    async def choose(self, card: Card, words: str, *, by: str = "ann") -> None:
        chat, ts = card.handle
        place = {"chat": chat, "ts": ts, "user": PEOPLE[by]}
        label, payload = card.label(words), card.payload(words)
        now = next((each for each in self.cards_of(chat) if each.handle == card.handle), card)
        if label in card.choices:
            await self.server.choose(**place, value=payload)
        elif payload in now.buttons.values():
            await self.server.press(**place, value=payload)
        else:
            await self._press_late(chat, ts, payload, by)

    def cards_of(self, chat: str) -> list[Card]:
        """The cards of any channel."""
        return self.cards(group=True) if chat == GROUP else self.cards(of=_name_of(chat))

    async def _press_late(self, chat: str, ts: str, payload: str, by: str) -> None:
        """Press what stood there when they looked."""
        message = deepcopy(self.server.world.channels[chat].messages[ts])
        while not any(one.get("value") == payload for _, one in buttons(_blocks(message))):
            message.versions.pop()
        self.server.interactions.press(message, user=PEOPLE[by], label="", value=payload)

    async def forge(self, card: Card, payload: str, *, by: str = "ann") -> None:
        chat, ts = card.handle
        message = deepcopy(self.server.world.channels[chat].messages[ts])
        self._press_forged(message, payload, by)

    async def forward(self, card: Card, payload: str, *, by: str = "ann") -> None:
        chat, ts = card.handle
        _, here = await self.say(card.text, by=by, group=chat != GROUP)
        message = deepcopy(self.server.world.channels[chat].messages[ts])
        message.channel, message.ts = (f"D{PEOPLE[by][1:]}" if chat == GROUP else GROUP), here
        self._press_forged(message, payload, by)

    def _press_forged(self, message: Any, payload: str, by: str) -> None:
        """On the message as it was when it had a button."""
        while not buttons(_blocks(message)):
            message.versions.pop()
        _, element = buttons(_blocks(message))[0]
        element["value"] = payload
        self.server.interactions.press(message, user=PEOPLE[by], label="", value=payload)

    async def fill(self, values: Mapping[str, str], *, by: str = "ann") -> None:
        user = PEOPLE[by]
        while not any(
            each.user == user and each.stands for each in self.server.interactions.modals
        ):
            await self.changed(self.position)
        await self.server.submit(user, values)

    async def typed(self, name: str, args: str, *, by: str = "ann", group: bool = False) -> None:
        text, user = f"{name} {args}".strip(), PEOPLE[by]
        chat = GROUP if group else f"D{user[1:]}"
        await self.server.command(chat=chat, user=user, text=text)

    def pinged(self) -> list[str]:
        return list(self.server.pings())


class SlackHttpSurface(SlackSurface):
    """The same app, but Slack sends signed requests to the gateway's own listener."""

    name = "slack-http"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()

    def config(self) -> str:
        return f"""
[platforms.slack]
bot_token = "{BOT_TOKEN}"
signing_secret = "{SIGNING_SECRET}"
base_url = "{self.server.url}/api/"
"""

    async def meet(self, stage: Stage) -> None:
        """The gateway listens before it takes events; those it refuses come a minute later."""
        self.server.push_to(f"http://127.0.0.1:{self.port}/slack/events")
        async with asyncio.timeout(WAIT_S):
            while (await self.server.verify_url())[0] != 200:
                pass


def _blocks(message: Any) -> list[dict[str, Any]]:
    return list(message.now.blocks)


def _name_of(chat: str) -> str:
    return next(name for name, user in PEOPLE.items() if user[1:] == chat[1:])
