"""A network line to a server that fails at any byte: cut, torn, slow, or dead without a word."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 1 << 16


class Line:
    """Passes connections on to `server`; faults concern what comes back from it."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._listener: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._dripping = False
        self._cut_after: int | None = None
        self._stop_after: int | None = None

    @property
    def url(self) -> str:
        """Where the line begins."""
        assert self._listener is not None
        return f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def cut_answer(self, *, after: int) -> None:
        """The next bytes from the server break off there, and the connection with them."""
        self._cut_after = after

    def stop_answer(self, *, after: int) -> None:
        """The next bytes from the server stop there, and nothing more ever comes."""
        self._stop_after = after

    def drip(self) -> None:
        """From now on everything comes byte by byte."""
        self._dripping = True

    def freeze(self) -> None:
        """The open connections stay open and carry nothing any more; new ones do."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Nobody listens any more, and every connection is gone."""
        if self._listener is not None:
            self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in self._ends:
            end.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, self._port)
        self._ends |= {writer, back}
        for source, sink, faulty in ((reader, back, False), (there, writer, True)):
            task = asyncio.create_task(self._carry(source, sink, faulty))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, faulty: bool
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(_CHUNK):
                if faulty and self._cut_after is not None:
                    sink.write(data[: self._cut_after])
                    self._cut_after = None
                    await sink.drain()
                    break
                if faulty and self._stop_after is not None:
                    sink.write(data[: self._stop_after])
                    self._stop_after = None
                    return
                for piece in _pieces(data) if faulty and self._dripping else (data,):
                    sink.write(piece)
                    await sink.drain()
                    await asyncio.sleep(0)
        sink.close()


def _pieces(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + 1] for at in range(len(data)))
