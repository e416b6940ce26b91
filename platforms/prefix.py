"""What of unfinished Markdown may be shown: the rules that make every prefix of a stream readable.

Pure, and about looks only. That a prefix is *valid* needs no rule: the tree has no unclosed form.
These functions decide what is held back until more text decides what it is, and close what is
open, so that a reader does not see markup come and go.
"""

import re
import unicodedata

_MARKERS = r"(?:[ \t]|>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))*"
_CONTAINERS = re.compile(_MARKERS)
# Rule, heading, setext underline, delimiter row, list marker, closing fence: all begin like this.
_ONLY_MARKS = re.compile(r"[-=#|`*_+~:>\s]*(?:\d{1,9}[.)]?)?\s*")
_FENCE = re.compile(r"`{3}|~{3}")

_HALF_ENTITY = re.compile(r"&(?:#(?:[xX][0-9a-fA-F]{0,6}|[0-9]{0,7})|[A-Za-z][A-Za-z0-9]{0,31})?$")
_AUTOLINK = re.compile(r"<[A-Za-z][A-Za-z0-9.!#$%&'*+/=?^_{|}~@-]*[:@][^\s<>]*>")
_HALF_AUTOLINK = re.compile(r"<[^\s<>]{0,2048}$")
_BACKTICKS = re.compile(r"`+")
_SPECIAL = re.compile(r"[\\`<\[\]*_~]")
_LABEL_MAX = 256
_DESTINATION_MAX = 4_096


def line_waits(line: str) -> bool:
    """Whether a last line without its newline may still turn into something else altogether.

    True for only marks or blanks (rule? heading? underline? item?), and for the opening line of a
    fence, which a later backtick makes a paragraph.
    """
    containers = _CONTAINERS.match(line)
    rest = line[containers.end() :] if containers else line
    return _ONLY_MARKS.fullmatch(rest) is not None or _FENCE.match(rest) is not None


def close_inline(content: str) -> str:
    """Inline Markdown that stops here, with half constructs held back and open ones closed.

    Open emphasis and code get their closing marks; half a link becomes its label; half an entity,
    half an autolink, a last backslash and a last run of marks are left out.
    """
    if half := _HALF_ENTITY.search(content):
        content = content[: half.start()]
    scan = _Scan(content)
    scan.run()
    return scan.closed()


class _Scan:
    """One pass over inline Markdown that remembers what is still open at its end."""

    def __init__(self, content: str) -> None:
        self._content = content
        self._end = len(content)
        self._drop: set[int] = set()
        self._labels: list[int] = []  # positions of "[" without their "]"
        self._marks: list[tuple[str, int, int]] = []  # open runs: mark, position, length
        self._code = ""  # the backticks that close an open code span

    def run(self) -> None:
        position = 0
        while found := _SPECIAL.search(self._content, position, self._end):
            position = self._step(found[0], found.start())

    def closed(self) -> str:
        """The content up to its end, without what was dropped, with what is open closed."""
        for label in self._labels:
            text = self._content[label + 1 : self._end]
            if len(text) <= _LABEL_MAX and "\n" not in text:
                self._drop_label(label)
        while self._marks and not self._kept(self._marks[-1][1] + self._marks[-1][2]).strip():
            self._end = self._marks.pop()[1]  # opened, but nothing stands in it yet
        kept = self._kept(0)
        kept = kept.rstrip("`") + self._code if self._code else kept.rstrip()
        return kept + "".join(mark * length for mark, _, length in reversed(self._marks))

    def _kept(self, start: int) -> str:
        if not self._drop:
            return self._content[start : self._end]
        return "".join(self._content[at] for at in range(start, self._end) if at not in self._drop)

    def _step(self, char: str, at: int) -> int:
        match char:
            case "\\":
                return self._escape(at)
            case "`":
                return self._backticks(at)
            case "<":
                return self._angle(at)
            case "[":
                self._labels.append(at)
                return at + 1
            case "]":
                return self._label_end(at)
            case _:
                return self._mark(char, at)

    def _stop(self, at: int) -> int:
        self._end = at
        return at

    def _escape(self, at: int) -> int:
        return self._stop(at) if at + 1 >= self._end else at + 2

    def _backticks(self, at: int) -> int:
        after = self._run_end("`", at)
        if after == self._end:
            return self._stop(at)
        for run in _BACKTICKS.finditer(self._content, after, self._end):
            if len(run[0]) == after - at:
                return run.end()
        self._code = self._content[at:after]
        return self._end

    def _angle(self, at: int) -> int:
        if link := _AUTOLINK.match(self._content, at, self._end):
            return link.end()
        if _HALF_AUTOLINK.match(self._content, at, self._end):
            return self._stop(at)
        return at + 1

    def _label_end(self, at: int) -> int:
        if not self._labels:
            return at + 1
        label = self._labels.pop()
        after = at + 1
        if after < self._end and self._content[after] != "(":
            return after
        end = self._destination_end(after)
        if end is None:  # the target is still being written: only the label is shown
            self._drop_label(label)
            return self._stop(at)
        self._marks = [mark for mark in self._marks if mark[1] < label]
        return end

    def _destination_end(self, at: int) -> int | None:
        """After the ")" that ends a link's target, or None while it may still come."""
        depth = 0
        position = at
        while position < self._end:
            char = self._content[position]
            if char == "\\":
                position += 1
            elif char == "(":
                depth += 1
            elif char == ")":
                depth -= 1
                if depth == 0:
                    return position + 1
            elif char == "\n" or position - at > _DESTINATION_MAX:
                return at
            position += 1
        return None

    def _drop_label(self, label: int) -> None:
        self._drop.add(label)
        if label and self._content[label - 1] == "!":
            self._drop.add(label - 1)

    def _mark(self, mark: str, at: int) -> int:
        after = self._run_end(mark, at)
        length = after - at
        if after == self._end:
            return self._stop(at)
        if mark == "~" and length != 2:
            return after
        before, behind = self._content[at - 1] if at else " ", self._content[after]
        opens, closes = _flanks(mark, before, behind)
        if closes:
            length = self._close(mark, length)
        if opens and length:
            self._marks.append((mark, at, length))
        return after

    def _close(self, mark: str, length: int) -> int:
        """Close what a run of marks can close; returns how many of its marks are left."""
        for index in range(len(self._marks) - 1, -1, -1):
            opened, position, count = self._marks[index]
            if opened == mark and length:
                used = min(count, length)
                length -= used
                rest = [(mark, position, count - used)] if count > used else []
                self._marks[index:] = rest
        return length

    def _run_end(self, mark: str, at: int) -> int:
        after = at
        while after < self._end and self._content[after] == mark:
            after += 1
        return after


def _flanks(mark: str, before: str, behind: str) -> tuple[bool, bool]:
    """Whether a run between these characters may open and may close emphasis.

    CommonMark's rule, but a mark between two ASCII letters or digits (2*3) is taken for itself.
    """
    blank_before, blank_behind = before.isspace(), behind.isspace()
    marks_before, marks_behind = _is_punctuation(before), _is_punctuation(behind)
    opens = not blank_behind and (not marks_behind or blank_before or marks_before)
    closes = not blank_before and (not marks_before or blank_behind or marks_behind)
    if opens and closes:
        if mark == "_":
            return marks_before, marks_behind
        if before.isascii() and before.isalnum() and behind.isascii() and behind.isalnum():
            return False, True
    return opens, closes


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char)[0] in "PS"
