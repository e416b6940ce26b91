r"""Pure: foreign text as people can see it, and back to the very same text.

Theory of operation. What nobody can see, what reorders or joins its neighbours, and what a chat
would interpret or drop even inside its own fence is written `\u{202E}`; a backslash is doubled. A
line end is `⏎`, a tab `⇥`, a blank at the end of a line `␣`; where those signs stand in the text
themselves they are escaped. So everything that says something is a visible character, and a raw
newline or left-to-right mark says nothing: the first only breaks the lines for reading, the second
keeps right-to-left words from reordering what is around them. `decoded` drops both, which is why a
text may be cut, sent in parts and joined again.

Which characters: controls, formats (bidi, zero-width, tags), private use, unassigned, surrogates,
blanks but the ASCII one, fillers, variation selectors; marks that lie over or around others, that
stand on no letter, or that normalising would merge with one; letters that normalising would
replace; and what a wire or client acts on in code: backticks beside each other and `](` (Discord),
the beginnings of entities (HTML, Slack). Telegram drops three of the marks. Sources: Unicode
Character Database (DerivedCoreProperties, Default_Ignorable_Code_Point); TDLib, misc.cpp,
`clean_input_string`; `platforms/*/format.py`.
"""

import re
import unicodedata

LINE_END, TAB, BLANK = "⏎", "⇥", "␣"
LEFT_TO_RIGHT = "\u200e"

MARKS_MAX = 4
"""Marks on one letter; no language needs more, and a pile of them hides the lines around."""

_MARKS = {LINE_END: "\n", TAB: "\t", BLANK: " "}
# Invisible, though their category is that of letters, marks or signs.
_FILLERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\U0001d159\U00016fe4"
)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
# Overlays strike other characters out; the last three are dropped by Telegram.
_OVERLAYS = frozenset("\u0334\u0335\u0336\u0337\u0338\u20d2\u20d3\u20d8\u20d9\u20da\u20e5\u20e6")
_DROPPED = frozenset("\u030a\u0333\u033f")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})

_ESCAPED = re.compile(r"\\(?:\\|u\{([0-9A-F]{1,6})\})|[⏎⇥␣]|[\n\u200e]")
_TORN = re.compile(r"\\(?:u(?:\{[0-9A-F]{0,6})?)?$")
_ESCAPE_MAX = 10
# What is escaped for what stands beside it: backticks, the middle of a link, an entity.
_BESIDE = r"(?<=`)`|`(?=`)|(?<=\])\(|&(?=#?[0-9A-Za-z]{1,40};)"
_SPECIAL = re.compile(_BESIDE)
_SPECIAL_ASCII = re.compile(rf"[\\\x00-\x1f\x7f]|{_BESIDE}")
_PLAIN = re.compile(r"[ -\[\]-~]")
_MERGED_BLANK = re.compile("(?<= ) |^ | $")


def shown(text: str) -> str:
    """The text as it stands in a fence; `decoded` gives back exactly `text`."""
    return f"{LINE_END}\n".join(map(_shown_line, text.split("\n"))).removesuffix("\n")


def shown_inline(text: str) -> str:
    """The same on one line and outside of a block of code, where chats would merge blanks."""
    line = shown(text).replace("\n", "").replace("`", escape("`"))
    return _MERGED_BLANK.sub(BLANK, line)


def decoded(text: str) -> str:
    """The text that was shown; parts cut at a `floor` may be decoded joined or one by one.

    Raises ValueError for a backslash that begins no escape.
    """
    pieces = []
    at = 0
    for sign in _ESCAPED.finditer(text):
        pieces += [text[at : sign.start()], _meaning(sign)]
        at = sign.end()
    rest = text[at:]
    if "\\" in rest or any("\\" in piece for piece in pieces[::2]):
        raise ValueError("a backslash that begins no escape")
    return "".join((*pieces, rest))


