"""The JSON of Discord's objects, with every field that strict clients insist on.

Source: Discord documentation, resources "User", "Guild", "Channel", "Message"; hikari 2.7 reads
fields that discord.py lets go.
"""

from datetime import UTC, datetime

from tests.wire.discord.world import (
    DM,
    Channel,
    Guild,
    Json,
    Message,
    Role,
    UploadedFile,
    User,
    World,
    created_at,
)

_NULL_IN_GUILD = (
    "icon",
    "splash",
    "discovery_splash",
    "afk_channel_id",
    "system_channel_id",
    "application_id",
    "banner",
    "vanity_url_code",
    "description",
    "rules_channel_id",
    "public_updates_channel_id",
    "safety_alerts_channel_id",
    "widget_channel_id",
    "max_presences",
    "region",
    "incidents_data",
)
_EMPTY_IN_GUILD = (
    "emojis",
    "stickers",
    "features",
    "presences",
    "voice_states",
    "stage_instances",
    "guild_scheduled_events",
    "soundboard_sounds",
)
JOINED = "2024-01-01T00:00:00.000000+00:00"


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def user_json(user: User) -> Json:
    return {
        "id": str(user.id),
        "username": user.name,
        "global_name": None if user.bot else user.name.title(),
        "discriminator": "0" if not user.bot else "0001",
        "avatar": None,
        "banner": None,
        "accent_color": None,
        "avatar_decoration_data": None,
        "bot": user.bot,
        "system": False,
        "public_flags": 0,
        "flags": 0,
        "primary_guild": None,
    }


def own_user_json(user: User) -> Json:
    """The bot's own user, which carries a little more."""
    return {
        **user_json(user),
        "verified": True,
        "email": None,
        "mfa_enabled": True,
        "locale": user.locale,
        "premium_type": 0,
    }


def application_json(ident: int, bot: User, *, owner: User) -> Json:
    """The application of a bot, as it is told to itself."""
    return {
        "id": str(ident),
        "name": "Gatepost",
        "icon": None,
        "cover_image": None,
        "description": "",
        "summary": "",
        "rpc_origins": [],
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "owner": user_json(owner),
        "team": None,
        "bot": user_json(bot),
        "approximate_user_install_count": 0,
        "role_connections_verification_url": None,
        "redirect_uris": [],
        "tags": [],
        "integration_types_config": {},
    }


def role_json(role: Role, position: int) -> Json:
    return {
        "id": str(role.id),
        "name": role.name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": position,
        "permissions": "1071698660929",
        "managed": role.bot is not None,
        "mentionable": False,
        "flags": 0,
        "tags": {"bot_id": str(role.bot)} if role.bot is not None else {},
    }


def member_json(guild: Guild, user: User, *, with_user: bool = False) -> Json:
    member: Json = {
        "nick": None,
        "avatar": None,
        "banner": None,
        "roles": [str(role) for role in sorted(guild.members.get(user.id, ()))],
        "joined_at": JOINED,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
        "communication_disabled_until": None,
        "avatar_decoration_data": None,
    }
    return {**member, "user": user_json(user)} if with_user else member


def channel_json(channel: Channel) -> Json:
    last = max(channel.messages, default=None)
    base: Json = {
        "id": str(channel.id),
        "type": channel.kind,
        "last_message_id": str(last) if last is not None else None,
        "flags": 0,
        "last_pin_timestamp": None,
    }
    if channel.kind == DM:
        recipients = [user_json(channel.recipient)] if channel.recipient is not None else []
        return {**base, "recipients": recipients}
    base |= {
        "guild_id": str(channel.guild.id) if channel.guild is not None else None,
        "name": channel.name,
        "parent_id": str(channel.parent.id) if channel.parent is not None else None,
        "rate_limit_per_user": channel.slowmode_s,
    }
    if channel.is_thread:
        return base | {
            "owner_id": str(channel.guild.owner.id) if channel.guild is not None else "0",
            "message_count": len(channel.messages),
            "member_count": 1,
            "total_message_sent": len(channel.messages),
            "thread_metadata": {
                "archived": channel.archived,
                "locked": channel.locked,
                "auto_archive_duration": 1440,
                "archive_timestamp": JOINED,
                "create_timestamp": created_at(channel.id).isoformat(),
                "invitable": True,
            },
            "applied_tags": [],
        }
    return base | {
        "position": 0,
        "permission_overwrites": [],
        "topic": None,
        "nsfw": False,
        "default_auto_archive_duration": 1440,
    }


