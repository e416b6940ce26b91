"""The few things the page's script does with events, in Python: what a reader ends up seeing."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import orjson

from platforms.web.html import VOID_TAGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event as a browser hands it on."""

    name: str
    data: Any
    id: str


@dataclass(slots=True)
class EventReader:
    """Decodes an event stream from any pieces."""

    rest: bytes = b""
    last_id: str = ""

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes; comments and `retry` are not events."""
        *whole, self.rest = (self.rest + piece).split(b"\n\n")
        return [event for event in map(self._event, whole) if event is not None]

    def _event(self, block: bytes) -> Event | None:
        fields: dict[str, str] = {}
        for line in block.decode().split("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        self.last_id = fields.get("id", self.last_id)
        if "event" not in fields:
            return None
        return Event(name=fields["event"], data=orjson.loads(fields["data"]), id=self.last_id)


@dataclass(slots=True)
class BrowserModel:
    """The log of the page: for each message the HTML of its blocks, and what stands below it.

    `forms` are the open ones by their messages.
    """

    messages: dict[str, list[str]] = field(default_factory=dict)
    feet: dict[str, str] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)
    words: str = ""
    notices: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Do what `app.js` does."""
        data = event.data
        match event.name:
            case "reset":
                self.messages.clear()
                self.feet.clear()
                self.forms = split_forms(data["log"])
                for name, (blocks, foot) in split_articles(data["log"]).items():
                    self.messages[name], self.feet[name] = blocks, foot
                self.words = data["words"]
            case "whole":
                ((name, (blocks, foot)),) = split_articles(data["html"]).items()
                assert name == data["id"]
                self.messages[name], self.feet[name] = blocks, foot
            case "part":
                shown = self.messages[data["id"]]
                added = roots(data["blocks"])
                assert data["keep"] <= len(shown)
                self.messages[data["id"]] = shown[: data["keep"]] + added
                self.feet[data["id"]] = data.get("foot", self.feet[data["id"]])
            case "gone":
                self.messages.pop(data["id"], None)
                self.forms.pop(data["id"], None)
            case "form":
                self.forms.pop(data["card"], None)
                self.forms |= split_forms(data["html"])
            case "status":
                self.words = data["words"]
            case "notice":
                self.notices.append(data["text"])
            case "mark":
                pass
            case other:
                raise AssertionError(other)


class _Roots(HTMLParser):
    """Cuts HTML into its root elements, each as its source text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.depth = 0
        self.found: list[str] = []

    def _add(self, text: str | None, *, new: bool) -> None:
        if new:
            self.found.append("")
        if self.found:
            self.found[-1] += text or ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A start tag at depth 0 begins a root."""
        self._add(self.get_starttag_text(), new=self.depth == 0)
        self.depth += tag not in VOID_TAGS

    def handle_endtag(self, tag: str) -> None:
        """An end tag belongs to the element it closes."""
        self.depth -= 1
        self._add(f"</{tag}>", new=False)

    def handle_data(self, data: str) -> None:
        """Text belongs to where it stands."""
        self._add(data, new=False)

    def handle_entityref(self, name: str) -> None:
        """References stay as they are written."""
        self._add(f"&{name};", new=False)

    def handle_charref(self, name: str) -> None:
        """References stay as they are written."""
        self._add(f"&#{name};", new=False)


def roots(html: str) -> list[str]:
    """The root elements of `html`."""
    reader = _Roots()
    reader.feed(html)
    reader.close()
    assert reader.depth == 0
    return reader.found


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].rpartition(end)[0]


def split_articles(html: str) -> dict[str, tuple[list[str], str]]:
    """Each message's blocks and foot, by id."""
    found: dict[str, tuple[list[str], str]] = {}
    for article in roots(html):
        name = article.partition('id="m-')[2].partition('"')[0]
        body = _between(article, '<div class="body">', '</div><footer class="foot">')
        foot = _between(article, '<footer class="foot">', "</footer>")
        if name:
            found[name] = (roots(body), foot)
    return found


def split_forms(html: str) -> dict[str, str]:
    """Each open form by the message it stands at."""
    forms = re.findall(r'<form[^>]* class="fill">.*?</form>', html, re.DOTALL)
    return {re.findall(r'name="card" value="([^"]*)"', form)[0]: form for form in forms}
