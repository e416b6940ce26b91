"""Pure: a fold of a chat's past as a value, and the transcript that is left by it.

A fold is a decision that is stored: from then on every later call sees the same beginning, byte
for byte, until the next fold.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, assert_never

from agent.history import part_size
from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Note,
    Part,
    PartialReply,
    ProviderPart,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)

OUTPUT_MAX: Final = 2 * 1024
"""Bytes of an old output that are kept whole."""


class FoldKind(Enum):
    """How far a fold goes."""

    PRUNE = "prune"  # long old outputs and old media to a line; no model is asked
    SUMMARY = "summary"  # older messages to a summary by a model
    DIGEST = "digest"  # older messages to a summary without one


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """What stands in place of older messages of a session.

    Positions are those in the visible transcript that was folded, from 0; `last` is its newest.
    A summary or digest `text` stands for `first` to `through`, both inside. A prune makes old
    outputs and media before `first` short; its `through` is `last`. Any part above `part_bytes`
    is cut in either, unless that is 0. `kept` are left as they are; where they lie in what is
    summed up, they follow the summary. `gain` is the share of tokens it saves, as counted then.
    """

    kind: FoldKind
    first: int = 0
    through: int
    last: int = -1
    kept: tuple[int, ...] = ()
    part_bytes: int = 0
    text: str = ""
    gain: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A message of the visible transcript, and the positions it stands for, both inside."""

    first: int
    through: int
    message: Message


def apply_fold(messages: tuple[Message, ...], fold: Fold) -> tuple[Message, ...]:
    """The visible transcript after a fold of it; the same again changes nothing."""
    placed = tuple(Placed(first=i, through=i, message=m) for i, m in enumerate(messages))
    if fold.kind is not FoldKind.PRUNE and fold.first < len(messages):
        there = messages[fold.first]  # no two folds in a row have the same text
        if isinstance(there, Summary) and there == _stands(fold):
            return messages
    return tuple(each.message for each in apply_placed(placed, fold))


def apply_placed(placed: tuple[Placed, ...], fold: Fold) -> tuple[Placed, ...]:
    """The same for messages that know their positions; what is folded need not be among them."""
    seen = tuple(each for each in placed if each.first <= fold.last)
    newer = tuple(each for each in placed if each.first > fold.last)
    if fold.kind is FoldKind.PRUNE:
        return (*_shortened(seen, fold), *newer)
    before = tuple(each for each in seen if each.first < fold.first)
    inside = [each for each in seen if fold.first <= each.first <= fold.through]
    after = tuple(each for each in seen if each.first > fold.through)
    summary = Placed(first=fold.first, through=fold.through, message=_stands(fold))
    kept = tuple(each for each in inside if _is_kept(each, fold))
    cut = tuple(_with_parts_cut(each, fold) for each in (*kept, *after))
    return (
        *(_with_parts_cut(each, fold) for each in before),
        summary,
        *(replace(each, message=_without_own(each.message)) for each in cut),
        *newer,
    )


def _stands(fold: Fold) -> Summary:
    return Summary(text=fold.text, by_model=fold.kind is FoldKind.SUMMARY)


def _is_kept(each: Placed, fold: Fold) -> bool:
    return each.first == each.through and each.first in fold.kept


def _shortened(seen: tuple[Placed, ...], fold: Fold) -> Iterable[Placed]:
    """What a prune leaves; from the first change on no provider's own part holds any more."""
    changed = False
    for each in seen:
        short = each
        if each.first < fold.first and not _is_kept(each, fold):
            short = replace(each, message=_made_old(each.message))
        short = _with_parts_cut(short, fold)
        changed = changed or short.message != each.message
        yield replace(short, message=_without_own(short.message)) if changed else short


def _without_own(message: Message) -> Message:
    """A reply without the parts that only its provider reads: they vouch for what was before."""
    if not isinstance(message, AssistantMessage):
        return message
    parts = tuple(part for part in message.parts if not isinstance(part, ProviderPart))
    return message if len(parts) == len(message.parts) else replace(message, parts=parts)


def _made_old(message: Message) -> Message:
    """A message that is a while ago: its output short, its media a line."""
    match message:
        case ToolResult(text=text, media=media, call_id=call_id):
            words, reference = text + left_out(media), f"; the whole is kept as {call_id}"
            return replace(message, text=_cut_middle(words, OUTPUT_MAX, reference), media=())
        case UserMessage(text=text, media=media) if media:
            return replace(message, text=text + left_out(media), media=())
        case _:
            return message


def left_out(media: tuple[Media, ...]) -> str:
    return "".join(
        f"\n[left out: {each.name or 'a file'}, {each.mime}, {each.size:,} bytes]" for each in media
    )


def _with_parts_cut(each: Placed, fold: Fold) -> Placed:
    if not fold.part_bytes or _is_kept(each, fold):
        return each
    return replace(each, message=_cut_parts(each.message, fold.part_bytes))


def _cut_parts(message: Message, most: int) -> Message:
    match message:
        case AssistantMessage(parts=parts):
            cut = tuple(_cut_part(part, most) for part in parts)
            if cut == parts:
                return message
            return replace(message, parts=tuple(part for part in cut if part is not None))
        case Summary():
            return message
        case UserMessage() | Note() | PartialReply() | ToolResult():
            text = _cut_middle(message.text, most)
            return message if text == message.text else replace(message, text=text)
        case _:
            assert_never(message)


def _cut_part(part: Part, most: int) -> Part | None:
    match part:
        case Text(text=text):
            return replace(part, text=_cut_middle(text, most))
        case ToolCall(arguments=arguments):
            size = len(arguments.encode())
            if size <= most:
                return part
            return replace(part, arguments=f'{{"left_out":"{size:,} bytes of arguments"}}')
        case ProviderPart():
            return part if part_size(part) <= most else None
        case _:
            assert_never(part)


def _cut_middle(text: str, most: int, reference: str = "") -> str:
    """A text of at most so many bytes: its head, its tail, and what is between them in figures."""
    data = text.encode()
    if len(data) <= most:
        return text
    mark = f"\n[... {len(data):,} bytes in all, the middle left out{reference} ...]\n"
    half = max(0, most - len(mark.encode())) // 2
    head = data[:half].decode(errors="ignore")
    tail = data[len(data) - half :].decode(errors="ignore") if half else ""
    return f"{head}{mark}{tail}"
