"""The control socket: how the command line speaks to the running gateway.

A Unix socket in the state directory, JSON lines, one answer a request; `gateway.control_requests`
has the requests. Only the gateway's own user and root may speak: the file is 0600 in a 0700
directory, and the kernel's word on who connected is checked again.
"""

import asyncio
import binascii
import logging
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, assert_never

import orjson

from gateway.clock import SystemClock
from gateway.control_requests import (
    AboutAccess,
    AboutDesk,
    AboutJobs,
    AboutKeys,
    AddJob,
    AskCredentials,
    AskJobs,
    AskOwners,
    AskPairings,
    AskStatus,
    AskWhy,
    BackedUp,
    BackUp,
    ChangeJob,
    DecidePairing,
    Examine,
    KeepLogin,
    MakeOwnerCode,
    OpenChat,
    RemoveOwner,
    RetryCredential,
    SendFile,
    SendText,
    TriggerJob,
    read_request,
)
from gateway.cron_door import (
    CronDoor,
    Fired,
    KeyConflict,
    Known,
    NoSuchJob,
    SignedBefore,
    TooMany,
)
from gateway.errors import GatewayError, NotNow, StoreError
from gateway.logins import login_of, shell_person
from gateway.refs import chat_text
from platforms.errors import PlatformError
from platforms.terminal.limits import LINE_MAX_BYTES
from platforms.terminal.parse import Person, chat_of

if TYPE_CHECKING:  # the command line needs the protocol, not the gateway behind it
    from gateway.operator import SendResult, Status
    from gateway.outgoing import File

log = logging.getLogger(__name__)

SOCKET = "control.sock"
SOCKET_MODE = 0o600
PATH_MAX_BYTES = 100  # Source: unix(7), sun_path: 108 bytes with its end
IDLE_S = 600.0
LAST_WORDS_S = 0.5
PACKING_S = 6 * 3600.0
"""How long a copy is kept for whoever packs it."""

T = TypeVar("T")

NOT_A_REQUEST = "this is not a request of this version; use the gatepost command that belongs to it"
NO_DESK = "nothing can be decided here"
NO_KEYS = "there are no keys of models here"
NO_JOBS = "there are no jobs here"
NO_ACCESS = "nobody is let in here"
UNFORESEEN = "the gateway could not do this; its log says why"


class Operator(Protocol):
    """What the command line may ask of the running gateway.

    Raises GatewayError with the sentence the person reads.
    """

    async def status(self) -> "Status":
        """One look at everything; never waits for a platform or provider."""

    async def why(self, ident: str) -> tuple[str, ...]:
        """What became of an event, turn, message or delivery, one line each; () if unknown."""

    async def send(self, chat: str, text: str, key: str | None) -> "SendResult":
        """Store a message for a chat, power-safe when this returns; the same key stores once."""

    async def send_file(self, chat: str, file: "File", key: str | None) -> "SendResult":
        """Store a file for a chat, as `send` does words."""


class Desk(Protocol):
    """What the command line may ask of the desk; `by` is a person, `shell:LOGIN`.

    Raises GatewayError with the sentence the person reads.
    """

    async def answer(self, request: AboutDesk, *, by: str) -> object:
        """Carry a request out; the result as `gateway.control_requests` has it."""


class Keys(Protocol):
    """What the command line may ask of the models' keys; `by` is a person, `shell:LOGIN`.

    Raises GatewayError with the sentence the person reads.
    """

    async def answer(self, request: AboutKeys, *, by: str) -> object:
        """Carry a request out; the result as `gateway.control_requests` has it."""


class Access(Protocol):
    """What the command line may ask and say about who gets in; `by` is `shell:LOGIN`.

    Raises GatewayError with the sentence the person reads.
    """

    async def answer(self, request: AboutAccess, *, by: str) -> object:
        """Carry a request out; the result as `gateway.control_requests` has it."""


class Jobs(Protocol):
    """What the command line may ask and change of jobs; `by` is `shell:LOGIN`.

    Raises GatewayError with the sentence the person reads.
    """

    async def answer(self, request: AboutJobs, *, by: str) -> object:
        """Carry a request out; the result as `gateway.control_requests` has it."""


