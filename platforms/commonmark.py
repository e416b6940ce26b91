"""Markdown's blocks and spans as our tree: the one module that knows markdown-it. Pure.

CommonMark with tables and strikethrough. Differences from it, all on purpose:

- Raw HTML and images are text; a single newline is a `Break`, as chats show it.
- There are no link reference definitions: one at the end would change what was shown long before.
- A link whose target is not allowed (`links.py`) stays the text it was written as; one whose label
  reads like another host is followed by its real one.
- A paragraph, heading or cell over LEAF_MAX characters is literal text.
- Containers and styles nested deeper than DEPTH_MAX dissolve into what holds them; a block nested
  deeper than the parser goes is literal text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from markdown_it import MarkdownIt
from markdown_it.token import Token

from platforms.blocks import (
    Alignment,
    Block,
    Blocks,
    Break,
    Code,
    CodeSpan,
    Emph,
    Heading,
    Link,
    List,
    Paragraph,
    Quote,
    Rule,
    Span,
    Spans,
    Strike,
    Strong,
    Table,
    Text,
    clean_text,
    lines,
    spans_text,
)
from platforms.links import label_misleads, link_allowed, link_target

LEAF_MAX = 4_096
DEPTH_MAX = 6
# Of the parser's own levels, of which a list takes two. It drops blocks beyond, so they are text
# before; beyond it brackets are only not links, and each level more makes `[[[[` dearer.
_NESTING_MAX = 40
_BRACKETS_MAX = 20
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.\-]{1,32}")
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # a label with these can show its host reversed
_ALIGNMENTS: dict[object, Alignment] = {
    "text-align:left": "left",
    "text-align:center": "center",
    "text-align:right": "right",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One top-level block: its tokens, its lines in the source (`end` exclusive), their text."""

    tokens: Sequence[Token]
    start: int
    end: int
    source: str


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - markdown-it's name
        return link_allowed(url)


def _parser(nesting_max: int) -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False, "maxNesting": nesting_max})
    parser.enable(["table", "strikethrough"])
    return parser.disable(["reference", "html_block", "html_inline"])


_BLOCK_PARSER = _parser(_NESTING_MAX)
_SPAN_PARSER = _parser(_BRACKETS_MAX)


def groups_of(source: str) -> list[Group]:
    """The top-level blocks of Markdown, their inline content not read yet."""
    tokens: list[Token] = []
    _BLOCK_PARSER.block.parse(source, _BLOCK_PARSER, {}, tokens)
    groups: list[Group] = []
    first = 0
    for at, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            start, end = tokens[first].map or (0, 0)
            group = tokens[first : at + 1]
            groups.append(Group(tokens=group, start=start, end=end, source=source))
            first = at + 1
    return groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """The last inline token of a source whose end it reaches, and what it stands in."""

    token: Token
    kind: Literal["paragraph", "heading", "cell"]


def last_leaf(groups: Sequence[Group], source: str) -> Leaf | None:
    tokens = groups[-1].tokens if groups else ()
    at = next((i for i in range(len(tokens) - 1, 0, -1) if not tokens[i].nesting), 0)
    if not at or tokens[at].type != "inline":
        return None
    opening = tokens[at - 1]
    line_count = source.count("\n") + (not source.endswith("\n"))
    match opening.type:
        case "th_open" | "td_open":
            return Leaf(token=tokens[at], kind="cell")
        case "paragraph_open" if opening.map and opening.map[1] == line_count:
            return Leaf(token=tokens[at], kind="paragraph")
        case "heading_open" if opening.markup.startswith("#") and not source.endswith("\n"):
            return Leaf(token=tokens[at], kind="heading")
        case _:
            return None


