"""Blocks become Discord Markdown that shows the same characters and touches nobody."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.blocks import (
    Blocks,
    Code,
    CodeSpan,
    Emph,
    Heading,
    Link,
    Paragraph,
    Strong,
    Table,
    Text,
    plain,
    plain_text,
    spans_text,
)
from platforms.discord.format import fits, format_blocks, format_plain
from platforms.discord.limits import PART_SOFT, TEXT_MAX
from platforms.markup import parse, parse_prefix
from platforms.text import display_width, split, utf16_len
from tests.platforms.discord.reader import show
from tests.platforms.strategies import PINGS, blocks, documents, hostile_markdown, markdown, tables
from tests.wire.discord.mentions import judge

NOBODY = {"parse": [], "replied_user": False}


def visible(text: str) -> str:
    """Characters that count: no white space, bullets as Discord draws them, names as written."""
    text = re.sub(r"[\s\u200b]", "", text.replace("•", "-"))
    return re.sub("%40(?=everyone|here)", "@", text)


def touches_nobody(content: str) -> bool:
    """Whether neither a client shows a mention or emoji, nor the server finds one."""
    shown = show(content)
    pings = judge(content, NOBODY, replied_author=None, known={123456789012345678, 42})
    return not shown.mentions and not shown.emoji and pings.nobody and not pings.elements


@pytest.mark.parametrize(
    ("source", "wire"),
    [
        ("plain words", "plain words"),
        ("**bold** and *italic* and ~~gone~~", "**bold** and _italic_ and ~~gone~~"),
        ("half*ital*ic", "half*ital*ic"),
        ("***both***", "**_both_**"),
        ("`code` and ``a`b``", "`code` and ``a`b``"),
        ("snake_case 2*3 C:\\Users \\*x\\*", "snake\\_case 2\\*3 C:\\Users \\*x\\*"),
        ("one\ntwo", "one\ntwo"),
        ("# Title\ntext", "# Title\ntext"),
        ("# about C#", "# about C\\#"),
        ("##### deep", "**deep**"),
        ("- a\n- b\n  - c", "- a\n- b\n  - c"),
        ("7. a\n8. b", "7. a\n8. b"),
        ("> said\n>\n> > again", "> said\n> \n> again"),
        ("```py\nx = 1\n```", "```py\nx = 1\n```"),
        ("````\n```\n````", "```\n`\u200b`\u200b`\n```"),
        ("---", "---"),
        ("1\\. no list", "1\\. no list"),
        ("\\# no heading", "\\# no heading"),
        ("\\- no item", "\\- no item"),
        ("\\> no quote", "\\> no quote"),
        ("a ||b|| c", "a \\|\\|b\\|\\| c"),
        ("see https://a.example/x_y.", "see <https://a.example/x_y>."),
        ("[label](https://a.example/x_(y))", "[label](https://a.example/x_%28y%29)"),
        ("<https://a.example>", "<https://a.example>"),
        ("[a@b.example](mailto:a@b.example)", "a@b.example"),
        ("[write](mailto:a@b.example)", "write (a@b.example)"),
        ("[a [b]](https://a.example)", "a [b] (<https://a.example>)"),
        ("<@42> <@&42> <#42> <t:42> <:x:42>", None),
        (":smile: at 10:30:45", "\\:smile: at 10:30:45"),
    ],
)
def test_marks(source: str, wire: str | None) -> None:
    """Each kind of block and mark has its form; literal signs are escaped where they would act."""
    content = format_blocks(parse(source))
    if wire is not None:
        assert content == wire
    assert touches_nobody(content)


def test_code_in_a_list_stands_at_the_left_edge() -> None:
    """A fence inside an item is not indented, and the item's number goes on behind it."""
    content = format_blocks(parse("1. run\n\n   ```sh\n   ls\n   ```\n2. look"))
    assert content == "1. run\n```sh\nls\n```\n2. look"


def test_a_table_is_aligned_by_display_width() -> None:
    """Wide characters take two columns; numbers keep their side."""
    content = format_blocks(parse("| a | n |\n|---|--:|\n| 漢字 | 1 |\n| x | 22 |"))
    assert content == "```\na      n\n----  --\n漢字   1\nx     22\n```"


def test_a_table_that_loses_something_becomes_lines() -> None:
    """Over 60 columns, or with a link in it, each row is a group of names and values."""
    wide = format_blocks(parse("| key | value |\n|---|---|\n| a | " + "x" * 70 + " |\n| b | c |"))
    assert wide == f"**key:** a\n**value:** {'x' * 70}\n\n**key:** b\n**value:** c"
    linked = format_blocks(parse("| k |\n|---|\n| [x](https://a.example) |"))
    assert linked == "**k:** [x](https://a.example)"


