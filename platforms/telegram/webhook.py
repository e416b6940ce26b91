"""The way in by webhook: secret, then body, then the journal, and only then an empty 200.

The Bot API server repeats what is answered otherwise, in order per chat. Source:
core.telegram.org/bots/api#setwebhook.

Updates come when there are any, so their absence proves nothing. Once a minute getWebhookInfo is
asked instead. If it names another address, or none, somebody else has taken the token's updates:
we go on and say so, because to set ours again would only begin a fight. The same if Telegram
cannot deliver.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
from aiohttp import web
from telegram import Bot
from telegram.error import InvalidToken, TelegramError

from platforms.base import OnGap
from platforms.events import Liveness, Receipt
from platforms.inbound_http import read_body
from platforms.telegram.errors import as_connection
from platforms.telegram.intake import Intake
from platforms.telegram.outage import Moment, Outage
from platforms.telegram.parse import KINDS
from platforms.telegram.polling import Pace, Sleep
from platforms.telegram.webhook_info import WebhookInfo, host_of, same_address, webhook_info

log = logging.getLogger(__name__)

PATH = "/telegram/webhook"
_SECRET = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name


class Webhook:
    """Takes updates while `run` runs."""

    def __init__(
        self,
        *,
        bot: Bot,
        url: str,
        secret: str,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Sleep = asyncio.sleep,
        on_gap: OnGap | None = None,
    ) -> None:
        self._bot = bot
        self._url = url
        self._secret = secret
        self._pace = pace
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._on_gap = on_gap
        self._intake: Intake | None = None
        self._sign: Moment | None = None
        self._answered = False
        self._pushed = False
        self._stuck = False
        self._outage: Outage | None = None
        self._alarm = ""

    async def run(self, intake: Intake) -> None:
        """Have updates pushed and look after that until cancelled.

        Raises PlatformUnavailable when it cannot be set up, CredentialsRejected for a bad token.
        """
        self._intake = intake
        try:
            try:
                await self._bot.set_webhook(
                    self._url, allowed_updates=list(KINDS), secret_token=self._secret
                )
            except TelegramError as error:
                raise as_connection(error) from error
            self._sign, self._answered = self._moment(), True
            while True:
                await self._sleep(self._pace.probe_s)
                await self._probe(intake)
        finally:
            self._intake = None

    async def handle(self, request: web.Request) -> web.Response:
        """Take one update; any answer but 200 makes Telegram send it again."""
        told = request.headers.get(_SECRET, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(told, self._secret.encode()):
            return web.Response(status=401)
        intake = self._intake
        if intake is None:
            return web.Response(status=503)
        body = await read_body(request)
        if body is None:
            return web.Response(status=413)
        self._sign, self._pushed = self._moment(), True
        receipt = await intake.take(_decoded(body))
        return web.Response(status=503 if receipt is Receipt.BUSY else 200)

    def liveness(self) -> Liveness:
        """Connected while updates are taken and Telegram said lately that it brings them here."""
        return Liveness(
            connected=self._intake is not None and self._answered and self._outage is None,
            last_frame_at=None if self._sign is None else self._sign.at,
            gap_since=None if self._outage is None else self._outage.since.at,
            alarm=self._alarm,
        )

    async def _probe(self, intake: Intake) -> None:
        try:
            info = await webhook_info(self._bot)
        except InvalidToken as error:
            raise as_connection(error) from error
        except TelegramError as error:
            self._answered = False
            log.info("could not ask about the webhook: %s", str(error)[:200])
            return
        self._answered = True
        stuck = info.waiting > 0 and bool(info.last_error) and not self._pushed
        self._warn(self._problem(info, stuck=stuck and self._stuck))
        self._stuck, self._pushed = stuck, False
        if not same_address(info.url, self._url):
            since = self._sign or self._moment()
            self._outage = self._outage or Outage(
                since=since, cause="webhook taken over", recovered=None
            )
            return
        await self._end_outage(intake)
        self._sign = self._moment()

    def _problem(self, info: WebhookInfo, *, stuck: bool) -> str:
        """A sentence for the operator, the same for the same problem; empty while all is well."""
        if not info.url:
            return (
                "the webhook of this token was deleted, probably by another process that polls"
                " with it: stop that one or give this gateway its own bot, then restart this one"
            )
        if not same_address(info.url, self._url):
            return (
                f"another process has set the webhook of this token to {host_of(info.url)}: stop"
                " it or give this gateway its own bot, then restart this one"
            )
        if stuck:
            return (
                f"Telegram cannot deliver to the webhook ({info.last_error}): check that its"
                " address leads here"
            )
        return ""

    def _warn(self, alarm: str) -> None:
        if alarm and alarm != self._alarm:
            log.warning("%s", alarm)
        self._alarm = alarm

    async def _end_outage(self, intake: Intake) -> None:
        """What was pushed elsewhere meanwhile does not come back."""
        if self._outage is None:
            return
        gap = self._outage.gap(intake.account, self._moment(), shortest_s=self._pace.gap_s)
        if gap is not None and self._on_gap is not None:
            await self._on_gap(gap)
        self._outage = None

    def _moment(self) -> Moment:
        return Moment(at=self._clock(), wall=self._now())


def _decoded(body: bytes) -> object:
    """The update; what is no JSON is handed on as text, to be kept as malformed."""
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
    return value
