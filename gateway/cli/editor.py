"""The line a person types while answers arrive above it. Pure: characters in, acts out.

The terminal is in cbreak mode, so keys come one by one. Pasted text comes between two marks
(bracketed paste) and keeps its line ends; typed, Enter ends the line and Alt-Enter breaks it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from platforms.text import graphemes

PASTE_ON = "\x1b[?2004h"
PASTE_OFF = "\x1b[?2004l"

_PASTE_BEGIN = "\x1b[200~"
_PASTE_END = "\x1b[201~"
# A whole escape sequence: CSI, SS3, or Alt and one key. Source: ECMA-48 5.4; xterm's ctlseqs.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|O[@-~]|[^\[O])")
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*|O)?\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_KEYS = {
    "\x1b[D": "left",
    "\x1bOD": "left",
    "\x02": "left",
    "\x1b[C": "right",
    "\x1bOC": "right",
    "\x06": "right",
    "\x1b[H": "home",
    "\x1b[1~": "home",
    "\x1bOH": "home",
    "\x01": "home",
    "\x1b[F": "end",
    "\x1b[4~": "end",
    "\x1bOF": "end",
    "\x05": "end",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x1b[3~": "delete",
    "\x15": "kill to start",
    "\x0b": "kill to end",
    "\x17": "kill word",
    "\x1b[A": "older",
    "\x1bOA": "older",
    "\x10": "older",
    "\x1b[B": "newer",
    "\x1bOB": "newer",
    "\x0e": "newer",
    "\x1b\r": "break",
    "\x1b\n": "break",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A line is finished; may be empty."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Ctrl-D on an empty line."""


class Editor:
    """One line being typed, and the ones typed before."""

    def __init__(self) -> None:
        self._before: list[str] = []  # graphemes left of the cursor
        self._after: list[str] = []
        self._pending = ""  # the beginning of an escape sequence or of a paste
        self._pasting = False
        self._history: list[str] = []
        self._back = 0  # how many lines back in history; 0 is the line being typed
        self._draft = ""

    @property
    def before(self) -> str:
        """The text left of the cursor."""
        return "".join(self._before)

    @property
    def after(self) -> str:
        """The text under and right of the cursor."""
        return "".join(self._after)

    def feed(self, typed: str) -> Iterator[Entered | Left]:
        """Take characters as they come, in pieces of any size."""
        rest = self._pending + typed
        self._pending = ""
        while rest:
            if self._pasting:
                rest = self._paste(rest)
                continue
            if _UNFINISHED.match(rest) and rest[0] == "\x1b":
                self._pending = rest
                return
            sequence = _SEQUENCE.match(rest)
            key = sequence[0] if sequence else rest[0]
            rest = rest[len(key) :]
            yield from self._key(key)

    def clear(self) -> None:
        """Forget what is being typed."""
        self._set("")
        self._back = 0

    def _key(self, key: str) -> Iterator[Entered | Left]:
        if key == _PASTE_BEGIN:
            self._pasting = True
        elif key in {"\r", "\n"}:
            yield Entered(text=self._enter())
        elif key == "\x04":
            if not self._before and not self._after:
                yield Left()
            else:
                self._do("delete")
        elif key in _KEYS:
            self._do(_KEYS[key])
        elif key == "\t":
            self._insert(" ")
        elif not key.startswith("\x1b") and not _CONTROL.match(key):
            self._insert(key)

    def _paste(self, rest: str) -> str:
        """Take pasted text up to its end mark; return what comes after it."""
        end = rest.find(_PASTE_END)
        if end < 0:
            # The end mark may be cut in two: keep its possible beginning for the next piece.
            cut = rest.rfind("\x1b", -len(_PASTE_END))
            kept = rest[cut:] if cut >= 0 and _PASTE_END.startswith(rest[cut:]) else ""
            if rest.endswith("\r"):
                kept = "\r"  # its line feed may come with the next piece
            self._pending = kept
            self._insert_pasted(rest[: len(rest) - len(kept)])
            return ""
        self._pasting = False
        self._insert_pasted(rest[:end])
        return rest[end + len(_PASTE_END) :]

    def _insert_pasted(self, text: str) -> None:
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
        self._insert("".join(c for c in text if c == "\n" or not _CONTROL.match(c)))

    def _insert(self, text: str) -> None:
        # A mark or joiner may belong to the grapheme that stands before it.
        tail = self._before.pop() if self._before else ""
        self._before.extend(graphemes(tail + text))

    def _enter(self) -> str:
        text = self.before + self.after
        if text.strip() and (not self._history or self._history[-1] != text):
            self._history.append(text)
        self.clear()
        return text

    def _do(self, what: str) -> None:  # noqa: PLR0912 - a table
        match what:
            case "left" if self._before:
                self._after.insert(0, self._before.pop())
            case "right" if self._after:
                self._before.append(self._after.pop(0))
            case "home":
                self._before, self._after = [], self._before + self._after
            case "end":
                self._before, self._after = self._before + self._after, []
            case "backspace" if self._before:
                self._before.pop()
            case "delete" if self._after:
                self._after.pop(0)
            case "kill to start":
                self._before = []
            case "kill to end":
                self._after = []
            case "kill word":
                while self._before and self._before[-1].isspace():
                    self._before.pop()
                while self._before and not self._before[-1].isspace():
                    self._before.pop()
            case "older" if self._back < len(self._history):
                self._recall(self._back + 1)
            case "newer" if self._back > 0:
                self._recall(self._back - 1)
            case "break":
                self._insert("\n")
            case _:
                pass

    def _recall(self, back: int) -> None:
        if self._back == 0:
            self._draft = self.before + self.after
        self._back = back
        self._set(self._history[-back] if back else self._draft)

    def _set(self, text: str) -> None:
        self._before, self._after = list(graphemes(text)), []
