"""Pure: on which line each key of a TOML document stands, which tomllib does not tell.

The text has passed tomllib, so this scanner checks nothing: it only needs to know where a key, a
string, a list and an inline table begin and end.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping

from gateway.config.faults import KeyPath

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]*")
# Longest delimiter first. A multi-line string may end in up to two quotes of its own.
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """Return the line, counted from 1, of every table, key and list item of valid TOML."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """Return the line of `path`, else of the nearest table around it, else None."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._last_index: dict[KeyPath, int] = {}  # per array of tables, its newest entry

    def document(self) -> None:
        table: KeyPath = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._assignment(table)

    def _header(self) -> KeyPath:
        start = self._at
        array = self._text.startswith("[[", start)
        self._at += 2 if array else 1
        table: KeyPath = ()
        keys = self._keys()
        for depth, key in enumerate(keys):
            table += (key,)
            self._note(table, start)
            if array and depth == len(keys) - 1:
                self._last_index[table] = self._last_index.get(table, -1) + 1
            if table in self._last_index:
                table += (self._last_index[table],)
                self._note(table, start)
        self._skip(_SPACE)
        self._at += 2 if array else 1
        return table

    def _assignment(self, table: KeyPath) -> None:
        start = self._at
        path = table
        for key in self._keys():
            path += (key,)
            self._note(path, start)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            start = self._at
            if self._text[start] in "\"'":
                quoted = self._text[start : self._skip(_STRING)]
                keys.append(str(tomllib.loads(f"key = {quoted}")["key"]))
            else:
                keys.append(self._text[start : self._skip(_BARE_KEY)])
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _value(self, path: KeyPath) -> None:
        match self._text[self._at]:
            case '"' | "'":
                self._skip(_STRING)
            case "[":
                self._items(path)
            case "{":
                self._at += 1
                while self._next_item() != "}":
                    self._assignment(path)
                self._at += 1
            case _:
                self._skip(_BARE_VALUE)

    def _items(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._next_item() != "]":
            self._note((*path, index), self._at)
            self._value((*path, index))
            index += 1
        self._at += 1

    def _next_item(self) -> str:
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)
        return self._text[self._at]

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self._at)
        # Valid TOML always matches; a step of one keeps a surprise from becoming a loop.
        self._at = match.end() if match else self._at + 1
        return self._at

    def _note(self, path: KeyPath, offset: int) -> None:
        self.lines.setdefault(path, bisect_right(self._breaks, offset) + 1)
