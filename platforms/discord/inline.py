"""Pure: the content of a line as Discord Markdown that shows exactly these characters.

Discord's parser is a list of patterns tried at each place, not CommonMark: emphasis ends at the
first mark that fits, even one inside a link or in code. So a line is flattened into pieces that
each carry their styles; pieces whose own signs would end a style early do without it, and a style
never crosses a line. Zero-width spaces stand where two marks would run together and where signs
would become a mention. Source: "Message Formatting" and the rules of Discord's open parsers
(simple-markdown and SimpleAST).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from typing import assert_never
from urllib.parse import quote

from platforms.blocks import (
    Break,
    CodeSpan,
    Emph,
    Link,
    Spans,
    Strike,
    Strong,
    Text,
    spans_text,
)
from platforms.links import link_target

ZERO_WIDTH = "\u200b"

_URL = re.compile(r"https?://[^\s<>`\[\]]*[^\s<>`\[.,:;\"'!?)\]}*_~|\\]")
_MENTION = r"<(?=[@#:/]|(?:a|t|id|sound):)|@(?=everyone|here)"
_SIGN = "|".join(
    (
        r"[*_`<]",
        r"(?<=\])\(",  # the middle of a link
        r":(?=[\w+~-]+(?::|$))(?!(?<=\d:)\d\d(?!\w))",  # an emoji's name, unless it is 10:30:45
        r"\\(?=[^0-9A-Za-z\s]|$)",
        r"~(?=~|$)|(?<=~)~|^~",
        r"\|(?=\||$)|(?<=\|)\||^\|",
    )
)
_ESCAPED = re.compile(f"(?P<mention>{_MENTION})|(?P<sign>{_SIGN})")
_LINE_START = re.compile(r"^( *)(#{1,3}(?=\s|$)|-(?=[\s#]|$)|>)", re.MULTILINE)
_LINE_NUMBER = re.compile(r"^( *\d+)(?=\.(?:\s|$))", re.MULTILINE)
_LINK_END = re.compile(r"(?:^|(?<=\]))[^\[\]]*\](?=\()")
_EVERYBODY = re.compile(r"@(?=everyone|here)")
_BACKTICKS = re.compile("`+")
_TOGETHER = {"`": "`", "(": "]"}
"""What a sign must not follow directly."""

_SIGNS_OF_STYLES = re.compile(r"[*_~\\]")
_WORD = re.compile(r"\w", re.ASCII)
_KEPT_IN_URL = "/:?#@!$&'+,;=%-._"


class Style(Enum):
    """A style by its mark; italics have two, see `_Line`."""

    STRIKE = "~~"
    STRONG = "**"
    EMPH = "_"


Styles = frozenset[Style]
NO_STYLES: Styles = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Wire text that is shown in these styles; `blank`: white space and nothing else."""

    wire: str
    styles: Styles
    blank: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """Literal text in these styles, nothing in it escaped yet."""

    text: str
    styles: Styles


def format_spans(spans: Spans, styles: Styles = NO_STYLES) -> str:
    """The lines of a paragraph, nothing in them read as the beginning of a list or quote."""
    pieces = _pieces(spans, styles)
    lines = "\n".join(_Line(line).wire() for line in _split_lines(pieces))
    return _LINE_NUMBER.sub(r"\1\\", _LINE_START.sub(r"\1\\\2", lines))


