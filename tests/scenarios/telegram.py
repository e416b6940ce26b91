"""Telegram as ann sees it."""

from typing import Any

from gateway.app import Running
from tests.scenarios.stage import WAIT_S, ServerSurface
from tests.wire.telegram import TOKEN, TelegramServer

ANN, MALLORY, GROUP = 1001, 6666, -100200
PEOPLE = {"ann": ANN, "mallory": MALLORY}


class TelegramSurface(ServerSurface):
    """A bot that polls; ann's direct chat and one supergroup."""

    name = "telegram"
    part_max = 4096
    has_groups = True
    has_strangers = True

    def __init__(self) -> None:
        self.server: TelegramServer = TelegramServer()
        self.server.group(GROUP)

    def config(self) -> str:
        return f"""
[platforms.telegram]
token = "{TOKEN}"
base_url = "{self.server.url}"

[access]
users = ["telegram:{ANN}"]
chats = ["telegram:{GROUP}"]
"""

    async def meet(self, running: Running) -> None:
        await self.server.seen(lambda seen: seen.operation == "getUpdates", WAIT_S)

    async def say(
        self, text: str, *, by: str = "ann", group: bool = False, mention: bool = False
    ) -> Any:
        user = PEOPLE[by]
        chat = GROUP if group else user
        if mention:
            text = f"@{self.server.world.us.username} {text}"
        return chat, await self.server.say(chat=chat, user=user, text=text)

    async def stop(self) -> None:
        await self.say("/stop")

    async def redeliver(self, message: Any) -> None:
        chat, message_id = message
        body = self.server.world.room(chat).messages[message_id].json()
        await self.server.send_raw({"message": body})

    async def malformed(self) -> None:
        await self.server.send_raw({"message": {"message_id": "not a number", "chat": 7}})

    def ref(self, message: Any) -> str:
        chat, message_id = message
        return f"telegram:{chat}/{message_id}"

    def shown(self, *, group: bool = False) -> list[str]:
        return [shown.text for shown in self.server.ours(GROUP if group else ANN)]
