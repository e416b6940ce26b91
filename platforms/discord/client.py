"""The adapter of one Discord bot: the gateway in, REST out."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from discord.http import Route as Endpoint

from platforms.base import Capabilities, Ingest, Marks, OnGap, Remark, Route
from platforms.blocks import Blocks
from platforms.content import Operation, Outcome, Post, Upload
from platforms.discord import files, remarks, shards
from platforms.discord import format as wire
from platforms.discord.backfill import Backfill, Listed, Pace
from platforms.discord.backlog import ROOM, Backlog, Frame
from platforms.discord.clock import SYSTEM, Clock
from platforms.discord.commands import command_payload, same_commands
from platforms.discord.directory import Directory
from platforms.discord.errors import cause_of
from platforms.discord.first_answers import FirstAnswers
from platforms.discord.gaps import Gaps
from platforms.discord.gateway import RATE_LIMIT_WAIT_S, GatewayClient
from platforms.discord.intake import Intake
from platforms.discord.limits import CAPABILITIES, IDENTIFY_WAIT_S
from platforms.discord.outbound import Outbound
from platforms.discord.parse import KINDS
from platforms.discord.presses import Presses
from platforms.discord.reading import Identity
from platforms.discord.rest import Rest
from platforms.discord.shards import IdentifyGate, Shard, shard_of
from platforms.discord.start import Start, identity_of, start_of, switched_off
from platforms.errors import (
    CredentialsRejected,
    MessageRejected,
    PlatformError,
    PlatformUnavailable,
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
from platforms.fields import Body
from platforms.files import Location

log = logging.getLogger(__name__)

BASE_URL = "https://discord.com/api/v10"
CONNECT_S = 30.0
"""Each call of `connect`."""

ANSWER_S = 15.0
"""How long Discord may take to answer, beside what the SDK sleeps for a full bucket."""


class DiscordAdapter:
    """Source and Sink of one bot.

    `base_url` is the root of the REST API; the gateway's address is asked for there. One base per
    process: the SDK keeps it in a class. With `threads` a mention in a channel is answered in a
    thread on it. `commands` are registered as native commands.
    After a gap, chats are read back: from their `marks` after a start, and those of guilds only
    if `listed`, which also finds chats and threads that nothing was stored of before.
    `on_gap` gets each gap when all of that is done.
    """

    def __init__(
        self,
        *,
        token: str,
        base_url: str = BASE_URL,
        threads: bool = False,
        commands: tuple[CommandHelp, ...] = (),
        marks: Marks | None = None,
        on_gap: OnGap | None = None,
        listed: Listed | None = None,
        identify_wait_s: float = IDENTIFY_WAIT_S,
        answer_s: float = ANSWER_S,
        room: int = ROOM,
        clock: Clock = SYSTEM,
    ) -> None:
        # Below INFO the SDK prints addresses that hold tokens of interactions, and message texts.
        sdk_log = logging.getLogger("discord")
        sdk_log.setLevel(max(sdk_log.level, logging.INFO))
        self._token = token
        self._base_url = base_url.rstrip("/")
        self._threads = threads
        self._capabilities = replace(CAPABILITIES, threads="start" if threads else "join")
        self._commands = commands
        self._marks = marks
        self._on_gap = on_gap
        self._listed = listed
        self._clock = clock
        self._backlog = Backlog(room)
        self._rest = Rest(clock=clock, deadline_s=answer_s + RATE_LIMIT_WAIT_S)
        self._gate = IdentifyGate(wait_s=identify_wait_s, clock=clock)
        self._client: GatewayClient | None = None
        self._others: tuple[GatewayClient, ...] = ()
        self._shards: tuple[Shard, ...] = ()
        self._presses: Presses | None = None
        self._outbound: Outbound | None = None
        self._intake: Intake | None = None
        self._start: Start | None = None
        self._budget_alarm = ""
        self._switched_off = ""

    def __repr__(self) -> str:
        return "DiscordAdapter()"

    # Source

    @property
    def platform(self) -> PlatformName:
        """The name of this platform."""
        return "discord"

    async def connect(self) -> Account:
        """Ask who we are, and where the gateway is."""
        await self._release()
        if not self._token.strip():
            raise CredentialsRejected("Discord: platforms.discord.token is empty")
        Endpoint.BASE = self._base_url
        client = self._client = self._new_client(0)
        self._rest.begin(client.unlock)
        try:
            self._start = await self._rest.call(self._log_in(client), deadline_s=CONNECT_S)
        except PlatformError as error:
            raise _as_connection(error) from error
        us = identity_of(client)
        self._switched_off = switched_off(client)
        if self._switched_off:
            log.error("discord: %s", self._switched_off)
        self._presses = Presses(us.account.id, self._rest)
        if self._intake is None:
            self._intake = await self._begin_intake(us, self._start.shards)
        await self._share_out(client)
        self._intake.answers.use(self._presses)
        self._outbound = Outbound(
            client=client,
            rest=self._rest,
            answers=self._intake.answers,
            us=us,
            threads=self._intake.threads if self._threads else None,
        )
        return us.account

    async def run(self, ingest: Ingest) -> None:
        """Take events until cancelled."""
        client, intake = self._client, self._intake
        if client is None or intake is None:
            raise PlatformUnavailable("run was called before connect")
        self._switched_off = ""  # from here on the gateway says so itself
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(intake.run(ingest), name="discord-intake")
                group.create_task(self._register_commands(client), name="discord-commands")
                group.create_task(self._rest.until_rejected(), name="discord-rejection")
                for each in (client, *self._others):
                    group.create_task(each.hold(self._door, self._backlog), name="discord-gateway")
        except ExceptionGroup as failures:
            raise cause_of(failures) from failures
        finally:
            for number, each in enumerate((client, *self._others)):
                self._on_lost(number, "stopped")
                await each.drop_socket(code=1000)

    def routes(self) -> tuple[Route, ...]:
        """None: everything comes by the gateway."""
        return ()

    async def locate(self, attachment: Attachment, message: MessageRef) -> Location:
        """The address of a file as its message has it now."""
        return await files.locate(self._get, attachment, self._base_url)

    def liveness(self) -> Liveness:
        """The last frame of the gateway, heartbeats included."""
        alarms = (self._switched_off, self._budget_alarm, self._rest.alarm())
        return Liveness(
            connected=shards.connected(self._shards),
            last_frame_at=shards.last_frame_at(self._shards),
            gap_since=shards.gap_since(self._shards),
            alarm="; ".join(alarm for alarm in alarms if alarm),
            detail=self._connections(),
            facts=self._facts(),
        )

    def _facts(self) -> dict[str, str]:
        facts = {"waiting": str(len(self._backlog))} if len(self._backlog) else {}
        user = self._client.user if self._client is not None else None
        return {**({"bot": f"@{user.name}"} if user is not None else {}), **facts}

    async def close(self) -> None:
        """End the session and every connection."""
        await self._release()

    # Sink

    @property
    def capabilities(self) -> Capabilities:
        """What Discord can do."""
        return self._capabilities

    def fits(self, body: Blocks) -> bool:
        """Whether the body is within the size we split at."""
        return wire.fits(body)

    async def perform(self, operation: Operation) -> Outcome:
        """Carry out one operation with one request."""
        return await self._out().perform(operation)

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """Look once whether an in-doubt post, first tried at `since`, stands in its chat."""
        return await self._out().find(operation, since)

    async def direct(self, person: str, space: str | None = None) -> ChatRef:
        """The direct messages with a person, opened if need be."""
        return await self._out().direct(person)

    async def roles(self, person: str, chat: ChatRef, asked: frozenset[str]) -> frozenset[str]:
        """Which of the asked roles a person has in the chat's guild; none in direct messages."""
        return await self._out().roles(person, chat, asked)

    async def leave(self, chat: ChatRef) -> None:
        """A bot is in a whole server, not in one of its channels."""
        raise MessageRejected(
            "a bot is in all of a server: somebody who administers it removes it there, or takes"
            " its right to see a channel away"
        )

    # History

    async def earlier(self, message: MessageRef, limit: int) -> tuple[Said, ...]:
        """What was said in the channel or thread of a message before it."""
        if self._intake is None:
            raise PlatformUnavailable("Discord is not connected")
        return await self._intake.earlier(message, limit)

    # SetUp

    async def remarks(self, chats: tuple[ChatRef, ...]) -> tuple[Remark, ...]:
        """What is missing on our servers, and in these chats."""
        client = self._client
        if client is None or client.application is None:
            raise PlatformUnavailable("Discord is not connected")
        us = identity_of(client)
        guilds = remarks.of_guilds(
            await self._get("/users/@me/guilds", {}),
            application=us.account.id,
            role=us.name,
            threads=self._threads,
        )
        return (*guilds, *await remarks.of_channels(self._get, chats, role=us.name))

    def _out(self) -> Outbound:
        if self._outbound is None:
            raise PlatformUnavailable("Discord is not connected")
        return self._outbound

    # What the connection calls

    def _on_event(self, number: int, text: str, event: Body) -> None:
        """One frame of a shard, before the SDK reads it."""
        shard = self._shards[number]
        shard.last_frame_at = self._clock.monotonic()
        name = event.get("t")
        replayed = not shard.connected
        if name in {"READY", "RESUMED"}:
            shard.connected = True
        if Intake.wants(name):
            self._backlog.put(
                Frame(
                    text.encode() if name in KINDS else b"",
                    event,
                    shard=number,
                    connection=shard.backfill.connection,
                    replayed=replayed,
                    at=shard.last_frame_at,
                )
            )

    def _on_lost(self, number: int, cause: str) -> None:
        self._shards[number].lose("backlog full" if self._backlog.full else cause)

    def _connections(self) -> str:
        """What there is to say of them where there are several."""
        if len(self._shards) < 2:
            return ""
        standing = sum(shard.connected for shard in self._shards)
        return f"{standing} of {len(self._shards)} shards connected"

    def _new_client(self, number: int) -> GatewayClient:
        return GatewayClient(
            on_event=partial(self._on_event, number),
            on_lost=partial(self._on_lost, number),
            rest=self._rest,
            clock=self._clock,
            gate=self._gate,
        )

    async def _share_out(self, client: GatewayClient) -> None:
        """A connection for each shard; the first one is also the one for REST."""
        count = len(self._shards)
        client.take_shard(0, count)
        self._others = tuple(self._new_client(number) for number in range(1, count))
        for number, other in enumerate(self._others, 1):
            other.take_shard(number, count)
            await other.join(client)

    async def _log_in(self, client: GatewayClient) -> Start:
        await client.login(self._token)
        return start_of(await client.http.request(Endpoint("GET", "/gateway/bot")))

    async def _begin_intake(self, us: Identity, count: int) -> Intake:
        """What outlives connections."""
        directory, pace = Directory(user_id=us.user_id), Pace(self._clock)
        marks = await self._marks(us.account) if self._marks is not None else ()
        found = []
        for number in range(count):
            shard = self._begin_shard(us, number, count, directory=directory, pace=pace)
            own = (mark for mark in marks if shard_of(mark.chat.space, count) == number)
            shard.backfill.start_from(tuple(own))
            found.append(shard)
        self._shards = tuple(found)
        return Intake(
            us=us,
            directory=directory,
            backlog=self._backlog,
            shards=self._shards,
            get=self._get,
            answers=FirstAnswers(clock=self._clock),
            threads=self._threads,
            now=self._clock.now,
        )

    def _begin_shard(
        self, us: Identity, number: int, count: int, *, directory: Directory, pace: Pace
    ) -> Shard:
        share = f"shard {number + 1} of {count}" if count > 1 else ""
        gaps = Gaps(account=us.account, clock=self._clock, on_gap=self._on_gap, share=share)
        backfill = Backfill(
            account=us.account,
            directory=directory,
            backlog=self._backlog,
            gaps=gaps,
            get=self._get,
            clock=self._clock,
            listed=self._listed,
            pace=pace,
            shard=number,
        )
        return Shard(gaps=gaps, backfill=backfill)

    async def _door(self) -> str:
        """Where a session may be begun, once one may be: the last of a day's are kept."""
        while True:
            start, self._start = self._start, None
            if start is None:
                start = start_of(await self._get("/gateway/bot", {}))
            if not start.scarce:
                self._budget_alarm = ""
                return start.url
            self._budget_alarm = start.alarm(self._clock.now())
            log.error("discord: %s", self._budget_alarm)
            await self._clock.sleep(start.reset_s)

    async def _get(self, path: str, query: dict[str, str]) -> Any:
        """A GET for the intake."""
        if self._client is None:
            raise PlatformUnavailable("Discord is not connected")
        endpoint = Endpoint("GET", path)
        return await self._rest.call(self._client.http.request(endpoint, params=query))

    async def _register_commands(self, client: GatewayClient) -> None:
        """Register the command table if Discord has another; a failure costs only the menu."""
        wanted = command_payload(self._commands)
        application = client.application_id
        if not wanted or application is None:
            return
        try:
            # The SDK's own call leaves the words in other languages out.
            listing = Endpoint(
                "GET", "/applications/{application_id}/commands", application_id=application
            )
            localised = {"with_localizations": "true"}
            known = await self._rest.call(client.http.request(listing, params=localised))
            if not same_commands(known, wanted):
                overwriting = client.http.bulk_upsert_global_commands(application, wanted)
                await self._rest.call(overwriting)
        except PlatformError as error:
            log.warning("native commands were not registered: %s", error)

    async def _release(self) -> None:
        client, presses = self._client, self._presses
        others, self._others = self._others, ()
        self._client = self._presses = self._outbound = None
        for other in others:
            await other.drop_socket(code=1000)
        if client is not None:
            await client.leave()
        if presses is not None:
            await presses.close()


def _as_connection(error: PlatformError) -> PlatformError:
    """What `connect` may raise: the credential is refused, or nobody answers."""
    if isinstance(error, CredentialsRejected | PlatformUnavailable):
        return error
    return PlatformUnavailable(str(error))
