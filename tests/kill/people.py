"""People who go on after the gateway died under them: the scenarios' surfaces, made stubborn.

What a platform keeps for the gateway comes again by itself once it is back. What a platform or
client reports to its person as not delivered, the person gives again.
"""

import asyncio
import dataclasses
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import aiohttp

from platforms.terminal.wire import File, Press, Say
from tests.scenarios.cards import Card, Hands
from tests.scenarios.discord import DiscordSurface
from tests.scenarios.slack import GROUP, PEOPLE, SlackHttpSurface, SlackSurface
from tests.scenarios.stage import WAIT_S
from tests.scenarios.telegram import PEOPLE as PEOPLE_AT_TELEGRAM
from tests.scenarios.telegram import TelegramSurface, TelegramWebhookSurface
from tests.scenarios.terminal import TerminalSurface
from tests.scenarios.web import SENT, WebSurface, Written
from tests.wire.discord.faults import rate_limited
from tests.wire.discord.interactions import Interaction
from tests.wire.discord.world import Message
from tests.wire.server import Answer, limited
from tests.wire.slack.server import BOT_TOKEN
from tests.wire.slack.transport import Delivery

BEARER = f"Bearer {BOT_TOKEN}"
FOREIGN = "These words are not the gateway's."
RETRY_CLOCK_S = 400.0
"""More than any platform waits before it delivers again."""


class Person(Hands, Protocol):
    """Ann at one surface of a gateway that may die at any time."""

    private_answers: bool
    """Whether a press or command is answered where only its giver sees it, and nobody can look."""

    doubles: bool
    """Whether a crash may leave one more message in the chat than was meant."""

    def ever_shown(self) -> list[list[str]]:
        """Every state of every message of the gateway in the chat; where there are `doubles`."""

    given: int
    """How often a command had to be given, repeats included."""

    @property
    def address(self) -> str:
        """Ann's direct chat, as `gatepost send` takes it."""

    async def give(self, name: str, args: str = "") -> None:
        """Give a command, and again after `come_back` if the platform says it did not arrive."""

    async def press(self, words: str) -> None:
        """Choose on the newest card with a button or choice whose label begins with these words.

        Like everything chosen it is repeated as `give` is.
        """

    async def come_back(self, stage: Any) -> None:
        """The gateway runs again: return to it, with whatever it has not taken yet."""

    async def arrived(self) -> None:
        """Wait until the gateway has taken everything there was for it."""

    async def attach(self, text: str, name: str, data: bytes, mime: str = "image/png") -> None:
        """Send words with a file, again if need be."""

    has_rates: bool

    def slow_down(self) -> None:
        """Let the platform refuse the next post for its rate; only where there are rates."""

    has_echoes: bool
    """Whether the platform tells the gateway of its own messages."""

    async def write_as_the_bot(self) -> None:
        """Somebody else uses the gateway's token, in a group."""

    reads_back: bool
    """Whether what was missed is read back from the platform's history."""

    has_closed_doors: bool

    def close_door(self) -> str:
        """Let bob's direct chat be one that can't be written to; returns its address."""


