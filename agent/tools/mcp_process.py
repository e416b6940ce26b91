"""An MCP server as a process of ours, spoken to line by line; the end of it and of its children.

Theory of operation. The server leads a process group and session of its own. Before it runs it
waits for one line on standard input; in between a second process, the guard, is started, which
waits for the end of a pipe that only the gateway holds. So at no instant does a killed gateway
leave something behind: before that line the server's shell ends by itself at the end of its input,
after it the guard ends the whole group (`TERM`, a second later `KILL`). Out of reach is only what
has left the group on purpose.

The ordinary end: its input is closed, after `CLOSE_S` the group is told to terminate, after
`GRACE_S` it is killed; children that outlive their parent are killed too. Standard error is read
and forgotten but for its end, which tells people why a server failed. A line over `LINE_BYTES` ends
the connection; lines that are no JSON-RPC are skipped, up to `JUNK_LINES` of them. A server sees
PATH, HOME and LANG of ours and what is configured, nothing else.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

LINE_BYTES: Final = 8 * 1024 * 1024
JUNK_LINES: Final = 100
CLOSE_S: Final = 2.0
GRACE_S: Final = 5.0
DRAIN_S: Final = 1.0
LAST_WORDS_S: Final = 0.5
SAID_BYTES: Final = 2_048

_SHELL: Final = "/bin/sh"
_GATE: Final = 'IFS= read -r go && [ "$go" = go ] && exec "$@"; exit 125'
_GUARD: Final = 'read -r line; kill -s TERM -- "-$1"; sleep 1; kill -s KILL -- "-$1"'
_PASSED: Final = ("PATH", "HOME", "LANG")


class NotRunnable(Exception):
    """The program can't be started; the message says why."""