def fence_closed(group: Group, source: str) -> bool:
    """Whether the fence that begins `source` ends in it, by the last line it takes."""
    fence = group.tokens[0]
    start, end = fence.map or (0, 0)
    last = source.split("\n")[end - start - 1]
    mark = re.escape(fence.markup[0])
    return end - start > 1 and bool(
        re.fullmatch(rf" {{0,3}}{mark}{{{len(fence.markup)},}}[ \t]*", last)
    )


class Reader:
    """The tree of one group's tokens."""

    def __init__(self, group: Group, spans: "SpanCache") -> None:
        self._group = group
        self._tokens: Iterator[Token] = iter(group.tokens)
        self._spans = spans

    def blocks(self) -> Sequence[Block]:
        """The block, as a sequence of one; it may be blank."""
        if any(token.level >= _NESTING_MAX - 1 for token in self._group.tokens):
            rows = self._group.source.split("\n")[self._group.start : self._group.end]
            return (Paragraph(spans=lines("\n".join(rows).strip())),)
        return self._until_close(0)

    def _until_close(self, depth: int) -> Sequence[Block]:
        found: list[Block] = []
        for token in self._tokens:
            if token.nesting < 0:
                break
            blocks = self._block(token, depth)
            found.extend(block for block in blocks if not depth or not is_blank(block))
        return found

    def _block(self, token: Token, depth: int) -> Sequence[Block]:
        match token.type:
            case "paragraph_open":
                return (Paragraph(spans=self._inline()),)
            case "heading_open":
                return (Heading(level=int(token.tag[1]), spans=self._inline()),)
            case "blockquote_open":
                blocks = self._until_close(depth + 1)
                return (Quote(blocks=tuple(blocks)),) if depth < DEPTH_MAX else blocks
            case "bullet_list_open" | "ordered_list_open":
                return self._list(token, depth)
            case "table_open":
                return (self._table(),)
            case "fence" | "code_block":
                text = without_newline(token.content)
                return (Code(language=language_of(token.info), text=text),)
            case "hr":
                return (Rule(),)
            case other:
                raise AssertionError(f"markdown-it made an unknown block: {other}")

    def _inline(self) -> Spans:
        content = next(self._tokens).content
        next(self._tokens)  # the close
        return self._spans.of(content)

    def _list(self, opening: Token, depth: int) -> Sequence[Block]:
        items: list[Blocks] = []
        for token in self._tokens:
            if token.nesting < 0:
                break
            items.append(tuple(self._until_close(depth + 1)))
        if depth >= DEPTH_MAX:
            return [block for item in items for block in item]
        start = opening.attrs.get("start", 1)
        ordered = opening.type == "ordered_list_open"
        return (List(ordered=ordered, start=int(start), items=tuple(items)),)

    def _table(self) -> Table:
        rows: list[list[Spans]] = []
        alignments: list[Alignment] = []
        for token in self._tokens:
            match token.type:
                case "table_close":
                    break
                case "tr_open":
                    rows.append([])
                case "th_open":
                    alignments.append(_ALIGNMENTS.get(token.attrs.get("style")))
                case "inline":
                    rows[-1].append(self._spans.of(token.content))
        header, *body = map(tuple, rows)
        return Table(header=header, rows=tuple(body), alignments=tuple(alignments))


def without_newline(text: str) -> str:
    return text.removesuffix("\n")


def is_blank(block: Block) -> bool:
    """Whether there is nothing to see; platforms refuse a message of blanks and joiners."""
    match block:
        case Paragraph(spans=spans) | Heading(spans=spans):
            return not is_visible(spans_text(spans))
        case Code(text=text):
            return not is_visible(text)
        case Table(header=header, rows=rows):
            return not any(is_visible(spans_text(cell)) for row in (header, *rows) for cell in row)
        case Quote(blocks=blocks):
            return not blocks
        case List() | Rule():
            return False
        case _:
            assert_never(block)


def is_visible(text: str) -> bool:
    """Whether it has any character but blanks, joiners and marks of direction."""
    return any(not char.isspace() and unicodedata.category(char) != "Cf" for char in text)


