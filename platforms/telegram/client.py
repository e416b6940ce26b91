"""The adapter of one Telegram bot: polling or a webhook in, the Bot API out."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from telegram import Bot, BotCommandScope
from telegram.error import BadRequest, InvalidToken, TelegramError

from platforms.base import Capabilities, Ingest, OnGap, Remark, Route
from platforms.blocks import Blocks
from platforms.content import Operation, Outcome, Post, Upload
from platforms.errors import ChatUnavailable, PlatformUnavailable
from platforms.events import (
    Account,
    Attachment,
    ChatRef,
    CommandHelp,
    Delivery,
    Ignored,
    Liveness,
    MessageRef,
    PlatformName,
    Receipt,
)
from platforms.files import Location
from platforms.telegram import files, outbound
from platforms.telegram.errors import as_connection
from platforms.telegram.format import fits
from platforms.telegram.intake import Intake
from platforms.telegram.limits import CAPABILITIES
from platforms.telegram.menus import Menu, menus
from platforms.telegram.polling import Pace, Poller, Sleep
from platforms.telegram.reading import Identity, is_person
from platforms.telegram.remarks import PRIVACY_OFF_BY, PRIVACY_ON, remarks_of
from platforms.telegram.request import READ_TIMEOUT_S, AiohttpRequest
from platforms.telegram.roles import leave_chat, roles_of
from platforms.telegram.webhook import PATH, Webhook

log = logging.getLogger(__name__)

# The SDK asks for this to be decided: durations come as timedelta, without a warning each time.
os.environ.setdefault("PTB_TIMEDELTA", "1")

BASE_URL = "https://api.telegram.org"
_SENDING_CONNECTIONS = 32


class _Bot(Bot):
    """The SDK's client; its own text form holds the token, and tracebacks print it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Bot()"