class _Rated:
    """The part of a Person whose messages arrive by themselves."""

    doubles = False
    private_answers = False
    has_rates = True
    has_closed_doors = True
    reads_back = False
    has_echoes = False

    async def write_as_the_bot(self) -> None:
        """Nobody would hear of it."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    def ever_shown(self) -> list[list[str]]:
        """Nothing may be one too many here, so nobody asks."""
        raise NotImplementedError

    async def arrived(self) -> None:
        """What was said is stored when `say` returns."""

    async def press(self: Person, words: str) -> None:
        for group in (False, True) if self.has_groups else (False,):
            for card in reversed(self.cards(group=group)):
                if any(label.startswith(words) for label in (*card.buttons, *card.choices)):
                    await self.choose(card, words)
                    return


class TelegramPerson(_Rated, TelegramSurface):
    """Telegram keeps what was not confirmed; nobody can ask it what stands in a chat."""

    doubles = True

    @property
    def address(self) -> str:
        return self.me

    async def give(self, name: str, args: str = "") -> None:
        self.given += 1
        await self.command(name, args)

    def ever_shown(self) -> list[list[str]]:
        ours = self.server.ours(PEOPLE_AT_TELEGRAM["ann"])
        return [[version.text for version in message.history] for message in ours]

    async def choose(self, card: Card, words: str, *, by: str = "ann") -> None:
        self.given += 1
        await super().choose(card, words, by=by)

    async def come_back(self, stage: Any) -> None:
        await self.meet(stage)
        self.server.advance(RETRY_CLOCK_S)

    async def arrived(self) -> None:
        while self.server.updates.pending:
            await self.changed(self.position)

    def slow_down(self) -> None:
        body = (
            b'{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 31",'
            b'"parameters":{"retry_after":31}}'
        )
        self.server.faults.add("sendMessage", Answer(status=429, body=body))

    def close_door(self) -> str:
        bob = PEOPLE_AT_TELEGRAM["bob"]
        self.server.world.room(bob).bot_status = "blocked"
        return f"telegram:{bob}"


class TelegramWebhookPerson(TelegramPerson, TelegramWebhookSurface):
    """The same with pushed updates, which come again after a while."""


class SlackPerson(_Rated, SlackSurface):
    """Slack sends events again; a slash command or press that fails is shown as failed."""

    private_answers = True
    has_echoes = True

    def __init__(self) -> None:
        super().__init__()
        self._acts: list[tuple[Delivery, Callable[[], Awaitable[Delivery]]]] = []

    @property
    def address(self) -> str:
        return f"slack:T1/{self._chat}"

    @property
    def _chat(self) -> str:
        return f"D{PEOPLE['ann'][1:]}"

    async def give(self, name: str, args: str = "") -> None:
        text = f"{name} {args}".strip()
        await self._act(lambda: self.server.command(chat=self._chat, user=PEOPLE["ann"], text=text))

    async def choose(self, card: Card, words: str, *, by: str = "ann") -> None:
        chat, ts = card.handle
        label, place = card.label(words), {"chat": chat, "ts": ts, "user": PEOPLE[by]}
        if label in card.choices:
            await self._act(partial(self.server.choose, **place, option=label))
        else:
            await self._act(partial(self.server.press, **place, label=label))

    async def redeliver(self, message: Any) -> None:
        _, ts = message
        for each in self.server.deliveries:
            if each.kind == "events_api" and each.payload["event"].get("ts") == ts:
                await self.server.redeliver(each.id)
                return

    async def _act(self, act: Callable[[], Awaitable[Delivery]]) -> None:
        self.given += 1
        self._acts.append((await act(), act))

    async def come_back(self, stage: Any) -> None:
        await self._connected_again(stage)
        await self.server.advance(RETRY_CLOCK_S)
        acts, self._acts = self._acts, []
        for delivery, act in acts:
            if delivery.state != "lost":
                self._acts.append((delivery, act))
                continue
            with suppress(AssertionError):  # the button is gone by now
                await self._act(act)

    async def _connected_again(self, stage: Any) -> None:
        transport = self.server.transport
        await transport.wait(lambda: bool(transport.sockets), WAIT_S)

    async def arrived(self) -> None:
        """What failed while the gateway was stopping comes again after minutes only."""
        while any(each.state == "waiting" for each in self.server.deliveries):
            await self.server.advance(RETRY_CLOCK_S)
        for _ in range(RETRIES):
            with suppress(TimeoutError):
                await self.server.settled(timeout=WAIT_S / RETRIES)
                return
            await self.server.advance(RETRY_AFTER_S)  # an answer that came too late is asked again
        await self.server.settled(timeout=WAIT_S / RETRIES)

    async def write_as_the_bot(self) -> None:
        url, headers = f"{self.server.url}/api/chat.postMessage", {"Authorization": BEARER}
        fields = {"channel": self.server.channel(GROUP).id, "text": FOREIGN}
        async with (
            aiohttp.ClientSession() as http,
            http.post(url, json=fields, headers=headers) as response,
        ):
            assert (await response.json())["ok"]

    def slow_down(self) -> None:
        body = b'{"ok":false,"error":"ratelimited"}'
        self.server.faults.add("chat.postMessage", limited(body, "31"))

    def close_door(self) -> str:
        chat = self.server.world.channel(f"D{PEOPLE['bob'][1:]}", user=PEOPLE["bob"])
        chat.archived = True
        return f"slack:T1/{chat.id}"


class SlackHttpPerson(SlackPerson, SlackHttpSurface):
    """The same with signed requests."""

    async def _connected_again(self, stage: Any) -> None:
        await self.meet(stage)


class DiscordPerson(_Rated, DiscordSurface):
    """Discord's history can be read back; a command or press nobody answered is shown as failed."""

    private_answers = True
    reads_back = True
    has_echoes = True

    def __init__(self) -> None:
        super().__init__()
        self._acts: list[tuple[Interaction, Callable[[], Awaitable[Interaction]]]] = []

    @property
    def address(self) -> str:
        return f"discord:{self.direct['ann'].id}"

    async def give(self, name: str, args: str = "") -> None:
        if name not in {command["name"] for command in self.server.interactions.commands}:
            self.given += 1
            await self.say(f"/{name} {args}".strip())
            return
        chat, ann = self.direct["ann"], self.people["ann"]
        await self._act(lambda: self.server.invoke(chat, ann, name, args or None))

    async def choose(self, card: Card, words: str, *, by: str = "ann") -> None:
        message, user, label = card.handle, self.people[by], card.label(words)
        if label in card.choices:
            await self._act(
                lambda: self.server.choose(message, user, _choices(message).get(label, ""))
            )
        else:
            await self._act(
                lambda: self.server.press(message, user, message.buttons.get(label, ""))
            )

    async def _act(self, act: Callable[[], Awaitable[Interaction]]) -> None:
        self.given += 1
        self._acts.append((await act(), act))

    async def come_back(self, stage: Any) -> None:
        await self.meet(stage)
        acts, self._acts = self._acts, []
        for given, act in acts:
            if given.answer is not None:
                self._acts.append((given, act))
                continue
            with suppress(AssertionError):  # the button is gone by now
                await self._act(act)

    async def arrived(self) -> None:
        while any(given.answer is None for given, _ in self._acts):
            await self.changed(self.position)

    def slow_down(self) -> None:
        operation = "POST /channels/{channel}/messages"
        self.server.faults.add(operation, rate_limited(31.0))

    async def write_as_the_bot(self) -> None:
        url = f"{self.server.api_url}/channels/{self.server.general.id}/messages"
        headers = {"Authorization": f"Bot {self.server.token}"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(url, json={"content": FOREIGN}, headers=headers, raise_for_status=True),
        ):
            pass

    def close_door(self) -> str:
        self.people["bob"].takes_dms = False
        return f"discord:{self.direct['bob'].id}"


