"""Commands inside OS isolation: what they can see, how they begin, and that none of them is left.

Theory of operation. Every command runs under bubblewrap in namespaces of its own: the system's
programs read-only, a private /tmp, the workspace as the one place it can write, no network, no
capabilities, and only the environment variables that are named.

What a command's first word runs is found the way the sandbox would find it, links and all, and
told with a hash of its bytes. It is found again before the run: what is not the same is not run.

Not handled: memory as a whole (the limit holds per process), and quotas of the workspace's disk.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import NotStarted, ToolError
from agent.tools import command
from agent.tools.command import GRACE_S, Ended
from agent.tools.workspace import Segments, Workspace, digest

PROBE_S: Final = 5.0
PLACE: Final = "/workspace"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SCRATCH_BYTES: Final = 512 * 1024 * 1024
PROGRAM_BYTES: Final = 64 * 1024 * 1024

_TMP: Final = "/tmp"  # noqa: S108 - the sandbox's own
_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS: Final = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
)
_ENVIRONMENT: Final = {"PATH": PATH, "HOME": _TMP, "LANG": "C.UTF-8", "TERM": "dumb"}
_LINKS_MAX: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """What a command's first word runs, as it is inside: `path` as found, `resolved` behind links.

    `mode` is octal; `sha256` is of the bytes that run.
    """

    path: str
    resolved: str
    size: int
    mode: str
    sha256: str


class Isolation:
    """Runs commands over one workspace.

    `environment` holds the named variables a command gets beside PATH, HOME, LANG and TERM;
    their values stand in no argument and no process list.
    """

    def __init__(
        self,
        *,
        workspace: Path,
        environment: Mapping[str, str] | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        """`grace_s` lies between the word to end and the end by force."""
        self._grace_s = grace_s
        self._workspace = Workspace(workspace)
        self._environment = dict(environment or {})
        self._system = tuple(place for place in (*_SYSTEM, *_SETTINGS) if Path(place).exists())

    @property
    def names(self) -> tuple[str, ...]:
        """The variables a command gets beside those every command has."""
        return tuple(sorted(self._environment))

    @property
    def workspace(self) -> Workspace:
        """The files a command may change."""
        return self._workspace

    def available(self) -> str | None:
        """Why no command can be isolated here, None if one can: it tries with a real command.

        Blocks for up to `PROBE_S`; the workspace is made if it is not there.
        """
        if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
            return "isolation needs Linux"
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            return "bubblewrap (the program bwrap) is not installed"
        try:
            Path(self._workspace.root).mkdir(parents=True, exist_ok=True)
            with contextlib.ExitStack() as files:
                options, passed = self._options(files, cwd=PLACE, program=None)
                tried = subprocess.run(  # noqa: S603 - fixed words
                    [bwrap, "--args", str(options), "--", "/bin/sh", "-c", "exit 0"],
                    pass_fds=(*passed, options),
                    env={},
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=PROBE_S,
                    check=False,
                )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap could not be tried: {error}"
        if tried.returncode == 0:
            return None
        words = tried.stderr.decode(errors="replace").strip().splitlines()
        return "bubblewrap can't isolate a command here: " + (words[-1] if words else "no reason")

    def locate(self, name: str, *, cwd: Segments) -> Executable:
        """Find what a command's first word runs inside; raises ToolError. Blocking."""
        path = self._found(name, cwd=cwd)
        resolved = self._resolved(path)
        if resolved is None:
            raise ToolError(f"There is no executable {name!r} inside the sandbox.")
        with self._program(resolved) as file:
            facts = os.fstat(file)
            if not facts.st_mode & 0o111:
                raise ToolError(f"{name!r} is not executable.")
            return Executable(
                path=path,
                resolved=resolved,
                size=facts.st_size,
                mode=f"{stat.S_IMODE(facts.st_mode):04o}",
                sha256=digest(file),
            )

    async def run(
        self,
        executable: Executable,
        argv: tuple[str, ...],
        *,
        cwd: Segments,
        stdin: bytes,
        deadline_s: float,
    ) -> Ended:
        """Run a command to its end, or end it after `deadline_s`; nothing of it is left after.

        Raises NotStarted if it could not begin or `executable` is no longer what it was. A
        cancel ends the command as the deadline does, and is raised when nothing is left.
        A command that is still starting is started first, held, and ended.
        """
        starting = asyncio.ensure_future(self._start(executable, argv, cwd))
        try:
            child = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # Cut in the middle, a start could leave something behind; it is short.
            await command.finished(starting)
            if not starting.cancelled() and starting.exception() is None:
                await starting.result().end(grace_s=0.0)
            raise
        timed_out = False
        try:
            child.go(stdin)
            async with asyncio.timeout(deadline_s):
                await child.ended()
        except TimeoutError:
            timed_out = True
        finally:
            await child.end(grace_s=self._grace_s)
        return child.outcome(timed_out=timed_out)

    async def _start(
        self, executable: Executable, argv: tuple[str, ...], cwd: Segments
    ) -> command.Child:
        """A command that waits to be told to go; raises NotStarted."""
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise NotStarted("bubblewrap is not installed; nothing was run.")
        with contextlib.ExitStack() as files:
            program = await asyncio.to_thread(self._pinned, files, executable, argv[0], cwd)
            place = "/".join((PLACE, *cwd))
            options, passed = self._options(files, cwd=place, program=program)
            return await command.begin(bwrap, options, passed, (executable.path, *argv[1:]))

    # What a command sees.

    def _options(
        self, files: contextlib.ExitStack, *, cwd: str, program: tuple[str, int] | None
    ) -> tuple[int, tuple[int, ...]]:
        """The options as a file descriptor, and the descriptors they name."""
        account = f"agent:x:{os.getuid()}:{os.getgid()}::/tmp:/bin/sh\n".encode()
        accounts = _memory(files, account)
        options = [
            *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"),
            *("--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"),
            *("--dev", "/dev", "--size", str(SCRATCH_BYTES), "--tmpfs", "/dev/shm"),  # noqa: S108
            *("--remount-ro", "/dev", "--proc", "/proc"),
            *("--size", str(SCRATCH_BYTES), "--tmpfs", _TMP),
        ]
        for place in self._system:
            source = Path(place)
            if source.is_symlink() and source.parent == Path("/"):
                options += ["--symlink", str(source.readlink()), place]
            else:
                options += ["--ro-bind", place, place]
        options += ["--ro-bind-data", str(accounts), "/etc/passwd"]
        options += ["--bind", self._workspace.root, PLACE]
        passed = [accounts]
        if program is not None:
            options += ["--perms", "0555", "--ro-bind-data", str(program[1]), program[0]]
            passed.append(program[1])
        options += ["--remount-ro", "/", "--chdir", cwd, "--clearenv"]
        for name, value in {**_ENVIRONMENT, **self._environment}.items():
            options += ["--setenv", name, value]
        given = _memory(files, b"".join(os.fsencode(option) + b"\0" for option in options))
        return given, tuple(passed)

    def _outside(self, path: str) -> str | None:
        """Where a path of the sandbox lies on this machine; None if it is not bound from here."""
        if path == PLACE or path.startswith(PLACE + "/"):
            return self._workspace.root + path[len(PLACE) :]
        if any(path == place or path.startswith(place + "/") for place in self._system):
            return path
        return None

    def _found(self, name: str, *, cwd: Segments) -> str:
        """The path that `name` means, by the search path or from the working directory."""
        if "/" in name:
            return name if name.startswith("/") else "/".join((PLACE, *cwd, name))
        for directory in PATH.split(":"):
            path = f"{directory}/{name}"
            resolved = self._resolved(path)
            outside = self._outside(resolved) if resolved else None
            if outside is not None and Path(outside).is_file() and os.access(outside, os.X_OK):
                return path
        raise ToolError(f"There is no executable {name!r} inside the sandbox.")

    def _resolved(self, path: str) -> str | None:
        """The path behind every link, as links lead inside; None if it leads nowhere."""
        todo = [part for part in reversed(path.split("/")) if part]
        here: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part in {".", ".."}:
                del here[len(here) - (part == "..") :]
                continue
            inside = "/" + "/".join((*here, part))
            outside = self._outside(inside)
            if outside is None:
                if not any(place.startswith(inside + "/") for place in self._system):
                    return None
            elif Path(outside).is_symlink():
                links += 1
                if links > _LINKS_MAX:
                    return None
                target = str(Path(outside).readlink())
                if target.startswith("/"):
                    here = []
                todo += [piece for piece in reversed(target.split("/")) if piece]
                continue
            elif not os.path.lexists(outside):
                return None
            here.append(part)
        return "/" + "/".join(here)

    @contextlib.contextmanager
    def _program(self, resolved: str) -> Iterator[int]:
        """A descriptor of the file behind a resolved path."""
        if (segments := _in_workspace(resolved)) is not None:
            with self._workspace.opened(segments) as file:
                yield file
            return
        try:
            file = os.open(resolved, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as exc:
            raise ToolError(f"{resolved}: {exc.strerror or exc}.") from exc
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise ToolError(f"{resolved} is not a regular file.")
            yield file
        finally:
            os.close(file)

    def _pinned(
        self, files: contextlib.ExitStack, shown: Executable, name: str, cwd: Segments
    ) -> tuple[str, int] | None:
        """Check that the executable is what was shown; hold the bytes of one that can change.

        A program of the workspace may be swapped by whoever else works there, so a copy of its
        bytes is what runs.
        """
        try:
            self._workspace.require_directory(cwd)
            if self.locate(name, cwd=cwd) != shown:
                raise NotStarted(f"{shown.path} is no longer what was shown; nothing was run.")
            if _in_workspace(shown.resolved) is None:
                return None
            with self._program(shown.resolved) as file:
                content = os.pread(file, PROGRAM_BYTES + 1, 0)
        except NotStarted:
            raise
        except ToolError as error:
            raise NotStarted(f"{error} Nothing was run.") from error
        if len(content) > PROGRAM_BYTES or hashlib.sha256(content).hexdigest() != shown.sha256:
            raise NotStarted(f"{shown.path} is no longer what was shown; nothing was run.")
        return shown.resolved, _memory(files, content)


def _in_workspace(inside: str) -> Segments | None:
    """The segments of a path of the sandbox that lies in the workspace."""
    if not inside.startswith(PLACE + "/"):
        return None
    return tuple(inside[len(PLACE) + 1 :].split("/"))


def _memory(files: contextlib.ExitStack, content: bytes) -> int:
    """A file without a name, open at its start, until `files` is closed."""
    file = os.memfd_create("gatepost")
    files.callback(os.close, file)
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    os.lseek(file, 0, os.SEEK_SET)
    return file
