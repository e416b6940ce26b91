"""Slack as ann sees it."""

from typing import Any

from tests.scenarios.stage import WAIT_S, ServerSurface, Stage, free_port
from tests.wire.slack import payloads
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
    me = "slack:T1/U1"
    users = ("slack:T1/U1", "slack:T1/U2")
    chats = (f"slack:T1/{GROUP}",)

    def __init__(self) -> None:
        self.server: SlackServer = SlackServer(name=BOT)
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
        """The gateway listens before it has started."""
        self.server.push_to(f"http://127.0.0.1:{self.port}/slack/events")
