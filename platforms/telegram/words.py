"""Pure: a message's text and entities as text with Markdown and mentions. Total: any JSON goes in.

Entities come in UTF-16 offsets of the raw text; what leaves is measured in code points of the
text as it leaves. An entity that does not lie within the text is passed over.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

from platforms.blocks import clean_text
from platforms.events import Mention, MentionKind
from platforms.fields import Body, identifier, integer, mapping, string

_AFTER_MENTION = re.compile(r"\s*[,:]?\s*")
_BREAKS_TARGET = re.compile(r"[\s<>]")
_BACKTICKS = re.compile(r"`+")
_ENTITIES_MAX = 200
_MARKED_MAX = 20_000
"""More than Telegram ever sends; entities beyond, or of a longer text, would only cost time."""
_QUOTES = frozenset({"blockquote", "expandable_blockquote"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a message says.

    `command`: `/name@bot` at the beginning names us (True), another bot (False), nobody (None).
    """

    text: str
    mentions: tuple[Mention, ...]
    command: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """An entity that lies within the text; offsets count code points."""

    kind: str
    start: int
    end: int
    entity: Body


def read_words(raw: str, entities: object, *, our_id: str, our_name: str) -> Words:
    """The words of a message; our own mention at the beginning is cut off."""
    text = clean_text(raw.replace("\r", " "))
    marks = _marks(text, entities)
    sheet = _Sheet(text)
    for mark in marks:
        _write_markdown(sheet, mark)
    command = _read_command(sheet, marks, our_name)
    named = [(mark, *found) for mark in marks if (found := _named(text, mark, our_id, our_name))]
    if any(kind is MentionKind.US and mark.start == 0 for mark, kind, _ in named):
        _cut_lead(sheet, named[0][0])
    return Words(
        text=sheet.text(),
        mentions=tuple(_mention(sheet, mark, kind, ident) for mark, kind, ident in named),
        command=command,
    )


def _mention(sheet: "_Sheet", mark: _Mark, kind: MentionKind, ident: str | None) -> Mention:
    if sheet.is_cut(mark.start):
        return Mention(kind=kind, id=ident, start=0, end=0)
    return Mention(
        kind=kind, id=ident, start=sheet.new_start(mark.start), end=sheet.new_end(mark.end)
    )


def _marks(text: str, entities: object) -> tuple[_Mark, ...]:
    """The entities in the order in which they begin, outer ones first."""
    if not isinstance(entities, list) or not entities or len(text) > _MARKED_MAX:
        return ()
    points = _code_points(text)
    marks = []
    for entity in entities[:_ENTITIES_MAX]:
        if not isinstance(entity, Mapping):
            continue
        kind = string(entity, "type")
        offset, length = integer(entity, "offset"), integer(entity, "length")
        if offset is None or length is None:
            continue
        start, end = points.get(offset), points.get(offset + length)
        if start is not None and end is not None and start < end:
            marks.append(_Mark(kind=kind, start=start, end=end, entity=entity))
    return tuple(sorted(marks, key=lambda mark: (mark.start, -mark.end)))


def _code_points(text: str) -> dict[int, int]:
    """Code point index by UTF-16 offset, at character boundaries."""
    offsets = accumulate((2 if ord(char) > 0xFFFF else 1 for char in text), initial=0)
    return {offset: index for index, offset in enumerate(offsets)}


def _named(
    text: str, mark: _Mark, our_id: str, our_name: str
) -> tuple[MentionKind, str | None] | None:
    match mark.kind:
        case "mention":
            name = text[mark.start : mark.end].removeprefix("@")
            if name.lower() == our_name.lower():
                return MentionKind.US, None
            return MentionKind.USER, f"@{name}"
        case "text_mention":
            ident = integer(mapping(mark.entity, "user"), "id")
            if ident is None:
                return None
            return (
                (MentionKind.US, None) if str(ident) == our_id else (MentionKind.USER, str(ident))
            )
        case _:
            return None


