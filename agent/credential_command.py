"""A token that a program prints: secret managers, clouds."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson

from agent.credential_oauth import Now
from agent.credentials import Lease, Service
from agent.errors import ProviderAuthFailed, ProviderError
from agent.oauth_services import SECOND, due_at
from agent.single_flight import SingleFlight

COMMAND_TIMEOUT_S = 10.0
SPACING = 30 * SECOND
"""Between two runs."""
ENVIRONMENT = ("PATH", "HOME", "LANG", "CLOUDSDK_CONFIG", "GOOGLE_APPLICATION_CREDENTIALS")
"""What the program sees of ours."""
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What a program printed; `expires_at` is microseconds since 1970, None if unknown."""

    token: str = field(repr=False)
    expires_at: int | None


class _Unusable(Exception):
    """The program gave no token; its own words may be secret and are not repeated."""


class CommandToken:
    """The token of a program. `header` is sent with `scheme` before the token."""

    def __init__(
        self,
        argv: tuple[str, ...],
        *,
        label: str,
        time: Now,
        environ: Mapping[str, str],
        header: str = "Authorization",
        scheme: str = "Bearer",
    ) -> None:
        self._argv = argv
        self._label = label
        self._time = time
        self._environ = {name: environ[name] for name in ENVIRONMENT if name in environ}
        self._header = header
        self._scheme = scheme
        self._printed: Printed | None = None
        self._due_at: int | None = None
        self._failure = ""
        self._ran_at: int | None = None
        self._generation = 0
        self._running = SingleFlight()

    @property
    def service(self) -> Service:
        """A program's."""
        return Service.COMMAND

    @property
    def generation(self) -> int:
        """How often it has printed a token."""
        return self._generation

    async def lease(self) -> Lease:
        """Return the token as a header, running the program first where due."""
        if self._is_due() and self._may_run():
            await self._run()
        now, printed = self._time.now(), self._printed
        if printed is None or (printed.expires_at is not None and printed.expires_at <= now):
            raise self._error(self._failure or "its token has ended")
        value = f"{self._scheme} {printed.token}" if self._scheme else printed.token
        return Lease(label=self._label, headers={self._header: value}, generation=self._generation)

    async def renew(self, lease: Lease) -> bool:
        """Run it again, unless it has just been run."""
        if lease.generation >= self._generation and self._may_run():
            await self._run()
            if self._failure:
                raise self._error(self._failure)
        return self._generation > lease.generation

    def _is_due(self) -> bool:
        if self._printed is None:
            return True
        return self._due_at is not None and self._due_at <= self._time.now()

    def _may_run(self) -> bool:
        """A run in flight serves everybody; the next one begins 30 s later."""
        if self._running.flying or self._ran_at is None:
            return True
        return self._time.now() - self._ran_at >= SPACING

    async def _run(self) -> None:
        await self._running.run(self._ask)

    async def _ask(self) -> None:
        self._ran_at = self._time.now()
        try:
            printed = read_printed(await _output(self._argv, self._environ))
        except _Unusable as exc:
            self._failure = str(exc)
            return
        self._printed, self._failure = printed, ""
        self._due_at = due_at(self._time.now(), printed.expires_at)
        self._generation += 1

    def _error(self, why: str) -> ProviderError:
        return ProviderAuthFailed(
            f"{Path(self._argv[0]).name}: {why}",
            provider="",
            model="",
            reason="auth",
            credential=self._label,
        )


def read_printed(raw: bytes) -> Printed:
    """Pure: the token a program printed, as `{token, expires_at}` or one line."""
    text = raw.decode(errors="replace").strip()
    if text.startswith("{"):
        return _from_json(text)
    if not text:
        raise _Unusable("it printed nothing")
    if len(text.splitlines()) > 1:
        raise _Unusable("it printed more than one line")
    return Printed(token=_clean(text), expires_at=None)


def _from_json(text: str) -> Printed:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise _Unusable("it printed JSON that can't be read") from exc
    token = found.get("token")
    if not isinstance(token, str) or not token:
        raise _Unusable("it printed JSON without a token")
    return Printed(token=_clean(token), expires_at=_time(found.get("expires_at")))


def _clean(token: str) -> str:
    """A token as a header takes it."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise _Unusable("it printed something that is no token")
    return token


def _time(value: object) -> int | None:
    """Seconds since 1970, or a date with its time; without a zone it is UTC."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11:
        return int(value * SECOND)
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError as exc:
        raise _Unusable("its expires_at is no time") from exc
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return int(when.timestamp() * SECOND)


async def _output(argv: tuple[str, ...], environ: Mapping[str, str]) -> bytes:
    """What a program prints within its time; without a shell, in a process group of its own."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(environ),
            start_new_session=True,
        )
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else "not a program"
        raise _Unusable(f"it can't be started ({why.lower()})") from exc
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            raw = await _bounded(process.stdout)
            code = await process.wait()
    except TimeoutError as exc:
        raise _Unusable(f"it did not end in {COMMAND_TIMEOUT_S:.0f} s") from exc
    finally:
        await _end(process)
    if code != 0:
        raise _Unusable(f"it ended with code {code}")
    return raw


async def _bounded(stream: asyncio.StreamReader | None) -> bytes:
    raw = bytearray()
    while stream is not None and (piece := await stream.read(4096)):
        raw += piece
        if len(raw) > _MAX_BYTES:
            raise _Unusable("it printed more than 64 KiB")
    return bytes(raw)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing of it is left running."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())
