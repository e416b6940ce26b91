"""What a Discord client shows of a message: its patterns, tried in order at every place.

Follows Discord's open-source parsing (simple-markdown, SimpleAST): no block grammar, emphasis by
regular expression, fences of three backticks only.
"""

import re
from dataclasses import dataclass, field

_CODE_BLOCK = re.compile(r"```(?:([a-z0-9_+\-.#]+?)\n)?\n*([^\n][\s\S]*?)\n*```", re.I)
_QUOTE = re.compile(r" *> [^\n]*(?:\n *> [^\n]*)*\n?|>>> ?[\s\S]*")
_HEADING = re.compile(r" *(#{1,3})\s+((?:\\.|[^\n])+?)#*\s*(?:\n|$)")
_SUBTEXT = re.compile(r"-# +(?!-#)")
_BULLET = re.compile(r"( *)([*-]|\d+\.) +(?=\S)")
_ESCAPE = re.compile(r"\\([^0-9A-Za-z\s])")
_AUTOLINK = re.compile(r"<([^: >]+:/[^ >]+)>")
_URL = re.compile(r"(?:https?|steam)://[^\s<]+[^<.,:;\"'\]\s]")
_LINK = re.compile(
    r"\[((?:\[[^\]]*\]|[^\[\]]|\](?=[^\[]*\]))*)\]"
    r"\(\s*<?((?:\([^)]*\)|[^\s\\]|\\.)*?)>?(?:\s+['\"]([\s\S]*?)['\"])?\s*\)"
)
_STYLES = (
    ("strong", re.compile(r"\*\*((?:\\[\s\S]|[^\\])+?)\*\*(?!\*)"), 0.1),
    (
        "em",
        re.compile(
            r"_((?:__|\\[\s\S]|[^\\_])+?)_\b|_((?:__|\\[\s\S]|[^\\_])+?)_(?=\W|$)"
            r"|\*(?=\S)((?:\*\*|\s+(?:[^*\s]|\*\*)|[^\s*])+?)\*(?!\*)",
            re.ASCII,
        ),
        0.2,
    ),
    ("underline", re.compile(r"__((?:\\[\s\S]|[^\\])+?)__(?!_)"), 0.0),
)
_STRIKE = re.compile(r"~~([\s\S]+?)~~(?!_)")
_SPOILER = re.compile(r"\|\|([\s\S]+?)\|\|")
_INLINE_CODE = re.compile(r"(`+)([\s\S]*?[^`])\1(?!`)")
_MENTION = re.compile(
    r"<@!?\d+>|<@&\d+>|<#\d+>|<t:-?\d+(?::[tTdDfFRsS])?>|<a?:\w+:\d+>|</[^:\n]+?:\d+>"
    r"|<id:\w+>|<sound:\d+:\d+>|@everyone|@here"
)
_EMOJI = re.compile(
    r":(?!\d\d:)([+-]1|[A-Za-z0-9](?:[\w+-]*[A-Za-z0-9])?(?:::skin-tone-\d)?):", re.ASCII
)


@dataclass
class Shown:
    """The visible characters, and everything that is more than text."""

    text: str = ""
    mentions: list[str] = field(default_factory=list)
    emoji: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    styles: list[tuple[str, str]] = field(default_factory=list)


def show(content: str) -> Shown:
    """Reads a whole message."""
    shown = Shown()
    _read(content, shown, quoted=False)
    return shown


def _read(source: str, shown: Shown, *, quoted: bool, line_start: bool = True) -> None:
    at = 0
    while at < len(source):
        begins = line_start if at == 0 else source[at - 1] == "\n"
        taken = (_block(source, at, shown, quoted=quoted) if begins else 0) or _inline(
            source, at, shown, quoted=quoted
        )
        if not taken:
            shown.text += source[at]
            taken = 1
        at += taken


def _inner(source: str, shown: Shown, *, quoted: bool, line_start: bool = False) -> str:
    before = len(shown.text)
    _read(source, shown, quoted=quoted, line_start=line_start)
    return shown.text[before:]


def _block(source: str, at: int, shown: Shown, *, quoted: bool) -> int:
    if not quoted and (found := _QUOTE.match(source, at)):
        inner = re.sub(r"^ *> ?", "", found[0], flags=re.M)
        shown.styles.append(("quote", _inner(inner, shown, quoted=True, line_start=True)))
        return len(found[0])
    if found := _HEADING.match(source, at):
        shown.styles.append((f"h{len(found[1])}", _inner(found[2], shown, quoted=quoted)))
        shown.text += "\n"
        return len(found[0])
    if found := _SUBTEXT.match(source, at):
        shown.styles.append(("subtext", ""))
        return len(found[0])
    if found := _BULLET.match(source, at):
        shown.text += "- " if found[2] in "*-" else f"{found[2]} "
        shown.styles.append(("item", found[2]))
        return len(found[0])
    return 0


def _inline(source: str, at: int, shown: Shown, *, quoted: bool) -> int:
    if found := _CODE_BLOCK.match(source, at):
        shown.code.append(found[2])
        shown.text += found[2]
    elif found := _ESCAPE.match(source, at):
        shown.text += found[1]
    elif found := _AUTOLINK.match(source, at):
        shown.links.append((found[1], found[1]))
        shown.text += found[1]
    elif found := _URL.match(source, at):
        shown.links.append((found[0], found[0]))
        shown.text += found[0]
    elif found := _LINK.match(source, at):
        shown.links.append((_inner(found[1], shown, quoted=quoted), found[2]))
    elif found := _MENTION.match(source, at):
        shown.mentions.append(found[0])
    elif found := _EMOJI.match(source, at):
        shown.emoji.append(found[1])
    else:
        return _marked(source, at, shown, quoted=quoted)
    return len(found[0])


def _marked(source: str, at: int, shown: Shown, *, quoted: bool) -> int:
    best: tuple[float, str, re.Match[str]] | None = None
    for name, pattern, bonus in _STYLES:
        found = pattern.match(source, at)
        if found and (best is None or len(found[0]) + bonus > best[0]):
            best = (len(found[0]) + bonus, name, found)
    if best is not None:
        _, name, match = best
        content = next(group for group in match.groups() if group is not None)
        shown.styles.append((name, _inner(content, shown, quoted=quoted)))
        return len(match[0])
    for name, pattern in (("strike", _STRIKE), ("spoiler", _SPOILER)):
        if other := pattern.match(source, at):
            shown.styles.append((name, _inner(other[1], shown, quoted=quoted)))
            return len(other[0])
    if code := _INLINE_CODE.match(source, at):
        shown.code.append(code[2])
        shown.text += code[2]
        return len(code[0])
    return 0
