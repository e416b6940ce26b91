"""The configured surfaces: each platform's settings become its adapter. One function a platform.

SDKs are imported here, inside functions, and only those the configuration uses.
"""

import logging
import secrets
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from agent.failover import Entry
from gateway import admission, commands, refs
from gateway.config import Config, configured_platforms
from gateway.config.ids import UserId
from gateway.errors import StoreError
from gateway.store import transitions
from gateway.store.base import Store
from gateway.store.records import cursors, gaps
from gateway.web.frame import PLACES
from gateway.web.history import StoredHistory
from platforms.base import Adapter, OnGap
from platforms.events import Account, Gap, MessageRef, PlatformName
from platforms.files import Keep

log = logging.getLogger(__name__)

_PROMPTS = ("help", "status", "approvals", "privacy")
"""Commands that a fresh thread of Slack's assistant view offers."""


def chat_adapters(
    config: Config, store: Store | None = None, owners: Iterable[UserId] = ()
) -> list[Adapter]:
    """The adapters of the chat platforms that the file turns on; nothing is connected yet.

    Without a store they can say who they are, but read nothing back. `owners` are shown the
    commands of owners where a platform can tell people apart.
    """
    makers: dict[PlatformName, Callable[[Config], Adapter]] = {
        "telegram": lambda config: _telegram(config, store, owners),
        "slack": lambda config: _slack(config, store),
        "discord": lambda config: _discord(config, store),
    }
    return [makers[name](config) for name in configured_platforms(config)]


def web_page(store: Store, entries: tuple[Entry, ...], keep: Keep) -> Adapter:
    """The chat page."""
    from platforms.web.client import WebAdapter

    return WebAdapter(
        history=StoredHistory(store=store, entries=entries),
        secret=secrets.token_bytes(32),
        now=lambda: datetime.now(UTC),
        new_id=lambda: str(uuid.uuid4()),
        keep=keep,
        places=PLACES[1:],
    )


def _telegram(config: Config, store: Store | None, owners: Iterable[UserId]) -> Adapter:
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
        owners=tuple(each.id for each in owners if each.platform == "telegram"),
        on_gap=_gap_keeper(store),
    )


def _slack(config: Config, store: Store | None) -> Adapter:
    from platforms.slack.client import SlackAdapter

    settings = config.platforms.slack
    if settings is None:
        raise ValueError("slack is not configured")
    known = {command.name: command for command in commands.native()}
    return SlackAdapter(
        bot_token=tuple(token.reveal() for token in settings.bot_token),
        app_token=settings.app_token.reveal() if settings.app_token else None,
        signing_secret=settings.signing_secret.reveal() if settings.signing_secret else None,
        base_url=settings.base_url,
        threads=settings.threads,
        prompts=tuple(known[name] for name in _PROMPTS),
        marks=partial(_slack_marks, store) if store is not None else None,
        on_gap=_gap_keeper(store),
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
        on_gap=_gap_keeper(store),
        listed=lambda chat: admission.chat_listed(chat, config.access_for("discord")),
    )


def _gap_keeper(store: Store | None) -> OnGap | None:
    """What stores the gaps of an account."""
    if store is None:
        return None

    async def keep(gap: Gap) -> None:
        log.warning(
            "%s had no transport for %s (%s); %s",
            gap.account.platform,
            gap.until - gap.since,
            gap.cause,
            "nothing can be read back" if gap.recovered is None else f"{gap.recovered} read back",
        )
        with suppress(StoreError):  # whoever opened the store knows
            await store.write(
                lambda tx: gaps.insert(
                    tx,
                    account=refs.account_text(gap.account),
                    since=_micros(gap.since),
                    until=_micros(gap.until),
                    cause=gap.cause,
                    recovered=gap.recovered,
                ),
                transition=transitions.GAP_STORED,
            )

    return keep


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


async def _marks(store: Store, account: Account) -> tuple[MessageRef, ...]:
    """The newest stored message of every chat of an account."""
    rows = await store.read(lambda tx: cursors.newest(tx, refs.account_text(account)))
    return tuple(
        MessageRef(chat=refs.chat_from(chat, account), message_id=message_id)
        for chat, message_id in rows
    )


async def _slack_marks(store: Store, account: Account) -> tuple[MessageRef, ...]:
    """The same, but no later than the start of a run that died before it had read all back.

    A mark is a `ts`: seconds since 1970 with six digits behind the point.
    """
    open_since = await store.read(lambda tx: cursors.read_up_to(tx, refs.account_text(account)))
    marks = await _marks(store, account)
    if open_since is None:
        return marks
    cap = f"{open_since // 1_000_000}.{open_since % 1_000_000:06d}"
    return tuple(
        replace(mark, message_id=cap) if float(mark.message_id) > float(cap) else mark
        for mark in marks
    )