def _choices(message: Message) -> dict[str, str]:
    return {label: value for options in message.menus.values() for label, value in options.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """A press as the page sends it."""

    key: str
    message: str
    payload: str


RETRIES, RETRY_AFTER_S = 3, 300.0
AGAIN, AGAIN_AFTER_S = ("busy", "stale"), 0.5


class WebPerson(_Rated, WebSurface):
    """The page keeps what was not stored and sends it again under its old key."""

    has_rates = False
    has_closed_doors = False

    def __init__(self) -> None:
        super().__init__()
        self._unsent: list[tuple[str, Any, int]] = []

    @property
    def address(self) -> str:
        return f"web:{self.chat}"

    async def give(self, name: str, args: str = "") -> None:
        self.given += 1
        await self.command(name, args)

    async def attach(self, text: str, name: str, data: bytes, mime: str = "image/png") -> None:
        """What the browser could not send, its person sends again, with the page of then."""
        key = str(uuid.uuid4())
        while True:
            with suppress(aiohttp.ClientError):
                if await self.send_files(key, text, name, data, mime) == SENT:
                    return
            await asyncio.sleep(AGAIN_AFTER_S)

    async def choose(self, card: Card, words: str, *, by: str = "ann") -> None:
        self.given += 1
        payload = card.payload(words)
        pressed = Pressed(key=str(uuid.uuid4()), message=card.handle, payload=payload)
        await self._send("press", pressed)

    async def come_back(self, stage: Any) -> None:
        await self.meet(stage)
        unsent, self._unsent = self._unsent, []
        for act, written, status in unsent:
            await self._send(act, written, status=status)

    def slow_down(self) -> None:
        raise NotImplementedError

    def close_door(self) -> str:
        raise NotImplementedError

    async def _send(self, act: str, written: Written | Pressed, *, status: int = 202) -> None:
        """Send one act; a page that is told "busy" or "stale" by a restart tries again."""
        try:
            while True:
                fields = dataclasses.asdict(written) | {"token": self._form}
                async with self._http.post(f"/chat/{self.chat}/{act}", json=fields) as response:
                    told = await response.text()
                    if response.status == status:
                        return
                    assert any(f'"code":"{code}"' in told for code in AGAIN), told
                await asyncio.sleep(AGAIN_AFTER_S)
        except aiohttp.ClientError:
            self._unsent.append((act, written, status))
            self.push_came()


class TerminalPerson(_Rated, TerminalSurface):
    """The terminal keeps what was not stored and sends it again under its old key."""

    has_rates = False
    has_closed_doors = False

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, Say | Press] = {}

    @property
    def address(self) -> str:
        return self.me

    async def give(self, name: str, args: str = "") -> None:
        self.given += 1
        await self.command(name, args)

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
        said = Say(key=key, text=text)
        self._said[key] = said
        while key not in self._stored:
            await self.changed(self.position)
        return said

    async def attach(self, text: str, name: str, data: bytes, mime: str = "image/png") -> None:
        key = str(uuid.uuid4())
        self._said[key] = Say(key=key, text=text, files=(File(name=name, mime=mime, data=data),))
        self._talk.send(self._said[key])
        while key not in self._stored:
            await self.changed(self.position)

    async def choose(self, card: Card, words: str, *, by: str = "ann") -> None:
        self.given += 1
        key = str(uuid.uuid4())
        pressed = Press(key=key, message_id=card.handle, payload=card.payload(words))
        self._said[key] = pressed
        self._talk.send(pressed)

    async def malformed(self) -> None:
        self._talk.send(Say(key="this is no UUID", text="Hello?"))

    async def come_back(self, stage: Any) -> None:
        await self.meet(stage)
        for key, said in self._said.items():
            if key not in self._stored:
                self._talk.send(said)

    def slow_down(self) -> None:
        raise NotImplementedError

    def close_door(self) -> str:
        raise NotImplementedError


PEOPLE_AT: Mapping[str, Callable[[], Person]] = {
    "telegram": TelegramPerson,
    "telegram-webhook": TelegramWebhookPerson,
    "slack": SlackPerson,
    "slack-http": SlackHttpPerson,
    "discord": DiscordPerson,
    "web": WebPerson,
    "terminal": TerminalPerson,
}