def _split_lines(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    line: list[_Piece] = []
    for piece in pieces:
        if piece.wire == "\n":
            yield line
            line = []
        else:
            line.append(piece)
    yield line


# -- spans to pieces


def _flat(spans: Spans, styles: Styles) -> Iterator[_Piece | _Words]:
    """What a line consists of, each with the styles around it."""
    for span in spans:
        match span:
            case Text(text=text):
                yield _Words(text=text, styles=styles)
            case CodeSpan(text=text):
                yield _code_piece(text, styles)
            case Strong(spans=inner):
                yield from _flat(inner, styles | {Style.STRONG})
            case Emph(spans=inner):
                yield from _flat(inner, styles | {Style.EMPH})
            case Strike(spans=inner):
                yield from _flat(inner, styles | {Style.STRIKE})
            case Link():
                yield from _link(span, styles)
            case Break():
                yield _Piece(wire="\n", styles=NO_STYLES, blank=True)
            case _:
                assert_never(span)


def _pieces(spans: Spans, styles: Styles) -> Iterator[_Piece]:
    return _escaped(_with_possible_italics(list(_flat(spans, styles))))


def _with_possible_italics(found: Sequence[_Piece | _Words]) -> Iterator[_Piece | _Words]:
    """No italics on what `_` can't end because a word goes on behind, and `*` can't carry."""
    at = 0
    for italic, group in groupby(found, key=lambda one: Style.EMPH in one.styles):
        run = list(group)
        at += len(run)
        behind = _raw(found[at])[:1] if at < len(found) else ""
        ends_in_word = _raw(run[-1])[-1:].strip() != ""
        plain = all(one.styles == {Style.EMPH} and "*" not in _raw(one) for one in run)
        if italic and ends_in_word and _WORD.match(behind) and not plain:
            run = [replace(one, styles=one.styles - {Style.EMPH}) for one in run]
        yield from run


def _raw(one: _Piece | _Words) -> str:
    return one.text if isinstance(one, _Words) else one.wire


def _escaped(found: Iterable[_Piece | _Words]) -> Iterator[_Piece]:
    """Words beside each other are one before they are escaped, so that no sign is torn apart."""
    held: _Words | None = None
    for one in found:
        if isinstance(one, _Words) and held is not None and one.styles == held.styles:
            held = replace(held, text=held.text + one.text)
            continue
        if held is not None:
            yield from _text_pieces(held.text, held.styles)
        held = one if isinstance(one, _Words) else None
        if isinstance(one, _Piece):
            yield one
    if held is not None:
        yield from _text_pieces(held.text, held.styles)


def _text_pieces(text: str, styles: Styles) -> Iterator[_Piece]:
    at = 0
    for url in _URL.finditer(text):
        yield from _worded(text[at : url.start()], styles)
        yield _Piece(wire=f"<{_without_names(url[0])}>", styles=NO_STYLES)
        at = url.end()
    yield from _worded(text[at:], styles)


def _worded(text: str, styles: Styles) -> Iterator[_Piece]:
    """Literal words; white space at their ends is apart, since marks must touch a word."""
    core = text.strip()
    if not core:
        if text:
            yield _Piece(wire=text, styles=styles, blank=True)
        return
    before, _, after = text.partition(core)
    if before:
        yield _Piece(wire=before, styles=styles, blank=True)
    yield _Piece(wire=_escape(core), styles=styles)
    if after:
        yield _Piece(wire=after, styles=styles, blank=True)


def _escape(text: str) -> str:
    return _ESCAPED.sub(_escape_sign, text)


def _escape_sign(found: re.Match[str]) -> str:
    if found["mention"] is None:
        return "\\" + found[0]
    escape = "\\" if found[0] == "<" else ""
    return escape + found[0] + ZERO_WIDTH


def _code_piece(text: str, styles: Styles) -> _Piece:
    """Code between one or two backticks, whichever does not stand in it as a run of its own."""
    text = without_link_ends(text)
    runs = {len(run) for run in _BACKTICKS.findall(text)}
    if runs - {1, 2} or runs == {1, 2}:
        text, runs = apart_backticks(text), {1}
    mark = "``" if 1 in runs else "`"
    if not text.strip():
        text = text or ZERO_WIDTH
    elif text.startswith("`") or text.endswith("`"):
        text = f" {text} "
    kept = NO_STYLES if _SIGNS_OF_STYLES.search(text) else styles
    return _Piece(wire=mark + text + mark, styles=kept)


def without_link_ends(code: str) -> str:
    """Code in which no `](` is left that a bracket outside of it could make a link of."""
    return _LINK_END.sub(rf"\g<0>{ZERO_WIDTH}", code)


def apart_backticks(text: str) -> str:
    """Runs of backticks with zero-width spaces between, so that none ends the code it is in."""
    return _BACKTICKS.sub(lambda run: ZERO_WIDTH.join(run[0]), text)


def _link(link: Link, styles: Styles) -> Iterator[_Piece | _Words]:
    """A masked link where Discord makes one, else the label and its target beside it."""
    label = spans_text(link.spans)
    target = link.url
    if not target.startswith(("http://", "https://")):
        shown = link_target(target)
        yield from _flat(link.spans, styles)
        if shown and shown not in label:
            yield _Words(text=f" ({shown})", styles=NO_STYLES)
        return
    bare = _Piece(wire=f"<{_quoted(target)}>", styles=NO_STYLES)
    if label == target or not label.strip():
        yield bare
    elif re.search(r"[\[\]\n]|://", label):
        yield from _flat(link.spans, styles)
        yield _Words(text=" (", styles=NO_STYLES)
        yield bare
        yield _Words(text=")", styles=NO_STYLES)
    else:
        inside = _Line(list(_pieces(link.spans, styles))).wire()
        yield _Piece(wire=f"[{inside}]({_quoted(target)})", styles=NO_STYLES)


def _quoted(url: str) -> str:
    """The target with every sign escaped that could end it or begin a mark."""
    return "".join(
        char if not char.isascii() or char.isalnum() or char in _KEPT_IN_URL else quote(char)
        for char in _without_names(url)
    )


def _without_names(url: str) -> str:
    """The same address with no `@everyone` in it."""
    return _EVERYBODY.sub("%40", url)


# -- pieces to wire


class _Line:
    """One line being written: the text so far and the marks that are open in it.

    Italics are written `_` where no word goes on behind them, else `*`; where neither can work
    they are left out, as the words matter more.
    """

    def __init__(self, pieces: Sequence[_Piece]) -> None:
        self._pieces = _with_blanks_outside(pieces)
        self._out: list[str] = []
        self._open: list[tuple[Style, str]] = []

    def wire(self) -> str:
        for at, piece in enumerate(self._pieces):
            self._close_all_but(piece.styles)
            self._open_missing(at)
            self._keep_apart(_TOGETHER.get(piece.wire[:1], ""))
            self._out.append(piece.wire)
        self._close_all_but(NO_STYLES)
        return "".join(self._out)

    def _close_all_but(self, styles: Styles) -> None:
        """Close what is not wanted any more, and what was opened inside it."""
        keep = 0
        while keep < len(self._open) and self._open[keep][0] in styles:
            keep += 1
        for _, mark in reversed(self._open[keep:]):
            self._mark(mark)
        del self._open[keep:]

    def _open_missing(self, at: int) -> None:
        """Open what is not open yet, what lasts longest first."""
        wanted = self._pieces[at].styles - {style for style, _ in self._open}
        for style in sorted(wanted, key=lambda style: (-self._end_of(style, at), style.value)):
            mark = self._italics(at) if style is Style.EMPH else style.value
            self._mark(mark)
            self._open.append((style, mark))

    def _end_of(self, style: Style, at: int) -> int:
        """The first piece from `at` on that is not in this style."""
        while at < len(self._pieces) and style in self._pieces[at].styles:
            at += 1
        return at

    def _italics(self, at: int) -> str:
        end = self._end_of(Style.EMPH, at)
        behind = self._pieces[end].wire if end < len(self._pieces) else ""
        return "*" if _WORD.match(behind) else "_"

    def _mark(self, mark: str) -> None:
        self._keep_apart(mark[0] if mark != "_" else "_~")
        self._out.append(mark)

    def _keep_apart(self, signs: str) -> None:
        """Put something between the next sign and the last one, if it is one of these."""
        last = self._out[-1][-1:] if self._out else ""
        if last and last in signs:
            self._out.append(ZERO_WIDTH)


def _with_blanks_outside(pieces: Sequence[_Piece]) -> list[_Piece]:
    """White space in the styles that both its neighbours have: no mark stands beside a blank."""
    solid = [at for at, piece in enumerate(pieces) if not piece.blank]
    found: list[_Piece] = []
    seen = 0
    for piece in pieces:
        if not piece.blank:
            seen += 1
            found.append(piece)
            continue
        before = pieces[solid[seen - 1]].styles if seen else NO_STYLES
        after = pieces[solid[seen]].styles if seen < len(solid) else NO_STYLES
        found.append(replace(piece, styles=before & after & piece.styles))
    return found
