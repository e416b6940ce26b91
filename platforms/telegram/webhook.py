"""The webhook route: secret, then body, then the journal, and only then an empty 200.

The Bot API server repeats what is answered otherwise, in order per chat. Source:
core.telegram.org/bots/api#setwebhook.
"""

import hmac
import time
from collections.abc import Callable

import orjson
from aiohttp import web

from platforms.events import Liveness, Receipt
from platforms.inbound_http import read_body
from platforms.telegram.intake import Intake

PATH = "/telegram/webhook"
_SECRET = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name


class Webhook:
    """Takes updates while `intake` is set."""

    def __init__(self, secret: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._secret = secret.encode()
        self._clock = clock
        self._took_at: float | None = None
        self.intake: Intake | None = None

    async def handle(self, request: web.Request) -> web.Response:
        """Take one update; any answer but 200 makes Telegram send it again."""
        told = request.headers.get(_SECRET, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(told, self._secret):
            return web.Response(status=401)
        intake = self.intake
        if intake is None:
            return web.Response(status=503)
        body = await read_body(request)
        if body is None:
            return web.Response(status=413)
        self._took_at = self._clock()
        receipt = await intake.take(_decoded(body))
        return web.Response(status=503 if receipt is Receipt.BUSY else 200)

    def liveness(self) -> Liveness:
        """Connected while updates are taken; Telegram calls only when there is one."""
        return Liveness(connected=self.intake is not None, last_frame_at=self._took_at)


def _decoded(body: bytes) -> object:
    """The update; what is no JSON is handed on as text, to be kept as malformed."""
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
    return value
