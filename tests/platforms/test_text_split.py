"""Parts joined are the whole, every part fits, and measuring stays cheap."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from platforms.blocks import (
    Block,
    Blocks,
    Code,
    Heading,
    Link,
    List,
    Paragraph,
    Quote,
    Rule,
    Strong,
    Table,
    Text,
    list_markers,
    plain,
    plain_text,
    spans_text,
)
from platforms.markup import parse
from platforms.text import Fits, parts_of, split, utf16_len
from tests.platforms.strategies import FAMILY, FLAGS, WORDS, blocks, documents


def wire(tree: Blocks) -> str:
    """A wire form with what makes cutting hard: fences and bars that every part pays for anew."""
    return "\n".join(map(_wire_block, tree))


def _wire_block(block: Block) -> str:
    match block:
        case Code(language=language, text=text):
            return f"```{language}\n{text}\n```"
        case Quote(blocks=inner):
            return "> " + wire(inner).replace("\n", "\n> ")
        case List(items=items):
            return "\n".join(
                marker + wire(item).replace("\n", "\n    ")
                for marker, item in zip(list_markers(block), items, strict=True)
            )
        case Heading(level=level):
            return "#" * level + " " + plain_text((block,))
        case _:
            return plain_text((block,)).replace("*", "\\*")


class Counting:
    """A `fits` of so many UTF-16 units that counts what it is asked."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.calls = 0
        self.measured = 0

    def __call__(self, tree: Blocks) -> bool:
        size = utf16_len(wire(tree))
        self.calls += 1
        self.measured += size
        return size <= self.limit


def shown(tree: Blocks) -> str:
    """What stands there without blanks, headers of tables left out as each part repeats them."""
    return "".join("".join(_shown(tree)).split())


def _shown(tree: Blocks) -> Iterator[str]:
    for block in tree:
        match block:
            case List(items=items):
                for marker, item in zip(list_markers(block), items, strict=True):
                    yield from (marker, *_shown(item))
            case Quote(blocks=inner):
                yield from _shown(inner)
            case Table(rows=rows):
                for row in rows:
                    yield "|".join(map(spans_text, row))
            case _:
                yield plain_text((block,))


def codes(tree: Blocks) -> Iterator[str]:
    """The text of every code block, in order."""
    for block in tree:
        match block:
            case Code(text=text):
                yield text
            case Quote(blocks=inner):
                yield from codes(inner)
            case List(items=items):
                for item in items:
                    yield from codes(item)
            case _:
                pass


def check_code_kept(whole: Blocks, parts: tuple[Blocks, ...]) -> None:
    """Every character of every code block is there; a joint is one newline or none."""
    pieces = [piece for part in parts for piece in codes(part)]
    for text in codes(whole):
        kept = pieces.pop(0)
        while kept.rstrip("\n") != text.rstrip("\n"):
            piece = pieces.pop(0)
            kept += piece if text.startswith(kept + piece) else "\n" + piece
            assert text.startswith(kept)
    assert not pieces


def check_law(whole: Blocks, fits: Fits) -> tuple[Blocks, ...]:
    parts = split(whole, fits)
    for part in parts:
        assert fits(part)
        assert plain_text(part).strip() or any(isinstance(block, List | Table) for block in part)
    assert "".join(map(shown, parts)) == shown(whole)
    check_code_kept(whole, parts)
    return parts


def without_tables(tree: Blocks) -> Blocks:
    """The tree with a rule in place of every table."""
    return tuple(map(_without_table, tree))


def _without_table(block: Block) -> Block:
    match block:
        case Table():
            return Rule()
        case Quote(blocks=inner):
            return Quote(blocks=without_tables(inner))
        case List(items=items):
            return replace(block, items=tuple(map(without_tables, items)))
        case _:
            return block


@given(blocks(), st.integers(400, 900))
def test_parts_are_the_whole(tree: Blocks, limit: int) -> None:
    """Any tree, any size that holds what cannot be cut: nothing lost, nothing doubled."""
    assume(all(fits_alone(block, limit) for block in tree))
    check_law(tree, Counting(limit))


