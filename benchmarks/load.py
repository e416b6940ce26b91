"""Many events at a steady pace: when each is acknowledged, when answered, whether any is lost.

Updates are posted as Telegram's webhook does, each in a chat of its own: 200 is the receipt, after
anything else the same update is posted again.
"""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.arena import HOOK_SECRET, ROOT, GatewayArena

CONNECTIONS = 40
"""As many as Telegram opens at once unless told otherwise."""

POSTED_AGAIN_S = 0.2
ANSWERED_WITHIN_S = 60.0
FIRST_CHAT = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How a number of events fared, in seconds from when each was due."""

    acknowledged: tuple[float, ...]
    answered: tuple[float, ...]
    lost: int  # never answered


async def gateway_load(directory: Path, *, events: int, over_s: float) -> Load:
    """Post so many events over a time to a gateway and wait for every answer."""
    port = _free_port()
    async with GatewayArena(directory, hook_port=port) as arena:
        chats = range(FIRST_CHAT, FIRST_CHAT + events)
        for chat in chats:
            arena.telegram.world.room(chat)
        await asyncio.sleep(1.0)
        answers = asyncio.create_task(arena.answers(chats, within_s=over_s + ANSWERED_WITHIN_S))
        due, receipts = await _post_all(port, events=events, over_s=over_s)
        answered_at = await answers
    spans = [
        answered_at[chat] - began
        for chat, began in zip(chats, due, strict=True)
        if chat in answered_at
    ]
    return Load(acknowledged=receipts, answered=tuple(spans), lost=events - len(spans))


async def floor_load(*, events: int, over_s: float) -> tuple[float, ...]:
    """The same to the bare server: seconds to each receipt."""
    port = _free_port()
    async with _bare_server(port):
        _, receipts = await _post_all(port, events=events, over_s=over_s)
    return receipts


def p99(values: tuple[float, ...]) -> float:
    """The value that one in a hundred exceeds."""
    return sorted(values)[max(0, len(values) * 99 // 100 - 1)]


async def _post_all(
    port: int, *, events: int, over_s: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """When each event was due, and seconds from then to its receipt."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector) as session:
        await asyncio.gather(*(_post(session, -number) for number in range(1, CONNECTIONS)))
        start = time.monotonic() + 0.1
        due = tuple(start + number * over_s / events for number in range(events))

        async def one(number: int) -> float:
            await asyncio.sleep(due[number] - time.monotonic())
            while True:
                if await _post(session, number):
                    break
                await asyncio.sleep(POSTED_AGAIN_S)
            return time.monotonic() - due[number]

        return due, tuple(await asyncio.gather(*(one(number) for number in range(events))))


async def _post(session: aiohttp.ClientSession, number: int) -> bool:
    """Post one event; False if it was not taken. A negative number means nothing to anyone."""
    body: dict[str, Any] = {"update_id": 1_000_000 + number}
    if number >= 0:
        chat = FIRST_CHAT + number
        person = {"id": chat, "is_bot": False, "first_name": f"Person {chat}"}
        body["message"] = {
            "message_id": 1,
            "date": int(time.time()),
            "from": person,
            "chat": {"id": chat, "type": "private", "first_name": f"Person {chat}"},
            "text": f"hello from {chat}",
        }
    headers = {"X-Telegram-Bot-Api-Secret-Token": HOOK_SECRET}
    async with session.post("/telegram/webhook", json=body, headers=headers) as response:
        await response.read()
        return response.status == 200


@asynccontextmanager
async def _bare_server(port: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.floor_hook", str(port), cwd=ROOT
    )
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield
    finally:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
