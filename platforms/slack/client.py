"""The adapter of one Slack app in its workspaces: Socket Mode or signed HTTP in, Web API out."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from platforms.base import Capabilities, Ingest, Marks, OnGap, Remark, Route
from platforms.blocks import Blocks
from platforms.content import Operation, Outcome, Post, Upload
from platforms.errors import (
    ChatUnavailable,
    CredentialsRejected,
    FileUnavailable,
    PlatformUnavailable,
    RightsMissing,
)
from platforms.events import (
    Account,
    Attachment,
    ChatRef,
    CommandHelp,
    Liveness,
    MessageRef,
    PlatformName,
    Said,
)
from platforms.files import Location
from platforms.slack import files, lookup, outbound, remarks
from platforms.slack.api import TOTAL_TIMEOUT_S, WebApi
from platforms.slack.assistant import AssistantView
from platforms.slack.backfill import Backfill, Reader
from platforms.slack.bridge import answer, build_app
from platforms.slack.earlier import EarlierReader
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
from platforms.slack.openings import Shortcuts
from platforms.slack.people import PATIENCE_S
from platforms.slack.places import Places
from platforms.slack.sockets import Sockets
from platforms.slack.stamps import time_of
from platforms.slack.workspaces import Workspace, Workspaces, ask

BASE_URL = "https://slack.com/api/"
STOP_PATIENCE_S = 0.5


class SlackAdapter:
    """Source and Sink of one app, with a bot token for each workspace or organisation it is in.

    `app_token` turns Socket Mode on, `signing_secret` the route for signed HTTP events; one of
    them is needed. `base_url` is the root of the Web API. With `threads` a message in a channel is
    answered in a thread on it.
    """

    def __init__(
        self,
        *,
        bot_token: str | tuple[str, ...],
        app_token: str | None = None,
        signing_secret: str | None = None,
        base_url: str = BASE_URL,
        threads: bool = True,
        prompts: tuple[CommandHelp, ...] = (),
        marks: Marks | None = None,
        on_gap: OnGap | None = None,
        ping_interval_s: float = PING_INTERVAL_S,
        stale_s: float = STALE_S,
        second_after_s: float = SECOND_AFTER_S,
        ack_limit_s: float = ACK_LIMIT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        names_within_s: float = PATIENCE_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`marks` is asked once, for reading back what came while no process ran.

        `prompts` are the commands that a new thread of the assistant view offers.
        """
        if app_token is None and signing_secret is None:
            raise ValueError("Slack needs an app-level token or a signing secret to hear anything")
        tokens = (bot_token,) if isinstance(bot_token, str) else bot_token
        apis = tuple(
            WebApi(token=token, base_url=base_url, total_timeout_s=total_timeout_s)
            for token in tokens
        )
        self._api = apis[0]
        self._workspaces = Workspaces(
            apis, threads=threads, clock=clock, names_within_s=names_within_s
        )
        self._app_token = app_token
        self._base_url = base_url
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
        self._marks = marks
        self._on_gap = on_gap
        self._places = Places()
        self._uploads = outbound.Uploads()
        self._assistant = AssistantView(prompts)
        self._shortcuts = Shortcuts()
        self._earlier = EarlierReader(now=now, clock=clock)
        self._ack_limit_s = ack_limit_s
        self._now = now
        self._clock = clock
        self._sleep = sleep

    def __repr__(self) -> str:
        return "SlackAdapter()"

    # Source

    @property
    def platform(self) -> PlatformName:
        """The name of this platform."""
        return "slack"

    async def connect(self) -> Account:
        """Ask with each token who we are and which app that is."""
        return await self._workspaces.connect()

    async def run(self, ingest: Ingest) -> None:
        """Take events until cancelled, or until Slack ends our access."""
        await self._take_up(self._workspaces.account)
        intake = self._new_intake(ingest)
        parts = [self._ended(), self._backfill(intake).run()]
        parts += [self._watch_token(each) for each in self._workspaces]
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
        try:
            token = self._workspaces.at(message.chat.space).api.client.token or ""
        except ChatUnavailable as error:
            raise FileUnavailable(str(error), reason="no_file") from error
        return files.locate(attachment, token=token, base_url=self._base_url)

    def liveness(self) -> Liveness:
        """The last frame or pong of the socket, or the last genuine request."""
        facts = {}
        if known := tuple(self._workspaces):
            spaces = ", ".join(each.us.space for each in known)
            facts = {"workspace": spaces, "bot": f"@{known[0].us.name}"}
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
                alarm="; ".join(filter(None, (self._sockets.alarm, self._workspaces.alarm))),
                facts=facts,
            )
        if self._events is None:
            return Liveness(connected=False, gap_since=gap_since, facts=facts)
        if (at := self._events.last_request_at) is not None:
            # Requests come with messages, so their age proves nothing about the transport.
            facts["last request"] = f"{self._clock() - at:.0f} s ago"
        return Liveness(
            connected=self._events.intake is not None,
            gap_since=gap_since,
            alarm="; ".join(filter(None, (self._events.alarm, self._workspaces.alarm))),
            detail=self._events.detail,
            facts=facts,
        )

    async def remarks(self, chats: tuple[ChatRef, ...]) -> tuple[Remark, ...]:
        """Rights of each bot token, the app-level token, and channels we are not in."""
        found: list[Remark] = []
        if self._app_token is not None:
            socket = await remarks.of_socket(self._api, self._app_token)
            found += [socket] if socket is not None else []
        for each in self._workspaces:
            await ask(each.api, "auth.test", {})  # its answer names the token's rights
            found += remarks.of_rights(each.us, each.api.scopes)
            there = tuple(chat for chat in chats if chat.space in each.us.teams)
            found += await remarks.of_channels(each.us, each.api, there)
        return tuple(found)

    async def close(self) -> None:
        """Close every connection."""
        await self._assistant.close()
        await self._shortcuts.close()
        await self._workspaces.close()

    async def _take_up(self, account: Account) -> None:
        """What came while no process ran is missing, from the newest message that was stored."""
        if self._marks is None:
            return
        stored = self._places.learn(await self._marks(account))
        self._marks = None
        if stored:
            newest = max(time_of(ts) for ts in stored.values())
            since = max(newest, self._now() - BACKFILL_AGE)
            self._gaps.begin("not running", since=since, marks=stored)

    def _lost(self, heard_at: float) -> None:
        """No socket is live any more; the last sign of life came at `heard_at`."""
        silent = timedelta(seconds=max(0.0, self._clock() - heard_at))
        self._gaps.begin("no live socket", since=self._now() - silent)

    def _new_intake(self, ingest: Ingest) -> Intake:
        return Intake(
            self._workspaces,
            ingest,
            places=self._places,
            gaps=self._gaps,
            uploads=self._uploads,
            assistant=self._assistant,
            shortcuts=self._shortcuts,
            now=self._now,
            sleep=self._sleep,
            ack_limit_s=self._ack_limit_s,
        )

    def _backfill(self, intake: Intake) -> Backfill:
        return Backfill(
            Reader(
                workspaces=self._workspaces,
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

    async def _watch_token(self, workspace: Workspace) -> None:
        """Returns never; once a call was refused it asks whether anybody still knows us there."""
        workspace.api.refused.clear()
        while True:
            await workspace.api.refused.wait()
            workspace.api.refused.clear()
            try:
                await ask(workspace.api, "auth.test", {})
            except CredentialsRejected as error:
                self._workspaces.lose(workspace, str(error))
            except PlatformUnavailable:
                pass
            await self._sleep(RECOUNT_S)

    async def _ended(self) -> None:
        raise CredentialsRejected(await self._workspaces.ended())

    # Sink

    @property
    def capabilities(self) -> Capabilities:
        """What Slack can do."""
        return CAPABILITIES

    def fits(self, body: Blocks) -> bool:
        """Whether the formatted body is one message."""
        return fits(body)

    async def perform(self, operation: Operation) -> Outcome:
        """Carry out one operation, in the workspace it is for."""
        workspace = self._workspaces.at(outbound.space_of(operation))
        with self._one_of_several(workspace):
            return await outbound.perform(workspace.api, operation, self._uploads)

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """Look once whether an in-doubt post stands: by its nonce, a file by its id or contents."""
        workspace = self._workspaces.at(operation.chat.space)
        with self._one_of_several(workspace):
            return await lookup.find(workspace.api, workspace.us, operation, since, self._uploads)

    async def earlier(self, message: MessageRef, limit: int) -> tuple[Said, ...]:
        """What was said before a message in its thread, or else its channel, oldest first."""
        return await self._earlier.read(self._workspaces.at(message.chat.space), message, limit)

    async def direct(self, person: str, space: str | None = None) -> ChatRef:
        """The direct message with a person, opened if need be."""
        workspace = self._workspaces.at(space)
        with self._one_of_several(workspace):
            return await lookup.open_direct(workspace.api, workspace.us, person)

    async def roles(self, person: str, chat: ChatRef, asked: frozenset[str]) -> frozenset[str]:
        """The user groups among `asked` the person is in; nobody administers a chat here."""
        workspace = self._workspaces.at(chat.space)
        return await lookup.held_roles(workspace.api, workspace.us, person, asked)

    async def leave(self, chat: ChatRef) -> None:
        """Leave a channel; see `Sink`."""
        await lookup.leave_channel(self._workspaces.at(chat.space).api, chat)

    @contextlib.contextmanager
    def _one_of_several(self, workspace: Workspace) -> Iterator[None]:
        """A token that is refused stops its own workspace, not the others."""
        try:
            yield
        except RightsMissing:
            raise
        except CredentialsRejected as error:
            if len(tuple(self._workspaces)) == 1:
                raise
            raise ChatUnavailable(str(error), reason="no_rights") from error
