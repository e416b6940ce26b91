"""Ways in which the answer of a call that had its effect arrives badly."""

import asyncio
from dataclasses import dataclass
from typing import assert_never

from aiohttp import web

from tests.wire.server import cut


@dataclass(frozen=True, slots=True, kw_only=True)
class CutInside:
    """The head and half of the body arrive, then the connection goes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    """The head arrives, then one byte of the body for every release of `drops`."""

    drops: asyncio.Semaphore


Shape = CutInside | Drip


async def send_shaped(
    request: web.Request, shape: Shape, response: web.Response
) -> web.StreamResponse:
    """Send a whole answer in that way."""
    body = response.body
    assert isinstance(body, bytes)
    shaped = web.StreamResponse(status=response.status)
    shaped.content_type = "application/json"
    shaped.content_length = len(body)
    await shaped.prepare(request)
    match shape:
        case CutInside():
            await shaped.write(body[: len(body) // 2])
            cut(request)
        case Drip(drops=drops):
            for at in range(len(body)):
                await drops.acquire()
                await shaped.write(body[at : at + 1])
        case _:
            assert_never(shape)
    return shaped
