"""Bolt as a bridge: the journal answers before anything of Bolt's own runs.

The hook comes after the signature check and before `auth.test`; a response given there ends the
dispatch, and over a socket any status but 200 sends no acknowledgement. Bolt's own listeners are
not used, since events are acknowledged before those run.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slack_bolt.adapter.socket_mode.internals import build_headers
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from platforms.events import Receipt
from platforms.fields import Body, string
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
        return response(await take(intake(), body), body)

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


async def answer(app: AsyncApp, intake: Intake, envelope: Body) -> Body | None:
    """What goes along with the acknowledgement of a Socket Mode envelope; None for none at all.

    What Bolt can't read is journaled as well: it raises over payloads that are no object or of a
    shape it does not expect, and those would come again for ever.
    """
    payload = envelope.get("payload")
    if isinstance(payload, dict):
        request = SocketModeRequest(
            type=string(envelope, "type"), envelope_id=string(envelope, "envelope_id"), payload={}
        )
        try:
            readable = AsyncBoltRequest(
                mode="socket_mode", body=payload, headers=build_headers(request)
            )
        except UNREADABLE:
            pass
        else:
            taken = (await dispatch(app, readable)).status == 200
            return acknowledgement(payload) if taken else None
    taken = await intake.take(payload) is not Receipt.BUSY
    return acknowledgement(payload) if taken else None


async def take(intake: Intake | None, payload: object) -> Receipt:
    """The receipt for one payload; BUSY while nobody runs."""
    return Receipt.BUSY if intake is None else await intake.take(payload)


def acknowledgement(payload: object) -> Body:
    """What Slack is told beside "taken": a form that was sent goes away."""
    if isinstance(payload, Mapping) and payload.get("type") == "view_submission":
        return {"response_action": "clear"}
    return {}


def response(receipt: Receipt, payload: object = None) -> BoltResponse:
    """What Slack is told: anything but 200 makes it deliver again, or warn who pressed."""
    if receipt is Receipt.BUSY:
        return BoltResponse(status=503, body="")
    return BoltResponse(status=200, body=dict(acknowledgement(payload)) or "")
