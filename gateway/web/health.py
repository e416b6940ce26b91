"""What `/healthz` and `/readyz` answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import orjson
from aiohttp import web

ANSWER_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """Whether all is well; `parts` says so of each part, in a word and without secrets."""

    ok: bool
    parts: Mapping[str, str] = field(default_factory=dict)


class Health(Protocol):
    """What the gateway knows of itself; asked by anyone who reaches the listener.

    A call that raises or takes longer than two seconds counts as not well.
    """

    async def alive(self) -> HealthReport:
        """Whether this process should be left running, by what the watchdog goes by too."""

    async def ready(self) -> HealthReport:
        """Whether messages can be taken: store open, intake open, at least one surface up."""


def health_handler(
    ask: Callable[[], Awaitable[HealthReport]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A route that answers 200 or 503 with the report as JSON."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                report = await ask()
        except TimeoutError:
            report = HealthReport(ok=False, parts={"gateway": "no answer within 2 s"})
        body = orjson.dumps({"ok": report.ok, "parts": dict(report.parts)})
        return web.Response(
            status=200 if report.ok else 503,
            body=body,
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return handler
