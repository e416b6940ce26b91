"""The adapter of one Discord bot: the gateway in, REST out."""

import asyncio
import logging
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from discord.http import Route as Endpoint

from platforms.base import Capabilities, Ingest, Marks, Route
from platforms.blocks import Blocks
from platforms.content import AnswerPress, Operation, Outcome, Post, Upload
from platforms.discord import format as wire
from platforms.discord.backlog import ROOM, Backlog, Frame
from platforms.discord.commands import command_payload, same_commands
from platforms.discord.errors import FAILURES, PORTAL, classify_error
from platforms.discord.gateway import GatewayClient
from platforms.discord.intake import Intake
from platforms.discord.limits import CAPABILITIES, IDENTIFIES_LEFT_MIN, IDENTIFY_WAIT_S
from platforms.discord.outbound import ANSWER_S, Outbound
from platforms.discord.parse import KINDS, Identity
from platforms.discord.presses import Presses
from platforms.errors import CredentialsRejected, PlatformError, PlatformUnavailable
from platforms.events import Account, ChatRef, CommandHelp, Liveness, MessageRef, PlatformName
from platforms.fields import mapping

log = logging.getLogger(__name__)

BASE_URL = "https://discord.com/api/v10"
HEARTBEAT_TIMEOUT_S = 60.0
CONNECT_S = 30.0
"""Each call of `connect`."""

_CONTENT_SWITCH = (1 << 18) | (1 << 19)
"""Flags of an application whose Message Content Intent is on. Source: "Application Flags"."""