class TelegramAdapter:
    """Source and Sink of one bot.

    `base_url` is the root of the Bot API: `/bot<token>/METHOD` is below it. With `webhook_url`,
    which must reach this gateway's `/telegram/webhook`, updates are pushed and `webhook_secret`
    proves them; without it they are polled. `on_gap` is told of every outage that was longer than
    a minute, once what waited meanwhile is stored; while it raises, it is told again. `owners` are
    people whose menus show every command.
    """

    def __init__(
        self,
        *,
        token: str,
        base_url: str = BASE_URL,
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        commands: tuple[CommandHelp, ...] = (),
        owners: tuple[str, ...] = (),
        pace: Pace | None = None,
        read_timeout_s: float = READ_TIMEOUT_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        on_gap: OnGap | None = None,
    ) -> None:
        if webhook_url is not None and not webhook_secret:
            raise ValueError("a webhook needs a secret")
        # Below INFO the SDK prints addresses, which hold the token, and message texts.
        sdk_log = logging.getLogger("telegram")
        sdk_log.setLevel(max(sdk_log.level, logging.INFO))
        root = self._root = base_url.rstrip("/")
        self._sending = AiohttpRequest(
            connections=_SENDING_CONNECTIONS, read_timeout_s=read_timeout_s
        )
        self._bot = _Bot(
            token,
            base_url=f"{root}/bot",
            base_file_url=f"{root}/file/bot",
            request=self._sending,
            get_updates_request=self._sending,  # never used: the poller has its own
        )
        pace = pace or Pace()
        self._poller = Poller(
            bot=self._bot, pace=pace, clock=clock, now=now, sleep=sleep, on_gap=on_gap
        )
        self._webhook = None
        if webhook_url is not None:
            self._webhook = Webhook(
                bot=self._bot,
                url=webhook_url,
                secret=webhook_secret or "",
                pace=pace,
                clock=clock,
                now=now,
                sleep=sleep,
                on_gap=on_gap,
            )
        self._commands = commands
        self._owners = owners
        self._menus_set = False
        self._owed: dict[str, list[Menu]] = {}
        self._now = now
        self._us: Identity | None = None
        self._intake: Intake | None = None
        self._facts: dict[str, str] = {}
        self._hears_all = False
        self._webhook_url = webhook_url

    def __repr__(self) -> str:
        return "TelegramAdapter()"

    # Source

    @property
    def platform(self) -> PlatformName:
        """The name of this platform."""
        return "telegram"

    async def connect(self) -> Account:
        """Ask who we are."""
        await self._sending.initialize()
        try:
            me = await self._bot.get_me()
        except TelegramError as error:
            raise as_connection(error) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PlatformUnavailable("what answers is not the Bot API") from error
        account = Account(platform="telegram", id=str(me.id))
        self._us = Identity(account=account, username=me.username or "")
        self._hears_all = bool(me.can_read_all_group_messages)
        privacy = "off" if self._hears_all else "on"
        self._facts = {"bot": f"@{me.username}", "privacy mode": privacy}
        if not self._hears_all:
            log.info("@%s: %s; to change that: %s", me.username, PRIVACY_ON, PRIVACY_OFF_BY)
        return account

    async def run(self, ingest: Ingest) -> None:
        """Take updates until cancelled."""
        if self._us is None:
            raise PlatformUnavailable("run was called before connect")
        intake = Intake(self._us, self._meeting_owners(ingest), now=self._now)
        self._intake = intake
        await self._register_commands()
        if self._webhook is not None:
            await self._webhook.run(intake)
            return
        try:
            # What was meant for a webhook of ours still waits and is polled now.
            await self._bot.delete_webhook(drop_pending_updates=False)
        except TelegramError as error:
            raise as_connection(error) from error
        await self._poller.run(intake)

    def routes(self) -> tuple[Route, ...]:
        """The webhook's route, if updates are pushed."""
        if self._webhook is None:
            return ()
        return (Route(method="POST", path=PATH, handler=self._webhook.handle, guarded=False),)

    async def locate(self, attachment: Attachment, message: MessageRef) -> Location:
        """The address that getFile gives."""
        return await files.locate(self._bot, attachment, self._root)

    def liveness(self) -> Liveness:
        """The last completed poll, or the last sign of a webhook that works."""
        alive = (self._webhook or self._poller).liveness()
        return replace(alive, facts=self._facts)

    async def close(self) -> None:
        """Close every connection."""
        await self._poller.close()
        await self._sending.shutdown()

    async def remarks(self, chats: tuple[ChatRef, ...]) -> tuple[Remark, ...]:
        """Privacy mode, who has the updates, and which of these groups we are not in."""
        if self._us is None:
            raise PlatformUnavailable("Telegram is not connected")
        return await remarks_of(
            self._bot,
            self._us,
            hears_all=self._hears_all,
            webhook_url=self._webhook_url,
            chats=chats,
        )

    async def _register_commands(self) -> None:
        """Tell Telegram's menus what there is, once; the gateway works without them."""
        if self._menus_set:
            return
        self._owed.clear()
        for menu in menus(self._commands, self._owners):
            try:
                await self._set_menu(menu)
            except BadRequest as error:  # such as an owner who has never written
                log.info("no command menu for %s: %s", menu.scope, error)
                if menu.chat is not None:
                    self._owed.setdefault(menu.chat, []).append(menu)
            except InvalidToken as error:
                raise as_connection(error) from error
            except TelegramError as error:
                log.warning("the command menu could not be registered: %s", error)
                return
        self._menus_set = True

    async def _set_menu(self, menu: Menu) -> None:
        chat = {} if menu.chat is None else {"chat_id": int(menu.chat)}
        scope = BotCommandScope(menu.scope, api_kwargs=chat)
        language = menu.language or None
        await self._bot.set_my_commands(menu.commands, scope=scope, language_code=language)

    def _meeting_owners(self, ingest: Ingest) -> Ingest:
        """The same, but an owner who writes for the first time gets the menu that was refused."""

        async def meet(delivery: Delivery) -> Receipt:
            receipt = await ingest(delivery)
            events = () if isinstance(delivery.events, Ignored) else delivery.events
            for event in events:
                for menu in self._owed.pop(event.chat.chat_id, ()):
                    try:
                        await self._set_menu(menu)
                    except TelegramError as error:
                        log.info("no command menu for %s: %s", menu.scope, error)
            return receipt

        return meet

    # Sink

    @property
    def capabilities(self) -> Capabilities:
        """What Telegram can do."""
        return CAPABILITIES

    def fits(self, body: Blocks) -> bool:
        """Whether the formatted body is one message."""
        return fits(body)

    async def perform(self, operation: Operation) -> Outcome:
        """Carry out one operation with one call."""
        forums = () if self._intake is None else self._intake.forums
        return await outbound.perform(self._bot, operation, forums=forums)

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """Nothing can be looked up here."""
        raise NotImplementedError

    async def direct(self, person: str, space: str | None = None) -> ChatRef:
        """The private chat has the person's own id.

        Whether they ever wrote to us, and so may be written to, only a post can tell.
        """
        if self._us is None:
            raise PlatformUnavailable("Telegram is not connected")
        if not is_person(person):
            raise ChatUnavailable("not the id of a person on Telegram", reason="not_found")
        return ChatRef(account=self._us.account, chat_id=person)

    async def roles(self, person: str, chat: ChatRef, asked: frozenset[str]) -> frozenset[str]:
        """Whether the person administers the chat; see `Sink`."""
        return await roles_of(self._bot, person, chat, asked)

    async def leave(self, chat: ChatRef) -> None:
        """Leave a group; see `Sink`."""
        await leave_chat(self._bot, chat)
