"""What a person reads on each platform: what stands in fences, what outside, and what is alive."""

import re
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from platforms.blocks import Blocks
from platforms.discord import format as discord
from platforms.slack import format as slack
from platforms.telegram import format as telegram
from platforms.terminal import format as terminal
from platforms.web import format as web
from platforms.web.html import join
from tests.platforms.discord.reader import _CODE_BLOCK, show
from tests.platforms.web.strict_html import StrictReader, read_strictly
from tests.wire.slack.rules import check_blocks, pings
from tests.wire.telegram.rules import format_text

_ANSI = re.compile("\x1b\\[[0-9;]*m")
_CODE_LINE = re.compile("\x1b\\[36m([^\x1b]*)\x1b\\[0m")
_MEANT = re.compile("[\u200b\u2060]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """`alive` is everything that pings, leads somewhere or is a picture."""

    fences: list[str]
    outside: list[str]
    alive: list[str]


def on_slack(body: Blocks) -> Read:
    """Read the element tree."""
    wire = slack.format_blocks(body)
    elements = [element for block in check_blocks(wire.blocks) for element in block["elements"]]
    fences = [_texts(each) for each in elements if each["type"] == "rich_text_preformatted"]
    outside = [_texts(each) for each in elements if each["type"] != "rich_text_preformatted"]
    links = re.findall(r'"type": "(?:link|user|emoji|broadcast|channel)"', str(wire.blocks))
    return Read(
        fences=fences,
        outside="\n".join(outside).split("\n"),
        alive=[*links, *pings(wire.text, wire.blocks, parse="none", link_names=False, names={})],
    )


def _texts(value: Any) -> str:
    if isinstance(value, dict):
        own = value["text"] if value.get("type") == "text" else ""
        return own + "".join(map(_texts, value.get("elements", [])))
    return ""


def on_discord(body: Blocks) -> Read:
    """Read as Discord's own parser does."""
    content = discord.format_blocks(body)
    shown = show(content)
    fences = [found[2] for found in _CODE_BLOCK.finditer(content)]
    assert not Counter(fences) - Counter(shown.code)
    return Read(
        fences=fences,
        outside=_MEANT.sub("", show(_CODE_BLOCK.sub("", content)).text).split("\n"),
        alive=[*shown.mentions, *shown.emoji, *(url for _, url in shown.links)],
    )


def on_telegram(body: Blocks) -> Read:
    """Read what the server makes of text and entities."""
    wire = telegram.format_blocks(body)
    raw_entities = [
        {"type": entity.kind, "offset": entity.offset, "length": entity.length}
        for entity in wire.entities
    ]
    made = format_text(wire.text, raw_entities, limit=10_000_000)
    raw = made.text.encode("utf-16-le")
    fences, outside, at = [], b"", 0
    for entity in made.entities:
        if entity["type"] != "pre":
            continue
        start, end = 2 * entity["offset"], 2 * (entity["offset"] + entity["length"])
        outside += raw[at:start]
        fences.append(raw[start:end].decode("utf-16-le"))
        at = end
    text = (outside + raw[at:]).decode("utf-16-le")
    return Read(
        fences=fences,
        outside=_MEANT.sub("", text).split("\n"),
        alive=[*made.mentions, *made.links],
    )


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.fences: list[str] = []
        self.outside = ""
        self.alive: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what is open; a break is a line's end."""
        if tag == "pre":
            self.fences.append("")
        if tag in {"a", "img", "script", "iframe", "form", "input"}:
            self.alive.append(tag)
        if tag == "br":
            self.outside += "\n"
        else:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close it."""
        assert self._open.pop() == tag
        if tag in {"p", "div", "blockquote"}:
            self.outside += "\n"

    def handle_data(self, data: str) -> None:
        """Text in a fence or outside."""
        if "pre" in self._open:
            self.fences[-1] += data
        elif not {"button", "span"} & {*self._open}:
            self.outside += data


def on_the_page(body: Blocks) -> Read:
    """Read the HTML, which holds no foreign tag."""
    html = join(*web.format_blocks(body))
    read_strictly(html, StrictReader())
    page = _Page()
    page.feed(html)
    page.close()
    return Read(fences=page.fences, outside=page.outside.split("\n"), alive=page.alive)


def in_a_terminal(body: Blocks) -> Read:
    """Read the lines behind bars, which end at 80 columns at the latest."""
    fences: list[str] = []
    outside: list[str] = []
    barred = False
    for line in terminal.format_blocks(body, width=80, color=True):
        code = _CODE_LINE.fullmatch(line)
        if code is not None and code[1].startswith("| "):
            piece = code[1].removeprefix("| ")
            fences[-1:] = [f"{fences[-1]}\n{piece}"] if barred else [*fences[-1:], piece]
            barred = True
        else:
            outside.append(_ANSI.sub("", line))
            barred = False
    return Read(fences=fences, outside=outside, alive=[])


READERS = {
    "slack": on_slack,
    "discord": on_discord,
    "telegram": on_telegram,
    "web": on_the_page,
    "terminal": in_a_terminal,
}
