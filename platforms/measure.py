"""Measuring text as chats do: units, columns, graphemes. Pure.

Graphemes follow Unicode's extended clusters as far as chats need them: marks, joiners, variation
selectors, skin tones, tags, flag pairs and Hangul syllables stay whole. Source: UAX #29, by the
categories of the standard library's `unicodedata` instead of its own tables.
"""

import re
import unicodedata
from collections.abc import Iterator

_ZERO_WIDTH_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"
# Modifiers, tags and joiners that categories alone do not give away.
_EXTENDING = re.compile("[\u200c\u200d\uff9e\uff9f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")
_SYLLABLE_PAIRS = frozenset(
    pair
    for before, afters in (
        ("L", ("L", "V", "LV", "LVT")), ("V", ("V", "T")), ("LV", ("V", "T")),
        ("T", ("T",)), ("LVT", ("T",)),
    )
    for pair in ((before, after) for after in afters)
)  # fmt: skip
CLUSTER_MAX = 64


def utf16_len(text: str) -> int:
    """The number of UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def display_width(text: str) -> int:
    """Columns in a fixed-width face: wide East Asian characters and emoji take two."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(map(_cluster_width, graphemes(text)))


def graphemes(text: str) -> Iterator[str]:
    """The user-perceived characters; joined they are `text`.

    One of over CLUSTER_MAX code points, which no language needs, comes in pieces.
    """
    if text.isascii():
        yield from text
        return
    start = 0
    flags = 0
    for at in range(1, len(text)):
        previous, char = text[at - 1], text[at]
        flags = flags + 1 if _FLAG.match(previous) else 0
        if at - start < CLUSTER_MAX and _joined(previous, char, flags):
            continue
        yield text[start:at]
        start = at
        flags = 0
    if text:
        yield text[start:]


def grapheme_floor(text: str, end: int) -> int:
    """The last place at or before `end` that no grapheme spans."""
    if end >= len(text) or text[end].isascii():
        return min(end, len(text))
    start = max(0, end - CLUSTER_MAX)
    while start > 0 and not text[start].isascii() and end - start < 2 * CLUSTER_MAX:
        start -= 1
    place = start
    for cluster in graphemes(text[start : end + 1]):
        if place + len(cluster) > end:
            break
        place += len(cluster)
    return place


def without_last_grapheme(text: str) -> str:
    """`text` without its last grapheme, which more text may still extend."""
    tail = text[-CLUSTER_MAX:]
    last = ""
    for last in graphemes(tail):  # noqa: B007 - only the last one counts
        pass
    return text[: len(text) - len(last)]


def _joined(previous: str, char: str, flags: int) -> bool:
    """Whether `char` belongs to the grapheme of `previous`; `flags`: indicators in it so far."""
    if previous < " " or char < " ":
        return False
    if unicodedata.category(char)[0] == "M" or _EXTENDING.match(char):
        return True
    if previous == _ZERO_WIDTH_JOINER:
        return not char.isascii()
    if _FLAG.match(char):
        return flags % 2 == 1
    return "\u1100" <= char <= "\ud7ff" and _hangul_joined(previous, char)


def _hangul_joined(previous: str, char: str) -> bool:
    return (_hangul_type(previous), _hangul_type(char)) in _SYLLABLE_PAIRS


def _hangul_type(char: str) -> str:
    if "\uac00" <= char <= "\ud7a3":
        return "LV" if (ord(char) - 0xAC00) % 28 == 0 else "LVT"
    if "\u1100" <= char <= "\u115f" or "\ua960" <= char <= "\ua97c":
        return "L"
    if "\u1160" <= char <= "\u11a7" or "\ud7b0" <= char <= "\ud7c6":
        return "V"
    return "T" if "\u11a8" <= char <= "\u11ff" or "\ud7cb" <= char <= "\ud7fb" else ""


def _cluster_width(cluster: str) -> int:
    if _EMOJI_STYLE in cluster or _FLAG.match(cluster):
        return 2
    return max(map(_char_width, cluster))


def _char_width(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf", "Cc"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
