"""A conversation with the gateway over its control socket, and when its answer is complete."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from gateway.cli.asking import answer_of, unreachable
from gateway.control import AskStatus, OpenChat, Request, request_line, socket_address
from gateway.errors import GatewayError
from platforms.terminal.wire import (
    Act,
    MessageGone,
    MessageShown,
    NotStored,
    Push,
    Say,
    Stored,
    act_line,
    read_push,
)

LINE_MAX_BYTES = 64 << 20
LOOK_EVERY_S = 0.25
"""How long nothing may come before we ask whether anything still will."""

OTHERS_FOR_S = 3.0
"""How long what waits elsewhere in the gateway may be ours."""

SILENT_FOR_S = 10.0
"""How long an idle gateway may owe the first word of an answer."""


class Talk:
    """One open chat; `chat` is its address, such as terminal:1000."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chat: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.chat = chat

    def say(self, text: str) -> str:
        """Send words; returns the key under which they are acknowledged."""
        key = str(uuid.uuid4())
        self.send(Say(key=key, text=text))
        return key

    def send(self, act: Act) -> None:
        """Send one act."""
        self._writer.write(act_line(act))

    async def hear(self) -> Push:
        """The next push; raises GatewayError when the gateway has hung up."""
        try:
            line = await self._reader.readline()
        except OSError as exc:
            raise GatewayError("the connection to the gateway broke") from exc
        if not line.endswith(b"\n"):
            raise GatewayError("the gateway has ended the connection; start it and try again")
        try:
            return read_push(line)
        except ValueError:
            # A refusal comes in the socket's own words.
            answer_of(line)
            raise GatewayError("the gateway speaks another version of this protocol") from None


@asynccontextmanager
async def open_talk(state_dir: Path, name: str) -> AsyncIterator[Talk]:
    """Open a chat; raises NotRunning, or Refused for a bad name."""
    async with _connection(state_dir) as (reader, writer):
        chat = await _ask(reader, writer, OpenChat(name=name))
        yield Talk(reader, writer, str(chat))


class Overseer:
    """Knows from the gateway's status whether a chat still has an answer coming."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chat: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._session = f"|{chat}"

    async def look(self) -> tuple[bool, bool]:
        """Whether a turn of ours runs; whether anything waits or is being delivered anywhere."""
        status = await _ask(self._reader, self._writer, AskStatus())
        ours = any(turn["session_key"].endswith(self._session) for turn in status["running"])
        leaving = status["outbox"].get("pending", 0) + status["outbox"].get("in_flight", 0)
        return ours, bool(leaving or sum(status["waiting"].values()))


@asynccontextmanager
async def open_overseer(state_dir: Path, chat: str) -> AsyncIterator[Overseer]:
    """A second connection, for the questions."""
    async with _connection(state_dir) as (reader, writer):
        yield Overseer(reader, writer, chat)


class BrokenOff(GatewayError):
    """The gateway went away while it answered; `shown` is what stood by then."""

    def __init__(self, shown: tuple[MessageShown, ...]) -> None:
        super().__init__(
            "the gateway stopped, so this may not be the whole answer; your message is kept, and"
            " the answer stands in this chat once it runs again"
        )
        self.shown = shown


class Answers:
    """Says one thing after another and collects what is shown in answer."""

    def __init__(
        self,
        talk: Talk,
        overseer: Overseer,
        *,
        others_for_s: float = OTHERS_FOR_S,
        silent_for_s: float = SILENT_FOR_S,
    ) -> None:
        self._talk = talk
        self._overseer = overseer
        self._others_for_s = others_for_s
        self._silent_for_s = silent_for_s
        self._hearing: asyncio.Task[Push] | None = None
        self.earlier: list[MessageShown] = []
        """Messages that had come before the first thing was said."""

    async def answer(self, text: str) -> tuple[MessageShown, ...]:
        """Every message shown until the gateway has nothing more to say; () if it is silent.

        Raises GatewayError if the words could not be stored, BrokenOff if the gateway went away.
        """
        key = self._talk.say(text)
        shown: dict[str, MessageShown] = {}
        await self._stored(key, shown)
        self.earlier.extend(shown.values())
        shown.clear()
        try:
            return await self._collect(shown)
        except GatewayError as error:
            raise BrokenOff(tuple(shown.values())) from error

    async def _collect(self, shown: dict[str, MessageShown]) -> tuple[MessageShown, ...]:
        quiet_since: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            push = await self._next(LOOK_EVERY_S)
            if push is not None:
                _fold(push, shown)
                quiet_since = None
                continue
            ours, others = await self._overseer.look()
            if ours:
                quiet_since = None
                continue
            quiet_since = quiet_since or loop.time()
            quiet_for = loop.time() - quiet_since
            patience = self._others_for_s if shown else self._silent_for_s
            if quiet_for > patience or (shown and not others):
                return await self._rest(shown)

    async def close(self) -> None:
        """Stop listening."""
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)

    async def _stored(self, key: str, shown: dict[str, MessageShown]) -> None:
        while True:
            push = await self._next(None)
            match push:
                case Stored(key=found) if found == key:
                    return
                case NotStored(key=found, reason=reason) if found in {key, ""}:
                    raise GatewayError(reason)
                case None:
                    pass
                case _:
                    _fold(push, shown)

    async def _rest(self, shown: dict[str, MessageShown]) -> tuple[MessageShown, ...]:
        """What is shown in the end: something may have come while we asked."""
        while (push := await self._next(0)) is not None:
            _fold(push, shown)
        return tuple(shown.values())

    async def _next(self, within_s: float | None) -> Push | None:
        """The next push, or None if none comes in time; what comes later is not lost."""
        if self._hearing is None:
            self._hearing = asyncio.create_task(self._talk.hear())
        done, _ = await asyncio.wait({self._hearing}, timeout=within_s)
        if not done:
            return None
        hearing, self._hearing = self._hearing, None
        return hearing.result()


def _fold(push: Push, shown: dict[str, MessageShown]) -> None:
    match push:
        case MessageShown(message_id=ident):
            shown[ident] = push
        case MessageGone(message_id=ident):
            shown.pop(ident, None)
        case _:
            pass


@asynccontextmanager
async def _connection(
    state_dir: Path,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        with socket_address(state_dir) as address:
            reader, writer = await asyncio.open_unix_connection(address, limit=LINE_MAX_BYTES)
    except OSError as exc:
        raise unreachable(state_dir, exc) from exc
    try:
        yield reader, writer
    finally:
        writer.close()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> Any:
    writer.write(request_line(request))
    try:
        return answer_of(await reader.readline())
    except (OSError, orjson.JSONDecodeError) as exc:
        raise GatewayError("the connection to the gateway broke") from exc
