"""Channels, messages, threads, reactions and typing of the REST API."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.wire.discord import gateway as gw
from tests.wire.discord import rules
from tests.wire.discord.call import NOTHING, Call, Reply
from tests.wire.discord.components import check_components
from tests.wire.discord.mentions import judge
from tests.wire.discord.payloads import (
    channel_json,
    gateway_message_json,
    member_json,
    message_json,
    new_message_json,
    user_json,
)
from tests.wire.discord.rules import ApiError
from tests.wire.discord.world import (
    DM,
    FORUM,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    Channel,
    Json,
    Message,
    User,
    Version,
    World,
)

OLD_MESSAGE_S = 3_600
OLD_EDITS_MAX = 3
REACTIONS_MAX = 20

Emit = Callable[..., Awaitable[None]]


@dataclass(slots=True)
class Channels:
    """Everything under /channels, for the bot; and the same acts done by people."""

    world: World
    emit: Emit
    now: Callable[[], float]
    files_url: Callable[[], str]
    nonce_memory_s: float
    typing_in: list[tuple[Channel, float]] = field(default_factory=list)
    _nonces: dict[tuple[int, str], tuple[float, Message]] = field(default_factory=dict)
    _old_edits: dict[int, int] = field(default_factory=dict)

    # Look-ups.

    def channel(self, call: Call) -> Channel:
        """The channel of a request, as far as the bot may see it."""
        channel = self.world.channels.get(rules.snowflake(call.path["channel"], "channel_id"))
        if channel is None:
            raise ApiError(rules.UNKNOWN_CHANNEL)
        if channel.access == "hidden":
            raise ApiError(rules.MISSING_ACCESS)
        return channel

    def message(self, call: Call, channel: Channel) -> Message:
        message = channel.messages.get(rules.snowflake(call.path["message"], "message_id"))
        if message is None or message.deleted or message.private_to is not None:
            raise ApiError(rules.UNKNOWN_MESSAGE)
        return message

    def json(self, message: Message) -> Json:
        return message_json(self.world, message, files_url=self.files_url())

    def _new_json(self, message: Message) -> Json:
        return new_message_json(self.world, message, files_url=self.files_url())

    # Making and changing messages, by anyone.

    def version(self, channel: Channel, body: Json, *, replied: Message | None) -> Version:
        """Checks what a message is to say and judges its mentions."""
        content = rules.check_content(body.get("content"))
        allowed = rules.check_allowed_mentions(body.get("allowed_mentions"))
        return Version(
            content=content,
            components=check_components(body.get("components")),
            flags=rules.check_flags(body.get("flags")),
            pings=judge(
                content,
                allowed,
                replied_author=replied.author.id if replied is not None else None,
                known=set(self.world.users),
            ),
            at=self.now(),
        )

    async def publish(self, message: Message) -> None:
        """Puts a finished message into its channel and tells the gateway."""
        message.channel.messages[message.id] = message
        if message.private_to is None:
            await self._tell("MESSAGE_CREATE", message)

    async def revise(self, message: Message, version: Version) -> None:
        message.history.append(version)
        message.edited_at = self.now()
        if message.private_to is None:
            await self._tell("MESSAGE_UPDATE", message)

    async def remove(self, message: Message) -> None:
        message.deleted = True
        channel = message.channel
        body: Json = {"id": str(message.id), "channel_id": str(channel.id)}
        if channel.guild is not None:
            body["guild_id"] = str(channel.guild.id)
        await self.emit("MESSAGE_DELETE", body, intent=message_intent(channel))

    async def react(self, message: Message, user: User, emoji: str, *, on: bool) -> None:
        who = message.reactions.setdefault(emoji, set())
        if on == (user.id in who):
            return
        (who.add if on else who.discard)(user.id)
        channel = message.channel
        body: Json = {
            "user_id": str(user.id),
            "channel_id": str(channel.id),
            "message_id": str(message.id),
            "emoji": {"id": None, "name": emoji},
            "burst": False,
            "type": 0,
        }
        if channel.guild is not None:
            body["guild_id"] = str(channel.guild.id)
            if on:
                body["member"] = member_json(channel.guild, user, with_user=True)
        if on:
            body["message_author_id"] = str(message.author.id)
        intent = gw.GUILD_REACTIONS if channel.guild is not None else gw.DIRECT_REACTIONS
        await self.emit(f"MESSAGE_REACTION_{'ADD' if on else 'REMOVE'}", body, intent=intent)

    async def _tell(self, name: str, message: Message) -> None:
        body = gateway_message_json(
            self.world, message, files_url=self.files_url(), new=name == "MESSAGE_CREATE"
        )
        await self.emit(name, body, intent=message_intent(message.channel))

    # Handlers.

    async def get_channel(self, call: Call) -> Reply:
        return Reply(body=channel_json(self.channel(call)))

    async def open_dm(self, call: Call) -> Reply:
        user = self.world.users.get(rules.snowflake(call.form.get("recipient_id"), "recipient_id"))
        if user is None:
            raise ApiError(rules.UNKNOWN_USER)
        return Reply(body=channel_json(self.world.dm(user)))

    async def post_message(self, call: Call) -> Reply:
        channel = self.writable(call)
        body = call.form
        nonce = rules.check_nonce(body.get("nonce"))
        rules.check_files(call.files, call.request_bytes)
        replied = self._replied(channel, body)
        version = self.version(channel, body, replied=replied)
        if not version.content and not call.files:
            raise ApiError(rules.EMPTY_MESSAGE)
        if body.get("enforce_nonce") and nonce is not None:
            known = self._nonces.get((self.world.bot.id, str(nonce)))
            if known is not None and self.now() - known[0] < self.nonce_memory_s:
                if known[1].deleted:
                    raise ApiError(rules.UNKNOWN_MESSAGE)
                return Reply(body=self._new_json(known[1]))
        message = Message(
            id=self.world.ids.next(),
            channel=channel,
            author=self.world.bot,
            history=[version],
            nonce=nonce,
            reference=replied,
            files=call.files,
        )
        if nonce is not None:
            self._nonces[self.world.bot.id, str(nonce)] = (self.now(), message)
        channel.archived = False
        await self.publish(message)
        return Reply(body=self._new_json(message))

    async def edit_message(self, call: Call) -> Reply:
        channel = self.channel(call)
        message = self.message(call, channel)
        if message.author is not self.world.bot:
            raise ApiError(rules.NOT_YOUR_MESSAGE)
        if channel.archived:
            raise ApiError(rules.THREAD_ARCHIVED)
        self._count_old_edit(message)
        await self.revise(message, self.revised(message, call.form))
        return Reply(body=self.json(message))

    def revised(self, message: Message, body: Json) -> Version:
        """The next state of a message: fields that are absent stay as they are."""
        current = message.current
        merged = {
            "content": current.content,
            "components": list(current.components),
            "flags": current.flags,
            **{key: value for key, value in body.items() if key != "flags" or value is not None},
        }
        version = self.version(message.channel, merged, replied=message.reference)
        if not version.content and not message.files:
            raise ApiError(rules.EMPTY_MESSAGE)
        return version

    async def delete_message(self, call: Call) -> Reply:
        channel = self.channel(call)
        message = self.message(call, channel)
        if message.author is not self.world.bot:
            raise ApiError(
                rules.MISSING_PERMISSIONS if channel.kind != DM else rules.NOT_YOUR_MESSAGE
            )
        if channel.archived:
            raise ApiError(rules.THREAD_ARCHIVED)
        await self.remove(message)
        return NOTHING

    async def get_message(self, call: Call) -> Reply:
        return Reply(body=self.json(self.message(call, self.channel(call))))

    async def list_messages(self, call: Call) -> Reply:
        """Newest first, as Discord answers whatever was asked for."""
        channel = self.channel(call)
        limit = int(call.query.get("limit", "50"))
        if not 1 <= limit <= 100:
            raise rules.invalid("limit", "NUMBER_TYPE_MAX", "int value should be 1 to 100.")
        ids = [
            message.id
            for message in channel.messages.values()
            if not message.deleted and message.private_to is None
        ]
        if "after" in call.query:
            after = rules.snowflake(call.query["after"], "after")
            ids = sorted(found for found in ids if found > after)[:limit]
        elif "before" in call.query:
            before = rules.snowflake(call.query["before"], "before")
            ids = sorted(found for found in ids if found < before)[-limit:]
        else:
            ids = sorted(ids)[-limit:]
        return Reply(body=[self.json(channel.messages[found]) for found in reversed(ids)])

    async def post_typing(self, call: Call) -> Reply:
        channel = self.writable(call)
        self.typing_in.append((channel, self.now()))
        body: Json = {
            "channel_id": str(channel.id),
            "user_id": str(self.world.bot.id),
            "timestamp": int(self.now()),
        }
        intent = gw.GUILD_TYPING if channel.guild is not None else gw.DIRECT_TYPING
        await self.emit("TYPING_START", body, intent=intent)
        return NOTHING

    async def add_reaction(self, call: Call) -> Reply:
        channel = self.channel(call)
        message = self.message(call, channel)
        if channel.archived:
            raise ApiError(rules.THREAD_ARCHIVED)
        emoji = call.path["emoji"]
        if emoji not in message.reactions and len(message.reactions) >= REACTIONS_MAX:
            raise ApiError(rules.TOO_MANY_REACTIONS)
        await self.react(message, self.world.bot, emoji, on=True)
        return NOTHING

    async def remove_reaction(self, call: Call) -> Reply:
        channel = self.channel(call)
        await self.react(self.message(call, channel), self.world.bot, call.path["emoji"], on=False)
        return NOTHING

    async def start_thread_on_message(self, call: Call) -> Reply:
        channel = self.writable(call)
        message = self.message(call, channel)
        if message.id in self.world.channels:
            raise ApiError(rules.THREAD_EXISTS)
        return await self._start_thread(channel, call.form, of=message)

    async def start_thread(self, call: Call) -> Reply:
        """A private thread unless said otherwise; in a forum a post with its first message.

        Source: "Start Thread without Message", "Start Thread in Forum or Media Channel".
        """
        channel = self.channel(call)
        if channel.kind == FORUM:
            return await self._begin_post(channel, call)
        kind = call.form.get("type", PRIVATE_THREAD)
        if kind not in {PUBLIC_THREAD, PRIVATE_THREAD}:
            raise rules.invalid("type", "BASE_TYPE_CHOICES", "Value must be one of {10, 11, 12}.")
        return await self._start_thread(self.writable(call), call.form, of=None, kind=kind)

    async def _begin_post(self, forum: Channel, call: Call) -> Reply:
        if forum.access == "read_only":
            raise ApiError(rules.MISSING_PERMISSIONS)
        body = call.form.get("message")
        if not isinstance(body, dict):
            raise rules.invalid("message", "BASE_TYPE_REQUIRED", "This field is required")
        rules.check_files(call.files, call.request_bytes)
        version = self.version(forum, body, replied=None)
        if not version.content and not call.files:
            raise ApiError(rules.EMPTY_MESSAGE)
        reply = await self._start_thread(forum, call.form, of=None)
        thread = self.world.channels[int(reply.body["id"])]
        message = Message(
            id=thread.id,
            channel=thread,
            author=self.world.bot,
            history=[version],
            files=call.files,
        )
        await self.publish(message)
        return Reply(status=201, body=channel_json(thread) | {"message": self.json(message)})

    async def _start_thread(
        self, parent: Channel, body: Json, *, of: Message | None, kind: int = PUBLIC_THREAD
    ) -> Reply:
        if parent.guild is None or parent.is_thread:
            raise ApiError(rules.WRONG_CHANNEL_TYPE)
        name = body.get("name") or ""
        if not 1 <= len(name) <= rules.THREAD_NAME_MAX:
            raise rules.invalid("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100.")
        thread = await self.open_thread(parent, name, of=of, kind=kind)
        return Reply(status=201, body=channel_json(thread))

    async def open_thread(
        self, parent: Channel, name: str, *, of: Message | None, kind: int = PUBLIC_THREAD
    ) -> Channel:
        thread = self.world.add_thread(parent, name, of=of)
        thread.kind = kind
        body = {**channel_json(thread), "newly_created": True}
        await self.emit("THREAD_CREATE", body, intent=gw.GUILDS)
        return thread

    def writable(self, call: Call) -> Channel:
        """The channel of a request, if the bot may write there now."""
        channel = self.channel(call)
        if channel.access == "read_only":
            raise ApiError(rules.MISSING_PERMISSIONS)
        if channel.kind == FORUM:
            raise ApiError(rules.NO_TEXT_CHANNEL)
        if channel.recipient is not None and not channel.recipient.takes_dms:
            raise ApiError(rules.CANNOT_DM)
        if channel.locked:
            raise ApiError(rules.THREAD_LOCKED)
        return channel

    def _replied(self, channel: Channel, body: Json) -> Message | None:
        reference = body.get("message_reference")
        if reference is None:
            return None
        found = channel.messages.get(
            rules.snowflake(reference.get("message_id"), "message_reference.message_id")
        )
        if found is not None and not found.deleted:
            return found
        if reference.get("fail_if_not_exists", True):
            raise rules.invalid("message_reference", "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown")
        return None

    def _count_old_edit(self, message: Message) -> None:
        if self.now() - message.history[0].at < OLD_MESSAGE_S:
            return
        count = self._old_edits.get(message.channel.id, 0)
        if count >= OLD_EDITS_MAX:
            raise ApiError(rules.OLD_MESSAGE_EDITS)
        self._old_edits[message.channel.id] = count + 1


def message_intent(channel: Channel) -> int:
    """The intent that lets a client see messages of this channel."""
    return gw.GUILD_MESSAGES if channel.guild is not None else gw.DIRECT_MESSAGES


def user_reply(user: User) -> Reply:
    return Reply(body=user_json(user))