class Terminals(Protocol):
    """Who takes over a connection that asked to chat; the terminal's adapter."""

    async def serve(
        self, person: Person, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Run it to its end; PlatformError before the first byte to refuse it."""


def _there(found: T | None, missing: str) -> T:
    """What is asked for; raises GatewayError with the sentence where there is none."""
    if found is None:
        raise GatewayError(missing)
    return found


@contextmanager
def socket_address(state_dir: Path) -> Iterator[str]:
    """The socket's path, short enough for the system whatever the directory's depth."""
    path = str(state_dir / SOCKET)
    if len(os.fsencode(path)) <= PATH_MAX_BYTES:
        yield path
        return
    descriptor = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


class ControlServer:
    """Listens in a state directory whose lock this process holds."""

    def __init__(
        self,
        state_dir: Path,
        *,
        operator: Operator,
        terminals: Terminals,
        desk: Desk | None = None,
        keys: Keys | None = None,
        cron: CronDoor | None = None,
        access: Access | None = None,
        jobs: Jobs | None = None,
    ) -> None:
        """Without a `desk` nothing can be decided here; without `keys` or `cron` there are none.

        `cron` runs jobs, `jobs` lists and changes them.

        Without `access` nobody is let in.
        """
        self._state_dir = state_dir
        self._operator = operator
        self._desk = desk
        self._keys = keys
        self._cron = cron
        self._access = access
        self._jobs = jobs
        self._terminals = terminals
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._backing_up = False
        self._clock = SystemClock()

    async def start(self) -> None:
        """Listen; a socket file left by a dead gateway is replaced. Raises GatewayError."""
        try:
            listening = _listen(self._state_dir)
        except OSError as exc:
            raise GatewayError(
                f"cannot make the control socket in {self._state_dir}: {exc.strerror or exc}"
            ) from exc
        self._server = await asyncio.start_unix_server(
            self._connected, sock=listening, limit=LINE_MAX_BYTES
        )

    async def close(self) -> None:
        """Stop listening and end every connection; may be called twice."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        if self._connections:  # chats still write what they have
            await asyncio.wait(self._connections, timeout=LAST_WORDS_S)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        with suppress(OSError):
            os.unlink(self._state_dir / SOCKET)  # noqa: PTH108 - one call, no stat

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio reports the one it would make as failed when we cancel it.
        task = asyncio.create_task(self._serve(reader, writer), name="control connection")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except OSError:
            pass  # it hung up; there is nobody to tell
        except Exception:
            log.exception("a control connection failed; others go on")
            with suppress(OSError):
                await _answer(writer, error=UNFORESEEN)
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        person = _peer(writer)
        if person.uid not in (os.getuid(), 0):
            log.warning("refused a control connection of user %d", person.uid)
            await _answer(writer, error=f"this gateway belongs to user {os.getuid()}, not to you")
            return
        while line := await _line(reader):
            request = read_request(line)
            if isinstance(request, OpenChat):
                await self._chat(person, request, reader, writer)
                return
            try:
                result = None
                if isinstance(request, BackUp):
                    await self._back_up(reader, writer)
                elif request is None or isinstance(request, BackedUp):
                    raise GatewayError(NOT_A_REQUEST)
                else:
                    result = await self._perform(request, person)
            except (NotNow, StoreError) as error:
                await _answer(writer, error=str(error), later=True)
            except GatewayError as error:
                await _answer(writer, error=str(error))
            else:
                await _answer(writer, ok=result)

    async def _perform(
        self,
        request: AskStatus
        | AskWhy
        | SendFile
        | SendText
        | TriggerJob
        | Examine
        | AboutDesk
        | AboutKeys
        | AboutAccess
        | AboutJobs,
        person: Person,
    ) -> Any:
        by = shell_person(person.login)
        match request:
            case AskStatus():
                return await self._operator.status()
            case AskWhy(ident=ident):
                return await self._operator.why(ident)
            case SendText(chat=chat, text=text, key=key):
                return _stored(await self._operator.send(chat, text, key))
            case SendFile(chat=chat, key=key):
                return _stored(await self._operator.send_file(chat, _file(request), key))
            case TriggerJob():
                return await self._trigger(request, by=by)
            case Examine():
                from gateway.store.examine import examine

                now = self._clock.now()
                return await asyncio.to_thread(examine, self._state_dir, now=now, running=True)
            case AskCredentials() | RetryCredential() | KeepLogin():
                return await _there(self._keys, NO_KEYS).answer(request, by=by)
            case AskJobs() | ChangeJob() | AddJob():
                return await _there(self._jobs, NO_JOBS).answer(request, by=by)
            case AskPairings() | DecidePairing() | MakeOwnerCode() | AskOwners() | RemoveOwner():
                return await _there(self._access, NO_ACCESS).answer(request, by=by)
            case _:
                return await _there(self._desk, NO_DESK).answer(request, by=by)

    async def _trigger(self, request: TriggerJob, *, by: str) -> dict[str, Any]:
        """Run a job now; on disk when this returns."""
        if self._cron is None:
            raise GatewayError(NO_JOBS)
        outcome = await self._cron.fire_now(
            request.name, by=by, key=request.key or None, data=request.data
        )
        match outcome:
            case Fired(fire=fire):
                return {"fire": f"f{fire}", "new": True}
            case Known(fire=fire):
                return {"fire": f"f{fire}", "new": False}
            case KeyConflict() | SignedBefore():
                raise GatewayError("this key came with other data before; nothing was done")
            case TooMany():
                raise NotNow("so many runs of this job wait that no further one is taken")
            case NoSuchJob():
                raise GatewayError(
                    f"there is no job {request.name}; `gatepost cron list` names those there are"
                )
            case _:
                assert_never(outcome)

    async def _back_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy the state, lend the copy to this connection, and take note of what became of it."""
        from gateway.store import backup

        if self._backing_up:
            raise GatewayError("a backup is being made already; wait for that one")
        self._backing_up = True
        stopped = threading.Event()
        try:
            folder = await asyncio.to_thread(
                backup.stage, self._state_dir, running=True, stopped=stopped.is_set
            )
            await _answer(writer, ok=str(folder))
            packed = read_request(await _line(reader, within_s=PACKING_S))
            if not isinstance(packed, BackedUp):
                raise GatewayError("the copy was given up")
            now = self._clock.now()
            await asyncio.to_thread(backup.note, self._state_dir, at=now, path=packed.path)
        finally:
            stopped.set()
            self._backing_up = False
            await asyncio.to_thread(backup.discard, self._state_dir)

    async def _chat(
        self,
        person: Person,
        request: OpenChat,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            chat = chat_text(chat_of(person.uid, request.name))
        except ValueError as error:
            await _answer(writer, error=str(error))
            return
        await _answer(writer, ok=chat)
        try:
            await self._terminals.serve(person, request.name, reader, writer)
        except PlatformError as error:
            await _answer(writer, error=str(error))


def _listen(state_dir: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket_address(state_dir) as address:
            with suppress(FileNotFoundError):
                os.unlink(address)  # noqa: PTH108 - may lead through /proc
            listening.bind(address)
            os.chmod(address, SOCKET_MODE)  # noqa: PTH101 - the same
        listening.listen()
    except BaseException:
        listening.close()
        raise
    return listening


def _peer(writer: asyncio.StreamWriter) -> Person:
    """Who connected, by the kernel. Source: unix(7), SO_PEERCRED: pid, uid, gid."""
    connection = writer.get_extra_info("socket")
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, uid, _ = struct.unpack("3i", credentials)
    return Person(uid=uid, login=login_of(uid))


async def _line(reader: asyncio.StreamReader, within_s: float = IDLE_S) -> bytes:
    """The next request; empty when the connection ends or stays silent."""
    try:
        async with asyncio.timeout(within_s):
            return await reader.readline()
    except (TimeoutError, ValueError):
        return b""


def _stored(result: "SendResult") -> int | None:
    if result.problem:
        raise GatewayError(result.problem)
    return result.outbox_id


def _file(request: SendFile) -> "File":
    from gateway.outgoing import File

    try:
        data = binascii.a2b_base64(request.data, strict_mode=True)
    except ValueError as error:
        raise GatewayError(NOT_A_REQUEST) from error
    return File(data=data, name=request.name, mime=request.mime)


async def _answer(writer: asyncio.StreamWriter, **answer: Any) -> None:
    writer.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
    await writer.drain()
