"""The page as ann sees it: forms in, server-sent events out, as the page's script uses them."""

import asyncio
import re
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from typing import Any

import aiohttp

from tests.platforms.web.browser_model import BrowserModel, EventReader
from tests.scenarios.cards import Card, is_card
from tests.scenarios.stage import OwnSurface, Stage, free_port

SENT = 303
"""The page is loaded anew once what it sent is stored."""

_ENDS_A_LINE = frozenset({"p", "li", "h3", "h4", "h5", "h6", "pre", "tr", "blockquote", "br"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message as the page sent it."""

    key: str
    text: str


class WebSurface(OwnSurface):
    """One browser with one chat open. `token` signs in where the gateway asks for one."""

    name = "web"
    form = "page"
    asks_twice = True
    mark = "/"
    has_menu = True
    me = "web:local"

    def __init__(self, *, token: str | None = None) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._page = BrowserModel()
        self._events = EventReader()
        self._mine: set[str] = set()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._reading: asyncio.Task[None] | None = None
        self._leaving = AsyncExitStack()
        self._http: aiohttp.ClientSession
        self.chat = ""
        self._form = ""

    async def open(self) -> None:
        """Open the browser; the gateway itself is the server."""
        # Browsers keep cookies of an address that is no name, too.
        jar = aiohttp.CookieJar(unsafe=True)
        self._http = await self._leaving.enter_async_context(
            aiohttp.ClientSession(self.url, headers=self._headers, cookie_jar=jar)
        )

    def config(self) -> str:
        return ""

    async def meet(self, stage: Stage) -> None:
        """Load the page, or come back to the gateway with the page that is open."""
        if not self.chat:
            async with self._http.get("/", raise_for_status=True) as response:
                page = await response.text()
            self.chat = _attribute(page, "data-chat")
            self._form = _attribute(page, "data-token")
            self._events.last_id = _attribute(page, "data-cursor")
        else:
            await self._end_reading()
            async with self._http.get("/form", raise_for_status=True) as response:
                self._form = (await response.json())["token"]
        self._reading = asyncio.create_task(self._read())

    async def say(
        self,
        text: str,
        *,
        by: str = "ann",
        group: bool = False,
        mention: bool = False,
        thread: Any = None,
    ) -> Any:
        written = Written(key=str(uuid.uuid4()), text=text)
        self._mine.add(written.key)
        await self._send("messages", written)
        return written

    async def attach(self, text: str, name: str, data: bytes, mime: str = "image/png") -> None:
        assert await self.send_files(str(uuid.uuid4()), text, name, data, mime) == SENT

    async def send_files(self, key: str, text: str, name: str, data: bytes, mime: str) -> int:
        """As a browser sends a form with a file; returns the status, SENT if it is stored."""
        self._mine.add(key)
        form = aiohttp.FormData()
        for field, value in (("token", self._form), ("key", key), ("text", text)):
            form.add_field(field, value)
        form.add_field("files", data, filename=name, content_type=mime)
        path = f"/chat/{self.chat}/messages"
        async with self._http.post(path, data=form, allow_redirects=False) as response:
            return response.status

    async def command(self, name: str, args: str = "", *, by: str = "ann") -> None:
        """By the button, where there is one."""
        if (name, args) == ("stop", ""):
            await self._send("stop", Written(key=str(uuid.uuid4()), text=""))
        else:
            await self.say(f"/{name} {args}".strip())

    async def redeliver(self, message: Any) -> None:
        await self._send("messages", message)

    async def malformed(self) -> None:
        await self._send("messages", Written(key="this is no UUID", text="Hello?"), status=400)

    def ref(self, message: Any) -> str:
        return f"web:{self.chat}/{message.key}"

    def shown(self, *, group: bool = False, thread: Any = None) -> list[str]:
        return [
            words_of("".join(blocks))
            for ident, blocks in self._page.messages.items()
            if ident not in self._mine
        ]

    def person(self, name: str) -> str:
        """Whoever sits at the page is ann."""
        return self.me

    def cards(self, *, group: bool = False, thread: Any = None, of: str = "ann") -> list[Card]:
        found = []
        for ident, blocks in self._page.messages.items():
            text = words_of("".join(blocks))
            if ident in self._mine or not is_card(text):
                continue
            foot = _Foot()
            foot.feed(self._page.feet[ident])
            foot.close()
            found.append(
                Card(
                    handle=ident,
                    text=text,
                    buttons=foot.buttons,
                    choices=foot.choices,
                    questions=foot.questions,
                )
            )
        return found

    def told(self, *, by: str = "ann") -> list[str]:
        return self._page.notices

    async def choose(self, card: Card, words: str, *, by: str = "ann") -> None:
        await self.forge(card, card.payload(words))

    async def forge(self, card: Card, payload: str, *, by: str = "ann") -> None:
        await self._post("press", {"message": card.handle, "payload": payload})

    async def forward(self, card: Card, payload: str, *, by: str = "ann") -> None:
        """From a chat beside it."""
        other = str(uuid.uuid4())
        await self._post("press", {"message": card.handle, "payload": payload}, chat=other)

    async def fill(self, values: Mapping[str, str], *, by: str = "ann") -> None:
        while not self._page.forms:
            await self.changed(self.position)
        card, html = list(self._page.forms.items())[-1]
        form = unescape(_attribute(html.partition('name="form"')[2], "value"))
        fields = {f"field.{name}": value for name, value in values.items()}
        await self._post("form", {"card": card, "form": form, **_standing(html), **fields})

    async def typed(self, name: str, args: str, *, by: str = "ann", group: bool = False) -> None:
        await self.command(name, args)

    async def _post(self, act: str, fields: Mapping[str, str], *, chat: str = "") -> None:
        body = {**fields, "key": str(uuid.uuid4()), "token": self._form}
        async with self._http.post(f"/chat/{chat or self.chat}/{act}", json=body) as response:
            assert response.status == 202, await response.text()

    async def close(self) -> None:
        await self._end_reading()
        await self._leaving.aclose()

    async def _send(self, act: str, written: Written, *, status: int = 202) -> None:
        fields = {"key": written.key, "text": written.text, "token": self._form}
        async with self._http.post(f"/chat/{self.chat}/{act}", json=fields) as response:
            assert response.status == status, await response.text()

    async def _read(self) -> None:
        """The event stream, until it ends."""
        came_to = {"Last-Event-ID": self._events.last_id}
        path = f"/chat/{self.chat}/events"
        self._events.rest = b""
        try:
            async with self._http.get(
                path, headers=came_to, raise_for_status=True, timeout=aiohttp.ClientTimeout()
            ) as response:
                async for piece in response.content.iter_any():
                    for event in self._events.feed(piece):
                        self._page.take(event)
                    self.push_came()
        except aiohttp.ClientPayloadError:
            pass  # cut off by a gateway that stops

    async def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


def _attribute(page: str, name: str) -> str:
    found = re.search(rf'{name}="([^"]+)"', page)
    assert found is not None, f"the page has no {name}"
    return found[1]


def words_of(html: str) -> str:
    """The text a reader sees of a message's blocks."""
    reader = _Words()
    reader.feed(html)
    reader.close()
    return "".join(reader.found).strip()


class _Words(HTMLParser):
    """Collects text; the bar over a code block is not the message's."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._bar = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A break has no end tag."""
        self._bar = self._bar or ("class", "bar") in attrs
        if tag == "br":
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """Blocks end their line."""
        if tag == "div":
            self._bar = False
        if tag in _ENDS_A_LINE:
            self.found.append("\n")

    def handle_data(self, data: str) -> None:
        """Words."""
        if not self._bar:
            self.found.append(data)


def _standing(html: str) -> dict[str, str]:
    """What stands in the fields of a form before anybody changes it."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", html):
        if name := re.search(r'name="(field\.[^"]+)"', tag):
            found[name[1]] = unescape(_attribute(tag, "value"))
    for name, text in re.findall(r'<textarea[^>]*name="(field\.[^"]+)"[^>]*>\n?([^<]*)<', html):
        found[name] = unescape(text)
    return found


class _Foot(HTMLParser):
    """What can be pressed below a message, also where it folds out."""

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[str, str] = {}
        self.choices: dict[str, str] = {}
        self.questions: dict[str, str] = {}
        self._folds: list[str] = []
        self._asked = ""
        self._payload: str | None = None
        self._words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A fold is a menu or a question; a button carries its payload."""
        given = dict(attrs)
        if tag == "details":
            self._folds.append("menu" if "menu" in (given.get("class") or "") else "question")
        elif tag == "button":
            self._payload = given.get("value")
        self._words = ""

    def handle_endtag(self, tag: str) -> None:
        """A button ends with its label, a question with its words."""
        if tag == "p" and self._folds:
            self._asked = self._words
        elif tag == "details":
            self._folds.pop()
        elif tag == "button" and self._payload is not None:
            place = self.choices if "menu" in self._folds else self.buttons
            place[self._words] = self._payload
            if self._folds[-1:] == ["question"]:
                self.questions[self._words] = self._asked
            self._payload = None

    def handle_data(self, data: str) -> None:
        """Words."""
        self._words += data
