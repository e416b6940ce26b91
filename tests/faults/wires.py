"""The scenarios' surfaces, and what a bad network or careless people can do to each."""

import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import aiohttp

from platforms.terminal.wire import Say
from tests.scenarios import slack as at_slack
from tests.scenarios import telegram as at_telegram
from tests.scenarios.discord import DiscordSurface
from tests.scenarios.slack import SlackHttpSurface, SlackSurface
from tests.scenarios.stage import WAIT_S, Stage, Surface
from tests.scenarios.telegram import TelegramSurface, TelegramWebhookSurface
from tests.scenarios.terminal import TerminalSurface
from tests.scenarios.web import WebSurface, Written
from tests.wire.discord.faults import limited_without_a_hint, rate_limited, refusal
from tests.wire.discord.server import TOKEN
from tests.wire.server import Answer, CutBefore, limited
from tests.wire.slack import payloads
from tests.wire.slack.server import BOT_TOKEN

FOREIGN = "These words are not the gateway's."
RETRY_CLOCK_S = 400.0
"""More than any platform waits before it delivers again."""

WHY_NOT: Mapping[str, str] = MappingProxyType(
    {
        "sends": "nothing leaves over a network: what is said is pushed to whoever looks",
        "orders": "messages have no place but that of their arrival",
        "cuts": "every push is a connection of its own, and a failed one comes again",
        "polls": "nothing is polled",
        "counts_sockets": "there are no sockets that are counted",
        "tells_own": "a bot does not hear of its own messages",
    }
)
"""What a surface can't suffer, and why."""


class Wire(Surface, Protocol):
    """A surface whose troubles are scripted; an ability it lacks has its reason in `WHY_NOT`."""

    sends: bool
    """Whether posts and edits are requests to somebody else's server."""

    orders: bool
    """Whether messages have a place in their chat beside the order of their arrival."""

    cuts: bool
    """Whether a connection of the gateway's own can be lost on the way in."""

    polls: bool
    counts_sockets: bool
    tells_own: bool

    post: str
    edit: str
    """The names of both operations in the server's record."""

    repeats: int
    """Deliveries that one `redeliver` makes."""

    doubles: int
    """Messages too many that a post may leave whose answer was lost."""

    async def unheard(self, text: str) -> Any:
        """Ann writes, and the event of it does not come out; returns what `redeliver` takes."""

    async def say_in_vain(self, text: str) -> Any:
        """Ann writes while the gateway can't store; whoever must be told is told."""

    async def come_again(self, message: Any) -> None:
        """Whatever was not taken is delivered again."""

    async def cut(self, stage: Stage) -> None:
        """The way in loses its connection; it comes back by itself."""


class ServerWire(Wire, Protocol):
    """A surface with somebody else's server."""

    server: Any

    def limited(self, hint_s: int | None) -> Answer:
        """A 429 that says for how long, or does not."""

    def broken(self) -> Answer:
        """A 500."""

    async def remove(self) -> None:
        """Somebody deletes the gateway's last message to ann."""

    async def close_thread(self, thread: Any) -> None:
        """A thread is deleted with all that stands in it."""

    def in_root(self) -> list[str]:
        """What the gateway said outside of threads in the chat of `begin_thread`."""

    async def expel(self) -> None:
        """The gateway is thrown out of the group."""

    async def admit_again(self) -> None:
        """It is let in again."""

    async def refuse_token(self) -> None:
        """From now on the token is worth nothing, and the gateway is about to notice."""

    async def intrude(self) -> None:
        """Somebody else writes with the gateway's token in the group."""


class _Remote:
    """The part of a wire that platforms with a server share."""

    sends = True
    orders = True
    cuts = True
    polls = False
    counts_sockets = False
    tells_own = False
    repeats = 1
    doubles = 0

    async def say_in_vain(self: Any, text: str) -> Any:
        """The platform keeps it."""
        return await self.say(text)

    async def come_again(self, message: Any) -> None:
        """By itself."""

    async def intrude(self) -> None:
        """Nobody would hear of it."""
        raise NotImplementedError


