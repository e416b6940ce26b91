"""The loopback Discord server. Inside this package `discord` alone means the SDK, never this."""

from tests.wire.discord.faults import edge_ban, limited_without_a_hint, rate_limited, refusal
from tests.wire.discord.interactions import Interaction
from tests.wire.discord.server import APPLICATION_ID, BOT_ID, TOKEN, DiscordServer
from tests.wire.discord.world import Channel, Guild, Message, Pings, Role, UploadedFile, User

__all__ = [
    "APPLICATION_ID",
    "BOT_ID",
    "TOKEN",
    "Channel",
    "DiscordServer",
    "Guild",
    "Interaction",
    "Message",
    "Pings",
    "Role",
    "UploadedFile",
    "User",
    "edge_ban",
    "limited_without_a_hint",
    "rate_limited",
    "refusal",
]