def fits_alone(block: Block, limit: int) -> bool:
    """Whether every row of the tables in it fits a part (rows that do not change their form)."""
    match block:
        case Table(rows=rows):
            half = Counting(limit // 2)  # the rest is for the containers around it
            return all(half((replace(block, rows=some),)) for some in ((), *zip(rows)))
        case Quote(blocks=inner):
            return all(fits_alone(inner_block, limit) for inner_block in inner)
        case List(items=items):
            return all(fits_alone(inner_block, limit) for item in items for inner_block in item)
        case _:
            return True


@given(blocks().map(without_tables), st.integers(90, 200))
def test_parts_of_small_size(tree: Blocks, limit: int) -> None:
    """The law holds for sizes that cut nearly everything."""
    check_law(tree, Counting(limit))


@given(documents(), st.integers(60, 400))
def test_documents_split(source: str, limit: int) -> None:
    """What models write splits by the same law."""
    tree = parse(source)
    assume(all(fits_alone(block, limit) for block in tree))
    check_law(tree, Counting(limit))


@given(st.lists(st.sampled_from((*WORDS, FAMILY, FLAGS)), min_size=5, max_size=60).map("".join))
def test_graphemes_stay_whole(text: str) -> None:
    """No joiner, mark, modifier or second half of a flag begins a part."""
    for part in split(plain(text), Counting(40)):
        first = plain_text(part)[0]
        assert first not in "\u200d\ufe0f\u0301\u20e3"
        assert not "\U0001f3fb" <= first <= "\U0001f3ff"


def test_one_part_asks_once() -> None:
    """What fits is measured once and comes back as it is."""
    fits = Counting(1000)
    tree = parse("# Title\n\nText")
    assert split(tree, fits) == (tree,)
    assert fits.calls == 1


def test_no_blocks_no_parts() -> None:
    """An empty answer is no part, not an empty one."""
    assert split((), Counting(10)) == ()


def test_cuts_between_blocks() -> None:
    """A block that fits a part of its own is not cut."""
    parts = split(parse(f"{'a ' * 20}\n\n{'b ' * 30}"), Counting(80))
    assert [plain_text(part)[0] for part in parts] == ["a", "b"]


def test_title_goes_with_its_text() -> None:
    """A heading does not end a part."""
    parts = split(parse(f"{'a ' * 20}\n\n# Title\n\n{'b ' * 30}"), Counting(80))
    assert isinstance(parts[1][0], Heading)


def test_code_keeps_language() -> None:
    """A cut fence is closed and opened again with its language, between lines."""
    lines = [f"line_{number} = {number}" for number in range(40)]
    parts = split(parse("```py\n" + "\n".join(lines) + "\n```"), Counting(100))
    assert len(parts) > 4
    pieces = [block for part in parts for block in part if isinstance(block, Code)]
    assert {piece.language for piece in pieces} == {"py"}
    assert "\n".join(piece.text for piece in pieces).split("\n") == lines


def test_long_code_line_is_cut_without_newline() -> None:
    """A line longer than a part goes on in the next one."""
    parts = split((Code(language="", text="x" * 250),), Counting(100))
    assert "".join(text for part in parts for text in codes(part)) == "x" * 250


def test_list_numbers_go_on() -> None:
    """The next part's list begins with the next number."""
    source = "\n".join(f"{number}. item {number}" for number in range(5, 30))
    parts = split(parse(source), Counting(60))
    numbered = [list_markers(part[0])[0] for part in parts if isinstance(part[0], List)]
    assert numbered[0] == "5. "
    assert all(
        plain_text(part).startswith(f"{marker}item {marker[:-2]}")
        for part, marker in zip(parts, numbered, strict=True)
    )


def test_cut_item_shows_its_number_once() -> None:
    """An item longer than a part goes on without a second marker; the next has its number."""
    parts = split(parse(f"1. {'long ' * 40}\n2. next"), Counting(100))
    text = "".join(plain_text(part) for part in parts)
    assert text.count("1.") == 1
    assert "2. next" in text
    assert all(isinstance(part[0], List) and part[0].continued for part in parts[1:])


def test_quote_is_opened_again() -> None:
    """Each part of a long quote is a quote."""
    parts = split(parse("> " + "words " * 60), Counting(100))
    assert len(parts) > 2
    assert all(isinstance(part[0], Quote) for part in parts)


def test_table_repeats_its_header() -> None:
    """Each part of a long table has its header and whole rows."""
    rows = "".join(f"| {number} | value |\n" for number in range(30))
    parts = split(parse("| key | val |\n|---|---|\n" + rows), Counting(100))
    assert len(parts) > 3
    tables = [part[0] for part in parts if isinstance(part[0], Table)]
    assert {tuple(map(spans_text, table.header)) for table in tables} == {("key", "val")}
    assert sum(len(table.rows) for table in tables) == 30


def test_row_longer_than_a_part_becomes_text() -> None:
    """A row no part holds is shown as a paragraph below its header; the others stay a table."""
    source = f"| key | val |\n|---|---|\n| 1 | {'long ' * 40}|\n| 2 | short |"
    parts = split(parse(source), Counting(100))
    text = "\n".join(map(plain_text, parts))
    assert text.count("long") == 40
    assert text.startswith("key | val")
    assert isinstance(parts[-1][-1], Table)


def test_sentences_before_words() -> None:
    """Running text is cut after a sentence when that wastes less than half of the room."""
    parts = split(plain("One two three. Four five six. Seven eight nine ten."), Counting(35))
    assert [plain_text(part) for part in parts] == [
        "One two three. Four five six.",
        "Seven eight nine ten.",
    ]


def test_styles_go_on() -> None:
    """What was bold before the cut is bold after it."""
    tree = (Paragraph(spans=(Strong(spans=(Text(text="bold " * 30),)),)),)
    for part in split(tree, Counting(50)):
        assert isinstance(part[0], Paragraph)
        assert isinstance(part[0].spans[0], Strong)


def test_link_too_long_becomes_text() -> None:
    """A target no part holds next to its label is cut as text, not lost."""
    url = "https://a.example/" + "x" * 300
    link = Link(url=url, spans=(Text(text="label"),))

    def fits(tree: Blocks) -> bool:
        urls = sum(
            len(span.url)
            for block in tree
            if isinstance(block, Paragraph)
            for span in block.spans
            if isinstance(span, Link)
        )
        return len(plain_text(tree)) + urls <= 100

    parts = split((Paragraph(spans=(Text(text="see "), link)),), fits)
    assert "".join(map(plain_text, parts)).replace(" ", "") == f"seelabel({url})"


@pytest.mark.parametrize(
    "tree", [plain("a"), (Rule(),), (Code(language="", text="a"),), parse("- a")]
)
def test_no_room_at_all(tree: Blocks) -> None:
    """A part that takes nothing is an error, not an endless loop."""
    with pytest.raises(ValueError, match="too small"):
        split(tree, lambda tree: False)


def test_large_answer_is_measured_little() -> None:
    """100 KB: some ten questions a part, none about much more than a part."""
    unit = "Some words about **things** that matter. " * 8 + "\n\n- a\n- b\n\n```py\nx = 1\n```\n\n"
    tree = parse(unit * (100_000 // len(unit)) + "```py\n" + "y = 2\n" * 5_000 + "```")
    fits = Counting(1_950)
    parts = check_law(tree, fits)
    assert len(parts) > 60
    assert fits.calls < 15 * len(parts)
    assert fits.measured < 15 * len(wire(tree))


def test_first_parts_cost_no_more() -> None:
    """Who takes the first parts of a long answer does not pay for the rest."""
    tree = parse("Some words about things.\n\n" * 5_000)
    fits = Counting(1_950)
    first = tuple(islice(parts_of(tree, fits), 3))
    assert first == split(tree, Counting(1_950))[:3]
    assert fits.measured < 40 * 1_950
