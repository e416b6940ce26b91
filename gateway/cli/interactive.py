"""The chat on a terminal: answers grow above the line one types.

Ctrl-C stops what runs, twice leaves; a number and Enter presses a button, which keeps its number
for as long as it stands. While the gateway is
away one can type on, and what is entered is sent when it is back. Drawing is `screen`, typing is
`editor`, both pure; here are the file descriptors, signals and the conversation.
"""

import asyncio
import codecs
import os
import shutil
import signal
import sys
import termios
import tty
import uuid
from collections.abc import Sequence
from typing import assert_never

from gateway.cli.attaching import said_in
from gateway.cli.buttons import Chosen, Gone, Numbers
from gateway.cli.chat import file_note
from gateway.cli.editor import PASTE_OFF, PASTE_ON, Editor, Entered, Left
from gateway.cli.lasting import AWAY, Away, Back, Heard, LastingTalk
from gateway.cli.screen import Screen
from gateway.errors import GatewayError
from platforms.blocks import plain
from platforms.content import Button
from platforms.terminal.format import (
    BOLD,
    CYAN,
    DIM,
    WIDTH_MIN,
    escape,
    format_blocks,
    style,
)
from platforms.terminal.wire import (
    MessageGone,
    MessageShown,
    Noticed,
    NotStored,
    Press,
    Say,
    Stored,
    Working,
)
from platforms.text import display_width, graphemes

STOP = "/stop"
TWICE_WITHIN_S = 2.0
BUSY_AFTER_PUSH_S = 3.0

GREETING = (
    "Write a message and press Enter. /attach FILE sends a file; /help says what else there is;"
    " Ctrl-C twice leaves."
)
AGAIN_TO_LEAVE = "Press Ctrl-C again to leave."
STOPPING = "Stopping. Press Ctrl-C again to leave."
STOPPING_LATER = "Stops when the gateway is back. Press Ctrl-C again to leave."
NOT_NOW = "The gateway takes nothing just now; trying again ..."
BUTTON_GONE = "Button {number} is gone; nothing was pressed or said."
UNSENT = "The gateway has not got what you last said ({count})."


