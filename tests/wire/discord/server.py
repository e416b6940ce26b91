"""A loopback Discord: REST under /api/v10, a gateway, an attachment host and a page for people."""

import base64
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from tests.wire.discord import gateway as gw
from tests.wire.discord import rules
from tests.wire.discord.acts import Acts
from tests.wire.discord.call import Call, Handler, Reply, decoded
from tests.wire.discord.channels import Channels, message_intent, user_reply
from tests.wire.discord.console import Console
from tests.wire.discord.faults import Breaks
from tests.wire.discord.gateway import Gateway, Session
from tests.wire.discord.interactions import Interaction, Interactions
from tests.wire.discord.payloads import (
    application_json,
    gateway_message_json,
    guild_json,
    member_json,
    own_user_json,
    partial_guild_json,
)
from tests.wire.discord.rates import Rates
from tests.wire.discord.rules import ApiError
from tests.wire.discord.world import (
    TEXT,
    Channel,
    Guild,
    Json,
    Message,
    Role,
    Snowflakes,
    UploadedFile,
    User,
    World,
)
from tests.wire.server import LoopbackServer

API = "/api/v10"
BOT_ID = 1_100_000_000_000_000_001
APPLICATION_ID = 1_100_000_000_000_000_002
ADA_ID, GUILD_ID, GENERAL_ID = 42, 4_100, 4_101
"""The same at every start, so that a configuration can name them."""

TOKEN = f"{base64.b64encode(str(BOT_ID).encode()).decode().rstrip('=')}.loopback.not-a-secret"
"""Shaped like a real one (id in base64, two more parts), because strict clients look."""

INVITED = 309_237_746_752
"""The rights of the address in the manual, with which a bot is invited."""

CALLBACK = "POST /interactions/{interaction}/{token}/callback"
ATTACHMENT = "/attachments/{channel}/{file}/{name}"
MAJOR = ("channel", "application", "token")


