"""Markdown on a terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.blocks import Break, Code, Paragraph, Strong, Text, lines, plain_text
from platforms.markup import parse
from platforms.terminal.format import BAR, BAR_AGAIN, escape, format_blocks, visible_width

ANSWER = """\
# Title

Some **bold *and italic* text**, `code()`, ~~gone~~ and [a link](https://example.com/x).

1. one
2. two
   - nested item that is long enough to be wrapped

> quoted **text**
>
> and more

```python
if x:
    return "a line of code that is longer than the screen is wide"
```

| name | n |
|---|--:|
| tea  | 1 |
| 漢字 | 23 |

---
"""


def test_an_answer_without_colour() -> None:
    """Structure is kept by indent and signs; code is as it was, not wrapped, to be copied."""
    lines = format_blocks(parse(ANSWER), width=34, color=False)
    assert (
        "\n".join(lines)
        == """\
Title

Some bold and italic text, code(),
gone and a link
(https://example.com/x).

1. one
2. two
   • nested item that is long
     enough to be wrapped

│ quoted text
│
│ and more

if x:
    return "a line of code that is longer than the screen is wide"

name │  n
─────┼───
tea  │  1
漢字 │ 23

──────────────────────────────────"""
    )


def test_an_answer_with_colour() -> None:
    """Each style has its code, every line ends without one."""
    lines = format_blocks(parse(ANSWER), width=34, color=True)
    assert lines[0] == "\x1b[1;4mTitle\x1b[0m"
    assert lines[2].startswith("Some \x1b[1mbold \x1b[0m\x1b[1;3mand italic\x1b[0m\x1b[1m text\x1b")
    assert "\x1b[36mcode()\x1b[0m" in lines[2]
    for line in lines:
        assert line.count("\x1b[") == 2 * line.count("\x1b[0m")


def test_a_table_wider_than_the_screen() -> None:
    """Rows become groups of named lines."""
    table = "| name | what it is |\n|-|-|\n| a | something rather long |\n| b | short |"
    assert format_blocks(parse(table), width=24, color=False) == (
        "name: a",
        "what it is: something",
        "rather long",
        "",
        "name: b",
        "what it is: short",
    )


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("a\rb\x00\x7f", "a\\x0db\\x00\\x7f"),
        ("abc\u202edcba\u2066", "abc\\u202edcba\\u2066"),
        ("line\u2028end", "line\\u2028end"),
        ("\ud800", "\\ud800"),
        ("a\tb", "a   b"),
        ("\u05e9\u05dc\u05d5\u05dd e\u0301 \U0001f469\u200d\U0001f680", None),
    ],
)
def test_nothing_steers_the_terminal(text: str, visible: str | None) -> None:
    """Controls and marks that reorder a line become visible; letters of any script stay."""
    assert escape(text) == (text if visible is None else visible)


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.integers(20, 60))
def test_no_line_is_wider_than_asked_and_no_word_is_lost(text: str, width: int) -> None:
    """Wrapping takes nothing but blanks away, for any text."""
    body = (Paragraph(spans=(Text(text=text.replace("\n", " ")),)),)
    lines = format_blocks(body, width=width, color=False)
    assert all(visible_width(line) <= width for line in lines)
    assert "".join("".join(lines).split(" ")) == "".join(escape(plain_text(body)).split(" "))


@given(st.text(max_size=300), st.booleans())
def test_any_markdown_renders_without_foreign_escapes(text: str, color: bool) -> None:
    """Only our own codes for style reach the terminal, and none without colour."""
    for line in format_blocks(parse(text), width=40, color=color):
        bare = re.sub(r"\x1b\[[0-9;]+m", "", line) if color else line
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", bare)


def test_code_keeps_its_characters() -> None:
    """Tabs are drawn as blanks; an escape inside code is shown, not obeyed."""
    block = (Code(language="sh", text="\tprintf '\x1b[31m'"),)
    assert format_blocks(block, width=40, color=False) == ("    printf '\\x1b[31m'",)


CARD = (
    Paragraph(
        spans=(
            Strong(spans=(Text(text="Approval K7Q2F: hf_jobs run"),)),
            Break(),
            *lines(
                "1 x A100 80 GB (a100-large), stopped after 45 min\n"
                "Payer      acme-research   (the model asked for acme-prod)\n"
                "At most    $2.09 = 50 min x $0.041667   (45 min + 5 to start, by started minute)"
                "   price live, 4 min old\n"
                "Budget     this chat today $1.20 of $10.00, at most $3.29 with this; Dana today"
                " $0.40 of $10.00\n"
                "Flags      paid, tainted (2 web pages read)\n"
                "Decides    chat approvers; asked by Dana; closes 14:32"
            ),
        )
    ),
    Code(
        language="",
        text=(
            '{"flavor":"a100-large","note":"'
            + "padding " * 6
            + "Payer      nobody, this is free and harmless"
            + "." * 22
            + '\\u{202E}\\\\u{202E} and a word of \\u{200B} to end","op":"run"}'
        ),
    ),
    *parse('Model says (not checked): "Fine-tune on the new split as agreed."'),
    *parse("Reply  /approve K7Q2F   or   /deny K7Q2F reason   or   /show K7Q2F"),
)


def test_a_card_at_eighty_columns() -> None:
    """Values stand below each other, code behind its bar, and no escape is broken."""
    assert (
        "\n".join(format_blocks(CARD, width=79, color=False, card=True))
        == """\
Approval K7Q2F: hf_jobs run
1 x A100 80 GB (a100-large), stopped after 45 min
Payer      acme-research   (the model asked for acme-prod)
At most    $2.09 = 50 min x $0.041667   (45 min + 5 to start, by started
           minute)   price live, 4 min old
Budget     this chat today $1.20 of $10.00, at most $3.29 with this; Dana today
           $0.40 of $10.00
Flags      paid, tainted (2 web pages read)
Decides    chat approvers; asked by Dana; closes 14:32

│ {"flavor":"a100-large","note":"padding padding padding padding padding paddin
┊ g Payer      nobody, this is free and harmless......................\\u{202E}
┊ \\\\u{202E} and a word of \\u{200B} to end","op":"run"}

Model says (not checked): "Fine-tune on the new split as agreed."

Reply  /approve K7Q2F   or   /deny K7Q2F reason   or   /show K7Q2F"""
    )


@given(st.text(st.characters(codec="utf-8"), max_size=400), st.integers(20, 90))
def test_no_row_of_a_cards_code_begins_without_its_bar(text: str, width: int) -> None:
    """Nothing an argument holds can pass for a line of the card, and nothing of it is lost."""
    rows = format_blocks((Code(language="", text=text),), width=width, color=False, card=True)
    assert all(visible_width(row) <= width for row in rows)
    joined = "".join(
        f"\n{row.removeprefix(BAR)}" if row.startswith(BAR) else row.removeprefix(BAR_AGAIN)
        for row in rows
    )
    assert all(row.startswith((BAR, BAR_AGAIN)) for row in rows)
    assert joined == "".join(f"\n{escape(line)}" for line in text.split("\n"))


@given(
    st.lists(st.sampled_from(["\\u{202E}", "\\\\", "\\x1b", "\\u{10FFFF}", "a", "漢", " "])),
    st.integers(20, 40),
)
def test_an_escape_is_never_broken(parts: list[str], width: int) -> None:
    """In code and in words: what stands for one character stands on one row."""
    text = "".join(parts)
    escapes = re.findall(r"\\\\|\\x1b|\\u\{[0-9A-F]+\}", text)
    for block in (Code(language="", text=text), Paragraph(spans=(Text(text=text),))):
        rows = format_blocks((block,), width=width, color=False, card=True)
        shown = [found for row in rows for found in re.findall(r"\\\\|\\x1b|\\u\{[0-9A-F]+\}", row)]
        assert shown == escapes


def test_a_huge_argument_is_drawn_at_once() -> None:
    """A quarter of a mebibyte on one line takes a pass, not one for each row."""
    block = Code(language="", text='{"x":"' + "é" * (1 << 18) + '"}')
    rows = format_blocks((block,), width=80, color=True, card=True)
    assert sum(row.count("é") for row in rows) == 1 << 18


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Payer  acme research and more", ("Payer  acme research", "       and more")),
        ("At most  $2.09 for all of it", ("At most  $2.09 for", "         all of it")),
        ("a long enough name  of no value", ("a long enough name", "of no value")),
        ("averylongnameofit  value and more", ("averylongnameofit", "value and more")),
        ("two  " + "x" * 20, ("two", "     " + "x" * 15, "     xxxxx")),
    ],
)
def test_a_value_goes_on_below_its_beginning(text: str, expected: tuple[str, ...]) -> None:
    """Only behind one or two words and a gap, and only if that leaves half of the width."""
    body = (Paragraph(spans=(Text(text=text),)),)
    assert format_blocks(body, width=20, color=False, card=True) == expected
