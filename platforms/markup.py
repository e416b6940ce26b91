"""Model Markdown to Blocks, whole or while it streams in. Pure.

Theory of the stream. The block grammar works line by line, and looks at most one line ahead (the
delimiter row of a table). So a block is settled once another one has begun below it, and only the
text from the last block's first line on is read again: the *tail*. Lists, tables and fences are
settled in part, items, rows and lines staying in the *carry*. A table or fence re-reads its *head*
(header and delimiter row, opening fence) before every tail. Settling happens at places that depend
on the source alone, never on how it was cut into deltas: reading whole and reading in pieces are
the same computation. A block that is none of the three is cut in two at a line once it is longer
than UNIT_MAX, so that one endless quote does not cost more with every word. What a prefix holds
back on top of that is in `prefix.py`.
"""

from collections.abc import Sequence
from dataclasses import replace

from platforms.blocks import Block, Blocks, Code, List, Table, clean_text
from platforms.commonmark import (
    LEAF_MAX,
    Group,
    Reader,
    SpanCache,
    fence_closed,
    groups_of,
    is_blank,
    language_of,
    last_leaf,
    without_newline,
)
from platforms.measure import without_last_grapheme
from platforms.prefix import close_inline, line_waits

UNIT_MAX = 40_000
SETTLE_EVERY = 512


def parse(markdown: str) -> Blocks:
    """The tree of finished Markdown; total, any text gives one."""
    stream = StreamParser()
    stream.feed(markdown)
    return stream.finish()


def parse_prefix(markdown: str) -> Blocks:
    """The tree of Markdown that may go on: a prefix of `parse` of the whole, but the last block."""
    stream = StreamParser()
    stream.feed(markdown)
    return stream.blocks()


