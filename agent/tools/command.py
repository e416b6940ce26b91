"""One command at work under bubblewrap: its limits, its output, and the end of all of it.

Beginning takes two steps, since a gateway that dies in the middle must leave nothing behind.
bubblewrap first waits (`--block-fd`) until the limits of its first process are set; but it takes
the end of that pipe for a go-ahead, and binds its life to ours only after that. So the command
stands behind a shell that waits for a line on standard input and ends without one. Whoever is
told to go has a parent whose death it does not outlive. (Only in the instant between the making of
its first process and the writing of that one's user ids does bubblewrap leave something behind if
we are killed: that process, which waits for ever and has run nothing.)

The end: the group of the command is told to terminate, and after `GRACE_S` the first process of
its namespace is killed; with it the kernel ends every process in there, whatever it has detached
from. `end` returns only when that process is gone.
"""

import asyncio
import contextlib
import json
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.errors import NotStarted

KEPT_BYTES: Final = 1024 * 1024
GRACE_S: Final = 5.0
START_S: Final = 10.0
DRAIN_S: Final = 1.0

_MIB: Final = 1024 * 1024
_LIMITS: Final = (
    (resource.RLIMIT_AS, 8 * 1024 * _MIB),
    (resource.RLIMIT_FSIZE, 1024 * _MIB),
    (resource.RLIMIT_NOFILE, 1_024),
    (resource.RLIMIT_NPROC, 512),
    (resource.RLIMIT_CORE, 0),
)
_GO: Final = b"go\n"
_GATE: Final = 'IFS= read -r go && [ "$go" = go ] && exec "$@"; exit 125'


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What came out of a stream: its head and tail, and how many bytes there were in all."""

    head: bytes
    tail: bytes
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended.

    `exit_code` is 128 + signal for one that a signal ended, None where nobody can tell.
    """

    exit_code: int | None
    timed_out: bool
    stdout: Captured
    stderr: Captured


async def begin(
    bwrap: str, options: int, passed: tuple[int, ...], argv: tuple[str, ...]
) -> "Child":
    """Start bubblewrap with options from a descriptor; the command waits for `Child.go`.

    Raises NotStarted.
    """
    status_in, status = os.pipe()
    block, release = os.pipe()
    with contextlib.ExitStack() as ours:
        ours.callback(os.close, release)
        with contextlib.ExitStack() as theirs:
            theirs.callback(os.close, status)
            theirs.callback(os.close, block)
            reports = await _reports(status_in)
            try:
                process = await asyncio.create_subprocess_exec(
                    bwrap,
                    *("--args", str(options), "--json-status-fd", str(status)),
                    *("--block-fd", str(block), "--", "/bin/sh", "-c", _GATE, "sh", *argv),
                    pass_fds=(*passed, options, status, block),
                    env={},
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    start_new_session=True,
                )
            except OSError as exc:
                raise NotStarted(f"bubblewrap could not be started: {exc}.") from exc
        child = Child(process, reports)
        try:
            await child.confine()
            os.write(release, b"x")
        except BaseException:
            await child.end(grace_s=0.0)
            raise
        return child


