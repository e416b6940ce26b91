"""Where victims come from: a process that has imported everything, and is copied for each.

Importing the gateway with its SDKs takes longer than most stories. `born` starts the nursery once
for a test process and asks it for a child over a socket pair: the arguments, and what its standard
streams are to be. The nursery tells of the child's end in one line. It has one thread and no event
loop, so that a copy of it is as good as a fresh process.
"""

import asyncio
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
MESSAGE_MAX = 65_536
NEEDED = (
    "tests.kill.victim",
    "agent.providers.openai_chat",
    "gateway.web.server",
    "platforms.discord.client",
    "platforms.slack.client",
    "platforms.slack.http",
    "platforms.telegram.client",
    "platforms.terminal.client",
    "platforms.web.client",
)


class Child:
    """A process of the nursery; like asyncio's own, as far as a scene needs it."""

    def __init__(
        self, stdin: int, stdout: asyncio.StreamReader, told: asyncio.StreamReader
    ) -> None:
        """`told` is what the nursery says of it: its number, then how it ended."""
        self.stdout = stdout
        self._stdin = stdin
        self._told = told
        self._pid = 0
        self.returncode: int | None = None
        self._ended = asyncio.ensure_future(self._end())

    async def _end(self) -> int:
        self._pid = int(await self._told.readline())
        self.returncode = int(await self._told.readline())
        os.close(self._stdin)
        return self.returncode

    async def wait(self) -> int:
        """Wait for its end; minus the signal's number if one ended it."""
        return await asyncio.shield(self._ended)

    def order(self, line: str) -> None:
        """Write a line to its standard input, if it still lives."""
        if self.returncode is None:
            os.write(self._stdin, f"{line}\n".encode())

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still lives."""
        if self.returncode is None and self._pid:
            os.kill(self._pid, number)


class _Nursery:
    """This process's end of it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.kill.nursery", str(theirs.fileno())]
        # It ends with this process: its end of the pair is closed then.
        self.process = subprocess.Popen(command, cwd=ROOT, pass_fds=(theirs.fileno(),))
        theirs.close()

    async def born(self, arguments: Sequence[str], log: IO[bytes]) -> Child:
        """See `born`."""
        (read_in, stdin), (out, write_out), (told, tell) = os.pipe(), os.pipe(), os.pipe()
        given = (read_in, write_out, log.fileno(), tell)
        socket.send_fds(self._socket, [json.dumps(list(arguments)).encode()], given)
        for descriptor in (read_in, write_out, tell):
            os.close(descriptor)
        return Child(stdin, await _reader(out), await _reader(told))


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "rb", 0)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


_nursery: _Nursery | None = None


async def born(arguments: Sequence[str], log: IO[bytes]) -> Child:
    """A victim with these arguments, whose errors go to `log`."""
    global _nursery  # noqa: PLW0603 - one for a test process, as long as it lives
    if _nursery is None or _nursery.process.poll() is not None:
        _nursery = _Nursery()
    return await _nursery.born(arguments, log)


def serve(control: socket.socket) -> None:
    """Make a child for each message, and tell of their ends, until nobody asks any more."""
    tells: dict[int, int] = {}
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(wake_read, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == wake_read:
                    os.read(wake_read, 512)
                    _tell_of_ends(tells)
                elif not _bear(control, tells):
                    return


def _bear(control: socket.socket, tells: dict[int, int]) -> bool:
    """Make one child; False if there is nobody to make one for."""
    message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_MAX, 4)
    if not message:
        return False
    *streams, tell = descriptors
    pid = os.fork()
    if pid == 0:
        _live(json.loads(message), streams)
    for stream in streams:
        os.close(stream)
    tells[pid] = tell
    os.write(tell, b"%d\n" % pid)
    return True


def _live(arguments: list[str], streams: list[int]) -> None:
    """Be the victim; never returns."""
    from tests.kill import victim

    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, 256)
        code = victim.main(arguments)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell_of_ends(tells: dict[int, int]) -> None:
    while tells:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        tell = tells.pop(pid)
        os.write(tell, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(tell)


def main() -> None:
    """Import what victims need, then serve."""
    for name in NEEDED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
