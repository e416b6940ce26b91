"""Blocks become text and entities that the server takes unchanged, and that notify nobody."""

import unicodedata
from collections import Counter
from typing import Any

import pytest
from hypothesis import assume, given

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
from platforms.telegram.format import Entity, Wire, fits, format_blocks, format_plain
from tests.platforms import strategies
from tests.wire.telegram.rules import ENTITIES_MAX, cleaned, format_text, units

ANY_LENGTH = 10_000_000


def p(*spans: Span | str) -> Paragraph:
    """A paragraph of spans, strings being text."""
    return Paragraph(spans=tuple(_span(span) for span in spans))


def _span(span: Span | str) -> Span:
    return Text(text=span) if isinstance(span, str) else span


def _cells(*texts: str) -> tuple[tuple[Span, ...], ...]:
    return tuple((Text(text=text),) if text else () for text in texts)


def shown(wire: Wire) -> list[tuple[str, str]]:
    """Each entity with the text it covers, cut out in UTF-16 units."""
    raw = wire.text.encode("utf-16-le")
    return [
        (
            entity.kind,
            raw[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le"),
        )
        for entity in wire.entities
    ]


def as_json(wire: Wire) -> list[dict[str, Any]]:
    """The entities as they go over the wire."""
    return [
        {"type": entity.kind, "offset": entity.offset, "length": entity.length}
        | ({"url": entity.url} if entity.url else {})
        for entity in wire.entities
    ]


@pytest.mark.parametrize(
    ("blocks", "text", "entities"),
    [
        ((p("one"), p("two")), "one\n\ntwo", []),
        ((p("a", Break(), "b"),), "a\nb", []),
        (
            (Heading(level=2, spans=(Text(text="Title"),)), p("x")),
            "Title\n\nx",
            [("bold", "Title")],
        ),
        ((Heading(level=1, spans=(Strong(spans=(Text(text="T"),)),)),), "T", [("bold", "T")]),
        (
            (p("🎉 ", Strong(spans=(Text(text="b"), Emph(spans=(Text(text="i"),)))), "!"),),
            "🎉 bi!",
            [("bold", "bi"), ("italic", "i")],
        ),
        ((p(Strike(spans=(Text(text="no"),))),), "no", [("strikethrough", "no")]),
        ((p("run ", CodeSpan(text="x = 1")),), "run x = 1", [("code", "x = 1")]),
        (
            (p(Strong(spans=(Text(text="a "), CodeSpan(text="b"), Text(text=" c")))),),
            "a b c",
            [("bold", "a "), ("code", "b"), ("bold", " c")],
        ),
        (
            (Code(language="py", text="if x:\n\treturn"), p("after")),
            "if x:\n    return\n\nafter",
            [("pre", "if x:\n    return")],
        ),
        ((Quote(blocks=(p("a"), Quote(blocks=(p("b"),)))),), "a\n\nb", [("blockquote", "a\n\nb")]),
        ((Rule(),), "———", []),
        (
            (
                List(
                    ordered=True,
                    start=9,
                    items=((p("a"), List(ordered=False, start=1, items=((p("b"),),))), (p("c"),)),
                ),
            ),
            "9. a\n\u00a0\u00a0\u00a0• b\n10. c",
            [],
        ),
        (
            (List(ordered=False, start=1, items=((p("rest"),), (p("next"),)), continued=True),),
            "\u00a0\u00a0rest\n• next",
            [],
        ),
        (
            (List(ordered=False, start=1, items=((p("x"), Code(language="", text="y")),)),),
            "• x\ny",
            [("pre", "y")],
        ),
        (
            (p(Link(url="https://a.example", spans=(Text(text="here"),))),),
            "here",
            [("text_link", "here")],
        ),
        (
            (p(Link(url="mailto:a@b.example", spans=(Text(text="mail"),))),),
            "mail (a@b.example)",
            [],
        ),
        (
            (p(Link(url="http://localhost:8080/x", spans=(Text(text="page"),))),),
            "page (http://localhost:8080/x)",
            [],
        ),
        (
            (p(Link(url="https://a.example", spans=(CodeSpan(text="x"),))),),
            "x",
            [("text_link", "x")],
        ),
        (
            (
                Table(
                    header=_cells("Name", "Qty"),
                    rows=(_cells("Apple", "3"), _cells("漢字", "12")),
                    alignments=(None, "right"),
                ),
            ),
            "Name   Qty\n─────  ───\nApple    3\n漢字    12",
            [("pre", "Name   Qty\n─────  ───\nApple    3\n漢字    12")],
        ),
        (
            (
                Table(
                    header=_cells("Key", "Long"),
                    rows=(_cells("a", "x" * 40), _cells("b", "")),
                    alignments=(None, None),
                ),
            ),
            f"Key: a\nLong: {'x' * 40}\n\nKey: b\nLong: ",
            [("bold", "Key"), ("bold", "Long"), ("bold", "Key"), ("bold", "Long")],
        ),
    ],
)
def test_block_by_block(blocks: Blocks, text: str, entities: list[tuple[str, str]]) -> None:
    """The text and what each entity covers."""
    wire = format_blocks(blocks)
    assert (wire.text, shown(wire)) == (text, entities)


def test_a_table_with_links_keeps_them() -> None:
    """Monospace would lose where a cell leads, so such a table is told row by row."""
    link = Link(url="https://a.example", spans=(Text(text="site"),))
    table = Table(header=_cells("Name"), rows=(((link,),),), alignments=(None,))
    wire = format_blocks((table,))
    assert wire.text == "Name: site"
    assert [entity.url for entity in wire.entities] == [None, "https://a.example"]


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (p("hi @somebody"), "hi @\u2060somebody"),
        (p("mail a@b.example"), "mail a@b.example"),
        (p("é@somebody"), "é@somebody"),
        (p("(", Strong(spans=(Text(text="@"),)), "somebody)"), "(@\u2060somebody)"),
        (p("a", Strong(spans=(Text(text="@somebody"),))), "a@somebody"),
        (p("@@somebody"), "@\u2060@\u2060somebody"),
        (p(CodeSpan(text="@somebody")), "@somebody"),
        (Code(language="", text="@somebody"), "@somebody"),
        (p(Link(url="https://a.example", spans=(Text(text="@somebody"),))), "@\u2060somebody"),
    ],
)
def test_names_notify_nobody(block: Block, text: str) -> None:
    """A word joiner follows the `@` unless it stands in code or after a letter."""
    wire = format_blocks((block,))
    assert wire.text == text
    assert format_text(wire.text, as_json(wire), limit=ANY_LENGTH).mentions == ()


