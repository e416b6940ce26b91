"""The lines between a terminal and the adapter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.blocks import Code, Emph, Link, Paragraph, Rule, Strong, Text
from platforms.content import Button, Menu
from platforms.terminal.wire import (
    File,
    MessageGone,
    MessageShown,
    Noticed,
    NotStored,
    Push,
    Stored,
    Working,
    push_line,
    read_push,
)

BODY = (
    Paragraph(
        spans=(
            Strong(spans=(Text(text="a\tb"), Emph(spans=(Text(text="\U0001f600"),)))),
            Link(url="https://example.com", spans=(Text(text="x"),)),
        )
    ),
    Code(language="py", text="a\nb"),
    Rule(),
)

PUSHES: list[Push] = [
    Stored(key="k"),
    NotStored(key="", reason="never"),
    NotStored(key="k", reason="later", again=True),
    MessageShown(message_id="m", body=BODY),
    MessageShown(
        message_id="m",
        body=(),
        controls=((Button(label="Yes", payload="y", style="primary"),), ()),
        file=File(name="answer.md", mime="text/markdown", data=bytes(range(256))),
    ),
    MessageGone(message_id="m"),
    Working(label=""),
    Working(label=None),
    Noticed(text="words", alert=True),
]


@pytest.mark.parametrize("push", PUSHES, ids=lambda push: type(push).__name__)
def test_a_push_is_read_as_it_was_written(push: Push) -> None:
    """Every kind of line survives the way, on one line each."""
    line = push_line(push)
    assert line.count(b"\n") == 1
    assert read_push(line) == push


@given(st.binary())
def test_other_lines_are_refused(line: bytes) -> None:
    """A line of another version is a ValueError, never something half read."""
    with pytest.raises(ValueError, match=r".*"):
        read_push(line)


@pytest.mark.parametrize("line", [b'{"message": {}}', b'{"message": {"id": "m", "body": [1]}}'])
def test_a_broken_message_is_refused(line: bytes) -> None:
    """The same for one with parts missing."""
    with pytest.raises(ValueError, match=r"not a"):
        read_push(line)


def test_a_menu_unfolds() -> None:
    """A terminal shows its options as buttons, where the menu stood."""
    yes, no, later = (Button(label=word, payload=word) for word in ("yes", "no", "later"))
    row = (yes, Menu(label="More", options=(no, later)))
    line = push_line(MessageShown(message_id="m", body=(), controls=(row,)))
    assert read_push(line) == MessageShown(message_id="m", body=(), controls=((yes, no, later),))
