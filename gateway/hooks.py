"""`POST /hooks/NAME`: a signed request runs a job.

    X-Gatepost-Timestamp   seconds since 1970
    X-Gatepost-Signature   v1=hex(HMAC-SHA256(secret, "v1:" + timestamp + ":" + body))
    Idempotency-Key        optional; without it timestamp and body are the key

Nothing of a request is looked at before its signature holds, and a name that is no hook is
answered like a wrong signature. The body is quoted to the model as nobody's words: it chooses
neither chat nor session nor tool.

The key stands outside of what is signed. So within the time a signature holds, it is good for one
key: whoever comes by a signed request can't run the job again with a key of their own. That is
decided with the run itself, and outlasts a restart.
"""

import hashlib
import hmac
import logging
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, assert_never

import orjson
from aiohttp import web

from gateway.config import CronJob
from gateway.cron_door import (
    CronDoor,
    Fired,
    FireOutcome,
    KeyConflict,
    Known,
    NoSuchJob,
    Signed,
    SignedBefore,
    TooMany,
)
from gateway.errors import StoreError
from platforms.base import Route
from platforms.inbound_http import BODY_MAX_BYTES, read_body

log = logging.getLogger(__name__)

PATH: Final = "/hooks/{name}"
BY: Final = "hook"
SKEW_S: Final = 300
"""How far a timestamp may be from our clock, either way."""
RETRY_S: Final = 5

_TIMESTAMP: Final = "X-Gatepost-Timestamp"
_SIGNATURE: Final = "X-Gatepost-Signature"
_KEY: Final = "Idempotency-Key"
_KEY_SHAPE = re.compile(r"[!-~]{1,200}")
_NOBODYS: Final = "no hook has this name"

UNSIGNED: Final = (
    "This request is not signed as it must be: check the secret, the address, and that the body is"
    " sent byte for byte as it was signed."
)
UNTIMED: Final = (
    f"{_TIMESTAMP} must be the current time in seconds since 1970, within {SKEW_S} s of the"
    " gateway's clock."
)
KEY_SHAPE: Final = f"{_KEY} may have up to 200 letters, digits and signs, without spaces."
TOO_LARGE: Final = "The body is larger than 1 MiB, or took longer than 5 s to arrive."
OTHER_BODY: Final = "This key came with another body in the last 24 hours; nothing was done."
OTHER_KEY: Final = (
    "This signed request came under another key already; nothing was done. Sign it again with the"
    " current time."
)
NOT_NOW: Final = "The gateway can't take this now; send it again in a moment."


def signature(secret: str, *, timestamp: str, body: bytes) -> str:
    """What a request has to carry as its signature."""
    signed = b"v1:" + timestamp.encode() + b":" + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class Hooks:
    """The hooks among `jobs`, as one route of the web listener."""

    def __init__(
        self, jobs: Iterable[CronJob], *, door: CronDoor, now: Callable[[], datetime]
    ) -> None:
        self._secrets = {job.name: job.secret for job in jobs if job.secret is not None}
        self._door = door
        self._now = now

    def routes(self) -> tuple[Route, ...]:
        """Where hooks are called; nothing where there are none."""
        if not self._secrets:
            return ()
        return (Route(method="POST", path=PATH, handler=self.handle, guarded=False),)

    async def handle(self, request: web.Request) -> web.Response:
        """Take one request; 202 and 200 mean that its run is on disk."""
        name = request.match_info["name"]
        timestamp = request.headers.get(_TIMESTAMP, "")
        if not self._is_timely(timestamp):
            return self._turned_away(name, UNTIMED)
        body = await read_body(request) if _fits(request) else None
        if body is None:
            return _problem(413, TOO_LARGE)
        told = request.headers.get(_SIGNATURE, "")
        if not self._is_signed(name, told, timestamp=timestamp, body=body):
            return self._turned_away(name, UNSIGNED)
        given = request.headers.get(_KEY)
        if given is not None and not _KEY_SHAPE.fullmatch(given):
            return _problem(400, KEY_SHAPE)
        key = given or hashlib.sha256(timestamp.encode() + body).hexdigest()
        try:
            # NUL is in no text that a database keeps.
            data = body.decode("utf-8", "replace").replace("\x00", "\ufffd")
            outcome = await self._door.fire_now(
                name,
                by=BY,
                key=key,
                data=data,
                signed=_signed(told, timestamp),
                though_paused=False,
            )
        except StoreError as error:
            log.warning("a hook could not be stored: %s: %s", name, error)
            return _problem(503, NOT_NOW)
        return _answer(name, outcome)

    def _is_timely(self, timestamp: str) -> bool:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            return False
        return abs(int(timestamp) - self._now().timestamp()) <= SKEW_S

    def _is_signed(self, name: str, told: str, *, timestamp: str, body: bytes) -> bool:
        """Takes as long for a name that is no hook."""
        secret = self._secrets.get(name)
        text = _NOBODYS if secret is None else secret.reveal()
        wanted = signature(text, timestamp=timestamp, body=body)
        given = told.encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, wanted.encode()) and secret is not None

    def _turned_away(self, name: str, why: str) -> web.Response:
        if name in self._secrets:
            log.warning("refused a request to the hook %s: %s", name, why)
        return _problem(401, why)


def _signed(told: str, timestamp: str) -> Signed:
    """A signature as it is remembered; nobody can sign with what is stored of it."""
    # Twice as long as it holds, for a clock that is set back meanwhile.
    good_until = (int(timestamp) + 2 * SKEW_S) * 1_000_000
    return Signed(digest=hashlib.sha256(told.encode()).hexdigest(), good_until=good_until)


def _fits(request: web.Request) -> bool:
    return request.content_length is None or request.content_length <= BODY_MAX_BYTES


def _answer(name: str, outcome: FireOutcome) -> web.Response:
    match outcome:
        case Fired(fire=fire):
            return _json(202, {"fire": f"f{fire}"})
        case Known(fire=fire):
            return _json(200, {"fire": f"f{fire}"})
        case KeyConflict():
            return _problem(409, OTHER_BODY)
        case SignedBefore():
            return _problem(409, OTHER_KEY)
        case TooMany():
            log.warning("a hook is called faster than its job can run: %s", name)
            return _problem(503, NOT_NOW)
        case NoSuchJob():
            return _problem(404, "This job was removed.")
        case _:
            assert_never(outcome)


def _problem(status: int, sentence: str) -> web.Response:
    response = _json(status, {"error": sentence})
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_S)
    return response


def _json(status: int, fields: dict[str, str]) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(fields),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