def guild_json(world: World, guild: Guild) -> Json:
    """What GUILD_CREATE carries."""
    return {
        **dict.fromkeys(_NULL_IN_GUILD),
        **{name: [] for name in _EMPTY_IN_GUILD},
        "id": str(guild.id),
        "name": guild.name,
        "owner_id": str(guild.owner.id),
        "roles": [role_json(role, at) for at, role in enumerate(guild.roles.values())],
        "channels": [channel_json(channel) for channel in guild.channels.values()],
        "threads": [channel_json(t) for t in world.threads_of(guild) if not t.archived],
        "members": [member_json(guild, world.bot, with_user=True)],
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": "en-US",
        "system_channel_flags": 0,
        "afk_timeout": 300,
        "widget_enabled": False,
        "max_members": 500_000,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
        "member_count": len(guild.members),
        "large": False,
        "joined_at": JOINED,
        "unavailable": False,
        "version": 1,
    }


def partial_guild_json(guild: Guild, permissions: int, *, counted: bool) -> Json:
    """A guild as the list of one's own names it, with the size of it where asked for."""
    counts = ("approximate_member_count", "approximate_presence_count")
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "banner": None,
        "owner": False,
        "permissions": str(permissions),
        "features": [],
    } | (dict.fromkeys(counts, len(guild.members)) if counted else {})


def file_json(file: UploadedFile, url: str) -> Json:
    return {
        "id": str(file.id),
        "filename": file.name,
        "size": len(file.data),
        "url": url,
        "proxy_url": url,
        "content_type": file.mime,
        "width": None,
        "height": None,
        "ephemeral": False,
        "flags": 0,
    }


def _numbered(components: tuple[Json, ...]) -> list[Json]:
    """Components as Discord returns them: each with an integer id of its own."""
    count = 0

    def number(part: Json) -> Json:
        nonlocal count
        count += 1
        filled = {"disabled": False, **part} if part["type"] == 2 else dict(part)
        filled["id"] = count
        if "components" in part:
            filled["components"] = [number(inner) for inner in part["components"]]
        return filled

    return [number(row) for row in components]


def message_json(world: World, message: Message, *, files_url: str) -> Json:
    """A message as the REST API returns it; the gateway adds guild and member."""
    version = message.current
    body: Json = {
        "id": str(message.id),
        "channel_id": str(message.channel.id),
        "author": user_json(message.author),
        "content": version.content,
        "timestamp": created_at(message.id).isoformat(),
        "edited_timestamp": _stamp(message.edited_at) if message.edited_at else None,
        "tts": False,
        "mention_everyone": version.pings.everyone,
        "mentions": [
            user_json(world.users[user])
            for user in sorted(version.pings.users)
            if user in world.users
        ],
        "mention_roles": [str(role) for role in sorted(version.pings.roles)],
        "mention_channels": [],
        "attachments": [
            file_json(
                file,
                f"{files_url}/attachments/{message.channel.id}/{file.id}/{file.name}"
                f"?ex={world.links:x}",
            )
            for file in message.files
        ],
        "embeds": [],
        "components": _numbered(version.components),
        "reactions": [
            {
                "count": len(who),
                "count_details": {"burst": 0, "normal": len(who)},
                "burst_colors": [],
                "me": world.bot.id in who,
                "me_burst": False,
                "emoji": {"id": None, "name": emoji},
            }
            for emoji, who in message.reactions.items()
            if who
        ],
        "pinned": False,
        "type": 19 if message.reference is not None else 0,
        "flags": version.flags | (1 << 7 if message.thinking else 0),
    }
    if message.webhook is not None:
        body["webhook_id"] = str(message.webhook)
    if message.webhook is not None and message.author is world.bot:
        body["application_id"] = str(message.webhook)
    if message.reference is not None:
        body["message_reference"] = {
            "type": 0,
            "message_id": str(message.reference.id),
            "channel_id": str(message.reference.channel.id),
        }
        body["referenced_message"] = (
            None
            if message.reference.deleted
            else message_json(world, message.reference, files_url=files_url)
        )
    return body


def new_message_json(world: World, message: Message, *, files_url: str) -> Json:
    """A message as its sender's answer and MESSAGE_CREATE carry it: later no nonce is told."""
    nonce = {"nonce": message.nonce} if message.nonce is not None else {}
    return {**message_json(world, message, files_url=files_url), **nonce}


def gateway_message_json(
    world: World, message: Message, *, files_url: str, new: bool = False
) -> Json:
    """A message as MESSAGE_CREATE (`new`) and MESSAGE_UPDATE carry it."""
    make = new_message_json if new else message_json
    body = make(world, message, files_url=files_url)
    guild = message.channel.guild
    if guild is None:
        return body
    body["guild_id"] = str(guild.id)
    if message.author.id in guild.members:
        body["member"] = member_json(guild, message.author)
    body["mentions"] = [
        {**mention, "member": member_json(guild, world.users[int(mention["id"])])}
        for mention in body["mentions"]
    ]
    return body
