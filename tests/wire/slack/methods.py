"""The Web API methods: pure state changes over the world, refusals in Slack's words."""

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.wire.slack.checks import Json, Refusal
from tests.wire.slack.paging import is_true, page_of
from tests.wire.slack.rates import RATION, RATIONED, Rates, Ration
from tests.wire.slack.rules import TEXT_MAX, UPDATE_TEXT_MAX, check_blocks, check_metadata, pings
from tests.wire.slack.scopes import ASSISTANT_SCOPE, EVENT_SCOPES, HISTORY_SCOPES, SCOPES
from tests.wire.slack.world import Channel, Ephemeral, File, Message, Version, World

Method = Callable[[Json], Json]
Changed = Callable[[str, Message, Message | None], None]


_TS = re.compile(r"\d{9,10}\.\d{6}")
_EMOJI = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?")


class Methods:
    """Every method by name, `more` among them.

    `changed` hears of each message that came, changed or went. Switches for tests: `scopes` lost
    from what there is, `token_error` for a dead bot token, `app_token_error` for a dead app-level
    one, `edit_window_closed`, `post_errors` by channel, `rationed` for what an app outside the
    Marketplace gets of history: one call a minute and method, of 15 messages at most.
    """

    def __init__(
        self,
        *,
        world: World,
        bot_token: str,
        app_token: str,
        url: Callable[[], str],
        socket_root: Callable[[], str],
        changed: Changed,
        more: Mapping[str, Method],
        rates: Rates | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.world = world
        self.scopes = {*SCOPES.values(), *HISTORY_SCOPES.values(), *EVENT_SCOPES}
        self.scopes.discard(ASSISTANT_SCOPE)
        self.token_error: str | None = None
        self.app_token_error: str | None = None
        self.edit_window_closed = False
        self.rationed = False
        self._ration = Ration()
        self.post_errors: dict[str, str] = {}
        self.tickets: set[str] = set()
        self.rates = rates
        self._bot_token = bot_token
        self._app_token = app_token
        self._url = url
        self._socket_root = socket_root
        self._changed = changed
        self._clock = clock
        self._numbers = itertools.count(1)
        self._table: dict[str, Method] = {
            "auth.test": self.auth_test,
            "bots.info": self.bots_info,
            "apps.connections.open": self.connections_open,
            "chat.postMessage": self.post,
            "chat.update": self.update,
            "chat.delete": self.delete,
            "chat.postEphemeral": self.post_ephemeral,
            "conversations.history": self.history,
            "conversations.replies": self.replies,
            "conversations.info": self.info,
            "conversations.open": self.open,
            "conversations.leave": self.leave,
            "users.info": self.users_info,
            "reactions.add": self.react,
            "reactions.remove": self.unreact,
            "files.getUploadURLExternal": self.upload_url,
            "files.completeUploadExternal": self.complete_upload,
            "files.info": self.file_info,
            "files.delete": self.file_delete,
            "assistant.threads.setStatus": self.set_status,
            **more,
        }

    def __contains__(self, method: str) -> bool:
        return method in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def call(self, method: str, arguments: Json, token: str) -> Json:
        """The answer of one call; raises Refusal."""
        self._authorize(method, token)
        if self.rates is not None:
            self.rates.check(method, str(arguments.get("channel", "")), time.monotonic())
        if self.rationed and method in RATIONED:
            self._ration.check(method, self._clock())
            arguments = arguments | {"limit": min(int(arguments.get("limit", 100)), RATION)}
        return {"ok": True} | self._table[method](arguments)

    @property
    def token(self) -> str:
        """The bot token these methods answer to."""
        return self._bot_token

    def _authorize(self, method: str, token: str) -> None:
        if not token:
            raise Refusal("not_authed")
        dead = self.app_token_error if token == self._app_token else self.token_error
        if dead is not None:
            raise Refusal(dead)
        if token not in {self._bot_token, self._app_token}:
            raise Refusal("invalid_auth")
        if (method == "apps.connections.open") is not (token == self._app_token):
            raise Refusal("not_allowed_token_type")
        if (needed := SCOPES.get(method)) is not None:
            self._need(needed)

    def _need(self, scope: str) -> None:
        if scope not in self.scopes:
            raise Refusal("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    # -- who we are

    def auth_test(self, _: Json) -> Json:
        """The identity of the token."""
        world = self.world
        return {
            "url": "https://loopback.slack.com/",
            "team": "Loopback",
            "user": world.people[world.bot_user].name,
            "team_id": world.team,
            "user_id": world.bot_user,
            "bot_id": world.bot_id,
            "is_enterprise_install": world.whole,
        } | ({"enterprise_id": world.enterprise} if world.enterprise else {})

    def bots_info(self, arguments: Json) -> Json:
        """Our own bot, the only one."""
        if arguments.get("bot") != self.world.bot_id:
            raise Refusal("bot_not_found")
        world = self.world
        name = world.people[world.bot_user].name
        bot = {"id": world.bot_id, "app_id": world.app_id, "user_id": world.bot_user, "name": name}
        return {"bot": bot | {"deleted": False}}

    def users_info(self, arguments: Json) -> Json:
        """A person the workspace knows."""
        person = self.world.people.get(str(arguments.get("user")))
        if person is None:
            raise Refusal("user_not_found")
        return {"user": person.json()}

    def connections_open(self, _: Json) -> Json:
        """A socket address whose ticket is good once."""
        ticket = f"ticket-{next(self._numbers)}-of-nothing"
        self.tickets.add(ticket)
        root = self._socket_root().replace("http://", "ws://")
        return {"url": f"{root}/link/?ticket={ticket}&app_id={self.world.app_id}"}

    # -- messages

    def post(self, arguments: Json) -> Json:
        """A new message in a channel or thread."""
        channel = self._writable(arguments)
        if (error := self.post_errors.get(channel.id)) is not None:
            raise Refusal(error)
        thread = self._thread(channel, arguments.get("thread_ts"))
        version = self._version(arguments, limit=TEXT_MAX, parse="none")
        message = self._add(channel, version, thread)
        return {
            "channel": channel.id,
            "ts": message.ts,
            "message": self.world.message_json(message, metadata=True),
        }

    def update(self, arguments: Json) -> Json:
        """The whole new state of one of our messages."""
        channel = self._channel(arguments)
        message = self._ours(channel, arguments, "cant_update_message")
        if self.edit_window_closed:
            raise Refusal("edit_window_closed")
        # chat.update parses by default, unlike chat.postMessage.
        version = self._version(
            arguments, limit=UPDATE_TEXT_MAX, parse="client", before=message.now
        )
        before = self.copy(message)
        message.versions.append(version)
        message.edited_ts = f"{self._clock():.6f}"
        self._changed("changed", message, before)
        return {
            "channel": channel.id,
            "ts": message.ts,
            "text": version.text,
            "message": self.world.message_json(message),
        }

    def delete(self, arguments: Json) -> Json:
        """Takes one of our messages back."""
        channel = self._channel(arguments)
        message = self._ours(channel, arguments, "cant_delete_message")
        message.deleted = True
        self._changed("deleted", message, None)
        return {"channel": channel.id, "ts": message.ts}

    def post_ephemeral(self, arguments: Json) -> Json:
        """Words for one member of a channel."""
        channel = self._writable(arguments)
        user = str(arguments.get("user"))
        if user not in channel.members:
            raise Refusal("user_not_in_channel")
        version = self._version(arguments, limit=TEXT_MAX, parse="none")
        thread = self._thread(channel, arguments.get("thread_ts"))
        self.world.ephemerals.append(
            Ephemeral(channel=channel.id, user=user, version=version, thread_ts=thread)
        )
        return {"message_ts": f"{self._clock():.6f}"}

    def respond(self, channel: str, user: str, ts: str | None, arguments: Json) -> None:
        """What a response_url does: private words, or another state of the pressed message."""
        found = self.world.channels[channel].messages.get(ts) if ts else None
        if arguments.get("delete_original") and found is not None:
            found.deleted = True
            return
        version = self._version(arguments, limit=TEXT_MAX, parse="none")
        if arguments.get("replace_original") and found is not None:
            found.versions.append(version)
        elif arguments.get("response_type") == "in_channel":
            self._add(self.world.channels[channel], version, None)
        else:
            self.world.ephemerals.append(Ephemeral(channel=channel, user=user, version=version))

    def _version(
        self, arguments: Json, *, limit: int, parse: str, before: Version | None = None
    ) -> Version:
        text, blocks = arguments.get("text"), arguments.get("blocks")
        checked = check_blocks(blocks) if blocks is not None else None
        if checked is None and text is None and before is not None:
            checked = [dict(block) for block in before.blocks]
        checked = [self._named(block) for block in checked or []]
        text = str(text or "")
        if not checked and not text.strip():
            raise Refusal("no_text")
        if len(text) > limit:
            raise Refusal("msg_too_long")
        metadata = check_metadata(arguments.get("metadata"))
        unfurl = (arguments.get("unfurl_links", True), arguments.get("unfurl_media", True))
        return Version(
            text=text,
            blocks=tuple(checked),
            metadata=metadata if metadata is not None or before is None else before.metadata,
            unfurls=any(is_true(flag) for flag in unfurl) if before is None else before.unfurls,
            pings=pings(
                text,
                checked,
                parse=str(arguments.get("parse", parse)),
                link_names=is_true(arguments.get("link_names", False)),
                names=self.world.names(),
            ),
        )

    def _named(self, block: Json) -> Json:
        """A block with an id; Slack makes one where none was given."""
        return {"block_id": f"made{next(self._numbers)}"} | block

    def _add(
        self,
        channel: Channel,
        version: Version,
        thread: str | None,
        files: tuple[File, ...] = (),
    ) -> Message:
        message = self.world.add(
            channel,
            user=self.world.bot_user,
            version=version,
            now=self._clock(),
            thread_ts=thread,
            files=files,
        )
        message.subtype = "file_share" if files else None
        self.world.statuses.pop((channel.id, thread or ""), None)
        self._changed("added", message, None)
        return message

    def copy(self, message: Message) -> Message:
        """A message as it stands, for the event that says what it was before."""
        return Message(
            channel=message.channel,
            ts=message.ts,
            user=message.user,
            bot_id=message.bot_id,
            versions=list(message.versions),
            thread_ts=message.thread_ts,
            edited_ts=message.edited_ts,
            client_msg_id=message.client_msg_id,
        )

    # -- finding

    def _channel(self, arguments: Json) -> Channel:
        name = str(arguments.get("channel", arguments.get("channel_id", "")))
        if name[:1] in {"U", "W"} and name in self.world.people:
            return self.world.dm(name)
        if name not in self.world.channels:
            raise Refusal("channel_not_found")
        return self.world.channels[name]

    def _writable(self, arguments: Json) -> Channel:
        channel = self._channel(arguments)
        if self.world.bot_user not in channel.members:
            raise Refusal("not_in_channel")
        if channel.archived:
            raise Refusal("is_archived")
        if channel.read_only:
            raise Refusal("restricted_action_read_only_channel")
        return channel

    def _message(self, channel: Channel, ts: Any) -> Message:
        message = channel.messages.get(str(ts))
        if message is None or message.deleted:
            raise Refusal("message_not_found")
        return message

    def _ours(self, channel: Channel, arguments: Json, error: str) -> Message:
        message = self._message(channel, arguments.get("ts"))
        if message.user != self.world.bot_user:
            raise Refusal(error)
        return message

    def _thread(self, channel: Channel, ts: Any) -> str | None:
        if ts is None:
            return None
        if not _TS.fullmatch(str(ts)):
            raise Refusal("invalid_thread_ts")
        root = channel.messages.get(str(ts))
        if root is None or root.thread_ts not in {None, root.ts}:
            raise Refusal("cannot_reply_to_message")
        return root.ts

    # -- reading

    def history(self, arguments: Json) -> Json:
        """Messages of a channel, newest first, replies left out."""
        channel = self._readable(arguments)
        found = [
            message
            for message in self.world.visible_messages(channel.id)
            if message.thread_ts in (None, message.ts) or message.subtype == "thread_broadcast"
        ]
        return self._page(found[::-1], arguments)

    def replies(self, arguments: Json) -> Json:
        """A thread, its root first whatever `oldest` says."""
        channel = self._readable(arguments)
        root = str(arguments.get("ts"))
        found = self.world.visible_messages(channel.id, root)
        if root not in channel.messages or channel.messages[root].deleted:
            raise Refusal("thread_not_found")
        return self._page(found, arguments, root=root)

    def _readable(self, arguments: Json) -> Channel:
        channel = self._channel(arguments)
        self._need(HISTORY_SCOPES[channel.kind])
        if self.world.bot_user not in channel.members:
            raise Refusal("not_in_channel")
        return channel

    def _page(self, found: list[Message], arguments: Json, root: str = "") -> Json:
        within, following = page_of(found, arguments, root)
        metadata = is_true(arguments.get("include_all_metadata", False))
        return {
            "messages": [self._read(message, metadata) for message in within],
            "has_more": bool(following),
            "response_metadata": {"next_cursor": following},
        }

    def _read(self, message: Message, metadata: bool) -> Json:
        body = self.world.message_json(message, metadata=metadata)
        replies = [
            other
            for other in self.world.channels[message.channel].messages.values()
            if other.thread_ts == message.ts and other is not message and not other.deleted
        ]
        if replies:
            latest = max(reply.ts for reply in replies)
            body |= {"thread_ts": message.ts, "reply_count": len(replies), "latest_reply": latest}
        return body

    def info(self, arguments: Json) -> Json:
        """One conversation."""
        return {"channel": self._channel(arguments).json(us=self.world.bot_user)}

    def open(self, arguments: Json) -> Json:
        """The DM or group DM with these people."""
        users = [user for user in str(arguments.get("users", "")).split(",") if user]
        if not users:
            raise Refusal("users_list_not_supplied")
        if any(user not in self.world.people for user in users):
            raise Refusal("user_not_found")
        if any(self.world.people[user].is_bot for user in users):
            raise Refusal("cannot_dm_bot")
        if any(self.world.people[user].deleted for user in users):
            raise Refusal("user_disabled")
        if len(users) == 1:
            channel = self.world.dm(users[0])
        else:
            channel = self.world.channel("G" + "".join(user[1:] for user in sorted(users)))
            channel.members.update(users)
        return {"channel": {"id": channel.id}}

    def leave(self, arguments: Json) -> Json:
        """We are no member any more; leaving once more changes nothing."""
        channel = self._channel(arguments)
        if channel.kind == "im":
            raise Refusal("method_not_supported_for_channel_type")
        us = self.world.bot_user
        if us not in channel.members:
            return {"not_in_channel": True}
        channel.members.remove(us)
        return {}

    # -- reactions, signs of life

    def react(self, arguments: Json) -> Json:
        """Our reaction on a message."""
        users = self._reaction(arguments)
        if self.world.bot_user in users:
            raise Refusal("already_reacted")
        users.append(self.world.bot_user)
        return {}

    def unreact(self, arguments: Json) -> Json:
        """Our reaction off a message."""
        users = self._reaction(arguments)
        if self.world.bot_user not in users:
            raise Refusal("no_reaction")
        users.remove(self.world.bot_user)
        return {}

    def _reaction(self, arguments: Json) -> list[str]:
        message = self._message(self._channel(arguments), arguments.get("timestamp"))
        name = str(arguments.get("name", ""))
        if not _EMOJI.fullmatch(name):
            raise Refusal("invalid_name")
        return message.reactions.setdefault(name, [])

    def set_status(self, arguments: Json) -> Json:
        """The sign of life under a thread; an empty one takes it away."""
        channel = self._writable(arguments)
        thread, status = str(arguments.get("thread_ts", "")), arguments.get("status")
        if not isinstance(status, str):
            raise Refusal("invalid_arguments")
        if thread not in channel.messages:
            raise Refusal("invalid_thread_ts")
        self.world.status_history.append((channel.id, thread, status))
        if status:
            self.world.statuses[channel.id, thread] = status
        else:
            self.world.statuses.pop((channel.id, thread), None)
        return {}

    # -- files

    def upload_url(self, arguments: Json) -> Json:
        """Where the bytes of a file go."""
        name, length = str(arguments.get("filename", "")), str(arguments.get("length", ""))
        if not name:
            raise Refusal("invalid_arguments")
        if not length.isdigit() or int(length) == 0:
            raise Refusal("invalid_arguments")
        file = File(id=self.world.next_id("F"), name=name, length=int(length))
        self.world.files[file.id] = file
        return {"upload_url": f"{self._url()}/upload/v1/{file.id}", "file_id": file.id}

    def complete_upload(self, arguments: Json) -> Json:
        """Shares uploaded files as one message, or keeps them private without a channel."""
        given = arguments.get("files", "[]")
        entries: Any = json.loads(given) if isinstance(given, str) else given
        files = []
        for entry in entries:
            file = self.world.files.get(str(entry.get("id")))
            if file is None or file.data is None:
                raise Refusal("file_not_found")
            file.title = str(entry.get("title", ""))
            files.append(file)
        if not files:
            raise Refusal("invalid_arguments")
        if arguments.get("channel_id"):
            channel = self._writable(arguments)
            thread = self._thread(channel, arguments.get("thread_ts"))
            text = str(arguments.get("initial_comment") or "")
            version = Version(
                text=text,
                pings=pings(text, [], parse="none", link_names=False, names=self.world.names()),
            )
            self._add(channel, version, thread, files=tuple(files))
        return {"files": [{"id": file.id, "title": file.title} for file in files]}

    def file_info(self, arguments: Json) -> Json:
        """One file with where it was shared."""
        return {"file": self._file(arguments).json()}

    def file_delete(self, arguments: Json) -> Json:
        """Takes a file back, and the message that shared it."""
        file = self._file(arguments)
        del self.world.files[file.id]
        if file.channel and file.ts:
            message = self.world.channels[file.channel].messages[file.ts]
            message.deleted = True
            self._changed("deleted", message, None)
        return {}

    def _file(self, arguments: Json) -> File:
        file = self.world.files.get(str(arguments.get("file")))
        if file is None:
            raise Refusal("file_not_found")
        return file
