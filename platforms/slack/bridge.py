"""Bolt as a bridge: the journal answers before anything of Bolt's own runs.

The hook comes after the signature check and before `auth.test`; a response given there ends the
dispatch, and over a socket any status but 200 sends no acknowledgement. Bolt's own listeners are
not used, since events are acknowledged before those run.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from platforms.events import Receipt
from platforms.slack.intake import Intake
from platforms.slack.logs import SDK_LOG

UNREADABLE = (TypeError, ValueError, AttributeError, KeyError, IndexError, RecursionError)
"""What Bolt raises over payloads of a shape it does not expect, before any of our code runs."""


def build_app(
    client: AsyncWebClient, *, signing_secret: str, intake: Callable[[], Intake | None]
) -> AsyncApp:
    """An app that hands every request to the intake of the moment."""

    async def journal(
        body: dict[str, Any],
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002
    ) -> BoltResponse | None:
        if body.get("type") == "url_verification":
            return await next()
        return response(await take(intake(), body))

    return AsyncApp(
        name="gatepost",
        client=client,
        signing_secret=signing_secret,
        before_authorize=journal,
        logger=SDK_LOG,
    )


async def dispatch(app: AsyncApp, request: AsyncBoltRequest) -> BoltResponse:
    """Bolt's answer to one request."""
    answer: BoltResponse = await app.async_dispatch(request)
    return answer


async def take(intake: Intake | None, payload: object) -> Receipt:
    """The receipt for one payload; BUSY while nobody runs."""
    return Receipt.BUSY if intake is None else await intake.take(payload)


def response(receipt: Receipt) -> BoltResponse:
    """What Slack is told: anything but 200 makes it deliver again."""
    return BoltResponse(status=503 if receipt is Receipt.BUSY else 200, body="")
