"""Telegram as ann sees it."""

import time
from collections.abc import Mapping
from typing import Any

from tests.scenarios.cards import Card, is_card
from tests.scenarios.stage import WAIT_S, ServerSurface, Stage, free_port
from tests.wire.telegram import TOKEN, TelegramServer
from tests.wire.telegram.methods import Press

GROUP, FORUM = -100200, -100300
PEOPLE = {"ann": 1001, "bob": 1002, "mallory": 6666}


class TelegramSurface(ServerSurface):
    """A bot that polls; ann's direct chat, a supergroup, and one with topics."""

    name = "telegram"
    part_max = 4096
    has_groups = True
    has_strangers = True
    has_threads = True
    has_replies = True
    has_any_commands = True
    form = "reply"
    asks_twice = False
    mark = "/"
    has_menu = False
    me = "telegram:1001"
    users = ("telegram:1001", "telegram:1002")
    chats = (f"telegram:{GROUP}", f"telegram:{FORUM}")

    def __init__(self) -> None:
        self.server: TelegramServer = TelegramServer()
        self._forged = 0
        self.server.group(GROUP)
        self.server.group(FORUM, forum=True)
        for name, user in PEOPLE.items():
            self.server.person(user, name, username=f"{name}_at_telegram")

    def config(self) -> str:
        return f"""
[platforms.telegram]
token = "{TOKEN}"
base_url = "{self.server.url}"
"""

    async def meet(self, stage: Stage) -> None:
        await self.server.seen(lambda seen: seen.operation == "getUpdates", WAIT_S)

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
        chat = user
        if group or thread:
            chat = FORUM if thread else GROUP
        if mention:
            text = f"@{self.server.world.us.username} {text}"
        return chat, await self.server.say(chat=chat, user=user, text=text, thread=thread)

    async def attach(self, text: str, name: str, data: bytes, mime: str = "image/png") -> None:
        place = {"chat": PEOPLE["ann"], "user": PEOPLE["ann"]}
        await self.server.upload(**place, name=name, data=data, caption=text, mime=mime)

    async def command(self, name: str, args: str = "", *, by: str = "ann") -> None:
        await self.say(f"/{name} {args}".strip(), by=by)

    async def reply(self, text: str) -> None:
        last = self.server.ours(GROUP)[-1]
        user = PEOPLE["ann"]
        await self.server.say(chat=GROUP, user=user, text=text, reply_to=last.message_id)

    async def begin_thread(self, text: str, *, mention: bool = True) -> Any:
        topic = self.server.topic(FORUM, "Plans")
        await self.say(text, mention=mention, thread=topic)
        return topic

    async def redeliver(self, message: Any) -> None:
        chat, message_id = message
        body = self.server.world.room(chat).messages[message_id].json()
        await self.server.send_raw({"message": body})

    async def malformed(self) -> None:
        await self.server.send_raw({"message": {"message_id": "not a number", "chat": 7}})

    def ref(self, message: Any) -> str:
        chat, message_id = message
        return f"telegram:{chat}/{message_id}"

    def shown(self, *, group: bool = False, thread: Any = None) -> list[str]:
        chat = PEOPLE["ann"]
        if group or thread:
            chat = FORUM if thread else GROUP
        return [shown.text for shown in self.server.ours(chat, thread)]

    def person(self, name: str) -> str:
        return f"telegram:{PEOPLE[name]}"

    def cards(self, *, group: bool = False, thread: Any = None, of: str = "ann") -> list[Card]:
        chat = PEOPLE[of]
        if group or thread:
            chat = FORUM if thread else GROUP
        return [
            Card(
                handle=(chat, each.message_id),
                text=each.text,
                buttons={key.label: key.data for row in each.keyboard for key in row},
            )
            for each in self.server.ours(chat, thread)
            if is_card(each.text)
        ]

    def told(self, *, by: str = "ann") -> list[str]:
        presses = self.server.methods.presses.values()
        return [press.text for press in presses if press.user == PEOPLE[by] and press.text]

    async def choose(self, card: Card, words: str, *, by: str = "ann") -> None:
        """The press may come late: what stood there when they looked is what they press."""
        chat, message_id = card.handle
        versions = self.server.world.room(chat).messages[message_id].versions
        payload = card.payload(words)
        state = max(
            number
            for number, version in enumerate(versions)
            if any(key.data == payload for row in version.keyboard for key in row)
        )
        await self.server.press(
            chat=chat, message_id=message_id, user=PEOPLE[by], data=payload, state=state
        )

    async def forge(self, card: Card, payload: str, *, by: str = "ann") -> None:
        chat, message_id = card.handle
        await self._press_raw(self._message(chat, message_id), payload, by)

    async def forward(self, card: Card, payload: str, *, by: str = "ann") -> None:
        """Copies keep their buttons when a bot of the same token sends them on."""
        ident = await self.server.say(chat=GROUP, user=PEOPLE[by], text=card.text)
        await self._press_raw(self._message(GROUP, ident), payload, by)

    async def fill(self, values: Mapping[str, str], *, by: str = "ann") -> None:
        """There is one field, and it is a reply."""
        asked = None
        while asked is None:
            position = self.position
            asked = self._asked(by)
            if asked is None:
                await self.changed(position)
        chat, message_id = asked
        (text,) = values.values()
        await self.server.fill_in(chat=chat, user=PEOPLE[by], message_id=message_id, text=text)

    async def typed(self, name: str, args: str, *, by: str = "ann", group: bool = False) -> None:
        bot = f"@{self.server.world.us.username}" if group else ""
        await self.say(f"/{name}{bot} {args}".strip(), by=by, group=group)

    def _message(self, chat: int, message_id: int) -> dict[str, Any]:
        return self.server.world.room(chat).messages[message_id].json()

    async def _press_raw(self, message: dict[str, Any], payload: str, by: str) -> None:
        user = self.server.world.person(PEOPLE[by]).json()
        self._forged += 1
        ident = f"forged-{self._forged}"
        self.server.methods.presses[ident] = Press(
            id=ident, user=PEOPLE[by], chat=message["chat"]["id"], at=time.monotonic()
        )
        query = {"id": ident, "from": user, "message": message}
        await self.server.send_raw(
            {"callback_query": query | {"chat_instance": "1", "data": payload}}
        )

    def _asked(self, by: str) -> tuple[int, int] | None:
        """The newest reply a person is asked for and has not given."""
        for chat in (PEOPLE[by], GROUP, FORUM):
            told = {each.reply_to for each in self.server.messages(chat)}
            for each in reversed(self.server.ours(chat)):
                people = each.asking.people if each.asking else ()
                mine = people is None or PEOPLE[by] in people
                if each.asking and mine and each.message_id not in told:
                    return chat, each.message_id
        return None

    def pinged(self) -> list[str]:
        return [
            who
            for chat in (GROUP, FORUM, *PEOPLE.values())
            for message in self.server.ours(chat)
            for version in message.history
            for who in version.mentions
        ]


class TelegramWebhookSurface(TelegramSurface):
    """The same bot, but Telegram pushes to the gateway's own listener."""

    name = "telegram-webhook"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self._met = 0

    def config(self) -> str:
        return f"""
{super().config()}
mode = "webhook"
webhook_url = "http://127.0.0.1:{self.port}/telegram/webhook"
webhook_secret = "loopback-secret"
"""

    async def meet(self, stage: Stage) -> None:
        """Updates are taken from then on; one that is pushed before has to wait for its turn."""
        await self.server.seen(lambda seen: seen.operation == "setWebhook", WAIT_S, since=self._met)
        self._met = self.position