class Child:
    """A command and whatever it starts, from its first process to its last."""

    def __init__(self, process: asyncio.subprocess.Process, reports: "_Reports") -> None:
        self._process = process
        self._reports = reports
        self._first: int | None = None  # the first process of its namespace, by pid and by handle
        self._handle: int | None = None
        self._exit_code: int | None = None
        self._hurry = asyncio.Event()
        self._streams = (_Capture(), _Capture())
        self._reading = (
            asyncio.create_task(self._streams[0].read(process.stdout)),
            asyncio.create_task(self._streams[1].read(process.stderr)),
        )

    async def confine(self) -> None:
        """Wait for the first process inside and set its limits; raises NotStarted."""
        try:
            async with asyncio.timeout(START_S):
                pid = int((await self._reports.next())["child-pid"])
            self._handle = os.pidfd_open(pid)
            self._first = pid
            for which, most in _LIMITS:
                _, hard = resource.prlimit(pid, which)
                limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
                resource.prlimit(pid, which, (limit, limit))
        except (KeyError, ValueError, OSError) as exc:  # TimeoutError is an OSError
            why = await self._first_words()
            raise NotStarted(f"The command could not be isolated{why}; nothing was run.") from exc

    def go(self, stdin: bytes) -> None:
        """Let the command begin, with this on its standard input."""
        if self._process.stdin is not None:
            self._process.stdin.write(_GO + stdin)
            self._process.stdin.close()

    async def ended(self) -> None:
        """Wait until the command ends by itself."""
        await self._process.wait()

    async def end(self, *, grace_s: float = GRACE_S) -> None:
        """Return when nothing of the command is left: TERM, `grace_s`, KILL.

        A cancel of whoever waits cuts the grace short, nothing else.
        """
        task = asyncio.ensure_future(self._end(grace_s))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            self._hurry.set()
            await finished(task)
            raise

    def outcome(self, *, timed_out: bool) -> Ended:
        """How it ended; after `end`."""
        stdout, stderr = (stream.captured() for stream in self._streams)
        return Ended(exit_code=self._exit_code, timed_out=timed_out, stdout=stdout, stderr=stderr)

    async def _end(self, grace_s: float) -> None:
        if self._process.returncode is None and self._first is not None and grace_s:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._first, signal.SIGTERM)
            await self._ends_within(grace_s)
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            await _readable(self._handle)
        self._kill()
        await self._process.wait()
        if self._handle is not None:
            # As process 1 of a container we inherit it from bubblewrap, and nobody else reaps it.
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._handle, os.WEXITED | os.WNOHANG)  # noqa: ASYNC222
            os.close(self._handle)
            self._handle = None
        # Nobody is left to write; a stream could only stay open in hands outside.
        await asyncio.wait(self._reading, timeout=DRAIN_S)
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        self._exit_code = await self._reported()
        self._reports.close()

    def _kill(self) -> None:
        """End bubblewrap, its first process before it: that one may not yet die with it."""
        if self._process.returncode is not None:
            return
        for pid in _children(self._process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _ends_within(self, seconds: float) -> None:
        waits = (
            asyncio.ensure_future(self._process.wait()),
            asyncio.ensure_future(self._hurry.wait()),
        )
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _reported(self) -> int | None:
        """The exit code as bubblewrap reports it once a command has begun."""
        with contextlib.suppress(TimeoutError, ValueError):
            async with asyncio.timeout(DRAIN_S):
                while report := await self._reports.next():
                    if isinstance(code := report.get("exit-code"), int):
                        return code
        return None

    async def _first_words(self) -> str:
        """What bubblewrap said before it gave up."""
        self._kill()
        await asyncio.wait(self._reading, timeout=DRAIN_S)
        said = self._streams[1].captured().head.decode(errors="replace").strip()
        return f" ({said.splitlines()[-1]})" if said else ""


class _Capture:
    """Keeps the first and the last half of `KEPT_BYTES` of a stream and counts the rest."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    async def read(self, stream: asyncio.StreamReader | None) -> None:
        """Read to the end; what nobody keeps is read too, so that the writer goes on."""
        half = KEPT_BYTES // 2
        while stream is not None and (piece := await stream.read(64 * 1024)):
            self._total += len(piece)
            room = max(half - len(self._head), 0)
            self._head += piece[:room]
            self._tail += piece[room:]
            del self._tail[:-half]

    def captured(self) -> Captured:
        return Captured(head=bytes(self._head), tail=bytes(self._tail), total=self._total)


class _Reports:
    """What bubblewrap reports of its work, one JSON object a line."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.BaseTransport) -> None:
        self._reader = reader
        self._transport = transport

    async def next(self) -> dict[str, Any]:
        """The next report, empty at the end; raises ValueError for what is none."""
        line = await self._reader.readline()
        report = json.loads(line) if line else {}
        if not isinstance(report, dict):
            raise ValueError("not a report")
        return report

    def close(self) -> None:
        """Let go of the pipe."""
        self._transport.close()


async def _reports(descriptor: int) -> _Reports:
    reader = asyncio.StreamReader()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return _Reports(reader, transport)


def _children(pid: int) -> tuple[int, ...]:
    """The processes a process has made, as far as the kernel tells."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return ()
    return tuple(int(child) for child in listed.split())


async def finished(task: asyncio.Future[Any]) -> None:
    """Wait for work that must come to its end, however often the wait is cancelled.

    Whoever calls this has a cancel to raise already.
    """
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait((task,))


async def _readable(handle: int) -> None:
    """Wait until the process behind a handle is gone."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(handle, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(handle)
