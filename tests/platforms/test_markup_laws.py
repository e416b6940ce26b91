"""What holds for any text a model may emit: reading is total, and a prefix is never taken back."""

import time
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    Spans,
    Strike,
    Strong,
    Table,
    Text,
    from_json,
    plain,
    plain_text,
    to_json,
)
from platforms.commonmark import DEPTH_MAX, LEAF_MAX
from platforms.links import link_allowed
from platforms.markup import StreamParser, parse, parse_prefix
from tests.platforms.strategies import (
    HOSTILE,
    blocks,
    documents,
    hostile_markdown,
    line_soup,
    markdown,
)


def check_tree(tree: Blocks, depth: int = 0) -> None:
    """Everything `platforms.blocks` promises about a tree; fails on the first breach."""
    assert depth <= DEPTH_MAX
    for block in tree:
        _check_block(block, depth)


def _check_block(block: Block, depth: int) -> None:
    match block:
        case Paragraph(spans=spans):
            assert spans
            _check_spans(spans)
        case Heading(level=level, spans=spans):
            assert spans
            assert 1 <= level <= 6
            _check_spans(spans)
        case List(items=items, start=start):
            assert items
            assert start >= 0
            for item in items:
                check_tree(item, depth + 1)
        case Quote(blocks=inner):
            assert inner
            check_tree(inner, depth + 1)
        case Code(language=language, text=text):
            assert text.strip()
            _check_text(text.replace("\n", ""))
            assert not set(language) & set(" `\n")
        case Table(header=header, rows=rows, alignments=alignments):
            assert len(header) == len(alignments)
            for row in (header, *rows):
                assert len(row) == len(header)
                for cell in row:
                    _check_spans(cell)
        case Rule():
            pass


def _check_spans(spans: Spans, styles: tuple[type[Span], ...] = ()) -> None:
    assert len(styles) <= DEPTH_MAX + 1
    before: Span = Break()
    for span in spans:
        assert not (isinstance(span, Text) and isinstance(before, Text)), "texts not joined"
        before = span
        match span:
            case Text(text=text) | CodeSpan(text=text):
                assert text
                _check_text(text)
            case Strong(spans=inner) | Emph(spans=inner) | Strike(spans=inner):
                assert inner
                assert type(span) not in styles
                _check_spans(inner, (*styles, type(span)))
            case Link(url=url, spans=inner):
                assert inner
                assert link_allowed(url)
                assert Link not in styles
                _check_spans(inner, (*styles, Link))
            case Break():
                pass


def _check_text(text: str) -> None:
    assert not any(char < " " and char != "\t" for char in text)
    assert not any("\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\udfff" for char in text)


def cut(text: str, places: list[int]) -> list[str]:
    """The text in pieces of these sizes, repeated as long as it lasts."""
    pieces = []
    while text:
        for size in places:
            pieces.append(text[:size])
            text = text[size:]
    return pieces


@given(hostile_markdown())
def test_parse_is_total(source: str) -> None:
    """Any text gives a tree that keeps every promise of the tree."""
    check_tree(parse(source))


@given(hostile_markdown(), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_stream_equals_whole(source: str, sizes: list[int]) -> None:
    """However a text is cut into deltas, and whenever it is viewed, the end is `parse` of it."""
    stream = StreamParser()
    scale = 1 + len(source) // 30
    for piece in cut(source, [size * scale for size in sizes]):
        stream.feed(piece)
        stream.blocks()
    assert stream.finish() == parse(source)


@given(markdown() | line_soup())
def test_settling_changes_nothing(source: str) -> None:
    """A text read with blocks settled at every line is the text read in one go."""
    settled = StreamParser(settle_every=1)
    settled.feed(source)
    whole = StreamParser(settle_every=len(source) + 1)
    whole.feed(source)
    assert settled.finish() == whole.finish()


def check_prefixes(source: str, step: int = 1) -> None:
    """At every prefix all blocks but the last are the final ones, streamed or read anew."""
    final = parse(source)
    final_settled = read_settling(source)
    stream = StreamParser(settle_every=24)
    for count, end in enumerate(range(0, len(source), step)):
        stream.feed(source[max(end - step, 0) : end])
        shown = stream.blocks()
        check_tree(shown)
        assert shown[:-1] == final_settled[: max(len(shown) - 1, 0)], source[:end]
        if count % 4 == 0:
            view = parse_prefix(source[:end])
            assert view[:-1] == final[: max(len(view) - 1, 0)], source[:end]


def read_settling(source: str) -> Blocks:
    stream = StreamParser(settle_every=24)
    stream.feed(source)
    return stream.finish()


@given(markdown(max_size=25) | line_soup(max_size=8))
def test_prefix_shows_a_prefix(source: str) -> None:
    """No soup makes a prefix show a block that the end does not."""
    check_prefixes(source)


@given(documents())
def test_prefix_of_a_document_shows_a_prefix(source: str) -> None:
    """Nor does an orderly document, at any character."""
    check_prefixes(source, step=3)


@pytest.mark.parametrize("source", HOSTILE, ids=range(len(HOSTILE)))
def test_prefix_of_hostile_text(source: str) -> None:
    """Nor do the texts made to hurt."""
    check_prefixes(source, step=max(1, len(source) // 12))


MARKS_OF_DOCUMENTS = ("**", "~~", "](", "`", "|-", "&a")


@given(documents())
def test_prefix_shows_no_marks(source: str) -> None:
    """While a document streams in, its markup is never seen, and words only ever grow."""
    final = plain_text(parse(source))
    stream = StreamParser()
    for end in range(0, len(source), 2):
        stream.feed(source[end : end + 2])
        shown = plain_text(stream.blocks())
        assert not any(mark in shown for mark in MARKS_OF_DOCUMENTS), (source[: end + 2], shown)
        assert final.startswith(shown.rstrip()), (source[: end + 2], shown)


@given(st.text())
def test_plain_interprets_nothing(source: str) -> None:
    """Literal text keeps every word as it is written, and is a tree like any other."""
    tree = plain(source)
    check_tree(tree)
    visible = "".join(plain_text(tree).split())
    kept = source.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if kept == source and all(char.isprintable() or char in "\n\t " for char in source):
        assert visible == "".join(source.split())


@given(blocks())
def test_stored_form_is_total(tree: Blocks) -> None:
    """A tree comes back from its stored form unchanged."""
    assert from_json(to_json(tree)) == tree


@given(hostile_markdown())
def test_stored_form_of_parsed_text(source: str) -> None:
    """So does the tree of any text."""
    tree = parse(source)
    assert from_json(to_json(tree)) == tree


def test_streaming_is_linear() -> None:
    """Ten times the text costs about ten times the time, not a hundred."""
    paragraph = "Some **bold** words, `code` and [a link](https://a.example).\n\n- one\n- two\n\n"

    def cost(count: int) -> float:
        stream = StreamParser()
        started = time.process_time()
        for end in accumulate([1] * count, initial=0):
            stream.feed(paragraph)
            if end % 3 == 0:
                stream.blocks()
        stream.finish()
        return time.process_time() - started

    cost(20)
    assert cost(1_000) < 40 * cost(100)


@pytest.mark.parametrize(
    "source", [f"{'word ' * 2_000}**x**", "| a |\n|--|\n" + f"| {'*a* ' * 2_000} |"]
)
def test_long_leaf_is_literal(source: str) -> None:
    """A paragraph or cell over the limit shows its own marks."""
    assert len(source) > LEAF_MAX
    assert "*" in plain_text(parse(source))
