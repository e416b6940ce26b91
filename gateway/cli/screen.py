"""What is drawn below the scrolled-off past: messages that may still change, and the typed line.

Pure: `draw` returns the characters to write. Theory of operation. The screen's lower part is ours
and drawn anew from the first line that differs; what grows beyond the screen's height scrolls off
at the top and can't be changed any more. Of a message that changes later all the same, the lines
from the first difference on are shown once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from platforms.terminal.format import visible_width


@dataclass(slots=True)
class _Item:
    lines: tuple[str, ...] = ()
    gone: list[str] = field(default_factory=list)  # lines that scrolled off, as they were

    def showing(self) -> list[str]:
        return list(self.lines[_common(self.gone, self.lines) :])

    def scroll(self) -> None:
        """The first showing line leaves."""
        kept = _common(self.gone, self.lines)
        self.gone = list(self.lines[: kept + 1])


class Screen:
    """One terminal's lower part; `width` and `height` count its columns and rows."""

    def __init__(self, *, width: int, height: int) -> None:
        self._width = width
        self._height = height
        self._items: dict[str, _Item] = {}
        self._drawn: list[str] = []  # the lines that stand, the bottom ones included
        self._bottom = 0  # how many of them are the bottom ones
        self._cursor_row = 0  # from the first drawn row

    def put(self, name: str, lines: Sequence[str]) -> None:
        """A new item at the end, or the new lines of one."""
        self._items.setdefault(name, _Item()).lines = tuple(lines)

    def remove(self, name: str) -> None:
        """Take an item away, as far as it has not scrolled off."""
        self._items.pop(name, None)

    def draw(self, bottom: Sequence[str], column: int) -> str:
        """Characters that bring the terminal up to date; the cursor ends in the last bottom line.

        Every bottom line fits into one row; `column` is the cursor's, from 0.
        """
        scrolled = self._scroll_off(len(bottom))
        lines = [line for item in self._items.values() for line in item.showing()]
        lines += bottom
        target = [*scrolled, *lines]
        # The last line is drawn anew in any case: one line below it there may be no row yet.
        same = max(0, min(_common(self._drawn, target), len(self._drawn) - 1, len(target) - 1))
        out = self._to_row(self._rows(self._drawn[:same]))
        out += "\r\x1b[J" + "\r\n".join(target[same:]) + f"\r{_right(column)}"
        self._drawn, self._bottom = lines, len(bottom)
        self._cursor_row = self._rows(lines[:-1])
        self._forget()
        return out

    def leave(self) -> str:
        """Characters that take the bottom lines away and let everything above them stand."""
        standing = self._drawn[: len(self._drawn) - self._bottom]
        out = self._to_row(self._rows(standing)) + "\r\x1b[J"
        self._restart()
        return out

    def resized(self, *, width: int, height: int) -> str:
        """The terminal has another size and has wrapped what stood: begin anew below it.

        Items are forgotten; put again what may still change.
        """
        out = f"\r{_down(self._height)}\r\n"
        self._width, self._height = width, height
        self._restart()
        return out

    def _restart(self) -> None:
        self._items.clear()
        self._drawn, self._bottom = [], 0
        self._cursor_row = 0

    def _scroll_off(self, bottom_rows: int) -> list[str]:
        """Let lines go from the top until the rest fits; returns them."""
        scrolled: list[str] = []
        room = self._height - bottom_rows - 1
        rows = {name: self._rows(item.showing()) for name, item in self._items.items()}
        over = sum(rows.values()) - room
        for item in self._items.values():
            while over > 0 and (showing := item.showing()):
                scrolled.append(showing[0])
                over -= self._rows(showing[:1])
                item.scroll()
        return scrolled

    def _forget(self) -> None:
        """Items that have scrolled off long ago will hardly change any more."""
        for name in list(self._items)[:-50]:
            if not self._items[name].showing():
                del self._items[name]

    def _to_row(self, row: int) -> str:
        up = self._cursor_row - row
        return f"\x1b[{up}A" if up > 0 else _down(-up)

    def _rows(self, lines: Sequence[str]) -> int:
        return sum(max(1, -(-visible_width(line) // self._width)) for line in lines)


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """How many lines two sequences begin with in common."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def _down(rows: int) -> str:
    return f"\x1b[{rows}B" if rows > 0 else ""


def _right(columns: int) -> str:
    return f"\x1b[{columns}C" if columns > 0 else ""
