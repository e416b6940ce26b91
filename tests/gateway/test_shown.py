"""Foreign text made visible, and back to the very same text."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.shown import LEFT_TO_RIGHT, decoded, floor, is_unseen, shown, shown_inline
from tests.gateway.deceptive import DECEPTIVE, TRICKS

ANY = st.text(
    st.characters() | st.sampled_from("\\`](&;#\n\t \r⏎⇥␣u{}\u200e\u202e\u0301e가각שא٣1\ud800")
)


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ('{"op":"run"}', '{"op":"run"}'),
        ("a\\n \\u{41}", "a\\\\n \\\\u{41}"),
        ("if x:\n\treturn 1 \n", "if x:⏎\n⇥return 1␣⏎"),
        ("a\r\nb", "a\\u{D}⏎\nb"),
        ("\n\n", "⏎\n⏎"),
        ("⏎⇥␣", "\\u{23CE}\\u{21E5}\\u{2423}"),
        ("pay\u202etxt.exe", "pay\\u{202E}txt.exe"),
        ("a\u200bb\u00adc\ufeff", "a\\u{200B}b\\u{AD}c\\u{FEFF}"),
        ("x\U000e0041\U000e007f", "x\\u{E0041}\\u{E007F}"),
        ("\u3164\u115f\u2800\u00a0\u3000", "\\u{3164}\\u{115F}\\u{2800}\\u{A0}\\u{3000}"),
        ("❤\ufe0f \U000e0100", "❤\\u{FE0F} \\u{E0100}"),
        ("\ue000\uffff\U0010ffff\ud800", "\\u{E000}\\u{FFFF}\\u{10FFFF}\\u{D800}"),
        ("e\u0301 é", "e\\u{301} é"),
        ("a\u030a\u0333o\u0338", "a\\u{30A}\\u{333}o\\u{338}"),
        ('"\u0334', '"\\u{334}'),
        ("\u00c5 \u212b", "\u00c5 \\u{212B}"),
        ("\uac00 \u1100\u1161", "\uac00 \u1100\\u{1161}"),
        ("``` ` ``", "\\u{60}\\u{60}\\u{60} ` \\u{60}\\u{60}"),
        ("[a](b) (c)", "[a]\\u{28}b) (c)"),
        ("a&amp;&#60; & b;", "a\\u{26}amp;\\u{26}#60; & b;"),
        ("नमस्ते ไทยภาษา テスト", "नमस्ते ไทยภาษา テスト"),
    ],
    ids=[
        "plain", "backslash", "lines", "carriage-return", "empty-lines", "own-marks", "bidi",
        "zero-width", "tags", "fillers", "selectors", "private", "composed", "overlays", "on-quote",
        "replaced", "hangul", "fence", "link", "entity", "scripts",
    ],
)  # fmt: skip
def test_what_is_shown(text: str, visible: str) -> None:
    """What could hide, reorder, join or be interpreted stands there by its code point."""
    assert shown(text) == visible
    assert decoded(visible) == text


def test_right_to_left_words_reorder_nothing_around_them() -> None:
    """Hebrew reads as Hebrew, and the signs and figures beside it stay where they are."""
    mark = LEFT_TO_RIGHT
    assert shown('"שלום עולם", 1') == f'"{mark}שלום עולם{mark}", 1'
    assert shown("א\n1 ב") == f"{mark}א{mark}⏎\n1 {mark}ב{mark}"
    assert shown("א  ב") == f"{mark}א {mark} {mark}ב{mark}"
    assert decoded(shown('"שלום עולם", 1')) == '"שלום עולם", 1'


def test_inline_text_stays_on_its_line() -> None:
    """Outside of blocks no line ends, no blank is merged away, and no backtick ends the code."""
    assert shown_inline(" a  b`c`\nd ") == "␣a ␣b\\u{60}c\\u{60}⏎d␣"


@pytest.mark.parametrize(
    "text", ["\\", "a\\b", "\\u{}", "\\u{110000}", "\\u{41", "\\\\\\", "\\u41"]
)
def test_what_is_never_shown_is_not_decoded(text: str) -> None:
    """A backslash that begins no escape is an error, not a guess."""
    with pytest.raises(ValueError, match=r"backslash|escape"):
        decoded(text)


@given(ANY)
@example("".join(TRICKS))
def test_every_text_comes_back(text: str) -> None:
    """Shown and decoded again is the same text, in a block and on a line, lone halves included."""
    assert decoded(shown(text)) == text
    assert decoded(shown_inline(text)) == text


@given(ANY, ANY)
def test_different_texts_look_different(one: str, other: str) -> None:
    """Two texts are shown alike only if they are the same."""
    assert (shown(one) == shown(other)) is (one == other)


@given(ANY)
@example("".join(TRICKS))
def test_everything_shown_can_be_seen(text: str) -> None:
    """Nothing unseen is left but the two signs that say nothing; normalising changes nothing."""
    visible = shown(text)
    assert not [char for char in visible if is_unseen(char) and char not in {"\n", LEFT_TO_RIGHT}]
    assert unicodedata.is_normalized("NFC", visible)
    assert LEFT_TO_RIGHT * 2 not in visible
    assert "\n" not in shown_inline(text)
    for interpreted in ("``", "](", "&amp;"):
        assert interpreted not in visible


@given(ANY, st.data())
def test_a_cut_tears_nothing(text: str, data: st.DataObject) -> None:
    """Both sides of a cut decode by themselves, and together they are the text."""
    visible = shown(text)
    end = data.draw(st.integers(0, len(visible)))
    place = floor(visible, end)
    assert place <= end
    assert decoded(visible[:place]) + decoded(visible[place:]) == text


@pytest.mark.parametrize("text", DECEPTIVE)
def test_deceptive_texts_come_back(text: str) -> None:
    """The corpus decodes to itself."""
    assert decoded(shown(text)) == text
    assert decoded(shown_inline(text)) == text


@pytest.mark.parametrize(
    "text",
    [" " * 200_000 + "x", "`" * 100_000, "&a" * 100_000, "\\" * 200_000, "\n" * 200_000,
     "é" + "\u0301" * 100_000, "א1" * 50_000, "](" * 100_000, " \n" * 100_000, "x" * 262_144],
    ids=range(10),
)  # fmt: skip
def test_long_texts_take_no_time(text: str) -> None:
    """Nothing in a text makes showing it slower than its length does."""
    visible = shown(text)
    assert decoded(visible) == text
    assert floor(visible, len(visible) // 2) > 0