def language_of(info: str) -> str:
    found = _LANGUAGE.match(info.strip())
    return found[0] if found else ""


class SpanCache:
    """Inline Markdown to spans, remembering what the last two readings met."""

    def __init__(self) -> None:
        self._before: dict[str, Spans] = {}
        self._now: dict[str, Spans] = {}

    def turn(self) -> None:
        """Begin a reading: what the last one did not meet is forgotten."""
        self._before, self._now = self._now, {}

    def of(self, content: str) -> Spans:
        spans = self._now.get(content)
        if spans is None:
            spans = self._before.get(content)
            if spans is None:
                spans = _spans(content)
            self._now[content] = spans
        return spans


def _spans(content: str) -> Spans:
    if len(content) > LEAF_MAX:
        return lines(content)
    return _SpanReader().read(_SPAN_PARSER.inline.parse(content, _SPAN_PARSER, {}, []))


_STYLES: dict[str, Callable[[Spans], Span]] = {
    "strong": lambda spans: Strong(spans=spans),
    "em": lambda spans: Emph(spans=spans),
    "s": lambda spans: Strike(spans=spans),
}


class _SpanReader:
    """Inline tokens to spans; an explicit stack, as emphasis may nest without end."""

    def __init__(self) -> None:
        self._open: list[list[Span]] = [[]]
        self._names: list[str] = []  # of what is open; "" dissolves into what holds it
        self._url = ""

    def read(self, tokens: Sequence[Token]) -> Spans:
        for token in tokens:
            self._take(token)
        return tuple(self._open[0])

    def _take(self, token: Token) -> None:
        match token.type:
            case "text" | "text_special":
                self._text(token.content)
            case "code_inline":
                self._open[-1].append(CodeSpan(text=_one_line(token.content)))
            case "softbreak" | "hardbreak":
                self._open[-1].append(Break())
            case "image":
                self._image(token)
            case "link_open":
                self._url = str(token.attrs["href"])
                self._begin("link")
            case _ if token.nesting > 0:
                self._begin(token.tag)
            case _ if token.nesting < 0:
                self._end()
            case other:
                raise AssertionError(f"markdown-it made an unknown span: {other}")

    def _begin(self, name: str) -> None:
        styles = sum(1 for open_name in self._names if open_name in _STYLES)
        dissolves = name in _STYLES and (name in self._names or styles >= DEPTH_MAX)
        self._names.append("" if dissolves else name)
        self._open.append([])

    def _end(self) -> None:
        name = self._names.pop()
        spans = tuple(self._open.pop())
        if name == "link":
            self._link(spans)
        elif name and spans:
            self._open[-1].append(_STYLES[name](spans))
        else:
            for span in spans:
                if isinstance(span, Text):
                    self._text(span.text)
                else:
                    self._open[-1].append(span)

    def _text(self, text: str) -> None:
        text = _one_line(text)
        here = self._open[-1]
        last = here[-1] if here else None
        if isinstance(last, Text):
            here.pop()
            text = last.text + text
        if text:
            here.append(Text(text=text))

    def _link(self, spans: Spans) -> None:
        label = spans_text(spans)
        if not is_visible(label) or _TURNS.search(label):
            label, spans = self._url, (Text(text=self._url),)
        self._open[-1].append(Link(url=self._url, spans=spans))
        if label_misleads(label, self._url):
            self._text(f" ({link_target(self._url)})")

    def _image(self, image: Token) -> None:
        alt = spans_text(_SpanReader().read(image.children or ())).replace("\n", " ").strip()
        url = str(image.attrs["src"])
        if "link" in self._names:
            self._text(alt or "image")
        else:
            self._text(f"{alt} ({url})" if alt else url)


def _one_line(text: str) -> str:
    """Text as the tree holds it; entities may have brought controls and newlines."""
    return text if text.isprintable() else clean_text(text).replace("\n", " ")
