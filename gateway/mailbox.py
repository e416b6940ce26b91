"""Pure: which waiting messages are one input, and how long its end is waited for.

Theory of operation. Every message is a row at once; only the opening of a turn waits. An input
is one message, or several of one person that belong together: an album, a burst of forwarded
messages, the parts of a long paste. What belongs together is told by the rows alone (their
order, their times, three facts in their content), so it is the same after a restart. Only the
newest input can be incomplete: whatever comes behind an input, a queued command too, ends it.

    kind of the last message      waits for more        joined as
    plain text, a command         not at all            -
    part of a long paste          1.5 s, <= 12 parts    lines
    album                         0.8 s, <= 3 s         captions, exact repeats once
    forwarded                     0.3 s, <= 1.5 s       paragraphs
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from platforms.events import PlatformName
from platforms.measure import utf16_len

if TYPE_CHECKING:
    from gateway.attached import Attached
    from gateway.store.records.inbox import Content, Waiting

PASTE_PARTS = 12
INPUT_CHARACTERS = 50_000
"""Code points of one input made of several messages."""


_A_MOMENT = 1_000
"""Microseconds that no timer keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How long the next message of an input is waited for, and all of them at most."""

    gap_s: float
    most_s: float


PASTE: Final = Window(gap_s=1.5, most_s=PASTE_PARTS * 1.5)
ALBUM: Final = Window(gap_s=0.8, most_s=3.0)
FORWARDED: Final = Window(gap_s=0.3, most_s=1.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasteLength:
    """From which length on a message may be a piece that a client cut from a longer paste."""

    units: int
    measure: Callable[[str], int]


PASTE_LENGTHS: Final[Mapping[PlatformName, PasteLength]] = {
    # A little under the limits of a message, 4,096 and 2,000: clients cut at a line or a space.
    "telegram": PasteLength(units=4_000, measure=utf16_len),
    "discord": PasteLength(units=1_900, measure=len),
}


def may_go_on(platform: PlatformName, text: str) -> bool:
    """Whether a text is so long that the rest of it may come as the next message."""
    length = PASTE_LENGTHS.get(platform)
    return length is not None and length.measure(text) >= length.units


def inputs(rows: Sequence["Waiting"]) -> list[tuple["Waiting", ...]]:
    """Put rows in platform order together to inputs; none is empty and none is lost."""
    found: list[list[Waiting]] = []
    for row in rows:
        if found and _belongs(row, found[-1]):
            found[-1].append(row)
        else:
            found.append([row])
    return [tuple(group) for group in found]


def joined(group: Sequence["Waiting"]) -> "Waiting":
    """An input as the one message it is: the id of its first row, the place of its last."""
    first, last = group[0], group[-1]
    if len(group) == 1:
        return first
    contents = [row.content for row in group]
    quoted = next((content for content in contents if content.quotes), first.content)
    content = replace(
        first.content,
        text=_text(contents),
        quote=quoted.quote,
        quote_author=quoted.quote_author,
        attachments=_attachments(contents),
    )
    return replace(first, message_id=last.message_id, content=content)


def next_batch(waiting: Sequence["Waiting"], *, one_by_one: bool) -> list["Waiting"]:
    """What the next turn takes: what stands alone, or every input before the next such thing."""
    if one_by_one or (waiting and waiting[0].content.alone):
        return list(waiting[:1])
    return list(takewhile(lambda row: not row.content.alone, waiting))


def complete_at(rows: Sequence["Waiting"]) -> int | None:
    """When the newest input is complete, in microseconds since 1970; None if it is by now.

    Of rows that came in the future (the clock was set back) nothing is waited for.
    """
    groups = inputs(rows)
    return _complete_at(groups[-1]) if groups else None


def wait_s(rows: Sequence["Waiting"], now: int) -> float:
    """Seconds until everything in `rows` is complete; 0.0 if nothing is waited for."""
    until = complete_at(rows)
    if until is None or until - now < _A_MOMENT:
        return 0.0
    left = (until - now) / 1_000_000
    window = _window(rows[-1].content)
    return left if window is not None and left <= window.gap_s else 0.0


def _complete_at(group: Sequence["Waiting"]) -> int | None:
    window = _window(group[-1].content)
    if window is None or _is_full(group):
        return None
    times = [row.received_at for row in group]
    return min(max(times) + _micros(window.gap_s), min(times) + _micros(window.most_s))


def _window(content: "Content") -> Window | None:
    """What may follow a message and still belong to it."""
    if content.kind != "message":
        return None
    if content.album:
        return ALBUM
    if content.forwarded:
        return FORWARDED
    return PASTE if content.long else None


def _belongs(row: "Waiting", group: Sequence["Waiting"]) -> bool:
    last, content = group[-1], row.content
    window = _window(last.content)
    if window is None or content.kind != "message" or not _same_place(row, last):
        return False
    times = [each.received_at for each in (*group, row)]
    if abs(row.received_at - last.received_at) > _micros(window.gap_s):
        return False
    if max(times) - min(times) > _micros(window.most_s):
        return False
    if sum(len(each.content.text) for each in (*group, row)) > INPUT_CHARACTERS:
        return False
    if window is ALBUM:
        return content.album == last.content.album
    if window is FORWARDED:
        return content.forwarded
    return not content.album and not content.forwarded and not _is_full(group)


def _same_place(one: "Waiting", other: "Waiting") -> bool:
    return (
        one.content.author == other.content.author
        and one.account == other.account
        and one.content.reply_to == other.content.reply_to
    )


def _is_full(group: Sequence["Waiting"]) -> bool:
    if sum(len(row.content.text) for row in group) >= INPUT_CHARACTERS:
        return True
    return group[-1].content.long and len(group) >= PASTE_PARTS


def _text(contents: Sequence["Content"]) -> str:
    texts = [content.text for content in contents if content.text]
    if contents[-1].album:
        return "\n".join(dict.fromkeys(texts))
    return ("\n\n" if contents[0].forwarded else "\n").join(texts)


def _attachments(contents: Sequence["Content"]) -> tuple["Attached", ...]:
    """The files of all, then those of what they quote, which each of an album quotes anew."""
    files = [each for content in contents for each in content.attachments]
    own = (each for each in files if not each.quoted)
    return (*own, *dict.fromkeys(each for each in files if each.quoted))


def _micros(seconds: float) -> int:
    return int(seconds * 1_000_000)
