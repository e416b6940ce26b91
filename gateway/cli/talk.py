"""One connection to the gateway's control socket that is a chat."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.cli.asking import answer_of, unreachable
from gateway.control import socket_address
from gateway.control_requests import OpenChat, Request, request_line
from gateway.errors import GatewayError
from platforms.terminal.wire import Act, File, Push, Say, act_line, read_push

LINE_MAX_BYTES = 64 << 20


class HungUp(GatewayError):
    """The gateway has ended the connection: it stops, or it died."""


class Talk:
    """One open chat; `chat` is its address, such as terminal:1000."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chat: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.chat = chat

    def say(self, text: str, files: tuple[File, ...] = ()) -> str:
        """Send words with files; returns the key under which they are acknowledged."""
        key = str(uuid.uuid4())
        self.send(Say(key=key, text=text, files=files))
        return key

    def send(self, act: Act) -> None:
        """Send one act."""
        self._writer.write(act_line(act))

    async def hear(self) -> Push:
        """The next push; raises HungUp, or Refused when the chat is refused."""
        line = await read_line(self._reader)
        try:
            return read_push(line)
        except ValueError:
            # A refusal comes in the socket's own words.
            answer_of(line)
            raise GatewayError("the gateway speaks another version of this protocol") from None

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def dial(state_dir: Path, name: str) -> Talk:
    """Open a chat; raises NotRunning, HungUp, or Refused for a bad name."""
    reader, writer = await connect(state_dir)
    try:
        chat = await ask_on(reader, writer, OpenChat(name=name))
    except BaseException:
        writer.close()
        raise
    return Talk(reader, writer, str(chat))


@asynccontextmanager
async def open_talk(state_dir: Path, name: str) -> AsyncIterator[Talk]:
    """A chat for as long as the gateway runs; raises as `dial` does."""
    talk = await dial(state_dir, name)
    try:
        yield talk
    finally:
        talk.close()


async def connect(state_dir: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the control socket; raises NotRunning, or Refused for another's gateway."""
    try:
        with socket_address(state_dir) as address:
            return await asyncio.open_unix_connection(address, limit=LINE_MAX_BYTES)
    except OSError as exc:
        raise unreachable(state_dir, exc) from exc


async def ask_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request
) -> Any:
    """The result of one request; raises HungUp, or Refused with the gateway's sentence."""
    writer.write(request_line(request))
    return answer_of(await read_line(reader))


async def read_line(reader: asyncio.StreamReader) -> bytes:
    """The next whole line; raises HungUp when none comes any more."""
    try:
        line = await reader.readline()
    except OSError as exc:
        raise HungUp("the connection to the gateway broke") from exc
    if not line.endswith(b"\n"):
        raise HungUp("the gateway has ended the connection")
    return line
