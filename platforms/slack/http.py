"""Signed HTTP events: who calls is proven before anything of the body is read as a payload.

One path takes events, presses and commands. Slack delivers again what is not answered by 200.
Source: docs.slack.dev/authentication/verifying-requests-from-slack.
"""

import hashlib
import hmac
import logging
import re
from collections.abc import Callable

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest

from platforms.inbound_http import read_body
from platforms.slack.bridge import UNREADABLE, dispatch, response, take
from platforms.slack.intake import Intake
from platforms.slack.limits import REQUESTS_MAX, SIGNATURE_AGE_MAX_S

PATH = "/slack/events"
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_UNPROVEN = (
    "requests come that platforms.slack.signing_secret does not prove, and none that it does: copy"
    " it again from https://api.slack.com/apps > your app > Basic Information > Signing Secret"
)
_NEVER_CALLED = (
    "Slack has not called yet: its Request URL (Event Subscriptions, Interactivity, Slash Commands)"
    f" must lead over https to {PATH} of [web]"
)

log = logging.getLogger(__name__)


class SignedEvents:
    """Takes requests while `intake` is set; `wall` counts seconds since 1970."""

    def __init__(
        self, secret: str, *, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        if not secret.strip():
            raise ValueError("Slack's signing secret is empty, so anybody could call")
        self._secret = secret.encode()
        self._clock = clock
        self._wall = wall
        self._active = 0
        self.app: AsyncApp | None = None
        self.intake: Intake | None = None
        self.last_request_at: float | None = None
        self.alarm = ""

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        if not self._may_be_genuine(timestamp, signature):
            return web.Response(status=401)
        if self.intake is None or self.app is None or self._active >= REQUESTS_MAX:
            return web.Response(status=503)
        self._active += 1
        try:
            return await self._handle(request, self.app, timestamp, signature)
        finally:
            self._active -= 1

    async def _handle(
        self, request: web.Request, app: AsyncApp, timestamp: str, signature: str
    ) -> web.Response:
        body = await read_body(request)
        if body is None:
            return web.Response(status=413)
        if not self._is_genuine(body, timestamp, signature):
            self._note_unproven()
            return web.Response(status=401)
        self.last_request_at, self.alarm = self._clock(), ""
        try:
            bolt_request = AsyncBoltRequest(
                body=body.decode(), query=request.query_string, headers=dict(request.headers)
            )
        except UNREADABLE:
            receipt = await take(self.intake, body.decode("utf-8", "replace"))
            return web.Response(status=response(receipt).status)
        return await to_aiohttp_response(await dispatch(app, bolt_request))

    @property
    def detail(self) -> str:
        """What to look at while Slack has never called."""
        return "" if self.last_request_at is not None else _NEVER_CALLED

    def _note_unproven(self) -> None:
        """Once the secret has proven a request, others that it does not prove are forged."""
        if self.last_request_at is None and not self.alarm:
            self.alarm = _UNPROVEN
            log.error("slack: %s", _UNPROVEN)

    def _may_be_genuine(self, timestamp: str, signature: str) -> bool:
        """What can be told without the body: both are there, and it is fresh."""
        if not _SIGNATURE.fullmatch(signature) or not _TIMESTAMP.fullmatch(timestamp):
            return False
        return abs(self._wall() - int(timestamp)) <= SIGNATURE_AGE_MAX_S

    def _is_genuine(self, body: bytes, timestamp: str, signature: str) -> bool:
        signed = b"v0:" + timestamp.encode() + b":" + body
        right = "v0=" + hmac.new(self._secret, signed, hashlib.sha256).hexdigest()
        return hmac.compare_digest(right, signature)
