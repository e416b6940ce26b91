"""`gatepost` as people run it: whole processes, with pipes or at a real terminal."""

import asyncio
import codecs
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.terminal_screen import TerminalScreen

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60

CONFIG = """\
[gateway]
state_dir = "state"
[web]
listen = "127.0.0.1:0"
[tools]
enabled = []
[[providers]]
name = "demo"
api = "demo"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int | None
    out: str
    err: str


def environment(place: Path) -> Mapping[str, str]:
    """Nothing of the developer's own configuration."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(place), "PYTHONPATH": str(ROOT), "TERM": "xterm"}


async def start(place: Path, *arguments: str) -> asyncio.subprocess.Process:
    """A `gatepost` process with pipes."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        cwd=place,
        env=environment(place),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def gatepost(place: Path, *arguments: str, given: str = "") -> Ended:
    """Run a command to its end."""
    process = await start(place, *arguments)
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate(given.encode())
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())


@asynccontextmanager
async def running(place: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A gateway that is ready; ended kindly, else by force."""
    process = await start(place, "run", *arguments)
    assert process.stderr is not None
    seen = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while "Gatepost is running" not in seen and "ready" not in seen:
                line = (await process.stderr.readline()).decode()
                assert line, f"it ended before it was ready: {seen}"
                seen += line
        yield process
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


class Person:
    """Someone at a terminal of 80 by 30 with a `gatepost` command in it."""

    def __init__(self, place: Path, *arguments: str) -> None:
        self.screen = TerminalScreen(width=80, height=30)
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(place)
            command = [sys.executable, "-m", "gateway", *arguments]
            os.execve(sys.executable, command, dict(environment(place)))
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 80, 0, 0))
        self._loop.add_reader(self._terminal, self._read)
        self._over = False
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end in a character

    def _read(self) -> None:
        try:
            data = os.read(self._terminal, 65_536)
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._terminal)
            self._over = True
        self.screen.write(self._decoder.decode(data))
        self._changed.set()

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._terminal, keys.encode())

    async def sees(self, pattern: str) -> str:
        """Wait until the rows show something; returns all rows.

        Blank rows at the end are left out: how many there are depends on what stood there before.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not re.search(pattern, rows := self._rows(), re.DOTALL):
                    assert not self._over, f"it ended without {pattern}:\n{rows}"
                    self._changed.clear()
                    await self._changed.wait()
                return rows
        except TimeoutError:
            pytest.fail(f"no {pattern} in:\n{rows}")

    def _rows(self) -> str:
        return "\n".join(self.screen.visible()).rstrip("\n")

    async def leaves(self) -> int:
        """Wait for the end; returns the exit code."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._over:
                self._changed.clear()
                await self._changed.wait()
        os.close(self._terminal)
        _, status = await asyncio.to_thread(os.waitpid, self.pid, 0)
        return os.waitstatus_to_exitcode(status)