class TelegramWire(_Remote, TelegramSurface):
    """Polls; nobody can ask it what stands in a chat."""

    polls = True
    post = "sendMessage"
    edit = "editMessageText"
    doubles = 1

    async def unheard(self, text: str) -> Any:
        updates = self.server.updates
        kinds, updates.kinds = updates.kinds, frozenset()
        try:
            return await self.say(text)
        finally:
            updates.kinds = kinds

    def limited(self, hint_s: int | None) -> Answer:
        if hint_s is None:
            return _api_error(429, "Too Many Requests")
        more = f',"parameters":{{"retry_after":{hint_s}}}'
        return _api_error(429, f"Too Many Requests: retry after {hint_s}", more)

    def broken(self) -> Answer:
        return _api_error(500, "Internal Server Error")

    async def remove(self) -> None:
        ann = at_telegram.PEOPLE["ann"]
        del self.server.world.room(ann).messages[self.server.ours(ann)[-1].message_id]

    async def close_thread(self, thread: Any) -> None:
        room = self.server.world.room(at_telegram.FORUM)
        del room.topics[thread]
        for ident in [m.id for m in room.messages.values() if m.thread == thread]:
            del room.messages[ident]

    def in_root(self) -> list[str]:
        return [m.text for m in self.server.ours(at_telegram.FORUM) if m.thread is None]

    async def expel(self) -> None:
        await self.server.set_bot_status(at_telegram.GROUP, "kicked")

    async def admit_again(self) -> None:
        await self.server.set_bot_status(at_telegram.GROUP, "member")

    async def cut(self, stage: Stage) -> None:
        """The poll that waits ends, the next one is cut."""
        since = self.position
        self.server.faults.add("getUpdates", CutBefore())
        self.server.updates.release()
        await self.server.seen(
            lambda seen: seen.operation == "getUpdates" and not seen.arguments, WAIT_S, since=since
        )

    async def refuse_token(self) -> None:
        self.server.token = "1:of-somebody-else"
        self.server.updates.release()


class TelegramWebhookWire(TelegramWire, TelegramWebhookSurface):
    """Is pushed to."""

    polls = False
    cuts = False

    async def come_again(self, message: Any) -> None:
        self.server.advance(RETRY_CLOCK_S)


class DiscordWire(_Remote, DiscordSurface):
    """Keeps a websocket; posts have a nonce."""

    tells_own = True
    post = "POST /channels/{channel}/messages"
    edit = "PATCH /channels/{channel}/messages/{message}"

    async def unheard(self, text: str) -> Any:
        self.server.gateway.lose_next = 1
        return await self.say(text)

    def limited(self, hint_s: int | None) -> Answer:
        return limited_without_a_hint() if hint_s is None else rate_limited(hint_s)

    def broken(self) -> Answer:
        return refusal(500)

    async def remove(self) -> None:
        await self.server.delete(self.server.bot_messages(self.direct["ann"])[-1])

    async def close_thread(self, thread: Any) -> None:
        del self.server.world.channels[thread.id]
        await self.server.send_event("THREAD_DELETE", {"id": str(thread.id)})

    def in_root(self) -> list[str]:
        return self.shown(group=True)

    async def expel(self) -> None:
        self.server.general.access = "hidden"

    async def admit_again(self) -> None:
        self.server.general.access = "full"

    async def cut(self, stage: Stage) -> None:
        await self.server.gateway.abort()

    async def refuse_token(self) -> None:
        self.server.token = "of-somebody-else"
        await self.server.gateway.invalidate()

    async def intrude(self) -> None:
        url = f"{self.server.api_url}/channels/{self.server.general.id}/messages"
        await _post(url, {"content": FOREIGN}, f"Bot {TOKEN}")


