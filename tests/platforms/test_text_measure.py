"""Units, columns and graphemes, counted as chats count them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.measure import CLUSTER_MAX, grapheme_floor, without_last_grapheme
from platforms.text import display_width, graphemes, utf16_len
from tests.platforms.strategies import FAMILY, FLAGS, WORDS


@pytest.mark.parametrize(
    ("text", "units"),
    [("", 0), ("abc", 3), ("é", 1), ("漢", 1), ("😀", 2), (FAMILY, 11), ("\ud83d", 1)],
)
def test_utf16_len(text: str, units: int) -> None:
    """Characters outside the first plane are two units, halves of them one."""
    assert utf16_len(text) == units


@pytest.mark.parametrize(
    ("text", "clusters"),
    [
        ("abc", ["a", "b", "c"]),
        ("e\u0301x", ["e\u0301", "x"]),
        (FAMILY + "a", [FAMILY, "a"]),
        ("👍🏽👍", ["👍🏽", "👍"]),
        ("❤️1️⃣", ["❤️", "1️⃣"]),
        (FLAGS, ["🇩🇪", "🇫🇷", "🇯🇵"]),
        ("🇩🇪🇫", ["🇩🇪", "🇫"]),
        ("🏴\U000e0067\U000e0062\U000e007f.", ["🏴\U000e0067\U000e0062\U000e007f", "."]),
        ("\u1112\u1161\u11ab\uae00\u11a8", ["\u1112\u1161\u11ab", "\uae00\u11a8"]),
        ("नि", ["नि"]),
        ("ｶﾞ", ["ｶﾞ"]),
        ("a\n\u0301", ["a", "\n", "\u0301"]),
        ("a\u200db", ["a\u200d", "b"]),
    ],
)
def test_graphemes(text: str, clusters: list[str]) -> None:
    """Joiners, marks, modifiers, tags, flag pairs and syllables stay whole."""
    assert list(graphemes(text)) == clusters


@given(st.lists(st.sampled_from(WORDS)).map("".join) | st.text())
def test_graphemes_are_the_text(text: str) -> None:
    """Nothing is lost, and no grapheme is without end."""
    clusters = list(graphemes(text))
    assert "".join(clusters) == text
    assert all(0 < len(cluster) <= CLUSTER_MAX for cluster in clusters)
    assert without_last_grapheme(text) == "".join(clusters[:-1])


@given(st.lists(st.sampled_from(WORDS), max_size=8).map("".join), st.integers(0, 80))
def test_grapheme_floor(text: str, end: int) -> None:
    """The place is between graphemes, and the next one would be too far."""
    places = [0]
    for cluster in graphemes(text):
        places.append(places[-1] + len(cluster))
    assert grapheme_floor(text, end) == max(place for place in places if place <= end)


def test_mark_without_end_is_cut() -> None:
    """A character under thousands of marks does not stop the reading."""
    assert len(list(graphemes("a" + "\u0301" * 1000))) == 16
    assert grapheme_floor("a" + "\u0301" * 1000, 500) > 400


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0), ("abc", 3), ("漢字", 4), ("ｱ", 1), ("Ａ", 2), ("e\u0301", 1), ("😀", 2),
        (FAMILY, 2), (FLAGS, 6), ("❤️", 2), ("1️⃣", 2), ("a\u200bb", 2), ("한국", 4), ("–", 1),
    ],
)  # fmt: skip
def test_display_width(text: str, columns: int) -> None:
    """Wide characters and emoji take two columns, marks and joiners none."""
    assert display_width(text) == columns
