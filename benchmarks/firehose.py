"""A model server that only streams: chat completions of equal deltas at a given pace.

Run as a process of its own, so that what is measured is the reader alone. The last message of a
request says what to send: `deltas=400 every_ms=25`.
"""

import asyncio
import re
import sys

import orjson

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_BATCH = 50


def _chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {
        "id": "chatcmpl-fire",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "firehose",
        "choices": [choice],
    }
    return b"data: " + orjson.dumps(body) + b"\n\n"


DELTA = _chunk(_event({"content": "delta "}))
END = (
    _chunk(_event({}, "stop"))
    + _chunk(
        b'data: {"object":"chat.completion.chunk","choices":[],'
        b'"usage":{"prompt_tokens":10,"completion_tokens":10}}\n\n'
    )
    + _chunk(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
            body = await reader.readexactly(length)
            wanted = re.search(rb"deltas=(\d+) every_ms=(\d+)", body)
            deltas, every_ms = (int(each) for each in wanted.groups()) if wanted else (1, 0)
            writer.write(_HEAD)
            await _pour(writer, deltas, every_ms / 1_000)
            writer.write(END)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _pour(writer: asyncio.StreamWriter, deltas: int, every_s: float) -> None:
    loop = asyncio.get_running_loop()
    if every_s == 0:
        for _ in range(deltas // _BATCH):
            writer.write(DELTA * _BATCH)
            await writer.drain()
        return
    due = loop.time()
    for _ in range(deltas):
        due += every_s
        await asyncio.sleep(due - loop.time())
        writer.write(DELTA)


async def main() -> None:
    """Serve until the input ends; the port is printed."""
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=2_048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
