"""Pure: words cut to what a small place of Telegram's takes."""

from platforms.measure import graphemes, utf16_len

_ELLIPSIS = "…"
_SHORTEST_SHARE = 0.5
"""A cut at a word that keeps less than this of the room is made inside the word instead."""


def shorten(text: str, most: int) -> str:
    """At most `most` UTF-16 units, cut behind a word, with a sign that there was more.

    A word too long for that is cut between its characters as a person counts them.
    """
    if utf16_len(text) <= most:
        return text
    room = most - utf16_len(_ELLIPSIS)
    kept, left = "", room
    for grapheme in graphemes(text):
        left -= utf16_len(grapheme)
        if left < 0:
            break
        kept += grapheme
    if not text[len(kept)].isspace():
        kept = _whole_words(kept, room)
    return kept.rstrip() + _ELLIPSIS


def _whole_words(kept: str, room: int) -> str:
    """The words that stand in `kept` whole, or all of it if these are too few."""
    words = kept
    while words and not words[-1].isspace():
        words = words[:-1]
    return words if utf16_len(words) >= _SHORTEST_SHARE * room else kept
