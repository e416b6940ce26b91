"""Pure: Slack's text as plain text with Markdown, and whom it mentions.

Slack writes mentions and links as `<...>` and escapes three characters everywhere else. Source:
docs.slack.dev/messaging/formatting-message-text, retrieving messages.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from platforms.events import Mention, MentionKind

NameOf = Callable[[str], str]

_CODE = re.compile(r"```(.*?)```|`([^`\n]+)`", re.DOTALL)
_TOKEN = re.compile(r"<([^<>\n]{1,3000})>")
_LEAD = re.compile(r"\s*<@([A-Z0-9]+)(?:\|[^<>]*)?>[\s:,]*")
_ID = re.compile(r"[A-Z0-9]{1,30}")
_EVERYONE = frozenset({"channel", "here", "everyone"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What was written; offsets of mentions count code points of `text`."""

    text: str
    mentions: tuple[Mention, ...]


def read_words(raw: str, *, our_ids: Collection[str], name_of: NameOf) -> Words:
    """Slack's text for people: names instead of ids, our own leading mention cut off.

    `name_of` gives a person's name for an id, or nothing.
    """
    sheet = _Sheet(our_ids, name_of)
    lead = _LEAD.match(raw)
    if lead is not None and lead[1] in our_ids:
        sheet.mentions.append(Mention(kind=MentionKind.US, start=0, end=0))
        raw = raw[lead.end() :]
    at = 0
    for code in _CODE.finditer(raw):
        sheet.words(raw[at : code.start()])
        sheet.code(code)
        at = code.end()
    sheet.words(raw[at:])
    return Words(text="".join(sheet.parts).rstrip(), mentions=tuple(sheet.mentions))


def unescape(text: str) -> str:
    """The characters Slack writes as entities."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


class _Sheet:
    """The text so far and the mentions in it."""

    def __init__(self, our_ids: Collection[str], name_of: NameOf) -> None:
        self.parts: list[str] = []
        self.mentions: list[Mention] = []
        self._our_ids = our_ids
        self._name_of = name_of
        self._length = 0

    def words(self, raw: str) -> None:
        """Running text with mentions and links."""
        at = 0
        for token in _TOKEN.finditer(raw):
            self._add(unescape(raw[at : token.start()]))
            self._token(token[1])
            at = token.end()
        self._add(unescape(raw[at:]))

    def code(self, code: re.Match[str]) -> None:
        """Code as Markdown writes it: a fence has lines of its own."""
        if code[1] is None:
            self._add(f"`{_literal(code[2])}`")
            return
        content = _literal(code[1]).strip("\n")
        lead = "\n" if self.parts and not self.parts[-1].endswith("\n") else ""
        rest = code.string[code.end() :]
        tail = "\n" if rest and not rest.startswith("\n") else ""
        self._add(f"{lead}```\n{content}\n```{tail}")

    def _token(self, token: str) -> None:
        body, _, label = token.partition("|")
        body, label = unescape(body), unescape(label).strip()
        match body[:1], body[1:]:
            case "@", person if _ID.fullmatch(person):
                kind = MentionKind.US if person in self._our_ids else MentionKind.USER
                name = self._name_of(person).strip() or label or person
                self._mention(f"@{name}", kind, None if kind is MentionKind.US else person)
            case "#", channel if _ID.fullmatch(channel):
                self._mention(f"#{label or channel}", MentionKind.CHAT, channel)
            case "!", order if order:
                self._order(order, label)
            case _:
                self._add(_link(body, label))

    def _order(self, order: str, label: str) -> None:
        name, _, argument = order.partition("^")
        if name in _EVERYONE:
            self._mention(f"@{name}", MentionKind.EVERYONE, None)
        elif name == "subteam" and _ID.fullmatch(argument):
            shown = label.removeprefix("@") or argument
            self._mention(f"@{shown}", MentionKind.ROLE, argument)
        else:  # a date carries its words; the rest carries nothing a reader could use
            self._add(label or f"<!{order}>")

    def _mention(self, text: str, kind: MentionKind, ident: str | None) -> None:
        end = self._length + len(text)
        self.mentions.append(Mention(kind=kind, id=ident, start=self._length, end=end))
        self._add(text)

    def _add(self, text: str) -> None:
        if text:
            self.parts.append(text)
            self._length += len(text)


def _literal(raw: str) -> str:
    """Code: Slack makes links of addresses even there."""
    return unescape(_TOKEN.sub(lambda token: token[1].rpartition("|")[2], raw))


def _link(url: str, label: str) -> str:
    if not re.match(r"[a-z][a-z0-9+.-]*:", url):
        return f"<{url}>" if not label else f"<{url}|{label}>"
    bare = url.removeprefix("mailto:").removeprefix("http://").removeprefix("https://")
    if not label:
        return bare if url.startswith("mailto:") else url
    if label.rstrip("/") in {url.rstrip("/"), bare.rstrip("/")}:  # Slack found it by itself
        return label
    return f"[{label}]({url})"