class SlackWire(_Remote, SlackSurface):
    """Socket Mode; what stands in a channel can be read."""

    counts_sockets = True
    tells_own = True
    post = "chat.postMessage"
    edit = "chat.update"
    repeats = 2

    async def unheard(self, text: str) -> Any:
        self.server.forgetful = True
        try:
            return await self.say(text)
        finally:
            self.server.forgetful = False

    async def redeliver(self, message: Any) -> None:
        """Also one that was never delivered."""
        chat, ts = message
        if any(each.payload["event"].get("ts") == ts for each in self.server.deliveries):
            await super().redeliver(message)
            return
        channel = self.server.world.channels[chat]
        body = payloads.message_event(self.server.world, channel, channel.messages[ts])
        self.server.send_event(body)

    async def come_again(self, message: Any) -> None:
        await self.server.advance(RETRY_CLOCK_S)

    def limited(self, hint_s: int | None) -> Answer:
        body = b'{"ok":false,"error":"ratelimited"}'
        return limited(body, None if hint_s is None else str(hint_s))

    def broken(self) -> Answer:
        return Answer(status=500, body=b'{"ok":false,"error":"internal_error"}')

    async def remove(self) -> None:
        await self.server.remove(chat="D1", ts=self.server.ours("D1")[-1].ts)

    async def close_thread(self, thread: Any) -> None:
        await self.server.remove(chat=at_slack.GROUP, ts=thread)
        del self.server.world.channels[at_slack.GROUP].messages[thread]

    def in_root(self) -> list[str]:
        return [m.text for m in self.server.ours(at_slack.GROUP) if m.thread_ts is None]

    async def expel(self) -> None:
        world = self.server.world
        world.channels[at_slack.GROUP].members.discard(world.bot_user)

    async def admit_again(self) -> None:
        world = self.server.world
        world.channels[at_slack.GROUP].members.add(world.bot_user)

    async def cut(self, stage: Stage) -> None:
        self.server.transport.cut()

    async def refuse_token(self) -> None:
        """Whatever is called next is refused."""
        self.server.methods.token_error = "token_revoked"
        await self.say("Hello?", by="bob")

    async def intrude(self) -> None:
        self.server.channel(at_slack.GROUP)
        fields = {"channel": at_slack.GROUP, "text": FOREIGN}
        await _post(f"{self.server.url}/api/chat.postMessage", fields, f"Bearer {BOT_TOKEN}")


class SlackHttpWire(SlackWire, SlackHttpSurface):
    """Signed requests."""

    cuts = False
    counts_sockets = False


class _Own:
    """The part of a wire that the gateway's own surfaces share."""

    sends = False
    orders = False
    cuts = True
    polls = False
    counts_sockets = False
    tells_own = False
    post = ""
    edit = ""
    repeats = 1
    doubles = 0

    async def unheard(self, text: str) -> Any:
        """Nothing is kept for the gateway."""
        raise NotImplementedError


class WebWire(_Own, WebSurface):
    """The page."""

    async def say_in_vain(self, text: str) -> Any:
        written = Written(key=str(uuid.uuid4()), text=text)
        self._mine.add(written.key)
        await self._send("messages", written, status=503)
        return written

    async def come_again(self, message: Any) -> None:
        await self.redeliver(message)

    async def cut(self, stage: Stage) -> None:
        """The event stream breaks, and the page opens it again where it was."""
        await self.meet(stage)


class TerminalWire(_Own, TerminalSurface):
    """`gatepost chat`."""

    async def say_in_vain(self, text: str) -> Any:
        refused = len(self._refused)
        key = self._talk.say(text)
        while len(self._refused) == refused:
            await self.changed(self.position)
        return Say(key=key, text=text)

    async def come_again(self, message: Any) -> None:
        await self.redeliver(message)

    async def cut(self, stage: Stage) -> None:
        """The terminal hangs up in the middle and calls again."""
        await self.meet(stage)


WIRES: Mapping[str, Callable[[], Wire]] = MappingProxyType(
    {
        "web": WebWire,
        "terminal": TerminalWire,
        "telegram": TelegramWire,
        "telegram-webhook": TelegramWebhookWire,
        "discord": DiscordWire,
        "slack": SlackWire,
        "slack-http": SlackHttpWire,
    }
)


def _api_error(status: int, words: str, more: str = "") -> Answer:
    body = f'{{"ok":false,"error_code":{status},"description":"{words}"{more}}}'
    return Answer(status=status, body=body.encode())


async def _post(url: str, fields: Mapping[str, str], authorization: str) -> None:
    headers = {"Authorization": authorization}
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json=fields, headers=headers, raise_for_status=True),
    ):
        pass
