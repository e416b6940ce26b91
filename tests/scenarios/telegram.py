"""Telegram as ann sees it."""

from typing import Any

from tests.scenarios.stage import WAIT_S, ServerSurface, Stage, free_port
from tests.wire.telegram import TOKEN, TelegramServer

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
    me = "telegram:1001"
    users = ("telegram:1001", "telegram:1002")
    chats = (f"telegram:{GROUP}", f"telegram:{FORUM}")

    def __init__(self) -> None:
        self.server: TelegramServer = TelegramServer()
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

    def config(self) -> str:
        return f"""
{super().config()}
mode = "webhook"
webhook_url = "http://127.0.0.1:{self.port}/telegram/webhook"
webhook_secret = "loopback-secret"
"""

    async def meet(self, stage: Stage) -> None:
        await self.server.seen(lambda seen: seen.operation == "setWebhook", WAIT_S)
