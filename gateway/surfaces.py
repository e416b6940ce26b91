"""The configured surfaces: each platform's settings become its adapter. One function a platform.

SDKs are imported here, inside functions, and only those the configuration uses.
"""

import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from agent.failover import Entry
from gateway import commands, refs
from gateway.config import Config, configured_platforms
from gateway.store.base import Store
from gateway.store.records import cursors
from gateway.web.history import StoredHistory
from platforms.base import Adapter
from platforms.events import Account, MessageRef, PlatformName


def chat_adapters(config: Config, store: Store | None = None) -> list[Adapter]:
    """The adapters of the chat platforms that the file turns on; nothing is connected yet.

    Without a store they can say who they are, but read nothing back.
    """
    makers: dict[PlatformName, Callable[[Config], Adapter]] = {
        "telegram": _telegram,
        "slack": _slack,
        "discord": lambda config: _discord(config, store),
    }
    return [makers[name](config) for name in configured_platforms(config)]


def web_page(store: Store, entries: tuple[Entry, ...]) -> Adapter:
    """The chat page."""
    from platforms.web.client import WebAdapter

    return WebAdapter(
        history=StoredHistory(store=store, entries=entries),
        secret=secrets.token_bytes(32),
        now=lambda: datetime.now(UTC),
        new_id=lambda: str(uuid.uuid4()),
    )


def _telegram(config: Config) -> Adapter:
    from platforms.telegram.client import TelegramAdapter

    settings = config.platforms.telegram
    if settings is None:
        raise ValueError("telegram is not configured")
    webhook = settings.mode == "webhook"
    secret = settings.webhook_secret
    return TelegramAdapter(
        token=settings.token.reveal(),
        base_url=settings.base_url,
        webhook_url=settings.webhook_url if webhook else None,
        webhook_secret=secret.reveal() if webhook and secret else None,
        commands=commands.native(),
    )


def _slack(config: Config) -> Adapter:
    from platforms.slack.client import SlackAdapter

    settings = config.platforms.slack
    if settings is None:
        raise ValueError("slack is not configured")
    return SlackAdapter(
        bot_token=settings.bot_token.reveal(),
        app_token=settings.app_token.reveal() if settings.app_token else None,
        signing_secret=settings.signing_secret.reveal() if settings.signing_secret else None,
        base_url=settings.base_url,
        threads=settings.threads,
    )


def _discord(config: Config, store: Store | None) -> Adapter:
    from platforms.discord.client import DiscordAdapter

    settings = config.platforms.discord
    if settings is None:
        raise ValueError("discord is not configured")
    return DiscordAdapter(
        token=settings.token.reveal(),
        base_url=settings.base_url,
        threads=settings.threads,
        commands=commands.native(),
        marks=partial(_marks, store) if store is not None else None,
    )


async def _marks(store: Store, account: Account) -> tuple[MessageRef, ...]:
    """The newest stored message of every chat of an account."""
    rows = await store.read(lambda tx: cursors.newest(tx, refs.account_text(account)))
    return tuple(
        MessageRef(chat=refs.chat_from(chat, account), message_id=message_id)
        for chat, message_id in rows
    )
