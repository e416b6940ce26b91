"""The line being typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.editor import Editor, Entered, Left

LEFT, RIGHT, UP, DOWN = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B"


def typed(*pieces: str) -> tuple[list[Entered | Left], str, str]:
    """What came of some input, and what stands left and right of the cursor."""
    editor = Editor()
    acts = [act for piece in pieces for act in editor.feed(piece)]
    return acts, editor.before, editor.after


@pytest.mark.parametrize(
    ("keys", "before", "after"),
    [
        ("hello", "hello", ""),
        (f"helo{LEFT}l", "hell", "o"),
        ("abc\x01x", "x", "abc"),
        (f"abc\x01x{RIGHT}y\x05z", "xaybcz", ""),
        ("abc\x7f\x7fd", "ad", ""),
        (f"abc{LEFT}{LEFT}\x1b[3~", "a", "c"),
        (f"abc{LEFT}{LEFT}\x04", "a", "c"),
        ("one two  three\x17\x17", "one ", ""),
        (f"one two{LEFT}{LEFT}\x15", "", "wo"),
        (f"one two{LEFT}{LEFT}\x0b", "one t", ""),
        ("a\tb", "a b", ""),
        ("a\x1b\rb", "a\nb", ""),
        ("\x1b[5~\x1b[15;2~\x1bOPx\x00\x1c", "x", ""),
        ("e\u0301\u0327x\x7f\x7f", "", ""),
        ("\U0001f469\u200d\U0001f680!\x7f\x7f", "", ""),
    ],
)
def test_keys(keys: str, before: str, after: str) -> None:
    """Keys as terminals send them, whole and one character at a time."""
    assert typed(keys) == ([], before, after)
    assert typed(*keys) == ([], before, after)


def test_enter_ends_the_line() -> None:
    """Several lines may come at once; Ctrl-D leaves only when nothing is typed."""
    acts, before, _ = typed("one\rtwo\n\r", "\x04", "three\x04")
    lines = [Entered(text="one"), Entered(text="two"), Entered(text=""), Left()]
    assert (acts, before) == (lines, "three")


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_pasted_text_keeps_its_line_ends(size: int) -> None:
    """Nothing in it is a key, cut as it may be; controls are dropped."""
    keys = "a\x1b[200~one\r\ntwo\rth\x1bree\tx\x03\x1b[201~b"
    pieces = [keys[at : at + size] for at in range(0, len(keys), size)]
    assert typed(*pieces) == ([], "aone\ntwo\nthree    xb", "")


def test_earlier_lines_come_back() -> None:
    """Up and down walk through them; the unfinished line waits at the end."""
    start = "one\rtwo\rtwo\rdraft"
    for keys, text in [
        (UP, "two"),
        (UP * 2, "one"),
        (UP * 5, "one"),
        (UP * 2 + DOWN, "two"),
        (UP * 2 + DOWN * 5, "draft"),
        (UP + "!", "two!"),
    ]:
        _, before, _ = typed(start, keys)
        assert before == text


def test_clear_forgets_the_line_but_not_the_past() -> None:
    """As Ctrl-C does."""
    editor = Editor()
    list(editor.feed("one\rhalf"))
    editor.clear()
    assert (editor.before, editor.after) == ("", "")
    list(editor.feed(UP))
    assert editor.before == "one"


@given(st.lists(st.text(st.sampled_from("ab\r\x1b[DCAB~201é漢\u0301\x7f\x15"), max_size=9)))
def test_any_keys_are_taken_and_nothing_but_text_stands(pieces: list[str]) -> None:
    """No input raises, and no control character gets into the line but a line's break."""
    acts, before, after = typed(*pieces)
    lines = [act.text for act in acts if isinstance(act, Entered)]
    for text in (before, after, *lines):
        assert all(c == "\n" or c >= " " for c in text)


@given(st.text(st.sampled_from("ab\r\x1b[DCAB~201é漢\x7f"), max_size=40), st.integers(1, 5))
def test_input_may_be_cut_anywhere(keys: str, size: int) -> None:
    """Read in pieces of any size, the result is the same."""
    pieces = [keys[at : at + size] for at in range(0, len(keys), size)]
    assert typed(*pieces) == typed(keys)
