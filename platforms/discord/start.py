"""What Discord says before the gateway: who we are, where it is, how many sessions are left.

Pure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from platforms.discord.gateway import GatewayClient
from platforms.discord.limits import IDENTIFIES_LEFT_MIN, SHARDS_MAX
from platforms.discord.reading import Identity
from platforms.discord.rights import PORTAL, Application, switch_path
from platforms.errors import CredentialsRejected, PlatformUnavailable
from platforms.events import Account
from platforms.fields import integer, mapping

RESET_MIN_S = 60.0
"""The shortest wait for more sessions: a reset that should be over is asked for again then."""

_CONTENT_SWITCH = (1 << 18) | (1 << 19)
"""Flags of an application whose Message Content Intent is on. Source: "Application Flags"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The gateway's address, and the day's budget of new sessions, `left` until `reset_s`.

    `shards`: over how many connections Discord wants the guilds spread.
    """

    url: str
    shards: int = 1
    left: int | None
    reset_s: float

    @property
    def scarce(self) -> bool:
        """Whether what is left is kept: with none left the token would be reset."""
        return self.left is not None and self.left < IDENTIFIES_LEFT_MIN

    def alarm(self, now: datetime) -> str:
        """What an operator should know of a scarce budget."""
        until = now + timedelta(seconds=self.reset_s)
        return (
            f"Discord grants only {self.left} more new sessions today, so the connection waits"
            f" until {until:%H:%M} UTC; posting goes on"
        )


def start_of(answer: object) -> Start:
    """Read the answer of `gateway/bot`."""
    body = answer if isinstance(answer, dict) else {}
    limit, url = mapping(body, "session_start_limit"), body.get("url")
    if not isinstance(url, str) or not url.startswith(("ws://", "wss://")):
        raise PlatformUnavailable("what answers is not Discord's API")
    reset_ms, shards = integer(limit, "reset_after") or 0, integer(body, "shards") or 1
    if shards > SHARDS_MAX:
        raise CredentialsRejected(
            f"this bot is in so many servers that Discord asks for {shards} connections; one"
            f" gateway keeps {SHARDS_MAX}. Let it leave servers that do not use it"
        )
    return Start(
        url=url,
        shards=max(1, shards),
        left=integer(limit, "remaining"),
        reset_s=max(RESET_MIN_S, reset_ms / 1000),
    )


def identity_of(client: GatewayClient) -> Identity:
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
    account = Account(platform="discord", id=str(application.id))
    return Identity(account=account, user_id=str(user.id), name=user.name)


def switched_off(client: GatewayClient) -> str:
    """What is to be switched on in the developer portal, or nothing.

    Only a sign of it: the gateway decides, by closing with 4014.
    """
    application = client.application
    if application is None or application.flags.value & _CONTENT_SWITCH:
        return ""
    here = Application(id=str(application.id), name=application.name)
    return f"the Message Content Intent seems to be off. {switch_path(here)}"