def test_an_address_with_an_at_stays_one_link() -> None:
    """The joiner in the label must not break where the address leads."""
    wire = format_blocks((p("see https://a.example/@somebody/post."),))
    assert wire.text == "see https://a.example/@\u2060somebody/post."
    assert [entity.url for entity in wire.entities] == ["https://a.example/@somebody/post"]


def test_plain_words_have_no_pings() -> None:
    """Captions and answers to presses are literal, and safe as well."""
    assert format_plain("**@somebody**").text == "**@\u2060somebody**"


def test_characters_the_server_drops_are_written_otherwise() -> None:
    """A ring above is composed with its letter, a line separator becomes a blank."""
    wire = format_blocks((p("A\u030angstro\u0308m\u2028next"),))
    assert wire.text == "Ångström next"
    assert format_text(wire.text, None, limit=ANY_LENGTH).text == wire.text


@pytest.mark.parametrize("tail", ["", "🎉", "e\u0301", "🇩🇪", "漢"])
def test_fits_at_the_limit(tail: str) -> None:
    """Size counts UTF-16 units of the formatted text: 4,000 fit, one more does not."""
    fill = 4_000 - units(tail)
    assert fits((p("x" * fill + tail),))
    assert not fits((p("x" * (fill + 1) + tail),))


def test_many_entities_do_not_fit() -> None:
    """Ninety entities fit, one more does not, however short the text."""
    pair: list[Span | str] = [Strong(spans=(Text(text="b"),)), " "]
    assert fits((p(*pair * 90),))
    assert not fits((p(*pair * 91),))


@pytest.mark.slow
@given(strategies.blocks(min_size=1))
def test_the_server_takes_any_tree_as_it_is(blocks: Blocks) -> None:
    """No refusal, ping, dropped or moved entity, for any tree; slow because trees are made."""
    wire = format_blocks(blocks)
    assume(wire.text.strip(" \n") and len(wire.entities) <= ENTITIES_MAX)
    made = format_text(wire.text, as_json(wire), limit=ANY_LENGTH)
    assert made.mentions == ()
    standing = Wire(
        text=made.text,
        entities=tuple(
            Entity(kind=entity["type"], offset=entity["offset"], length=entity["length"])
            for entity in made.entities
        ),
    )
    assert covered(standing) == covered(wire)


def covered(wire: Wire) -> list[tuple[str, str]]:
    """Entities over something visible, with their text as the server leaves it."""
    stripped = [(kind, "".join(map(cleaned, text)).strip(" \n")) for kind, text in shown(wire)]
    return [(kind, text) for kind, text in stripped if text]


@pytest.mark.slow
@given(strategies.blocks(min_size=1))
def test_no_visible_character_is_lost(blocks: Blocks) -> None:
    """Every letter of a tree is shown, without tables in order; slow because trees are made."""
    wire = format_blocks(blocks)
    wanted, found = letters(plain_text(blocks)), letters(wire.text)
    assert Counter(wanted) <= Counter(found)
    if "Table(" not in repr(blocks):
        rest = iter(found)
        assert all(char in rest for char in wanted)


def letters(text: str) -> list[str]:
    """Letters and digits, composed."""
    return [char for char in unicodedata.normalize("NFC", text) if char.isalnum()]
