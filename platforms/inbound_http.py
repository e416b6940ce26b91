"""The bodies of requests that a platform sends us: bounded in size and time before they are read.

Source of the bounds: our choice. The largest update or event of any platform is a tenth of it.
"""

import asyncio

from aiohttp import web

BODY_MAX_BYTES = 1 << 20
BODY_TIMEOUT_S = 5.0


async def read_body(request: web.Request) -> bytes | None:
    """The body, or None if it is too large or too slow."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_chunked(1 << 16):
                chunks.append(chunk)
                size += len(chunk)
                if size > BODY_MAX_BYTES:
                    return None
    except TimeoutError:
        return None
    return b"".join(chunks)
