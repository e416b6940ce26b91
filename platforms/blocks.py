"""The tree between model text and a platform's wire: what may be shown, as closed values.

`markup.parse` makes these from Markdown, `text.split` cuts them, each platform's `format.py` turns
them into its own wire form. Pure data: no markup syntax is left in any string of the tree.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, assert_never

Alignment: TypeAlias = Literal["left", "center", "right"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Literal characters; no newline, no control character but tab."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSpan:
    """Code inside a line; no newline."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strong:
    """Bold."""

    spans: "Spans"


@dataclass(frozen=True, slots=True, kw_only=True)
class Emph:
    """Italic."""

    spans: "Spans"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """Struck through."""

    spans: "Spans"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A label that leads to `url` (http, https or mailto); holds no other link."""

    url: str
    spans: "Spans"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A new line inside a block; a single newline in the source is one too, as chats show it."""


Span: TypeAlias = Text | CodeSpan | Strong | Emph | Strike | Link | Break
Spans: TypeAlias = tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Running text."""

    spans: Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A title; `level` is 1 to 6."""

    level: int
    spans: Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class List:
    """Items, each a sequence of blocks; item i of an ordered list shows the number `start + i`.

    `continued`: the first item began in the part before, so it is indented but shows no marker;
    it keeps its number, the next item is `start + 1`.
    """

    ordered: bool
    start: int
    items: "tuple[Blocks, ...]"
    continued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Quoted blocks."""

    blocks: "Blocks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code block; `language` may be empty, `text` has no newline after its last line."""

    language: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A header and rows of cells; every row and `alignments` are as long as the header."""

    header: tuple[Spans, ...]
    rows: tuple[tuple[Spans, ...], ...]
    alignments: tuple[Alignment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A dividing line."""


Block: TypeAlias = Paragraph | Heading | List | Quote | Code | Table | Rule
Blocks: TypeAlias = tuple[Block, ...]

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")


def clean_text(text: str) -> str:
    r"""Text safe for every wire: newlines become `\n`, controls and lone surrogates U+FFFD.

    Tab stays; two surrogates that make a pair (text that was cut between them) become their
    character.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _UNWANTED.search(text) is None:
        return text
    return _UNWANTED.sub(REPLACEMENT, _PAIR.sub(_join_pair, text))


def _join_pair(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


def plain(text: str) -> Blocks:
    """Literal text as paragraphs at blank lines, nothing in it read as Markdown."""
    chunks = _BLANK_LINES.split(clean_text(text).strip("\n"))
    return tuple(Paragraph(spans=lines(chunk)) for chunk in chunks if chunk.strip())


def lines(text: str) -> Spans:
    """Literal text as spans, one `Break` for each newline."""
    spans: list[Span] = []
    for number, line in enumerate(text.split("\n")):
        if number:
            spans.append(Break())
        if line:
            spans.append(Text(text=line))
    return tuple(spans)


def plain_text(blocks: Blocks) -> str:
    """The visible text: list markers as shown, a quote without its bar, table cells by `|`."""
    return "\n\n".join(_block_text(block) for block in blocks)


def spans_text(spans: Spans) -> str:
    """The visible text of a line's content; a link shows its label only."""
    return "".join(map(_span_text, spans))


def _span_text(span: Span) -> str:
    match span:
        case Text(text=text) | CodeSpan(text=text):
            return text
        case Strong(spans=spans) | Emph(spans=spans) | Strike(spans=spans) | Link(spans=spans):
            return spans_text(spans)
        case Break():
            return "\n"
        case _:
            assert_never(span)


def _block_text(block: Block) -> str:
    match block:
        case Paragraph(spans=spans) | Heading(spans=spans):
            return spans_text(spans)
        case List():
            return "\n".join(
                _item_text(markers, item)
                for markers, item in zip(list_markers(block), block.items, strict=True)
            )
        case Quote(blocks=blocks):
            return plain_text(blocks)
        case Code(text=text):
            return text
        case Table(header=header, rows=rows):
            return "\n".join(" | ".join(map(spans_text, row)) for row in (header, *rows))
        case Rule():
            return "---"
        case _:
            assert_never(block)


def list_markers(block: List) -> tuple[str, ...]:
    """What stands before each item: `• ` or `7. `; blanks as wide before a continued first one."""
    if block.ordered:
        markers = [f"{block.start + i}. " for i in range(len(block.items))]
    else:
        markers = ["• "] * len(block.items)
    if block.continued and markers:
        markers[0] = " " * len(markers[0])
    return tuple(markers)


