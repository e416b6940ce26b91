"""The app-server as a process of ours: its lines, its last words, and the end of its group.

Theory of operation. The child leads a process group of its own and sees only the environment it is
given. Its lines are read by one task; answers to our requests wake whoever waits, everything else
goes to `incoming` in order, and `None` there says that nothing more will come. Standard error is
kept as a ring of lines with secrets cut out. It ends by itself when its input closes; what is left
of its group is killed: by us, or by a shell beside it that outlives us for that.
"""

import asyncio
import contextlib
import logging
import os
import re
import signal
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agent.messages import JsonObject
from agent.providers.codex import protocol
from agent.providers.codex.losses import ChildLost, RpcRefused
from agent.providers.codex.protocol import Answered, Notified, Requested, RequestId

STDERR_KEPT: Final = 200
STDERR_SHOWN: Final = 12
STDERR_LINE: Final = 2_000
STDERR_READ: Final = 16_000
"""Of a line so much is looked at for secrets, and then less is kept."""
JUNK_LINES: Final = 3
LAST_WORDS_S: Final = 0.5

ORPHANED_S: Final = 2.0
"""How long a child may take to end by itself once we are gone."""

_GUARD: Final = 'read -r _; sleep "$2"; kill -s KILL -- "-$1"'
"""Waits for the end of its input, which is ours, and ends a group that has not ended by then."""

_SECRETS: Final = re.compile(
    r"\b(?:sk|sess|rt|at)[-_][A-Za-z0-9_-]{8,}|\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]+)?"
    r"|(?<=[Bb]earer )\S+|\b(?:refresh|access|id)_token[\"'=: ]+[^\s\"',]+"
)
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_LOGIN: Final = (
    "failed to refresh token",
    "could not be refreshed",
    "refresh_token_reused",
    "refresh_token_expired",
    "refresh_token_invalidated",
    "refresh token was already used",
    "refresh token has expired",
    "refresh token was revoked",
    "token_invalidated",
    "invalid_grant",
    "sign in again",
)
"""What the child writes when its own login is broken. Source: codex-rs, login and core::auth."""

log = logging.getLogger(__name__)


