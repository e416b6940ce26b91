"""The adapter of one Slack app in one workspace: Socket Mode or signed HTTP in, the Web API out."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from platforms.base import Capabilities, Ingest, Route
from platforms.blocks import Blocks
from platforms.content import Operation, Outcome, Post, Upload
from platforms.errors import CredentialsRejected, PlatformError, PlatformUnavailable
from platforms.events import Account, ChatRef, Liveness, MessageRef, PlatformName
from platforms.fields import identifier, mapping, string, truth
from platforms.slack import outbound
from platforms.slack.api import TOTAL_TIMEOUT_S, Json, WebApi
from platforms.slack.bridge import build_app
from platforms.slack.format import fits
from platforms.slack.http import PATH, SignedEvents
from platforms.slack.intake import Intake
from platforms.slack.limits import ACK_LIMIT_S, CAPABILITIES, PING_INTERVAL_S, STALE_S
from platforms.slack.parse import Identity
from platforms.slack.people import People
from platforms.slack.socket import SocketMode

BASE_URL = "https://slack.com/api/"
STOP_PATIENCE_S = 0.5


class SlackAdapter:
    """Source and Sink of one bot token.

    `app_token` turns Socket Mode on, `signing_secret` the route for signed HTTP events; one of
    them is needed. `base_url` is the root of the Web API. With `threads` a message in a channel is
    answered in a thread on it.
    """

    def __init__(
        self,
        *,
        bot_token: str,
        app_token: str | None = None,
        signing_secret: str | None = None,
        base_url: str = BASE_URL,
        threads: bool = True,
        ping_interval_s: float = PING_INTERVAL_S,
        stale_s: float = STALE_S,
        ack_limit_s: float = ACK_LIMIT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if app_token is None and signing_secret is None:
            raise ValueError("Slack needs an app-level token or a signing secret to hear anything")
        self._api = WebApi(token=bot_token, base_url=base_url, total_timeout_s=total_timeout_s)
        self._app_token = app_token
        self._socket: SocketMode | None = None
        if app_token is not None:
            self._socket = SocketMode(
                app_token=app_token, ping_interval_s=ping_interval_s, stale_s=stale_s, clock=clock
            )
        self._events: SignedEvents | None = None
        if signing_secret is not None:
            self._events = SignedEvents(signing_secret, clock=clock, wall=lambda: now().timestamp())
        self._intake: Intake | None = None
        self._app = build_app(
            self._api.client,
            signing_secret=signing_secret or "",
            intake=lambda: self._intake,
        )
        self._people = People(self._api, clock=clock)
        self._threads = threads
        self._ack_limit_s = ack_limit_s
        self._now = now
        self._us: Identity | None = None

    def __repr__(self) -> str:
        return "SlackAdapter()"

    # Source

    @property
    def platform(self) -> PlatformName:
        """The name of this platform."""
        return "slack"

    async def connect(self) -> Account:
        """Ask who we are and which app that is."""
        me = await self._ask("auth.test", {})
        bot, user = identifier(me, "bot_id"), identifier(me, "user_id")
        team, enterprise = identifier(me, "team_id"), identifier(me, "enterprise_id")
        if user is None or team is None:
            raise PlatformUnavailable("what answers is not Slack's Web API")
        if bot is None:
            raise CredentialsRejected("Slack's bot token is a person's; a bot's begins with xoxb-")
        whole = truth(me, "is_enterprise_install") and enterprise is not None
        app = await self._ask("bots.info", {"bot": bot})
        app_id = identifier(mapping(app, "bot"), "app_id")
        if app_id is None:
            raise PlatformUnavailable("Slack did not say which app the bot token belongs to")
        account = Account(platform="slack", id=app_id)
        self._us = Identity(
            account=account,
            space=enterprise if whole and enterprise else team,
            teams=frozenset({enterprise, team} if whole and enterprise else {team}),
            user_id=user,
            bot_id=bot,
            name=string(me, "user"),
            threads=self._threads,
        )
        return account

    async def run(self, ingest: Ingest) -> None:
        """Take events until cancelled, or until Slack ends our access."""
        if self._us is None:
            raise PlatformUnavailable("run was called before connect")
        intake = Intake(
            self._us, self._people, ingest, now=self._now, ack_limit_s=self._ack_limit_s
        )
        tasks = [asyncio.create_task(self._ended(intake))]
        self._intake = intake
        try:
            if self._socket is not None:
                tasks.append(asyncio.create_task(self._run_socket(self._socket, intake)))
            if self._events is not None:
                self._events.app, self._events.intake = self._app, intake
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            if self._events is not None:
                self._events.intake = None
            await intake.close(STOP_PATIENCE_S)
            self._intake = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def routes(self) -> tuple[Route, ...]:
        """The route for signed events, if there is a secret to prove them."""
        if self._events is None:
            return ()
        return (Route(method="POST", path=PATH, handler=self._events.handle, guarded=False),)

    def liveness(self) -> Liveness:
        """The last frame or pong of the socket, or the last genuine request."""
        facts = {}
        if self._us is not None:
            facts = {"workspace": self._us.space, "bot": f"@{self._us.name}"}
        if self._socket is not None:
            facts["sockets"] = str(self._socket.connections)
            return Liveness(
                connected=self._socket.connected,
                last_frame_at=self._socket.last_frame_at,
                facts=facts,
            )
        taking = self._events is not None and self._events.intake is not None
        at = self._events.last_request_at if self._events is not None else None
        return Liveness(connected=taking, last_frame_at=at, facts=facts)

    async def close(self) -> None:
        """Close every connection."""
        await self._people.close()
        await self._api.close()

    async def _run_socket(self, socket: SocketMode, intake: Intake) -> None:
        url = (await self._ask("apps.connections.open", {"token": self._app_token})).get("url")
        if not isinstance(url, str):
            raise PlatformUnavailable("Slack gave no address for a socket")
        await socket.run(self._app, intake, url)

    async def _ended(self, intake: Intake) -> None:
        raise CredentialsRejected(await intake.ended())

    async def _ask(self, method: str, arguments: Json) -> Json:
        """A call without an effect, so nothing about it is uncertain: it can be asked again."""
        try:
            return await self._api.call(method, arguments, as_query=True)
        except (CredentialsRejected, PlatformUnavailable):
            raise
        except PlatformError as error:
            raise PlatformUnavailable(str(error)) from error

    # Sink

    @property
    def capabilities(self) -> Capabilities:
        """What Slack can do."""
        return CAPABILITIES

    def fits(self, body: Blocks) -> bool:
        """Whether the formatted body is one message."""
        return fits(body)

    async def perform(self, operation: Operation) -> Outcome:
        """Carry out one operation."""
        return await outbound.perform(self._api, operation)

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """Nothing can be looked up here."""
        raise NotImplementedError

    async def direct(self, person: str) -> ChatRef:
        """The direct message with a person."""
        raise NotImplementedError