def _item_text(marker: str, item: Blocks) -> str:
    indent = "\n" + " " * len(marker)
    return marker + "\n".join(_block_text(block) for block in item).replace("\n", indent)


def to_json(blocks: Blocks) -> list[Any]:
    """The tree as plain lists, objects and strings; `from_json` gives it back unchanged."""
    return [_block_to_json(block) for block in blocks]


def _block_to_json(block: Block) -> dict[str, Any]:
    match block:
        case Paragraph(spans=spans):
            return {"is": "paragraph", "spans": _spans_to_json(spans)}
        case Heading(level=level, spans=spans):
            return {"is": "heading", "level": level, "spans": _spans_to_json(spans)}
        case List(ordered=ordered, start=start, items=items, continued=continued):
            return {
                "is": "list",
                "ordered": ordered,
                "start": start,
                "items": [to_json(item) for item in items],
                "continued": continued,
            }
        case Quote(blocks=blocks):
            return {"is": "quote", "blocks": to_json(blocks)}
        case Code(language=language, text=text):
            return {"is": "code", "language": language, "text": text}
        case Table(header=header, rows=rows, alignments=alignments):
            return {
                "is": "table",
                "header": [_spans_to_json(cell) for cell in header],
                "rows": [[_spans_to_json(cell) for cell in row] for row in rows],
                "alignments": list(alignments),
            }
        case Rule():
            return {"is": "rule"}
        case _:
            assert_never(block)


def _spans_to_json(spans: Spans) -> list[Any]:
    return [_span_to_json(span) for span in spans]


def _span_to_json(span: Span) -> str | dict[str, Any]:
    match span:
        case Text(text=text):
            return text
        case CodeSpan(text=text):
            return {"is": "code", "text": text}
        case Strong(spans=spans):
            return {"is": "strong", "spans": _spans_to_json(spans)}
        case Emph(spans=spans):
            return {"is": "emph", "spans": _spans_to_json(spans)}
        case Strike(spans=spans):
            return {"is": "strike", "spans": _spans_to_json(spans)}
        case Link(url=url, spans=spans):
            return {"is": "link", "url": url, "spans": _spans_to_json(spans)}
        case Break():
            return {"is": "break"}
        case _:
            assert_never(span)


def from_json(value: Sequence[Any]) -> Blocks:
    """The tree that `to_json` wrote; raises ValueError for anything else."""
    try:
        return tuple(_block_from_json(block) for block in value)
    except (KeyError, TypeError) as exc:
        raise ValueError("not a stored text tree") from exc


def _block_from_json(value: Mapping[str, Any]) -> Block:
    match value["is"]:
        case "paragraph":
            return Paragraph(spans=_spans_from_json(value["spans"]))
        case "heading":
            return Heading(level=value["level"], spans=_spans_from_json(value["spans"]))
        case "list":
            return List(
                ordered=value["ordered"],
                start=value["start"],
                items=tuple(from_json(item) for item in value["items"]),
                continued=value["continued"],
            )
        case "quote":
            return Quote(blocks=from_json(value["blocks"]))
        case "code":
            return Code(language=value["language"], text=value["text"])
        case "table":
            return Table(
                header=tuple(map(_spans_from_json, value["header"])),
                rows=tuple(tuple(map(_spans_from_json, row)) for row in value["rows"]),
                alignments=tuple(value["alignments"]),
            )
        case "rule":
            return Rule()
        case other:
            raise ValueError(f"unknown block {other!r}")


def _spans_from_json(value: Sequence[Any]) -> Spans:
    return tuple(map(_span_from_json, value))


def _span_from_json(value: str | Mapping[str, Any]) -> Span:
    if isinstance(value, str):
        return Text(text=value)
    match value["is"]:
        case "code":
            return CodeSpan(text=value["text"])
        case "strong":
            return Strong(spans=_spans_from_json(value["spans"]))
        case "emph":
            return Emph(spans=_spans_from_json(value["spans"]))
        case "strike":
            return Strike(spans=_spans_from_json(value["spans"]))
        case "link":
            return Link(url=value["url"], spans=_spans_from_json(value["spans"]))
        case "break":
            return Break()
        case other:
            raise ValueError(f"unknown span {other!r}")
