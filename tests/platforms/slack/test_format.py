"""Blocks become an element tree that Slack takes unchanged, and that notifies nobody."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import assume, given

from platforms import markup, text
from platforms.blocks import (
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
    Strike,
    Strong,
    Table,
    Text,
    plain_text,
)
from platforms.content import Button
from platforms.slack.format import Json, escape, fits, format_blocks, format_plain
from platforms.slack.limits import BLOCKS_MAX, FALLBACK_MAX, JSON_MAX, PART_SOFT
from tests.platforms import strategies
from tests.wire.slack.rules import UPDATE_TEXT_MAX, check_blocks, pings, visible

NAMES = dict.fromkeys(("some_user", "room", "other_bot", "evil.example"), "U1")
STRONG_EMPH_CODE = Strong(spans=(Text(text="b"), Emph(spans=(CodeSpan(text="c"),))))
TWO_PIECES = Link(url="https://a.example", spans=(Text(text="x"), Strong(spans=(Text(text="y"),))))


def p(*spans: Span | str) -> Paragraph:
    """A paragraph of spans, strings being text."""
    return Paragraph(spans=tuple(map(_span, spans)))


def _span(span: Span | str) -> Span:
    return Text(text=span) if isinstance(span, str) else span


def bullets(*items: Block | Blocks, start: int | None = None, continued: bool = False) -> List:
    """A list; with `start` an ordered one."""
    return List(
        ordered=start is not None,
        start=start or 0,
        items=tuple(item if isinstance(item, tuple) else (item,) for item in items),
        continued=continued,
    )


def table(header: tuple[str, ...], *rows: tuple[str, ...]) -> Table:
    """A table of plain cells."""
    cells = [tuple((Text(text=text),) if text else () for text in row) for row in (header, *rows)]
    return Table(header=cells[0], rows=tuple(cells[1:]), alignments=(None,) * len(header))


def words(value: str, **style: Any) -> Json:
    """A text element."""
    return {"type": "text", "text": value} | ({"style": style} if style else {})


def section(*elements: Json) -> Json:
    """A section."""
    return {"type": "rich_text_section", "elements": list(elements)}


def rich(*elements: Json) -> list[Json]:
    """A message of one rich text block."""
    return [{"type": "rich_text", "elements": list(elements)}]


def item_list(style: str, *items: str, **more: int) -> Json:
    """A rich text list of plain items."""
    elements = [section(words(item)) for item in items]
    return {"type": "rich_text_list", "style": style, "elements": elements, **more}


def code(value: str, **more: str) -> Json:
    """A code block."""
    return {"type": "rich_text_preformatted", "elements": [words(value)], **more}


CASES: list[tuple[str, Blocks, list[Json]]] = [
    ("paragraphs run together", (p("a"), p("b")), rich(section(words("a\n\nb")))),
    ("a break", (p("a", Break(), "b"),), rich(section(words("a\nb")))),
    (
        "styles nest",
        (p("a", STRONG_EMPH_CODE),),
        rich(
            section(
                words("a"),
                words("b", bold=True),
                words("c", bold=True, italic=True, code=True),
            )
        ),
    ),
    ("strike", (p(Strike(spans=(Text(text="x"),))),), rich(section(words("x", strike=True)))),
    (
        "a heading is bold",
        (Heading(level=2, spans=(Text(text="T"),)), p("x")),
        rich(section(words("T", bold=True), words("\n\nx"))),
    ),
    (
        "a link in pieces leads to one place",
        (p(TWO_PIECES),),
        rich(
            section(
                {"type": "link", "url": "https://a.example", "text": "x"},
                {"type": "link", "url": "https://a.example", "text": "y", "style": {"bold": True}},
            )
        ),
    ),
    (
        "a link without words shows its target",
        (p(Link(url="https://a.example", spans=())),),
        rich(section({"type": "link", "url": "https://a.example", "text": "https://a.example"})),
    ),
    ("a rule divides", (p("a"), Rule(), p("b")), [
        *rich(section(words("a"))), {"type": "divider"}, *rich(section(words("b"))),
    ]),
    ("code with a language", (Code(language="py", text="x"),), rich(code("x", language="python"))),
    ("an unknown language", (Code(language="brainfog", text="x"),), rich(code("x"))),
    ("empty code", (Code(language="", text=""),), rich(code(" "))),
    (
        "a quote in several parts",
        (Quote(blocks=(p("a"), p("b"), Code(language="", text="c"))),),
        rich({"type": "rich_text_quote", "elements": [words("a\n\nb")]}, code("c")),
    ),
    (
        "a quote after words",
        (p("a"), Quote(blocks=(p("q"),)), p("b")),
        rich(
            section(words("a")),
            {"type": "rich_text_quote", "elements": [words("q")]},
            section(words("\nb")),
        ),
    ),
    ("bullets", (bullets(p("a"), p("b")),), rich(item_list("bullet", "a", "b"))),
    ("numbers go on", (bullets(p("a"), p("b"), start=7),),
     rich(item_list("ordered", "a", "b", offset=6))),
    ("zero is written", (bullets(p("a"), start=0),), rich(
        {"type": "rich_text_list", "style": "bullet",
         "elements": [section(words("0. "), words("a"))]},
    )),
    (
        "a nested list interrupts its parent",
        (bullets((p("a"), bullets(p("x"))), p("b"), start=1),),
        rich(
            item_list("ordered", "a"),
            item_list("bullet", "x", indent=1),
            item_list("ordered", "b", offset=1),
        ),
    ),
    (
        "code in an item interrupts the list",
        (bullets((p("a"), Code(language="", text="x")), p("b"), start=1),),
        rich(item_list("ordered", "a"), code("x"), item_list("ordered", "b", offset=1)),
    ),
    (
        "a continued item has no marker",
        (bullets(p("rest"), p("b"), start=3, continued=True),),
        rich(
            section(words("\u00a0\u00a0\u00a0rest")),
            item_list("ordered", "b", offset=3),
        ),
    ),
    ("an empty item", (bullets(()),), rich(item_list("bullet", " "))),
    ("a list in a quote", (Quote(blocks=(bullets(p("a")),)),),
     rich(item_list("bullet", "a", border=1))),
    ("a table", (table(("h", ""), ("1", "2")),), [{
        "type": "table",
        "rows": [
            [{"type": "raw_text", "text": "h"}, {"type": "raw_text", "text": " "}],
            [{"type": "raw_text", "text": "1"}, {"type": "raw_text", "text": "2"}],
        ],
        "column_settings": [{"align": "left", "is_wrapped": True}] * 2,
    }]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("blocks", "wire"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_wire_form(blocks: Blocks, wire: list[Json]) -> None:
    """Each kind of block has its place in the tree, and Slack takes it."""
    assert format_blocks(blocks).blocks == wire
    check_blocks(wire)


def test_only_the_first_table_is_one() -> None:
    """A second table is code if it is narrow, else lines of key and value."""
    wide = "w" * 40
    wire = format_blocks(
        (table(("a",), ("1",)), table(("b",), ("2",)), table((wide, wide), ("x", "y")))
    )
    assert [block["type"] for block in wire.blocks] == ["table", "rich_text"]
    code_element, groups = wire.blocks[1]["elements"]
    assert code_element == code("b\n─\n2")
    assert groups == section(
        words("\n"), words(wide, bold=True), words(": x\n"), words(wide, bold=True), words(": y")
    )


def test_the_fallback_is_escaped_and_bounded() -> None:
    """No mention survives in it, and it is as long as an update takes, cut between characters."""
    assert format_blocks((p("<!channel> & <@U1>"),)).text == "&lt;!channel&gt; &amp; &lt;@U1&gt;"
    long = format_blocks((p("é<" * 2_000),)).text
    assert len(long) <= FALLBACK_MAX < UPDATE_TEXT_MAX
    assert long.endswith(("é…", "&lt;…"))


def test_buttons_carry_their_payload() -> None:
    """Each row is one actions block; payloads go unchanged, long labels are cut."""
    rows = (
        (
            Button(label="Yes", payload="a:1", style="primary"),
            Button(label="x" * 80, payload="a:2"),
        ),
        (Button(label="", payload="b", style="danger"),),
    )
    blocks = check_blocks(format_blocks((p("x"),), rows).blocks)
    elements = [element for block in blocks[1:] for element in block["elements"]]
    assert [element["value"] for element in elements] == ["a:1", "a:2", "b"]
    assert [element.get("style") for element in elements] == ["primary", None, "danger"]
    assert [len(element["text"]["text"]) for element in elements] == [3, 75, 1]


@given(strategies.blocks())
def test_slack_takes_every_tree(blocks: Blocks) -> None:
    """Whatever blocks that fit hold, it is valid and notifies nobody; trees are slow to make."""
    assume(fits(blocks))
    wire = format_blocks(blocks)
    assume(wire.blocks)
    check_blocks(wire.blocks)
    check_blocks(json.loads(json.dumps(wire.blocks)))
    assert len(wire.text) <= FALLBACK_MAX
    for parse in ("none", "client"):  # the latter is what an update does when it is not told
        assert pings("", wire.blocks, parse=parse, link_names=True, names=NAMES) == ()
    assert pings(wire.text, [], parse="none", link_names=False, names=NAMES) == ()


@given(strategies.blocks())
def test_no_character_is_lost(blocks: Blocks) -> None:
    """Every letter of a tree is shown, without tables in order; trees are slow to make."""
    wanted = letters(plain_text(blocks))
    found = letters(visible("", format_blocks(blocks).blocks))
    assert Counter(wanted) <= Counter(found)
    if "Table(" not in repr(blocks):
        rest = iter(found)
        assert all(char in rest for char in wanted)


def letters(shown: str) -> list[str]:
    """Letters and digits."""
    return [char for char in shown if char.isalnum()]


@given(strategies.documents())
def test_parts_of_any_document_fit(document: str) -> None:
    """Split by our measure, every part of a model's answer is within every limit."""
    for part in text.split(markup.parse(document), fits):
        wire = format_blocks(part)
        assert len(wire.blocks) <= BLOCKS_MAX
        assert len(json.dumps(wire.blocks, ensure_ascii=False).encode()) <= JSON_MAX * 1.2
        check_blocks(wire.blocks)


@pytest.mark.parametrize("document", strategies.HOSTILE, ids=range(len(strategies.HOSTILE)))
def test_hostile_documents_pass(document: str) -> None:
    """Deep, long and broken markup ends as valid messages."""
    for part in text.split(markup.parse(document), fits):
        check_blocks(format_blocks(part).blocks)


@pytest.mark.parametrize("size", [PART_SOFT - 1, PART_SOFT, PART_SOFT + 1])
@pytest.mark.parametrize("unit", ["a", "👍", "<", "漢"])
def test_the_limit_is_exact(size: int, unit: str) -> None:
    """A part is full at the limit and over it one later, whatever it is made of."""
    assert fits((p(unit * size),)) is (size <= PART_SOFT and len(unit.encode()) * size <= 11_900)


def test_plain_words_stay_as_they_are() -> None:
    """Markdown in an answer to a press is not read."""
    wire = format_plain("*a* <@U1>")
    assert visible("", wire.blocks) == "*a* <@U1>"
    assert wire.text == "*a* &lt;@U1&gt;"


def test_escape() -> None:
    """The three characters Slack reads, and no others."""
    assert escape("a<b>&'\"") == "a&lt;b&gt;&amp;'\""