def environment(configured: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """What a server sees."""
    return {**{name: ours[name] for name in _PASSED if name in ours}, **configured}


@asynccontextmanager
async def started(
    command: tuple[str, ...],
    env: Mapping[str, str],
    *,
    close_s: float = CLOSE_S,
    grace_s: float = GRACE_S,
) -> AsyncIterator["Process"]:
    """A server that runs until the end of the block. Raises NotRunnable."""
    process = await Process.start(command, env)
    try:
        yield process
    finally:
        await process.end(close_s=close_s, grace_s=grace_s)


class Process:
    """A server's process and its guard. `read` and `write` are what the SDK takes as a transport.

    `ended` is set when nothing more will come; `why` then tells what is known of it.
    """

    def __init__(
        self, server: asyncio.subprocess.Process, guard: asyncio.subprocess.Process
    ) -> None:
        self._server = server
        self._guard = guard
        self._said = bytearray()
        self._junk = 0
        self._broken = ""
        self.ended = asyncio.Event()
        incoming: tuple[
            MemoryObjectSendStream[SessionMessage | Exception],
            MemoryObjectReceiveStream[SessionMessage | Exception],
        ] = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing: tuple[
            MemoryObjectSendStream[SessionMessage], MemoryObjectReceiveStream[SessionMessage]
        ] = anyio.create_memory_object_stream[SessionMessage](0)
        self._arriving, self.read = incoming
        self.write, self._leaving = outgoing
        self._gone = asyncio.create_task(_gone(server.pid))
        self._reading = asyncio.create_task(self._read_lines())
        self._words = asyncio.create_task(self._read_words())
        self._others = (
            asyncio.create_task(self._write_lines()),
            asyncio.create_task(self._notice_end()),
        )

    @classmethod
    async def start(cls, command: tuple[str, ...], env: Mapping[str, str]) -> "Process":
        """Start a server under guard; raises NotRunnable."""
        if shutil.which(command[0], path=env.get("PATH", os.defpath)) is None:
            raise NotRunnable(f"there is no program {command[0]!r}")
        server = await _spawn(
            (_SHELL, "-c", _GATE, "sh", *command),
            env,
            limit=LINE_BYTES,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        guard: asyncio.subprocess.Process | None = None
        try:
            guard = await _spawn(
                (_SHELL, "-c", _GUARD, "sh", str(server.pid)),
                {"PATH": os.defpath},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            _stdin(server).write(b"go\n")
            return cls(server, guard)
        except BaseException:
            _kill_group(server.pid)
            await server.wait()
            if guard is not None:
                _kill_group(guard.pid)
                await guard.wait()
            raise

    @property
    def pid(self) -> int:
        """The server's process, which leads its group."""
        return self._server.pid

    async def why(self) -> str:
        """Why the connection ended, with the last line of standard error; foreign text.

        Its code and its last words may come a moment after the end of its output.
        """
        if not self._broken:
            ending = asyncio.ensure_future(self._server.wait())
            await asyncio.wait((ending, self._words), timeout=LAST_WORDS_S)
            ending.cancel()
        said = self._said.decode(errors="replace").strip().rpartition("\n")[2]
        code = self._server.returncode
        if self._broken:
            ended = self._broken
        elif code is None:
            ended = "it closed its output"
        else:
            ended = f"it ended by signal {-code}" if code < 0 else f"it ended with code {code}"
        return f"{ended}: {said}" if said else ended

    async def end(self, *, close_s: float = CLOSE_S, grace_s: float = GRACE_S) -> None:
        """Return when nothing of the group is left; a cancel of whoever waits cuts nothing short.

        Takes at most `close_s` and `grace_s` and the moment in which the kernel ends it.
        """
        task = asyncio.ensure_future(self._end(close_s, grace_s))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait((task,))
            raise

    async def _end(self, close_s: float, grace_s: float) -> None:
        # Nobody listens any more: let the reader drain what a server writes before it can end.
        self.read.close()
        stdin = _stdin(self._server)
        stdin.close()
        await asyncio.wait((self._gone,), timeout=close_s)
        if not self._gone.done():
            _signal_group(self.pid, signal.SIGTERM)
            await asyncio.wait((self._gone,), timeout=grace_s)
        _kill_group(self.pid)
        await self._gone
        _kill_group(self._guard.pid)
        await self._guard.wait()
        await self._let_go()
        tasks = (self._reading, self._words, *self._others)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in (self._arriving, self.read, self.write, self._leaving):
            stream.close()
        with contextlib.suppress(ConnectionError):
            await stdin.wait_closed()

    async def _let_go(self) -> None:
        """Let go of the pipes, at their end or after a moment: a child outside may hold them."""
        await asyncio.wait((self._reading, self._words), timeout=DRAIN_S)
        # Nothing public of a Process does this.
        transport: asyncio.SubprocessTransport = self._server._transport  # type: ignore[attr-defined]
        for descriptor in (1, 2):
            if (pipe := transport.get_pipe_transport(descriptor)) is not None:
                pipe.close()
        await self._server.wait()
        transport.close()

    async def _read_lines(self) -> None:
        stdout = _stream(self._server.stdout)
        try:
            while line := await stdout.readline():
                await self._take(line)
        except ValueError:
            self._broken = f"it wrote a line of over {LINE_BYTES // (1024 * 1024)} MiB"
        except _TooMuchJunk:
            self._broken = f"it wrote {JUNK_LINES} lines that are no message"
        finally:
            self._arriving.close()
            self.ended.set()
        while await stdout.read(64 * 1024):
            pass

    async def _notice_end(self) -> None:
        """A server that is gone says nothing more, even if a child of its holds its output open."""
        await self._gone
        await asyncio.wait((self._reading,), timeout=LAST_WORDS_S)
        self._arriving.close()
        self.ended.set()

    async def _take(self, line: bytes) -> None:
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            self._junk += bool(line.strip())
            if self._junk == JUNK_LINES:
                raise _TooMuchJunk from None
            return
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._arriving.send(SessionMessage(message))

    async def _write_lines(self) -> None:
        stdin = _stdin(self._server)
        try:
            async for each in self._leaving:
                line = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(line.encode() + b"\n")
                await stdin.drain()
        except (ConnectionError, anyio.ClosedResourceError):
            pass  # the reader sees the end of it
        finally:
            self._leaving.close()

    async def _read_words(self) -> None:
        stderr = _stream(self._server.stderr)
        while piece := await stderr.read(64 * 1024):
            self._said += piece
            del self._said[:-SAID_BYTES]


class _TooMuchJunk(Exception):
    """It is no MCP server."""


async def _spawn(
    argv: tuple[str, ...],
    env: Mapping[str, str],
    *,
    stdout: int,
    stderr: int,
    limit: int = 64 * 1024,
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            env=dict(env),
            stdin=asyncio.subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            limit=limit,
        )
    except (OSError, ValueError) as exc:
        raise NotRunnable(f"it can't be started ({type(exc).__name__})") from exc


def _stdin(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    if process.stdin is None:
        raise ValueError("a process without a standard input")
    return process.stdin


def _stream(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if stream is None:
        raise ValueError("a process without a pipe")
    return stream


async def _gone(pid: int) -> None:
    """Wait until a child has ended, whoever holds its pipes."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _signal_group(leader: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


def _kill_group(leader: int) -> None:
    _signal_group(leader, signal.SIGKILL)