def _read_command(sheet: "_Sheet", marks: tuple[_Mark, ...], our_name: str) -> bool | None:
    """Whom `/name@bot` names; our name is cut from it."""
    mark = next((mark for mark in marks if mark.kind == "bot_command" and mark.start == 0), None)
    if mark is None:
        return None
    name, at, bot = sheet.raw[: mark.end].partition("@")
    if not at:
        return None
    if bot.lower() != our_name.lower():
        return False
    sheet.cut(len(name), mark.end)
    return True


def _cut_lead(sheet: "_Sheet", mark: _Mark) -> None:
    blank = _AFTER_MENTION.match(sheet.raw, mark.end)
    sheet.cut(0, blank.end() if blank else mark.end)


def _write_markdown(sheet: "_Sheet", mark: _Mark) -> None:
    content = sheet.raw[mark.start : mark.end]
    if mark.kind == "code":
        fence = "`" * (1 + _longest_run(content))
        pad = " " if content[0] == "`" or content[-1] == "`" else ""
        sheet.wrap(mark, fence + pad, pad + fence)
    elif mark.kind == "pre":
        fence = "`" * max(3, 1 + _longest_run(content))
        first = fence + (identifier(mark.entity, "language") or "").replace("`", "") + "\n"
        before, after = sheet.line_ends(mark)
        sheet.wrap(mark, before + first, "\n" + fence + after)
    elif mark.kind == "text_link":
        url = string(mark.entity, "url")
        if url not in {"", content} and not _BREAKS_TARGET.search(url):
            target = f"<{url}>" if "(" in url or ")" in url else url
            sheet.wrap(mark, "[", f"]({target})")
    elif mark.kind in _QUOTES:
        before, after = sheet.line_ends(mark)
        sheet.wrap(mark, before + "> ", after)
        for found in re.finditer("\n", content[:-1]):
            sheet.insert(mark.start + found.end(), "> ")


def _longest_run(content: str) -> int:
    return max(map(len, _BACKTICKS.findall(content)), default=0)


class _Sheet:
    """A text with insertions and cuts noted at positions of the original."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self._closing: defaultdict[int, str] = defaultdict(str)
        self._opening: defaultdict[int, str] = defaultdict(str)
        self._cuts: list[tuple[int, int]] = []

    def wrap(self, mark: _Mark, before: str, after: str) -> None:
        """Puts marks around an entity, outside those of entities within it."""
        self._opening[mark.start] += before
        self._closing[mark.end] = after + self._closing[mark.end]

    def insert(self, at: int, text: str) -> None:
        """Puts text before a character."""
        self._opening[at] += text

    def cut(self, start: int, end: int) -> None:
        """Leaves a stretch out."""
        self._cuts.append((start, end))

    def is_cut(self, at: int) -> bool:
        """Whether the character there is left out."""
        return any(start <= at < end for start, end in self._cuts)

    def line_ends(self, mark: _Mark) -> tuple[str, str]:
        """The newlines an entity needs to stand on lines of its own."""
        before = "" if mark.start == 0 or self.raw[mark.start - 1] == "\n" else "\n"
        after = "" if mark.end == len(self.raw) or self.raw[mark.end] == "\n" else "\n"
        return before, after

    def text(self) -> str:
        """The text as it leaves."""
        return self._upto(len(self.raw)) + self._closing.get(len(self.raw), "")

    def new_start(self, at: int) -> int:
        """Where a character of the original stands now."""
        marks = self._closing.get(at, "") + self._opening.get(at, "")
        return len(self._upto(at)) + len(marks)

    def new_end(self, at: int) -> int:
        """Where a stretch that ended before `at` ends now."""
        return len(self._upto(at))

    def _upto(self, end: int) -> str:
        edits = sorted({0, end, *self._closing, *self._opening, *sum(self._cuts, ())})
        edits = [at for at in edits if at <= end]
        pieces = []
        for at, following in pairwise(edits):
            pieces.append(self._closing.get(at, "") + self._opening.get(at, ""))
            if not self.is_cut(at):
                pieces.append(self.raw[at:following])
        return "".join(pieces)