class Interactive:
    """One person's terminal."""

    def __init__(self, talk: LastingTalk) -> None:
        self._talk = talk
        self._editor = Editor()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        size = shutil.get_terminal_size()
        self._width = size.columns
        self._screen = Screen(width=size.columns, height=size.lines)
        self._color = not os.environ.get("NO_COLOR")
        self._label: str | None = None
        self._hint = ""
        self._trouble = ""
        self._sent: dict[str, str] = {}
        self._awaiting = False
        self._pushed_at = float("-inf")
        self._interrupted_at = float("-inf")
        self._files: dict[str, str] = {}
        self._last: MessageShown | None = None
        self._numbers = Numbers()
        self._cards: set[str] = set()
        self._notices = 0
        self._leaving = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> int:
        """Talk until the person leaves.

        Raises GatewayError when the gateway hangs up for good, as one of the chat's own does.
        """
        stdin = sys.stdin.fileno()
        before = termios.tcgetattr(stdin)
        watched = {
            signal.SIGINT: self._interrupted,
            signal.SIGTERM: self._leaving.set,
            signal.SIGHUP: self._leaving.set,
            signal.SIGWINCH: self._resized,
            signal.SIGCONT: self._continued,
        }
        for number, handler in watched.items():
            self._loop.add_signal_handler(number, handler)
        tty.setcbreak(stdin)
        self._loop.add_reader(stdin, self._typed)
        self._write(PASTE_ON)
        self._say_above(GREETING)
        hearing = asyncio.create_task(self._hear())
        leaving = asyncio.create_task(self._leaving.wait())
        try:
            await asyncio.wait({hearing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._loop.remove_reader(stdin)
            for number in watched:
                self._loop.remove_signal_handler(number)
            self._write(self._screen.leave() + PASTE_OFF)
            termios.tcsetattr(stdin, termios.TCSADRAIN, before)
            hearing.cancel()
            leaving.cancel()
            await asyncio.wait({hearing, leaving})
        self._say_what_is_unsent()
        if not hearing.cancelled() and (error := hearing.exception()) is not None:
            raise error
        return 0

    # What comes

    async def _hear(self) -> None:
        while True:
            self._show(await self._talk.hear())

    def _show(self, heard: Heard) -> None:
        match heard:
            case MessageShown():
                self._last = heard
                self._awaiting = False
                self._screen.put(heard.message_id, self._message_lines(heard))
            case MessageGone(message_id=ident):
                self._numbers.remove(ident, now=self._loop.time())
                self._screen.remove(ident)
            case Working(label=label):
                self._label = label
            case Noticed(text=text):
                self._say_above(text)
            case Away():
                self._trouble = AWAY
            case Back():
                self._trouble, self._label = "", None
            case Stored(key=key):
                self._trouble = ""
                self._sent.pop(key, None)
            case NotStored(again=True):
                self._trouble = NOT_NOW
            case NotStored(key=key, reason=reason):
                self._trouble, self._awaiting = "", False
                lost = self._sent.pop(key, None)
                self._say_above(reason if lost is None else f"{reason} (the up key has it)")
            case _:
                assert_never(heard)
        if not isinstance(heard, Away | Back):
            self._pushed_at = self._loop.time()
        self._draw()

    def _message_lines(self, shown: MessageShown) -> list[str]:
        numbered = self._numbers.show(shown, now=self._loop.time())
        if numbered:
            self._cards.add(shown.message_id)
        lines = list(
            format_blocks(
                shown.body,
                width=self._width - 1,
                color=self._color,
                card=shown.message_id in self._cards,
            )
        )
        if shown.file is not None:
            if shown.message_id not in self._files:
                self._files[shown.message_id] = file_note(shown)
            lines.append(escape(self._files[shown.message_id]))
        if numbered:
            lines += ["", *self._button_lines(numbered)]
        return [*lines, ""]

    def _button_lines(self, numbered: Sequence[tuple[int, Button]]) -> list[str]:
        lines = []
        for number, button in numbered:
            mark = f"[{number}] "
            label = " ".join(escape(button.label).split())
            first, *more = _folded([label], max(WIDTH_MIN, self._width - 1 - len(mark)))
            lines.append(style(mark, BOLD, CYAN, color=self._color) + first)
            lines += [" " * len(mark) + rest for rest in more]
        return lines

    # What goes

    def _typed(self) -> None:
        data = os.read(sys.stdin.fileno(), 65_536)
        if not data:
            self._leaving.set()
            return
        self._hint = ""
        for act in self._editor.feed(self._decoder.decode(data)):
            match act:
                case Left():
                    self._leaving.set()
                case Entered(text=text) if text.strip():
                    self._entered(text)
                case Entered():
                    pass
        self._draw()

    def _entered(self, text: str) -> None:
        if text.strip() in {"/quit", "/exit"}:
            self._leaving.set()
            return
        match self._numbers.chosen(text, now=self._loop.time()):
            case Chosen(message_id=ident, button=button):
                key = str(uuid.uuid4())
                self._talk.send(Press(key=key, message_id=ident, payload=button.payload))
                self._echo(key, button.label)
            case Gone(number=number):
                self._say_above(BUTTON_GONE.format(number=number))
            case None:
                self._said(text)

    def _said(self, text: str) -> None:
        try:
            said = said_in(text)
        except GatewayError as error:
            self._say_above(f"{error} (the up key has it)")
            return
        key = self._talk.say(said.text, said.files)
        self._sent[key] = text
        self._awaiting = True
        self._echo(key, text)

    def _echo(self, key: str, text: str) -> None:
        """Show what was said where it stands among the answers."""
        mark = style(">", BOLD, CYAN, color=self._color)
        lines = [f"{mark} {part}" for part in _folded(escape_lines(text), self._width - 3)]
        self._screen.put(f"said {key}", [*lines, ""])

    def _interrupted(self) -> None:
        now = self._loop.time()
        if now - self._interrupted_at < TWICE_WITHIN_S:
            self._leaving.set()
            return
        self._interrupted_at = now
        self._editor.clear()
        if self._busy():
            self._talk.say(STOP)
            self._hint = STOPPING_LATER if self._trouble == AWAY else STOPPING
        else:
            self._hint = AGAIN_TO_LEAVE
        self._loop.call_later(TWICE_WITHIN_S, self._hint_over)
        self._draw()

    def _hint_over(self) -> None:
        if self._hint and not self._leaving.is_set():
            self._hint = ""
            self._draw()

    def _busy(self) -> bool:
        recent = self._loop.time() - self._pushed_at < BUSY_AFTER_PUSH_S
        return self._awaiting or self._label is not None or recent

    # The screen

    def _say_above(self, text: str) -> None:
        self._notices += 1
        lines = format_blocks(plain(text), width=self._width - 1, color=False)
        dim = [style(line, DIM, color=self._color) for line in lines]
        self._screen.put(f"notice {self._notices}", [*dim, ""])
        self._draw()

    def _draw(self) -> None:
        bottom: list[str] = []
        hint = self._hint or self._trouble
        if not hint and (self._label is not None or self._awaiting):
            hint = f"{self._label or 'waiting'}   (Ctrl-C stops)"
        if hint:
            bottom.append(style(_cut(escape(hint), self._width - 1), DIM, color=self._color))
        typed, column = prompt(self._editor.before, self._editor.after, self._width - 3)
        mark = style(">", BOLD, CYAN, color=self._color)
        bottom.append(f"{mark} {typed}")
        self._write(self._screen.draw(bottom, column + 2))

    def _say_what_is_unsent(self) -> None:
        acts = self._talk.unconfirmed
        unsent = [act for act in acts if not isinstance(act, Say) or act.text != STOP]
        if self._trouble and unsent:
            count = "1 message" if len(unsent) == 1 else f"{len(unsent)} messages"
            self._write(UNSENT.format(count=count) + "\n")

    def _resized(self) -> None:
        size = shutil.get_terminal_size()
        self._width = size.columns
        self._write(self._screen.resized(width=size.columns, height=size.lines))
        if self._last is not None:
            self._screen.put(self._last.message_id, self._message_lines(self._last))
        self._draw()

    def _continued(self) -> None:
        """After Ctrl-Z and `fg` the shell has reset the terminal and written over ours."""
        tty.setcbreak(sys.stdin.fileno())
        self._write(PASTE_ON)
        self._resized()

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def prompt(before: str, after: str, width: int) -> tuple[str, int]:
    """The part of the typed line around the cursor that fits, and the cursor's column in it."""
    left = escape(before.replace("\n", "⏎"))
    right = escape(after.replace("\n", "⏎"))
    while display_width(left) > width - 1:
        left = "".join(list(graphemes(left))[max(1, width // 4) :])
    shown = _cut(left + right, width)
    return shown, display_width(left)


def escape_lines(text: str) -> list[str]:
    """The lines of a text, each unable to steer the terminal."""
    return [escape(line) for line in text.split("\n")]


def _folded(lines: Sequence[str], width: int) -> list[str]:
    """Lines broken where the screen ends."""
    folded: list[str] = []
    for line in lines:
        rest = line
        while display_width(rest) > width:
            head = _cut(rest, width)
            folded.append(head)
            rest = rest[len(head) :]
        folded.append(rest)
    return folded


def _cut(text: str, width: int) -> str:
    """The beginning of a text that fits into some columns."""
    kept, used = "", 0
    for grapheme in graphemes(text):
        used += display_width(grapheme)
        if used > width:
            break
        kept += grapheme
    return kept
