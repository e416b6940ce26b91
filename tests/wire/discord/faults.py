"""Answers that only go wrong because a test says so, in Discord's own shapes."""

import json
from typing import Literal

from tests.wire.discord.rates import limited
from tests.wire.server import Answer


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


def edge_ban() -> Answer:
    """A fault: the 429 page of the edge, without `Via` and without JSON."""
    return Answer(
        status=429,
        body=b"<html><title>Access denied | discord.com used Cloudflare</title></html>",
        headers={"Retry-After": "600"},
        content_type="text/html",
    )
