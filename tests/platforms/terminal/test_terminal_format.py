"""Markdown on a terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.blocks import Code, Paragraph, Text, plain_text
from platforms.markup import parse
from platforms.terminal.format import escape, format_blocks, visible_width

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