class StreamParser:
    """Markdown as it streams in; what is settled is not read again.

    `feed` any number of deltas; `blocks` at any time for what may be shown by then; `finish` once
    no more comes: equal to `parse` of all that was fed, however it was cut. `settle_every`: the
    characters after which settling is tried; only tests change it.
    """

    def __init__(self, *, settle_every: int = SETTLE_EVERY) -> None:
        self._settle_every = settle_every
        self._held = ""  # half a character: the first of two surrogates, or of a CR LF
        self._done: list[Block] = []
        self._carry: Block | None = None
        self._head = ""
        self._tail = ""
        self._due = settle_every  # position in the tail after which a newline settles
        self._spans = SpanCache()

    def feed(self, delta: str) -> None:
        """Take the next piece of text."""
        text = self._held + delta
        self._held = text[-1:] if text and _may_be_half(text[-1]) else ""
        searched = len(self._tail)
        self._tail += clean_text(text[: len(text) - len(self._held)])
        while (newline := self._tail.find("\n", max(self._due, searched))) >= 0:
            rest = self._tail[newline + 1 :]
            open_text = self._settle(self._tail[: newline + 1])
            self._tail = open_text + rest
            searched = len(open_text)
            self._due = searched + max(self._settle_every, searched // 4)

    def blocks(self) -> Blocks:
        """What may be shown now; all but its last block stands in every later view."""
        self._spans.turn()
        return (*self._done, *self._read(_visible_groups(self._head, self._tail)))

    def finish(self) -> Blocks:
        """The whole tree, nothing held back."""
        self._tail += clean_text(self._held)
        self._held = ""
        return (*self._done, *self._read(groups_of(self._head + self._tail)))

    def _settle(self, text: str) -> str:
        """Settle what complete lines allow; returns the text that has to be read again."""
        self._spans.turn()
        source = self._head + text
        groups = groups_of(source)
        if not groups:
            return ""
        *closed, last = groups
        if closed:
            self._done.extend(self._read(closed))
            self._carry, self._head = None, ""
        source = _from_line(source, last.start)
        if (kept := self._settle_part(last, source)) is not None:
            return kept
        if len(source) <= UNIT_MAX:
            return source[len(self._head) :]
        self._done.extend(self._read([last]))
        self._carry, self._head = None, ""
        return ""

    def _settle_part(self, group: Group, source: str) -> str | None:
        """Carry what is final of the last block, its lines in `source`; None if it is no such."""
        opening = group.tokens[0]
        match opening.type:
            case "fence" if not fence_closed(group, source):
                language = language_of(opening.info)
                before = self._carry.text if isinstance(self._carry, Code) else ""
                self._carry = Code(language=language, text=before + opening.content)
                self._head = _to_line(source, 1)
                return ""
            case "table_open" if group.end - group.start == source.count("\n"):
                blocks = self._read([group])
                if not blocks:
                    return None
                self._carry = blocks[0]
                self._head = _to_line(source, 2)
                return ""
            case "bullet_list_open" | "ordered_list_open":
                return self._settle_items(group, source)
            case _:
                return None

    def _settle_items(self, group: Group, source: str) -> str | None:
        starts = [
            token.map[0] - group.start
            for token in group.tokens
            if token.type == "list_item_open" and token.level == 1 and token.map
        ]
        rows = source.split("\n")
        # An item with a bar would be read as the header of a table, were it the first line.
        last = next((i for i in range(len(starts) - 1, 0, -1) if "|" not in rows[starts[i]]), 0)
        kept = _from_line(source, starts[last])
        whole = self._read([group])[-1]
        if last == 0 or len(kept) > UNIT_MAX or not isinstance(whole, List):
            return None
        self._carry = replace(whole, items=whole.items[: len(whole.items) - len(starts) + last])
        return kept

    def _read(self, groups: Sequence[Group]) -> list[Block]:
        """The blocks of these groups, the first one joined to the carry."""
        found: list[Block] = []
        carry = self._carry
        for group in groups:
            blocks = Reader(group, self._spans).blocks()
            found.extend(blocks if carry is None else _joined(carry, group, blocks))
            carry = None
        if carry is not None:
            found.append(carry)
        return [block for block in found if not is_blank(block)]


def _may_be_half(char: str) -> bool:
    return char == "\r" or "\ud800" <= char <= "\udbff"


def _joined(carry: Block, group: Group, blocks: Sequence[Block]) -> Sequence[Block]:
    """The carried part of a block and what its tail was read as."""
    match carry, blocks:
        case Code(), _:
            return (replace(carry, text=without_newline(carry.text + group.tokens[0].content)),)
        case List(ordered=ordered, items=items), [List() as more] if more.ordered == ordered:
            return (replace(carry, items=items + more.items),)
        case Table(rows=rows), [Table() as more]:
            return (replace(carry, rows=rows + more.rows),)
        case _:
            return (carry, *blocks)


def _visible_groups(head: str, tail: str) -> list[Group]:
    """The top-level blocks of an unfinished tail, without what is still undecided in it."""
    complete, newline, last = tail.rpartition("\n")
    last = without_last_grapheme(last)
    decided = head + complete + newline
    shown = decided if line_waits(last) else decided + last
    groups = groups_of(shown)
    place = last_leaf(groups, shown)
    if place is not None and place.kind == "cell" and shown != decided:
        groups, shown = groups_of(decided), decided
        place = last_leaf(groups, shown)
    if place is not None and place.kind == "paragraph" and _may_be_header(place.token.content):
        shown = shown[: shown.rstrip("\n").rfind("\n") + 1]
        groups = groups_of(shown)
        place = last_leaf(groups, shown)
    if place is not None and place.kind != "cell" and len(place.token.content) <= LEAF_MAX:
        place.token.content = close_inline(place.token.content)
    return groups


def _may_be_header(content: str) -> bool:
    return "|" in content.rpartition("\n")[2]


def _from_line(source: str, line: int) -> str:
    return source[len(_to_line(source, line)) :]


def _to_line(source: str, line: int) -> str:
    """The first `line` lines of the source."""
    end = 0
    for _ in range(line):
        end = source.find("\n", end) + 1
    return source[:end]