class DiscordServer(Acts, LoopbackServer):
    """One bot's Discord.

    It starts with one guild, `server.guild`, one channel in it, `server.general`, and one person,
    `server.ada`, who is a member. `rates` scales the rate-limit windows (None: no limits).
    `first_answer_s` and the other windows run on `now`. `content_allowed` is the switch "Message
    Content Intent"; `plain` sends text frames even to clients that asked for zlib.
    """

    def __init__(
        self,
        *,
        token: str = TOKEN,
        host: str = "127.0.0.1",
        port: int = 0,
        rates: float | None = None,
        now: Callable[[], float] = time.time,
        nonce_memory_s: float = 300.0,
        content_allowed: bool = True,
        heartbeat_ms: int = 41_250,
        plain: bool = False,
    ) -> None:
        super().__init__(host=host, port=port)
        self.token = token
        self.now = now
        ids = Snowflakes(now)
        self.bot = User(id=BOT_ID, name="gatepost", bot=True)
        self.world = World(bot=self.bot, ids=ids, users={BOT_ID: self.bot})
        self.rates = Rates(rates, now)
        self.gateway = Gateway(
            token=token,
            ready=self._ready,
            initial=self._initial,
            note=lambda name, data, code: self.note(f"GATEWAY {name}", data, code),
            content_allowed=content_allowed,
            heartbeat_ms=heartbeat_ms,
            plain=plain,
        )
        self.channels = Channels(
            self.world, self._emit, now, lambda: self.url, nonce_memory_s=nonce_memory_s
        )
        self.interactions = Interactions(self.world, self.channels, APPLICATION_ID, now)
        self.content_allowed = content_allowed
        self.interactions_url: str | None = None
        self.permissions = INVITED
        """The bot's in every guild, as the list of its guilds tells them."""
        self.breaks = Breaks(self.closing)
        self.refusals: dict[int, int] = {}
        """How often each of 401, 403 and 429 was answered: 10,000 in 10 minutes mean a ban."""
        self.ada = self.world.add_user("ada", ident=ADA_ID)
        self.guild = self.world.add_guild("Loopback", self.ada, ident=GUILD_ID)
        self.general = self.world.add_channel(self.guild, "general", ident=GENERAL_ID)

    # The world as a test shapes it.

    def add_person(self, name: str, *, roles: Iterable[Role] = (), member: bool = True) -> User:
        """A new person, a member of the first guild unless said otherwise."""
        user = self.world.add_user(name)
        if member:
            self.guild.add_member(user, roles)
        return user

    def add_channel(self, name: str, *, guild: Guild | None = None, kind: int = TEXT) -> Channel:
        """A new channel that clients learn about at their next IDENTIFY."""
        return self.world.add_channel(guild or self.guild, name, kind)

    def dm(self, user: User) -> Channel:
        """The direct messages between the bot and this person."""
        return self.world.dm(user)

    # The state as a person sees it.

    def messages(self, chat: Channel, *, viewer: User | None = None) -> list[Message]:
        """What stands in a chat, oldest first; `viewer` also sees what is private to them."""
        return [
            message
            for _, message in sorted(chat.messages.items())
            if not message.deleted and (message.private_to is None or message.private_to is viewer)
        ]

    def bot_messages(self, chat: Channel) -> list[Message]:
        """What the bot said in a chat and did not take back."""
        return [message for message in self.messages(chat) if message.author is self.bot]

    def all_bot_messages(self) -> list[Message]:
        """Everything the bot ever said, private and deleted words included."""
        return [
            message
            for channel in self.world.channels.values()
            for message in channel.messages.values()
            if message.author is self.bot
        ]

    def pinged(self) -> list[Message]:
        """The bot's messages that notify anyone or show a mention, in any of their states."""
        return [
            message
            for message in self.all_bot_messages()
            if any(not v.pings.nobody or v.pings.elements for v in message.history)
        ]

    async def shows(
        self, chat: Channel, wanted: Callable[[Message], bool], timeout: float = 20.0
    ) -> Message:
        """The first message of a chat that is wanted, waiting until one is."""
        while True:
            so_far = len(self.record)
            for message in self.messages(chat):
                if wanted(message):
                    return message
            await self.seen(lambda _: True, timeout, since=so_far)

    # What people do.

    async def say(
        self,
        chat: Channel,
        user: User,
        text: str,
        *,
        reply_to: Message | None = None,
        files: Sequence[UploadedFile] = (),
        flags: int = 0,
        ident: int | None = None,
    ) -> Message:
        """A person writes; the message goes out over the gateway, with a fresh id unless given."""
        version = self.channels.version(chat, {"content": text}, replied=reply_to)
        message = Message(
            id=ident or self.world.ids.next(),
            channel=chat,
            author=user,
            history=[replace(version, flags=flags)],
            reference=reply_to,
            files=tuple(files),
        )
        await self.channels.publish(message)
        return message

    async def edit(self, message: Message, text: str) -> None:
        """A person edits what they wrote."""
        await self.channels.revise(message, self.channels.revised(message, {"content": text}))

    async def delete(self, message: Message) -> None:
        """A person deletes a message."""
        await self.channels.remove(message)

    async def react(self, message: Message, user: User, emoji: str, *, on: bool = True) -> None:
        """A person adds or takes back a reaction."""
        await self.channels.react(message, user, emoji, on=on)

    async def start_thread(
        self, parent: Channel, name: str, *, of: Message | None = None
    ) -> Channel:
        """A person starts a thread."""
        return await self.channels.open_thread(parent, name, of=of)

    async def begin_post(self, forum: Channel, user: User, name: str, text: str) -> Message:
        """A person begins a post of a forum: a thread whose first message has its id."""
        thread = await self.channels.open_thread(forum, name, of=None)
        return await self.say(thread, user, text, ident=thread.id)

    async def press(self, message: Message, user: User, custom_id: str) -> Interaction:
        """A person presses a button; it must be there for them to press."""
        return await self._acted(self.interactions.press(message, user, custom_id))

    async def choose(self, message: Message, user: User, value: str) -> Interaction:
        """A person chooses from a menu; the option must be there."""
        return await self._acted(self.interactions.choose(message, user, value))

    async def fill(self, opened_by: Interaction, values: Mapping[str, str]) -> Interaction:
        """The person of an interaction fills in the form that answered it, and sends it.

        Fields not named keep what stood in them. AssertionError where the client would not send.
        """
        return await self._acted(self.interactions.send_form(opened_by, values))

    def open_forms(self, viewer: User | None = None) -> list[Interaction]:
        """What was answered with a form that is still open, before this person or anyone."""
        return [
            one
            for one in self.interactions.all
            if one.modal is not None and viewer in {None, one.user}
        ]

    def dismiss(self, opened_by: Interaction) -> None:
        """The person closes the form unsent, which nobody is told."""
        opened_by.modal = None

    async def form_of(self, opened_by: Interaction, timeout: float = 60.0) -> Json:
        """The form that answered an interaction, waiting until it is open."""
        await self.seen(
            lambda seen: (
                seen.operation == CALLBACK
                and seen.arguments["interaction"] == str(opened_by.id)
                and opened_by.modal is not None
            ),
            timeout,
        )
        assert opened_by.modal is not None
        return opened_by.modal

    async def _acted(self, interaction: Interaction) -> Interaction:
        await self._send_interaction(interaction)
        return interaction

    async def invoke(
        self, chat: Channel, user: User, name: str, text: str | None = None
    ) -> Interaction:
        """A person uses a native command; it must have been registered."""
        command = next((c for c in self.interactions.commands if c["name"] == name), None)
        if command is None:
            raise AssertionError(f"command not registered: {name}")
        options = [
            {"name": option["name"], "type": 3, "value": text}
            for option in command.get("options", ())[:1]
            if text is not None
        ]
        interaction = self.interactions.open(
            kind=2,
            user=user,
            channel=chat,
            data={
                "id": command["id"],
                "name": name,
                "type": 1,
                **({"options": options} if options else {}),
            },
        )
        await self._send_interaction(interaction)
        return interaction

    async def redeliver(self, message: Message) -> None:
        """Sends the same message event once more."""
        body = gateway_message_json(self.world, message, files_url=self.url, new=True)
        await self._emit("MESSAGE_CREATE", body, intent=message_intent(message.channel))

    async def redeliver_interaction(self, interaction: Interaction) -> None:
        """Sends the same interaction once more."""
        await self._send_interaction(interaction)

    async def send_event(self, name: str, data: Any) -> None:
        """Sends any event to every session, well-formed or not."""
        await self._emit(name, data, intent=gw.ALL_INTENTS)

    async def send_raw(self, payload: Json | str) -> None:
        """Sends a frame as it is, outside of any session."""
        await self.gateway.send_raw(payload)

    async def _send_interaction(self, interaction: Interaction) -> None:
        body = self.interactions.json(interaction)
        await self._emit("INTERACTION_CREATE", body, intent=gw.ALL_INTENTS)

    async def _emit(self, name: str, data: Any, *, intent: int) -> None:
        await self.gateway.emit(name, data, intent=intent)

    # The gateway's view.

    def _ready(self, session: Session) -> Json:
        return {
            "v": 10,
            "user": own_user_json(self.bot),
            "user_settings": {},
            "guilds": [
                {"id": str(guild), "unavailable": True}
                for guild in self.world.guilds
                if session.is_told_of(guild)
            ],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": f"{self._ws_url}/gateway/resume",
            "shard": session.shard,
            "application": {"id": str(APPLICATION_ID), "flags": self._application_flags},
            "private_channels": [],
            "presences": [],
            "relationships": [],
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": [],
            "auth": {},
            "_trace": [],
        }

    def _initial(self, session: Session) -> list[tuple[str, Json]]:
        return [
            ("GUILD_CREATE", guild_json(self.world, guild))
            for guild in self.world.guilds.values()
            if session.is_told_of(guild.id)
        ]

    @property
    def api_url(self) -> str:
        """The REST root, what a client calls its base URL."""
        return self.url + API

    @property
    def _ws_url(self) -> str:
        return self.url.replace("http://", "ws://", 1)

    @property
    def _application_flags(self) -> int:
        return 1 << 19 if self.content_allowed else 0

    # The REST API.

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        console = Console(self)
        return [
            web.get("/gateway", self.gateway.serve),
            web.get("/gateway/", self.gateway.serve),
            web.get("/gateway/resume", self.gateway.serve),
            web.get(ATTACHMENT, self._attachment),
            *console.routes(),
            *(
                web.route(method, API + path, self._answer(handler, bot_only=bot_only))
                for method, path, handler, bot_only in self._table()
            ),
        ]

    @property
    def offered(self) -> frozenset[str]:
        """Every operation of the REST API and the attachment host."""
        rest = {f"{method} {path}" for method, path, _, _ in self._table()}
        return frozenset({*rest, f"GET {ATTACHMENT}"})

    def _table(self) -> list[tuple[str, str, Handler, bool]]:
        """Method, path, handler, and whether the bot token is needed."""
        c, i = self.channels, self.interactions
        message = "/channels/{channel}/messages/{message}"
        reaction = message + "/reactions/{emoji}/@me"
        hook = "/webhooks/{application}/{token}"
        commands = "/applications/{application}/commands"
        return [
            ("GET", "/users/@me", self._own_user, True),
            ("GET", "/users/@me/guilds", self._own_guilds, True),
            ("GET", "/users/{user}", self._user, True),
            ("GET", "/oauth2/applications/@me", self._application, True),
            ("GET", "/gateway", self._gateway_url, False),
            ("GET", "/gateway/bot", self._gateway_bot, True),
            ("POST", "/users/@me/channels", c.open_dm, True),
            ("GET", "/channels/{channel}", c.get_channel, True),
            ("GET", "/channels/{channel}/messages", c.list_messages, True),
            ("POST", "/channels/{channel}/messages", c.post_message, True),
            ("GET", message, c.get_message, True),
            ("PATCH", message, c.edit_message, True),
            ("DELETE", message, c.delete_message, True),
            ("POST", message + "/threads", c.start_thread_on_message, True),
            ("POST", "/channels/{channel}/threads", c.start_thread, True),
            ("POST", "/channels/{channel}/typing", c.post_typing, True),
            ("PUT", reaction, c.add_reaction, True),
            ("DELETE", reaction, c.remove_reaction, True),
            ("GET", commands, i.list_commands, True),
            ("PUT", commands, i.overwrite_commands, True),
            ("GET", "/guilds/{guild}/members/{user}", self._member, True),
            ("POST", CALLBACK.removeprefix("POST "), i.callback, False),
            ("POST", hook, i.create_followup, False),
            ("GET", hook + "/messages/{message}", i.get_followup, False),
            ("PATCH", hook + "/messages/{message}", i.edit_followup, False),
            ("DELETE", hook + "/messages/{message}", i.delete_followup, False),
        ]

    def operation(self, request: web.Request) -> str:
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else request.path
        return f"{request.method} {path.removeprefix(API)}"

    def reject(self, request: web.Request) -> web.Response:
        return _json(404, {"message": "404: Not Found", "code": 0})

    def _answer(
        self, handler: Handler, *, bot_only: bool
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            operation = self.operation(request)
            major = "/".join(request.match_info.get(name, "") for name in MAJOR)
            arguments: Json = dict(request.match_info)
            headers: dict[str, str] = {}
            try:
                call = await decoded(request, self.world.ids.next)
                arguments |= {"query": dict(request.query), "body": call.body}
                arguments |= {"files": [file.name for file in call.files]}
                if bot_only and request.headers.get("Authorization") != f"Bot {self.token}":
                    raise ApiError(rules.UNAUTHORIZED)
                headers = self.rates.check(operation, major)
                reply = await handler(call)
            except ApiError as exc:
                reply = Reply(
                    status=exc.refusal.status,
                    body=exc.refusal.body(),
                    headers=exc.refusal.headers,
                )
            if reply.status in {401, 403, 429}:
                self.refusals[reply.status] = self.refusals.get(reply.status, 0) + 1
            self.note(operation, arguments, reply.status, request.headers)
            if how := self.breaks.take(operation):
                return await self.breaks.play(how, request, reply)
            return _json(reply.status, reply.body, {**headers, **reply.headers})

        return answer

    async def _own_user(self, _: Call) -> Reply:
        return Reply(body=own_user_json(self.bot))

    async def _own_guilds(self, call: Call) -> Reply:
        """Partial guilds in order of id, 200 at once. Source: "Get Current User Guilds"."""
        limit = int(call.query.get("limit", "200"))
        if not 1 <= limit <= 200:
            raise rules.invalid("limit", "NUMBER_TYPE_MAX", "int value should be 1 to 200.")
        after = rules.snowflake(call.query.get("after", "0"), "after")
        before = rules.snowflake(call.query.get("before", str(1 << 63)), "before")
        counted = call.query.get("with_counts") in {"1", "true", "True"}
        found = [
            partial_guild_json(guild, self.permissions, counted=counted)
            for ident, guild in sorted(self.world.guilds.items())
            if self.bot.id in guild.members and after < ident < before
        ]
        return Reply(body=found[:limit] if "before" not in call.query else found[-limit:])

    async def _user(self, call: Call) -> Reply:
        user = self.world.users.get(rules.snowflake(call.path["user"], "user_id"))
        if user is None:
            raise ApiError(rules.UNKNOWN_USER)
        return user_reply(user)

    async def _member(self, call: Call) -> Reply:
        guild = self.world.guilds.get(rules.snowflake(call.path["guild"], "guild_id"))
        if guild is None:
            raise ApiError(rules.UNKNOWN_GUILD)
        if self.bot.id not in guild.members:
            raise ApiError(rules.MISSING_ACCESS)
        user = self.world.users.get(rules.snowflake(call.path["user"], "user_id"))
        if user is None:
            raise ApiError(rules.UNKNOWN_USER)
        if user.id not in guild.members:
            raise ApiError(rules.UNKNOWN_MEMBER)
        return Reply(body=member_json(guild, user, with_user=True))

    async def _application(self, _: Call) -> Reply:
        body = application_json(APPLICATION_ID, self.bot, owner=self.ada)
        body |= {
            "flags": self._application_flags,
            "approximate_guild_count": len(self.world.guilds),
            "interactions_endpoint_url": self.interactions_url,
        }
        return Reply(body=body)

    async def _gateway_url(self, _: Call) -> Reply:
        return Reply(body={"url": f"{self._ws_url}/gateway"})

    async def _gateway_bot(self, _: Call) -> Reply:
        limit: Json = {
            "total": 1_000,
            "remaining": self.gateway.identifies_left,
            "reset_after": self.gateway.reset_after_ms,
            "max_concurrency": 1,
        }
        url = f"{self._ws_url}/gateway"
        shards = self.gateway.shards
        return Reply(body={"url": url, "shards": shards, "session_start_limit": limit})

    async def _attachment(self, request: web.Request) -> web.Response:
        """The attachment host; no token is needed, as with Discord's signed addresses."""
        wanted = request.match_info["file"]
        if request.query.get("ex") != f"{self.world.links:x}":
            self.note(self.operation(request), dict(request.match_info), 404)
            return web.Response(status=404, text="This content is no longer available.")
        for channel in self.world.channels.values():
            for message in channel.messages.values():
                for file in message.files:
                    if str(file.id) == wanted:
                        self.note(self.operation(request), dict(request.match_info), 200)
                        return web.Response(body=file.data, content_type=file.mime)
        self.note(self.operation(request), dict(request.match_info), 404)
        return web.Response(status=404)

    async def close(self) -> None:
        """Closes the gateway first, so that no websocket outlives the server."""
        self.gateway.release()
        await self.gateway.close(1001)
        await super().close()


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    """Content type exactly `application/json`; with a charset behind it discord.py reads text."""
    if body is None:
        return web.Response(status=status, headers=headers)
    return web.Response(
        status=status,
        body=json.dumps(body).encode(),
        headers={**(headers or {}), "Content-Type": "application/json"},
    )
