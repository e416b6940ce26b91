"""A terminal for tests: as much of one as the command line's drawing uses."""

import re

from platforms.text import display_width, graphemes

_STEP = re.compile(r"\x1b\[(\d*)([ABCJm])|\x1b\[[0-9;]*m|\x1b\[\?2004[hl]|\r|\n|[^\x1b\r\n]+")


class TerminalScreen:
    """Rows of text with what scrolled off above; fails on any code it does not know."""

    def __init__(self, *, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.rows: list[str] = [""]
        self.row = 0
        self.column = 0

    @property
    def top(self) -> int:
        """The first row that has not scrolled off."""
        return max(0, len(self.rows) - self.height)

    def write(self, text: str) -> None:
        """Obey characters."""
        at = 0
        while at < len(text):
            step = _STEP.match(text, at)
            assert step is not None, repr(text[at : at + 20])
            at = step.end()
            self._obey(step[0], step[1], step[2])

    def visible(self) -> list[str]:
        """What stands on all rows, from the first one ever written."""
        return [row.rstrip() for row in self.rows]

    def _obey(self, token: str, number: str | None, code: str | None) -> None:
        count = int(number or 1)
        match code:
            case "A":
                self.row = max(self.top, self.row - count)
            case "B":
                self.row = min(len(self.rows) - 1, self.row + count)
            case "C":
                self.column = min(self.width - 1, self.column + count)
            case "J":
                self.rows[self.row] = self.rows[self.row][: self.column]
                # Rows below stay rows, but empty.
                self.rows[self.row + 1 :] = [""] * (len(self.rows) - self.row - 1)
            case _ if token == "\r":
                self.column = 0
            case _ if token == "\n":
                self._down()
            case _ if token[0] != "\x1b":
                self._type(token)

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")

    def _type(self, text: str) -> None:
        for grapheme in graphemes(text):
            width = display_width(grapheme)
            if self.column + width > self.width:
                self.column = 0
                self._down()
            row = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = row[: self.column] + grapheme + row[self.column + width :]
            self.column += width