class Child:
    """A running app-server."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        guard: asyncio.subprocess.Process,
        *,
        hide: tuple[str, ...],
    ) -> None:
        self.incoming: asyncio.Queue[Notified | Requested | None] = asyncio.Queue()
        self.login_broken = False
        self._process = process
        self._guard = guard
        self._hide = hide
        self._words: deque[str] = deque(maxlen=STDERR_KEPT)
        self._waiting: dict[RequestId, asyncio.Future[Answered]] = {}
        self._number = 0
        self._junk = 0
        self._lost: ChildLost | None = None
        self._gone = asyncio.create_task(_gone(process.pid))
        self._listening = asyncio.create_task(self._listen())
        self._reading = asyncio.create_task(self._read())
        self._noticing = asyncio.create_task(self._notice_end())

    @classmethod
    async def start(
        cls,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str],
        cwd: Path,
        hide: tuple[str, ...],
        orphaned_s: float = ORPHANED_S,
    ) -> "Child":
        """Start one. Raises ChildLost where it can't be started."""
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                env=dict(env),
                cwd=cwd,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                limit=protocol.LINE_BYTES,
            )
        except (OSError, ValueError) as exc:
            why = f"{argv[0]} can't be started ({type(exc).__name__})"
            raise ChildLost("unfit", why) from exc
        try:
            guard = await _guarded(process.pid, orphaned_s)
        except BaseException as exc:
            _kill_group(process.pid)
            await process.communicate()
            if isinstance(exc, OSError):
                why = f"nothing can be started beside it ({type(exc).__name__})"
                raise ChildLost("unfit", why) from exc
            raise
        return cls(process, guard, hide=hide)

    @property
    def alive(self) -> bool:
        """Whether it can still be spoken to."""
        return self._lost is None and self._process.returncode is None

    @property
    def lost(self) -> ChildLost | None:
        """Why nothing more comes."""
        return self._lost

    @property
    def pid(self) -> int:
        """The process, which leads its group."""
        return self._process.pid

    @property
    def words(self) -> tuple[str, ...]:
        """What is kept of its standard error."""
        return tuple(self._words)

    def last_words(self) -> str:
        """The end of its standard error, for operators."""
        return "\n".join(list(self._words)[-STDERR_SHOWN:])

    async def request(self, method: str, params: JsonObject, *, within_s: float) -> JsonObject:
        """Ask, and return the answer. Raises RpcRefused; ChildLost if none comes in time."""
        if self._lost is not None:
            raise self._lost
        self._number += 1
        number = self._number
        waiting: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            self._write(protocol.request(number, method, params))
            async with asyncio.timeout(within_s):
                answered = await waiting
        except TimeoutError as exc:
            raise ChildLost("timeout", f"{method} had no answer in {within_s:g} s") from exc
        finally:
            self._waiting.pop(number, None)
        if answered.error is not None:
            raise RpcRefused(method, answered.error)
        return answered.result

    def notify(self, method: str) -> None:
        """Tell it something."""
        self._write(protocol.notification(method))

    def answer(self, number: RequestId, result: JsonObject) -> None:
        """Answer a request of the child; one that is gone hears nothing."""
        self._write(protocol.answer(number, result))

    def refuse(self, request: Requested) -> None:
        """Say that we do not know a request."""
        self._write(protocol.refusal(request.id, request.method))

    async def end(self, *, within_s: float) -> None:
        """Let it end by itself, then kill what is left of its group; a cancel cuts nothing."""
        task = asyncio.ensure_future(self._end(within_s))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait((task,))
            raise

    async def _end(self, within_s: float) -> None:
        stdin = self._process.stdin
        if stdin is not None:
            stdin.close()
        if within_s > 0:
            await asyncio.wait((self._gone,), timeout=within_s)
        self._kill()
        await self._gone
        await self._dismiss()
        # A command that has left the group may hold the pipes open: they are let go of.
        await asyncio.wait((self._reading, self._listening), timeout=LAST_WORDS_S)
        # Nothing public of a Process does this.
        transport: asyncio.SubprocessTransport = self._process._transport  # type: ignore[attr-defined]
        for descriptor in (1, 2):
            if (pipe := transport.get_pipe_transport(descriptor)) is not None:
                pipe.close()
        await self._process.wait()
        transport.close()
        for task in (self._reading, self._listening, self._noticing):
            task.cancel()
        await asyncio.gather(self._reading, self._listening, self._noticing, return_exceptions=True)
        if stdin is not None:
            with contextlib.suppress(ConnectionError):
                await stdin.wait_closed()

    def _kill(self) -> None:
        _kill_group(self._process.pid)

    async def _dismiss(self) -> None:
        """The group is no more: nobody has to watch over its end."""
        with contextlib.suppress(ProcessLookupError):
            self._guard.kill()
        await self._guard.communicate()

    def _write(self, line: bytes) -> None:
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(line)

    async def _read(self) -> None:
        stdout = self._process.stdout
        lost = ChildLost("ended", "its output ended")
        try:
            while stdout is not None and (line := await stdout.readline()):
                self._take(line)
        except ValueError:
            lost = ChildLost("junk", f"a line of over {protocol.LINE_BYTES} bytes")
        except ChildLost as junk:
            lost = junk
        # What it wrote before its end may be in the other pipe still.
        await asyncio.wait((self._listening,), timeout=LAST_WORDS_S)
        self._close(lost)

    async def _notice_end(self) -> None:
        """A child that is gone says nothing more, even if a command holds its output open."""
        await self._gone
        await asyncio.wait((self._reading,), timeout=2 * LAST_WORDS_S)
        self._close(ChildLost("ended", "it ended"))

    def _take(self, line: bytes) -> None:
        try:
            message = protocol.read_line(line)
        except protocol.NoMessage:
            self._junk += bool(line.strip())
            if self._junk > JUNK_LINES:
                raise ChildLost("junk", f"{self._junk} lines that are no message") from None
            return
        if not isinstance(message, Answered):
            self.incoming.put_nowait(message)
            return
        waiting = self._waiting.get(message.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _close(self, lost: ChildLost) -> None:
        if self._lost is not None:
            return
        if self.login_broken:
            lost = ChildLost("login", "its login is broken: log in again")
        self._lost = lost
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(lost)
        self.incoming.put_nowait(None)

    async def _listen(self) -> None:
        stderr = self._process.stderr
        rest = b""
        while stderr is not None and (piece := await stderr.read(64 * 1024)):
            *lines, rest = (rest + piece).split(b"\n")
            rest = rest[:STDERR_READ]
            for line in lines:
                self._hear(line)
        if rest:
            self._hear(rest)

    def _hear(self, line: bytes) -> None:
        said = _COLOURS.sub("", line[:STDERR_READ].decode(errors="replace")).rstrip()
        for secret in self._hide:
            said = said.replace(secret, "***")
        said = _SECRETS.sub("***", said)[:STDERR_LINE]
        if not said:
            return
        self._words.append(said)
        if not self.login_broken and any(words in said.lower() for words in _LOGIN):
            self.login_broken = True
            self._kill()


async def _guarded(group: int, seconds: float) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", _GUARD, "sh", str(group), f"{seconds:g}"),
        env={"PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


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