class DiscordAdapter:
    """Source and Sink of one bot.

    `base_url` is the root of the REST API; the gateway's address is asked for there. One base per
    process: the SDK keeps it in a class. With `threads` a mention in a channel is answered in a
    thread on it. `commands` are registered as native commands.
    After a start, chats are read back from their `marks`.
    """

    def __init__(
        self,
        *,
        token: str,
        base_url: str = BASE_URL,
        threads: bool = False,
        commands: tuple[CommandHelp, ...] = (),
        marks: Marks | None = None,
        identify_wait_s: float = IDENTIFY_WAIT_S,
        heartbeat_timeout_s: float = HEARTBEAT_TIMEOUT_S,
        answer_s: float = ANSWER_S,
        room: int = ROOM,
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
        self._identify_wait_s = identify_wait_s
        self._heartbeat_timeout_s = heartbeat_timeout_s
        self._answer_s = answer_s
        self._backlog = Backlog(room)
        self._client: GatewayClient | None = None
        self._presses: Presses | None = None
        self._outbound: Outbound | None = None
        self._intake: Intake | None = None
        self._gateway_url = ""
        self._connected = False
        self._last_frame_at: float | None = None
        self._facts: dict[str, str] = {}

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
        client = GatewayClient(
            on_frame=self._on_frame,
            on_lost=self._on_lost,
            identify_wait_s=self._identify_wait_s,
            heartbeat_timeout_s=self._heartbeat_timeout_s,
        )
        self._client = client
        try:
            async with asyncio.timeout(CONNECT_S):
                await client.login(self._token)
                start = await client.http.request(Endpoint("GET", "/gateway/bot"))
        except FAILURES as exc:
            raise _as_connection(classify_error(exc)) from exc
        us = _identity(client)
        self._gateway_url = _gateway_url(start)
        self._presses = Presses(us.account.id)
        if self._intake is None:
            self._intake = Intake(
                us=us, backlog=self._backlog, get=self._get, threads=self._threads
            )
            if self._marks is not None:
                self._intake.read_after(await self._marks(us.account))
        self._intake.answer_with(self._presses)
        self._outbound = Outbound(
            client=client,
            presses=self._presses,
            threads=self._intake.threads if self._threads else None,
            answer_s=self._answer_s,
        )
        return us.account

    async def run(self, ingest: Ingest) -> None:
        """Take events until cancelled."""
        client, intake = self._client, self._intake
        if client is None or intake is None:
            raise PlatformUnavailable("run was called before connect")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(intake.run(ingest), name="discord-intake")
                group.create_task(self._register_commands(client), name="discord-commands")
                await client.hold(self._gateway_url, self._backlog.wait_for_room)
        except ExceptionGroup as failures:
            raise _cause(failures) from failures
        finally:
            self._on_lost()
            await client.drop_socket(code=1000)

    def routes(self) -> tuple[Route, ...]:
        """None: everything comes by the gateway."""
        return ()

    def liveness(self) -> Liveness:
        """The last frame of the gateway, heartbeats included."""
        return Liveness(
            connected=self._connected,
            last_frame_at=self._last_frame_at,
            facts={**self._facts, "waiting": str(len(self._backlog))},
        )

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
        if self._outbound is None or self._intake is None:
            raise PlatformUnavailable("Discord is not connected")
        if isinstance(operation, AnswerPress):
            await self._intake.answered(operation.press)
        return await self._outbound.perform(operation)

    # What the connection calls

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """Nothing can be looked up here."""
        raise NotImplementedError

    async def direct(self, person: str) -> ChatRef:
        """The direct message with a person."""
        raise NotImplementedError

    def _on_frame(self, text: str) -> None:
        """One frame, before the SDK reads it."""
        self._last_frame_at = time.monotonic()
        try:
            event = orjson.loads(text)
        except ValueError:
            return  # the SDK meets it next and gives the connection up
        name = event.get("t") if isinstance(event, dict) else None
        if name in {"READY", "RESUMED"}:
            self._connected = True
            if self._client is not None:
                self._client.settled()
        if Intake.wants(name):
            self._backlog.put(Frame(text.encode() if name in KINDS else b"", event))

    def _on_lost(self) -> None:
        self._connected = False

    async def _get(self, path: str, query: dict[str, str]) -> Any:
        """A GET for the intake."""
        if self._client is None:
            raise PlatformUnavailable("Discord is not connected")
        try:
            return await self._client.http.request(Endpoint("GET", path), params=query)
        except FAILURES as exc:
            raise classify_error(exc) from exc

    async def _register_commands(self, client: GatewayClient) -> None:
        """Register the command table if Discord has another; a failure costs only the menu."""
        wanted = command_payload(self._commands)
        application = client.application_id
        if not wanted or application is None:
            return
        try:
            known = await client.http.get_global_commands(application)
            if not same_commands(known, wanted):
                await client.http.bulk_upsert_global_commands(application, wanted)
        except FAILURES as exc:
            log.warning("native commands were not registered: %s", classify_error(exc))

    async def _release(self) -> None:
        client, presses = self._client, self._presses
        self._client = self._presses = self._outbound = None
        if client is not None:
            await client.leave()
        if presses is not None:
            await presses.close()


def _identity(client: GatewayClient) -> Identity:
    """Who we are; presses must come by the gateway, or nobody here would ever see them."""
    application, user = client.application, client.user
    if application is None or user is None:
        raise PlatformUnavailable("what answers is not Discord's API")
    if application.interactions_endpoint_url:
        raise CredentialsRejected(
            "Discord sends this application's presses and commands to a web address. In the"
            " developer portal: your application, General Information, empty Interactions"
            f" Endpoint URL ({PORTAL})"
        )
    if not application.flags.value & _CONTENT_SWITCH:
        log.warning("discord: the Message Content Intent seems to be off (%s)", PORTAL)
    account = Account(platform="discord", id=str(application.id))
    return Identity(account=account, user_id=str(user.id))


def _gateway_url(start: object) -> str:
    """The gateway's address, if there are sessions left for today."""
    body = start if isinstance(start, dict) else {}
    limit, url = mapping(body, "session_start_limit"), body.get("url")
    if not isinstance(url, str) or not url.startswith(("ws://", "wss://")):
        raise PlatformUnavailable("what answers is not Discord's API")
    left, reset_ms = limit.get("remaining"), limit.get("reset_after")
    if isinstance(left, int) and left < IDENTIFIES_LEFT_MIN:
        raise PlatformUnavailable(
            f"only {left} new sessions left today; more in {int(reset_ms or 0) // 60_000} minutes"
        )
    return url


def _as_connection(error: PlatformError) -> PlatformError:
    """What `connect` may raise: the credential is refused, or nobody answers."""
    if isinstance(error, CredentialsRejected | PlatformUnavailable):
        return error
    return PlatformUnavailable(str(error))


def _cause(failures: ExceptionGroup[Exception]) -> Exception:
    """Why the connection ended: what a caller can act on, before anything else."""
    known, other = failures.split(PlatformError)
    leaf: Exception = known or other or failures
    while isinstance(leaf, ExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf
