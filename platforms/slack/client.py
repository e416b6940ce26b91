"""The adapter of one Slack app in one workspace: Socket Mode or signed HTTP in, the Web API out."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from platforms.base import Capabilities, Ingest, Marks, OnGap, Route
from platforms.blocks import Blocks
from platforms.content import Operation, Outcome, Post, Upload
from platforms.errors import CredentialsRejected, PlatformError, PlatformUnavailable
from platforms.events import (
    Account,
    Attachment,
    ChatRef,
    Liveness,
    MessageRef,
    PlatformName,
)
from platforms.fields import identifier, mapping, string, truth
from platforms.files import Location
from platforms.slack import files, lookup, outbound
from platforms.slack.api import TOTAL_TIMEOUT_S, Json, WebApi
from platforms.slack.backfill import Backfill, Reader
from platforms.slack.bridge import answer, build_app
from platforms.slack.format import fits
from platforms.slack.gaps import Gaps
from platforms.slack.http import PATH, SignedEvents
from platforms.slack.intake import Intake
from platforms.slack.limits import (
    ACK_LIMIT_S,
    BACKFILL_AGE,
    CAPABILITIES,
    PING_INTERVAL_S,
    RECOUNT_S,
    SECOND_AFTER_S,
    STALE_S,
)
from platforms.slack.people import People
from platforms.slack.places import Places
from platforms.slack.reading import Identity
from platforms.slack.sockets import Sockets
from platforms.slack.stamps import time_of

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
        marks: Marks | None = None,
        on_gap: OnGap | None = None,
        ping_interval_s: float = PING_INTERVAL_S,
        stale_s: float = STALE_S,
        second_after_s: float = SECOND_AFTER_S,
        ack_limit_s: float = ACK_LIMIT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`marks` is asked once, for reading back what came while no process ran."""
        if app_token is None and signing_secret is None:
            raise ValueError("Slack needs an app-level token or a signing secret to hear anything")
        self._api = WebApi(token=bot_token, base_url=base_url, total_timeout_s=total_timeout_s)
        self._app_token = app_token
        self._bot_token, self._base_url = bot_token, base_url
        self._gaps = Gaps(now=now)
        self._sockets: Sockets | None = None
        if app_token is not None:
            self._sockets = Sockets(
                address=self._socket_address,
                lost=self._lost,
                regained=self._gaps.end,
                ping_interval_s=ping_interval_s,
                stale_s=stale_s,
                second_after_s=second_after_s,
                clock=clock,
                sleep=sleep,
                jitter=jitter,
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
        self._marks = marks
        self._on_gap = on_gap
        self._places = Places()
        self._uploads = outbound.Uploads()
        self._ack_limit_s = ack_limit_s
        self._now = now
        self._clock = clock
        self._sleep = sleep
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
        us = self._known()
        await self._take_up(us)
        intake = self._new_intake(us, ingest)
        self._api.refused.clear()
        parts = [self._ended(intake), self._watch_token(), self._backfill(us, intake).run()]
        if self._sockets is not None:
            parts.append(self._sockets.run(partial(answer, self._app, intake)))
        self._intake = intake
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            if self._events is not None:
                self._events.app, self._events.intake = self._app, intake
            if self._sockets is None:
                self._gaps.end()
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
            self._gaps.begin("not running", since=self._now())

    def routes(self) -> tuple[Route, ...]:
        """The route for signed events, if there is a secret to prove them."""
        if self._events is None:
            return ()
        return (Route(method="POST", path=PATH, handler=self._events.handle, guarded=False),)

    async def locate(self, attachment: Attachment, message: MessageRef) -> Location:
        """The private address of a file, with our token."""
        return files.locate(attachment, token=self._bot_token, base_url=self._base_url)

    def liveness(self) -> Liveness:
        """The last frame or pong of the socket, or the last genuine request."""
        facts = {}
        if self._us is not None:
            facts = {"workspace": self._us.space, "bot": f"@{self._us.name}"}
        since = self._gaps.since
        gap_since = None
        if since is not None:
            gap_since = self._clock() - (self._now() - since).total_seconds()
        if self._sockets is not None:
            facts["sockets"] = str(self._sockets.live)
            return Liveness(
                connected=self._sockets.connected,
                last_frame_at=self._sockets.last_frame_at,
                gap_since=gap_since,
                alarm=self._sockets.alarm,
                facts=facts,
            )
        taking = self._events is not None and self._events.intake is not None
        if self._events is not None and (at := self._events.last_request_at) is not None:
            # Requests come with messages, so their age proves nothing about the transport.
            facts["last request"] = f"{self._clock() - at:.0f} s ago"
        return Liveness(connected=taking, gap_since=gap_since, facts=facts)

    async def close(self) -> None:
        """Close every connection."""
        await self._people.close()
        await self._api.close()

    def _known(self) -> Identity:
        if self._us is None:
            raise PlatformUnavailable("the adapter is used before connect")
        return self._us

    async def _take_up(self, us: Identity) -> None:
        """What came while no process ran is missing, from the newest message that was stored."""
        if self._marks is None:
            return
        stored = self._places.learn(await self._marks(us.account))
        self._marks = None
        if stored:
            newest = max(time_of(ts) for ts in stored.values())
            since = max(newest, self._now() - BACKFILL_AGE)
            self._gaps.begin("not running", since=since, marks=stored)

    def _lost(self, heard_at: float) -> None:
        """No socket is live any more; the last sign of life came at `heard_at`."""
        silent = timedelta(seconds=max(0.0, self._clock() - heard_at))
        self._gaps.begin("no live socket", since=self._now() - silent)

    def _new_intake(self, us: Identity, ingest: Ingest) -> Intake:
        return Intake(
            us,
            self._people,
            ingest,
            places=self._places,
            gaps=self._gaps,
            uploads=self._uploads,
            now=self._now,
            sleep=self._sleep,
            ack_limit_s=self._ack_limit_s,
        )

    def _backfill(self, us: Identity, intake: Intake) -> Backfill:
        return Backfill(
            Reader(
                api=self._api,
                account=us.account,
                places=self._places,
                gaps=self._gaps,
                offer=intake.read_back,
                on_gap=self._on_gap,
                now=self._now,
                clock=self._clock,
                sleep=self._sleep,
            )
        )

    async def _socket_address(self) -> str:
        answer = await self._api.read("apps.connections.open", {"token": self._app_token})
        url = answer.get("url")
        if not isinstance(url, str):
            raise PlatformUnavailable("Slack gave no address for a socket")
        return url

    async def _watch_token(self) -> None:
        """Returns never; raises CredentialsRejected once a call was refused and nobody knows us."""
        while True:
            await self._api.refused.wait()
            self._api.refused.clear()
            with contextlib.suppress(PlatformUnavailable):
                await self._ask("auth.test", {})
            await self._sleep(RECOUNT_S)

    async def _ended(self, intake: Intake) -> None:
        raise CredentialsRejected(await intake.ended())

    async def _ask(self, method: str, arguments: Json) -> Json:
        """A question whose failure means only that it has to be asked again."""
        try:
            return await self._api.read(method, arguments)
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
        return await outbound.perform(self._api, operation, self._uploads)

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """Look once whether an in-doubt post stands: by its nonce, a file by its id or contents."""
        return await lookup.find(self._api, self._known(), operation, since, self._uploads)

    async def direct(self, person: str) -> ChatRef:
        """The direct message with a person, opened if need be."""
        return await lookup.open_direct(self._api, self._known(), person)

    async def roles(self, person: str, chat: ChatRef, asked: frozenset[str]) -> frozenset[str]:
        """The user groups among `asked` the person is in; nobody administers a chat here."""
        return await lookup.held_roles(self._api, self._known(), person, asked)