def _meaning(sign: re.Match[str]) -> str:
    if sign[0] in {"\n", LEFT_TO_RIGHT}:
        return ""
    if sign[0] == "\\\\":
        return "\\"
    if sign[1] is None:
        return _MARKS[sign[0]]
    code = int(sign[1], 16)
    if code > 0x10FFFF:
        raise ValueError("an escape beyond the last character")
    return chr(code)


def escape(char: str) -> str:
    r"""The code point of a character as `\u{202E}`."""
    return f"\\u{{{ord(char):X}}}"


def is_unseen(char: str) -> bool:
    """Whether nobody can see or name a character: invisible, a filler, or without a meaning."""
    if _PLAIN.match(char):
        return False
    return (
        unicodedata.category(char) in _INVISIBLE or char in _FILLERS or _is_variation_selector(char)
    )


def floor(text: str, end: int) -> int:
    """The last place at or before `end` where a shown text may be cut and nothing is torn."""
    if end >= len(text):
        return len(text)
    if torn := _TORN.search(text, max(0, end - _ESCAPE_MAX), end):
        start = torn.start()
        run = len(text[: start + 1]) - len(text[: start + 1].rstrip("\\"))
        if run % 2:
            end = start
    while end > 0 and (text[end] == LEFT_TO_RIGHT or _may_extend(text[end])):
        end -= 1
    return end


def _shown_line(line: str) -> str:
    words = line.rstrip(" ")
    blanks = BLANK * (len(line) - len(words))
    if words.isascii():
        return _SPECIAL_ASCII.sub(_shown_sign, words) + blanks
    special = {found.start() for found in _SPECIAL.finditer(words)}
    writer = _Words()
    for at, char in enumerate(words):
        if at in special:
            writer.put(escape(char))
        else:
            writer.take(char)
    return writer.end() + blanks


def _shown_sign(sign: re.Match[str]) -> str:
    match sign[0]:
        case "\\":
            return "\\\\"
        case "\t":
            return TAB
        case char:
            return escape(char)


class _Words:
    """A line so far, the letter at its end with its marks, and whether words run to the left."""

    def __init__(self) -> None:
        self._line: list[str] = []
        self._letter = ""
        self._turned = False

    def take(self, char: str) -> None:
        """Adds a character as people can see it."""
        if char == "\\":
            self.put("\\\\")
        elif char == "\t":
            self.put(TAB)
        elif _PLAIN.match(char):
            self.put(char)
        elif is_unseen(char) or char in _MARKS or not unicodedata.is_normalized("NFC", char):
            self.put(escape(char))
        elif not _may_extend(char):
            self.put(char)
        elif self._carries(char):
            self._letter += char
            self._line.append(char)
        else:
            self.put(escape(char))

    def put(self, piece: str) -> None:
        """Adds what is visible already; right-to-left words are shut in by marks that say nothing.

        A blank between two such words belongs to them.
        """
        turned = unicodedata.bidirectional(piece[0]) in _RIGHT_TO_LEFT
        blank = self._turned and piece == " " and self._letter != " "
        if turned is not self._turned and not blank:
            self._line.append(LEFT_TO_RIGHT)
        self._turned = turned or blank
        self._letter = piece
        self._line.append(piece)

    def end(self) -> str:
        """The line."""
        return "".join(self._line) + (LEFT_TO_RIGHT if self._turned else "")

    def _carries(self, mark: str) -> bool:
        """Whether a mark on the letter before it does nothing but what it shows."""
        together = self._letter + mark
        return (
            together[0].isalpha()
            and len(together) <= 1 + MARKS_MAX
            and mark not in _OVERLAYS | _DROPPED
            and unicodedata.category(mark) != "Me"
            and unicodedata.is_normalized("NFC", together)
        )


def _is_variation_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _may_extend(char: str) -> bool:
    """Whether a character may lie on the one before it, or melt into it as Hangul vowels do."""
    return (
        unicodedata.category(char)[0] == "M"
        or "\u1161" <= char <= "\u11ff"
        or "\ud7b0" <= char <= "\ud7fb"
    )
