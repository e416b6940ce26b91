"""The gate of every request: bounded in time, held back where Discord would ban us, translated.

An answer says more than the SDK's exception does: a request that was never written, or that was
refused each time, had no effect, whatever ended the call. So the exchange is watched on the wire.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NoReturn, TypeVar

import aiohttp
import discord

from platforms.discord.clock import Clock
from platforms.discord.errors import FAILURES, classify_error, edge_ban_s
from platforms.discord.limits import REFUSALS_MAX, REFUSALS_WINDOW_S
from platforms.errors import (
    CredentialsRejected,
    PlatformError,
    PlatformUnavailable,
    RateLimited,
    SendUncertain,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

NO_HINT_S = 5.0
"""How long we wait after a 429 that does not say."""

_COUNTED = frozenset({401, 403, 429})
"""What makes a request an invalid one. Source: "Invalid Request Limit"."""


@dataclass(slots=True)
class _Exchange:
    """What one call did on the wire: `unsettled` requests were written and not refused."""

    unsettled: int = 0
    status: int | None = None
    retry_after_s: float = NO_HINT_S


_exchange: ContextVar[_Exchange | None] = ContextVar("discord_exchange", default=None)


class Rest:
    """What is known of our standing with Discord's API; it outlives connections."""

    def __init__(self, *, clock: Clock, deadline_s: float) -> None:
        self._clock = clock
        self.deadline_s = deadline_s
        self._refused_at: deque[float] = deque(maxlen=REFUSALS_MAX)
        self._silent_until = 0.0
        self._rejection: CredentialsRejected | None = None
        self._rejected = asyncio.Event()
        self._unlock: Callable[[], None] = lambda: None

    def trace(self) -> aiohttp.TraceConfig:
        """What a session must carry for its requests to be watched."""
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_written)
        trace.on_request_end.append(self._answered)
        return trace

    async def call(
        self,
        request: Coroutine[Any, Any, T],
        *,
        deadline_s: float | None = None,
        answering: bool = False,
    ) -> T:
        """One call of the SDK; raises one of `platforms.errors`, before any request if held back.

        `answering`: of a press, whose own token is the credential.
        """
        if (wait_s := self.silence_s()) > 0:
            request.close()
            raise RateLimited(self.alarm(), retry_after_s=wait_s, scope="account")
        exchange = _Exchange()
        token = _exchange.set(exchange)
        try:
            async with asyncio.timeout(deadline_s or self.deadline_s):
                return await request
        except FAILURES as exc:
            error = _refined(exc, classify_error(exc, answering=answering), exchange)
            self._note(error, exc)
            raise error from exc
        except PlatformError as error:
            self._note(error, error.__cause__)
            raise
        finally:
            _exchange.reset(token)
            if exchange.status == 429:
                self._unlock()

    def begin(self, unlock: Callable[[], None]) -> None:
        """A new connection may be taken otherwise. `unlock` ends the SDK's wait of all requests.

        It makes all wait while one sleeps out a global 429, for ever if that one is cut short.
        """
        self._rejection = None
        self._rejected.clear()
        self._unlock = unlock

    async def until_rejected(self) -> NoReturn:
        """Raise CredentialsRejected once Discord has refused our own token."""
        await self._rejected.wait()
        raise self._rejection or CredentialsRejected("Discord refused the token")

    def silence_s(self) -> float:
        """How long nothing may be asked: after a ban of the edge, or near the limit of refusals."""
        now = self._clock.monotonic()
        wait_s = self._silent_until - now
        if len(self._refused_at) == REFUSALS_MAX:
            wait_s = max(wait_s, self._refused_at[0] + REFUSALS_WINDOW_S - now)
        return max(0.0, wait_s)

    def alarm(self) -> str:
        """What an operator should know, or nothing."""
        wait_s = self.silence_s()
        if not wait_s:
            return ""
        if self._silent_until > self._clock.monotonic():
            why = "the edge of Discord's network refuses this address"
        else:
            why = f"Discord refused {REFUSALS_MAX} requests within ten minutes"
        return f"{why}; nothing is sent for another {math.ceil(wait_s / 60)} minutes"

    def note_lost(self, error: BaseException | None) -> None:
        """A request ended this way; a ban of the edge silences us."""
        wait_s = edge_ban_s(error)
        if wait_s is None:
            return
        self._silent_until = max(self._silent_until, self._clock.monotonic() + wait_s)
        log.error("discord: %s", self.alarm())

    def _note(self, error: PlatformError, cause: BaseException | None) -> None:
        if isinstance(error, CredentialsRejected) and self._rejection is None:
            self._rejection = error
            self._rejected.set()
        self.note_lost(cause)

    async def _answered(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, end: aiohttp.TraceRequestEndParams
    ) -> None:
        status, headers = end.response.status, end.response.headers
        if status in _COUNTED and headers.get("X-RateLimit-Scope") != "shared":
            self._refused_at.append(self._clock.monotonic())
        exchange = _exchange.get()
        if exchange is None:
            return
        exchange.status = status
        if 400 <= status < 500:
            exchange.unsettled -= 1
        if status == 429:
            exchange.retry_after_s = _seconds(headers.get("Retry-After"))


async def _written(
    _: aiohttp.ClientSession, __: SimpleNamespace, ___: aiohttp.TraceRequestHeadersSentParams
) -> None:
    if exchange := _exchange.get():
        exchange.unsettled += 1
        exchange.status = None


def _refined(exc: Exception, error: PlatformError, exchange: _Exchange) -> PlatformError:
    """The class by what was on the wire, where the exception alone says too much or too little."""
    if isinstance(error, PlatformUnavailable) and exchange.unsettled:
        return SendUncertain("an earlier attempt of the same request was not answered")
    if not isinstance(error, SendUncertain) or exchange.unsettled:
        return error
    if isinstance(exc, discord.HTTPException):
        return error
    if exchange.status == 429:
        wait_s = exchange.retry_after_s
        said = f"Discord asks to wait {wait_s:.1f} s"
        return RateLimited(said, retry_after_s=wait_s, scope="chat")
    return PlatformUnavailable("nothing was sent to Discord, or it was refused unread")


def _seconds(header: str | None) -> float:
    try:
        return max(1.0, float(header)) if header else NO_HINT_S
    except ValueError:
        return NO_HINT_S