@given(tables())
def test_tables_show_every_cell(table: Table) -> None:
    """Whatever its form, a table shows its cells in order and a code block stays narrow."""
    content = format_blocks((table,))
    shown = visible(show(content).text)
    at = 0
    for cell in (cell for row in table.rows for cell in row):
        if not _reshaped((Paragraph(spans=cell),)):
            at = shown.index(visible(spans_text(cell)), at)
    if content.startswith("```"):
        assert max(map(display_width, content.split("\n"))) <= 60
    assert touches_nobody(content)


@given(blocks())
def test_any_tree_shows_its_characters_and_touches_nobody(tree: Blocks) -> None:
    """A client shows exactly the visible text; no mention, no emoji, no notification."""
    content = format_blocks(tree)
    assert touches_nobody(content)
    if not _reshaped(tree):
        assert visible(show(content).text) == visible(plain_text(tree))


@given(st.one_of(markdown(), documents()))
def test_any_markdown_shows_its_characters(source: str) -> None:
    """The same holds for what models write, sane or not."""
    tree = parse(source)
    content = format_blocks(tree)
    assert touches_nobody(content)
    if not _reshaped(tree):
        assert visible(show(content).text) == visible(plain_text(tree))


@given(hostile_markdown())
def test_every_part_is_within_the_limit(source: str) -> None:
    """Split by `fits`, no part is over the size we split at, nor over Discord's limit."""
    for part in split(parse(source), fits):
        content = format_blocks(part)
        assert utf16_len(content) <= PART_SOFT
        assert len(content) <= TEXT_MAX
        assert touches_nobody(content)


@given(documents(), st.integers(0, 400))
def test_every_prefix_is_valid(source: str, at: int) -> None:
    """A stream cut anywhere pings nobody and leaves no fence open."""
    content = format_blocks(parse_prefix(source[:at]))
    assert touches_nobody(content)
    assert len(re.findall("^(?:> )?```", content, re.MULTILINE)) % 2 == 0


@pytest.mark.parametrize("ping", PINGS)
def test_no_sign_of_any_platform_survives(ping: str) -> None:
    """Mentions, times and emoji are words: in text, emphasis, headings, lists, links and code."""
    text = Text(text=ping)
    tree: Blocks = (
        Paragraph(spans=(text, Strong(spans=(text,)), Emph(spans=(text,)), CodeSpan(text=ping))),
        Heading(level=1, spans=(text,)),
        Paragraph(spans=(Link(url=f"https://a.example/{ping.strip('<>')}", spans=(text,)),)),
        Code(language="", text=ping),
        *plain(f"x{ping}y\n{ping}"),
    )
    content = format_blocks(tree)
    assert touches_nobody(content)


def test_signs_torn_between_styles_stay_harmless() -> None:
    """A mention whose halves lie in two spans does not come together."""
    for spans in (
        (Text(text="<"), Text(text="@42>")),
        (Text(text="<"), Emph(spans=(Text(text="@42"),)), Text(text=">")),
        (Text(text="@"), Strong(spans=(Text(text="everyone"),))),
        (Emph(spans=(Text(text="a*<"),)), Text(text="@42>")),
        (Emph(spans=(Text(text="x*@"),)), Text(text="everyone")),
        (Text(text=":"), Text(text="smile:")),
        (Text(text=":flag"), Emph(spans=(Text(text="us: x"),))),
    ):
        assert touches_nobody(format_blocks((Paragraph(spans=spans),)))


def test_plain_words_are_only_words() -> None:
    """A caption or private answer shows its characters literally."""
    text = "**not bold** <@42>\n\n# not a heading\n- `x`"
    assert visible(show(format_plain(text)).text) == visible(text)
    assert touches_nobody(format_plain(text))


def test_real_answers_stay_readable() -> None:
    """Answers as models write them lose nothing and need few escapes."""
    for path in sorted((Path(__file__).parents[2] / "fixtures" / "markdown").glob("*.md")):
        tree = parse(path.read_text(encoding="utf-8"))
        for part in split(tree, fits):
            content = format_blocks(part)
            assert touches_nobody(content), path.name
            if not _reshaped(part):
                assert visible(show(content).text) == visible(plain_text(part)), path.name


def _reshaped(tree: Blocks) -> bool:
    """Whether the tree holds what is shown in other words: a link's target, a table's shape."""
    return bool(re.search(r"\b(Link|Table)\(", repr(tree)))
