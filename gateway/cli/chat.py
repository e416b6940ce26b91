"""`gatepost chat`: through the running gateway, or an embedded one if none runs.

A running gateway that goes away is waited for: at a terminal until the person leaves, else for
AWAY_FOR_S. One of the chat's own is not.
"""

import asyncio
import logging
import math
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from gateway.cli.answers import Answers, BrokenOff, open_overseer
from gateway.cli.asking import NotRunning
from gateway.cli.attaching import Said, read_files, said_in
from gateway.cli.lasting import AWAY, Dial, LastingTalk, lasting
from gateway.cli.place import state_dir
from gateway.cli.talk import dial
from gateway.errors import GatewayError
from platforms.terminal.format import escape, format_blocks
from platforms.terminal.wire import MessageShown

WHOLE_LINES = 1_000_000  # columns of what is not a screen: nothing is wrapped
AWAY_FOR_S = 60.0


def chat(
    config_path: Path | None,
    *,
    once: str | None,
    name: str,
    demo: bool,
    files: Sequence[Path] = (),
) -> int:
    """Talk until the person leaves; with `once`, or without a terminal, print answers alone."""
    if files and once is None:
        raise GatewayError("--file goes with --once; in a chat, type /attach FILE and your words")
    said = None if once is None else Said(text=once, files=read_files(files))
    place = state_dir(config_path, os.environ)
    return asyncio.run(_chat(config_path, place, once=said, name=name, demo=demo))


async def _chat(
    config_path: Path | None, place: Path, *, once: Said | None, name: str, demo: bool
) -> int:
    async with AsyncExitStack() as stack:
        call = partial(dial, place, name)
        redial: Dial | None = call
        try:
            first = await call()
        except NotRunning:
            await stack.enter_async_context(_embedded(config_path, demo=demo))
            first, redial = await call(), None
        interactive = once is None and _at_a_terminal()
        patience_s = math.inf if interactive else AWAY_FOR_S
        talk = await stack.enter_async_context(lasting(first, redial, patience_s=patience_s))
        if interactive:
            from gateway.cli.interactive import Interactive

            return await Interactive(talk).run()
        return await _answer_lines(talk, place, None if once is None else [once])


@asynccontextmanager
async def _embedded(config_path: Path | None, *, demo: bool) -> AsyncIterator[None]:
    """A gateway in this process with the terminal as its only surface."""
    from gateway import logs
    from gateway.app import embedded
    from gateway.config import keys_in, load
    from gateway.redaction import secrets_of

    config = load(config_path, os.environ)
    hidden = secrets_of(config, *keys_in(os.environ))
    logs.set_up("text", secrets=hidden, level=logging.ERROR)
    async with embedded(config, demo=demo) as running:
        if sys.stderr.isatty():
            models = ", ".join(entry.name for entry in running.entries)
            print(
                f"No gateway is running, so this chat has its own until you leave ({models}).",
                file=sys.stderr,
            )
        yield


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


async def _answer_lines(talk: LastingTalk, place: Path, lines: list[Said] | None) -> int:
    """Say each line when the one before is answered; None reads them from the input."""
    answered = True
    async with open_overseer(place, talk.chat) as overseer:
        answers = Answers(talk, overseer, on_away=_say_away)
        try:
            async for line in _given(lines):
                try:
                    shown = await answers.answer(line.text, line.files)
                except BrokenOff as broken:
                    _print(broken.shown, sys.stdout)
                    raise
                _print(answers.earlier, sys.stderr)
                answers.earlier.clear()
                _print(shown, sys.stdout)
                answered = answered and bool(shown)
        finally:
            await answers.close()
    if not answered:
        raise GatewayError("the gateway gave no answer; its log and `gatepost status` say more")
    return 0


def _say_away() -> None:
    if sys.stderr.isatty():
        print(AWAY, file=sys.stderr)


async def _given(lines: list[Said] | None) -> AsyncIterator[Said]:
    if lines is not None:
        for said in lines:
            yield said
        return
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip():
            yield said_in(line.rstrip("\n"))


def _print(messages: Sequence[MessageShown], stream: TextIO) -> None:
    """Print messages as they finally stand: drawn for a terminal, plain for anything else."""
    drawn = stream.isatty()
    width = shutil.get_terminal_size().columns if drawn else WHOLE_LINES
    color = drawn and not os.environ.get("NO_COLOR")
    for number, message in enumerate(messages):
        card = bool(message.controls)
        lines = format_blocks(message.body, width=width, color=color, card=card)
        if message.file is not None:
            lines = (*lines, escape(file_note(message)))
        print("\n" * bool(number) + "\n".join(lines), file=stream, flush=True)


def file_note(message: MessageShown) -> str:
    """Keep a message's file in the working directory and say where, never over another file."""
    if message.file is None:
        return ""
    base = Path(message.file.name.replace("\\", "/")).name.lstrip(".") or "file"
    name = "".join(c if c.isprintable() else "_" for c in base)[:100]
    for number in range(1, 1000):
        path = Path(name) if number == 1 else Path(f"{Path(name).stem}-{number}{Path(name).suffix}")
        try:
            with path.open("xb") as file:
                file.write(message.file.data)
        except FileExistsError:
            continue
        except OSError as exc:
            return f"[file {name}, {len(message.file.data):,} bytes, not saved: {exc.strerror}]"
        return f"[file saved as {path}, {len(message.file.data):,} bytes]"
    return f"[file {name} not saved: too many of that name here]"
