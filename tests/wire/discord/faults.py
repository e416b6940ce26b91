"""Answers that only go wrong because a test says so, in Discord's own shapes."""

import asyncio
import json
from collections import defaultdict, deque
from typing import Literal

from aiohttp import web

from tests.wire.discord.call import Reply
from tests.wire.discord.rates import limited
from tests.wire.server import JSON, Answer, cut

Break = Literal["cut in the body", "dripping"]
"""An answer whose head comes, and whose body ends early or never."""


class Breaks:
    """Answers that break after their head; the request has had its effect."""

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing
        self._waiting: dict[str, deque[Break]] = defaultdict(deque)

    def add(self, operation: str, *breaks: Break) -> None:
        """Plays these on the next answers of that operation, one each."""
        self._waiting[operation].extend(breaks)

    def take(self, operation: str) -> Break | None:
        return self._waiting[operation].popleft() if self._waiting[operation] else None

    async def play(self, how: Break, request: web.Request, reply: Reply) -> web.StreamResponse:
        body = json.dumps(reply.body).encode()
        answer = web.StreamResponse(status=reply.status, headers={"Content-Type": JSON})
        answer.content_length = len(body)
        await answer.prepare(request)
        await answer.write(body[: len(body) // 2])
        if how == "dripping":
            await self._closing.wait()
        cut(request)
        return answer


def refusal(status: int, code: int = 0, message: str = "") -> Answer:
    """A fault: this Discord error instead of the real answer."""
    body = json.dumps({"message": message or f"error {code}", "code": code}).encode()
    return Answer(status=status, body=body)


def rate_limited(
    retry_after: float, *, scope: Literal["user", "shared", "global"] = "user"
) -> Answer:
    """A fault: a genuine 429 with `Via` and a JSON body."""
    found = limited(retry_after, scope=scope).refusal
    return Answer(status=429, body=json.dumps(found.body()).encode(), headers=found.headers)


def limited_without_a_hint() -> Answer:
    """A fault: a 429 of Discord that says nowhere how long to wait."""
    return Answer(
        status=429,
        body=b'{"message": "You are being rate limited.", "global": false}',
        headers={"Via": "1.1 google"},
    )


def edge_ban() -> Answer:
    """A fault: the 429 page of the edge, without `Via` and without JSON."""
    return Answer(
        status=429,
        body=b"<html><title>Access denied | discord.com used Cloudflare</title></html>",
        headers={"Retry-After": "600"},
        content_type="text/html",
    )
